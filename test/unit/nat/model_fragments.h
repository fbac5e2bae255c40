/*
 * test/unit/nat/model_fragments.h - datagrams in pieces, and bytes that are no packet, between the model's other operations
 *
 * A few datagrams of either side are under way at a time, cut in three; the input says which piece of which comes next, so pieces arrive in any
 * order, twice, with other packets and time between them, or overlapping. The laptops use the same addresses and the same IDs. The reference here is a list of
 * ranges: whole when they add up, dead for its time when two of them overlap. What comes of the whole datagram, reference.h says.
 */
#ifndef TETHER_TEST_NAT_MODEL_FRAGMENTS_H
#define TETHER_TEST_NAT_MODEL_FRAGMENTS_H

#include "nat/model.h"

enum { MODEL_WAIT_MS = 2000, MODEL_FIRST_CUT = 24 /* behind TCP's header */ };

static inline void model_datagram_open(struct model *m, struct model_datagram *d, uint8_t ops, uint8_t look)
{
    *d = (struct model_datagram){.open = true, .outward = (ops & 128) != 0, .look = look};
    struct ref_packet *p = &d->p;
    *p = (struct ref_packet){.proto = (uint8_t)PICK(m, 17, 6, 1), .ttl = 64, .flags = look & 1 ? TCP_SYN : TCP_ACK};
    const struct ref_flow *f = &m->ref.flows[ops % REF_FLOWS];
    uint16_t id = (uint16_t)m->datagrams++;
    if (d->outward) {
        p->session = 1 + id % 3u; /* and the next laptop's datagram has the same ID */
        id = (uint16_t)(id / 3);
        p->src = 0x0a000001;
        p->src_port = 5000;
        p->dst = PICK(m, 0xc0000250, 0xc0000251, REF_EXTERNAL);
        p->dst_port = (uint16_t)PICK(m, 53, 80, 61000, 61001);
    } else {
        p->proto = f->used ? f->proto : p->proto;
        p->src = f->used ? f->remote : 0xc0000250;
        p->src_port = f->used && f->proto == 6 ? f->remote_port : 80;
        p->dst = REF_EXTERNAL;
        p->dst_port = f->used ? f->port : 61000;
    }
    if (p->proto == 1)
        *(d->outward ? &p->dst_port : &p->src_port) = d->outward ? p->src_port : p->dst_port;
    p->seq = look;
    p->ack = 77;
    p->payload = 60;
    struct build b = {.proto = p->proto, .src = p->src, .dst = p->dst, .ttl = p->ttl, .src_port = p->src_port, .dst_port = p->dst_port,
                      .flags = p->flags, .id = id, .icmp_type = d->outward ? 8 : 0, .icmp_id = p->dst_port,
                      .seq = p->seq, .ack = p->ack, .payload_len = p->payload, .no_csum = p->proto == 17 && (look & 2) != 0};
    d->len = build_packet(d->packet, &b);
    d->cut = (uint8_t)(MODEL_FIRST_CUT + 8 + (look & 8));
}

/* Note a range. @return false when it kills the datagram; a range that is there already changes nothing */
static inline bool model_datagram_add(struct model_datagram *d, uint8_t start, uint8_t end)
{
    for (unsigned i = 0; i < d->ranges; i++) {
        if (d->range[i].start == start && d->range[i].end == end)
            return true;
        if (d->range[i].start < end && start < d->range[i].end)
            return false;
    }
    d->range[d->ranges].start = start;
    d->range[d->ranges++].end = end;
    d->have += end - start;
    return true;
}

static inline size_t model_piece(const struct model_datagram *d, uint8_t *out, uint8_t start, uint8_t end)
{
    bool more = end < d->len - 20;
    memcpy(out, d->packet, 20);
    memcpy(out + 20, d->packet + 20 + start, (size_t)(end - start));
    build_put16(out + 2, 20u + end - start);
    build_put16(out + 6, (more ? 0x2000u : 0) | start / 8u);
    build_put16(out + 10, 0);
    build_put16(out + 10, (uint16_t)~build_sum(out, 20, 0));
    return 20u + end - start;
}

