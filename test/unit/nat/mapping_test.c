/* test/unit/nat/mapping_test.c - mappings, filtering, ports and timers, rule by rule (RFC 4787, 5382, 5508, 6056, 6888) */
#include "fixture.h"

#include <errno.h>

/* RFC 4787 REQ-1 */
static void nat_maps_an_endpoint_to_one_port_whatever_the_destination(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
    assert_int_equal(got_src(n), EXTERNAL);
    assert_in_range(port, 61000, 65535);
    assert_int_equal(net_udp(n, A, 5000, REMOTE, 2000), port);
    assert_int_equal(net_udp(n, A, 5000, OTHER, 1000), port);
    assert_int_not_equal(net_udp(n, A, 5001, REMOTE, 1000), port);
    assert_int_equal(nat_stats(n->nat)->mappings, 2);
    assert_int_equal(nat_stats(n->nat)->flows, 3);
    net_done(n);
}

/* RFC 4787 REQ-3: never overloaded; two laptops that call themselves the same */
static void nat_keeps_laptops_with_equal_addresses_apart(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t a = net_udp(n, A, 5000, REMOTE, 1000), b = net_udp(n, B, 5000, REMOTE, 1000);
    assert_int_not_equal(a, b);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, b), NAT_FORWARD);
    assert_int_equal(n->r.session, B);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, a), NAT_FORWARD);
    assert_int_equal(n->r.session, A);
    assert_int_equal(got_dst(n), INSIDE);
    assert_int_equal(got_dst_port(n), 5000);
    assert_int_equal(got_src(n), REMOTE);
    assert_int_equal(got_src_port(n), 1000);
    net_done(n);
}

/* RFC 4787 REQ-8 */
static void nat_filters_udp_by_address_not_by_port(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
    assert_int_equal(net_udp_in(n, REMOTE, 4444, port), NAT_FORWARD);
    net_udp_in(n, OTHER, 1000, port);
    assert_drop(n, DROP_FILTERED);
    net_udp_in(n, REMOTE, 1000, port == 61000 ? 61001 : 61000);
    assert_drop(n, DROP_NO_FLOW);
    net_udp_in(n, REMOTE, 1000, 53);
    assert_drop(n, DROP_NO_FLOW);
    assert_int_equal(nat_stats(n->nat)->drops_out2in[DROP_FILTERED], 1);
    assert_int_equal(nat_stats(n->nat)->drops_out2in[DROP_NO_FLOW], 2);
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    net_done(n);
}

/* RFC 4787 REQ-5 */
static void nat_ends_an_idle_udp_flow_after_300_s(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
    net_wait(n, 299999);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, port), NAT_FORWARD);
    n->now_ms++; /* no tick: the look-up itself must see it */
    net_udp_in(n, REMOTE, 1000, port);
    assert_drop(n, DROP_NO_FLOW);
    assert_int_equal(nat_stats(n->nat)->mappings, 0);
    net_done(n);
}

/* RFC 4787 REQ-6 */
static void nat_renews_udp_by_outbound_packets_only(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
    net_wait(n, 200000);
    assert_int_equal(net_udp(n, A, 5000, REMOTE, 1000), port);
    net_wait(n, 200000);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, port), NAT_FORWARD); /* renews nothing */
    net_wait(n, 100000);
    net_udp_in(n, REMOTE, 1000, port);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

/* RFC 4787 REQ-5 a */
static void nat_keeps_pure_dns_flows_only_30_s(void **state)
{
    (void)state;
    struct net *n = net_new();
    net_udp(n, A, 5000, REMOTE, 53);
    uint16_t mixed = net_udp(n, A, 5001, REMOTE, 53);
    net_udp(n, A, 5001, REMOTE, 1000);
    net_udp(n, A, 5001, REMOTE, 53);
    net_wait(n, 30000 + 100);
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    assert_int_equal(net_udp_in(n, REMOTE, 53, mixed), NAT_FORWARD);
    net_wait(n, 300000);
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    net_done(n);
}

