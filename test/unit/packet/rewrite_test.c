/* packet/rewrite_test.c - changes in place: incremental checksums equal recomputed ones, and back is back */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"

static struct ip4_view parse(uint8_t *packet, size_t len)
{
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    return v;
}

static bool same_view(const struct ip4_view *a, const struct ip4_view *b)
{
    return a->ip == b->ip && a->len == b->len && a->header_len == b->header_len && a->proto == b->proto &&
           a->src == b->src && a->dst == b->dst && a->frag_off == b->frag_off &&
           a->more_frags == b->more_frags && a->dont_frag == b->dont_frag && a->ttl == b->ttl &&
           a->l4 == b->l4 && a->l4_len == b->l4_len && a->src_port == b->src_port &&
           a->dst_port == b->dst_port && a->tcp_flags == b->tcp_flags &&
           a->l4_header_len == b->l4_header_len && a->icmp_type == b->icmp_type &&
           a->icmp_code == b->icmp_code;
}

static void rewriting_equals_building_the_packet_anew(void **state)
{
    (void)state;
    static uint8_t packet[512], want[512];
    uint64_t seed = 11;
    for (int i = 0; i < 50000; i++) {
        const size_t len = build_random(&seed, packet, 300);
        memcpy(want, packet, len);
        const uint32_t src = i % 7 ? build_rand(&seed) : 0, dst = i % 5 ? build_rand(&seed) : 0xffffffff;
        const uint16_t sport = (uint16_t)(i % 3 ? build_rand(&seed) : 0), dport = (uint16_t)build_rand(&seed);
        struct ip4_view v = parse(packet, len);
        ip4_set_src(&v, src);
        ip4_set_dst(&v, dst);
        ip4_set_src_port(&v, sport);
        ip4_set_dst_port(&v, dport);
        const bool alive = ip4_dec_ttl(&v);

        const bool no_csum = want[9] == 17 && build_get16(build_check_field(want)) == 0;
        uint8_t *l4 = want + build_header_len(want);
        build_put32(want + 12, src);
        build_put32(want + 16, dst);
        build_put16(l4 + (want[9] == 1 ? 4 : 0), sport);
        build_put16(l4 + (want[9] == 1 ? 4 : 2), dport);
        want[8] = (uint8_t)(want[8] - (alive ? 1 : 0));
        build_fix(want);
        if (no_csum)
            build_put16(build_check_field(want), 0);
        assert_memory_equal(packet, want, len);
        /* The view followed. */
        const struct ip4_view again = parse(packet, len);
        assert_true(same_view(&v, &again));
    }
}

static void out_and_back_restores_the_packet(void **state)
{
    (void)state;
    static uint8_t packet[512], before[512];
    uint64_t seed = 12;
    for (int i = 0; i < 20000; i++) {
        const size_t len = build_random(&seed, packet, 300);
        memcpy(before, packet, len);
        struct ip4_view v = parse(packet, len);
        const struct ip4_view old = v;
        ip4_set_src(&v, build_rand(&seed));
        ip4_set_src_port(&v, (uint16_t)build_rand(&seed));
        ip4_set_src(&v, old.src);
        ip4_set_src_port(&v, old.src_port);
        assert_memory_equal(packet, before, len);
    }
}

static void a_wrong_checksum_stays_wrong(void **state)
{
    (void)state;
    uint8_t packet[128];
    const size_t len = build_packet(packet, &(struct build){.proto = 6, .payload_len = 20});
    packet[50] ^= 1;
    struct ip4_view v = parse(packet, len);
    ip4_set_src(&v, 0xcb007101);
    ip4_set_src_port(&v, 61000);
    assert_false(build_valid(packet));
    packet[50] ^= 1;
    assert_true(build_valid(packet));
}

