/* packet/coalesce_test.c - joining segments and datagrams: what was cut comes back whole, what differs stays apart */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"

static uint8_t joined[IP4_MAX_LEN], scratch[IP4_MAX_LEN], whole[IP4_MAX_LEN], next[2048];
static size_t joined_len, packets;
static struct offload joined_offload;

/* Join each segment as it comes. */
static void join(void *ctx, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    packets++;
    if (joined_len == 0) {
        memcpy(joined, bytes, len);
        joined_len = len;
        return;
    }
    memcpy(next, bytes, len);
    assert_true(ip4_coalesce(joined, &joined_len, sizeof joined, &joined_offload, next, len, &(struct offload){0}));
    assert_memory_equal(next, bytes, len);
}

static void joining_what_was_cut_gives_the_whole_again(void **state)
{
    (void)state;
    static const uint8_t stamps[12] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    uint32_t seed = 3;
    for (int i = 0; i < 2000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint16_t seg_len = (uint16_t)(100 + (seed >> 8) % 1400);
        struct build b = {.proto = 6, .seq = seed, .ack = 9, .id = (uint16_t)seed, .frag = seed & 1 ? 0x4000 : 0,
                          .flags = (uint8_t)(TCP_ACK | (seed & 2 ? TCP_PSH : 0) | (seed & 4 ? TCP_FIN : 0) | (seed & 8 ? TCP_CWR : 0)),
                          .tcp_options = stamps, .tcp_options_len = seed & 16 ? 12 : 0, .payload_len = seg_len + 1 + (seed >> 16) % 60000};
        if (b.payload_len > 65000 || b.payload_len / seg_len >= PACKET_SEGMENTS_MAX)
            continue;
        size_t len = build_packet(whole, &b);
        struct ip4_view v;
        assert_int_equal(ip4_parse(whole, len, &v), DROP_NONE);
        joined_len = packets = 0;
        joined_offload = (struct offload){0};
        size_t count = ip4_segment(&v, seg_len, scratch, sizeof scratch, join, NULL);
        assert_true(count >= 2 && count == packets);
        assert_int_equal(joined_len, len);
        assert_true(joined_offload.partial && joined_offload.seg_len == seg_len);
        assert_true(build_right(joined, true));
        assert_int_equal(ip4_parse(joined, joined_len, &v), DROP_NONE);
        ip4_set_l4_csum(&v);
        assert_memory_equal(joined, whole, len);
    }
}

struct pair {
    struct build first, second;
    struct offload first_offload, second_offload;
};

static struct pair good(void)
{
    struct build b = {.proto = 6, .seq = 1000, .ack = 5, .id = 7, .flags = TCP_ACK, .payload_len = 100};
    struct pair p = {.first = b, .second = b};
    p.second.seq = 1100;
    p.second.id = 8;
    return p;
}

/* @param spoil XORed into the byte at spoil_at of the second packet afterwards */
static bool joins(const struct pair *p, size_t spoil_at, uint8_t spoil)
{
    static uint8_t before[4096];
    size_t len = build_packet(joined, &p->first), next_len = build_packet(next, &p->second);
    struct offload o = p->first_offload;
    next[spoil_at] ^= spoil;
    memcpy(before, joined, len);
    size_t had = len;
    bool did = ip4_coalesce(joined, &len, sizeof joined, &o, next, next_len, &p->second_offload);
    if (!did) {
        assert_int_equal(len, had);
        assert_memory_equal(joined, before, len);
        assert_true(o.seg_len == p->first_offload.seg_len && o.partial == p->first_offload.partial);
    }
    return did;
}

#define APART_FROM(make, ...)                                                                                                    \
    do {                                                                                                                         \
        p = make();                                                                                                              \
        __VA_ARGS__;                                                                                                             \
        assert_false(joins(&p, 0, 0));                                                                                           \
    } while (0)

/* What both kinds have in common. */
static void what_ip_and_ports_say_agrees(struct pair (*make)(void))
{
    struct pair p;
    APART_FROM(make, p.second.ttl = 63);
    APART_FROM(make, p.second.tos = 3);
    APART_FROM(make, p.second.src = 0x0a000002);
    APART_FROM(make, p.second.dst = 0x0a000002);
    APART_FROM(make, p.second.src_port = 99);
    APART_FROM(make, p.second.dst_port = 99);
    APART_FROM(make, p.second.payload_len = 101);
    APART_FROM(make, p.second.payload_len = 0);
    APART_FROM(make, p.first.frag = p.second.frag = 0x2000);
    APART_FROM(make, p.first.ip_options = p.second.ip_options = (const uint8_t[]){1, 1, 1, 0}; p.first.ip_options_len = p.second.ip_options_len = 4);
    APART_FROM(make, p.second_offload = ((struct offload){60, true}); p.second.partial_csum = true);
    APART_FROM(make, p.first_offload = ((struct offload){60, true}); p.first.partial_csum = true; p.second.payload_len = 40); /* its last piece is short */
}