/* RFC 6888 REQ-8, RFC 6056 */
static void nat_reuses_port_only_after_rest(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.port_lo = n->config.port_hi = 61000;
    net_start(n);
    assert_int_equal(net_udp(n, A, 5000, REMOTE, 1000), 61000);
    net_wait(n, 300100); /* the flow is gone, its port rests */
    struct build b = {.proto = 17, .src = INSIDE, .src_port = 5001, .dst = REMOTE, .dst_port = 1000};
    net_out(n, A, &b);
    assert_refused(n, DROP_NO_PORT, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE);
    net_wait(n, 119900 - 100);
    net_out(n, A, &b);
    assert_refused(n, DROP_NO_PORT, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE);
    net_wait(n, 200);
    assert_int_equal(net_udp(n, A, 5001, REMOTE, 1000), 61000);
    net_done(n);
}

/* RFC 4787 REQ-3 a: below 1024 and above */
static void nat_keeps_the_class_of_ports(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.low_lo = 1011;
    n->config.low_hi = 1012;
    net_start(n);
    uint16_t low = net_udp(n, A, 123, REMOTE, 1000), other = net_udp(n, B, 500, REMOTE, 1000);
    assert_in_range(low, 1011, 1012);
    assert_in_range(other, 1011, 1012);
    assert_int_not_equal(low, other);
    assert_in_range(net_udp(n, A, 1024, REMOTE, 1000), 61000, 65535);
    assert_in_range(net_udp(n, A, 0, REMOTE, 1000), 61000, 65535); /* none at all */
    assert_in_range(net_udp(n, A, 124, REMOTE, 1000), 61000, 65535); /* better than nothing */
    struct build b = {.proto = 6, .src = INSIDE, .src_port = 123, .dst = REMOTE, .dst_port = 80, .flags = TCP_SYN};
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_in_range(got_src_port(n), 1011, 1012);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, low), NAT_FORWARD);
    assert_int_equal(n->r.session, A);
    assert_int_equal(got_dst_port(n), 123);
    net_wait(n, 300100);
    net_udp_in(n, REMOTE, 1000, low);
    assert_drop(n, DROP_NO_FLOW);
    assert_in_range(net_udp(n, A, 123, REMOTE, 1000), 61000, 65535); /* they rest like the others */
    net_wait(n, 300100);
    assert_in_range(net_udp(n, A, 123, REMOTE, 1000), 1011, 1012);
    net_done(n);

    n = net_new(); /* without them */
    assert_in_range(net_udp(n, A, 123, REMOTE, 1000), 61000, 65535);
    net_done(n);
    n = net_defaults();
    n->config.low_lo = 1000;
    n->config.low_hi = 1024;
    assert_int_equal(nat_new(&n->config, &n->nat), -EINVAL);
}

/* Per protocol: a UDP mapping does not use up TCP's ports. */
static void nat_lends_ports_per_protocol(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.port_lo = n->config.port_hi = 61000;
    net_start(n);
    assert_int_equal(net_udp(n, A, 5000, REMOTE, 1000), 61000);
    assert_int_equal(net_tcp(n, B, TCP_SYN), NAT_FORWARD);
    assert_int_equal(got_src_port(n), 61000);
    struct build ping = {.proto = 1, .src = INSIDE, .dst = REMOTE, .icmp_type = 8, .icmp_id = 5000};
    assert_int_equal(net_out(n, C, &ping), NAT_FORWARD);
    assert_int_equal(build_get16(got_l4(n) + 4), 61000);

    /* one number, three mappings: each has its own laptop, its own filter and its own end */
    struct build pong = {.proto = 1, .src = REMOTE, .dst = EXTERNAL, .icmp_id = 61000}, stranger = tcp_segment_in(61000, TCP_SYN);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, 61000), NAT_FORWARD);
    assert_int_equal(n->r.session, A);
    assert_int_equal(net_tcp_in(n, 61000, TCP_SYN | TCP_ACK), NAT_FORWARD);
    assert_int_equal(n->r.session, B);
    assert_int_equal(net_in(n, &pong), NAT_FORWARD);
    assert_int_equal(n->r.session, C);
    nat_end_session(n->nat, A, n->now_ms);
    net_udp_in(n, OTHER, 1000, 61000);
    assert_drop(n, DROP_NO_FLOW);
    stranger.src = pong.src = OTHER;
    net_in(n, &stranger);
    assert_drop(n, DROP_FILTERED);
    net_in(n, &pong);
    assert_drop(n, DROP_FILTERED);
    net_done(n);
}

