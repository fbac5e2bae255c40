/* test/unit/nat/route_test.c - the NAT as a router: TTL, MTU, options, fragments, checksums, hairpin */
#include "fixture.h"

static struct build udp_to(uint32_t dst, uint16_t port)
{
    return (struct build){.proto = 17, .src = INSIDE, .src_port = 5000, .dst = dst, .dst_port = port, .payload_len = 40};
}

/* traceroute shows the server as a hop */
static void nat_answers_time_exceeded_when_the_ttl_ends_here(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build b = udp_to(REMOTE, 33434);
    b.ttl = 1;
    net_out(n, A, &b);
    assert_refused(n, DROP_TTL, ICMP_TIME_EXCEEDED, 0);
    assert_int_equal(got_dst(n), INSIDE);
    assert_int_equal(build_get32(got_l4(n) + 8 + 12), INSIDE); /* quotes the packet as it was */
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    b.ttl = 2;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(n->r.packet[8], 1);
    struct build back = {.proto = 17, .src = REMOTE, .dst = EXTERNAL, .dst_port = got_src_port(n), .ttl = 1};
    net_in(n, &back);
    assert_drop(n, DROP_TTL);
    back.ttl = 9;
    assert_int_equal(net_in(n, &back), NAT_FORWARD);
    assert_int_equal(n->r.packet[8], 8);
    net_done(n);
}

static void nat_drops_what_it_cannot_carry(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build b = {.proto = 47, .src = INSIDE, .dst = REMOTE, .payload_len = 40};
    net_out(n, A, &b);
    assert_drop(n, DROP_PROTOCOL);
    b = udp_to(REMOTE, 0);
    net_out(n, A, &b);
    assert_drop(n, DROP_BAD_HEADER);
    uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
    b = (struct build){.proto = 17, .src = REMOTE, .dst = EXTERNAL + 1, .src_port = 1000, .dst_port = port};
    net_in(n, &b); /* right but for the address */
    assert_drop(n, DROP_NO_FLOW);
    uint8_t v6[40] = {0x60};
    nat_in2out(n->nat, A, v6, sizeof v6, NULL, n->now_ms, &n->r);
    assert_drop(n, DROP_NOT_IP4);
    net_done(n);
}

/* RFC 4787 REQ-13 */
static void nat_tells_the_mtu_when_a_packet_with_df_is_too_big(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.link_mtu = 1400;
    net_start(n);
    struct build b = udp_to(REMOTE, 1000);
    b.payload_len = 1400 - 28;
    b.frag = 0x4000;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b.payload_len++;
    net_out(n, A, &b);
    assert_refused(n, DROP_TOO_BIG, ICMP_UNREACHABLE, ICMP_NEED_FRAG);
    assert_int_equal(build_get16(got_l4(n) + 6), 1400);
    b.frag = 0; /* the caller fragments */
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(n->r.len, 1401);
    b = (struct build){.proto = 6, .src = INSIDE, .src_port = 5000, .dst = REMOTE, .dst_port = 80, .flags = TCP_SYN};
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b.flags = TCP_ACK;
    b.frag = 0x4000;
    b.payload_len = 60000; /* offloaded: whoever sends it segments */
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(n->r.offload.seg_len, 1400 - 40);
    net_done(n);
}

static void nat_follows_a_link_whose_mtu_changes(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    net_start(n);
    struct build b = udp_to(REMOTE, 1000);
    b.payload_len = 1500 - 28;
    b.frag = 0x4000;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    nat_set_link_mtu(n->nat, 1400);
    net_out(n, A, &b);
    assert_refused(n, DROP_TOO_BIG, ICMP_UNREACHABLE, ICMP_NEED_FRAG);
    assert_int_equal(build_get16(got_l4(n) + 6), 1400);
    nat_set_link_mtu(n->nat, 0); /* no link of IPv4 */
    net_out(n, A, &b);
    assert_int_equal(build_get16(got_l4(n) + 6), 576);
    nat_set_link_mtu(n->nat, 1500);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    net_done(n);
}

static void nat_judges_datagrams_that_travel_together_by_their_own_length(void **state)
{
    (void)state;
    static const struct offload each_1000 = {1000, true}, each_1473 = {1473, true};
    struct net *n = net_new();
    struct build b = udp_to(REMOTE, 1000);
    b.payload_len = 9000;
    b.frag = 0x4000;
    b.partial_csum = true;
    nat_in2out(n->nat, A, n->packet, build_packet(n->packet, &b), &each_1000, n->now_ms, &n->r);
    assert_int_equal(n->r.verdict, NAT_FORWARD);
    assert_int_equal(n->r.offload.seg_len, 1000);
    assert_true(n->r.offload.partial && build_right(n->r.packet, true));
    nat_in2out(n->nat, A, n->packet, build_packet(n->packet, &b), &each_1473, n->now_ms, &n->r);
    assert_int_equal(n->r.reason, DROP_TOO_BIG);
    net_done(n);
}