static void what_does_not_agree_stays_apart(void **state)
{
    (void)state;
    struct pair p = good();
    assert_true(joins(&p, 0, 0));
    what_ip_and_ports_say_agrees(good);
    APART_FROM(good, p.second.seq++);
    APART_FROM(good, p.second.seq--);
    APART_FROM(good, p.second.ack++);
    APART_FROM(good, p.second.id++); /* without DF it is how fragments are told apart */
    APART_FROM(good, p.first.payload_len = 0; p.second.seq = 1000);
    APART_FROM(good, p.first.flags |= TCP_PSH);
    APART_FROM(good, p.first.flags |= TCP_FIN);
    APART_FROM(good, p.first.flags |= TCP_SYN);
    APART_FROM(good, p.second.flags |= TCP_SYN);
    APART_FROM(good, p.second.flags |= TCP_RST);
    APART_FROM(good, p.second.flags |= TCP_URG);
    APART_FROM(good, p.second.flags |= TCP_CWR);
    APART_FROM(good, p.second.flags |= TCP_ECE);
    APART_FROM(good, p.second.flags = 0);
    APART_FROM(good, p.second.frag = 0x4000);
    APART_FROM(good, p.second.tcp_options = (const uint8_t[]){1, 1, 1, 0}; p.second.tcp_options_len = 4);
    APART_FROM(good, p.second.proto = 17);
}

static struct pair good_datagrams(void)
{
    struct pair p = good();
    p.first.proto = p.second.proto = 17;
    p.first.frag = p.second.frag = 0x4000;
    p.second.id = 99;
    return p;
}

static void datagrams_that_do_not_agree_stay_apart(void **state)
{
    (void)state;
    struct pair p = good_datagrams();
    assert_true(joins(&p, 0, 0));
    p.second.payload_len = 1;
    assert_true(joins(&p, 0, 0));
    p.first.frag = p.second.frag = 0;
    p.second.id = 8;
    assert_true(joins(&p, 0, 0));
    what_ip_and_ports_say_agrees(good_datagrams);
    APART_FROM(good_datagrams, p.first.frag = p.second.frag = 0; p.second.id = 9);
    APART_FROM(good_datagrams, p.second.frag = 0);
    APART_FROM(good_datagrams, p.first.payload_len = 0);
    APART_FROM(good_datagrams, p.first.no_csum = true); /* cut again, it would have one */
    APART_FROM(good_datagrams, p.second.no_csum = true);
    APART_FROM(good_datagrams, p.second.proto = 6);
    APART_FROM(good_datagrams, p.first.proto = p.second.proto = 1; p.first.icmp_seq = p.second.icmp_seq = 1);
}

static void joining_datagrams_that_were_cut_gives_the_whole_again(void **state)
{
    (void)state;
    for (size_t seg_len = 1; seg_len < 1400; seg_len += 13)
        for (size_t count = 2; count <= 64; count += 31) {
            struct ip4_view v;
            if (seg_len * count > 65000)
                continue;
            size_t len = build_packet(whole, &(struct build){.proto = 17, .id = 65530, .frag = seg_len & 1 ? 0x4000 : 0,
                                                             .payload_len = seg_len > 1 ? seg_len * count - 1 : count});
            assert_int_equal(ip4_parse(whole, len, &v), DROP_NONE);
            joined_len = packets = 0;
            joined_offload = (struct offload){0};
            assert_int_equal(ip4_segment(&v, (uint16_t)seg_len, scratch, sizeof scratch, join, NULL), count);
            assert_int_equal(joined_len, len);
            assert_true(joined_offload.partial && joined_offload.seg_len == seg_len && build_right(joined, true));
            assert_int_equal(ip4_parse(joined, joined_len, &v), DROP_NONE);
            ip4_set_l4_csum(&v);
            assert_memory_equal(joined, whole, len);
        }
}

/* A surplus area (RFC 9868) lies behind the datagram its length tells of. */
static void a_datagram_with_a_surplus_stays_alone(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct pair p = good_datagrams();
        struct offload o = {0};
        size_t len = build_packet(joined, &p.first), next_len = build_packet(next, &p.second);
        uint8_t *longer = which == 0 ? joined : next;
        if (which < 2) {
            build_put16(longer + 20 + 4, 8 + 96); /* the last four bytes are no longer the datagram's */
            build_fix(longer);
        }
        assert_true(ip4_coalesce(joined, &len, sizeof joined, &o, next, next_len, &(struct offload){0}) == (which == 2));
    }
}