/* RFC 6056: not in a row, and another seed gives other ports */
static void nat_chooses_ports_at_random(void **state)
{
    (void)state;
    int rows = 0, equal = 0;
    uint16_t first[200];
    for (unsigned round = 0; round < 2; round++) {
        struct net *n = net_defaults();
        n->config.seed = 100 + round;
        net_start(n);
        uint16_t last = 0;
        for (uint16_t i = 0; i < 200; i++) {
            uint16_t port = net_udp(n, A, (uint16_t)(1000 + i), REMOTE, 1000);
            rows += port == last + 1;
            last = port;
            if (round == 0)
                first[i] = port;
            else
                equal += first[i] == port;
        }
        net_done(n);
    }
    assert_in_range(rows, 0, 3);
    assert_in_range(equal, 0, 3);
}

/* RFC 6888 REQ-4: the new is refused, the old stays, the laptop is told with code 1 */
static void nat_refuses_the_new_when_full(void **state)
{
    (void)state;
    struct net *n = net_defaults();
    n->config.max_flows = 3;
    net_start(n);
    uint16_t port = net_udp(n, A, 5000, REMOTE, 1000);
    net_udp(n, A, 5000, REMOTE + 1, 1000);
    net_udp(n, A, 5000, REMOTE + 2, 1000);
    struct build b = {.proto = 17, .src = INSIDE, .src_port = 5000, .dst = REMOTE + 3, .dst_port = 1000};
    net_out(n, A, &b);
    assert_refused(n, DROP_FULL, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE);
    assert_int_equal(got_dst(n), INSIDE);
    net_out(n, B, &b);
    assert_refused(n, DROP_FULL, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE);
    assert_int_equal(nat_stats(n->nat)->flows, 3);
    assert_int_equal(nat_stats(n->nat)->mappings, 1);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, port), NAT_FORWARD);
    n->now_ms += 300100; /* all expired though nobody ticked */
    assert_int_equal(net_out(n, B, &b), NAT_FORWARD);
    net_done(n);
}

static void nat_end_session_forgets_its_flows_only(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t a = net_udp(n, A, 5000, REMOTE, 1000), b = net_udp(n, B, 5000, REMOTE, 1000);
    net_udp(n, A, 5000, OTHER, 1000);
    net_udp(n, A, 6000, OTHER, 1000);
    nat_end_session(n->nat, A, n->now_ms);
    nat_end_session(n->nat, A, n->now_ms);
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    assert_int_equal(nat_stats(n->nat)->mappings, 1);
    net_udp_in(n, REMOTE, 1000, a);
    assert_drop(n, DROP_NO_FLOW);
    assert_int_equal(net_udp_in(n, REMOTE, 1000, b), NAT_FORWARD);
    assert_int_equal(nat_stats(n->nat)->flows_peak, 4);
    net_done(n);
}

static void nat_refuses_contradictory_configs(void **state)
{
    (void)state;
    struct nat *nat = NULL;
    struct nat_config c;
    struct nat_allow bad = {.prefix = {.addr = 0, .len = 33}};
    nat_config_defaults(&c, 0);
    assert_int_equal(nat_new(&c, &nat), -EINVAL);
    nat_config_defaults(&c, EXTERNAL);
    c.port_lo = 65000;
    c.port_hi = 64000;
    assert_int_equal(nat_new(&c, &nat), -EINVAL);
    nat_config_defaults(&c, EXTERNAL);
    c.max_flows = 0;
    assert_int_equal(nat_new(&c, &nat), -EINVAL);
    nat_config_defaults(&c, EXTERNAL);
    c.allow = &bad;
    c.allow_count = 1;
    assert_int_equal(nat_new(&c, &nat), -EINVAL);
    assert_null(nat);
    nat_free(NULL);
}

/* --- TCP: RFC 5382 --- */

