/*
 * test/unit/nat/reference.h - a NAT as plain as its description: lists, no hashing, no wheel
 *
 * It says what must come of each packet; only which free port is chosen it learns from the NAT under test, after
 * checking that the choice was allowed. Written from the RFCs' words rather than from src/nat.
 */
#ifndef TETHER_TEST_NAT_REFERENCE_H
#define TETHER_TEST_NAT_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nat/reference_tcp.h"
#include "tether/nat.h"

enum { REF_FLOWS = 12, REF_PORTS = 4, REF_PORT_LO = 61000, REF_RESTING = 64, REF_OWN_PORT = 80 /* opened at the external address */ };
#define REF_EXTERNAL 0xc6336401u

struct ref_flow {
    bool used;
    uint8_t proto; /* of IP */
    uint32_t session, inside, remote;
    uint16_t inside_port, remote_port, port;
    bool only_dns;
    struct ref_tcp tcp;
    uint64_t expires_ms;
};

struct ref_nat {
    struct ref_flow flows[REF_FLOWS];
    struct {
        uint8_t proto;
        uint16_t port;
        uint64_t until_ms;
    } resting[REF_RESTING];
    uint64_t now_ms;
};

/* What a packet says, or what must come of one. */
struct ref_packet {
    uint8_t proto, ttl, flags;
    uint32_t session, src, dst;
    uint16_t src_port, dst_port;
    uint32_t seq, ack; /* TCP */
    uint8_t payload;
};

struct ref_outcome {
    enum nat_verdict verdict;
    enum drop reason;
    bool new_map;           /* the source port of the translation is the NAT's choice */
    struct ref_flow *flow;  /* that the sender used */
    struct ref_packet to;   /* FORWARD, HAIRPIN: addresses, ports, TTL, session */
};

static inline bool ref_owned(uint16_t port)
{
    return port >= REF_PORT_LO && port < REF_PORT_LO + REF_PORTS;
}

static inline struct ref_flow *ref_map(struct ref_nat *n, uint8_t proto, uint16_t port)
{
    for (int i = 0; i < REF_FLOWS; i++)
        if (n->flows[i].used && n->flows[i].proto == proto && n->flows[i].port == port)
            return &n->flows[i];
    return NULL;
}

static inline struct ref_flow *ref_endpoint(struct ref_nat *n, const struct ref_packet *p)
{
    for (int i = 0; i < REF_FLOWS; i++) {
        struct ref_flow *f = &n->flows[i];
        if (f->used && f->proto == p->proto && f->session == p->session && f->inside == p->src &&
            f->inside_port == p->src_port)
            return f;
    }
    return NULL;
}

/* The flow of an external port with a remote: by address, for TCP by port too. */
static inline struct ref_flow *ref_flow_of(struct ref_nat *n, uint8_t proto, uint16_t port, uint32_t remote, uint16_t remote_port)
{
    for (int i = 0; i < REF_FLOWS; i++) {
        struct ref_flow *f = &n->flows[i];
        if (f->used && f->proto == proto && f->port == port && f->remote == remote &&
            (proto != 6 || f->remote_port == remote_port))
            return f;
    }
    return NULL;
}

static inline int ref_count_flows(const struct ref_nat *n)
{
    int count = 0;
    for (int i = 0; i < REF_FLOWS; i++)
        count += n->flows[i].used;
    return count;
}

static inline int ref_count_maps(struct ref_nat *n)
{
    static const uint8_t protos[] = {6, 17, 1};
    int count = 0;
    for (int i = 0; i < 3; i++)
        for (uint16_t port = REF_PORT_LO; port < REF_PORT_LO + REF_PORTS; port++)
            count += ref_map(n, protos[i], port) != NULL;
    return count;
}

static inline bool ref_rests(const struct ref_nat *n, uint8_t proto, uint16_t port)
{
    for (int i = 0; i < REF_RESTING; i++)
        if (n->resting[i].proto == proto && n->resting[i].port == port && n->resting[i].until_ms > n->now_ms)
            return true;
    return false;
}

static inline bool ref_port_free(struct ref_nat *n, uint8_t proto, uint16_t port)
{
    return ref_owned(port) && ref_map(n, proto, port) == NULL && !ref_rests(n, proto, port);
}

static inline void ref_end(struct ref_nat *n, struct ref_flow *f)
{
    f->used = false;
    if (ref_map(n, f->proto, f->port) != NULL || f->proto == 6)
        return;
    for (int i = 0; i < REF_RESTING; i++)
        if (n->resting[i].until_ms <= n->now_ms) {
            n->resting[i].proto = f->proto;
            n->resting[i].port = f->port;
            n->resting[i].until_ms = n->now_ms + 120000;
            return;
        }
}

static inline void ref_advance(struct ref_nat *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    for (int i = 0; i < REF_FLOWS; i++)
        if (n->flows[i].used && n->flows[i].expires_ms <= now_ms)
            ref_end(n, &n->flows[i]);
}

static inline void ref_end_session(struct ref_nat *n, uint32_t session)
{
    for (int i = 0; i < REF_FLOWS; i++)
        if (n->flows[i].used && n->flows[i].session == session)
            ref_end(n, &n->flows[i]);
}

/* @return false when the segment shall not pass */
static inline bool ref_touch_tcp(struct ref_nat *n, struct ref_flow *f, bool outbound, const struct ref_packet *p)
{
    /* the model stays near zero: what has the highest bit set is below it */
    const struct ref_segment s = {.flags = p->flags, .seq = (int32_t)p->seq, .ack = (int32_t)p->ack, .payload = p->payload};
    switch (ref_tcp(&f->tcp, outbound, &s)) {
    case REF_REFUSE:
        return false;
    case REF_KEEP:
        break;
    case REF_ESTABLISHED:
        f->expires_ms = n->now_ms + 7440000;
        break;
    default:
        f->expires_ms = n->now_ms + 240000;
        break;
    }
    return true;
}

