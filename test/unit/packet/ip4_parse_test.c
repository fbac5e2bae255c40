/* packet/ip4_parse_test.c - what the parser takes, what it refuses and why, and that it never reads behind
 * its input */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"
#include "guard.h"

/* A DNS query as captured: 10.0.0.1:40000 > 9.9.9.9:53, id 0x1c46, DF, TTL 64. */
static const uint8_t dns_query[] = {0x45, 0x00, 0x00, 0x25, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x11,
                                    0x00, 0x00, 0x0a, 0x00, 0x00, 0x01, 0x09, 0x09, 0x09, 0x09,
                                    0x9c, 0x40, 0x00, 0x35, 0x00, 0x11, 0x00, 0x00, 0x12, 0x34,
                                    0x01, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00};

static enum drop parse(uint8_t *packet, size_t len)
{
    struct ip4_view v;
    return ip4_parse(packet, len, &v);
}

static void parse_reads_udp(void **state)
{
    (void)state;
    uint8_t packet[sizeof(dns_query)];
    memcpy(packet, dns_query, sizeof(packet));
    build_fix(packet);
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, sizeof(packet), &v), DROP_NONE);
    assert_ptr_equal(v.ip, packet);
    assert_int_equal(v.len, 37);
    assert_int_equal(v.header_len, 20);
    assert_int_equal(v.proto, IP_PROTO_UDP);
    assert_int_equal(v.src, 0x0a000001);
    assert_int_equal(v.dst, 0x09090909);
    assert_int_equal(v.ttl, 64);
    assert_true(v.dont_frag);
    assert_false(ip4_is_fragment(&v));
    assert_ptr_equal(v.l4, packet + 20);
    assert_int_equal(v.l4_len, 17);
    assert_int_equal(v.l4_header_len, 8);
    assert_int_equal(v.src_port, 40000);
    assert_int_equal(v.dst_port, 53);
}

static void parse_reads_tcp_with_options_in_both_headers(void **state)
{
    (void)state;
    static const uint8_t ip_options[] = {0x94, 0x04, 0, 0}; /* router alert */
    static const uint8_t tcp_options[] = {2, 4, 0x05, 0xb4};
    uint8_t packet[128];
    const size_t len = build_packet(packet, &(struct build){.proto = 6,
                                                            .ip_options = ip_options,
                                                            .ip_options_len = 4,
                                                            .tcp_options = tcp_options,
                                                            .tcp_options_len = 4,
                                                            .src_port = 1,
                                                            .dst_port = 65535,
                                                            .flags = TCP_SYN,
                                                            .payload_len = 3});
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_int_equal(v.header_len, 24);
    assert_int_equal(v.l4_header_len, 24);
    assert_int_equal(v.l4_len, 27);
    assert_int_equal(v.src_port, 1);
    assert_int_equal(v.dst_port, 65535);
    assert_int_equal(v.tcp_flags, TCP_SYN);
}

static void parse_reads_icmp_echo_and_error(void **state)
{
    (void)state;
    uint8_t packet[64];
    size_t len = build_packet(
        packet, &(struct build){.proto = 1, .icmp_type = 8, .icmp_id = 0xbeef, .payload_len = 4});
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_int_equal(v.icmp_type, ICMP_ECHO);
    assert_int_equal(v.src_port, 0xbeef);
    assert_int_equal(v.dst_port, 0xbeef);
    len = build_packet(
        packet,
        &(struct build){.proto = 1, .icmp_type = 3, .icmp_code = 4, .icmp_id = 0xbeef, .payload_len = 28});
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_int_equal(v.icmp_code, 4);
    assert_int_equal(v.src_port, 0);
    assert_int_equal(v.dst_port, 0);
}

static void parse_leaves_unknown_protocols_to_the_nat(void **state)
{
    (void)state;
    uint8_t packet[64];
    const size_t len = build_packet(packet, &(struct build){.proto = 47, .payload_len = 3});
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_int_equal(v.proto, 47);
    assert_int_equal(v.src_port, 0);
    assert_int_equal(v.l4_len, 3);
}