/* REQ-5 */
static void nat_keeps_an_established_connection_7440_s(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    net_wait(n, 7439999);
    assert_int_equal(net_tcp_in(n, port, TCP_ACK), NAT_FORWARD); /* renews: either side's packets do */
    net_wait(n, 7439999);
    assert_int_equal(net_tcp(n, A, TCP_ACK), NAT_FORWARD);
    net_wait(n, 7440000);
    net_tcp_in(n, port, TCP_ACK);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

/* REQ-5 */
static void nat_keeps_opening_and_closing_connections_240_s(void **state)
{
    (void)state;
    static const uint8_t endings[3][2] = {{TCP_FIN | TCP_ACK, TCP_FIN | TCP_ACK}, {TCP_RST, 0}, {0, TCP_RST | TCP_ACK}};
    struct net *n = net_new();
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD);
    net_wait(n, 239999);
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    net_wait(n, 101);
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    for (int i = 0; i < 3; i++) {
        uint16_t port = net_tcp_open(n, A);
        if (endings[i][0] != 0)
            assert_int_equal(net_tcp(n, A, endings[i][0]), NAT_FORWARD);
        if (endings[i][1] != 0)
            assert_int_equal(net_tcp_in(n, port, endings[i][1]), NAT_FORWARD);
        net_wait(n, 239999);
        assert_int_equal(net_tcp_in(n, port, TCP_FIN | TCP_ACK), NAT_FORWARD);
        net_wait(n, 101);
        assert_int_equal(nat_stats(n->nat)->flows, endings[i][1] == (TCP_RST | TCP_ACK) ? 1 : 0);
        nat_end_session(n->nat, A, n->now_ms);
    }
    net_done(n);
}

/* One FIN is half a connection: data still flows the other way. */
static void nat_keeps_a_half_closed_connection_established(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    assert_int_equal(net_tcp(n, A, TCP_FIN | TCP_ACK), NAT_FORWARD);
    net_wait(n, 3600000);
    assert_int_equal(net_tcp_in(n, port, TCP_ACK | TCP_PSH), NAT_FORWARD);
    net_done(n);
}

/* A forged RST: the one it claimed to be from goes on, so the connection does. */
static void nat_revives_a_connection_whose_reset_was_forged(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    assert_int_equal(net_tcp_in(n, port, TCP_RST), NAT_FORWARD);
    assert_int_equal(net_tcp(n, A, TCP_ACK), NAT_FORWARD); /* the other side's packets prove nothing */
    assert_int_equal(net_tcp_in(n, port, TCP_ACK), NAT_FORWARD);
    net_wait(n, 7439999);
    assert_int_equal(net_tcp(n, A, TCP_ACK), NAT_FORWARD);
    net_done(n);
}

/* RFC 9293 section 3.6.1: a SYN ends TIME_WAIT */
static void nat_reopens_a_closed_connection_from_inside(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    net_tcp(n, A, TCP_FIN | TCP_ACK);
    net_tcp_in(n, port, TCP_FIN | TCP_ACK);
    net_wait(n, 200000);
    assert_int_equal(net_tcp_open(n, A), port);
    net_wait(n, 7439999);
    assert_int_equal(net_tcp_in(n, port, TCP_ACK), NAT_FORWARD);
    net_done(n);
}

/* REQ-2: simultaneous open; REQ-4: an unsolicited SYN meets silence */
static void nat_passes_simultaneous_open_and_drops_unsolicited_syns(void **state)
{
    (void)state;
    struct net *n = net_new();
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD);
    uint16_t port = got_src_port(n);
    assert_int_equal(net_tcp_in(n, port, TCP_SYN), NAT_FORWARD);
    assert_int_equal(net_tcp(n, A, TCP_SYN | TCP_ACK), NAT_FORWARD);
    struct build stranger = {.proto = 6, .src = REMOTE, .src_port = 81, .dst = EXTERNAL, .dst_port = port, .flags = TCP_SYN};
    net_in(n, &stranger);
    assert_drop(n, DROP_FILTERED);
    stranger.dst_port = port == 61000 ? 61001 : 61000;
    net_in(n, &stranger);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

