/* packet/icmp_test.c - ICMP errors, RST and ICMPv6 errors: what they say, and about what they keep silent */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"
#include "guard.h"

enum { ROUTER = 0xc0000201 };

static struct ip4_view parse(uint8_t *packet, size_t len)
{
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    return v;
}

static void need_frag_has_these_bytes(void **state)
{
    (void)state;
    uint8_t packet[128], out[576];
    const size_t len = build_packet(
        packet, &(struct build){.proto = 17, .src_port = 0x1234, .dst_port = 53, .payload_len = 4});
    const struct ip4_view v = parse(packet, len);
    assert_int_equal(icmp_make_error(out, sizeof(out), ROUTER, ICMP_UNREACHABLE, ICMP_NEED_FRAG, 1400, &v),
                     28 + len);
    static const uint8_t head[] = {0x45, 0xc0, 0, 60, 0, 0, 0x40, 0, 64, 1};
    static const uint8_t addrs[] = {192, 0, 2, 1, 10, 0, 0, 1, 3, 4};
    static const uint8_t rest[] = {0, 0, 0x05, 0x78};
    assert_memory_equal(out, head, sizeof(head));
    assert_memory_equal(out + 12, addrs, sizeof(addrs));
    assert_memory_equal(out + 24, rest, sizeof(rest));
    assert_memory_equal(out + 28, packet, len);
    assert_true(build_valid(out));
}

static void the_mtu_is_told_only_where_it_is_asked(void **state)
{
    (void)state;
    uint8_t packet[128], out[576];
    const size_t len = build_packet(packet, &(struct build){.proto = 17, .payload_len = 4});
    const struct ip4_view v = parse(packet, len);
    assert_int_not_equal(icmp_make_error(out, sizeof(out), ROUTER, ICMP_TIME_EXCEEDED, 0, 1400, &v), 0);
    assert_int_equal(build_get32(out + 24), 0);
    assert_true(build_valid(out));
}

static void errors_quote_no_more_than_fits_576_bytes(void **state)
{
    (void)state;
    static uint8_t packet[2000], out[2000];
    struct guard guard;
    guard_init(&guard, 4096);
    for (size_t payload = 500; payload < 1500; payload += 9) {
        const size_t len = build_packet(packet, &(struct build){.proto = 6, .payload_len = payload});
        const struct ip4_view v = parse(guard_place(&guard, packet, len), len);
        const size_t made =
            icmp_make_error(out, sizeof(out), ROUTER, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0, &v);
        assert_int_equal(made, 28 + len < 576 ? 28 + len : 576);
        assert_memory_equal(out + 28, packet, made - 28);
        assert_true(build_valid(out));
        assert_int_equal(icmp_make_error(guard_room(&guard, 0), made - 1, ROUTER, 3, 3, 0, &v), 0);
    }
    guard_done(&guard);
}

static bool answered(const struct build *b)
{
    uint8_t packet[128], out[576];
    const size_t len = build_packet(packet, b);
    const struct ip4_view v = parse(packet, len);
    return icmp_make_error(out, sizeof(out), ROUTER, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE, 0, &v) != 0;
}

static void no_error_is_sent_about_errors(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        const bool query = type == 0 || type == 8 || type == 9 || type == 10 || (type >= 13 && type <= 18);
        assert_int_equal(answered(&(struct build){.proto = 1, .icmp_type = (uint8_t)type, .payload_len = 28}),
                         query);
    }
}

static void no_error_is_sent_about_later_fragments(void **state)
{
    (void)state;
    assert_true(answered(&(struct build){.proto = 17, .frag = 0x2000, .payload_len = 32}));
    assert_false(answered(&(struct build){.proto = 17, .frag = 0x2004, .payload_len = 32}));
    assert_false(answered(&(struct build){.proto = 17, .frag = 0x0004, .payload_len = 32}));
}

static void no_error_is_sent_to_or_about_many_hosts(void **state)
{
    (void)state;
    static const uint32_t odd[] = {0x00000001, 0x7f000001, 0xe0000001, 0xefffffff, 0xf0000001, 0xffffffff};
    assert_true(answered(&(struct build){.proto = 17}));
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        assert_false(answered(&(struct build){.proto = 17, .src = odd[i]}));
        assert_int_equal(answered(&(struct build){.proto = 17, .dst = odd[i]}), odd[i] == 0x7f000001); /* who asks for it is one host */
    }
    uint8_t packet[64], out[576];
    const size_t len = build_packet(packet, &(struct build){.proto = 17});
    build_put32(packet + 12, 0);
    build_fix(packet);
    const struct ip4_view v = parse(packet, len);
    assert_int_equal(icmp_make_error(out, sizeof(out), ROUTER, 3, 1, 0, &v), 0);
}

