/* test/unit/ether/gateway_test.c - ARP, echo, DHCP and refusals of the gateway; whose addresses it believes; the address book */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "build.h"
#include "base/rng.h"
#include "ether/arp.h"
#include "ether/gateway.h"
#include "guard.h"

#define CARD(n) (UINT64_C(0x020000000000) | (n))
#define MAC     UINT64_C(0x0274c0a85601)
#define ADDR    0xc0a85601u
#define HOST(n) (0xc0a85600u | (n))
enum { PORTS = 4, PER_PORT = 3 };

struct lab {
    struct gateway *gateway;
    struct dhcp_server *dhcp;
    uint64_t now_ms;
    uint8_t frame[2048];
    struct ether_view view;
};

static bool vacant(void *ctx, uint32_t addr, uint64_t mac)
{
    return gateway_is_vacant(((struct lab *)ctx)->gateway, addr, mac);
}

static void changed(void *ctx, const struct dhcp_lease *lease)
{
    (void)ctx, (void)lease;
}

static void lab_start(struct lab *l, enum gateway_guard guard, bool router)
{
    *l = (struct lab){.now_ms = 1000000};
    const struct dhcp_server_config dhcp = {
        .network = {.server = ADDR, .mask = 0xffffff00, .router = ADDR},
        .leases = {.lo = HOST(2), .hi = HOST(50), .max_ports = PORTS, .max_per_port = PER_PORT},
        .lease_s = 600, .vacant = vacant, .changed = changed, .ctx = l};
    assert_int_equal(dhcp_server_new(&dhcp, &l->dhcp), 0);
    const struct gateway_config config = {.mac = MAC, .addr = ADDR, .mask = 0xffffff00, .router = router, .dhcp = l->dhcp, .guard = guard,
                                          .max_ports = PORTS, .addrs_per_port = PER_PORT, .uplink = UINT32_MAX, .seed = 3};
    assert_int_equal(gateway_new(&config, &l->gateway), 0);
}

static void lab_end(struct lab *l)
{
    gateway_free(l->gateway);
    dhcp_server_free(l->dhcp);
}

static struct gateway_result take(struct lab *l, uint32_t port, size_t len)
{
    assert_true(ether_parse(l->frame, len, &l->view));
    if (!gateway_believes(l->gateway, port, &l->view, l->now_ms))
        return (struct gateway_result){.does = GATEWAY_NOTHING, .len = 1}; /* 1: a lie */
    return gateway_take(l->gateway, port, &l->view, l->now_ms);
}

static struct gateway_result arp_ask(struct lab *l, uint32_t port, uint64_t mac, uint32_t addr, uint32_t target)
{
    const struct arp asked = {.op = ARP_REQUEST, .sender_mac = mac, .sender = addr, .target = target};
    arp_make(l->frame, ETHER_BROADCAST, &asked);
    return take(l, port, ARP_FRAME_LEN);
}

static bool is_lie(struct gateway_result r)
{
    return r.does == GATEWAY_NOTHING && r.len == 1;
}

static struct gateway_result send_ip(struct lab *l, uint32_t port, uint64_t mac, uint64_t dst, const struct build *b)
{
    ether_put_header(l->frame, dst, mac, ETHER_TYPE_IP4);
    return take(l, port, ETHER_HEADER_LEN + build_packet(l->frame + ETHER_HEADER_LEN, b));
}

/* A DISCOVER with an offer, or a REQUEST with an acknowledgement. @return the address, 0: no such answer */
static uint32_t dhcp(struct lab *l, uint32_t port, uint64_t src, uint64_t card, uint8_t type, uint32_t want)
{
    uint8_t m[300] = {1, 1, 6, 0, 1, 2, 3, 4};
    const uint8_t discover[] = {0x63, 0x82, 0x53, 0x63, 53, 1, type, 255};
    const uint8_t request[] = {0x63, 0x82, 0x53, 0x63, 53, 1, type, 54, 4, 192, 168, 86, 1, 50, 4, 192, 168, 86, (uint8_t)want, 255};
    ether_put_mac(m + 28, card);
    memcpy(m + 236, type == DHCP_REQUEST ? request : discover, type == DHCP_REQUEST ? sizeof request : sizeof discover);
    const struct build b = {.proto = 17, .src = 0, .dst = UINT32_MAX, .src_port = 68, .dst_port = 67, .payload = m, .payload_len = sizeof m};
    ether_put_header(l->frame, ETHER_BROADCAST, src, ETHER_TYPE_IP4);
    size_t len = build_packet(l->frame + ETHER_HEADER_LEN, &b);
    memset(l->frame + ETHER_HEADER_LEN + 12, 0, 4); /* from 0.0.0.0 */
    build_fix(l->frame + ETHER_HEADER_LEN);
    struct gateway_result r = take(l, port, ETHER_HEADER_LEN + len);
    if (r.does != GATEWAY_ANSWER || !build_valid(r.bytes + ETHER_HEADER_LEN))
        return 0;
    return r.bytes[42 + 242] == type + 1 || r.bytes[42 + 242] == type + 2 ? build_get32(r.bytes + 42 + 16) : 0;
}