static void udp_csum_0_stays_and_one_that_becomes_0_is_ffff(void **state)
{
    (void)state;
    uint8_t packet[128];
    size_t len = build_packet(
        packet, &(struct build){.proto = 17, .src_port = 1000, .payload_len = 20, .no_csum = true});
    struct ip4_view v = parse(packet, len);
    ip4_set_src(&v, 0xcb007101);
    ip4_set_src_port(&v, 61000);
    assert_int_equal(build_get16(packet + 26), 0);

    len = build_packet(packet, &(struct build){.proto = 17, .src_port = 1000, .payload_len = 20});
    v = parse(packet, len);
    const uint16_t check = build_get16(packet + 26);
    ip4_set_src_port(&v, (uint16_t)(1000 + check)); /* no carry here: exactly what makes the checksum 0 */
    assert_true(1000u + check <= 0xffff);
    assert_int_equal(build_get16(packet + 26), 0xffff);
    assert_true(build_valid(packet));
}

static void ports_of_fragments_behind_the_first_do_not_exist(void **state)
{
    (void)state;
    static const uint8_t protos[] = {6, 17, 1};
    for (size_t i = 0; i < 3; i++) {
        uint8_t packet[128], before[128];
        const size_t len =
            build_packet(packet, &(struct build){.proto = protos[i], .frag = 0x2004, .payload_len = 32});
        memcpy(before, packet, len);
        struct ip4_view v = parse(packet, len);
        ip4_set_src_port(&v, 4711);
        ip4_set_dst_port(&v, 4711);
        assert_memory_equal(packet, before, len);
        assert_int_equal(v.src_port, 0);
        ip4_set_src(&v, 0xcb007101);
        assert_memory_equal(packet + 20, before + 20, len - 20);
        assert_true(build_valid(packet));
    }
}

static void a_first_fragments_checksum_covers_the_datagram_and_follows(void **state)
{
    (void)state;
    uint8_t whole[256], packet[256];
    size_t len =
        build_packet(whole, &(struct build){.proto = 17, .src_port = 9, .dst_port = 10, .payload_len = 100});
    memcpy(packet, whole, 20 + 48);
    build_put16(packet + 2, 68);
    build_put16(packet + 6, 0x2000);
    build_fix(packet);
    struct ip4_view f = parse(packet, 68), w = parse(whole, len);
    ip4_set_src(&f, 0xcb007101);
    ip4_set_src_port(&f, 61000);
    ip4_set_src(&w, 0xcb007101);
    ip4_set_src_port(&w, 61000);
    assert_true(build_valid(whole));
    assert_memory_equal(packet + 20, whole + 20, 48);
}

static void icmp_errors_have_no_identifier_to_set(void **state)
{
    (void)state;
    uint8_t packet[128], before[128];
    const size_t len =
        build_packet(packet, &(struct build){.proto = 1, .icmp_type = 3, .icmp_id = 5, .payload_len = 28});
    memcpy(before, packet, len);
    struct ip4_view v = parse(packet, len);
    ip4_set_src_port(&v, 4711);
    ip4_set_dst_port(&v, 4711);
    assert_memory_equal(packet, before, len);
}

static void an_echo_reply_of_nothing_but_zeros_gets_the_checksum_ffff(void **state)
{
    (void)state;
    static const uint8_t zeros[40];
    uint8_t packet[128];
    const size_t len = build_packet(
        packet,
        &(struct build){.proto = 1, .icmp_id = 61000, .payload = zeros, .payload_len = sizeof(zeros)});
    struct ip4_view v = parse(packet, len);
    ip4_set_dst_port(&v, 0);
    assert_int_equal(build_get16(packet + 22), 0xffff);
    assert_true(build_valid(packet));
    ip4_set_dst_port(&v, 61000);
    assert_true(build_valid(packet));
}

