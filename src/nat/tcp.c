/*
 * nat/tcp.c - a TCP connection seen in passing: its phases, and the windows that tell the real sender from a forger
 *
 * Three phases (RFC 5382 section 5, RFC 6146 section 3.5.2): opening until both sides' SYNs passed and were acknowledged, in either
 * order, which makes simultaneous open no special case (REQ-2); established; closing once both FINs or an RST passed. A closing
 * connection's time is not renewed: retransmissions must not keep it for ever. A SYN ends it early (TIME-WAIT, RFC 9293 section 3.6.1).
 *
 * Whoever knows addresses and ports may still not know the sequence numbers. All segments of both sides pass here, so the NAT knows
 * what the receiver can expect: no byte beyond the window it told, no acknowledgement of what it never sent, no old byte from more than a window
 * ago. What does not fit is dropped, and an RST must stand between the last acknowledged byte and the edge (RFC 5961, RFC 7857 section 2.3).
 * A laptop's own segments always pass: it harms itself alone, and to note what is odd is enough to avoid.
 *
 * One RST may still be forged by luck. The one whom it is said to come from knows: when that side goes on sending, the connection lives on.
 */
#include "nat/tcp.h"

#include "base/bytes.h"

enum { IN, OUT };
/* Bits of what was seen; those of the outside are shifted by one. */
enum { SEEN_SYN = 1, SEEN_FIN = 4, SEEN_RST = 16, SEEN_ACK = 64, BOTH = 3 };
enum {
    REACH_MIN = 65535, /* so far back a segment may at least be delayed */
    LEAP_MAX = 1 << 30, /* no window is larger (RFC 7323 section 2.2) */
    OPTION_END = 0, OPTION_NOP = 1, OPTION_SCALE = 3, SCALE_LEN = 3, SCALE_MAX = 14,
};

struct segment {
    uint32_t seq, end, ack, window; /**< end: behind the last byte, SYN and FIN counted; window: unscaled */
    uint8_t flags, scale;
};

static bool after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

static bool between(uint32_t low, uint32_t seq, uint32_t high)
{
    return seq - low <= high - low;
}

static bool has(const struct nat_tcp *t, unsigned what, unsigned side)
{
    return (t->seen & what << side) != 0;
}

static void see(struct nat_tcp *t, unsigned what, unsigned side)
{
    t->seen = (uint8_t)(t->seen | what << side);
}

static bool closing(const struct nat_tcp *t)
{
    return (t->seen & SEEN_FIN * BOTH) == SEEN_FIN * BOTH || (t->seen & SEEN_RST * BOTH) != 0;
}

static uint8_t scale_option(const struct ip4_view *v)
{
    const uint8_t *o = v->l4 + 20, *end = v->l4 + v->l4_header_len;
    while (o < end && *o != OPTION_END) {
        if (*o == OPTION_NOP) {
            o++;
            continue;
        }
        if (end - o < 2 || o[1] < 2 || o[1] > end - o)
            break;
        if (*o == OPTION_SCALE && o[1] == SCALE_LEN)
            return o[2] < SCALE_MAX ? o[2] : SCALE_MAX;
        o += o[1];
    }
    return NAT_TCP_NO_SCALE;
}

static struct segment read_segment(const struct ip4_view *v)
{
    struct segment s = {.seq = get_be32(v->l4 + 4), .ack = get_be32(v->l4 + 8), .window = get_be16(v->l4 + 14), .flags = v->tcp_flags};
    s.end = s.seq + (uint32_t)(v->l4_len - v->l4_header_len) + ((s.flags & TCP_SYN) != 0) + ((s.flags & TCP_FIN) != 0);
    s.scale = (s.flags & TCP_SYN) != 0 ? scale_option(v) : NAT_TCP_NO_SCALE;
    return s;
}

/* How far behind the last acknowledged byte a segment may be. */
static uint32_t reach(const struct nat_tcp *t, unsigned side)
{
    const uint32_t window = t->edge[side] - t->acked[side];
    return window > REACH_MIN ? window : REACH_MIN;
}

