/*
 * test/unit/nat/model.h - drives the NAT and the reference with the same packets and compares
 *
 * A row of bytes is decoded into operations: packets of three laptops, two of which use equal addresses, with few ports and remotes so that they
 * meet; answers, strangers, ICMP errors about live flows, fragments and garbage (model_fragments.h), time, goodbyes. Both the property test (random bytes) and the stateful
 * fuzzer (bytes it learns) use it. After each operation: the verdict, the reason and every translated field as the reference says;
 * checksums valid; payload untouched; no inside address outside; tables as large as the reference's and within limits.
 */
#ifndef TETHER_TEST_NAT_MODEL_H
#define TETHER_TEST_NAT_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "nat/internal.h"
#include "nat/reference.h"

#define MODEL_CHECK(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: step %u: broken: %s\n", __FILE__, __LINE__, m->step, #condition);                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { MODEL_DATAGRAMS = 3, MODEL_RANGES = 4 };

/* A datagram that comes in pieces. */
struct model_datagram {
    bool open, outward, dead;
    uint8_t look, cut;
    struct ref_packet p;
    uint8_t packet[160]; /* the whole */
    size_t len;
    uint64_t start_ms;
    unsigned ranges;
    int have;
    struct {
        uint8_t start, end;
    } range[MODEL_RANGES];
};

struct model {
    const uint8_t *data;
    size_t size;
    unsigned step;
    struct nat *nat;
    struct ref_nat ref;
    struct nat_result r;
    uint8_t packet[512], before[512];
    struct model_datagram datagram[MODEL_DATAGRAMS];
    unsigned datagrams; /* opened so far */
    unsigned forwarded, answered, hairpins, errors, returned, reassembled, killed, connected, refused; /* to see that a run was not idle */
};

static inline uint8_t model_u8(struct model *m)
{
    if (m->size == 0)
        return 0;
    m->size--;
    return *m->data++;
}

static inline uint32_t model_pick(struct model *m, const uint32_t *values, unsigned count)
{
    return values[model_u8(m) % count];
}
#define PICK(m, ...) model_pick(m, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static inline size_t model_build(struct model *m, uint8_t *out, struct ref_packet *p, uint8_t icmp_type, uint8_t look)
{
    (void)m;
    p->payload = look & 31;
    struct build b = {.proto = p->proto, .src = p->src, .dst = p->dst, .ttl = p->ttl, .src_port = p->src_port,
                      .dst_port = p->dst_port, .flags = p->flags, .icmp_type = icmp_type,
                      .icmp_id = icmp_type == 8 ? p->src_port : p->dst_port, .seq = p->seq, .ack = p->ack,
                      .payload_len = look & 31, .no_csum = p->proto == 17 && (look & 32) != 0,
                      .partial_csum = p->proto != 1 && (look & 96) == 64};
    return build_packet(out, &b);
}

/* Ports or identifier of a translated packet. */
static inline uint16_t model_port(const uint8_t *packet, bool source)
{
    if (packet[9] == 1)
        return build_get16(packet + 24);
    return build_get16(packet + (source ? 20 : 22));
}

/* What comes beside a packet: the truth, or nothing. */
static inline const struct offload *model_offload(const struct ref_packet *p, uint8_t look)
{
    static const struct offload partial = {.partial = true}, finished = {0};
    if (look & 16)
        return NULL;
    return p->proto != 1 && (look & 96) == 64 ? &partial : &finished;
}

static inline void model_check_translated(struct model *m, const struct ref_packet *to, size_t len)
{
    const uint8_t *p = m->r.packet;
    const size_t headers = p[9] == 6 ? 40 : 28;
    MODEL_CHECK(m->r.len == len && build_right(p, m->r.offload.partial));
    MODEL_CHECK(build_get32(p + 12) == to->src && build_get32(p + 16) == to->dst);
    MODEL_CHECK(p[8] == to->ttl && p[9] == to->proto);
    MODEL_CHECK(p[9] == 1 || (model_port(p, true) == to->src_port && model_port(p, false) == to->dst_port));
    MODEL_CHECK(memcmp(p + headers, m->before + headers, len - headers) == 0);
    MODEL_CHECK(p[9] != 6 || memcmp(p + 24, m->before + 24, 12) == 0); /* sequence, acknowledgement, flags, window */
}

