/* tunnel/path.c - see path.h */
#include "tunnel/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tether/packet.h"
#include "tunnel/path_datagram.h"

enum { PATH_PIECE_MAX = 65535, PATH_CRUMB_MAX = 8 * 1024, PATH_ENOUGH = 64 * 1024 };

int path_init(struct path *p, bool plain, const struct path_ops *ops, void *ctx, uint64_t now_us)
{
    *p = (struct path){.ops = ops, .ctx = ctx, .plain = plain, .up = plain, .heard_us = now_us, .ping_answered_us = now_us};
    window_init(&p->window, now_us);
    p->out = malloc(PATH_MESSAGE_MAX);
    return p->out == NULL ? -ENOMEM : 0;
}

void path_done(struct path *p)
{
    free(p->out);
    free(p->row);
    p->out = NULL;
    p->row = NULL;
    frame_reader_done(&p->reader);
}

static void emit(struct path *p, uint64_t now_us)
{
    if (p->failed || (p->out_len == 0 && acker_due_us(&p->acker) > now_us))
        return;
    if (p->acker.received != p->acker.acked) { /* with data it costs nothing */
        struct frame_ack ack = {.bytes = p->acker.received, .clock_us = (uint32_t)p->acker.newest_us};
        p->out_len += frame_put_ack(p->out + p->out_len, &ack);
        acker_sent(&p->acker);
    }
    if (p->out_data > 0)
        window_on_sent(&p->window, p->out_data, now_us);
    if (p->ops->send(p->ctx, p->out, p->out_len) < 0)
        p->failed = true;
    p->out_len = p->out_data = p->last_at = 0;
}

void path_control(struct path *p, const uint8_t *frame, size_t len)
{
    if (p->plain || p->failed)
        return;
    if (p->ops->send(p->ctx, frame, len) < 0)
        p->failed = true;
}

/* One packet a message, finished: the far end knows nothing else. */
static void flush_plain(struct path *p, struct fairq *q, uint64_t now_us)
{
    struct offload offload;
    struct ip4_view v;
    size_t len;
    while (!p->failed && !p->ops->congested(p->ctx) && (len = fairq_next(q, 0, now_us, &offload)) > 0) {
        fairq_take(q, p->out);
        if (offload.partial && ip4_parse(p->out, len, &v) == DROP_NONE)
            ip4_set_l4_csum(&v);
        p->sent_packets++;
        p->sent_bytes += len;
        if (p->ops->send(p->ctx, p->out, len) < 0)
            p->failed = true;
    }
}

/*
 * What one packet may be, so that others do not wait behind it for much longer than behind one of the link's own: about a millisecond.
 * A flow's turn is as long; CoDel's target never below one and a half packets' time (RFC 8290 section 5.2.2, slow links).
 */
size_t path_tune(const struct path *p, struct fairq *q)
{
    uint64_t rate = p->window.rate, piece = rate == 0 ? 4 * FAIRQ_PACKET : rate / 1000;
    piece = piece < FAIRQ_PACKET ? FAIRQ_PACKET : piece > PATH_PIECE_MAX ? PATH_PIECE_MAX : piece;
    fairq_tune(q, (uint32_t)piece, rate == 0 ? 0 : FAIRQ_PACKET * UINT64_C(1500000) / rate);
    return piece;
}

/* The packet is in its place behind what was gathered: put its frame around it. */
static void add(struct path *p, size_t overhead, size_t len, const struct offload *offload)
{
    if (p->ether && overhead == FRAME_HEADER_LEN)
        frame_put_header(p->out + p->out_len, FRAME_ETHER, len);
    else
        frame_put_packet(p->out + p->out_len, len, offload);
    p->last_at = p->out_len + overhead;
    p->last_len = len;
    p->last = *offload;
    p->out_len += overhead + len;
    p->out_data += overhead + len;
}