static uint32_t lease(struct lab *l, uint32_t port, uint64_t card)
{
    uint32_t addr = dhcp(l, port, card, card, DHCP_DISCOVER, 0);
    return addr != 0 ? dhcp(l, port, card, card, DHCP_REQUEST, addr & 255) : 0;
}

static void answers_arp_for_itself_only(void **state)
{
    (void)state;
    struct lab l;
    struct arp said;
    lab_start(&l, GATEWAY_GUARD_ON, true);
    struct gateway_result r = arp_ask(&l, 1, CARD(1), HOST(2), ADDR);
    assert_true(r.does == GATEWAY_ANSWER && r.len == ETHER_MIN_LEN);
    assert_true(ether_get_mac(r.bytes) == CARD(1) && ether_get_mac(r.bytes + 6) == MAC);
    assert_true(arp_parse(r.bytes + ETHER_HEADER_LEN, ARP_LEN, &said));
    assert_true(said.op == ARP_REPLY && said.sender == ADDR && said.sender_mac == MAC && said.target == HOST(2));
    assert_int_equal(arp_ask(&l, 1, CARD(1), HOST(2), HOST(9)).does, GATEWAY_NOTHING);
    lab_end(&l);
    lab_start(&l, GATEWAY_GUARD_ON, false); /* somebody else is the router */
    assert_int_equal(arp_ask(&l, 1, CARD(1), HOST(2), ADDR).does, GATEWAY_NOTHING);
    lab_end(&l);
}

static void arp_is_read_within_its_bytes(void **state)
{
    (void)state;
    struct guard guard;
    struct arp arp;
    uint8_t frame[ARP_FRAME_LEN];
    guard_init(&guard, 4096);
    arp_make(frame, ETHER_BROADCAST, &(struct arp){.op = ARP_REQUEST, .sender_mac = CARD(1), .sender = 1, .target = 2});
    for (size_t len = 0; len <= ARP_LEN; len++)
        assert_int_equal(arp_parse(guard_place(&guard, frame + ETHER_HEADER_LEN, len), len, &arp), len == ARP_LEN);
    frame[ETHER_HEADER_LEN + 7] = 3;
    assert_false(arp_parse(frame + ETHER_HEADER_LEN, ARP_LEN, &arp));
    guard_done(&guard);
}

static void answers_echo_and_refuses_the_rest(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l, GATEWAY_GUARD_ON, true);
    struct build b = {.proto = 1, .src = HOST(2), .dst = ADDR, .icmp_type = 8, .icmp_id = 7, .icmp_seq = 9, .payload_len = 333};
    struct gateway_result r = send_ip(&l, 1, CARD(1), MAC, &b);
    assert_int_equal(r.does, GATEWAY_ANSWER);
    const uint8_t *ip = r.bytes + ETHER_HEADER_LEN;
    assert_true(build_valid(ip) && ip[20] == 0 && build_get32(ip + 12) == ADDR && build_get32(ip + 16) == HOST(2));
    assert_true(ether_get_mac(r.bytes) == CARD(1) && build_get16(ip + 24) == 7 && build_get16(ip + 26) == 9 && r.len == 14 + 20 + 8 + 333);
    b = (struct build){.proto = 6, .src = HOST(2), .dst = ADDR, .src_port = 5, .dst_port = 80, .flags = 2};
    r = send_ip(&l, 1, CARD(1), MAC, &b);
    assert_true(r.does == GATEWAY_ANSWER && build_valid(r.bytes + 14) && (r.bytes[14 + 20 + 13] & 4)); /* RST */
    b = (struct build){.proto = 17, .src = HOST(2), .dst = ADDR, .src_port = 5, .dst_port = 53, .payload_len = 900};
    r = send_ip(&l, 1, CARD(1), MAC, &b);
    assert_true(r.does == GATEWAY_ANSWER && build_valid(r.bytes + 14) && r.bytes[14 + 20] == 3 && r.bytes[14 + 21] == 3);
    lab_end(&l);
}

