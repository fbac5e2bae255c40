/* test/unit/ether/dhcp_server_test.c - the DHCP server by the rules of RFC 2131, against liars and the greedy, and across restarts */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "ether/dhcp_server.h"
#include "tether/ether.h"

#define SERVER 0xc0a85601u
#define LO     0xc0a85602u
#define ALL    UINT32_MAX
#define CARD(n) (UINT64_C(0x020000000000) | (n))
enum { RANGE = 8, PORTS = 8, PER_PORT = 3, LEASE_S = 600 };

/* A server with a fake clock, and what it said last. */
struct lab {
    struct dhcp_server *server;
    uint64_t now_ms;
    uint32_t in_use;  /* by somebody who was lent nothing */
    int changes;
    struct dhcp_lease changed;
    uint8_t data[DHCP_REPLY_MAX];
    struct dhcp_answer answer;
    enum dhcp_type type; /* of the answer; 0: none */
    uint32_t yiaddr;
};

static bool vacant(void *ctx, uint32_t addr, uint64_t mac)
{
    (void)mac;
    return addr != ((struct lab *)ctx)->in_use;
}

static void changed(void *ctx, const struct dhcp_lease *lease)
{
    struct lab *l = ctx;
    l->changes++;
    l->changed = *lease;
}

static const struct dhcp_static statics[] = {{CARD(77), LO + 3}, {CARD(78), SERVER + 200}};

static struct dhcp_server *server_new(struct lab *l)
{
    struct dhcp_server *server;
    const struct dhcp_server_config config = {
        .network = {.server = SERVER, .mask = 0xffffff00, .router = SERVER, .dns = {0x09090909}, .dns_count = 1, .domain = "lab"},
        .leases = {.lo = LO, .hi = LO + RANGE - 1, .statics = statics, .static_count = 2, .max_ports = PORTS, .max_per_port = PER_PORT},
        .lease_s = LEASE_S, .vacant = vacant, .changed = changed, .ctx = l};
    assert_int_equal(dhcp_server_new(&config, &server), 0);
    return server;
}

static void lab_start(struct lab *l)
{
    *l = (struct lab){.now_ms = 5000};
    l->server = server_new(l);
}

static struct dhcp_message message(enum dhcp_type type, uint64_t mac)
{
    struct dhcp_message m = {.type = type, .xid = 0x12345678, .mac = mac, .client = {.len = 7, .bytes = {1}}};
    ether_put_mac(m.client.bytes + 1, mac);
    return m;
}

/* The option of an answer, or NULL. */
static const uint8_t *option(const struct lab *l, uint8_t code)
{
    for (size_t at = 240; at < l->answer.len && l->data[at] != 255; at += 2u + l->data[at + 1])
        if (l->data[at] == code)
            return l->data + at + 2;
    return NULL;
}

static enum dhcp_type ask(struct lab *l, uint32_t port, const struct dhcp_message *m)
{
    l->answer = dhcp_server_ask(l->server, port, m, l->now_ms, l->data);
    l->type = l->answer.len > 0 ? (enum dhcp_type)option(l, 53)[0] : 0;
    l->yiaddr = l->answer.len > 0 ? get_be32(l->data + 16) : 0;
    return l->type;
}

static uint32_t discover(struct lab *l, uint32_t port, uint64_t mac)
{
    struct dhcp_message m = message(DHCP_DISCOVER, mac);
    return ask(l, port, &m) == DHCP_OFFER ? l->yiaddr : 0;
}

static enum dhcp_type request(struct lab *l, uint32_t port, uint64_t mac, uint32_t addr)
{
    struct dhcp_message m = message(DHCP_REQUEST, mac);
    m.server_id = SERVER;
    m.requested = addr;
    return ask(l, port, &m);
}

/* Discover and request: the address, or 0. */
static uint32_t lease(struct lab *l, uint32_t port, uint64_t mac)
{
    uint32_t addr = discover(l, port, mac);
    return addr != 0 && request(l, port, mac, addr) == DHCP_ACK && l->yiaddr == addr ? addr : 0;
}

