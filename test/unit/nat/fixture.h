/*
 * test/unit/nat/fixture.h - a NAT with a fake clock, packets in and out of it, and what came of them
 *
 * The external address is 198.51.100.1, laptops are 10.0.0.1 unless said otherwise, the usual remote is 192.0.2.80.
 */
#ifndef TETHER_TEST_NAT_FIXTURE_H
#define TETHER_TEST_NAT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "build.h"
#include "tether/nat.h"

enum { A = 1, B = 2, C = 3 }; /* sessions */
#define EXTERNAL 0xc6336401u
#define INSIDE 0x0a000001u
#define REMOTE 0xc0000250u
#define OTHER 0xc0000251u

struct net {
    struct nat *nat;
    struct nat_config config;
    uint64_t now_ms;
    struct nat_result r;
    uint8_t packet[65536]; /* what was given; rewritten in place */
};

static inline void net_start(struct net *n)
{
    n->now_ms = 1000000;
    assert_int_equal(nat_new(&n->config, &n->nat), 0);
}
/** With a config that may be changed before net_start(). */
static inline struct net *net_defaults(void)
{
    static struct net n;
    n.nat = NULL;
    nat_config_defaults(&n.config, EXTERNAL);
    n.config.seed = 1;
    return &n;
}
static inline struct net *net_new(void)
{
    struct net *n = net_defaults();
    net_start(n);
    return n;
}
static inline void net_done(struct net *n)
{
    nat_free(n->nat);
    n->nat = NULL;
}
static inline void net_wait(struct net *n, uint64_t ms)
{
    n->now_ms += ms;
    nat_tick(n->nat, n->now_ms);
}
static inline enum nat_verdict net_out(struct net *n, uint32_t session, const struct build *b)
{
    size_t len = build_packet(n->packet, b);
    nat_in2out(n->nat, session, n->packet, len, NULL, n->now_ms, &n->r);
    if (n->r.verdict != NAT_DROP && n->r.verdict != NAT_HELD)
        assert_true(build_right(n->r.packet, n->r.offload.partial));
    return n->r.verdict;
}
static inline enum nat_verdict net_in(struct net *n, const struct build *b)
{
    size_t len = build_packet(n->packet, b);
    nat_out2in(n->nat, n->packet, len, NULL, n->now_ms, &n->r);
    if (n->r.verdict != NAT_DROP && n->r.verdict != NAT_HELD)
        assert_true(build_right(n->r.packet, n->r.offload.partial));
    return n->r.verdict;
}

/* What stands in the result's packet. */
static inline uint32_t got_src(const struct net *n)
{
    return build_get32(n->r.packet + 12);
}
static inline uint32_t got_dst(const struct net *n)
{
    return build_get32(n->r.packet + 16);
}
static inline const uint8_t *got_l4(const struct net *n)
{
    return n->r.packet + build_header_len(n->r.packet);
}
static inline uint16_t got_src_port(const struct net *n)
{
    return build_get16(got_l4(n));
}
static inline uint16_t got_dst_port(const struct net *n)
{
    return build_get16(got_l4(n) + 2);
}

#define assert_drop(n, why)                                                                                            \
    do {                                                                                                               \
        assert_int_equal((n)->r.verdict, NAT_DROP);                                                                    \
        assert_string_equal(drop_name((n)->r.reason), drop_name(why));                                                 \
    } while (0)
/* The answer is an ICMP error about the sent packet, from the external address to the sender. */
#define assert_refused(n, why, type, code)                                                                             \
    do {                                                                                                               \
        assert_int_equal((n)->r.verdict, NAT_REPLY);                                                                   \
        assert_string_equal(drop_name((n)->r.reason), drop_name(why));                                                 \
        assert_int_equal((n)->r.packet[9], IP_PROTO_ICMP);                                                             \
        assert_int_equal(got_src(n), EXTERNAL);                                                                        \
        assert_int_equal(got_l4(n)[0], type);                                                                          \
        assert_int_equal(got_l4(n)[1], code);                                                                          \
    } while (0)

/** Send UDP from a laptop's port to a remote. @return the external port */
static inline uint16_t net_udp(struct net *n, uint32_t session, uint16_t port, uint32_t remote, uint16_t remote_port)
{
    struct build b = {.proto = 17, .src = INSIDE, .src_port = port, .dst = remote, .dst_port = remote_port, .payload_len = 9};
    assert_int_equal(net_out(n, session, &b), NAT_FORWARD);
    return got_src_port(n);
}
/** Answer UDP from a remote to an external port. */
static inline enum nat_verdict net_udp_in(struct net *n, uint32_t remote, uint16_t remote_port, uint16_t port)
{
    struct build b = {.proto = 17, .src = remote, .src_port = remote_port, .dst = EXTERNAL, .dst_port = port, .payload_len = 5};
    return net_in(n, &b);
}
/* Sequence numbers: each side's SYN bears this one, what follows the next. */
enum { ISN_INSIDE = 1000, ISN_OUTSIDE = 5000000 };
/** A TCP segment from a laptop's port 5000 to REMOTE:80. */
static inline struct build tcp_segment_out(uint8_t flags)
{
    return (struct build){.proto = 6, .src = INSIDE, .src_port = 5000, .dst = REMOTE, .dst_port = 80, .flags = flags,
                          .seq = ISN_INSIDE + !(flags & TCP_SYN), .ack = flags & TCP_ACK ? ISN_OUTSIDE + 1 : 0};
}
/** Its answer. */
static inline struct build tcp_segment_in(uint16_t port, uint8_t flags)
{
    return (struct build){.proto = 6, .src = REMOTE, .src_port = 80, .dst = EXTERNAL, .dst_port = port, .flags = flags,
                          .seq = ISN_OUTSIDE + !(flags & TCP_SYN), .ack = flags & TCP_ACK ? ISN_INSIDE + 1 : 0};
}
static inline enum nat_verdict net_tcp(struct net *n, uint32_t session, uint8_t flags)
{
    const struct build b = tcp_segment_out(flags);
    return net_out(n, session, &b);
}
static inline enum nat_verdict net_tcp_in(struct net *n, uint16_t port, uint8_t flags)
{
    const struct build b = tcp_segment_in(port, flags);
    return net_in(n, &b);
}
/** A TCP connection with both SYNs and the last ACK. @return the external port */
static inline uint16_t net_tcp_open(struct net *n, uint32_t session)
{
    assert_int_equal(net_tcp(n, session, TCP_SYN), NAT_FORWARD);
    uint16_t port = got_src_port(n);
    assert_int_equal(net_tcp_in(n, port, TCP_SYN | TCP_ACK), NAT_FORWARD);
    assert_int_equal(net_tcp(n, session, TCP_ACK), NAT_FORWARD);
    return port;
}

#endif
