/*
 * test/unit/nat/model_tcp.h - sequence numbers for the model's segments, and connections that are open
 *
 * Random segments seldom complete a handshake, so one operation does it as two hosts would; what comes afterwards is random again.
 */
#ifndef TETHER_TEST_NAT_MODEL_TCP_H
#define TETHER_TEST_NAT_MODEL_TCP_H

#include "nat/model.h"

enum { MODEL_FAR = 1 << 28 }; /* so near to zero all sequence numbers stay, as the reference needs it */

static inline uint32_t model_near(int64_t number, uint32_t otherwise)
{
    return number > -MODEL_FAR && number < MODEL_FAR ? (uint32_t)number : otherwise;
}

/* Sequence numbers of a segment: where its side is, at the bounds of what may pass, and elsewhere. */
static inline void model_numbers(struct model *m, struct ref_packet *p, const struct ref_flow *f, bool outbound)
{
    static const int64_t far[] = {0, 1, -1, 70000, -70000, 20000000};
    if (p->proto != 6)
        return;
    uint8_t seq = model_u8(m), ack = model_u8(m);
    p->seq = 100000000u + seq * 100000u;
    p->ack = 100000000u + ack * 100000u;
    if (f == NULL || seq >= 0xf0)
        return;
    const struct ref_side *me = &f->tcp.side[outbound], *other = &f->tcp.side[!outbound];
    const int64_t mine[] = {me->next, me->next, me->next, me->una, me->edge, me->isn}, its[] = {other->next, other->next, other->una, other->isn};
    if (me->syn)
        p->seq = model_near(mine[seq % 6] + (seq >= 0xa0 ? far[seq / 6 % 6] : 0), p->seq);
    if (other->syn)
        p->ack = model_near(its[ack % 4] + (ack >= 0xa0 ? far[ack / 4 % 6] : 0), p->ack);
}

static inline void model_connect(struct model *m)
{
    uint8_t ops = model_u8(m);
    struct ref_packet p = {.proto = 6, .session = 1 + ops % 3, .ttl = 64, .src = 0x0a000001, .src_port = (uint16_t)(5000 + (ops >> 3 & 1)),
                           .dst = 0xc0000250 + (ops >> 4 & 1), .dst_port = 80, .flags = TCP_SYN, .seq = 100000000u + ops * 100000u};
    model_send(m, &p, 0);
    const struct ref_flow *endpoint = ref_endpoint(&m->ref, &p);
    const struct ref_flow *f = endpoint != NULL ? ref_flow_of(&m->ref, 6, endpoint->port, p.dst, p.dst_port) : NULL;
    if (f == NULL)
        return;
    struct ref_packet back = {.proto = 6, .ttl = 64, .src = p.dst, .src_port = 80, .dst = REF_EXTERNAL, .dst_port = f->port, .flags = TCP_SYN | TCP_ACK,
                              .seq = 110000000u + ops * 100000u, .ack = (uint32_t)f->tcp.side[1].next};
    model_receive(m, &back, 0);
    p.flags = TCP_ACK;
    p.seq = (uint32_t)f->tcp.side[1].next;
    p.ack = (uint32_t)f->tcp.side[0].next;
    model_send(m, &p, 0);
    m->connected += f->tcp.side[0].syn_acked && f->tcp.side[1].syn_acked;
}

#endif