static void rst_without_ack_acknowledges_the_segment(void **state)
{
    (void)state;
    uint8_t packet[128], out[40];
    size_t len = build_packet(packet, &(struct build){.proto = 6,
                                                      .src_port = 40000,
                                                      .dst_port = 81,
                                                      .seq = 0xfffffff0,
                                                      .flags = TCP_SYN | TCP_FIN,
                                                      .payload_len = 20});
    struct ip4_view v = parse(packet, len);
    assert_int_equal(tcp_make_rst(out, sizeof(out), &v), 40);
    static const uint8_t want[] = {192,  0, 2, 80, 10, 0, 0, 1, 0x00, 0x51, 0x9c,
                                   0x40, 0, 0, 0,  0,  0, 0, 0, 0x06, 0x50, 0x14};
    assert_memory_equal(out + 12, want, sizeof(want));
    assert_true(build_valid(out));
    assert_int_equal(tcp_make_rst(out, 39, &v), 0);
}

static void rst_to_an_ack_takes_its_number(void **state)
{
    (void)state;
    uint8_t packet[128], out[40];
    const size_t len = build_packet(
        packet, &(struct build){
                    .proto = 6, .seq = 5, .ack = 0x12345678, .flags = TCP_ACK | TCP_PSH, .payload_len = 3});
    const struct ip4_view v = parse(packet, len);
    assert_int_equal(tcp_make_rst(out, sizeof(out), &v), 40);
    assert_int_equal(build_get32(out + 24), 0x12345678);
    assert_int_equal(build_get32(out + 28), 0);
    assert_int_equal(out[33], TCP_RST);
    assert_true(build_valid(out));
}

static void rst_is_never_sent_to_an_rst_or_anything_else(void **state)
{
    (void)state;
    const struct build cases[] = {
        {.proto = 6, .flags = TCP_RST},
        {.proto = 6, .flags = TCP_RST | TCP_ACK},
        {.proto = 6, .flags = TCP_SYN, .frag = 0x2000, .payload_len = 4},
        {.proto = 6, .flags = TCP_SYN, .dst = 0xe0000001},
        {.proto = 6, .flags = TCP_SYN, .src = 0xffffffff},
        {.proto = 17},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t packet[128], out[40];
        const size_t len = build_packet(packet, &cases[i]);
        const struct ip4_view v = parse(packet, len);
        assert_int_equal(tcp_make_rst(out, sizeof(out), &v), 0);
    }
}

/** 2001:db8::1 > 2001:db8::2. @return length */
static size_t build6(uint8_t *out, uint8_t next, const uint8_t *payload, size_t len)
{
    memset(out, 0, 40);
    out[0] = 0x60;
    build_put16(out + 4, (uint32_t)len);
    out[6] = next;
    out[7] = 64;
    build_put32(out + 8, 0x20010db8);
    out[23] = 1;
    build_put32(out + 24, 0x20010db8);
    out[39] = 2;
    if (payload)
        memcpy(out + 40, payload, len);
    else
        memset(out + 40, 0, len);
    return 40 + len;
}

static bool valid6(const uint8_t *packet, size_t len)
{
    return build_get16(packet + 4) == len - 40 &&
           build_sum(packet + 40, len - 40, build_sum(packet + 8, 32, len - 40 + 58)) == 0xffff;
}

static void ip6_is_told_that_there_is_no_route(void **state)
{
    (void)state;
    uint8_t packet[128], out[1280];
    const size_t len = build6(packet, 6, NULL, 20);
    assert_int_equal(icmp6_make_unreachable(out, sizeof(out), packet, len), 48 + len);
    static const uint8_t head[] = {0x60, 0, 0, 0, 0, 68, 58, 64};
    static const uint8_t unreachable[] = {1, 0};
    assert_memory_equal(out, head, sizeof(head));
    assert_memory_equal(out + 8, packet + 24, 16);
    assert_memory_equal(out + 24, packet + 8, 16);
    assert_memory_equal(out + 40, unreachable, 2);
    assert_int_equal(build_get32(out + 44), 0);
    assert_memory_equal(out + 48, packet, len);
    assert_true(valid6(out, 48 + len));
    assert_int_equal(icmp6_make_unreachable(out, 47 + len, packet, len), 0);
}

static void ip6_errors_fit_the_minimum_mtu(void **state)
{
    (void)state;
    static uint8_t packet[2000], out[2000];
    const size_t len = build6(packet, 17, NULL, 1900);
    assert_int_equal(icmp6_make_unreachable(out, sizeof(out), packet, len), 1280);
    assert_true(valid6(out, 1280));
    /* Bytes behind the payload length are not the packet's. */
    const size_t small = build6(packet, 17, NULL, 8);
    assert_int_equal(icmp6_make_unreachable(out, sizeof(out), packet, small + 100), 48 + small);
}

static size_t answer6(uint8_t next, const uint8_t *payload, size_t len)
{
    uint8_t packet[256], out[1280];
    return icmp6_make_unreachable(out, sizeof(out), packet, build6(packet, next, payload, len));
}