static void takes_packets_for_the_world(void **state)
{
    (void)state;
    struct lab l;
    struct addr_entry at;
    lab_start(&l, GATEWAY_GUARD_ON, true);
    struct build b = {.proto = 17, .src = HOST(2), .dst = 0xc0000250, .src_port = 5, .dst_port = 53, .payload_len = 9};
    struct gateway_result r = send_ip(&l, 1, CARD(1), MAC, &b);
    assert_true(r.does == GATEWAY_ROUTE && r.bytes == l.frame + ETHER_HEADER_LEN && r.len == 37);
    assert_true(gateway_find(l.gateway, HOST(2), &at) && at.mac == CARD(1) && at.port == 1);
    assert_int_equal(send_ip(&l, 1, CARD(1), CARD(9), &b).does, GATEWAY_NOTHING); /* another station's */
    b.src = 0x0a000001;                                                        /* no guest's address */
    assert_int_equal(send_ip(&l, 1, CARD(1), MAC, &b).does, GATEWAY_NOTHING);
    gateway_port_gone(l.gateway, 1);
    assert_false(gateway_find(l.gateway, HOST(2), &at));
    lab_end(&l);
}

static void lends_by_frames_and_only_to_the_sender(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l, GATEWAY_GUARD_ON, true);
    assert_int_equal(lease(&l, 1, CARD(1)), HOST(2));
    assert_int_equal(dhcp(&l, 2, CARD(2), CARD(3), DHCP_DISCOVER, 0), 0); /* for another card than it came from */
    assert_int_equal(gateway_stats(l.gateway)->bad_dhcp, 1);
    assert_false(is_lie(arp_ask(&l, 2, CARD(2), HOST(3), HOST(9)))); /* used without being lent: not offered to others */
    assert_int_equal(lease(&l, 3, CARD(5)), HOST(4));
    lab_end(&l);
}

static void lies_are_not_believed(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l, GATEWAY_GUARD_ON, true);
    assert_int_equal(lease(&l, 1, CARD(1)), HOST(2));
    assert_true(is_lie(arp_ask(&l, 2, CARD(2), ADDR, HOST(2))));    /* "I am the gateway" */
    assert_true(is_lie(arp_ask(&l, 2, CARD(2), HOST(2), HOST(9)))); /* "I am the victim" */
    struct build b = {.proto = 17, .src = HOST(2), .dst = 0xc0000250, .src_port = 5, .dst_port = 53};
    assert_true(is_lie(send_ip(&l, 2, CARD(2), MAC, &b)));
    assert_false(is_lie(arp_ask(&l, 2, CARD(2), 0, HOST(2)))); /* a probe claims nothing */
    const struct arp said = {.op = ARP_REPLY, .sender_mac = CARD(1), .sender = HOST(7), .target = HOST(9)};
    arp_make(l.frame, CARD(9), &said);
    ether_put_mac(l.frame + 6, CARD(2)); /* a frame from one card that speaks of another */
    assert_true(is_lie(take(&l, 2, ARP_FRAME_LEN)));
    assert_int_equal(gateway_stats(l.gateway)->lies, 4);
    struct build offer = {.proto = 17, .src = HOST(60), .dst = UINT32_MAX, .src_port = 67, .dst_port = 68, .payload_len = 300};
    assert_true(is_lie(send_ip(&l, 2, CARD(2), ETHER_BROADCAST, &offer))); /* "I lend addresses" */
    assert_false(is_lie(arp_ask(&l, 2, CARD(2), HOST(60), HOST(9)))); /* an own, static address */
    assert_true(is_lie(arp_ask(&l, 3, CARD(3), HOST(60), HOST(9))));
    l.now_ms += 60000;
    assert_false(is_lie(arp_ask(&l, 3, CARD(3), HOST(60), HOST(9)))); /* moved, when it was silent long enough */
    lab_end(&l);
}

static void strict_believes_lent_addresses_only(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l, GATEWAY_GUARD_STRICT, true);
    assert_true(is_lie(arp_ask(&l, 1, CARD(1), HOST(2), ADDR)));
    assert_int_equal(lease(&l, 1, CARD(1)), HOST(2));
    assert_false(is_lie(arp_ask(&l, 1, CARD(1), HOST(2), ADDR)));
    assert_true(is_lie(arp_ask(&l, 1, CARD(1), HOST(3), ADDR)));
    lab_end(&l);
    lab_start(&l, GATEWAY_GUARD_OFF, true);
    assert_false(is_lie(arp_ask(&l, 1, CARD(1), ADDR, HOST(9))));
    lab_end(&l);
}