/* The first answer must acknowledge the SYN. Challenge ACKs of an older connection pass: the SYN's sender resets that by them (RFC 9293 section 3.5.1). */
static bool answers_the_syn(const struct nat_tcp *t, const struct segment *s)
{
    const bool acknowledges = (s->flags & TCP_ACK) != 0 && after(s->ack, t->acked[IN]) && !after(s->ack, t->end[IN]);
    if ((s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        return true;
    return acknowledges || ((s->flags & (TCP_SYN | TCP_RST | TCP_FIN)) == 0 && s->seq == s->end);
}

/* From outside: can the inside have been waiting for this? */
static bool fits(const struct nat_tcp *t, const struct segment *s)
{
    const bool ack = (s->flags & TCP_ACK) != 0;
    if (!has(t, SEEN_SYN, OUT))
        return answers_the_syn(t, s);
    if (ack && (!has(t, SEEN_SYN, IN) || after(s->ack, t->end[IN]) || after(t->acked[IN] - reach(t, IN), s->ack)))
        return false;
    if ((s->flags & TCP_RST) != 0)
        return between(t->acked[OUT], s->seq, t->edge[OUT]);
    if ((s->flags & TCP_SYN) != 0 && !has(t, SEEN_ACK, IN)) /* again, perhaps with another number: nobody took the first */
        return true;
    return !after(s->seq, t->edge[OUT]) && !after(t->acked[OUT] - reach(t, OUT), s->end);
}

/* A side's SYN. Until its own SYN comes, a side's edge holds the window the other side told: what it is counted from is unknown. */
static void note_syn(struct nat_tcp *t, unsigned side, const struct segment *s)
{
    const unsigned other = !side;
    const uint32_t window = has(t, SEEN_SYN, side) ? t->edge[side] - t->acked[side] - 1 : t->edge[side];
    t->end[side] = s->end;
    t->acked[side] = s->seq;
    t->edge[side] = s->seq + 1 + window;
    t->scale[side] = s->scale;
    if (!has(t, SEEN_SYN, other))
        t->edge[other] = s->window;
    else if ((s->flags & TCP_ACK) == 0)
        t->edge[other] = t->acked[other] + 1 + s->window;
    see(t, SEEN_SYN, side);
}

static void note_ack(struct nat_tcp *t, unsigned side, const struct segment *s)
{
    const unsigned other = !side;
    const bool scaled = (s->flags & TCP_SYN) == 0 && t->scale[IN] != NAT_TCP_NO_SCALE && t->scale[OUT] != NAT_TCP_NO_SCALE;
    const uint32_t edge = s->ack + (scaled ? s->window << t->scale[side] : s->window);
    if (!has(t, SEEN_SYN, other) || after(s->ack, t->end[other]) || after(t->acked[other], s->ack))
        return;
    if (s->ack != t->acked[other])
        see(t, SEEN_ACK, side);
    t->acked[other] = s->ack;
    if (after(edge, t->edge[other]))
        t->edge[other] = edge;
}

static void note(struct nat_tcp *t, unsigned side, const struct segment *s)
{
    if ((s->flags & TCP_SYN) == 0) {
        t->seen = (uint8_t)(t->seen & ~(SEEN_RST << side)); /* it lives */
        if ((s->flags & TCP_FIN) != 0)
            see(t, SEEN_FIN, side);
        if (after(s->end, t->end[side]) && s->end - t->end[side] < LEAP_MAX)
            t->end[side] = s->end;
    } else if (!has(t, SEEN_ACK, !side)) {
        note_syn(t, side, s);
    }
    if ((s->flags & TCP_ACK) != 0)
        note_ack(t, side, s);
}

/* Of an RST from inside: one that its receiver will not heed ends nothing here either. */
static bool own_reset_counts(const struct nat_tcp *t, const struct segment *s)
{
    return !has(t, SEEN_SYN, OUT) || s->seq == t->end[IN] || between(t->acked[IN], s->seq, t->edge[IN]);
}

/* A SYN ends TIME-WAIT. From inside it ends any connection its sender cannot remember: a laptop that was restarted may use the port again, while
   one that only repeats its SYN, on a path slower than its patience, repeats the number. */
static bool begins_anew(const struct nat_tcp *t, bool outbound, bool may_begin, const struct segment *s)
{
    if (closing(t))
        return outbound || (may_begin && after(s->seq, t->end[OUT]));
    return outbound && has(t, SEEN_ACK, OUT) && !between(t->acked[IN] - reach(t, IN), s->seq, t->end[IN]);
}

enum nat_tcp_wait nat_tcp_track(struct nat_tcp *t, bool outbound, bool may_begin, const struct ip4_view *v)
{
    const unsigned side = outbound ? IN : OUT;
    const struct segment s = read_segment(v);
    const bool was_closing = closing(t);
    if (nat_tcp_begins(s.flags) && begins_anew(t, outbound, may_begin, &s))
        *t = (struct nat_tcp){0};
    if (!outbound && !fits(t, &s))
        return NAT_TCP_REFUSE;
    if (!has(t, SEEN_SYN, side) && (s.flags & (TCP_SYN | TCP_RST)) == 0) /* of a connection before, or a challenge to it */
        return NAT_TCP_KEEP;
    if ((s.flags & TCP_RST) == 0)
        note(t, side, &s);
    else if (!outbound || own_reset_counts(t, &s))
        see(t, SEEN_RST, side);
    else
        return NAT_TCP_KEEP;
    if (closing(t))
        return was_closing ? NAT_TCP_KEEP : NAT_TCP_CLOSING;
    const unsigned all = SEEN_SYN * BOTH | SEEN_ACK * BOTH;
    return (t->seen & all) == all ? NAT_TCP_ESTABLISHED : NAT_TCP_OPENING;
}

/* An urgent pointer may point behind the segment, to data that follows (RFC 6093 section 3.1), but not where none can follow. */
bool nat_tcp_flags_ok(const struct ip4_view *v)
{
    const uint8_t flags = v->tcp_flags & (TCP_SYN | TCP_RST | TCP_FIN | TCP_ACK);
    if ((v->tcp_flags & TCP_URG) != 0 && (flags & (TCP_RST | TCP_FIN)) != 0 && get_be16(v->l4 + 18) > v->l4_len - v->l4_header_len)
        return false;
    switch (flags) {
    case TCP_SYN:
    case TCP_SYN | TCP_ACK:
    case TCP_RST:
    case TCP_RST | TCP_ACK:
    case TCP_FIN | TCP_ACK:
    case TCP_ACK:
        return true;
    default:
        return false;
    }
}
