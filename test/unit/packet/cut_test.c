/* packet/cut_test.c - pieces of a large packet become the same packets on the wire as the whole */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"

enum { WIRE_MAX = 200000 };
struct wire {
    uint8_t bytes[WIRE_MAX];
    size_t len, count;
};
static struct wire whole, pieces;
static uint8_t packet[IP4_MAX_LEN], piece[IP4_MAX_LEN], scratch[IP4_MAX_LEN];

static void collect(void *ctx, const uint8_t *bytes, size_t len)
{
    struct wire *w = ctx;
    assert_true(w->len + len <= WIRE_MAX);
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
    w->count++;
}

static void to_wire(struct wire *w, uint8_t *bytes, size_t len, struct offload offload)
{
    struct ip4_view v;
    assert_true(build_right(bytes, offload.partial));
    assert_int_equal(ip4_parse(bytes, len, &v), DROP_NONE);
    assert_int_equal(v.len, len);
    assert_int_equal(ip4_view_offload(&v, &offload), DROP_NONE);
    assert_true(ip4_segment(&v, offload.seg_len != 0 ? offload.seg_len : UINT16_MAX, scratch, sizeof scratch, collect, w) > 0);
}

/* @param b its payload stands for segments of seg_len */
static void compare(const struct build *b, uint16_t seg_len, uint32_t random)
{
    size_t len = build_packet(packet, b), longest = 0;
    uint8_t *rest = packet;
    struct offload offload = {.seg_len = seg_len, .partial = true};
    whole.len = whole.count = pieces.len = pieces.count = 0;
    to_wire(&whole, packet, len, offload);
    for (;;) {
        random = random * 1664525 + 1013904223;
        size_t max = (random >> 8) % 9000;
        struct offload of_piece = offload;
        size_t cut = ip4_cut(&rest, &len, &offload, max, piece);
        if (cut == 0)
            break;
        longest = cut > longest ? cut : longest;
        assert_true(cut <= max || cut <= (size_t)60 + seg_len + 40);
        if (cut <= (size_t)seg_len + build_header_len(piece) + (b->proto == 6 ? 20 + b->tcp_options_len : 8))
            of_piece.seg_len = 0;
        to_wire(&pieces, piece, cut, of_piece);
    }
    to_wire(&pieces, rest, len, offload);
    assert_int_equal(pieces.count, whole.count);
    assert_int_equal(pieces.len, whole.len);
    assert_memory_equal(pieces.bytes, whole.bytes, whole.len);
}

static void pieces_are_the_whole_on_the_wire(void **state)
{
    (void)state;
    static const uint8_t stamps[12] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t ip_options[4] = {1, 1, 1, 0};
    uint32_t random = 11;
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525 + 1013904223;
        bool tcp = random >> 31;
        uint16_t seg_len = (uint16_t)(1 + (random >> 6) % 1460);
        struct build b = {.proto = tcp ? 6 : 17, .seq = random * 7, .id = (uint16_t)random, .partial_csum = true,
                          .flags = (uint8_t)(TCP_ACK | (random & 1 ? TCP_PSH : 0) | (random & 2 ? TCP_FIN : 0) | (random & 4 ? TCP_CWR : 0)),
                          .tcp_options = stamps, .tcp_options_len = tcp && random & 8 ? 12 : 0, .ip_options = ip_options,
                          .ip_options_len = random & 16 ? 4 : 0, .payload_len = 1 + (random >> 12) % 60000};
        if ((b.payload_len + seg_len - 1) / seg_len <= PACKET_SEGMENTS_MAX)
            compare(&b, seg_len, random);
    }
}

static void what_fits_or_cannot_be_cut_is_left_alone(void **state)
{
    (void)state;
    struct build b = {.proto = 6, .flags = TCP_ACK, .payload_len = 3000, .partial_csum = true};
    size_t len = build_packet(packet, &b);
    uint8_t *at = packet;
    static uint8_t before[4000];
    memcpy(before, packet, len);
    struct offload o = {.seg_len = 1000, .partial = true};
    assert_int_equal(ip4_cut(&at, &len, &o, len, piece), 0);
    o.seg_len = 3000;
    assert_int_equal(ip4_cut(&at, &len, &o, 100, piece), 0);
    o.seg_len = 0;
    assert_int_equal(ip4_cut(&at, &len, &o, 100, piece), 0);
    o.seg_len = 2; /* too many */
    assert_int_equal(ip4_cut(&at, &len, &o, 100, piece), 0);
    packet[10] ^= 1;
    o.seg_len = 1000;
    assert_int_equal(ip4_cut(&at, &len, &o, 100, piece), 0);
    packet[10] ^= 1;
    assert_ptr_equal(at, packet);
    assert_memory_equal(packet, before, len);
}

static void a_piece_can_be_thrown_away(void **state)
{
    (void)state;
    struct build b = {.proto = 6, .seq = 5, .flags = TCP_ACK | TCP_CWR, .payload_len = 2500, .partial_csum = true};
    size_t len = build_packet(packet, &b);
    uint8_t *at = packet;
    struct offload o = {.seg_len = 1000, .partial = true};
    assert_int_equal(ip4_cut(&at, &len, &o, 1, NULL), 1040);
    assert_true(at == packet + 1000 && len == 1540 && o.seg_len == 1000 && build_right(at, true));
    assert_int_equal(build_get32(at + 24), 1005);
    assert_int_equal(ip4_cut(&at, &len, &o, 1, NULL), 1040);
    assert_true(len == 540 && o.seg_len == 0 && o.partial && build_right(at, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_the_whole_on_the_wire),
        cmocka_unit_test(what_fits_or_cannot_be_cut_is_left_alone),
        cmocka_unit_test(a_piece_can_be_thrown_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
