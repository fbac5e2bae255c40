/* packet/offload_test.c - packets that stand for many, and unfinished checksums */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"

static uint8_t packet[IP4_MAX_LEN], scratch[IP4_MAX_LEN];
static uint8_t pieces[200][2048];
static size_t piece_len[200], count;

static void collect(void *ctx, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    assert_true(count < 200 && len <= sizeof pieces[0]);
    memcpy(pieces[count], bytes, len);
    piece_len[count++] = len;
}

static struct ip4_view made(struct build b)
{
    struct ip4_view v;
    size_t len = build_packet(packet, &b);
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    return v;
}

static enum drop judged(struct build b, uint16_t seg_len, bool partial)
{
    struct ip4_view v = made(b);
    enum drop why = ip4_view_offload(&v, &(struct offload){seg_len, partial});
    assert_int_equal(v.partial, why == DROP_NONE && partial);
    return why;
}

static void what_comes_beside_a_packet_is_believed_only_where_the_packet_bears_it_out(void **state)
{
    (void)state;
    const struct build tcp = {.proto = 6, .flags = TCP_ACK, .payload_len = 6400}, udp = {.proto = 17, .payload_len = 6400};
    struct build b;
    assert_int_equal(judged(tcp, 0, false), DROP_NONE);
    assert_int_equal(judged(tcp, 0, true), DROP_NONE);
    assert_int_equal(judged(tcp, 50, true), DROP_NONE);
    assert_int_equal(judged(udp, 50, true), DROP_NONE);
    assert_int_equal(judged(tcp, 49, true), DROP_BAD_HEADER); /* 131 segments */
    assert_int_equal(judged(udp, 49, true), DROP_BAD_HEADER);
    assert_int_equal(judged(tcp, 50, false), DROP_BAD_HEADER);
    for (int flag = 0; flag < 3; flag++) {
        b = tcp;
        b.flags |= (uint8_t[]){TCP_SYN, TCP_RST, TCP_URG}[flag];
        assert_int_equal(judged(b, 50, true), DROP_BAD_HEADER);
        assert_int_equal(judged(b, 0, true), DROP_NONE);
    }
    b = tcp, b.payload_len = 0;
    assert_int_equal(judged(b, 50, true), DROP_BAD_HEADER);
    b = udp, b.frag = 0x2000;
    assert_int_equal(judged(b, 0, true), DROP_BAD_HEADER);
    b = (struct build){.proto = 1, .icmp_type = 8, .payload_len = 100};
    assert_int_equal(judged(b, 0, true), DROP_BAD_HEADER);
    b.proto = 47;
    assert_int_equal(judged(b, 0, true), DROP_BAD_HEADER);
    assert_int_equal(judged(b, 0, false), DROP_NONE);
}

static void addresses_change_a_partial_checksum_and_ports_do_not(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        struct build b = {.proto = i % 2 ? 6 : 17, .flags = TCP_SYN, .src = seed, .dst = seed * 31, .payload_len = i % 50,
                          .partial_csum = true, .tcp_options = (const uint8_t[]){2, 4, 5, 180}, .tcp_options_len = 4};
        struct ip4_view v = made(b);
        assert_int_equal(ip4_view_offload(&v, &(struct offload){.partial = true}), DROP_NONE);
        ip4_set_src(&v, seed ^ 0x5555aaaa);
        ip4_set_dst(&v, ~seed);
        ip4_set_src_port(&v, (uint16_t)seed);
        ip4_set_dst_port(&v, (uint16_t)(seed >> 8));
        tcp_clamp_mss(&v, 1000);
        ip4_dec_ttl(&v);
        assert_true(build_right(v.ip, true));
        assert_true(ip4_l4_csum_partial(&v));
        assert_true(ip4_l4_csum_ok(&v)); /* nothing is known to be wrong */
        ip4_set_l4_csum(&v);
        assert_false(v.partial);
        assert_true(build_valid(v.ip));
    }
}