static void parse_ignores_padding_behind_the_packet(void **state)
{
    (void)state;
    struct guard guard;
    guard_init(&guard, 4096);
    uint8_t packet[64];
    const size_t len = build_packet(packet, &(struct build){.proto = 17, .payload_len = 1});
    struct ip4_view v;
    /* Claim 17 bytes of link padding that are not there: reading them would crash. */
    assert_int_equal(ip4_parse(guard_place(&guard, packet, len), len + 17, &v), DROP_NONE);
    assert_int_equal(v.len, len);
    assert_int_equal(v.l4_len, 9);
    assert_true(ip4_l4_csum_ok(&v));
    guard_done(&guard);
}

static void parse_trims_the_view_to_the_udp_length_but_keeps_the_surplus(void **state)
{
    (void)state;
    uint8_t packet[64];
    const size_t len = build_packet(packet, &(struct build){.proto = 17, .payload_len = 12});
    build_put16(packet + 24, 8 + 5);
    build_fix(packet);
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_int_equal(v.l4_len, 13);
    assert_int_equal(v.len, len);
    assert_true(ip4_l4_csum_ok(&v));
}

static void parse_refuses_lengths_that_contradict(void **state)
{
    (void)state;
    uint8_t good[128], packet[128];
    const size_t len = build_packet(good, &(struct build){.proto = 6, .payload_len = 10});
    assert_int_equal(parse(packet, 0), DROP_TRUNCATED);
#define WITH(expect, change)                                                                                 \
    do {                                                                                                     \
        memcpy(packet, good, len);                                                                           \
        change;                                                                                              \
        build_put16(packet + 10, 0);                                                                         \
        build_put16(packet + 10, (uint16_t)~build_sum(packet, build_header_len(packet), 0));                 \
        assert_int_equal(parse(packet, len), expect);                                                        \
    } while (0)
    WITH(DROP_NONE, (void)0);
    WITH(DROP_NOT_IP4, packet[0] = 0x65);
    WITH(DROP_BAD_HEADER, packet[0] = 0x44);
    WITH(DROP_TRUNCATED, packet[0] = 0x4f);
    WITH(DROP_TRUNCATED, build_put16(packet + 2, (uint32_t)len + 1));
    WITH(DROP_BAD_HEADER, build_put16(packet + 2, 19));
    WITH(DROP_BAD_HEADER, build_put16(packet + 2, 0));
    WITH(DROP_TRUNCATED, build_put16(packet + 2, 39));
    WITH(DROP_BAD_HEADER, packet[32] = 0x40); /* data offset below 5 */
    WITH(DROP_BAD_HEADER, packet[32] = 0x80); /* data offset behind the end */
    WITH(DROP_TRUNCATED, (packet[9] = 17, build_put16(packet + 24, 31)));
    WITH(DROP_NONE, (packet[9] = 17, build_put16(packet + 24, 30)));
    WITH(DROP_BAD_HEADER, (packet[9] = 17, build_put16(packet + 24, 7)));
    WITH(DROP_TRUNCATED, (packet[9] = 17, build_put16(packet + 2, 27)));
    WITH(DROP_TRUNCATED, (packet[9] = 1, build_put16(packet + 2, 27)));
#undef WITH
    memcpy(packet, good, len);
    packet[8]--;
    assert_int_equal(parse(packet, len), DROP_BAD_CHECKSUM);
}

