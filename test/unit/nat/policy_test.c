/* test/unit/nat/policy_test.c - egress: what laptops may reach, what they are told otherwise, what --allow opens */
#include "fixture.h"

#include <errno.h>

static struct build udp_to(uint32_t dst, uint16_t port)
{
    return (struct build){.proto = 17, .src = INSIDE, .src_port = 5000, .dst = dst, .dst_port = port, .payload_len = 40};
}

static struct build tcp_to(uint32_t dst, uint16_t port)
{
    return (struct build){.proto = 6, .src = INSIDE, .src_port = 5000, .dst = dst, .dst_port = port, .flags = TCP_SYN};
}

static struct build ping_to(uint32_t dst)
{
    return (struct build){.proto = 1, .src = INSIDE, .dst = dst, .icmp_type = 8, .icmp_id = 9};
}

static struct net *net_allowing(const struct nat_allow *allow, size_t count)
{
    struct net *n = net_defaults();
    n->config.allow = allow;
    n->config.allow_count = count;
    net_start(n);
    return n;
}

#define assert_prohibited(n) assert_refused(n, DROP_POLICY, ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED)

#define OWN_OTHER 0xc6336409u
/* Each rule by an address it is there for: refused, told why, counted; then opened by a prefix that holds it. */
static const uint32_t rules[] = {
    0x0a000002, 0x0affffff, 0xac100001, 0xac1fffff, 0xc0a80001, /* private: RFC 1918 */
    0x7f000001, 0x7f000035,                                     /* loopback */
    0xa9fe0001,                                                 /* link-local */
    0xa9fea9fe, 0xa9feaa02, 0x646464c8, 0xc00000c0, 0xa83f8110, /* metadata of several clouds */
    0x64400001, 0x647fffff,                                     /* CGNAT: RFC 6598 */
    EXTERNAL, OWN_OTHER,                                        /* the server itself */
};

static void nat_refuses_what_is_not_the_internet(void **state)
{
    (void)state;
    uint64_t refused = 0;
    struct net *n = net_new();
    assert_int_equal(nat_set_own(n->nat, (const uint32_t[]){OWN_OTHER}, 1), 0);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct build tries[] = {udp_to(rules[i], 53), tcp_to(rules[i], 80), ping_to(rules[i])};
        for (size_t k = 0; k < 3; k++) {
            net_out(n, A, &tries[k]);
            assert_prohibited(n);
            assert_int_equal(nat_stats(n->nat)->drops_in2out[DROP_POLICY], ++refused);
        }
    }
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    net_done(n);
}

static void nat_opens_each_rule_by_allow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct nat_allow allow = {{rules[i] & 0xffffff00u, 24}, 0};
        struct net *n = net_allowing(&allow, 1);
        assert_int_equal(nat_set_own(n->nat, (const uint32_t[]){OWN_OTHER}, 1), 0);
        const struct build tries[] = {udp_to(rules[i], 53), tcp_to(rules[i], 80), tcp_to(rules[i], 25), ping_to(rules[i])};
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(net_out(n, A, &tries[k]), NAT_FORWARD);
        struct build b = udp_to(0x0a090909, 53);
        net_out(n, A, &b);
        assert_int_equal(n->r.reason, rules[i] >> 8 == 0x0a0909 ? DROP_NONE : DROP_POLICY);
        net_done(n);
    }
}

static void nat_lets_the_internet_be_reached(void **state)
{
    (void)state;
    static const uint32_t public[] = {0x09ffffff, 0x0b000000, 0xac0fffff, 0xac200000, 0x643fffff, 0x64800000,
                                      0x08080808, 0xc0000100, 0xa83f810f, 0xa83f8111, 0xdfffffff};
    struct net *n = net_new();
    for (size_t i = 0; i < sizeof public / sizeof *public; i++) {
        struct build b = udp_to(public[i], 53);
        assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    }
    net_done(n);
}

/* No host has these addresses; about groups and broadcast no ICMP error may be sent (RFC 1122 section 3.2.2). */
static void nat_refuses_groups_and_broadcast_in_silence(void **state)
{
    (void)state;
    static const uint32_t no_host[] = {0x00000001, 0xe0000001, 0xefffffff, 0xf0000001, 0xffffffff};
    static const struct nat_allow everything = {{0, 0}, 0}, groups = {{0xef000000, 8}, 0};
    struct net *n = net_new();
    for (size_t i = 0; i < sizeof no_host / sizeof *no_host; i++) {
        struct build b = udp_to(no_host[i], 53);
        net_out(n, A, &b);
        assert_drop(n, DROP_POLICY);
    }
    net_done(n);
    n = net_allowing(&everything, 1); /* does not mean the groups of the server's own link */
    struct build b = udp_to(0x7f000001, 9999);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    for (size_t i = 0; i < sizeof no_host / sizeof *no_host; i++) {
        b = udp_to(no_host[i], 53);
        net_out(n, A, &b);
        assert_int_equal(n->r.reason, no_host[i] == 0xf0000001 ? DROP_NONE : DROP_POLICY);
    }
    net_done(n);
    n = net_allowing(&groups, 1);
    b = udp_to(0xefffffff, 53);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b = udp_to(0xe0000001, 53);
    net_out(n, A, &b);
    assert_drop(n, DROP_POLICY);
    net_done(n);
}

