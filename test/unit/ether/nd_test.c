/* test/unit/ether/nd_test.c - neighbour discovery as the guard reads it, and whose IPv6 addresses it believes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "ether/gateway.h"
#include "ether/nd.h"
#include "guard.h"

#define CARD(n)   (UINT64_C(0x020000000000) | (n))
#define GATEWAY   UINT64_C(0x0274c0a85601)
#define PREFIX    UINT64_C(0xfe80000000000000)
#define HOLD_MS   15000
enum { PORTS = 4, PER_PORT = 4, UPLINK = 3, IP6 = 40, ICMP6 = 58, UDP = 17, RS = 133, RA = 134, NS = 135, NA = 136, REDIRECT = 137 };

struct lab {
    struct gateway *gateway;
    uint64_t now_ms;
    uint8_t frame[400];
};

static void lab_start(struct lab *l, enum gateway_guard guard)
{
    const struct gateway_config config = {.mac = GATEWAY, .addr = 0xc0a85601, .mask = 0xffffff00, .guard = guard, .max_ports = PORTS,
                                          .addrs_per_port = PER_PORT, .uplink = UPLINK, .seed = 3};
    *l = (struct lab){.now_ms = 1000000};
    assert_int_equal(gateway_new(&config, &l->gateway), 0);
}

static void put64(uint8_t *at, uint64_t value)
{
    build_put32(at, (uint32_t)(value >> 32));
    build_put32(at + 4, (uint32_t)value);
}

/* An IPv6 packet from fe80::src (0: from nobody). @return its length */
static size_t packet_of(uint8_t *out, uint64_t src, uint8_t next, const uint8_t *payload, size_t len)
{
    memset(out, 0, IP6);
    out[0] = 0x60;
    build_put16(out + 4, (uint32_t)len);
    out[6] = next;
    out[7] = 255;
    put64(out + 8, src != 0 ? PREFIX : 0);
    put64(out + 16, src);
    out[24] = 0xff;
    out[39] = 1;
    memcpy(out + IP6, payload, len);
    return IP6 + len;
}

/* A message about fe80::target with the link-layer address of a card. @return its length */
static size_t nd_of(uint8_t *out, uint8_t type, uint64_t target, uint64_t card)
{
    size_t at = type == RS ? 8 : type == RA ? 16 : type == REDIRECT ? 40 : 24;
    memset(out, 0, 48);
    out[0] = type;
    if (type == NS || type == NA) {
        put64(out + 8, PREFIX);
        put64(out + 16, target);
    }
    if (card == 0)
        return at;
    out[at] = type == NA ? 2 : 1;
    out[at + 1] = 1;
    ether_put_mac(out + at + 2, card);
    return at + 8;
}

static bool believes_packet(struct lab *l, uint32_t port, uint64_t card, size_t len, uint16_t vlan)
{
    struct ether_view v;
    ether_put_header(l->frame, ETHER_BROADCAST, card, ETHER_TYPE_IP6);
    if (vlan != 0) {
        memmove(l->frame + 18, l->frame + 14, len);
        build_put16(l->frame + 12, ETHER_TYPE_VLAN);
        build_put16(l->frame + 14, vlan);
        build_put16(l->frame + 16, ETHER_TYPE_IP6);
        len += 4;
    }
    assert_true(ether_parse(l->frame, 14 + len, &v));
    if (port == UPLINK) {
        gateway_hears(l->gateway, &v, l->now_ms);
        return true;
    }
    return gateway_believes(l->gateway, port, &v, l->now_ms);
}

static bool says(struct lab *l, uint32_t port, uint64_t src, uint8_t type, uint64_t target, uint64_t option)
{
    uint8_t nd[64];
    size_t len = nd_of(nd, type, target, option);
    return believes_packet(l, port, CARD(port), packet_of(l->frame + 14, src, ICMP6, nd, len), 0);
}

static bool sends(struct lab *l, uint32_t port, uint64_t src, uint16_t vlan)
{
    static const uint8_t udp[8] = {1};
    return believes_packet(l, port, CARD(port), packet_of(l->frame + 14, src, UDP, udp, sizeof udp), vlan);
}

