/* Ethernet frames in the fair queue: their flow is that of the packet inside, tagged or not, and marks reach it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "build.h"
#include "guard.h"
#include "tether/packet.h"
#include "tunnel/ether_flow.h"
#include "tunnel/fairq.h"
#include "tunnel/ip_flow.h"

static const struct siphash_key key = {3, 5};

/* @param tags 0 to 2 VLAN tags @return length */
static size_t frame_of(uint8_t *out, unsigned tags, uint16_t type, const uint8_t *payload, size_t len)
{
    static const uint8_t macs[12] = {0x45, 1, 2, 3, 4, 5, 0x02, 1, 1, 1, 1, 1}; /* an address that looks like an IP packet */
    size_t at = sizeof macs;
    memcpy(out, macs, sizeof macs);
    for (unsigned i = 0; i < tags; i++, at += 4) {
        build_put16(out + at, i == 0 && tags == 2 ? 0x88a8 : 0x8100);
        build_put16(out + at + 2, 7);
    }
    build_put16(out + at, type);
    memcpy(out + at + 2, payload, len);
    return at + 2 + len;
}

static size_t udp4(uint8_t *out, uint16_t port, uint8_t tos)
{
    struct build b = {.proto = 17, .src_port = port, .dst_port = 9, .payload_len = 100};
    size_t len = build_packet(out, &b);
    out[1] = tos;
    ip4_set_header_csum(out, 20);
    return len;
}

static size_t udp6(uint8_t *out, uint16_t port, uint8_t ecn)
{
    memset(out, 0, 60);
    out[0] = 0x60;
    out[1] = (uint8_t)(ecn << 4);
    out[6] = 17;
    out[8] = 0xfe;
    out[24] = 0xfd;
    build_put16(out + 40, port);
    return 60;
}

static void the_flow_is_that_of_the_packet_inside(void **state)
{
    uint8_t packet[200], a[256], b[256];
    (void)state;
    for (unsigned tags = 0; tags <= 2; tags++) {
        size_t len = udp4(packet, 1000, 0), alen = frame_of(a, tags, 0x0800, packet, len);
        assert_int_equal(ether_flow_hash(&key, a, alen), ip_flow_hash(&key, packet, len));
        len = udp4(packet, 1001, 0);
        size_t blen = frame_of(b, tags, 0x0800, packet, len);
        assert_int_not_equal(ether_flow_hash(&key, a, alen), ether_flow_hash(&key, b, blen));
        alen = frame_of(a, tags, 0x86dd, packet, udp6(packet, 1000, 0));
        blen = frame_of(b, tags, 0x86dd, packet, udp6(packet, 1001, 0));
        assert_int_equal(ether_flow_hash(&key, a, alen), ether_flow_hash(&key, a, alen));
        assert_int_not_equal(ether_flow_hash(&key, a, alen), ether_flow_hash(&key, b, blen));
    }
    size_t arp = frame_of(a, 0, 0x0806, packet, 28), other = frame_of(b, 0, 0x0806, packet, 28);
    b[11]++; /* another sender */
    assert_int_not_equal(ether_flow_hash(&key, a, arp), ether_flow_hash(&key, b, other));
}

static void marks_reach_the_packet_inside(void **state)
{
    uint8_t packet[200], frame[256], before[256];
    (void)state;
    for (unsigned tags = 0; tags <= 2; tags++) {
        size_t len = frame_of(frame, tags, 0x0800, packet, udp4(packet, 1, 2)), at = 14 + 4 * tags;
        memcpy(before, frame, len);
        assert_true(ether_flow_mark(frame, len));
        assert_int_equal(frame[at + 1], 3);
        assert_true(build_right(frame + at, false));
        assert_memory_equal(frame, before, at); /* the addresses and tags are as they were */
        len = frame_of(frame, tags, 0x0800, packet, udp4(packet, 1, 0));
        assert_false(ether_flow_mark(frame, len));
        len = frame_of(frame, tags, 0x86dd, packet, udp6(packet, 1, 1));
        assert_true(ether_flow_mark(frame, len));
        assert_int_equal(frame[at + 1], 0x30);
        len = frame_of(frame, tags, 0x86dd, packet, udp6(packet, 1, 0));
        assert_false(ether_flow_mark(frame, len));
    }
    size_t len = frame_of(frame, 0, 0x0806, packet, 28);
    memcpy(before, frame, len);
    assert_false(ether_flow_mark(frame, len)); /* no IP packet, though its first byte looks like one */
    assert_memory_equal(frame, before, len);
}