static void nat_drops_packets_that_contradict_what_comes_beside_them(void **state)
{
    (void)state;
    static const struct offload finished_many = {1000, false}, tiny = {1, true}, partial = {0, true};
    struct net *n = net_new();
    struct build b = udp_to(REMOTE, 1000);
    b.payload_len = 9000;
    nat_in2out(n->nat, A, n->packet, build_packet(n->packet, &b), &finished_many, n->now_ms, &n->r);
    assert_int_equal(n->r.reason, DROP_BAD_HEADER);
    nat_in2out(n->nat, A, n->packet, build_packet(n->packet, &b), &tiny, n->now_ms, &n->r);
    assert_int_equal(n->r.reason, DROP_BAD_HEADER);
    b = (struct build){.proto = 1, .src = INSIDE, .dst = REMOTE, .icmp_type = 8, .icmp_id = 9};
    nat_in2out(n->nat, A, n->packet, build_packet(n->packet, &b), &partial, n->now_ms, &n->r);
    assert_int_equal(n->r.reason, DROP_BAD_HEADER);
    net_done(n);
}

static void nat_clamps_the_mss_both_ways(void **state)
{
    (void)state;
    static const uint8_t big[4] = {2, 4, 0x23, 0x00}, small[4] = {2, 4, 0x02, 0x00}; /* 8960, 512 */
    struct net *n = net_defaults();
    n->config.link_mtu = 1400;
    net_start(n);
    struct build syn = {.proto = 6, .src = INSIDE, .src_port = 5000, .dst = REMOTE, .dst_port = 80, .flags = TCP_SYN,
                        .tcp_options = big, .tcp_options_len = 4};
    assert_int_equal(net_out(n, A, &syn), NAT_FORWARD);
    assert_int_equal(build_get16(got_l4(n) + 22), 1360);
    struct build back = {.proto = 6, .src = REMOTE, .src_port = 80, .dst = EXTERNAL, .dst_port = got_src_port(n),
                         .flags = TCP_SYN | TCP_ACK, .ack = 1, .tcp_options = big, .tcp_options_len = 4, .partial_csum = true};
    assert_int_equal(net_in(n, &back), NAT_FORWARD);
    assert_int_equal(build_get16(got_l4(n) + 22), 1360);
    back.tcp_options = small;
    assert_int_equal(net_in(n, &back), NAT_FORWARD);
    assert_int_equal(build_get16(got_l4(n) + 22), 512);
    net_done(n);
}

/* Captured on veth, virtio or after GRO: the field holds the pseudo-header's sum only. net_in() checks the result. */
static void nat_recognises_partial_checksums(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    struct build b = {.proto = 6, .src = REMOTE, .src_port = 80, .dst = EXTERNAL, .dst_port = port, .flags = TCP_ACK,
                      .seq = ISN_OUTSIDE + 1, .ack = ISN_INSIDE + 1, .payload_len = 60001, .partial_csum = true};
    assert_int_equal(net_in(n, &b), NAT_FORWARD);
    assert_int_equal(n->r.len, 60041);
    assert_int_equal(n->r.offload.seg_len, 1460);
    assert_true(n->r.offload.partial);
    port = net_udp(n, A, 5000, REMOTE, 1000);
    b = (struct build){.proto = 17, .src = REMOTE, .src_port = 1000, .dst = EXTERNAL, .dst_port = port, .payload_len = 7,
                       .partial_csum = true};
    assert_int_equal(net_in(n, &b), NAT_FORWARD);
    assert_false(n->r.offload.partial); /* small ones are completed */
    b = udp_to(REMOTE, 1000);
    b.partial_csum = true;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    net_done(n);
}

/* RFC 768: 0 means none; a damaged packet stays damaged for its receiver to see */
static void nat_keeps_missing_and_wrong_udp_checksums(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build b = udp_to(REMOTE, 1000);
    b.no_csum = true;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(build_get16(got_l4(n) + 6), 0);
    b.no_csum = false;
    size_t len = build_packet(n->packet, &b);
    n->packet[len - 1] ^= 1;
    nat_in2out(n->nat, A, n->packet, len, NULL, n->now_ms, &n->r);
    assert_int_equal(n->r.verdict, NAT_FORWARD);
    assert_false(build_valid(n->r.packet));
    net_done(n);
}