static inline void model_datagram_whole(struct model *m, struct model_datagram *d)
{
    uint16_t chosen = 0;
    struct ref_outcome want;
    if (d->outward) {
        chosen = model_chosen(m, &d->p);
        want = ref_in2out(&m->ref, &d->p, chosen);
    } else {
        want = ref_deliver(&m->ref, &d->p, false);
    }
    MODEL_CHECK(m->r.verdict == want.verdict && m->r.reason == want.reason);
    if (want.verdict == NAT_FORWARD || want.verdict == NAT_HAIRPIN) {
        memcpy(m->before, d->packet, d->len);
        model_check_translated(m, &want.to, d->len);
        MODEL_CHECK((build_get16(m->r.packet + 6) & 0x3fff) == 0);
        MODEL_CHECK(want.verdict == NAT_FORWARD && d->outward ? build_get32(m->r.packet + 12) == REF_EXTERNAL
                                                              : m->r.session == want.to.session);
        m->reassembled++;
    }
    d->open = false;
}

static inline void model_fragment(struct model *m)
{
    uint8_t ops = model_u8(m), look = model_u8(m);
    struct model_datagram *d = &m->datagram[ops % MODEL_DATAGRAMS];
    if (d->open && d->ranges > 0 && m->ref.now_ms - d->start_ms >= MODEL_WAIT_MS)
        d->open = false; /* what came is forgotten */
    if (!d->open)
        model_datagram_open(m, d, ops, look);
    const uint8_t l4_len = (uint8_t)(d->len - 20);
    const uint8_t cuts[][2] = {{0, MODEL_FIRST_CUT}, {MODEL_FIRST_CUT, d->cut}, {d->cut, l4_len}, {MODEL_FIRST_CUT + 8, (uint8_t)(d->cut + 8)}};
    const uint8_t *range = cuts[look >= 0xf0 ? 3 : (ops >> 4) % 3];
    size_t len = model_piece(d, m->packet, range[0], range[1]);
    if (d->outward)
        nat_in2out(m->nat, d->p.session, m->packet, len, NULL, m->ref.now_ms, &m->r);
    else
        nat_out2in(m->nat, m->packet, len, NULL, m->ref.now_ms, &m->r);
    if (d->ranges == 0)
        d->start_ms = m->ref.now_ms;
    d->dead = d->dead || !model_datagram_add(d, range[0], range[1]);
    if (d->dead) {
        MODEL_CHECK(m->r.verdict == NAT_DROP && m->r.reason == DROP_FRAGMENT);
        m->killed++;
    } else if (d->have == l4_len) {
        model_datagram_whole(m, d);
    } else {
        MODEL_CHECK(m->r.verdict == NAT_HELD && m->r.reason == DROP_NONE);
    }
}

/* A packet of a live flow, cut short or with a header that lies: dropped, and nothing changes by it. */
static inline void model_garbage(struct model *m)
{
    uint8_t ops = model_u8(m), look = model_u8(m);
    const struct ref_flow *f = &m->ref.flows[ops % REF_FLOWS];
    bool outward = (ops & 128) != 0;
    struct ref_packet p = {.proto = f->used ? f->proto : 17, .ttl = 64, .flags = TCP_RST, .src_port = 80, .dst_port = f->port, .dst = REF_EXTERNAL,
                           .src = f->used ? f->remote : 0xc0000250};
    if (outward)
        p = (struct ref_packet){.proto = p.proto, .ttl = 64, .flags = TCP_RST, .src = 0x0a000001, .src_port = f->inside_port, .dst = p.src, .dst_port = 80};
    size_t len = model_build(m, m->packet, &p, outward ? 8 : 0, look);
    switch (ops >> 4 & 3) {
    case 0:
        len = look % len;
        break;
    case 1:
        m->packet[0] = (uint8_t)(look % 5 | 0x40); /* a header shorter than a header */
        break;
    case 2:
        m->packet[0] = (uint8_t)((look >> 4 == 4 ? 6u : look >> 4) << 4 | 5u);
        break;
    default:
        m->packet[9] = (uint8_t)PICK(m, 0, 2, 41, 47, 50, 255);
        build_fix(m->packet);
        break;
    }
    if (outward)
        nat_in2out(m->nat, 1 + ops % 3u, m->packet, len, NULL, m->ref.now_ms, &m->r);
    else
        nat_out2in(m->nat, m->packet, len, NULL, m->ref.now_ms, &m->r);
    MODEL_CHECK(m->r.verdict == NAT_DROP && m->r.reason != DROP_NONE);
}

#endif