/* After a restart of the server applications must notice at once (RFC 9293 section 3.10.7.1). */
static void nat_resets_connections_it_does_not_know(void **state)
{
    (void)state;
    struct net *n = net_new();
    assert_int_equal(net_tcp(n, A, TCP_ACK | TCP_PSH), NAT_REPLY);
    assert_string_equal(drop_name(n->r.reason), "no-flow");
    assert_int_equal(got_src(n), REMOTE);
    assert_int_equal(got_dst(n), INSIDE);
    assert_int_equal(got_src_port(n), 80);
    assert_int_equal(got_dst_port(n), 5000);
    assert_int_equal(got_l4(n)[13], TCP_RST);
    assert_int_equal(build_get32(got_l4(n) + 4), ISN_OUTSIDE + 1); /* the ACK's number */
    net_tcp(n, A, TCP_RST | TCP_ACK);
    assert_drop(n, DROP_NO_FLOW);
    assert_int_equal(net_tcp(n, A, TCP_SYN | TCP_ACK), NAT_REPLY);
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    assert_int_equal(nat_stats(n->nat)->replies, 2);
    net_done(n);
}

/* --- ICMP echo: RFC 5508 --- */

static struct build echo(uint8_t type, uint32_t src, uint32_t dst, uint16_t id)
{
    return (struct build){.proto = 1, .src = src, .dst = dst, .icmp_type = type, .icmp_id = id, .payload_len = 48};
}

/* REQ-1, REQ-2 */
static void nat_maps_echo_identifiers_for_60_s(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build ping = echo(8, INSIDE, REMOTE, 77);
    assert_int_equal(net_out(n, A, &ping), NAT_FORWARD);
    uint16_t id = build_get16(got_l4(n) + 4);
    assert_int_equal(got_src(n), EXTERNAL);
    assert_in_range(id, 61000, 65535);
    ping.dst = OTHER; /* independent of the host */
    assert_int_equal(net_out(n, A, &ping), NAT_FORWARD);
    assert_int_equal(build_get16(got_l4(n) + 4), id);
    struct build pong = echo(0, REMOTE, EXTERNAL, id);
    assert_int_equal(net_in(n, &pong), NAT_FORWARD);
    assert_int_equal(got_dst(n), INSIDE);
    assert_int_equal(build_get16(got_l4(n) + 4), 77);
    assert_int_equal(n->r.session, A);
    net_wait(n, 59999);
    assert_int_equal(net_in(n, &pong), NAT_FORWARD);
    net_wait(n, 1);
    net_in(n, &pong);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

static void nat_drops_icmp_nobody_asked_for(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build b = echo(0, INSIDE, REMOTE, 77);
    net_out(n, A, &b);
    assert_drop(n, DROP_NO_FLOW);
    b = echo(8, REMOTE, EXTERNAL, 61000);
    net_in(n, &b);
    assert_drop(n, DROP_NO_FLOW);
    b = echo(13, INSIDE, REMOTE, 1); /* timestamp */
    net_out(n, A, &b);
    assert_drop(n, DROP_ICMP_TYPE);
    b = echo(5, REMOTE, EXTERNAL, 61000); /* redirect */
    net_in(n, &b);
    assert_drop(n, DROP_ICMP_TYPE);
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_maps_an_endpoint_to_one_port_whatever_the_destination),
        T(nat_keeps_laptops_with_equal_addresses_apart),
        T(nat_filters_udp_by_address_not_by_port),
        T(nat_ends_an_idle_udp_flow_after_300_s),
        T(nat_renews_udp_by_outbound_packets_only),
        T(nat_keeps_pure_dns_flows_only_30_s),
        T(nat_reuses_port_only_after_rest),
        T(nat_keeps_the_class_of_ports),
        T(nat_lends_ports_per_protocol),
        T(nat_chooses_ports_at_random),
        T(nat_refuses_the_new_when_full),
        T(nat_end_session_forgets_its_flows_only),
        T(nat_refuses_contradictory_configs),
        T(nat_keeps_an_established_connection_7440_s),
        T(nat_keeps_opening_and_closing_connections_240_s),
        T(nat_keeps_a_half_closed_connection_established),
        T(nat_revives_a_connection_whose_reset_was_forged),
        T(nat_reopens_a_closed_connection_from_inside),
        T(nat_passes_simultaneous_open_and_drops_unsolicited_syns),
        T(nat_resets_connections_it_does_not_know),
        T(nat_maps_echo_identifiers_for_60_s),
        T(nat_drops_icmp_nobody_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
