/* test/unit/nat/limits_test.c - one laptop's share of ports, flows, rates and answers; its lease (RFC 6888 REQ-4, 5, 11; RFC 5508 REQ-8) */
#include "fixture.h"

#include <errno.h>

static struct build udp_from(uint16_t port, uint32_t remote)
{
    return (struct build){.proto = 17, .src = INSIDE, .src_port = port, .dst = remote, .dst_port = 1000, .payload_len = 8};
}

#define assert_told(n, why) assert_refused(n, why, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE)

/* REQ-4: ports, for each protocol; the others go on */
static void nat_limits_the_ports_of_one_laptop(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.client_ports = 10;
    net_start(n);
    uint16_t first = net_udp(n, A, 5000, REMOTE, 1000);
    for (uint16_t i = 1; i < 10; i++)
        net_udp(n, A, (uint16_t)(5000 + i), REMOTE, 1000);
    struct build b = udp_from(5010, REMOTE);
    net_out(n, A, &b);
    assert_told(n, DROP_CLIENT_LIMIT);
    assert_int_equal(nat_stats(n->nat)->drops_in2out[DROP_CLIENT_LIMIT], 1);
    net_udp(n, A, 5000, OTHER, 1000); /* a port it has already */
    assert_int_equal(net_udp_in(n, REMOTE, 1000, first), NAT_FORWARD); /* nothing was evicted (REQ-11 D) */
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD); /* another protocol */
    net_udp(n, B, 5010, REMOTE, 1000); /* another laptop */
    net_wait(n, 300000);
    net_udp(n, A, 5010, REMOTE, 1000); /* it has given the others back */
    net_done(n);
}

/* REQ-5: state */
static void nat_limits_the_flows_of_one_laptop(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.client_flows = 100;
    net_start(n);
    for (uint32_t i = 0; i < 100; i++)
        net_udp(n, A, 5000, REMOTE + i, 1000);
    struct build b = udp_from(5000, REMOTE + 100);
    net_out(n, A, &b);
    assert_told(n, DROP_CLIENT_LIMIT);
    net_udp(n, B, 5000, REMOTE, 1000);
    n->now_ms += 300000; /* all expired though nobody ticked */
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    net_done(n);
}

/* REQ-4 C, REQ-5 B: the rate */
static void nat_limits_the_new_flows_of_one_laptop_a_second(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.client_rate = 50;
    net_start(n);
    uint32_t passed = 0;
    for (uint32_t ms = 0; ms < 10000; ms++) { /* 1000 a second are tried */
        struct build b = udp_from(5000, REMOTE + ms);
        n->now_ms++;
        passed += net_out(n, A, &b) == NAT_FORWARD;
        if (ms % 100 == 0)
            net_udp(n, B, 5000, REMOTE + ms, 1000); /* at its own pace */
    }
    assert_in_range(passed, 540, 560); /* the burst, and 50 a second */
    assert_int_equal(nat_stats(n->nat)->drops_in2out[DROP_CLIENT_RATE], 10000 - passed);
    net_udp(n, A, 5000, REMOTE, 1000); /* flows that are there have no rate */
    net_done(n);
}

/* RFC 1812 section 4.3.2.8: refusals are answered at a rate, all are counted */
static void nat_limits_the_answers_to_one_laptop_a_second(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.answer_rate = 10;
    net_start(n);
    uint32_t answered = 0;
    struct build b = udp_from(5000, 0x0a000009);
    for (int i = 0; i < 3000; i++) {
        n->now_ms++;
        answered += net_out(n, A, &b) == NAT_REPLY;
        assert_int_equal(n->r.reason, DROP_POLICY);
    }
    assert_in_range(answered, 39, 41);
    assert_int_equal(nat_stats(n->nat)->replies, answered);
    assert_int_equal(nat_stats(n->nat)->replies_held, 3000 - answered);
    assert_int_equal(nat_stats(n->nat)->drops_in2out[DROP_POLICY], 3000);
    assert_int_equal(net_out(n, B, &b), NAT_REPLY); /* another laptop's are its own */
    net_done(n);
}

/* 0 is no limit. */
static void nat_limits_nothing_where_it_is_told_so(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.client_ports = n->config.client_flows = n->config.client_rate = n->config.answer_rate = 0;
    net_start(n);
    for (uint32_t i = 0; i < 4000; i++)
        net_udp(n, A, (uint16_t)(1000 + i), REMOTE + i, 1000);
    struct build b = udp_from(5000, 0x0a000009);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(net_out(n, A, &b), NAT_REPLY);
    net_done(n);
}