/*
 * A segment that goes on where the last packet ends becomes part of it: where neither kernel nor card joined them, the far end and
 * its kernel are spared the work. @return false: it stays a packet of its own
 */
static bool joined(struct path *p, uint8_t *next, size_t len, const struct offload *offload)
{
    struct offload joint = p->last;
    size_t joint_len = p->last_len, grown = FRAME_OFFLOAD_LEN * (p->last.seg_len == 0 && !p->last.partial);
    uint8_t *packet = p->out + p->last_at;
    if (p->ether || p->last_at == 0 || p->last_at + p->last_len != p->out_len ||
        !ip4_coalesce(packet, &joint_len, IP4_MAX_LEN, &joint, next, len, offload))
        return false;
    if (grown > 0) /* it has an offload now, which wants its place */
        memmove(packet + grown, packet, joint_len);
    size_t overhead = frame_packet_overhead(&joint), more = joint_len - p->last_len + grown;
    p->last_at += grown;
    frame_put_packet(p->out + p->last_at - overhead, joint_len, &joint);
    p->last_len = joint_len;
    p->last = joint;
    p->out_len += more;
    p->out_data += more;
    return true;
}

/*
 * On a fast path room comes back in crumbs, acknowledgement by acknowledgement, and a browser pays for each message more than for its
 * bytes. So a large packet waits until a good part of it fits; small ones never do.
 */
static bool waits_for_more(const struct path *p, size_t len, size_t room)
{
    size_t enough = p->window.size / 4 < PATH_ENOUGH ? (size_t)p->window.size / 4 : PATH_ENOUGH;
    return len > PATH_CRUMB_MAX && room < enough && p->window.sent != p->window.acked;
}

size_t path_room(const struct path *p, const struct fairq *q, size_t len, uint64_t now_us)
{
    size_t room = window_room(&p->window, now_us);
    if (room <= p->out_data && len <= PATH_LITTLE_MAX && fairq_goes_ahead(q))
        room = window_room_for_little(&p->window, now_us);
    return room;
}

static void gather(struct path *p, struct fairq *q, uint64_t now_us)
{
    struct offload offload;
    size_t len, piece_max = path_tune(p, q);
    while (!p->failed && (len = fairq_next(q, piece_max, now_us, &offload)) > 0) {
        size_t overhead = frame_packet_overhead(&offload);
        size_t room = path_room(p, q, len, now_us);
        if (p->ops->congested(p->ctx) || room <= p->out_data || (p->out_data == 0 && waits_for_more(p, len, room))) {
            window_is_full(&p->window, now_us);
            return;
        }
        if (p->out_len > 0 && p->out_len + overhead + len > PATH_BATCH_MAX)
            emit(p, now_us);
        fairq_take(q, p->out + p->out_len + overhead);
        if (!joined(p, p->out + p->out_len + overhead, len, &offload))
            add(p, overhead, len, &offload);
        p->sent_packets++;
        p->sent_bytes += len;
    }
}

/*
 * While more than 64 Mbit/s come or go, a message costs the phone's browser more than a millisecond's patience costs
 * anybody: packets, acknowledgements of TCP above all, are gathered for so long; but what somebody waits for goes at once, unless such come
 * one after the other. On slower paths nobody ever waits for a batch.
 */
static uint64_t batch_due_us(const struct path *p, const struct fairq *q)
{
    bool fast = p->window.rate > WINDOW_FAST || p->acker.rate > WINDOW_FAST;
    uint64_t due = p->batch_us + PATH_BATCH_US, urgent = p->urgent_us + PATH_URGENT_US;
    if (!fast || p->datagrams || q->bytes >= PATH_BATCH_MAX)
        return 0;
    return q->urgent && urgent < due ? urgent : due;
}

