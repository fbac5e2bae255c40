/* packet/csum_test.c - the checksum against a naive one, RFC examples, and an inaccessible page */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"
#include "guard.h"

static void csum_gives_the_sum_of_rfc_1071_section_3(void **state)
{
    (void)state;
    static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(csum_sum(data, sizeof(data), 0), 0xddf2);
    assert_int_equal(csum_sum(data, 3, 0), 0xf201); /* the odd byte is a high half */
    assert_int_equal(csum_sum(data, 0, 0x1234), 0x1234);
    assert_int_equal(csum_sum(data, 0, 0xffffffff), 0xffff);
}

static void csum_of_a_captured_header(void **state)
{
    (void)state;
    uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                        0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
    assert_int_equal(csum_sum(header, sizeof(header), 0), 0xffff);
    header[10] = header[11] = 0xee;
    ip4_set_header_csum(header, sizeof(header));
    assert_int_equal(header[10], 0xb8);
    assert_int_equal(header[11], 0x61);
}

static void csum_equals_the_naive_one_at_every_length_and_alignment(void **state)
{
    (void)state;
    struct guard guard;
    guard_init(&guard, IP4_MAX_LEN);
    uint64_t seed = 1;
    static uint8_t data[IP4_MAX_LEN];
    build_rand_bytes(&seed, data, sizeof(data));
    for (size_t len = 0; len < 700; len++) {
        const uint32_t start = build_rand(&seed);
        assert_int_equal(csum_sum(guard_place(&guard, data + len % 9, len), len, start),
                         build_sum(data + len % 9, len, start));
        assert_int_equal(csum_sum(guard_place_first(&guard, data, len), len, 0), build_sum(data, len, 0));
    }
    memset(data, 0xff, sizeof(data)); /* most carries */
    for (size_t len = IP4_MAX_LEN - 70; len <= IP4_MAX_LEN; len++)
        assert_int_equal(csum_sum(guard_place(&guard, data, len), len, 0xffffffff),
                         build_sum(data, len, 0xffffffff));
    guard_done(&guard);
}

static void csum_continues_a_sum(void **state)
{
    (void)state;
    uint64_t seed = 2;
    uint8_t data[512];
    build_rand_bytes(&seed, data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut += 2)
        assert_int_equal(csum_sum(data + cut, sizeof(data) - cut, csum_sum(data, cut, 0)),
                         csum_sum(data, sizeof(data), 0));
}