static enum dhcp_type renew(struct lab *l, uint32_t port, uint64_t mac, uint32_t addr)
{
    struct dhcp_message m = message(DHCP_REQUEST, mac);
    m.ciaddr = addr;
    return ask(l, port, &m);
}

static enum dhcp_type reboot(struct lab *l, uint32_t port, uint64_t mac, uint32_t addr)
{
    struct dhcp_message m = message(DHCP_REQUEST, mac);
    m.requested = addr;
    return ask(l, port, &m);
}

static void release(struct lab *l, uint32_t port, uint64_t mac, uint32_t addr)
{
    struct dhcp_message m = message(DHCP_RELEASE, mac);
    m.ciaddr = addr;
    assert_int_equal(ask(l, port, &m), 0);
}

static void decline(struct lab *l, uint32_t port, uint64_t mac, uint32_t addr)
{
    struct dhcp_message m = message(DHCP_DECLINE, mac);
    m.server_id = SERVER;
    m.requested = addr;
    assert_int_equal(ask(l, port, &m), 0);
}

static void offers_then_acknowledges_with_everything_a_client_needs(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    assert_int_equal(discover(&l, 1, CARD(1)), LO);
    assert_int_equal(l.changes, 0);
    assert_int_equal(request(&l, 1, CARD(1), LO), DHCP_ACK);
    assert_int_equal(l.changes, 1);
    assert_true(l.changed.addr == LO && l.changed.state == DHCP_BOUND && l.changed.mac == CARD(1));
    assert_int_equal(get_be32(l.data + 4), 0x12345678);
    assert_int_equal(get_be32(option(&l, 54)), SERVER);
    assert_int_equal(get_be32(option(&l, 51)), LEASE_S);
    assert_int_equal(get_be32(option(&l, 58)), LEASE_S / 2);
    assert_int_equal(get_be32(option(&l, 59)), LEASE_S * 7 / 8);
    assert_int_equal(get_be32(option(&l, 1)), 0xffffff00);
    assert_int_equal(get_be32(option(&l, 28)), SERVER | 0xff);
    assert_int_equal(get_be32(option(&l, 3)), SERVER);
    assert_int_equal(get_be32(option(&l, 6)), 0x09090909);
    assert_memory_equal(option(&l, 15), "lab", 3);
    assert_true(l.answer.len >= DHCP_MIN_LEN && l.answer.dst == LO && l.answer.dst_mac == CARD(1));
    assert_int_equal(lease(&l, 2, CARD(2)), LO + 1);
    assert_int_equal(discover(&l, 1, CARD(1)), LO); /* asks again: the same */
    dhcp_server_free(l.server);
}

static void broadcasts_where_the_client_cannot_hear_otherwise(void **state)
{
    (void)state;
    struct lab l;
    struct dhcp_message m = message(DHCP_DISCOVER, CARD(1));
    lab_start(&l);
    m.wants_broadcast = true;
    ask(&l, 1, &m);
    assert_true(l.answer.dst == ALL && l.answer.dst_mac == ETHER_BROADCAST);
    lease(&l, 1, CARD(1));
    assert_int_equal(renew(&l, 1, CARD(1), LO), DHCP_ACK);
    assert_true(l.answer.dst == LO && l.answer.dst_mac == CARD(1));
    assert_int_equal(renew(&l, 1, CARD(1), LO + 5), DHCP_NAK);
    assert_true(l.answer.dst == ALL && l.answer.dst_mac == ETHER_BROADCAST && l.yiaddr == 0 && option(&l, 51) == NULL);
    dhcp_server_free(l.server);
}

static void requests_for_what_is_not_theirs_are_refused(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    assert_int_equal(lease(&l, 1, CARD(1)), LO);
    assert_int_equal(request(&l, 2, CARD(2), LO), DHCP_NAK);          /* another's */
    assert_int_equal(request(&l, 2, CARD(2), LO + 2), DHCP_NAK);      /* never offered */
    assert_int_equal(request(&l, 2, CARD(2), SERVER), DHCP_NAK);      /* the gateway's own */
    assert_int_equal(reboot(&l, 2, CARD(2), LO), 0);                  /* nobody we know: silence (section 4.3.2) */
    assert_int_equal(reboot(&l, 2, CARD(2), 0x0a000005), DHCP_NAK);   /* another network */
    assert_int_equal(reboot(&l, 1, CARD(1), LO + 1), DHCP_NAK);       /* ours, but another address */
    assert_int_equal(reboot(&l, 1, CARD(1), LO), DHCP_ACK);
    assert_int_equal(renew(&l, 2, CARD(2), LO), DHCP_NAK);
    dhcp_server_free(l.server);
}

