/* test/unit/nat/ident_test.c - identifications: unique among all laptops for a destination (RFC 6864 section 5.3.1) */
#include "fixture.h"

#include <string.h>

static uint16_t got_id(const struct net *n)
{
    return build_get16(n->r.packet + 4);
}

static struct build datagram(uint32_t dst)
{
    return (struct build){.proto = 17, .src = INSIDE, .src_port = 5000, .dst = dst, .dst_port = 1000, .id = 7, .payload_len = 2000};
}

static void nat_numbers_what_may_be_fragmented_anew(void **state)
{
    (void)state;
    static bool used[65536];
    struct net *n = net_new();
    memset(used, 0, sizeof used);
    const struct build b = datagram(REMOTE);
    for (int i = 0; i < 60000; i++) { /* three laptops, always the same number */
        assert_int_equal(net_out(n, A + (uint32_t)i % 3, &b), NAT_FORWARD); /* net_out() checks the header's checksum */
        assert_false(used[got_id(n)]);
        assert_int_not_equal(got_id(n), 0);
        used[got_id(n)] = true;
    }
    net_done(n);
}

static void nat_counts_each_destination_and_protocol_by_itself(void **state)
{
    (void)state;
    struct net *n = net_new();
    const struct build one = datagram(REMOTE), other = datagram(OTHER);
    const struct build ping = {.proto = 1, .src = INSIDE, .dst = REMOTE, .icmp_type = 8, .icmp_id = 9, .payload_len = 2000};
    assert_int_equal(net_out(n, A, &one), NAT_FORWARD);
    const uint16_t first = got_id(n);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(net_out(n, A, &other), NAT_FORWARD);
        assert_int_equal(net_out(n, A, &ping), NAT_FORWARD);
    }
    assert_int_equal(net_out(n, B, &one), NAT_FORWARD);
    assert_int_equal(got_id(n), (uint16_t)(first + 1)); /* nobody sees by it what others send elsewhere */
    net_done(n);
}

/* A packet that stands for many leaves room for the numbers of all. */
static void nat_counts_each_segment(void **state)
{
    (void)state;
    static const struct offload pieces = {1000, true};
    struct net *n = net_new();
    struct build b = datagram(REMOTE);
    b.payload_len = 8500;
    b.partial_csum = true;
    nat_in2out(n->nat, A, n->packet, build_packet(n->packet, &b), &pieces, n->now_ms, &n->r);
    assert_int_equal(n->r.verdict, NAT_FORWARD);
    const uint16_t first = got_id(n);
    b = datagram(REMOTE);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(got_id(n), (uint16_t)(first + 9));
    net_done(n);
}

/* RFC 6864 section 4.1: beside DF it means nothing, and stays */
static void nat_leaves_atomic_datagrams_their_number(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct build b = datagram(REMOTE);
    b.frag = 0x4000;
    b.payload_len = 100;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(got_id(n), 7);
    struct build back = {.proto = 17, .src = REMOTE, .src_port = 1000, .dst = EXTERNAL, .dst_port = got_src_port(n), .id = 99};
    assert_int_equal(net_in(n, &back), NAT_FORWARD); /* and so does what comes in: its sender's are unique */
    assert_int_equal(got_id(n), 99);
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_numbers_what_may_be_fragmented_anew),
        T(nat_counts_each_destination_and_protocol_by_itself),
        T(nat_counts_each_segment),
        T(nat_leaves_atomic_datagrams_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
