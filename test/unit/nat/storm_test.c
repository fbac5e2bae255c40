/* test/unit/nat/storm_test.c - very many flows at once: what nobody may have to wait for */
#include "fixture.h"

#include <string.h>

enum { FLOWS = 60000, PORTS = 4000, TICK_MS = 1000, PER_TICK = 8192, TICKS_MAX = 20, AT_ONCE = 64 };

static struct build datagram(uint32_t i)
{
    return (struct build){.proto = 17, .src = INSIDE, .src_port = (uint16_t)(1024 + i % PORTS), .dst = REMOTE + i / PORTS, .dst_port = 4000};
}

static struct net *storm(void)
{
    struct net *n = net_defaults();
    n->config.client_flows = n->config.client_ports = n->config.client_rate = 0;
    net_start(n);
    net_wait(n, 0); /* the wheel learns what time it is, as each second */
    for (uint32_t i = 0; i < FLOWS; i++) {
        struct build b = datagram(i);
        assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    }
    assert_int_equal(nat_stats(n->nat)->flows, FLOWS);
    return n;
}

/* All of them are due at the same moment: each tick frees a slice, packets help, and none of the expired is passed meanwhile. */
static void nat_ends_a_storm_in_slices(void **state)
{
    (void)state;
    struct net *n = storm();
    uint16_t dead = net_udp(n, B, 9, REMOTE, 9); /* not renewed either: as old as the rest */
    n->now_ms += n->config.udp_idle_ms - TICK_MS;
    uint16_t alive = net_udp(n, B, 10, REMOTE, 9);
    n->now_ms += TICK_MS;
    uint32_t before = nat_stats(n->nat)->flows;
    for (int tick = 0; before > 1; tick++) {
        assert_true(tick < TICKS_MAX);
        net_wait(n, tick == 0 ? 0 : TICK_MS);
        uint32_t after = nat_stats(n->nat)->flows;
        assert_true(before - after <= PER_TICK);
        net_udp_in(n, REMOTE, 9, dead);
        assert_drop(n, DROP_NO_FLOW);
        assert_int_equal(net_udp_in(n, REMOTE, 9, alive), NAT_FORWARD);
        before = nat_stats(n->nat)->flows;
    }
    assert_int_equal(before, 1);
    net_done(n);
}

/* Without any tick at all, packets alone clean up behind the storm once a tick began it. */
static void nat_packets_pay_for_expired_flows_in_small_coins(void **state)
{
    (void)state;
    struct net *n = storm();
    net_wait(n, n->config.udp_idle_ms);
    uint32_t left = nat_stats(n->nat)->flows;
    for (uint32_t packets = 0; nat_stats(n->nat)->flows > 1; packets++) {
        assert_true(packets < 2 * FLOWS / 8); /* some only move down a level */
        net_udp(n, B, 10, REMOTE, 9);
        uint32_t now = nat_stats(n->nat)->flows;
        assert_true(now + 8 >= left);
        left = now;
    }
    net_done(n);
}

/* A laptop that leaves is gone at once for everybody, while its flows are freed in slices that hold nobody up. */
static void nat_ends_a_large_session_at_once_and_frees_it_in_slices(void **state)
{
    (void)state;
    struct net *n = storm();
    const uint16_t mine = net_udp(n, A, 1024, REMOTE, 4000), other = net_udp(n, B, 9, REMOTE, 9);
    uint32_t before = nat_stats(n->nat)->flows, flows;
    assert_int_equal(nat_set_lease(n->nat, A, (struct nat_prefix){INSIDE, 32}, n->now_ms), 0);
    nat_end_session(n->nat, A, n->now_ms);
    nat_end_session(n->nat, A, n->now_ms);
    assert_true(nat_stats(n->nat)->flows >= before - AT_ONCE);

    net_udp_in(n, REMOTE, 4000, mine);
    assert_drop(n, DROP_NO_FLOW);
    net_udp_in(n, OTHER + FLOWS, 4000, mine); /* nor is the mapping there to be filtered */
    assert_drop(n, DROP_NO_FLOW);
    struct build b = {.proto = 17, .src = INSIDE, .src_port = 9, .dst = EXTERNAL, .dst_port = mine};
    net_out(n, B, &b);
    assert_drop(n, DROP_NO_FLOW);
    uint16_t again = net_udp(n, A, 1024, REMOTE, 4000); /* the same name, another laptop */
    assert_int_not_equal(again, mine);
    b.src = INSIDE + 1;
    b.dst = REMOTE;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD); /* which has no lease yet */
    assert_int_equal(net_udp_in(n, REMOTE, 4000, again), NAT_FORWARD);
    net_udp_in(n, REMOTE, 4000, mine);
    assert_drop(n, DROP_NO_FLOW);

    for (int packet = 0; packet < 100; packet++) { /* packets pay */
        flows = nat_stats(n->nat)->flows;
        assert_int_equal(net_udp_in(n, REMOTE, 9, other), NAT_FORWARD);
        assert_in_range(flows - nat_stats(n->nat)->flows, 1, 8);
    }
    for (int tick = 0; (flows = nat_stats(n->nat)->flows) > 3; tick++) {
        assert_true(tick < TICKS_MAX);
        net_wait(n, TICK_MS);
        assert_true(flows - nat_stats(n->nat)->flows <= PER_TICK);
        assert_int_equal(net_udp_in(n, REMOTE, 9, other), NAT_FORWARD);
        assert_int_equal(net_udp_in(n, REMOTE, 4000, again), NAT_FORWARD);
    }
    assert_int_equal(flows, 3);
    assert_int_equal(nat_stats(n->nat)->mappings, 3);
    net_done(n);
}

