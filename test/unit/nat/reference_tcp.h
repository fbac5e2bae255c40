/*
 * test/unit/nat/reference_tcp.h - a TCP connection as the reference sees it: plain numbers that never go round, one rule a line
 *
 * The model's sequence numbers stay so near to zero, on either side, that differences need no thought.
 */
#ifndef TETHER_TEST_NAT_REFERENCE_TCP_H
#define TETHER_TEST_NAT_REFERENCE_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "tether/packet.h"

enum { REF_WINDOW = 0xfaf0 /* what build.h's segments tell; without options there is no scale */ };

struct ref_segment {
    uint8_t flags;
    int64_t seq, ack, payload;
};

struct ref_side {
    bool syn, syn_acked, fin, rst;
    int64_t isn, next, una, edge; /* next: behind all it sent; una: acknowledged; edge: what the other's window allows */
    int64_t told;                 /* the window the other told before this side's SYN */
};

struct ref_tcp {
    struct ref_side side[2]; /* [1]: the inside */
};

enum ref_wait { REF_KEEP, REF_OPENING, REF_CLOSING, REF_ESTABLISHED, REF_REFUSE };

static inline int64_t ref_low(const struct ref_side *s)
{
    int64_t window = s->edge - s->una;
    return s->una - (window > 65535 ? window : 65535);
}

static inline bool ref_closing(const struct ref_tcp *t)
{
    return t->side[0].rst || t->side[1].rst || (t->side[0].fin && t->side[1].fin);
}

static inline bool ref_flags_ok(uint8_t flags)
{
    bool syn = flags & TCP_SYN, fin = flags & TCP_FIN, rst = flags & TCP_RST, ack = flags & TCP_ACK;
    return syn + fin + rst <= 1 && (syn || rst || ack);
}

static inline bool ref_tcp_fits(const struct ref_tcp *t, const struct ref_segment *s)
{
    const struct ref_side *out = &t->side[0], *in = &t->side[1];
    bool syn = s->flags & TCP_SYN, fin = s->flags & TCP_FIN, rst = s->flags & TCP_RST, ack = s->flags & TCP_ACK;
    if (!out->syn && syn && !ack)
        return true;
    if (!out->syn && !syn && !fin && !rst && s->payload == 0)
        return true;
    if (!out->syn)
        return ack && s->ack > in->isn && s->ack <= in->next;
    if (ack && (!in->syn || s->ack > in->next || s->ack < ref_low(in)))
        return false;
    if (rst)
        return s->seq >= out->una && s->seq <= out->edge;
    if (syn && !out->syn_acked)
        return true;
    return s->seq <= out->edge && s->seq + s->payload + syn + fin >= ref_low(out);
}

static inline void ref_tcp_syn(struct ref_side *me, struct ref_side *other, const struct ref_segment *s)
{
    int64_t window = me->syn ? me->edge - me->una - 1 : me->told;
    me->isn = me->una = s->seq;
    me->next = s->seq + 1 + s->payload;
    me->edge = s->seq + 1 + window;
    me->syn = true;
    if (!other->syn)
        other->told = REF_WINDOW;
    else if (!(s->flags & TCP_ACK))
        other->edge = other->una + 1 + REF_WINDOW;
}

static inline void ref_tcp_ack(struct ref_side *other, const struct ref_segment *s)
{
    if (!other->syn || s->ack > other->next || s->ack < other->una)
        return;
    other->syn_acked = other->syn_acked || s->ack > other->una;
    other->una = s->ack;
    if (s->ack + REF_WINDOW > other->edge)
        other->edge = s->ack + REF_WINDOW;
}

static inline bool ref_tcp_begins_anew(const struct ref_tcp *t, bool outbound, const struct ref_segment *s)
{
    const struct ref_side *in = &t->side[1];
    if ((s->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || !outbound)
        return false;
    return ref_closing(t) || (in->syn_acked && (s->seq < ref_low(in) || s->seq > in->next));
}

static inline enum ref_wait ref_tcp(struct ref_tcp *t, bool outbound, const struct ref_segment *s)
{
    struct ref_side *me = &t->side[outbound], *other = &t->side[!outbound];
    bool syn = s->flags & TCP_SYN, rst = s->flags & TCP_RST, fin = s->flags & TCP_FIN, was_closing = ref_closing(t);
    if (ref_tcp_begins_anew(t, outbound, s))
        *t = (struct ref_tcp){0};
    if (!outbound && !ref_tcp_fits(t, s))
        return REF_REFUSE;
    if (!me->syn && !syn && !rst)
        return REF_KEEP;
    if (rst && outbound && other->syn && s->seq != me->next && (s->seq < me->una || s->seq > me->edge))
        return REF_KEEP;
    if (rst) {
        me->rst = true;
    } else {
        if (syn && !me->syn_acked)
            ref_tcp_syn(me, other, s);
        if (!syn) {
            me->rst = false;
            me->fin = me->fin || fin;
            if (s->seq + s->payload + fin > me->next)
                me->next = s->seq + s->payload + fin;
        }
        if (s->flags & TCP_ACK)
            ref_tcp_ack(other, s);
    }
    if (ref_closing(t))
        return was_closing ? REF_KEEP : REF_CLOSING;
    return me->syn_acked && other->syn_acked ? REF_ESTABLISHED : REF_OPENING;
}

#endif