/* Mail servers judge the server's address by what comes from it. */
static void nat_refuses_mail_to_port_25_until_it_is_opened(void **state)
{
    (void)state;
    static const struct nat_allow relay = {{REMOTE, 32}, 25}, all = {{0, 0}, 25};
    struct net *n = net_new();
    struct build b = tcp_to(REMOTE, 25);
    net_out(n, A, &b);
    assert_prohibited(n);
    assert_int_equal(nat_stats(n->nat)->drops_in2out[DROP_POLICY], 1);
    b.dst_port = 587; /* submission, with a password */
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b = udp_to(REMOTE, 25);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    net_done(n);
    n = net_allowing(&relay, 1);
    b = tcp_to(REMOTE, 25);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b = tcp_to(OTHER, 25);
    net_out(n, A, &b);
    assert_prohibited(n);
    net_done(n);
    n = net_allowing(&all, 1);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b = tcp_to(0x0a000009, 80); /* only the port was opened */
    net_out(n, A, &b);
    assert_prohibited(n);
    net_done(n);
}

/* --allow CIDR:PORT, and what the server opens for its resolver, which in some clouds is the metadata service's address */
static void nat_opens_one_port_and_nothing_beside_it(void **state)
{
    (void)state;
    struct nat_allow allow[] = {{{0xc0a80100, 24}, 0}, {{0xa9fea9fe, 32}, 53}, {{0xa9fea9fe, 32}, 853}};
    struct net *n = net_allowing(allow, 3);
    allow[0].prefix.addr = 0; /* was copied */
    struct build b = udp_to(0xc0a801ff, 9999);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b = udp_to(0xc0a80200, 9999);
    net_out(n, A, &b);
    assert_prohibited(n);
    const struct build open[] = {udp_to(0xa9fea9fe, 53), tcp_to(0xa9fea9fe, 53), tcp_to(0xa9fea9fe, 853)};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        assert_int_equal(net_out(n, A, &open[i]), NAT_FORWARD);
    const struct build shut[] = {tcp_to(0xa9fea9fe, 80), udp_to(0xa9fea9fe, 80), ping_to(0xa9fea9fe), tcp_to(0xa9fea9ff, 53)};
    for (size_t i = 0; i < sizeof shut / sizeof *shut; i++) {
        net_out(n, A, &shut[i]);
        assert_prohibited(n);
    }
    net_done(n);
}

/* Its addresses come and go; the external one is always there. */
static void nat_knows_which_addresses_are_the_servers(void **state)
{
    (void)state;
    uint32_t many[NAT_OWN_MAX + 1];
    struct net *n = net_new();
    struct build b = udp_to(OWN_OTHER, 80);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    assert_int_equal(nat_set_own(n->nat, (const uint32_t[]){OWN_OTHER}, 1), 0);
    net_out(n, A, &b);
    assert_prohibited(n);
    assert_int_equal(nat_set_own(n->nat, NULL, 0), 0);
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b = tcp_to(EXTERNAL, 8080);
    net_out(n, A, &b);
    assert_prohibited(n);
    for (uint32_t i = 0; i <= NAT_OWN_MAX; i++)
        many[i] = 0x08000000 + i;
    assert_int_equal(nat_set_own(n->nat, many, NAT_OWN_MAX + 1), -ENOBUFS);
    b = udp_to(many[0], 80);
    net_out(n, A, &b);
    assert_prohibited(n);
    net_done(n);
}

static void nat_drops_impossible_sources(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0x00000001, 0x7f000001, 0xe0000001, 0xffffffff};
    struct net *n = net_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct build b = udp_to(REMOTE, 53);
        b.src = bad[i];
        net_out(n, A, &b);
        assert_drop(n, DROP_SOURCE);
    }
    assert_int_equal(nat_stats(n->nat)->drops_in2out[DROP_SOURCE], 4);
    net_done(n);
}

/* --- the server's own address, opened --- */

static const struct nat_allow server_itself = {{EXTERNAL, 32}, 0};

static void nat_reaches_the_server_itself_where_that_is_allowed(void **state)
{
    (void)state;
    struct net *n = net_allowing(&server_itself, 1);
    struct build b = tcp_to(EXTERNAL, 80);
    b.ttl = 1;
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD); /* it is no hop further: the TTL stays */
    assert_int_equal(got_src(n), EXTERNAL);
    assert_int_equal(got_dst(n), EXTERNAL);
    assert_int_equal(n->r.packet[8], 1);
    struct build back = {.proto = 6, .src = EXTERNAL, .src_port = 80, .dst = EXTERNAL, .dst_port = got_src_port(n),
                         .flags = TCP_SYN | TCP_ACK, .ack = 1};
    assert_int_equal(net_in(n, &back), NAT_FORWARD);
    assert_int_equal(got_src(n), EXTERNAL);
    assert_int_equal(got_dst(n), INSIDE);
    b = udp_to(EXTERNAL, 53);
    b.frag = 0x4000;
    b.payload_len = 3000; /* the loopback device's MTU is not the link's */
    assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
    b = udp_to(EXTERNAL, 61000); /* in the NAT's range, nobody's */
    net_out(n, A, &b);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_refuses_what_is_not_the_internet),
        T(nat_opens_each_rule_by_allow),
        T(nat_lets_the_internet_be_reached),
        T(nat_refuses_groups_and_broadcast_in_silence),
        T(nat_refuses_mail_to_port_25_until_it_is_opened),
        T(nat_opens_one_port_and_nothing_beside_it),
        T(nat_knows_which_addresses_are_the_servers),
        T(nat_drops_impossible_sources),
        T(nat_reaches_the_server_itself_where_that_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