static void an_offer_ends_when_another_server_is_chosen(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    assert_int_equal(discover(&l, 1, CARD(1)), LO);
    struct dhcp_message m = message(DHCP_REQUEST, CARD(1));
    m.server_id = SERVER + 9;
    m.requested = 0xc0a85699;
    assert_int_equal(ask(&l, 1, &m), 0);
    assert_int_equal(dhcp_leases_in(dhcp_server_leases(l.server), DHCP_OFFERED), 0);
    dhcp_server_free(l.server);
}

static void leases_end_and_are_remembered(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    assert_int_equal(lease(&l, 1, CARD(1)), LO);
    l.now_ms += LEASE_S * 1000 - 1;
    assert_non_null(dhcp_server_holder(l.server, LO));
    l.now_ms += 1;
    dhcp_server_tick(l.server, l.now_ms);
    assert_null(dhcp_server_holder(l.server, LO));
    assert_int_equal(lease(&l, 2, CARD(2)), LO + 1); /* the freed one is the last to be lent */
    assert_int_equal(lease(&l, 1, CARD(1)), LO);     /* and its client gets it again */
    release(&l, 1, CARD(1), LO);
    assert_null(dhcp_server_holder(l.server, LO));
    assert_int_equal(l.changed.state, DHCP_FREE);
    assert_int_equal(reboot(&l, 1, CARD(1), LO), DHCP_ACK);
    dhcp_server_free(l.server);
}

static void offers_end_after_a_minute(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    discover(&l, 1, CARD(1));
    l.now_ms += DHCP_OFFER_MS;
    dhcp_server_tick(l.server, l.now_ms);
    assert_int_equal(dhcp_leases_in(dhcp_server_leases(l.server), DHCP_OFFERED), 0);
    assert_int_equal(request(&l, 1, CARD(1), LO), DHCP_ACK); /* late, but nobody else has it */
    dhcp_server_free(l.server);
}

static void declined_addresses_rest(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    assert_int_equal(lease(&l, 1, CARD(1)), LO);
    decline(&l, 1, CARD(1), LO);
    assert_int_equal(lease(&l, 1, CARD(1)), LO + 1);
    assert_int_equal(dhcp_leases_in(dhcp_server_leases(l.server), DHCP_DECLINED), 1);
    l.now_ms += DHCP_DECLINE_MS;
    dhcp_server_tick(l.server, l.now_ms);
    assert_int_equal(dhcp_leases_in(dhcp_server_leases(l.server), DHCP_DECLINED), 0);
    dhcp_server_free(l.server);
}

static void only_the_holder_releases_and_declines(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    assert_int_equal(lease(&l, 1, CARD(1)), LO);
    release(&l, 2, CARD(2), LO);
    release(&l, 2, CARD(1), LO); /* the victim's name from another port */
    decline(&l, 2, CARD(2), LO);
    decline(&l, 2, CARD(1), LO);
    assert_non_null(dhcp_server_holder(l.server, LO));
    dhcp_server_free(l.server);
}

static void static_leases_belong_to_their_cards(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    assert_int_equal(lease(&l, 1, CARD(77)), LO + 3);
    assert_int_equal(lease(&l, 2, CARD(78)), SERVER + 200); /* outside of the range */
    assert_int_equal(request(&l, 3, CARD(3), SERVER + 200), DHCP_NAK);
    for (uint32_t i = 0; i < RANGE - 1; i++)
        assert_true(lease(&l, 3 + i / PER_PORT, CARD(10 + i)) != 0);
    assert_int_equal(discover(&l, 7, CARD(50)), 0); /* all others are lent, and the static one stays where it is */
    assert_int_equal(dhcp_server_stats(l.server)->no_address, 1);
    release(&l, 1, CARD(77), LO + 3);
    assert_int_equal(discover(&l, 7, CARD(50)), 0);
    dhcp_server_free(l.server);
}