/* The packet of a filtered hairpin does not show which port its new mapping got: ask. */
static inline uint16_t model_chosen(struct model *m, const struct ref_packet *p)
{
    const struct nat_tuple t = {.proto = p->proto == 6 ? NAT_TCP : p->proto == 17 ? NAT_UDP : NAT_ICMP, .session = p->session,
                                .inside = p->src, .inside_port = p->src_port};
    const struct nat_map *map = nat_map_find(m->nat, &t);
    return map != NULL ? map->port : 0;
}

/* What was sent comes back at once with its ends exchanged: it must reach the sender as if no NAT were there. */
static inline void model_return(struct model *m, const struct ref_packet *sent)
{
    const uint8_t *out = m->r.packet;
    struct ref_packet back = {.proto = sent->proto, .ttl = 64, .flags = TCP_ACK, .src = build_get32(out + 16), .dst = build_get32(out + 12),
                              .src_port = model_port(out, false), .dst_port = model_port(out, true)};
    const struct ref_flow *f = ref_flow_of(&m->ref, back.proto, back.dst_port, back.src, back.src_port);
    if (f != NULL) {
        back.seq = (uint32_t)f->tcp.side[0].una;
        back.ack = (uint32_t)f->tcp.side[1].next;
    }
    size_t len = model_build(m, m->packet, &back, 0, 8);
    nat_out2in(m->nat, m->packet, len, NULL, m->ref.now_ms, &m->r);
    ref_deliver(&m->ref, &back, false);
    MODEL_CHECK(m->r.verdict == NAT_FORWARD && m->r.session == sent->session && build_valid(m->r.packet));
    MODEL_CHECK(build_get32(m->r.packet + 16) == sent->src && build_get32(m->r.packet + 12) == sent->dst);
    MODEL_CHECK(model_port(m->r.packet, false) == sent->src_port);
    MODEL_CHECK(sent->proto == 1 || model_port(m->r.packet, true) == sent->dst_port);
    m->returned++;
}

static inline void model_send(struct model *m, struct ref_packet *packet, uint8_t look)
{
    struct ref_packet p = *packet;
    size_t len = model_build(m, m->packet, &p, 8, look);
    memcpy(m->before, m->packet, len);
    nat_prefetch(m->nat, p.session, &(struct span){m->packet, len}, 1);
    nat_in2out(m->nat, p.session, m->packet, len, model_offload(&p, look), m->ref.now_ms, &m->r);

    uint16_t chosen = model_chosen(m, &p);
    MODEL_CHECK((m->r.verdict != NAT_FORWARD && m->r.verdict != NAT_HAIRPIN) || model_port(m->r.packet, true) == chosen ||
                p.proto == 1);
    struct ref_outcome want = ref_in2out(&m->ref, &p, chosen);
    MODEL_CHECK(m->r.verdict == want.verdict && m->r.reason == want.reason);
    if (want.verdict == NAT_FORWARD) {
        MODEL_CHECK(build_get32(m->r.packet + 12) == REF_EXTERNAL);
        if (p.proto == 1)
            MODEL_CHECK(model_port(m->r.packet, true) == want.flow->port);
        model_check_translated(m, &want.to, len);
        m->forwarded++;
        if ((look & 7) == 7)
            model_return(m, &p);
    } else if (want.verdict == NAT_HAIRPIN) {
        MODEL_CHECK(m->r.session == want.to.session);
        model_check_translated(m, &want.to, len);
        m->hairpins++;
    } else if (want.verdict == NAT_REPLY) {
        MODEL_CHECK(build_valid(m->r.packet) && build_get32(m->r.packet + 16) == p.src);
        MODEL_CHECK(build_get32(m->r.packet + 12) == (m->r.reason == DROP_NO_FLOW ? p.dst : REF_EXTERNAL));
    }
}

static inline void model_receive(struct model *m, struct ref_packet *packet, uint8_t look);

#include "nat/model_tcp.h"

static inline void model_in2out(struct model *m)
{
    uint8_t ops = model_u8(m), look = model_u8(m);
    struct ref_packet p = {.proto = (uint8_t)PICK(m, 17, 6, 1, 6), .session = 1 + ops % 3, .ttl = ops & 64 ? (ops & 128 ? 1 : 2) : 64};
    p.src = ops & 4 ? 0x0a000002 : 0x0a000001;
    p.src_port = (uint16_t)(5000 + (ops >> 3 & 1));
    p.dst = PICK(m, 0xc0000250, 0xc0000251, REF_EXTERNAL, REF_EXTERNAL, 0xc0000252);
    p.dst_port = (uint16_t)PICK(m, 53, 80, 61000, 61001, 61002, 61003);
    p.flags = (uint8_t)PICK(m, TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, TCP_SYN | TCP_ACK, TCP_SYN, TCP_ACK | TCP_PSH, TCP_FIN | TCP_SYN);
    if (p.proto == 1)
        p.dst_port = p.src_port;
    const struct ref_flow *endpoint = ref_endpoint(&m->ref, &p);
    model_numbers(m, &p, endpoint ? ref_flow_of(&m->ref, p.proto, endpoint->port, p.dst, p.dst_port) : NULL, true);
    model_send(m, &p, look);
}