static void parse_refuses_fragments_that_cheat(void **state)
{
    (void)state;
    static uint8_t packet[2000];
    static const struct {
        enum drop expect;
        uint8_t proto;
        uint16_t frag;
        size_t len; /* payload behind the IPv4 header */
    } cases[] = {
        {DROP_NONE, 17, 0x2000, 16},       {DROP_NONE, 17, 0x2001, 8},       {DROP_NONE, 17, 0x0001, 1},
        {DROP_BAD_HEADER, 17, 0x2001, 12},                                   /* not in eights */
        {DROP_BAD_HEADER, 17, 0x0001, 0},  {DROP_BAD_HEADER, 6, 0x0001, 24}, /* RFC 1858: over the flags */
        {DROP_BAD_HEADER, 6, 0x0002, 24},  {DROP_NONE, 6, 0x0003, 24},       {DROP_BAD_HEADER, 47, 0x2000, 0},
        {DROP_NONE, 17, 0x1ffd, 3},        {DROP_BAD_HEADER, 17, 0x1ffd, 4}, /* 65,535 less 20 at most */
        {DROP_NONE, 47, 0x2000, 8},        {DROP_BAD_HEADER, 17, 0x3ffe, 8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const bool first = !(cases[i].frag & 0x1fff) && cases[i].proto == 17;
        const size_t len =
            build_packet(packet, &(struct build){.proto = cases[i].proto,
                                                 .frag = cases[i].frag,
                                                 .payload_len = cases[i].len - (first ? 8 : 0)});
        assert_int_equal(parse(packet, len), cases[i].expect);
    }
    /* A first fragment that ends inside its TCP header. */
    size_t len = build_packet(packet, &(struct build){.proto = 6, .frag = 0x2000, .payload_len = 12});
    assert_int_equal(parse(packet, len), DROP_NONE);
    build_put16(packet + 2, 36);
    build_fix(packet);
    assert_int_equal(parse(packet, len), DROP_BAD_HEADER);
}

static void parse_of_a_first_fragment_sees_ports_and_of_a_later_one_none(void **state)
{
    (void)state;
    uint8_t packet[128];
    size_t len = build_packet(
        packet,
        &(struct build){.proto = 17, .frag = 0x2000, .src_port = 7, .dst_port = 9, .payload_len = 16});
    build_put16(packet + 24, 4000); /* the whole datagram's */
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_true(ip4_is_fragment(&v) && v.more_frags && v.frag_off == 0);
    assert_int_equal(v.src_port, 7);
    assert_int_equal(v.dst_port, 9);
    assert_int_equal(v.l4_len, 24);
    len = build_packet(packet, &(struct build){.proto = 17, .frag = 0x0003, .payload_len = 16});
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_int_equal(v.frag_off, 24);
    assert_int_equal(v.src_port, 0);
    assert_int_equal(v.l4_header_len, 0);
}

static void embedded_is_lenient_about_what_routers_change(void **state)
{
    (void)state;
    uint8_t packet[128];
    build_packet(
        packet,
        &(struct build){.proto = 6, .src_port = 61000, .dst_port = 443, .flags = TCP_ACK, .payload_len = 50});
    packet[8] = 1; /* TTL altered, checksum not */
    struct ip4_view v;
    assert_int_equal(ip4_parse_embedded(packet, 28, &v), DROP_NONE);
    assert_int_equal(v.src_port, 61000);
    assert_int_equal(v.dst_port, 443);
    assert_int_equal(v.len, 28);
    assert_int_equal(v.l4_len, 8);
    assert_int_equal(v.tcp_flags, 0);
    assert_int_equal(ip4_parse_embedded(packet, 60, &v), DROP_NONE);
    assert_int_equal(v.tcp_flags, TCP_ACK);
    assert_int_equal(v.len, 60);
    build_put16(packet + 2, 0x5800); /* quoted in little endian */
    assert_int_equal(ip4_parse_embedded(packet, 60, &v), DROP_NONE);
    assert_int_equal(v.len, 60);
    assert_int_equal(ip4_parse_embedded(packet, 27, &v), DROP_TRUNCATED);
    assert_int_equal(ip4_parse_embedded(packet, 0, &v), DROP_TRUNCATED);
    packet[0] = 0x41;
    assert_int_equal(ip4_parse_embedded(packet, 60, &v), DROP_BAD_HEADER);
    packet[0] = 0x60;
    assert_int_equal(ip4_parse_embedded(packet, 60, &v), DROP_NOT_IP4);
}

static void parse_leaves_the_view_alone_when_it_refuses(void **state)
{
    (void)state;
    uint8_t packet[64] = {0x46};
    struct ip4_view v, before;
    memset(&v, 0x5a, sizeof(v));
    before = v;
    assert_int_equal(ip4_parse(packet, sizeof(packet), &v), DROP_BAD_HEADER);
    assert_int_equal(ip4_parse_embedded(packet, 20, &v), DROP_TRUNCATED);
    assert_memory_equal(&v, &before, sizeof(v));
}

/** Everything that takes a view, to show that it stays inside. */
static void use(struct ip4_view *v, uint64_t *seed)
{
    static uint8_t out[2048];
    (void)ip4_l4_csum_ok(v);
    (void)ip4_l4_csum_partial(v);
    (void)icmp_make_error(out, sizeof(out), 1, ICMP_UNREACHABLE, ICMP_NEED_FRAG, 1400, v);
    (void)tcp_make_rst(out, sizeof(out), v);
    (void)tcp_clamp_mss(v, (uint16_t)build_rand(seed));
    (void)ip4_blank_options(v);
    ip4_set_src(v, build_rand(seed));
    ip4_set_dst(v, build_rand(seed));
    ip4_set_src_port(v, (uint16_t)build_rand(seed));
    ip4_set_dst_port(v, (uint16_t)build_rand(seed));
    ip4_dec_ttl(v);
    ip4_set_l4_csum(v);
}

static void nothing_reads_or_writes_behind_any_truncation(void **state)
{
    (void)state;
    struct guard guard;
    guard_init(&guard, 4096);
    uint64_t seed = 5;
    static uint8_t packet[1024], cut[1024];
    for (int i = 0; i < 400; i++) {
        const size_t len = build_random(&seed, packet, 120);
        for (size_t n = 0; n <= len; n++) {
            struct ip4_view v;
            memcpy(cut, packet, n);
            if (ip4_parse(guard_place(&guard, cut, n), n, &v) == DROP_NONE)
                use(&v, &seed);
            else
                assert_true(n < len);
            if (ip4_parse_embedded(guard_place(&guard, cut, n), n, &v) == DROP_NONE)
                use(&v, &seed); /* partly meant for whole packets, but must not leave the bytes there are */
            if (n < 20)
                continue;
            build_put16(
                cut + 2,
                (uint32_t)n); /* now the total length agrees, so the transport header is what is cut */
            cut[6] = (uint8_t)(build_rand(&seed) % 4 ? 0 : 0x20);
            if (n >= build_header_len(cut)) {
                build_put16(cut + 10, 0);
                build_put16(cut + 10, (uint16_t)~build_sum(cut, build_header_len(cut), 0));
            }
            if (ip4_parse(guard_place(&guard, cut, n), n, &v) == DROP_NONE)
                use(&v, &seed);
        }
    }
    guard_done(&guard);
}

static void every_drop_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < DROP_COUNT; i++) {
        assert_string_not_equal(drop_name((enum drop)i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(drop_name((enum drop)i), drop_name((enum drop)j));
    }
    assert_string_equal(drop_name(DROP_NO_FLOW), "no-flow");
    assert_string_equal(drop_name(DROP_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_reads_udp),
        cmocka_unit_test(parse_reads_tcp_with_options_in_both_headers),
        cmocka_unit_test(parse_reads_icmp_echo_and_error),
        cmocka_unit_test(parse_leaves_unknown_protocols_to_the_nat),
        cmocka_unit_test(parse_ignores_padding_behind_the_packet),
        cmocka_unit_test(parse_trims_the_view_to_the_udp_length_but_keeps_the_surplus),
        cmocka_unit_test(parse_refuses_lengths_that_contradict),
        cmocka_unit_test(parse_refuses_fragments_that_cheat),
        cmocka_unit_test(parse_of_a_first_fragment_sees_ports_and_of_a_later_one_none),
        cmocka_unit_test(embedded_is_lenient_about_what_routers_change),
        cmocka_unit_test(parse_leaves_the_view_alone_when_it_refuses),
        cmocka_unit_test(nothing_reads_or_writes_behind_any_truncation),
        cmocka_unit_test(every_drop_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