static void a_static_address_is_kept_while_it_is_free(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    struct dhcp_message m = message(DHCP_DISCOVER, CARD(3));
    m.requested = LO + 3;
    assert_int_equal(ask(&l, 3, &m), DHCP_OFFER);
    assert_int_equal(l.yiaddr, LO);
    assert_int_equal(lease(&l, 1, CARD(77)), LO + 3);
    dhcp_server_free(l.server);
}

static void an_address_in_use_by_others_is_not_offered(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    l.in_use = LO;
    assert_int_equal(lease(&l, 1, CARD(1)), LO + 1);
    dhcp_server_free(l.server);
}

static void a_port_gets_no_more_than_its_share(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    for (uint32_t i = 0; i < PER_PORT; i++)
        assert_true(lease(&l, 1, CARD(i + 1)) != 0);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(discover(&l, 1, CARD(100 + i)), 0);
    assert_int_equal(dhcp_server_stats(l.server)->over_quota, 1000);
    assert_int_equal(renew(&l, 1, CARD(2), LO + 1), DHCP_ACK);
    assert_true(lease(&l, 2, CARD(50)) != 0);
    for (uint32_t i = 0; i < 5; i++) { /* nor does declining help: what it declined counts */
        uint32_t addr = lease(&l, 4, CARD(60));
        assert_int_equal(addr != 0, i < PER_PORT);
        if (addr != 0)
            decline(&l, 4, CARD(60), addr);
    }
    dhcp_server_free(l.server);
}

static void who_is_gone_makes_room_when_there_is_none(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    for (uint32_t round = 0; round < 20; round++) { /* takes its share, hangs up, comes again */
        for (uint32_t i = 0; i < PER_PORT; i++)
            assert_true(lease(&l, 1, CARD(1000 + round * PER_PORT + i)) != 0);
        dhcp_server_port_gone(l.server, 1);
    }
    uint32_t addr = lease(&l, 2, CARD(1));
    assert_true(addr != 0);
    for (uint32_t i = 0; i < 100; i++) {
        discover(&l, 3 + i % 2, CARD(2000 + i));
        assert_non_null(dhcp_server_holder(l.server, addr)); /* never from somebody who is there */
    }
    dhcp_server_free(l.server);
}

/* Copies of one machine share an identifier; so may a liar. */
static void one_identifier_at_two_cards_gets_two_addresses(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    struct dhcp_message m = message(DHCP_DISCOVER, CARD(1));
    m.has_client_id = true;
    m.client = (struct dhcp_client){.len = 4, .bytes = "same"};
    for (uint64_t card = 1; card <= 2; card++) {
        m.mac = CARD(card);
        m.type = DHCP_DISCOVER;
        m.server_id = m.requested = 0;
        assert_int_equal(ask(&l, (uint32_t)card, &m), DHCP_OFFER);
        m.type = DHCP_REQUEST;
        m.server_id = SERVER;
        m.requested = l.yiaddr;
        assert_int_equal(ask(&l, (uint32_t)card, &m), DHCP_ACK);
        assert_int_equal(l.yiaddr, LO + card - 1);
        assert_memory_equal(option(&l, 61), "same", 4);
    }
    m.server_id = m.requested = 0;
    m.ciaddr = LO + 1;
    assert_int_equal(ask(&l, 2, &m), DHCP_ACK);
    m.mac = CARD(1);
    m.ciaddr = LO;
    assert_int_equal(ask(&l, 1, &m), DHCP_ACK);
    dhcp_server_free(l.server);
}