static inline void model_receive(struct model *m, struct ref_packet *packet, uint8_t look)
{
    struct ref_packet p = *packet;
    size_t len = model_build(m, m->packet, &p, 0, look);
    memcpy(m->before, m->packet, len);
    nat_prefetch(m->nat, 0, &(struct span){m->packet, len}, 1);
    nat_out2in(m->nat, m->packet, len, model_offload(&p, look), m->ref.now_ms, &m->r);
    struct ref_outcome want = ref_deliver(&m->ref, &p, false);
    MODEL_CHECK(m->r.verdict == want.verdict && m->r.reason == want.reason);
    m->refused += want.reason == DROP_WINDOW;
    if (want.verdict == NAT_FORWARD) {
        MODEL_CHECK(m->r.session == want.to.session);
        if (p.proto == 1)
            MODEL_CHECK(model_port(m->r.packet, false) == want.to.dst_port);
        model_check_translated(m, &want.to, len);
        m->answered++;
    }
}

static inline void model_out2in(struct model *m)
{
    uint8_t ops = model_u8(m), look = model_u8(m);
    struct ref_packet p = {.proto = (uint8_t)PICK(m, 17, 6, 1, 6), .dst = REF_EXTERNAL, .ttl = ops & 64 ? (ops & 128 ? 1 : 2) : 64};
    p.src = PICK(m, 0xc0000250, 0xc0000251, REF_EXTERNAL, 0xc0000252);
    p.src_port = (uint16_t)PICK(m, 53, 80, 61000, 61001);
    p.dst_port = (uint16_t)PICK(m, 61000, 61001, 61002, 61003, 80);
    p.flags = (uint8_t)PICK(m, TCP_SYN | TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, TCP_SYN);
    const struct ref_flow *f = &m->ref.flows[ops % 16 % REF_FLOWS];
    if ((ops & 32) == 0 && f->used) { /* an answer rather than a stranger */
        p.proto = f->proto;
        p.src = f->remote;
        p.dst_port = f->port;
        p.src_port = f->proto == 6 ? f->remote_port : p.src_port;
    }
    if (p.proto == 1)
        p.src_port = p.dst_port;
    model_numbers(m, &p, ref_flow_of(&m->ref, p.proto, p.dst_port, p.src, p.src_port), false);
    model_receive(m, &p, look);
}