static void any_length_is_read_within_its_bounds(void **state)
{
    uint8_t packet[200], frame[256];
    struct guard guard;
    (void)state;
    guard_init(&guard, 256);
    for (unsigned tags = 0; tags <= 2; tags++) {
        for (int six = 0; six <= 1; six++) {
            size_t len = frame_of(frame, tags, six ? 0x86dd : 0x0800, packet, six ? udp6(packet, 1, 1) : udp4(packet, 1, 1));
            for (size_t cut = 0; cut <= len; cut++) {
                uint8_t *p = guard_place(&guard, frame, cut);
                ether_flow_hash(&key, p, cut);
                ether_flow_mark(p, cut);
            }
        }
    }
    guard_done(&guard);
}

/* A large packet in a frame is cut as it would be without, and each piece has the frame's header, addresses and tags. */
static void a_large_frame_is_cut_as_the_packet_inside(void **state)
{
    static uint8_t packet[60000], frame[60100], piece[60100], bare[60000];
    struct build b = {.proto = 6, .seq = 5000, .flags = TCP_ACK | TCP_PSH, .payload_len = 30000, .partial_csum = true};
    size_t whole = build_packet(packet, &b);
    (void)state;
    for (unsigned tags = 0; tags <= 2; tags++) {
        for (size_t max = 1; max < 9000; max += 700) {
            struct offload of_frame = {1448, true}, of_packet = of_frame;
            uint8_t *rest = frame, *packet_rest = packet, head[22];
            build_packet(packet, &b);
            size_t len = frame_of(frame, tags, 0x0800, packet, whole), at = len - whole, packet_len = whole, segments = 0, n;
            memcpy(head, frame, at);
            while ((n = ether_flow_cut_len(rest, len, &of_frame, max, &segments)) > 0) {
                assert_int_equal(ether_flow_cut(&rest, &len, &of_frame, max, piece), n);
                assert_int_equal(ip4_cut(&packet_rest, &packet_len, &of_packet, max > at ? max - at : 1, bare), n - at);
                assert_true(n <= max || segments == 1);
                assert_memory_equal(piece, head, at);
                assert_memory_equal(piece + at, bare, n - at);
                assert_memory_equal(rest, head, at);
                assert_int_equal(len - at, packet_len);
                assert_memory_equal(rest + at, packet_rest, packet_len);
            }
            assert_int_equal(ether_flow_cut(&rest, &len, &of_frame, max, piece), 0);
            assert_true(of_frame.seg_len == of_packet.seg_len);
        }
    }
    struct offload o = {1448, true};
    uint8_t *at = frame;
    size_t len = frame_of(frame, 0, 0x86dd, packet, 3000), segments;
    assert_int_equal(ether_flow_cut_len(frame, len, &o, 1514, &segments), 0); /* no IPv4 */
    assert_int_equal(ether_flow_cut(&at, &len, &o, 1514, piece), 0);
    assert_ptr_equal(at, frame);
}

/* A queue of frames that looks for packets in them would cut or mark their addresses. */
static void a_queue_of_frames_leaves_them_whole(void **state)
{
    struct pbuf_pool *pool;
    struct fairq q;
    struct offload offload;
    uint8_t packet[200], out[256];
    (void)state;
    assert_int_equal(pbuf_pool_new(1 << 20, &pool), 0);
    fairq_init(&q, pool, 1 << 20, 10000000, key);
    q.ether = true;
    for (uint16_t i = 0; i < 60; i++) {
        struct pbuf *b = pbuf_get(pool, 256);
        b->len = (uint32_t)frame_of(b->data, 1, 0x0800, packet, udp4(packet, 7, 1));
        b->data[11] = (uint8_t)i;
        assert_true(fairq_push(&q, b, 1000000));
    }
    for (uint8_t i = 0; i < 60; i++) { /* late: CoDel marks */
        size_t len = fairq_next(&q, 1, 1000000 + 50000 * (i + 1u), &offload);
        assert_int_equal(len, 14 + 4 + 128);
        assert_int_equal(offload.seg_len, 0);
        fairq_take(&q, out);
        assert_int_equal(out[11], i);
        assert_int_equal(out[0], 0x45);
        assert_true(build_right(out + 18, false));
    }
    assert_true(q.marked > 0);
    fairq_done(&q);
    pbuf_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_flow_is_that_of_the_packet_inside),
        cmocka_unit_test(marks_reach_the_packet_inside),
        cmocka_unit_test(any_length_is_read_within_its_bounds),
        cmocka_unit_test(a_queue_of_frames_leaves_them_whole),
        cmocka_unit_test(a_large_frame_is_cut_as_the_packet_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