static void a_quoted_packet_is_rewritten_as_far_as_it_is_there(void **state)
{
    (void)state;
    static const uint8_t protos[] = {6, 17, 1};
    for (size_t i = 0; i < 3; i++) {
        for (size_t cut = 28; cut <= 64; cut++) {
            uint8_t packet[128], quoted[128];
            build_packet(packet, &(struct build){.proto = protos[i],
                                                 .src_port = 61000,
                                                 .dst_port = 80,
                                                 .icmp_type = 8,
                                                 .icmp_id = 61000,
                                                 .payload_len = 36});
            memset(quoted, 0xee, sizeof(quoted));
            memcpy(quoted, packet, cut);
            struct ip4_view v;
            assert_int_equal(ip4_parse_embedded(quoted, cut, &v), DROP_NONE);
            assert_int_equal(v.src_port, 61000);
            ip4_set_src(&v, 0x0a000001);
            ip4_set_src_port(&v, 40000);
            build_put32(packet + 12, 0x0a000001);
            build_put16(packet + (protos[i] == 1 ? 24 : 20), 40000);
            build_fix(packet);
            /* A checksum that is cut in half is out of reach too. */
            const size_t check_at = (size_t)(build_check_field(packet) - packet);
            const size_t same = check_at + 2 <= cut ? cut : check_at < cut ? check_at : cut;
            assert_memory_equal(quoted, packet, same);
            for (size_t at = cut; at < sizeof(quoted); at++)
                assert_int_equal(quoted[at], 0xee);
        }
    }
}

static void a_quoted_header_checksum_stays_as_wrong_as_it_was(void **state)
{
    (void)state;
    uint8_t packet[128];
    build_packet(packet, &(struct build){.proto = 17, .ttl = 9, .payload_len = 36});
    packet[8] = 1;
    struct ip4_view v;
    assert_int_equal(ip4_parse_embedded(packet, 40, &v), DROP_NONE);
    ip4_set_src(&v, 0xcb007101);
    assert_false(build_valid(packet));
    packet[8] = 9;
    assert_int_equal(build_sum(packet, 20, 0), 0xffff);
}

static void ttl_1_does_not_become_0(void **state)
{
    (void)state;
    uint8_t packet[64], before[64];
    size_t len = build_packet(packet, &(struct build){.proto = 17, .ttl = 1});
    memcpy(before, packet, len);
    struct ip4_view v = parse(packet, len);
    assert_false(ip4_dec_ttl(&v));
    assert_memory_equal(packet, before, len);
    len = build_packet(packet, &(struct build){.proto = 17, .ttl = 2});
    v = parse(packet, len);
    assert_true(ip4_dec_ttl(&v));
    assert_int_equal(packet[8], 1);
    assert_int_equal(v.ttl, 1);
    assert_true(build_valid(packet));
    packet[8] = 0;
    build_fix(packet);
    v = parse(packet, len);
    assert_false(ip4_dec_ttl(&v));
}

static void mss_is_lowered_at_even_and_odd_places(void **state)
{
    (void)state;
    static const uint8_t even[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};
    static const uint8_t odd[] = {1, 2, 4, 0x05, 0xb4, 3, 3, 7};
    static const uint8_t behind[] = {4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 0x05, 0xb4};
    const struct {
        const uint8_t *options;
        size_t len, at;
    } cases[] = {{even, sizeof(even), 2}, {odd, sizeof(odd), 3}, {behind, sizeof(behind), 14}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t packet[128];
        const size_t len = build_packet(packet, &(struct build){.proto = 6,
                                                                .flags = TCP_SYN,
                                                                .tcp_options = cases[i].options,
                                                                .tcp_options_len = cases[i].len,
                                                                .payload_len = 5});
        struct ip4_view v = parse(packet, len);
        assert_false(tcp_clamp_mss(&v, 1460));
        assert_true(tcp_clamp_mss(&v, 1234));
        assert_int_equal(build_get16(packet + 40 + cases[i].at), 1234);
        assert_true(build_valid(packet));
        assert_false(tcp_clamp_mss(&v, 1300)); /* never raised */
    }
}