/* Nobody is refused for want of what a laptop had that left: flows, ports, its place among the laptops. */
static void room_passes_on(uint32_t max_sessions)
{
    enum { PORTS_OF_ALL = 200, OF_ONE_PORT = 500 };
    struct net *n = net_defaults();
    n->config.client_flows = n->config.client_ports = n->config.client_rate = 0;
    n->config.port_hi = (uint16_t)(n->config.port_lo + PORTS_OF_ALL - 1);
    n->config.max_flows = PORTS_OF_ALL + OF_ONE_PORT;
    n->config.max_sessions = max_sessions;
    net_start(n);
    struct build syn = tcp_segment_out(TCP_SYN);
    for (int round = 0; round < 3; round++) {
        const uint32_t session = (uint32_t)round + 1;
        for (uint16_t i = 0; i < PORTS_OF_ALL; i++) {
            syn.src_port = (uint16_t)(1024 + i);
            assert_int_equal(net_out(n, session, &syn), NAT_FORWARD);
        }
        for (uint32_t i = 0; i < OF_ONE_PORT; i++)
            net_udp(n, session, 9, REMOTE + i, 9);
        net_out(n, session, &(struct build){.proto = 17, .src = INSIDE, .src_port = 9, .dst = REMOTE + OF_ONE_PORT, .dst_port = 9});
        assert_refused(n, DROP_FULL, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE);
        nat_end_session(n->nat, session, n->now_ms);
    }
    net_done(n);
}

static void nat_gives_the_room_of_who_left_to_who_comes(void **state)
{
    (void)state;
    room_passes_on(1); /* the newcomer needs the old one's own place first */
    room_passes_on(2);
}

/* Announced packets, whatever they are, change nothing, and are found as before. */
static void nat_looking_ahead_changes_nothing(void **state)
{
    (void)state;
    static uint8_t packets[40][64];
    struct span ahead[40];
    struct net *n = net_new();
    uint16_t port = net_udp(n, A, 5000, REMOTE, 80);
    struct nat_stats before = *nat_stats(n->nat);
    for (int i = 0; i < 40; i++) {
        struct build b = {.proto = 17, .src = REMOTE, .src_port = 80, .dst = EXTERNAL, .dst_port = (uint16_t)(port + i), .payload_len = 5};
        ahead[i] = (struct span){packets[i], build_packet(packets[i], &b)};
        if (i % 3 == 1)
            packets[i][i % 20] ^= 0x5a;
        if (i % 7 == 6)
            ahead[i].len = (size_t)i;
    }
    nat_prefetch(n->nat, 0, ahead, 40);
    nat_prefetch(n->nat, A, ahead, 40);
    nat_prefetch(n->nat, A, ahead, 0);
    assert_memory_equal(&before, nat_stats(n->nat), sizeof before);
    assert_int_equal(net_udp_in(n, REMOTE, 80, port), NAT_FORWARD);
    net_done(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nat_ends_a_storm_in_slices),
        cmocka_unit_test(nat_packets_pay_for_expired_flows_in_small_coins),
        cmocka_unit_test(nat_ends_a_large_session_at_once_and_frees_it_in_slices),
        cmocka_unit_test(nat_gives_the_room_of_who_left_to_who_comes),
        cmocka_unit_test(nat_looking_ahead_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