static void giving_a_checksum_up_and_completing_it_is_identity(void **state)
{
    (void)state;
    for (size_t len = 0; len < 300; len++) {
        struct ip4_view v = made((struct build){.proto = len % 2 ? 6 : 17, .flags = TCP_ACK, .payload_len = len});
        uint8_t before[400];
        memcpy(before, v.ip, v.len);
        ip4_set_partial(&v);
        assert_true(build_right(v.ip, true));
        ip4_set_l4_csum(&v);
        assert_memory_equal(before, v.ip, v.len);
    }
}

static void a_capture_that_is_not_told_is_guessed(void **state)
{
    (void)state;
    struct offload o;
    struct ip4_view v = made((struct build){.proto = 6, .flags = TCP_ACK, .payload_len = 5000});
    ip4_guess_offload(&v, 1500, &o);
    assert_true(o.seg_len == 1460 && o.partial && v.partial && build_right(v.ip, true));
    v = made((struct build){.proto = 6, .flags = TCP_ACK, .payload_len = 1460, .partial_csum = true});
    ip4_guess_offload(&v, 1500, &o);
    assert_true(o.seg_len == 0 && !o.partial && !v.partial && build_valid(v.ip));
    v = made((struct build){.proto = 17, .payload_len = 5000}); /* nobody knows where one ends: it stays one */
    ip4_guess_offload(&v, 1500, &o);
    assert_true(o.seg_len == 0 && !o.partial && build_valid(v.ip));
}

static void datagrams_that_travelled_together_part_again(void **state)
{
    (void)state;
    struct ip4_view v = made((struct build){.proto = 17, .src_port = 7, .dst_port = 9, .id = 0xfffe, .payload_len = 5000});
    assert_int_equal(ip4_wire_len(&v, 1200), 1228);
    ip4_set_partial(&v);
    count = 0;
    assert_int_equal(ip4_segment(&v, 1200, scratch, 1228, collect, NULL), 5);
    size_t at = 28;
    for (size_t i = 0; i < 5; i++) {
        size_t payload = i < 4 ? 1200 : 200;
        assert_int_equal(piece_len[i], 28 + payload);
        assert_true(build_valid(pieces[i]));
        assert_int_equal(build_get16(pieces[i] + 2), 28 + payload);
        assert_int_equal(build_get16(pieces[i] + 24), 8 + payload);
        assert_int_equal(build_get16(pieces[i] + 4), (uint16_t)(0xfffe + i));
        assert_memory_equal(pieces[i] + 28, v.ip + at, payload);
        at += payload;
    }
    assert_int_equal(ip4_segment(&v, 1200, scratch, 1227, collect, NULL), 0);
    assert_int_equal(ip4_segment(&v, 0, scratch, sizeof scratch, collect, NULL), 0);
}

static void a_short_packet_is_its_only_segment(void **state)
{
    (void)state;
    struct ip4_view v = made((struct build){.proto = 6, .flags = TCP_SYN, .seq = 5, .partial_csum = true});
    v.partial = true;
    count = 0;
    assert_int_equal(ip4_segment(&v, 1400, scratch, sizeof scratch, collect, NULL), 1);
    assert_int_equal(piece_len[0], 40);
    assert_true(build_valid(pieces[0]));
    v = made((struct build){.proto = 1, .icmp_type = 8, .payload_len = 3000});
    assert_int_equal(ip4_segment(&v, 1400, scratch, sizeof scratch, collect, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_beside_a_packet_is_believed_only_where_the_packet_bears_it_out),
        cmocka_unit_test(addresses_change_a_partial_checksum_and_ports_do_not),
        cmocka_unit_test(giving_a_checksum_up_and_completing_it_is_identity),
        cmocka_unit_test(a_capture_that_is_not_told_is_guessed),
        cmocka_unit_test(datagrams_that_travelled_together_part_again),
        cmocka_unit_test(a_short_packet_is_its_only_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