static void words_are_read(void **state)
{
    static const struct {
        uint8_t type;
        enum nd_kind kind;
    } kinds[] = {{RS, ND_NONE}, {RA, ND_ROUTER}, {NS, ND_SOLICIT}, {NA, ND_ADVERT}, {REDIRECT, ND_ROUTER}, {128, ND_NONE}};
    uint8_t nd[64], packet[200];
    struct nd got;
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = packet_of(packet, 5, ICMP6, nd, nd_of(nd, kinds[i].type, 9, CARD(1)));
        assert_true(nd_parse(packet, len, CARD(1), &got));
        assert_int_equal(got.kind, kinds[i].kind);
        assert_true(got.src[0] == PREFIX && got.src[1] == 5 && !got.foreign);
        assert_true(got.target[1] == (got.kind == ND_SOLICIT || got.kind == ND_ADVERT ? 9 : 0));
        assert_true(nd_parse(packet, len, CARD(2), &got));
        assert_int_equal(got.foreign, kinds[i].type == RS || kinds[i].type == NS || kinds[i].type == NA);
    }
    assert_false(nd_parse(packet, IP6 - 1, CARD(1), &got));
    packet[0] = 0x45;
    assert_false(nd_parse(packet, 100, CARD(1), &got));
}

/* RFC 7113: who wants to play router puts headers in front, or cuts the packet so that the word comes later. */
static void nothing_hides_behind_headers(void **state)
{
    static const uint8_t headers[] = {0, 43, 60};
    uint8_t nd[64], payload[300], packet[400];
    struct nd got;
    size_t nd_len = nd_of(nd, NA, 9, CARD(2));
    (void)state;
    for (size_t count = 1; count <= 12; count++) {
        memset(payload, 0, sizeof payload);
        for (size_t i = 0; i < count; i++)
            payload[8 * i] = i + 1 < count ? headers[(i + 1) % 3] : ICMP6;
        memcpy(payload + 8 * count, nd, nd_len);
        size_t len = packet_of(packet, 5, headers[0], payload, 8 * count + nd_len);
        assert_true(nd_parse(packet, len, CARD(1), &got));
        assert_int_equal(got.kind, count <= 8 ? ND_ADVERT : ND_HIDDEN);
        assert_int_equal(got.foreign, count <= 8);
    }
    memset(payload, 0, sizeof payload);
    payload[0] = ICMP6; /* an authentication header of 12 bytes */
    payload[1] = 1;
    memcpy(payload + 12, nd, nd_len);
    assert_true(nd_parse(packet, packet_of(packet, 5, 51, payload, 12 + nd_len), CARD(1), &got));
    assert_int_equal(got.kind, ND_ADVERT);
    memset(payload, 0, sizeof payload);
    payload[0] = ICMP6; /* a first fragment */
    payload[3] = 1;
    memcpy(payload + 8, nd, nd_len);
    assert_true(nd_parse(packet, packet_of(packet, 5, 44, payload, 8 + nd_len), CARD(1), &got));
    assert_int_equal(got.kind, ND_HIDDEN);
    payload[8] = 128; /* of an echo request: fine */
    assert_true(nd_parse(packet, packet_of(packet, 5, 44, payload, 8 + nd_len), CARD(1), &got));
    assert_int_equal(got.kind, ND_NONE);
    payload[3] = 8; /* a later one */
    assert_true(nd_parse(packet, packet_of(packet, 5, 44, payload, 8 + nd_len), CARD(1), &got));
    assert_int_equal(got.kind, ND_NONE);
    payload[0] = 60; /* a first one that ends within its headers */
    payload[1] = payload[3] = 0;
    payload[8] = ICMP6;
    payload[9] = 20;
    assert_true(nd_parse(packet, packet_of(packet, 5, 44, payload, 24), CARD(1), &got));
    assert_int_equal(got.kind, ND_HIDDEN);
}

static void any_length_is_read_within_its_bounds(void **state)
{
    uint8_t nd[64], payload[100], packet[200];
    struct guard guard;
    struct nd got;
    uint32_t random = 7;
    (void)state;
    guard_init(&guard, 4096);
    for (int round = 0; round < 2000; round++) {
        size_t nd_len = nd_of(nd, (uint8_t)(RS + round % 5), 9, CARD(1));
        memset(payload, 0, 16);
        payload[0] = round % 3 == 0 ? 60 : ICMP6;
        payload[8] = ICMP6;
        memcpy(payload + (round % 3 == 0 ? 16 : 8), nd, nd_len);
        size_t len = packet_of(packet, 5, round % 2 ? 0 : 44, payload, nd_len + 16);
        for (int k = 0; k < round % 7; k++) {
            random = random * 1664525 + 1013904223;
            packet[(random >> 8) % len] ^= (uint8_t)(1u << (random >> 29));
        }
        for (size_t cut = 0; cut <= len; cut++)
            nd_parse(guard_place(&guard, packet, cut), cut, CARD(1), &got);
    }
    guard_done(&guard);
}