static void other_vlans_are_other_networks(void **state)
{
    (void)state;
    struct lab l;
    lab_start(&l, GATEWAY_GUARD_ON, true);
    arp_ask(&l, 1, CARD(1), HOST(2), ADDR);
    memmove(l.frame + 16, l.frame + 12, ARP_FRAME_LEN - 12);
    memcpy(l.frame + 12, "\x81\x00\x00\x07", 4);
    assert_int_equal(take(&l, 2, ARP_FRAME_LEN + 4).does, GATEWAY_NOTHING);
    assert_false(is_lie(take(&l, 2, ARP_FRAME_LEN + 4))); /* the same address, in another network, where card 1 has it, */
    ether_put_mac(l.frame + 6, CARD(3));
    ether_put_mac(l.frame + 26, CARD(3));
    assert_true(is_lie(take(&l, 3, ARP_FRAME_LEN + 4)));  /* and card 3 has not */
    ether_put_mac(l.frame + 6, CARD(1));
    ether_put_mac(l.frame + 26, CARD(1));
    memcpy(l.frame + 14, "\xe0\x00", 2); /* only a priority */
    l.now_ms += 60000;
    assert_int_equal(take(&l, 2, ARP_FRAME_LEN + 4).does, GATEWAY_ANSWER);
    lab_end(&l);
}

/* --- the address book against a naive array --- */

enum { ADDRS = 30, BOOK_PORTS = 4, BOOK_SHARE = 5, HOLD_MS = 5000 };
struct naive {
    uint64_t mac, heard_ms, order;
    uint32_t port;
    bool known;
};

static bool naive_hear(struct naive *all, uint32_t addr, uint64_t mac, uint32_t port, uint64_t now_ms, uint64_t order)
{
    struct naive *n = &all[addr];
    bool same = n->known && n->mac == mac && n->port == port;
    if (same && now_ms < n->heard_ms + 1000)
        return true;
    if (n->known && !same && now_ms < n->heard_ms + HOLD_MS)
        return false;
    size_t count = 0, oldest = ADDRS;
    for (size_t i = 0; i < ADDRS; i++) {
        if (!all[i].known || all[i].port != port)
            continue;
        count++;
        if (oldest == ADDRS || all[i].order < all[oldest].order)
            oldest = i;
    }
    if (!(n->known && n->port == port) && count >= BOOK_SHARE)
        all[oldest].known = false;
    *n = (struct naive){.mac = mac, .heard_ms = now_ms, .order = order, .port = port, .known = true};
    return true;
}

static void the_address_book_equals_a_naive_array(void **state)
{
    (void)state;
    struct addr_book *book;
    struct naive all[ADDRS] = {0};
    struct rng rng;
    const struct addr_book_config config = {.max_ports = BOOK_PORTS, .max_per_port = BOOK_SHARE, .hold_ms = HOLD_MS, .seed = 9};
    uint64_t now_ms = 100000;
    rng_init(&rng, 6);
    assert_int_equal(addr_book_new(&config, &book), 0);
    for (uint64_t step = 1; step < 40000; step++) {
        uint32_t addr = rng_below(&rng, ADDRS), port = rng_below(&rng, BOOK_PORTS);
        uint64_t mac = CARD(port * 2 + rng_below(&rng, 2));
        struct addr_entry e;
        now_ms += rng_below(&rng, 2000);
        if (rng_below(&rng, 200) == 0) {
            addr_book_forget_port(book, port);
            for (size_t i = 0; i < ADDRS; i++)
                all[i].known = all[i].known && all[i].port != port;
        }
        struct addr_key key = addr_key4(0, addr);
        assert_int_equal(addr_book_hear(book, &key, mac, port, now_ms), naive_hear(all, addr, mac, port, now_ms, step));
        addr = rng_below(&rng, ADDRS);
        key = addr_key4(0, addr);
        assert_int_equal(addr_book_find(book, &key, &e), all[addr].known);
        if (all[addr].known)
            assert_true(e.mac == all[addr].mac && e.port == all[addr].port && e.key.lo == addr && e.heard_ms <= now_ms);
        assert_int_equal(addr_book_is_others(book, &key, mac, now_ms - 3000),
                         all[addr].known && all[addr].mac != mac && all[addr].heard_ms >= now_ms - 3000);
    }
    addr_book_free(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_arp_for_itself_only),
        cmocka_unit_test(arp_is_read_within_its_bytes),
        cmocka_unit_test(answers_echo_and_refuses_the_rest),
        cmocka_unit_test(takes_packets_for_the_world),
        cmocka_unit_test(lends_by_frames_and_only_to_the_sender),
        cmocka_unit_test(lies_are_not_believed),
        cmocka_unit_test(strict_believes_lent_addresses_only),
        cmocka_unit_test(other_vlans_are_other_networks),
        cmocka_unit_test(the_address_book_equals_a_naive_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
