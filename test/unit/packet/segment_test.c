/* packet/segment_test.c - cutting TCP into segments and anything into fragments: nothing lost, everything
 * valid */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"
#include "guard.h"

/* What came out, one packet after the other. */
struct pieces {
    uint8_t bytes[400000];
    struct {
        size_t at, len;
    } each[9000];
    size_t count, len;
};
static struct pieces pieces;
static uint8_t packet[IP4_MAX_LEN + 200], scratch[IP4_MAX_LEN];

static void collect(void *ctx, const uint8_t *bytes, size_t len)
{
    struct pieces *p = ctx;
    assert_true(p->len + len <= sizeof(p->bytes));
    assert_true(p->count < sizeof(p->each) / sizeof(*p->each));
    memcpy(p->bytes + p->len, bytes, len);
    p->each[p->count].at = p->len;
    p->each[p->count++].len = len;
    p->len += len;
}

static struct ip4_view piece(size_t i)
{
    struct ip4_view v;
    assert_int_equal(ip4_parse(pieces.bytes + pieces.each[i].at, pieces.each[i].len, &v), DROP_NONE);
    assert_int_equal(v.len, pieces.each[i].len);
    return v;
}

static struct ip4_view parse(size_t len)
{
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    return v;
}

static size_t segment(const struct ip4_view *v, size_t mtu)
{
    pieces.count = pieces.len = 0;
    const size_t count = tcp_segment(v, mtu, scratch, sizeof(scratch), collect, &pieces);
    assert_int_equal(count, pieces.count);
    return count;
}

static size_t fragment(const struct ip4_view *v, size_t mtu)
{
    pieces.count = pieces.len = 0;
    const size_t count = ip4_fragment(v, mtu, scratch, sizeof(scratch), collect, &pieces);
    assert_int_equal(count, pieces.count);
    return count;
}

static void segments_carry_what_a_nic_would_write(void **state)
{
    (void)state;
    static const uint8_t options[] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
    const size_t len =
        build_packet(packet, &(struct build){.proto = 6,
                                             .id = 0xffff,
                                             .frag = 0x4000,
                                             .seq = 0xffffff00,
                                             .ack = 77,
                                             .flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_ECE | TCP_CWR,
                                             .tcp_options = options,
                                             .tcp_options_len = 12,
                                             .payload_len = 2500});
    const struct ip4_view v = parse(len);
    assert_int_equal(segment(&v, 1052), 3);
    static const uint8_t flags[] = {TCP_ACK | TCP_ECE | TCP_CWR, TCP_ACK | TCP_ECE,
                                    TCP_ACK | TCP_PSH | TCP_FIN | TCP_ECE};
    static const size_t lens[] = {1052, 1052, 552};
    static const uint32_t seqs[] = {0xffffff00, 0xffffff00 + 1000, 0xffffff00 + 2000};
    static const uint16_t ids[] = {0xffff, 0, 1};
    for (size_t i = 0; i < 3; i++) {
        const struct ip4_view s = piece(i);
        assert_int_equal(s.len, lens[i]);
        assert_int_equal(s.tcp_flags, flags[i]);
        assert_int_equal(build_get32(s.l4 + 4), seqs[i]);
        assert_int_equal(build_get32(s.l4 + 8), 77);
        assert_int_equal(build_get16(s.ip + 4), ids[i]);
        assert_true(s.dont_frag);
        assert_memory_equal(s.l4 + 20, options, sizeof(options));
        assert_true(build_valid(s.ip));
    }
}

static void segments_made_at_once_are_those_made_one_by_one(void **state)
{
    (void)state;
    static uint8_t out[IP4_SEGMENTS_ROOM];
    struct span each[PACKET_SEGMENTS_MAX];
    struct guard guard;
    guard_init(&guard, IP4_SEGMENTS_ROOM);
    uint64_t seed = 77;
    int many = 0;
    for (int i = 0; i < 400; i++) {
        const size_t len = build_random(&seed, packet, i % 10 ? 9000 : 65000);
        struct ip4_view v;
        if (ip4_parse(packet, len, &v) != DROP_NONE)
            continue;
        const uint16_t seg_len = (uint16_t)(build_rand(&seed) % 2000);
        pieces.count = pieces.len = 0;
        const size_t count = ip4_segment(&v, seg_len, scratch, sizeof scratch, collect, &pieces);
        size_t room = count <= PACKET_SEGMENTS_MAX ? pieces.len : 0, got = ip4_segment_all(&v, seg_len, guard_room(&guard, room), room, each);
        assert_int_equal(got, count <= PACKET_SEGMENTS_MAX ? count : 0);
        for (size_t k = 0; k < got; k++) {
            assert_int_equal(each[k].len, pieces.each[k].len);
            assert_memory_equal(each[k].data, pieces.bytes + pieces.each[k].at, each[k].len);
        }
        many += got > 1;
        if (got > 0) {
            assert_int_equal(ip4_segment_all(&v, seg_len, out, room - 1, each), 0);
            assert_int_equal(ip4_segment_all(&v, seg_len, out, sizeof out, each), got);
        }
    }
    assert_true(many > 100);
    guard_done(&guard);
}