static void who_comes_first_is_believed(void **state)
{
    struct lab l;
    (void)state;
    lab_start(&l, GATEWAY_GUARD_ON);
    assert_true(says(&l, 0, 0, NS, 10, 0));         /* may I have it? */
    assert_true(says(&l, 1, 0, NS, 10, 0));         /* another may ask, so that the owner answers, */
    assert_false(says(&l, 1, 10, NA, 10, CARD(1))); /* but does not get it */
    assert_false(sends(&l, 1, 10, 0));
    assert_true(says(&l, 0, 10, NA, 10, CARD(0)));
    assert_true(sends(&l, 1, 11, 0));
    assert_false(says(&l, 1, 11, NA, 10, CARD(1)));  /* an address of his own as the source */
    assert_false(says(&l, 1, 11, NA, 11, CARD(0)));  /* somebody else's card */
    assert_false(says(&l, 1, 11, NS, 10, CARD(0)));
    assert_false(says(&l, 1, 11, RS, 0, CARD(0)));
    assert_true(says(&l, 1, 11, NS, 10, CARD(1)));   /* an honest question */
    assert_true(says(&l, 1, 0, NS, 12, 0));
    assert_int_equal(gateway_stats(l.gateway)->lies, 6);
    l.now_ms += HOLD_MS + 1000;
    assert_true(sends(&l, 1, 10, 0)); /* moved, when it was silent long enough */
    gateway_port_gone(l.gateway, 1);
    assert_true(sends(&l, 2, 10, 0));
    gateway_free(l.gateway);
}

static void no_guest_is_a_router(void **state)
{
    uint8_t nd[64], payload[64] = {ICMP6};
    struct lab l;
    (void)state;
    for (int guard = GATEWAY_GUARD_OFF; guard <= GATEWAY_GUARD_STRICT; guard++) {
        lab_start(&l, (enum gateway_guard)guard);
        bool off = guard == GATEWAY_GUARD_OFF;
        assert_int_equal(says(&l, 0, 10, RA, 0, CARD(0)), off);
        assert_int_equal(says(&l, 0, 10, REDIRECT, 0, 0), off);
        memcpy(payload + 8, nd, nd_of(nd, RA, 0, CARD(0)));
        assert_int_equal(believes_packet(&l, 0, CARD(0), packet_of(l.frame + 14, 10, 60, payload, 32), 0), off);
        assert_int_equal(believes_packet(&l, 0, CARD(0), packet_of(l.frame + 14, 10, 44, payload, 32), 0), off);
        packet_of(l.frame + 14, 10, UDP, payload, 8);
        l.frame[14 + 8] = 0xff; /* from a group */
        assert_int_equal(believes_packet(&l, 0, CARD(0), 48, 0), off);
        gateway_free(l.gateway);
    }
}

static void other_vlans_are_other_networks(void **state)
{
    struct lab l;
    (void)state;
    lab_start(&l, GATEWAY_GUARD_ON);
    assert_true(sends(&l, 0, 10, 0));
    assert_true(sends(&l, 1, 10, 7));
    assert_false(sends(&l, 0, 10, 7));
    assert_false(sends(&l, 1, 10, 0));
    gateway_free(l.gateway);
}

static void who_is_behind_the_uplink_stays_there(void **state)
{
    struct lab l;
    (void)state;
    lab_start(&l, GATEWAY_GUARD_ON);
    sends(&l, UPLINK, 20, 0);                     /* a source, which may be anybody's in the world, */
    assert_true(sends(&l, 0, 20, 0));             /* claims nothing */
    says(&l, UPLINK, 1, RA, 0, CARD(UPLINK));
    says(&l, UPLINK, 4, NA, 2, CARD(UPLINK));
    l.now_ms += HOLD_MS + 1000;                   /* routers speak seldom */
    assert_false(sends(&l, 0, 1, 0));
    assert_false(says(&l, 0, 20, NA, 2, CARD(0)));
    l.now_ms += 300000;
    assert_true(sends(&l, 0, 1, 0));
    gateway_free(l.gateway);
}

/* One that takes many addresses loses its own first, and nobody else's. */
static void a_port_has_so_many_addresses(void **state)
{
    struct lab l;
    (void)state;
    lab_start(&l, GATEWAY_GUARD_ON);
    assert_true(sends(&l, 0, 10, 0));
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(says(&l, 1, 0, NS, 100 + i, 0));
    assert_false(sends(&l, 1, 10, 0));
    assert_true(sends(&l, 2, 100, 0)); /* forgotten */
    assert_false(sends(&l, 2, 100 + 999, 0));
    gateway_free(l.gateway);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(nothing_hides_behind_headers),
        cmocka_unit_test(any_length_is_read_within_its_bounds),
        cmocka_unit_test(who_comes_first_is_believed),
        cmocka_unit_test(no_guest_is_a_router),
        cmocka_unit_test(other_vlans_are_other_networks),
        cmocka_unit_test(who_is_behind_the_uplink_stays_there),
        cmocka_unit_test(a_port_has_so_many_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