static void csum_update_gives_the_example_of_rfc_1624(void **state)
{
    (void)state;
    /* Section 4: eqn. 2 would give 0xffff here, the right answer is 0x0000. */
    assert_int_equal(csum_update16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

static void csum_update_equals_recomputing(void **state)
{
    (void)state;
    uint64_t seed = 3;
    uint8_t data[40];
    for (int i = 0; i < 200000; i++) {
        build_rand_bytes(&seed, data, sizeof(data));
        if (i % 4 == 0)
            memset(data, i % 8 ? 0xff : 0, sizeof(data) - 6); /* extremes, where 0 and 0xffff meet */
        data[39] |= 1; /* only a sum of nothing but zeros has two answers */
        uint16_t check = (uint16_t)~build_sum(data, sizeof(data), 0);
        const size_t at = build_rand(&seed) % 18 * 2;
        const uint32_t old = build_get32(data + at);
        const uint32_t now = i % 3 ? build_rand(&seed) : (uint32_t) - (i % 2);
        if (i % 5 == 0) {
            build_put16(data + at, now >> 16);
            check = csum_update16(check, (uint16_t)(old >> 16), (uint16_t)(now >> 16));
        } else {
            build_put32(data + at, now);
            check = csum_update32(check, old, now);
        }
        assert_int_equal(check, (uint16_t)~build_sum(data, sizeof(data), 0));
    }
}

static struct ip4_view parse(uint8_t *packet, size_t len)
{
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    return v;
}

static void l4_csum_is_set_and_found_right(void **state)
{
    (void)state;
    static uint8_t packet[2200], want[2200];
    uint64_t seed = 4;
    for (int i = 0; i < 3000; i++) {
        const size_t len = build_random(&seed, want, 2000);
        memcpy(packet, want, len);
        struct ip4_view v = parse(packet, len);
        assert_true(ip4_l4_csum_ok(&v));
        build_put16(build_check_field(packet), build_rand(&seed));
        ip4_set_l4_csum(&v);
        build_fix(want);
        assert_memory_equal(packet, want, len);
        assert_true(ip4_l4_csum_ok(&v));
        packet[len - 1] ^= 0x10;
        assert_false(ip4_l4_csum_ok(&v));
    }
}

static void udp_csum_that_comes_out_0_is_written_ffff(void **state)
{
    (void)state;
    uint8_t packet[64];
    const size_t len =
        build_packet(packet, &(struct build){.proto = 17, .src_port = 5, .dst_port = 6, .payload_len = 2});
    struct ip4_view v = parse(packet, len);
    /* Add to the last word what is missing to a sum of 0xffff. */
    build_put16(packet + 28, 0);
    build_put16(packet + 26, 0);
    build_put16(packet + 28, (uint16_t)~build_sum(packet + 20, 10, build_pseudo(packet)));
    ip4_set_l4_csum(&v);
    assert_int_equal(build_get16(packet + 26), 0xffff);
    assert_true(ip4_l4_csum_ok(&v));
}

static void udp_without_csum_counts_as_right(void **state)
{
    (void)state;
    uint8_t packet[64];
    const size_t len = build_packet(packet, &(struct build){.proto = 17, .payload_len = 9, .no_csum = true});
    struct ip4_view v = parse(packet, len);
    assert_true(ip4_l4_csum_ok(&v));
    assert_false(ip4_l4_csum_partial(&v));
}

static void partial_csums_are_recognised_and_completed(void **state)
{
    (void)state;
    static const uint8_t protos[] = {6, 17};
    for (size_t i = 0; i < 2; i++) {
        uint8_t packet[256];
        const size_t len = build_packet(
            packet, &(struct build){.proto = protos[i], .payload_len = 77, .partial_csum = true});
        struct ip4_view v = parse(packet, len);
        assert_true(ip4_l4_csum_partial(&v));
        assert_false(ip4_l4_csum_ok(&v));
        ip4_set_l4_csum(&v);
        assert_true(build_valid(packet));
        assert_false(ip4_l4_csum_partial(&v));
    }
}

static void fragments_and_icmp_are_never_partial_and_fragments_never_wrong(void **state)
{
    (void)state;
    uint8_t packet[256], before[256];
    size_t len = build_packet(
        packet, &(struct build){.proto = 17, .frag = 0x2000, .payload_len = 16, .partial_csum = true});
    memcpy(before, packet, len);
    struct ip4_view v = parse(packet, len);
    assert_false(ip4_l4_csum_partial(&v));
    assert_true(ip4_l4_csum_ok(&v));
    ip4_set_l4_csum(&v);
    assert_memory_equal(packet, before, len);
    len = build_packet(packet, &(struct build){.proto = 1, .icmp_type = 8});
    v = parse(packet, len);
    assert_false(ip4_l4_csum_partial(&v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csum_gives_the_sum_of_rfc_1071_section_3),
        cmocka_unit_test(csum_of_a_captured_header),
        cmocka_unit_test(csum_equals_the_naive_one_at_every_length_and_alignment),
        cmocka_unit_test(csum_continues_a_sum),
        cmocka_unit_test(csum_update_gives_the_example_of_rfc_1624),
        cmocka_unit_test(csum_update_equals_recomputing),
        cmocka_unit_test(l4_csum_is_set_and_found_right),
        cmocka_unit_test(udp_csum_that_comes_out_0_is_written_ffff),
        cmocka_unit_test(udp_without_csum_counts_as_right),
        cmocka_unit_test(partial_csums_are_recognised_and_completed),
        cmocka_unit_test(fragments_and_icmp_are_never_partial_and_fragments_never_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