static void nat_does_not_carry_bytes_behind_the_packet(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build b = udp_to(REMOTE, 1000);
    size_t len = build_packet(n->packet, &b);
    nat_in2out(n->nat, A, n->packet, len + 100, NULL, n->now_ms, &n->r);
    assert_int_equal(n->r.verdict, NAT_FORWARD);
    assert_int_equal(n->r.len, len);
    net_done(n);
}

/* RFC 7126 section 4.3; a recorded route would tell inside addresses */
static void nat_drops_source_routes_and_blanks_recorded_ones(void **state)
{
    (void)state;
    static const uint8_t source[8] = {131, 7, 4, 10, 0, 0, 9, 0}, record[8] = {7, 7, 8, 10, 0, 0, 9, 0};
    struct net *n = net_new();
    struct build b = udp_to(REMOTE, 1000);
    b.ip_options = source;
    b.ip_options_len = 8;
    net_out(n, A, &b);
    assert_drop(n, DROP_BAD_HEADER);
    b.ip_options = record;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(n->r.packet[20], 1);
    assert_int_equal(n->r.packet[23], 1);
    net_done(n);
}

/* --- fragments: RFC 4787 REQ-14 --- */

/* Cut a datagram in two by hand at `at` bytes of payload. @return length of the piece, written to out */
static size_t piece(uint8_t *out, const uint8_t *packet, size_t len, size_t at, bool first)
{
    size_t from = first ? 20 : 20 + at, to = first ? 20 + at : len;
    for (size_t i = 0; i < 20; i++)
        out[i] = packet[i];
    for (size_t i = from; i < to; i++)
        out[20 + i - from] = packet[i];
    build_put16(out + 2, (uint32_t)(20 + to - from));
    build_put16(out + 6, first ? 0x2000 : (uint32_t)(at / 8));
    build_put16(out + 10, 0);
    build_put16(out + 10, (uint16_t)~build_sum(out, 20, 0));
    return 20 + to - from;
}

static void nat_puts_fragments_together_in_any_order(void **state)
{
    (void)state;
    static uint8_t whole[2048];
    for (int first = 0; first < 2; first++) {
        struct net *n = net_new();
        struct build b = udp_to(REMOTE, 1000);
        b.payload_len = 1992;
        b.id = 7;
        size_t total = build_packet(whole, &b), len = piece(n->packet, whole, total, 1000, first == 0);
        nat_in2out(n->nat, A, n->packet, len, NULL, n->now_ms, &n->r);
        assert_int_equal(n->r.verdict, NAT_HELD);
        len = piece(n->packet, whole, total, 1000, first != 0);
        nat_in2out(n->nat, B, n->packet, len, NULL, n->now_ms, &n->r); /* another laptop's is another datagram */
        assert_int_equal(n->r.verdict, NAT_HELD);
        nat_in2out(n->nat, A, n->packet, len, NULL, n->now_ms, &n->r);
        assert_int_equal(n->r.verdict, NAT_FORWARD);
        assert_int_equal(n->r.len, total);
        assert_true(build_valid(n->r.packet));
        assert_int_equal(got_src(n), EXTERNAL);
        uint16_t port = got_src_port(n);

        b.src = REMOTE;
        b.dst = EXTERNAL;
        b.src_port = 1000;
        b.dst_port = port;
        total = build_packet(whole, &b);
        len = piece(n->packet, whole, total, 1000, first == 0);
        nat_out2in(n->nat, n->packet, len, NULL, n->now_ms, &n->r);
        assert_int_equal(n->r.verdict, NAT_HELD);
        len = piece(n->packet, whole, total, 1000, first != 0);
        nat_out2in(n->nat, n->packet, len, NULL, n->now_ms, &n->r);
        assert_int_equal(n->r.verdict, NAT_FORWARD);
        assert_int_equal(n->r.session, A);
        assert_true(build_valid(n->r.packet));
        assert_int_equal(got_dst_port(n), 5000);
        net_done(n);
    }
}