static void segments_together_are_the_packet(void **state)
{
    (void)state;
    struct guard guard;
    guard_init(&guard, IP4_MAX_LEN + 1);
    uint64_t seed = 31;
    int cut = 0;
    for (int i = 0; i < 600; i++) {
        size_t len;
        do
            len = build_random(&seed, packet, i % 10 ? 9000 : 65000);
        while (packet[9] != 6);
        packet[build_header_len(packet) + 13] &= (uint8_t) ~(TCP_SYN | TCP_RST | TCP_URG);
        build_fix(packet);
        struct ip4_view v;
        assert_int_equal(ip4_parse(guard_place(&guard, packet, len), len, &v), DROP_NONE);
        const size_t headers = v.header_len + v.l4_header_len;
        const size_t mtu = headers + 50 + build_rand(&seed) % 3000;
        const size_t count = segment(&v, mtu);
        assert_true(count >= 1);
        cut += count > 1;
        size_t at = headers;
        for (size_t k = 0; k < count; k++) {
            const struct ip4_view s = piece(k);
            const size_t payload = s.len - headers;
            assert_true(s.len <= mtu && build_valid(s.ip));
            assert_int_equal(build_get32(s.l4 + 4), build_get32(v.l4 + 4) + at - headers);
            assert_true(at + payload <= len);
            assert_memory_equal(s.ip + headers, v.ip + at, payload);
            at += payload;
        }
        assert_int_equal(at, len);
    }
    assert_true(cut > 100);
    guard_done(&guard);
}

static void a_segment_that_fits_comes_out_completed(void **state)
{
    (void)state;
    const size_t len = build_packet(
        packet, &(struct build){.proto = 6, .flags = TCP_SYN, .payload_len = 100, .partial_csum = true});
    const struct ip4_view v = parse(len);
    assert_int_equal(segment(&v, len), 1);
    assert_int_equal(pieces.each[0].len, len);
    assert_true(build_valid(pieces.bytes));
}