void path_flush(struct path *p, struct fairq *q, uint64_t now_us)
{
    if (p->failed)
        return;
    if (p->plain) {
        if (q != NULL)
            flush_plain(p, q, now_us);
        return;
    }
    if (p->datagrams) {
        path_datagram_flush(p, q, now_us);
        return;
    }
    if (q != NULL && p->up && q->packets > 0) {
        if (batch_due_us(p, q) > now_us)
            return;
        if (now_us < p->batch_us + PATH_BATCH_US)
            p->urgent_us = now_us;
        p->batch_us = now_us;
        q->urgent = false;
        gather(p, q, now_us);
    }
    emit(p, now_us);
}

uint64_t path_due_us(const struct path *p, const struct fairq *q)
{
    if (p->plain || p->failed)
        return UINT64_MAX;
    uint64_t ack = acker_due_us(&p->acker);
    if (q == NULL || q->packets == 0 || !p->up)
        return ack;
    uint64_t send = window_due_us(&p->window), batch = batch_due_us(p, q);
    if (batch > send)
        send = batch;
    return ack < send ? ack : send;
}

static void on_pong(struct path *p, uint64_t sent_us)
{
    if (p->datagrams && sent_us >> 56 == PMTU_MARK)
        pmtu_answered(&p->pmtu, sent_us, p->now_us);
    else if (sent_us >> 56 == PATH_MARK && p->ops->pong != NULL)
        p->ops->pong(p->ctx, sent_us);
    if (sent_us > p->now_us || (sent_us != p->ping_us && !p->datagrams))
        return;
    uint64_t rtt = p->now_us - sent_us;
    p->rtt_us = p->rtt_us == 0 ? rtt : p->rtt_us - p->rtt_us / 4 + rtt / 4;
    p->ping_answered_us = p->now_us;
}

static int on_packet(struct path *p, uint8_t type, uint8_t *body, size_t len)
{
    struct offload offload = {0};
    if (p->datagrams != (type == FRAME_NUMBERED) || (p->datagrams && len < FRAME_NUMBER_LEN))
        return -EPROTO;
    if (p->datagrams) {
        acker_on_datagram(&p->acker, get_be32(body), FRAME_HEADER_LEN + len + FRAME_AROUND, p->now_us);
        body += FRAME_NUMBER_LEN;
        len -= FRAME_NUMBER_LEN;
    } else {
        acker_on_data(&p->acker, FRAME_HEADER_LEN + len, p->now_us);
    }
    if (type == FRAME_LARGE) {
        if (!frame_get_offload(body, len, &offload))
            return -EPROTO;
        body += FRAME_OFFLOAD_LEN;
        len -= FRAME_OFFLOAD_LEN;
    }
    if (!p->up && p->datagrams) /* they overtake each other */
        return 0;
    if (!p->up || type == (p->ether ? FRAME_PACKET : FRAME_ETHER)) /* before the session is agreed on nothing is forwarded */
        return -EPROTO;
    p->received_packets++;
    p->received_bytes += len;
    return p->datagrams ? path_datagram_received(p, body, len) : p->ops->packet(p->ctx, body, len, &offload);
}

static int on_ack(struct path *p, const uint8_t *body, size_t len)
{
    struct frame_ack ack;
    if (!frame_get_ack(body, len, &ack))
        return -EPROTO;
    bool good = p->datagrams ? window_on_report(&p->window, ack.newest, ack.bytes, ack.clock_us, p->now_us)
                             : window_on_ack(&p->window, ack.bytes, ack.clock_us, p->now_us);
    return good ? 0 : -EPROTO;
}