static void nat_survives_a_fragment_flood_from_one_sender(void **state)
{
    (void)state;
    static uint8_t whole[2048];
    struct net *n = net_new();
    net_udp(n, A, 5000, REMOTE, 1000);
    uint16_t port = got_src_port(n);
    struct build flood = {.proto = 17, .src = OTHER, .src_port = 9, .dst = EXTERNAL, .dst_port = 9, .payload_len = 1400,
                          .frag = 0x2000};
    for (int i = 0; i < 5000; i++) {
        flood.id = (uint16_t)i;
        net_in(n, &flood);
        net_out(n, B, &(struct build){.proto = 17, .src = INSIDE, .src_port = 9, .dst = REMOTE, .dst_port = 9,
                                      .payload_len = 1400, .frag = 0x2000, .id = (uint16_t)i});
    }
    assert_true(nat_stats(n->nat)->drops_out2in[DROP_FRAGMENT] > 4000);
    assert_true(nat_stats(n->nat)->drops_in2out[DROP_FRAGMENT] > 4000);
    struct build b = {.proto = 17, .src = REMOTE, .src_port = 1000, .dst = EXTERNAL, .dst_port = port, .payload_len = 1992};
    size_t total = build_packet(whole, &b), len = piece(n->packet, whole, total, 1000, true);
    nat_out2in(n->nat, n->packet, len, NULL, n->now_ms, &n->r);
    len = piece(n->packet, whole, total, 1000, false);
    nat_out2in(n->nat, n->packet, len, NULL, n->now_ms, &n->r);
    assert_int_equal(n->r.verdict, NAT_FORWARD);
    net_done(n);
}

/* RFC 4787 REQ-9 */
static void nat_hairpins_with_the_outside_source(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t a = net_udp(n, A, 5000, REMOTE, 1000), b = net_udp(n, B, 5000, REMOTE, 1000);
    struct build to_b = udp_to(EXTERNAL, b), to_a = udp_to(EXTERNAL, a);
    net_out(n, A, &to_b); /* filtering as from outside: B did not send there yet */
    assert_drop(n, DROP_FILTERED);
    assert_int_equal(net_out(n, B, &to_a), NAT_HAIRPIN);
    assert_int_equal(n->r.session, A);
    assert_int_equal(got_src(n), EXTERNAL);
    assert_int_equal(got_src_port(n), b);
    assert_int_equal(got_dst(n), INSIDE);
    assert_int_equal(got_dst_port(n), 5000);
    assert_int_equal(n->r.packet[8], 63); /* one router, one hop */
    assert_int_equal(net_out(n, A, &to_b), NAT_HAIRPIN);
    assert_int_equal(n->r.session, B);
    assert_int_equal(got_src_port(n), a);
    assert_int_equal(nat_stats(n->nat)->hairpins, 2);
    to_b.ttl = 1;
    net_out(n, A, &to_b);
    assert_refused(n, DROP_TTL, ICMP_TIME_EXCEEDED, 0);
    net_done(n);
}

/* RFC 5780 section 4.5: a laptop is no stranger to itself */
static void nat_hairpins_a_laptop_to_its_own_udp_mapping(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t a = net_udp(n, A, 5000, REMOTE, 1000);
    struct build to_a = udp_to(EXTERNAL, a);
    to_a.src_port = 5001;
    assert_int_equal(net_out(n, A, &to_a), NAT_HAIRPIN);
    assert_int_equal(n->r.session, A);
    assert_int_equal(got_src(n), EXTERNAL);
    assert_int_not_equal(got_src_port(n), a);
    assert_int_equal(got_dst_port(n), 5000);
    net_out(n, B, &to_a);
    assert_drop(n, DROP_FILTERED);
    struct build syn = {.proto = 6, .src = INSIDE, .src_port = 5001, .dst = EXTERNAL, .dst_port = net_tcp_open(n, A), .flags = TCP_SYN};
    net_out(n, A, &syn);
    assert_drop(n, DROP_FILTERED);
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_answers_time_exceeded_when_the_ttl_ends_here),
        T(nat_drops_what_it_cannot_carry),
        T(nat_tells_the_mtu_when_a_packet_with_df_is_too_big),
        T(nat_follows_a_link_whose_mtu_changes),
        T(nat_clamps_the_mss_both_ways),
        T(nat_judges_datagrams_that_travel_together_by_their_own_length),
        T(nat_drops_packets_that_contradict_what_comes_beside_them),
        T(nat_recognises_partial_checksums),
        T(nat_keeps_missing_and_wrong_udp_checksums),
        T(nat_does_not_carry_bytes_behind_the_packet),
        T(nat_drops_source_routes_and_blanks_recorded_ones),
        T(nat_puts_fragments_together_in_any_order),
        T(nat_survives_a_fragment_flood_from_one_sender),
        T(nat_hairpins_with_the_outside_source),
        T(nat_hairpins_a_laptop_to_its_own_udp_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