static void damage_is_never_covered_up(void **state)
{
    (void)state;
    struct pair p = good();
    for (size_t at = 0; at < 140; at++)
        for (int bit = 0; bit < 8; bit++)
            assert_false(joins(&p, at, (uint8_t)(1 << bit)));
    p = good_datagrams();
    for (size_t at = 0; at < 128; at++)
        for (int bit = 0; bit < 8; bit++)
            assert_false(joins(&p, at, (uint8_t)(1 << bit)));
}

static void unfinished_segments_join_too(void **state)
{
    (void)state;
    struct pair p = good();
    p.first.partial_csum = p.second.partial_csum = true;
    p.first_offload.partial = p.second_offload.partial = true;
    assert_true(joins(&p, 0, 0));
    assert_true(build_right(joined, true));
    p.second.partial_csum = false;
    p.second_offload.partial = false;
    assert_true(joins(&p, 0, 0));
    p.first.payload_len = 100; /* two of 50 */
    p.first_offload.seg_len = 50;
    p.second.payload_len = 50;
    p.second.id = 9;
    assert_true(joins(&p, 0, 0));
}

static void a_packet_has_room_for_so_many(void **state)
{
    (void)state;
    struct offload o = {.seg_len = 100, .partial = true};
    struct build b = {.proto = 6, .seq = 0, .flags = TCP_ACK, .payload_len = 100 * PACKET_SEGMENTS_MAX, .partial_csum = true};
    size_t len = build_packet(joined, &b);
    struct build n = {.proto = 6, .seq = 100 * PACKET_SEGMENTS_MAX, .id = PACKET_SEGMENTS_MAX, .flags = TCP_ACK, .payload_len = 100};
    size_t next_len = build_packet(next, &n);
    assert_false(ip4_coalesce(joined, &len, sizeof joined, &o, next, next_len, &(struct offload){0}));
    b.payload_len -= 100, n.seq -= 100, n.id--;
    len = build_packet(joined, &b);
    next_len = build_packet(next, &n);
    assert_false(ip4_coalesce(joined, &len, len + 99, &o, next, next_len, &(struct offload){0}));
    assert_true(ip4_coalesce(joined, &len, len + 100, &o, next, next_len, &(struct offload){0}));
    for (size_t cut = 0; cut < next_len; cut++)
        assert_false(ip4_coalesce(joined, &len, sizeof joined, &o, next, cut, &(struct offload){0}));
    for (size_t count = 63; count <= 64; count++) { /* older kernels take 64 datagrams as one, no more */
        struct pair p = good_datagrams();
        o = (struct offload){.seg_len = 100, .partial = true};
        p.first.payload_len = 100 * count;
        p.first.partial_csum = true;
        len = build_packet(joined, &p.first);
        next_len = build_packet(next, &p.second);
        assert_true(ip4_coalesce(joined, &len, sizeof joined, &o, next, next_len, &(struct offload){0}) == (count == 63));
    }
}

/* Datagrams gather until one does not follow; what was taken is gone, and nothing longer than a packet can be is held. */
static void a_row_holds_what_follows(void **state)
{
    static struct ip4_row row;
    static uint8_t packet[IP4_MAX_LEN + 1];
    struct build b = {.proto = IP_PROTO_UDP, .payload_len = 100};
    size_t len = build_packet(packet, &b);
    (void)state;
    assert_false(ip4_row_join(&row, packet, len)); /* there is nothing to follow */
    assert_int_equal(ip4_row_take(&row), 0);
    assert_true(ip4_row_begin(&row, packet, len));
    b.id = 1;
    len = build_packet(packet, &b);
    assert_true(ip4_row_join(&row, packet, len));
    b.payload_len = 200;
    size_t longer = build_packet(packet, &b);
    assert_false(ip4_row_join(&row, packet, longer));
    assert_int_equal(ip4_row_take(&row), len + 100);
    assert_true(row.offload.seg_len == 100 && row.offload.partial);
    assert_int_equal(ip4_row_take(&row), 0);
    assert_true(ip4_row_begin(&row, packet, longer));
    assert_true(row.offload.seg_len == 0 && !row.offload.partial);
    assert_int_equal(ip4_row_take(&row), longer);
    assert_false(ip4_row_begin(&row, packet, sizeof packet));
    assert_int_equal(ip4_row_take(&row), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_what_was_cut_gives_the_whole_again),
        cmocka_unit_test(what_does_not_agree_stays_apart),
        cmocka_unit_test(datagrams_that_do_not_agree_stay_apart),
        cmocka_unit_test(joining_datagrams_that_were_cut_gives_the_whole_again),
        cmocka_unit_test(a_datagram_with_a_surplus_stays_alone),
        cmocka_unit_test(damage_is_never_covered_up),
        cmocka_unit_test(unfinished_segments_join_too),
        cmocka_unit_test(a_packet_has_room_for_so_many),
        cmocka_unit_test(a_row_holds_what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