static void mss_is_left_alone_without_syn_and_in_malformed_options(void **state)
{
    (void)state;
    static const uint8_t good[] = {2, 4, 0x05, 0xb4};
    static const uint8_t bad[][8] = {
        {3, 0, 2, 4, 5, 0xb4, 1, 1}, {3, 1, 2, 4, 5, 0xb4, 1, 1}, {1, 1, 1, 1, 1, 1, 2, 4},
        {0, 0, 2, 4, 5, 0xb4, 1, 1}, {3, 9, 2, 4, 5, 0xb4, 1, 1}, {2, 3, 5, 0xb4, 1, 1, 1, 2},
    };
    uint8_t packet[128], before[128];
    size_t len = build_packet(
        packet, &(struct build){.proto = 6, .flags = TCP_ACK, .tcp_options = good, .tcp_options_len = 4});
    struct ip4_view v = parse(packet, len);
    assert_false(tcp_clamp_mss(&v, 500));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        len = build_packet(
            packet,
            &(struct build){.proto = 6, .flags = TCP_SYN, .tcp_options = bad[i], .tcp_options_len = 8});
        memcpy(before, packet, len);
        v = parse(packet, len);
        assert_false(tcp_clamp_mss(&v, 500));
        assert_memory_equal(packet, before, len);
    }
}

static void options_with_addresses_are_blanked(void **state)
{
    (void)state;
    static const uint8_t options[] = {1,  7, 7,  8, 10, 0, 0, 1, 0x94, 4, 0, 0, 68, 12,
                                      13, 1, 10, 0, 0,  1, 0, 0, 0,    5, 0, 9, 9,  9};
    uint8_t packet[128];
    const size_t len = build_packet(
        packet, &(struct build){
                    .proto = 17, .ip_options = options, .ip_options_len = sizeof(options), .payload_len = 5});
    struct ip4_view v = parse(packet, len);
    assert_true(ip4_blank_options(&v));
    static const uint8_t want[] = {1, 1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 1, 1,
                                   1, 1, 1, 1, 1, 1, 1, 1, 1,    1, 0, 9, 9, 9};
    assert_memory_equal(packet + 20, want, sizeof(want));
    assert_true(build_valid(packet));
}

static void source_routes_and_malformed_options_are_refused(void **state)
{
    (void)state;
    static const uint8_t bad[][8] = {
        {131, 7, 4, 10, 0, 0, 9, 0},
        {137, 7, 4, 10, 0, 0, 9, 0},
        {7, 0, 4, 0},
        {7, 9, 4, 0},
        {7, 3, 4, 68, 9}, /* good, then bad */
        {1, 1, 1, 1, 1, 1, 1, 7},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        uint8_t packet[128], before[128];
        const size_t len =
            build_packet(packet, &(struct build){.proto = 17, .ip_options = bad[i], .ip_options_len = 8});
        memcpy(before, packet, len);
        struct ip4_view v = parse(packet, len);
        assert_false(ip4_blank_options(&v));
        assert_memory_equal(packet, before, len);
    }
    uint8_t packet[128];
    const size_t len = build_packet(packet, &(struct build){.proto = 17});
    struct ip4_view v = parse(packet, len);
    assert_true(ip4_blank_options(&v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewriting_equals_building_the_packet_anew),
        cmocka_unit_test(out_and_back_restores_the_packet),
        cmocka_unit_test(a_wrong_checksum_stays_wrong),
        cmocka_unit_test(udp_csum_0_stays_and_one_that_becomes_0_is_ffff),
        cmocka_unit_test(ports_of_fragments_behind_the_first_do_not_exist),
        cmocka_unit_test(a_first_fragments_checksum_covers_the_datagram_and_follows),
        cmocka_unit_test(icmp_errors_have_no_identifier_to_set),
        cmocka_unit_test(an_echo_reply_of_nothing_but_zeros_gets_the_checksum_ffff),
        cmocka_unit_test(a_quoted_packet_is_rewritten_as_far_as_it_is_there),
        cmocka_unit_test(a_quoted_header_checksum_stays_as_wrong_as_it_was),
        cmocka_unit_test(ttl_1_does_not_become_0),
        cmocka_unit_test(mss_is_lowered_at_even_and_odd_places),
        cmocka_unit_test(mss_is_left_alone_without_syn_and_in_malformed_options),
        cmocka_unit_test(options_with_addresses_are_blanked),
        cmocka_unit_test(source_routes_and_malformed_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
