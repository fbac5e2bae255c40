/* tunnel/path_datagram.c - see path_datagram.h */
#include "tunnel/path_datagram.h"

#include <stdlib.h>
#include <string.h>

#include "tether/packet.h"

enum {
    HEAD_LEN = FRAME_HEADER_LEN + FRAME_NUMBER_LEN,
    ACK_LEN = FRAME_HEADER_LEN + 20,
    PACKET_AT = HEAD_LEN,                       /* in p->out: the packet, */
    SEGMENT_AT = PACKET_AT + IP4_MAX_LEN + 64,  /* what it is cut into, */
    FRAGMENT_AT = SEGMENT_AT + IP4_MAX_LEN - 4096, /* and what that is; each with room for its frame's header in front */
    SCRATCH = 4096,
    PAD_MAX = FRAME_CONTROL_MAX - 8,
};

void path_datagram_init(struct path *p, unsigned overhead)
{
    p->datagrams = true;
    window_expect_loss(&p->window);
    pmtu_init(&p->pmtu, overhead);
    p->row = calloc(1, sizeof *p->row); /* without it each is handed on by itself */
}

static size_t packet_max(const struct path *p)
{
    return pmtu_message(&p->pmtu) - HEAD_LEN;
}

static size_t put_ack(struct path *p, uint8_t *out)
{
    struct frame_ack ack = {.bytes = p->acker.received, .clock_us = (uint32_t)p->acker.newest_us, .newest = p->acker.newest};
    acker_sent(&p->acker);
    return frame_put_ack(out, &ack);
}

/* The bytes in front of the packet are ours, and those behind it: see the places above. */
static void send_frame(struct path *p, const uint8_t *packet, size_t len)
{
    uint8_t *frame = (uint8_t *)(uintptr_t)packet - HEAD_LEN;
    size_t frame_len = HEAD_LEN + len;
    p->out_data += frame_len + FRAME_AROUND;
    frame_put_numbered(frame, len, (uint32_t)(p->window.sent + p->out_data));
    if (p->acker.received != p->acker.acked && frame_len + ACK_LEN <= pmtu_message(&p->pmtu))
        frame_len += put_ack(p, frame + frame_len);
    p->sent_packets++;
    p->sent_bytes += len;
    if (p->ops->send(p->ctx, frame, frame_len) < 0)
        p->failed = true;
}

static void on_fragment(void *ctx, const uint8_t *packet, size_t len)
{
    send_frame(ctx, packet, len);
}

/* One finished packet. */
static void on_packet(void *ctx, const uint8_t *packet, size_t len)
{
    struct path *p = ctx;
    struct ip4_view v;
    uint8_t *mutable = (uint8_t *)(uintptr_t)packet;
    if (len <= packet_max(p)) {
        send_frame(p, packet, len);
        return;
    }
    if (ip4_parse(mutable, len, &v) != DROP_NONE)
        return;
    if (ip4_fragment(&v, packet_max(p), p->out + FRAGMENT_AT, SCRATCH, on_fragment, p) == 0 && p->pmtu.settled && p->ops->too_big != NULL)
        p->ops->too_big(p->ctx, mutable, len, packet_max(p));
}

static void send_packet(struct path *p, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct ip4_view v;
    if (ip4_parse(packet, len, &v) != DROP_NONE || ip4_view_offload(&v, offload) != DROP_NONE)
        return;
    const size_t headers = v.header_len + v.l4_header_len, max = packet_max(p);
    size_t seg = offload->seg_len;
    if (v.proto == IP_PROTO_TCP && !ip4_is_fragment(&v) && max > headers && headers + (seg > 0 ? seg : v.len - headers) > max)
        seg = max - headers;
    if (seg > 0 && seg + headers <= SCRATCH && ip4_segment(&v, (uint16_t)seg, p->out + SEGMENT_AT, SCRATCH, on_packet, p) > 0)
        return;
    if (v.partial)
        ip4_set_l4_csum(&v);
    on_packet(p, packet, len);
}

static void send_queued(struct path *p, struct fairq *q, uint64_t now_us)
{
    struct offload offload;
    size_t len, piece_max = path_tune(p, q);
    if (p->ops->batch != NULL)
        p->ops->batch(p->ctx, true);
    while (!p->failed && (len = fairq_next(q, piece_max, now_us, &offload)) > 0) {
        if (p->ops->congested(p->ctx) || path_room(p, q, len, now_us) <= p->out_data) {
            window_is_full(&p->window, now_us);
            break;
        }
        uint8_t *packet = p->out + PACKET_AT;
        fairq_take(q, packet);
        send_packet(p, packet, len, &offload);
    }
    if (p->ops->batch != NULL)
        p->ops->batch(p->ctx, false);
    if (p->out_data > 0)
        window_on_sent(&p->window, p->out_data, now_us);
    p->out_data = 0;
}

void path_datagram_flush(struct path *p, struct fairq *q, uint64_t now_us)
{
    if (p->ether) /* no layer 2 here */
        return;
    if (q != NULL && p->up && p->pmtu.round == 0) /* do not wait for the tick */
        path_datagram_tick(p, now_us);
    if (q != NULL && p->up && q->packets > 0)
        send_queued(p, q, now_us);
    if (!p->failed && acker_due_us(&p->acker) <= now_us) {
        uint8_t frame[ACK_LEN];
        path_control(p, frame, put_ack(p, frame));
    }
}

int path_datagram_settle(struct path *p)
{
    size_t len = p->row != NULL ? ip4_row_take(p->row) : 0;
    return len > 0 ? p->ops->packet(p->ctx, p->row->packet, len, &p->row->offload) : 0;
}

int path_datagram_received(struct path *p, uint8_t *packet, size_t len)
{
    if (p->row != NULL && ip4_row_join(p->row, packet, len))
        return 0;
    int stop = path_datagram_settle(p);
    if (stop || (p->row != NULL && ip4_row_begin(p->row, packet, len)))
        return stop;
    return p->ops->packet(p->ctx, packet, len, &(struct offload){0});
}

/* A ping made so long by bytes that mean nothing: its own, and those of a second frame. */
static void send_probe(struct path *p, size_t size, uint64_t mark)
{
    uint8_t probe[PMTU_MAX];
    size_t len = frame_put_ping(probe, FRAME_PING, mark), pad = size > len ? size - len : 0;
    size_t first = pad > PAD_MAX ? PAD_MAX : pad, second = pad - first;
    if (size > sizeof probe)
        return;
    if (second > 0 && second < FRAME_HEADER_LEN) { /* it needs a header of its own */
        first -= FRAME_HEADER_LEN;
        second += FRAME_HEADER_LEN;
    }
    memset(probe + len, 0, sizeof probe - len);
    frame_put_header(probe, FRAME_PING, 8 + first);
    if (second > 0)
        frame_put_header(probe + len + first, FRAME_PAD, second - FRAME_HEADER_LEN);
    if (p->ops->send(p->ctx, probe, len + pad) < 0)
        p->failed = true;
}

void path_datagram_tick(struct path *p, uint64_t now_us)
{
    uint64_t mark;
    size_t size;
    while (p->up && !p->failed && (size = pmtu_probe(&p->pmtu, now_us, &mark)) > 0)
        send_probe(p, size, mark);
}