static void ip6_errors_are_not_sent_about_errors_even_behind_extension_headers(void **state)
{
    (void)state;
    static const uint8_t echo[8] = {128}, redirect[8] = {137}, too_big[8] = {2};
    assert_int_not_equal(answer6(58, echo, 8), 0);
    assert_int_equal(answer6(58, redirect, 8), 0);
    assert_int_equal(answer6(58, too_big, 8), 0);
    assert_int_equal(answer6(58, NULL, 0), 0);
    static const uint8_t hop_echo[16] = {58, 0, 1, 4, 0, 0, 0, 0, 128};
    static const uint8_t hop_error[16] = {58, 0, 1, 4, 0, 0, 0, 0, 1};
    static const uint8_t auth_error[20] = {58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t auth_echo[20] = {58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128}; /* counted in fours */
    static const uint8_t fragment_error[16] = {58, 0, 0, 1, 0, 0, 0, 9, 3};
    static const uint8_t later_of_icmp[16] = {58, 0, 0, 8, 0, 0, 0, 9, 200};
    static const uint8_t later_of_udp[16] = {17, 0, 0, 8, 0, 0, 0, 9, 0};
    static const uint8_t too_long[8] = {17, 1};
    assert_int_not_equal(answer6(0, hop_echo, 16), 0);
    assert_int_equal(answer6(0, hop_error, 16), 0);
    assert_int_equal(answer6(60, hop_error, 16), 0);
    assert_int_equal(answer6(43, hop_error, 16), 0);
    assert_int_equal(answer6(51, auth_error, 20), 0);
    assert_int_not_equal(answer6(51, auth_echo, 20), 0);
    assert_int_equal(answer6(44, fragment_error, 16), 0);
    assert_int_equal(answer6(44, later_of_icmp, 16), 0);
    assert_int_not_equal(answer6(44, later_of_udp, 16), 0);
    assert_int_equal(answer6(0, too_long, 8), 0);
}

static void ip6_errors_go_to_one_host_about_one_host(void **state)
{
    (void)state;
    uint8_t packet[64], out[1280];
    size_t len = build6(packet, 17, NULL, 8);
    packet[24] = 0xff;
    assert_int_equal(icmp6_make_unreachable(out, sizeof(out), packet, len), 0);
    len = build6(packet, 17, NULL, 8);
    packet[8] = 0xff;
    assert_int_equal(icmp6_make_unreachable(out, sizeof(out), packet, len), 0);
    len = build6(packet, 17, NULL, 8);
    memset(packet + 8, 0, 16);
    assert_int_equal(icmp6_make_unreachable(out, sizeof(out), packet, len), 0);
    len = build6(packet, 17, NULL, 8);
    packet[0] = 0x40;
    assert_int_equal(icmp6_make_unreachable(out, sizeof(out), packet, len), 0);
}

static void ip6_is_not_read_behind_any_truncation(void **state)
{
    (void)state;
    struct guard guard;
    guard_init(&guard, 4096);
    uint64_t seed = 21;
    static const uint8_t nexts[] = {0, 43, 44, 51, 58, 60, 6};
    uint8_t packet[128], payload[64], out[1280];
    for (int i = 0; i < 5000; i++) {
        build_rand_bytes(&seed, payload, sizeof(payload));
        payload[0] = nexts[build_rand(&seed) % 7];
        payload[1] = (uint8_t)(build_rand(&seed) % 4);
        const size_t len = build6(packet, nexts[build_rand(&seed) % 7], payload, sizeof(payload));
        const size_t cut = build_rand(&seed) % (len + 1);
        if (i % 2 && cut >= 40)
            build_put16(packet + 4, (uint32_t)cut - 40);
        icmp6_make_unreachable(out, sizeof(out), guard_place(&guard, packet, cut), cut);
    }
    guard_done(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(need_frag_has_these_bytes),
        cmocka_unit_test(the_mtu_is_told_only_where_it_is_asked),
        cmocka_unit_test(errors_quote_no_more_than_fits_576_bytes),
        cmocka_unit_test(no_error_is_sent_about_errors),
        cmocka_unit_test(no_error_is_sent_about_later_fragments),
        cmocka_unit_test(no_error_is_sent_to_or_about_many_hosts),
        cmocka_unit_test(rst_without_ack_acknowledges_the_segment),
        cmocka_unit_test(rst_to_an_ack_takes_its_number),
        cmocka_unit_test(rst_is_never_sent_to_an_rst_or_anything_else),
        cmocka_unit_test(ip6_is_told_that_there_is_no_route),
        cmocka_unit_test(ip6_errors_fit_the_minimum_mtu),
        cmocka_unit_test(ip6_errors_are_not_sent_about_errors_even_behind_extension_headers),
        cmocka_unit_test(ip6_errors_go_to_one_host_about_one_host),
        cmocka_unit_test(ip6_is_not_read_behind_any_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