static void nat_refuses_more_sessions_than_it_has_room_for(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.max_sessions = 2;
    net_start(n);
    net_udp(n, A, 5000, REMOTE, 1000);
    net_udp(n, B, 5000, REMOTE, 1000);
    struct build b = udp_from(5000, REMOTE);
    net_out(n, C, &b);
    assert_drop(n, DROP_FULL);
    assert_int_equal(nat_set_lease(n->nat, C, (struct nat_prefix){INSIDE, 32}, n->now_ms), -ENOBUFS);
    nat_end_session(n->nat, A, n->now_ms);
    assert_int_equal(net_out(n, C, &b), NAT_FORWARD);
    net_done(n);

    n = net_defaults(); /* sources without end, as of a guest that makes up addresses: none is kept for longer than it matters */
    n->config.max_sessions = 100;
    net_start(n);
    net_udp(n, A, 5000, REMOTE, 1000);
    b.dst = 0x0a000009;
    for (uint32_t session = 10; session < 10000; session++, n->now_ms += 20) {
        net_out(n, session, &b);
        assert_refused(n, DROP_POLICY, ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED);
    }
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    net_done(n);
}

/* A source that is not the laptop's lease */
static void nat_drops_sources_that_are_not_the_lease(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build b = udp_from(5000, REMOTE);
    assert_int_equal(nat_set_lease(n->nat, A, (struct nat_prefix){INSIDE, 33}, n->now_ms), -EINVAL);
    assert_int_equal(nat_set_lease(n->nat, A, (struct nat_prefix){INSIDE, 32}, n->now_ms), 0);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b.src = INSIDE + 1;
    const struct build others[] = {b,
                                   {.proto = 6, .src = INSIDE + 1, .src_port = 1, .dst = REMOTE, .dst_port = 80, .flags = TCP_ACK},
                                   {.proto = 1, .src = INSIDE + 1, .dst = REMOTE, .icmp_type = 8, .icmp_id = 9},
                                   {.proto = 17, .src = INSIDE + 1, .dst = 0x0a000009, .dst_port = 9},
                                   {.proto = 17, .src = INSIDE + 1, .dst = REMOTE, .frag = 0x2000, .payload_len = 24}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        net_out(n, A, &others[i]);
        assert_drop(n, DROP_SOURCE);
    }
    assert_int_equal(nat_stats(n->nat)->drops_in2out[DROP_SOURCE], 5);
    assert_int_equal(net_out(n, B, &b), NAT_FORWARD); /* whose lease nobody told */
    assert_int_equal(nat_set_lease(n->nat, A, (struct nat_prefix){INSIDE, 24}, n->now_ms), 0);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    nat_end_session(n->nat, A, n->now_ms); /* forgets the lease too */
    b.src = 0xc0a80101;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    net_done(n);
}

/* RFC 4787 REQ-7: the same numbers inside and outside, the server's own included, are different hosts */
static void nat_reaches_outside_hosts_with_inside_addresses(void **state)
{
    (void)state;
    static const struct nat_allow private = {{0x0a000000, 8}, 0};
    static const uint32_t inside[] = {INSIDE, REMOTE, EXTERNAL};
    struct net *n = net_defaults();
    n->config.allow = &private;
    n->config.allow_count = 1;
    net_start(n);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t session = 10 + i, remote = i == 2 ? REMOTE : inside[i]; /* who talks to his own number */
        struct build b = {.proto = 17, .src = inside[i], .src_port = 5000, .dst = remote, .dst_port = 1000, .payload_len = 8};
        assert_int_equal(nat_set_lease(n->nat, session, (struct nat_prefix){inside[i], 32}, n->now_ms), 0);
        assert_int_equal(net_out(n, session, &b), NAT_FORWARD);
        assert_int_equal(got_src(n), EXTERNAL);
        assert_int_equal(got_dst(n), remote);
        assert_int_equal(net_udp_in(n, remote, 1000, got_src_port(n)), NAT_FORWARD);
        assert_int_equal(n->r.session, session);
        assert_int_equal(got_src(n), remote);
        assert_int_equal(got_dst(n), inside[i]);
    }
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_limits_the_ports_of_one_laptop),
        T(nat_limits_the_flows_of_one_laptop),
        T(nat_limits_the_new_flows_of_one_laptop_a_second),
        T(nat_limits_the_answers_to_one_laptop_a_second),
        T(nat_limits_nothing_where_it_is_told_so),
        T(nat_refuses_more_sessions_than_it_has_room_for),
        T(nat_drops_sources_that_are_not_the_lease),
        T(nat_reaches_outside_hosts_with_inside_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
