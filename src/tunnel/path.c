/* tunnel/path.c - see path.h */
#include "tunnel/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_CAP = PATH_BATCH_MAX + FRAME_HEADER_LEN + FRAME_DATA_MAX + 256 };

int path_init(struct path *p, bool plain, const struct path_ops *ops, void *ctx, uint64_t now_us)
{
    *p = (struct path){.ops = ops, .ctx = ctx, .plain = plain, .up = plain, .heard_us = now_us, .ping_answered_us = now_us};
    window_init(&p->window, now_us);
    if (plain)
        return 0;
    p->out = malloc(OUT_CAP);
    return p->out == NULL ? -ENOMEM : 0;
}

void path_done(struct path *p)
{
    free(p->out);
    p->out = NULL;
    frame_reader_done(&p->reader);
}

static void emit(struct path *p, bool app_limited, uint64_t now_us)
{
    if (p->out_len == 0 || p->failed)
        return;
    if (p->out_data > 0)
        window_on_sent(&p->window, p->out_data, app_limited, now_us);
    if (p->ops->send(p->ctx, p->out, p->out_len) < 0)
        p->failed = true;
    p->out_len = p->out_data = 0;
}

void path_control(struct path *p, const uint8_t *frame, size_t len)
{
    if (p->plain || p->failed)
        return;
    if (p->ops->send(p->ctx, frame, len) < 0)
        p->failed = true;
}

static void append_ack(struct path *p)
{
    if (p->rx_data == p->rx_acked)
        return;
    p->rx_acked = p->rx_data;
    p->out_len += frame_put_ack(p->out + p->out_len, &(struct frame_ack){.bytes = p->rx_data});
}

static void flush_plain(struct path *p, struct queue *q, uint64_t now_us)
{
    struct pbuf *b;
    while (!p->failed && !p->ops->congested(p->ctx) && (b = queue_peek(q, now_us)) != NULL) {
        p->sent_packets++;
        p->sent_bytes += b->len;
        if (p->ops->send(p->ctx, b->data, b->len) < 0)
            p->failed = true;
        pbuf_put(q->pool, queue_pop(q));
    }
}

void path_flush(struct path *p, struct queue *q, uint64_t now_us)
{
    if (p->plain) {
        if (q != NULL)
            flush_plain(p, q, now_us);
        return;
    }
    if (p->failed)
        return;
    append_ack(p);
    struct pbuf *b = NULL;
    while (q != NULL && p->up && !p->ops->congested(p->ctx) && (b = queue_peek(q, now_us)) != NULL) {
        size_t overhead = frame_packet_overhead(&b->offload);
        size_t need = overhead + b->len;
        bool idle = p->window.sent == p->window.acked && p->out_data == 0;
        if (!idle && window_room(&p->window) < p->out_data + need)
            break;
        if (p->out_len + need > PATH_BATCH_MAX && p->out_len > 0) {
            emit(p, false, now_us);
            continue;
        }
        frame_put_packet(p->out + p->out_len, b->len, &b->offload);
        memcpy(p->out + p->out_len + overhead, b->data, b->len);
        p->out_len += need;
        p->out_data += need;
        p->sent_packets++;
        p->sent_bytes += b->len;
        pbuf_put(q->pool, queue_pop(q));
    }
    emit(p, b == NULL, now_us);
}

static void on_pong(struct path *p, uint64_t sent_us)
{
    if (sent_us > p->now_us || sent_us != p->ping_us)
        return;
    uint64_t rtt = p->now_us - sent_us;
    p->rtt_us = p->rtt_us == 0 ? rtt : p->rtt_us - p->rtt_us / 4 + rtt / 4;
    p->ping_answered_us = p->now_us;
}

static int on_packet(struct path *p, uint8_t type, uint8_t *body, size_t len)
{
    struct offload offload = {0};
    p->rx_data += FRAME_HEADER_LEN + len;
    if (type == FRAME_LARGE) {
        if (!frame_get_offload(body, len, &offload))
            return -EPROTO;
        body += FRAME_OFFLOAD_LEN;
        len -= FRAME_OFFLOAD_LEN;
    }
    if (!p->up) /* before the session is agreed on nothing is forwarded */
        return -EPROTO;
    p->received_packets++;
    p->received_bytes += len;
    return p->ops->packet(p->ctx, body, len, &offload);
}

static int on_control(struct path *p, uint8_t type, const uint8_t *body, size_t len)
{
    union {
        struct frame_ack ack;
        struct frame_hello hello;
        struct frame_welcome welcome;
        struct frame_bye bye;
        uint64_t opaque;
    } f;
    uint8_t reply[FRAME_HEADER_LEN + 8];
    switch (type) {
    case FRAME_ACK:
        return frame_get_ack(body, len, &f.ack) && window_on_ack(&p->window, f.ack.bytes, f.ack.delay_us, p->now_us)
                   ? 0
                   : -EPROTO;
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
    default:
        return 0;
    }
}

static int on_frame(void *ctx, uint8_t type, uint8_t *body, size_t len)
{
    struct path *p = ctx;
    return type == FRAME_PACKET || type == FRAME_LARGE ? on_packet(p, type, body, len) : on_control(p, type, body, len);
}

int path_receive(struct path *p, uint8_t *data, size_t len, uint64_t now_us)
{
    p->heard_us = p->now_us = now_us;
    return frame_reader_feed(&p->reader, data, len, on_frame, p);
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
    return p->failed || (!p->plain && p->ping_us > p->heard_us && now_us > p->ping_us + PATH_STALE_US);
}

bool path_tick(struct path *p, uint64_t now_us)
{
    if (p->plain || !p->up)
        return true;
    if (p->ping_us > p->heard_us && now_us > p->heard_us + PATH_DEAD_US)
        return false;
    bool busy = p->window.sent != p->window.acked || now_us < p->heard_us + PATH_PING_BUSY_US;
    uint64_t interval = busy ? PATH_PING_BUSY_US : PATH_PING_IDLE_US;
    bool outstanding = p->ping_us > p->ping_answered_us && p->ping_us > p->heard_us;
    if (!outstanding && now_us >= p->ping_us + interval) {
        uint8_t frame[FRAME_HEADER_LEN + 8];
        p->ping_us = now_us;
        path_control(p, frame, frame_put_ping(frame, FRAME_PING, now_us));
    }
    return true;
}