static int on_control(struct path *p, uint8_t type, const uint8_t *body, size_t len)
{
    union {
        struct frame_hello hello;
        struct frame_welcome welcome;
        struct frame_bye bye;
        struct frame_node node;
        uint64_t opaque;
    } f;
    uint8_t reply[FRAME_HEADER_LEN + 8];
    switch (type) {
    case FRAME_ACK:
        return on_ack(p, body, len);
    case FRAME_PING:
        if (!frame_get_ping(body, len, &f.opaque))
            return -EPROTO;
        path_control(p, reply, frame_put_ping(reply, FRAME_PONG, f.opaque));
        return 0;
    case FRAME_PONG:
        if (!frame_get_ping(body, len, &f.opaque))
            return -EPROTO;
        on_pong(p, f.opaque);
        return 0;
    case FRAME_HELLO:
        return frame_get_hello(body, len, &f.hello) ? p->ops->hello(p->ctx, &f.hello) : -EPROTO;
    case FRAME_WELCOME:
        return frame_get_welcome(body, len, &f.welcome) ? p->ops->welcome(p->ctx, &f.welcome) : -EPROTO;
    case FRAME_ACTIVATE:
        return p->ops->activate(p->ctx);
    case FRAME_BYE:
        return frame_get_bye(body, len, &f.bye) ? p->ops->bye(p->ctx, &f.bye) : -EPROTO;
    case FRAME_NODE:
        return p->ops->node != NULL && frame_get_node(body, len, &f.node) ? p->ops->node(p->ctx, &f.node) : -EPROTO;
    default:
        return 0;
    }
}

static int on_frame(void *ctx, uint8_t type, uint8_t *body, size_t len)
{
    struct path *p = ctx;
    bool data = type == FRAME_PACKET || type == FRAME_LARGE || type == FRAME_ETHER || type == FRAME_NUMBERED;
    return data ? on_packet(p, type, body, len) : on_control(p, type, body, len);
}

static void on_ahead(void *ctx, const struct span *packets, size_t count)
{
    struct path *p = ctx;
    p->ops->ahead(p->ctx, packets, count);
}

int path_receive(struct path *p, uint8_t *data, size_t len, uint64_t now_us)
{
    p->heard_us = p->now_us = now_us;
    int stop = frame_reader_feed(&p->reader, data, len, on_frame, p->ops->ahead != NULL && p->up ? on_ahead : NULL, p);
    if (p->datagrams) /* each holds whole frames */
        p->reader.have = 0;
    return stop;
}

int path_receive_packet(struct path *p, uint8_t *packet, size_t len, uint64_t now_us)
{
    p->heard_us = p->now_us = now_us;
    p->received_packets++;
    p->received_bytes += len;
    return p->ops->packet(p->ctx, packet, len, NULL);
}

bool path_is_stale(const struct path *p, uint64_t now_us)
{
    if (p->datagrams && !p->failed) /* that something comes does not mean that what is sent arrives */
        return p->up && p->ping_us > p->ping_answered_us && now_us > p->ping_answered_us + PATH_PING_BUSY_US + PATH_STALE_US;
    return p->failed || (!p->plain && p->ping_us > p->heard_us && now_us > p->ping_us + PATH_STALE_US);
}

static void ping(struct path *p, uint64_t now_us)
{
    uint8_t frame[FRAME_HEADER_LEN + 8];
    p->ping_us = now_us;
    path_control(p, frame, frame_put_ping(frame, FRAME_PING, now_us));
}

void path_moved(struct path *p, uint64_t now_us)
{
    p->ping_answered_us = now_us;
    ping(p, now_us);
}

bool path_tick(struct path *p, uint64_t now_us)
{
    if (p->plain || !p->up)
        return true;
    if (p->datagrams)
        path_datagram_tick(p, now_us);
    if (p->ping_us == 0 && p->datagrams) /* it counts from when it is up */
        p->ping_answered_us = now_us;
    if (p->ping_us > p->heard_us && now_us > p->heard_us + PATH_DEAD_US)
        return false;
    bool busy = p->window.sent != p->window.acked || now_us < p->heard_us + PATH_PING_BUSY_US;
    uint64_t interval = busy || p->datagrams ? PATH_PING_BUSY_US : PATH_PING_IDLE_US;
    bool outstanding = !p->datagrams && p->ping_us > p->ping_answered_us && p->ping_us > p->heard_us;
    if (!outstanding && now_us >= p->ping_us + interval)
        ping(p, now_us);
    return true;
}
