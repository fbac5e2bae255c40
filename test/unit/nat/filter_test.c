/* test/unit/nat/filter_test.c - who may send to a mapping: the three filters, the same under any load (RFC 4787 section 5, RFC 5382 REQ-3) */
#include "fixture.h"

static struct net *net_filtering(enum nat_filter filter)
{
    struct net *n = net_defaults();
    n->config.filter = filter;
    net_start(n);
    return n;
}

static bool passes(struct net *n, uint32_t remote, uint16_t remote_port, uint16_t port)
{
    bool forwarded = net_udp_in(n, remote, remote_port, port) == NAT_FORWARD;
    if (!forwarded)
        assert_drop(n, DROP_FILTERED);
    return forwarded;
}

/* RFC 4787 REQ-8 */
static void nat_filters_udp_as_it_was_told(void **state)
{
    (void)state;
    static const struct {
        enum nat_filter filter;
        bool other_port, other_address;
    } cases[] = {
        {NAT_FILTER_ADDRESS, true, false}, {NAT_FILTER_ADDRESS_PORT, false, false}, {NAT_FILTER_ENDPOINT, true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net *n = net_filtering(cases[i].filter);
        uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
        assert_true(passes(n, REMOTE, 1000, port));
        assert_int_equal(passes(n, REMOTE, 1001, port), cases[i].other_port);
        assert_int_equal(passes(n, OTHER, 1000, port), cases[i].other_address);
        assert_int_equal(net_udp(n, A, 5000, OTHER, 1000), port); /* the mapping is endpoint-independent with each (REQ-1) */
        assert_true(passes(n, OTHER, 1000, port));
        net_done(n);
    }
}

/* REQ-11: what was filtered in an idle NAT is filtered in a full one, and what passed passes */
static void nat_filters_alike_when_it_is_full(void **state)
{
    (void)state;
    static const enum nat_filter filters[] = {NAT_FILTER_ADDRESS, NAT_FILTER_ADDRESS_PORT, NAT_FILTER_ENDPOINT};
    for (size_t i = 0; i < 3; i++) {
        struct net *n = net_defaults();
        n->config.filter = filters[i];
        n->config.max_flows = 500;
        net_start(n);
        uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
        bool before[4], after[4];
        for (int full = 0; full < 2; full++) {
            bool *seen = full ? after : before;
            seen[0] = passes(n, REMOTE, 1000, port);
            seen[1] = passes(n, REMOTE, 1001, port);
            seen[2] = passes(n, OTHER, 1000, port);
            seen[3] = net_udp(n, A, 5000, REMOTE, 1000) == port;
            struct build b = {.proto = 17, .src = INSIDE, .src_port = 6000, .dst = OTHER, .dst_port = 1000};
            while (net_out(n, B, &b) == NAT_FORWARD)
                b.src_port++;
            assert_int_equal(n->r.reason, DROP_FULL);
        }
        assert_memory_equal(before, after, sizeof before);
        net_done(n);
    }
}

/* REQ-6 with an open filter: what comes in from anywhere keeps nothing open (RFC 7857 section 6) */
static void nat_open_filter_is_renewed_from_inside_only(void **state)
{
    (void)state;
    struct net *n = net_filtering(NAT_FILTER_ENDPOINT);
    uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
    for (int i = 0; i < 29; i++) {
        net_wait(n, 10000);
        assert_true(passes(n, OTHER + (uint32_t)i, 7, port));
    }
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    net_wait(n, 10000);
    net_udp_in(n, OTHER, 7, port);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

static struct build syn_from(uint32_t remote, uint16_t remote_port, uint16_t port)
{
    return (struct build){.proto = 6, .src = remote, .src_port = remote_port, .dst = EXTERNAL, .dst_port = port, .flags = TCP_SYN, .seq = 500};
}

/* RFC 5382 REQ-2, REQ-3: connections from outside, where they are permitted */
static void nat_accepts_tcp_from_outside_with_an_open_filter_only(void **state)
{
    (void)state;
    static const enum nat_filter filters[] = {NAT_FILTER_ADDRESS, NAT_FILTER_ADDRESS_PORT, NAT_FILTER_ENDPOINT};
    for (size_t i = 0; i < 3; i++) {
        struct net *n = net_filtering(filters[i]);
        uint16_t port = net_tcp_open(n, A);
        struct build b = syn_from(OTHER, 4000, port);
        if (filters[i] != NAT_FILTER_ENDPOINT) {
            net_in(n, &b);
            assert_drop(n, DROP_FILTERED); /* and silence (REQ-4) */
            b = syn_from(REMOTE, 81, port);
            net_in(n, &b);
            assert_drop(n, DROP_FILTERED);
            net_done(n);
            continue;
        }
        b.flags = TCP_SYN | TCP_ACK; /* not a beginning */
        net_in(n, &b);
        assert_drop(n, DROP_FILTERED);
        b.flags = TCP_SYN;
        assert_int_equal(net_in(n, &b), NAT_FORWARD);
        assert_int_equal(n->r.session, A);
        assert_int_equal(got_dst_port(n), 5000);
        struct build answer = {.proto = 6, .src = INSIDE, .src_port = 5000, .dst = OTHER, .dst_port = 4000,
                               .flags = TCP_SYN | TCP_ACK, .seq = 900, .ack = 501};
        assert_int_equal(net_out(n, A, &answer), NAT_FORWARD);
        assert_int_equal(got_src_port(n), port);
        b.flags = TCP_ACK, b.seq = 501, b.ack = 901;
        assert_int_equal(net_in(n, &b), NAT_FORWARD);
        net_wait(n, 7439999);
        assert_int_equal(net_in(n, &b), NAT_FORWARD); /* established like any other */
        b = syn_from(OTHER, 4000, port == 61000 ? 61001 : 61000);
        net_in(n, &b);
        assert_drop(n, DROP_NO_FLOW);
        net_done(n);
    }
}

/* What strangers begin is the laptop's, and within its limits. */
static void nat_counts_connections_from_outside_as_the_laptops(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.filter = NAT_FILTER_ENDPOINT;
    n->config.client_flows = 3;
    net_start(n);
    uint16_t port = net_tcp_open(n, A);
    for (uint16_t i = 0; i < 4; i++) {
        struct build b = syn_from(OTHER, (uint16_t)(4000 + i), port);
        net_in(n, &b);
        if (i < 2)
            assert_int_equal(n->r.verdict, NAT_FORWARD);
        else
            assert_drop(n, DROP_CLIENT_LIMIT);
    }
    net_done(n);
}

/* With an open filter a flow names no remote; an error about it may still not go where the laptop itself may not. */
static void nat_lets_no_error_past_the_policy_through_an_open_filter(void **state)
{
    (void)state;
    uint8_t about[64];
    struct net *n = net_filtering(NAT_FILTER_ENDPOINT);
    net_udp(n, A, 5000, REMOTE, 1000);
    struct build got = {.proto = 17, .src = 0x0a000005, .src_port = 80, .dst = INSIDE, .dst_port = 5000, .payload_len = 8};
    struct build e = {.proto = 1, .src = INSIDE, .dst = 0x0a000005, .icmp_type = ICMP_UNREACHABLE, .icmp_code = 3, .payload = about,
                      .payload_len = build_packet(about, &got)};
    net_out(n, A, &e);
    assert_drop(n, DROP_POLICY);
    got.src = e.dst = OTHER;
    build_packet(about, &got);
    assert_int_equal(net_out(n, A, &e), NAT_FORWARD);
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_filters_udp_as_it_was_told),
        T(nat_filters_alike_when_it_is_full),
        T(nat_open_filter_is_renewed_from_inside_only),
        T(nat_accepts_tcp_from_outside_with_an_open_filter_only),
        T(nat_counts_connections_from_outside_as_the_laptops),
        T(nat_lets_no_error_past_the_policy_through_an_open_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