static inline bool ref_touch(struct ref_nat *n, struct ref_flow *f, bool outbound, const struct ref_packet *p)
{
    if (f->proto == 6) {
        return ref_touch_tcp(n, f, outbound, p);
    } else if (outbound && f->proto == 17) {
        f->only_dns = f->only_dns && p->dst_port == 53;
        f->expires_ms = n->now_ms + (f->only_dns ? 30000 : 300000);
    } else if (outbound) {
        f->expires_ms = n->now_ms + 60000;
    }
    return true;
}

static inline struct ref_outcome ref_result(enum nat_verdict verdict, enum drop reason)
{
    return (struct ref_outcome){.verdict = verdict, .reason = reason};
}

/* To an inside endpoint; p is addressed to the external address. */
static inline struct ref_outcome ref_deliver(struct ref_nat *n, const struct ref_packet *p, bool hairpin)
{
    struct ref_flow *f = ref_flow_of(n, p->proto, p->dst_port, p->src, p->src_port);
    struct ref_flow *any = ref_map(n, p->proto, p->dst_port);
    if (any == NULL)
        return ref_result(NAT_DROP, DROP_NO_FLOW);
    if (f == NULL && !(hairpin && p->proto == 17 && any->session == p->session)) /* a laptop may reach itself */
        return ref_result(NAT_DROP, DROP_FILTERED);
    if (!hairpin && p->ttl <= 1)
        return ref_result(NAT_DROP, DROP_TTL);
    if (f != NULL && !ref_touch(n, f, false, p))
        return ref_result(NAT_DROP, DROP_WINDOW);
    f = any;
    struct ref_outcome out = ref_result(hairpin ? NAT_HAIRPIN : NAT_FORWARD, DROP_NONE);
    out.to = *p;
    out.to.session = f->session;
    out.to.dst = f->inside;
    out.to.dst_port = f->inside_port;
    out.to.ttl = (uint8_t)(p->ttl - !hairpin);
    return out;
}

static inline struct ref_outcome ref_new_flow(struct ref_nat *n, const struct ref_packet *p)
{
    struct ref_outcome out = ref_result(NAT_FORWARD, DROP_NONE);
    if (p->proto == 6 && (p->flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) != TCP_SYN)
        return ref_result(p->flags & TCP_RST ? NAT_DROP : NAT_REPLY, DROP_NO_FLOW);
    if (ref_count_flows(n) == REF_FLOWS)
        return ref_result(NAT_REPLY, DROP_FULL);
    struct ref_flow *sibling = ref_endpoint(n, p);
    if (sibling == NULL) {
        out.new_map = true;
        bool any = false;
        for (uint16_t port = REF_PORT_LO; port < REF_PORT_LO + REF_PORTS; port++)
            any = any || ref_port_free(n, p->proto, port);
        if (!any)
            return ref_result(NAT_REPLY, DROP_NO_PORT);
    }
    uint16_t port = sibling != NULL ? sibling->port : 0;
    for (int i = 0; i < REF_FLOWS; i++)
        if (!n->flows[i].used) {
            n->flows[i] = (struct ref_flow){.used = true, .proto = p->proto, .session = p->session, .inside = p->src,
                                            .remote = p->dst, .inside_port = p->src_port, .remote_port = p->dst_port,
                                            .port = port, .only_dns = true};
            out.flow = &n->flows[i];
            return out;
        }
    return out;
}

/**
 * What must come of a packet from inside.
 *
 * @param chosen the source port the NAT gave it: taken over where the choice is the NAT's; 0 when it gave none
 */
static inline struct ref_outcome ref_in2out(struct ref_nat *n, const struct ref_packet *p, uint16_t chosen)
{
    if (p->proto == 6 && !ref_flags_ok(p->flags))
        return ref_result(NAT_DROP, DROP_BAD_HEADER);
    bool local = p->dst == REF_EXTERNAL, hairpin = local && p->proto != 1 && ref_owned(p->dst_port);
    if (hairpin && ref_map(n, p->proto, p->dst_port) == NULL)
        return ref_result(NAT_DROP, DROP_NO_FLOW);
    if ((!local || hairpin) && p->ttl <= 1)
        return ref_result(NAT_REPLY, DROP_TTL);
    if (local && !hairpin && (p->proto == 1 || p->dst_port != REF_OWN_PORT))
        return ref_result(NAT_REPLY, DROP_POLICY);
    struct ref_flow *sibling = ref_endpoint(n, p);
    struct ref_flow *f = sibling ? ref_flow_of(n, p->proto, sibling->port, p->dst, p->dst_port) : NULL;
    struct ref_outcome out = ref_result(NAT_FORWARD, DROP_NONE);
    if (f == NULL) {
        out = ref_new_flow(n, p);
        f = out.flow;
        if (f == NULL)
            return out;
        if (out.new_map && !ref_port_free(n, p->proto, chosen))
            return ref_result(NAT_DROP, DROP_COUNT); /* equals nothing: the choice was wrong */
        if (out.new_map)
            f->port = chosen;
    }
    ref_touch(n, f, true, p);
    struct ref_packet outside = *p;
    outside.src = REF_EXTERNAL;
    outside.src_port = f->port;
    outside.ttl = (uint8_t)(p->ttl - (!local || hairpin));
    if (hairpin)
        return ref_deliver(n, &outside, true);
    out.flow = f;
    out.to = outside;
    return out;
}

#endif