/* An error about what a live flow sent out (inward) or received (outward). */
static inline void model_error(struct model *m, bool inward)
{
    uint8_t ops = model_u8(m), look = model_u8(m);
    const struct ref_flow *f = &m->ref.flows[ops % REF_FLOWS];
    uint8_t about[256];
    if (!f->used || f->port == 0)
        return;
    struct ref_packet sent = {.proto = f->proto, .ttl = 9, .flags = TCP_ACK, .src = REF_EXTERNAL, .src_port = f->port,
                              .dst = f->remote, .dst_port = f->proto == 6 ? f->remote_port : (uint16_t)(61000 + (ops >> 5))};
    struct ref_packet got = {.proto = f->proto, .ttl = 9, .flags = TCP_ACK, .src = f->remote, .src_port = sent.dst_port,
                             .dst = f->inside, .dst_port = f->inside_port};
    size_t about_len = model_build(m, about, inward ? &sent : &got, inward ? 8 : 0, look & 63);
    size_t quoted_len = look & 128 ? 28 : about_len;
    struct build b = {.proto = 1, .src = inward ? 0xcb007101 : f->inside, .dst = inward ? REF_EXTERNAL : f->remote, .ttl = 5,
                      .icmp_type = look & 1 ? ICMP_UNREACHABLE : ICMP_TIME_EXCEEDED, .payload = about, .payload_len = quoted_len};
    size_t len = build_packet(m->packet, &b);
    uint32_t session = f->session;
    struct ref_flow *other = NULL;
    enum nat_verdict want = NAT_FORWARD;
    if (inward) {
        nat_out2in(m->nat, m->packet, len, NULL, m->ref.now_ms, &m->r);
    } else {
        nat_in2out(m->nat, f->session, m->packet, len, NULL, m->ref.now_ms, &m->r);
        if (f->remote == REF_EXTERNAL && f->proto != 1 && ref_map(&m->ref, f->proto, sent.dst_port) != NULL) {
            other = ref_flow_of(&m->ref, f->proto, sent.dst_port, REF_EXTERNAL, f->port);
            want = other != NULL ? NAT_HAIRPIN : NAT_DROP;
            session = other != NULL ? other->session : session;
        } else if (f->remote == REF_EXTERNAL && (f->proto == 1 || sent.dst_port != REF_OWN_PORT)) {
            want = NAT_DROP; /* the server's own ports are not open for errors either */
        }
    }
    MODEL_CHECK(m->r.verdict == want);
    if (want == NAT_DROP)
        return;
    m->errors++;
    const uint8_t *outer = m->r.packet, *inner = outer + 28;
    MODEL_CHECK(m->r.session == session && m->r.len == len && build_valid(outer) && outer[8] == 4);
    MODEL_CHECK(build_sum(inner, 20, 0) == 0xffff);
    MODEL_CHECK(quoted_len < about_len || !build_valid(about) || build_valid(inner));
    if (inward) {
        MODEL_CHECK(build_get32(outer + 16) == f->inside && build_get32(inner + 12) == f->inside);
        MODEL_CHECK(model_port(inner, true) == f->inside_port);
    } else {
        MODEL_CHECK(build_get32(outer + 12) == REF_EXTERNAL && build_get32(inner + 16) == REF_EXTERNAL);
        MODEL_CHECK(model_port(inner, false) == f->port);
        if (other != NULL)
            MODEL_CHECK(build_get32(outer + 16) == other->inside && build_get32(inner + 12) == other->inside &&
                        model_port(inner, true) == other->inside_port);
    }
}

static inline void model_time(struct model *m)
{
    uint64_t ms = PICK(m, 100, 100, 100, 1000, 1000, 1900, 604800000, 29900, 30000, 60000, 119900, 120000, 239900, 240000, 300000, 7440000);
    ref_advance(&m->ref, m->ref.now_ms + ms);
    nat_tick(m->nat, m->ref.now_ms);
}

#include "nat/model_fragments.h"

static inline void model_step(struct model *m)
{
    uint8_t op = model_u8(m);
    if (op < 30) {
        model_fragment(m);
    } else if (op < 36) {
        model_garbage(m);
    } else if (op < 44) {
        model_connect(m);
    } else if (op < 120) {
        model_in2out(m);
    } else if (op < 210) {
        model_out2in(m);
    } else if (op < 220) {
        model_error(m, true);
    } else if (op < 230) {
        model_error(m, false);
    } else if (op < 253) {
        model_time(m);
    } else {
        ref_end_session(&m->ref, op - 252u);
        nat_end_session(m->nat, op - 252u, m->ref.now_ms);
    }
    const struct nat_stats *stats = nat_stats(m->nat);
    MODEL_CHECK(stats->flows == (uint32_t)ref_count_flows(&m->ref) && stats->flows <= REF_FLOWS);
    MODEL_CHECK(stats->mappings == (uint32_t)ref_count_maps(&m->ref));
    m->step++;
}

/** Run all operations the bytes hold; aborts where NAT and reference differ. @param m zeroed; the counters tell what happened */
static inline void model_run(struct model *m, const uint8_t *data, size_t size)
{
    struct nat_config config;
    const struct nat_allow own = {{REF_EXTERNAL, 32}, REF_OWN_PORT};
    nat_config_defaults(&config, REF_EXTERNAL);
    config.allow = &own;
    config.allow_count = 1;
    config.max_flows = REF_FLOWS;
    config.client_rate = config.answer_rate = 0; /* its clock stands still for long */
    config.port_lo = REF_PORT_LO;
    config.port_hi = REF_PORT_LO + REF_PORTS - 1;
    m->data = data;
    m->size = size;
    m->ref.now_ms = 1000000;
    config.seed = model_u8(m);
    if (nat_new(&config, &m->nat) != 0)
        abort();
    nat_tick(m->nat, m->ref.now_ms);
    while (m->size > 0)
        model_step(m);
    nat_free(m->nat);
}

#endif