static void partial_checksums_need_no_completing_before_segmentation(void **state)
{
    (void)state;
    const size_t len = build_packet(
        packet, &(struct build){.proto = 6, .flags = TCP_ACK, .payload_len = 4000, .partial_csum = true});
    const struct ip4_view v = parse(len);
    assert_int_equal(segment(&v, 1500), 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(build_valid(piece(i).ip));
}

static void what_cannot_be_segmented_is_refused(void **state)
{
    (void)state;
    const struct build cases[] = {
        {.proto = 6, .flags = TCP_SYN, .payload_len = 3000},
        {.proto = 6, .flags = TCP_RST, .payload_len = 3000},
        {.proto = 6, .flags = TCP_ACK | TCP_URG, .payload_len = 3000},
        {.proto = 6, .flags = TCP_ACK, .frag = 0x2000, .payload_len = 3004},
        {.proto = 17, .payload_len = 3000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct ip4_view v = parse(build_packet(packet, &cases[i]));
        assert_int_equal(segment(&v, 1500), 0);
    }
    const struct ip4_view v =
        parse(build_packet(packet, &(struct build){.proto = 6, .flags = TCP_ACK, .payload_len = 3000}));
    assert_int_equal(segment(&v, 40), 0);
    assert_int_equal(segment(&v, 41), 3000);
    pieces.count = pieces.len = 0;
    assert_int_equal(tcp_segment(&v, 1500, scratch, 1499, collect, &pieces), 0);
    assert_int_equal(pieces.count, 0);
}

static void fragments_have_these_offsets_and_flags(void **state)
{
    (void)state;
    const size_t len = build_packet(packet, &(struct build){.proto = 17, .id = 0x4242, .payload_len = 2992});
    const struct ip4_view v = parse(len);
    assert_int_equal(fragment(&v, 1500), 3);
    static const uint16_t words[] = {0x2000, 0x2000 | 1480 / 8, 2960 / 8};
    static const size_t lens[] = {1500, 1500, 60};
    for (size_t i = 0; i < 3; i++) {
        const struct ip4_view f = piece(i);
        assert_int_equal(f.len, lens[i]);
        assert_int_equal(build_get16(f.ip + 6), words[i]);
        assert_int_equal(build_get16(f.ip + 4), 0x4242);
        assert_memory_equal(f.l4, v.l4 + f.frag_off, f.len - 20);
    }
}

static void a_fragment_can_be_fragmented(void **state)
{
    (void)state;
    static const uint16_t words[] = {0x2010, 0x0010};
    for (size_t i = 0; i < 2; i++) {
        const size_t len =
            build_packet(packet, &(struct build){.proto = 17, .frag = words[i], .payload_len = 160});
        const struct ip4_view v = parse(len);
        assert_int_equal(fragment(&v, 120), 2);
        assert_int_equal(build_get16(piece(0).ip + 6), 0x2010);
        assert_int_equal(build_get16(piece(1).ip + 6), words[i] + 96 / 8);
        assert_int_equal(piece(0).len, 116);
        assert_int_equal(piece(1).len, 84);
    }
}

static void later_fragments_carry_copied_options_only(void **state)
{
    (void)state;
    static const uint8_t options[] = {1, 7, 7, 4, 1, 1, 1, 1, 0x94, 4, 0, 0, 0x88, 3, 9, 0};
    static const uint8_t copied[] = {0x94, 4, 0, 0, 0x88, 3, 9, 0};
    const size_t len = build_packet(
        packet,
        &(struct build){.proto = 17, .ip_options = options, .ip_options_len = 16, .payload_len = 192});
    const struct ip4_view v = parse(len);
    assert_int_equal(fragment(&v, 136), 2);
    assert_int_equal(piece(0).header_len, 36);
    assert_memory_equal(piece(0).ip + 20, options, sizeof(options));
    assert_int_equal(piece(1).header_len, 28);
    assert_memory_equal(piece(1).ip + 20, copied, sizeof(copied));
}

static void fragments_keep_a_udp_surplus(void **state)
{
    (void)state;
    const size_t len = build_packet(packet, &(struct build){.proto = 17, .payload_len = 300});
    build_put16(packet + 24, 108);
    build_fix(packet);
    const struct ip4_view v = parse(len);
    assert_int_equal(v.l4_len, 108);
    assert_int_equal(fragment(&v, 220), 2);
    assert_int_equal(piece(0).len + piece(1).len, len + 20);
}

static void what_cannot_be_fragmented_is_refused(void **state)
{
    (void)state;
    struct ip4_view v =
        parse(build_packet(packet, &(struct build){.proto = 17, .frag = 0x4000, .payload_len = 200}));
    assert_int_equal(fragment(&v, 100), 0);
    assert_int_equal(fragment(&v, 228), 1);
    assert_memory_equal(pieces.bytes, packet, 228);
    v = parse(build_packet(packet, &(struct build){.proto = 17, .payload_len = 200}));
    assert_int_equal(fragment(&v, 27), 0);
    assert_int_equal(fragment(&v, 0), 0);
    pieces.count = 0;
    assert_int_equal(ip4_fragment(&v, 100, scratch, 99, collect, &pieces), 0);
    assert_int_equal(pieces.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_carry_what_a_nic_would_write),
        cmocka_unit_test(segments_made_at_once_are_those_made_one_by_one),
        cmocka_unit_test(segments_together_are_the_packet),
        cmocka_unit_test(a_segment_that_fits_comes_out_completed),
        cmocka_unit_test(partial_checksums_need_no_completing_before_segmentation),
        cmocka_unit_test(what_cannot_be_segmented_is_refused),
        cmocka_unit_test(fragments_have_these_offsets_and_flags),
        cmocka_unit_test(a_fragment_can_be_fragmented),
        cmocka_unit_test(later_fragments_carry_copied_options_only),
        cmocka_unit_test(fragments_keep_a_udp_surplus),
        cmocka_unit_test(what_cannot_be_fragmented_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