static void informs_without_lending(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    struct dhcp_message m = message(DHCP_INFORM, CARD(1));
    m.ciaddr = LO + 5;
    assert_int_equal(ask(&l, 1, &m), DHCP_ACK);
    assert_true(l.yiaddr == 0 && option(&l, 51) == NULL && l.answer.dst == LO + 5);
    assert_null(dhcp_server_holder(l.server, LO + 5));
    m.giaddr = 1; /* from a relay, of which there are none */
    assert_int_equal(ask(&l, 1, &m), 0);
    dhcp_server_free(l.server);
}

static void leases_outlive_a_restart_as_lines(void **state)
{
    (void)state;
    struct lab l;
    char line[DHCP_LINE_MAX];
    lab_start(&l);
    struct dhcp_message m = message(DHCP_REQUEST, CARD(1));
    discover(&l, 1, CARD(1));
    m.server_id = SERVER;
    m.requested = LO;
    snprintf(m.hostname, sizeof m.hostname, "box");
    assert_int_equal(ask(&l, 1, &m), DHCP_ACK);
    dhcp_lease_print(&l.changed, 1000600, line);
    assert_string_equal(line, "192.168.86.2 02:00:00:00:00:01 1000600 01020000000001 box\n");
    dhcp_server_free(l.server);
    l.server = server_new(&l);
    assert_true(dhcp_server_restore(l.server, line, 1000000, l.now_ms));
    assert_int_equal(dhcp_server_holder(l.server, LO)->mac, CARD(1));
    assert_string_equal(dhcp_server_holder(l.server, LO)->hostname, "box");
    assert_int_equal(discover(&l, 2, CARD(2)), LO + 1);
    l.now_ms += 600001;
    dhcp_server_tick(l.server, l.now_ms);
    assert_null(dhcp_server_holder(l.server, LO));
    assert_true(dhcp_server_restore(l.server, "192.168.86.3 02:00:00:00:00:05 0 01020000000005 -\n", 1000000, l.now_ms));
    assert_null(dhcp_server_holder(l.server, LO + 1));
    assert_int_equal(reboot(&l, 3, CARD(5), LO + 1), DHCP_ACK); /* given back, but remembered */
    dhcp_server_free(l.server);
}

static void lines_that_are_none_are_refused(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l);
    const char *bad[] = {"", "\n", "192.168.86.2", "192.168.86.2 02:00:00:00:00:01 1 01 - more\n", "192.168.86.300 02:00:00:00:00:01 1 01 -\n",
                         "192.168.86.2 03:00:00:00:00:01 1 01 -\n", "192.168.86.2 02:00:00:00:00:01 x 01 -\n",
                         "192.168.86.2 02:00:00:00:00:01 1 0 -\n", "192.168.86.2 02:00:00:00:00:01 1 zz -\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(dhcp_server_restore(l.server, bad[i], 0, l.now_ms));
    assert_true(dhcp_server_restore(l.server, "10.0.0.9 02:00:00:00:00:01 9 01 -\n", 0, l.now_ms)); /* lent no more: skipped */
    assert_int_equal(dhcp_leases_in(dhcp_server_leases(l.server), DHCP_BOUND), 0);
    dhcp_server_free(l.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_then_acknowledges_with_everything_a_client_needs),
        cmocka_unit_test(broadcasts_where_the_client_cannot_hear_otherwise),
        cmocka_unit_test(requests_for_what_is_not_theirs_are_refused),
        cmocka_unit_test(an_offer_ends_when_another_server_is_chosen),
        cmocka_unit_test(leases_end_and_are_remembered),
        cmocka_unit_test(offers_end_after_a_minute),
        cmocka_unit_test(declined_addresses_rest),
        cmocka_unit_test(only_the_holder_releases_and_declines),
        cmocka_unit_test(static_leases_belong_to_their_cards),
        cmocka_unit_test(a_static_address_is_kept_while_it_is_free),
        cmocka_unit_test(an_address_in_use_by_others_is_not_offered),
        cmocka_unit_test(a_port_gets_no_more_than_its_share),
        cmocka_unit_test(who_is_gone_makes_room_when_there_is_none),
        cmocka_unit_test(one_identifier_at_two_cards_gets_two_addresses),
        cmocka_unit_test(informs_without_lending),
        cmocka_unit_test(leases_outlive_a_restart_as_lines),
        cmocka_unit_test(lines_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
