/* io/carrier.c - see carrier.h */
#include "io/carrier.h"

#include <errno.h>
#include <stdlib.h>

#include "io/plain.h"
#include "tunnel/mesh.h"
#include "tunnel/path_datagram.h"

enum { HANDSHAKE_US = 20 * 1000 * 1000 }; /* a phone may still be waking its other leg */

struct carrier {
    struct io_loop *loop;
    const struct carrier_wire *wire;
    void *wire_ctx;
    struct tls *tls;     /* NULL: plain */
    struct plain *plain; /* NULL: keyed */
    struct path path;
    const struct carrier_events *events;
    void *ctx, *owner;
    uint64_t opened_us, heard; /* messages that TLS found genuine */
    bool client, closing, started, secure;
    int failure;
};

static void fail(struct carrier *c, int failure)
{
    const struct carrier_failure *f = carrier_failure_of(failure);
    if (c->closing)
        return;
    c->failure = failure;
    carrier_close(c, f->ws_code, f->reason);
}

/* --- plain: one message is one packet --- */

static int send_plain(struct carrier *c, const uint8_t *packet, size_t len)
{
    enum ws_opcode opcode;
    struct span message = plain_message(c->plain, packet, len, &opcode);
    return c->wire->send(c->wire_ctx, opcode, message.data, message.len);
}

static void receive_plain(struct carrier *c, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    uint8_t *packet;
    int packet_len = plain_receive(c->plain, opcode, data, len, fin, &packet);
    if (packet_len < 0)
        carrier_close(c, WS_CLOSE_TOO_BIG, "longer than any packet");
    if (packet_len <= 0)
        return;
    /* A TLS hello, or a keyed node's word to its hub: it wants a key. A station's address may begin like the former. */
    if (opcode == WS_BINARY && packet_len >= 3 && (c->path.ether ? packet[0] == MESH_MAGIC : packet[0] == 0x16 && packet[1] == 0x03))
        fail(c, -EPROTOTYPE);
    else
        path_receive_packet(&c->path, packet, (size_t)packet_len, io_now_us());
}

/* --- keyed: TLS inside --- */

static int on_tls_out(void *ctx, const uint8_t *data, size_t len)
{
    struct carrier *c = ctx;
    return c->closing && c->failure == 0 ? -EPIPE : c->wire->send(c->wire_ctx, WS_BINARY, data, len);
}

static int on_tls_plain(void *ctx, uint8_t *data, size_t len)
{
    struct carrier *c = ctx;
    c->heard++;
    return c->closing ? -EPIPE : path_receive(&c->path, data, len, io_now_us());
}

static int on_tls_ready(void *ctx)
{
    struct carrier *c = ctx;
    c->secure = true;
    c->events->ready(c->ctx, c);
    return 0;
}

static void on_tls_head(void *ctx, uint8_t *out)
{
    struct carrier *c = ctx;
    c->wire->head(c->wire_ctx, out);
}

static const struct tls_ops tls_ops = {.out = on_tls_out, .plain = on_tls_plain, .ready = on_tls_ready, .head = on_tls_head};

static void receive_keyed(struct carrier *c, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    /* The first byte tells a TLS handshake record from a bare IP packet. */
    if (opcode == WS_TEXT || (!c->started && (data[0] >> 4 == 4 || data[0] >> 4 == 6))) {
        fail(c, -EPROTOTYPE);
        return;
    }
    if (!c->started && data[0] == MESH_MAGIC) {
        fail(c, -EAFNOSUPPORT);
        return;
    }
    c->started = true;
    int failed = tls_receive(c->tls, data, len);
    if (failed)
        fail(c, failed);
}

/* --- what the wire tells --- */

void carrier_receive(struct carrier *c, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    if (c->closing)
        return;
    if (c->tls == NULL)
        receive_plain(c, opcode, data, len, fin);
    else
        receive_keyed(c, opcode, data, len);
}

void carrier_settle(struct carrier *c)
{
    int stop = c->closing ? 0 : path_datagram_settle(&c->path);
    if (stop)
        fail(c, stop);
}

static void release(struct carrier *c)
{
    tls_free(c->tls);
    path_done(&c->path);
    plain_free(c->plain);
    free(c);
}

void carrier_closed(struct carrier *c, int code, const char *reason)
{
    c->closing = true;
    c->path.failed = true;
    if (c->failure == 0)
        c->failure = carrier_failure_told(code);
    c->events->closed(c->ctx, c, c->failure, reason);
    release(c);
}

/* --- a websocket of its own --- */

static void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    carrier_receive(ctx, opcode, data, len, fin);
}

static void on_closed(void *ctx, int code, const char *reason)
{
    carrier_closed(ctx, code, reason);
}

static const struct ws_events ws_events = {.data = on_data, .closed = on_closed};
static const struct ws_events no_events = {0};

static int wire_send(void *wire, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    return ws_send(wire, opcode, data, len);
}

static bool wire_congested(void *wire)
{
    return ws_backlog(wire) > ws_high_water();
}

static void wire_close(void *wire, int ws_code, const char *reason)
{
    ws_close(wire, ws_code, reason);
}

static const char *wire_peer(void *wire)
{
    return ws_peer(wire);
}

static bool wire_fed(void *wire)
{
    return ws_is_fed(wire);
}

static const struct carrier_wire ws_wire = {.send = wire_send, .congested = wire_congested, .close = wire_close, .peer = wire_peer, .fed = wire_fed};

/* --- path operations --- */

static int path_send(void *ctx, const uint8_t *data, size_t len)
{
    struct carrier *c = ctx;
    if (c->closing)
        return -EPIPE;
    int failed = c->tls != NULL ? tls_send(c->tls, data, len) : send_plain(c, data, len);
    if (failed && c->tls != NULL) /* a lost piece would break the stream; a lost packet would not */
        fail(c, failed);
    return c->tls != NULL ? failed : 0;
}

static bool path_congested(void *ctx)
{
    struct carrier *c = ctx;
    return c->wire->congested(c->wire_ctx);
}

static int path_packet(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct carrier *c = ctx;
    c->events->packet(c->ctx, c, packet, len, offload);
    return 0;
}

static void path_ahead(void *ctx, const struct span *packets, size_t count)
{
    struct carrier *c = ctx;
    if (c->events->ahead != NULL)
        c->events->ahead(c->ctx, c, packets, count);
}

static int path_hello(void *ctx, const struct frame_hello *hello)
{
    struct carrier *c = ctx;
    return c->events->hello ? c->events->hello(c->ctx, c, hello) : -EPROTO;
}

static int path_welcome(void *ctx, const struct frame_welcome *welcome)
{
    struct carrier *c = ctx;
    return c->events->welcome ? c->events->welcome(c->ctx, c, welcome) : -EPROTO;
}

static int path_activate(void *ctx)
{
    struct carrier *c = ctx;
    return c->events->activate ? c->events->activate(c->ctx, c) : -EPROTO;
}

static int path_node(void *ctx, const struct frame_node *node)
{
    struct carrier *c = ctx;
    return c->events->node ? c->events->node(c->ctx, c, node) : -EPROTO;
}

static void path_pong(void *ctx, uint64_t mark)
{
    struct carrier *c = ctx;
    if (c->wire->pong != NULL)
        c->wire->pong(c->wire_ctx, mark);
}

static void path_batch(void *ctx, bool on)
{
    struct carrier *c = ctx;
    if (c->wire->batch != NULL)
        c->wire->batch(c->wire_ctx, on);
}

static void path_too_big(void *ctx, uint8_t *packet, size_t len, size_t mtu)
{
    struct carrier *c = ctx;
    if (c->events->too_big != NULL)
        c->events->too_big(c->ctx, c, packet, len, mtu);
}

static int path_bye(void *ctx, const struct frame_bye *bye)
{
    struct carrier *c = ctx;
    if (c->events->bye)
        c->events->bye(c->ctx, c, bye);
    return bye->code == BYE_VERSION ? -EPROTONOSUPPORT : bye->code == BYE_BUSY ? -EUSERS : -EPIPE;
}

static const struct path_ops path_ops = {
    .send = path_send,
    .congested = path_congested,
    .packet = path_packet,
    .ahead = path_ahead,
    .hello = path_hello,
    .welcome = path_welcome,
    .activate = path_activate,
    .bye = path_bye,
    .node = path_node,
    .pong = path_pong,
    .batch = path_batch,
    .too_big = path_too_big,
};

/* --- public --- */

static int prepare(struct carrier *c, struct tls_context *tls)
{
    int failed = path_init(&c->path, tls == NULL, &path_ops, c, c->opened_us);
    if (failed)
        return failed;
    if (tls != NULL && c->wire->datagram_overhead > 0)
        path_datagram_init(&c->path, c->wire->datagram_overhead);
    if (tls != NULL) {
        failed = tls_new(tls, &tls_ops, c, &c->tls);
        if (!failed)
            tls_headroom(c->tls, c->wire->head_len);
        return failed;
    }
    c->plain = plain_new();
    return c->plain == NULL ? -ENOMEM : 0;
}

static struct carrier *make(struct io_loop *loop, const struct carrier_wire *wire, void *wire_ctx, struct tls_context *tls,
                            bool client, const struct carrier_events *events, void *ctx)
{
    struct carrier *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->loop = loop, c->wire = wire, c->wire_ctx = wire_ctx, c->events = events, c->ctx = ctx, c->client = client;
    c->opened_us = io_now_us();
    if (prepare(c, tls) == 0)
        return c;
    release(c);
    return NULL;
}

static void start(struct carrier *c)
{
    int failed = c->client && c->tls != NULL ? tls_start(c->tls) : 0;
    if (failed)
        fail(c, failed);
}

struct carrier *carrier_open(struct io_loop *loop, struct ws *ws, struct tls_context *tls, bool client,
                             const struct carrier_events *events, void *ctx)
{
    struct carrier *c = make(loop, &ws_wire, ws, tls, client, events, ctx);
    if (c == NULL) {
        ws_listen(ws, &no_events, NULL);
        ws_close(ws, WS_CLOSE_BUSY, "out of memory");
        return NULL;
    }
    ws_listen(ws, &ws_events, c);
    if (tls != NULL) /* a stream of records needs no messages' bounds */
        ws_allow_feed(ws);
    start(c);
    return c;
}

struct carrier *carrier_open_wire(struct io_loop *loop, const struct carrier_wire *ops, void *wire, struct tls_context *tls,
                                  bool client, const struct carrier_events *events, void *ctx)
{
    struct carrier *c = make(loop, ops, wire, tls, client, events, ctx);
    if (c != NULL)
        start(c);
    return c;
}

void carrier_close(struct carrier *c, int ws_code, const char *reason)
{
    if (c->closing)
        return;
    c->closing = true;
    c->wire->close(c->wire_ctx, ws_code, reason);
}

void carrier_tick(struct carrier *c)
{
    uint64_t now_us = io_now_us();
    if (c->closing)
        return;
    if (c->tls != NULL)
        tls_tick(c->tls);
    if (c->closing) /* the wire may have refused it */
        return;
    if (c->client && c->secure && c->path.datagrams && !c->path.up) /* what was said first may be lost */
        c->events->ready(c->ctx, c);
    if (!c->path.up && now_us > c->opened_us + HANDSHAKE_US)
        fail(c, -ETIMEDOUT);
    else if (!path_tick(&c->path, now_us))
        fail(c, -ETIMEDOUT);
}

struct path *carrier_path(struct carrier *c)
{
    return &c->path;
}

struct carrier *carrier_of(struct path *path)
{
    return path->ctx;
}

uint64_t carrier_heard(const struct carrier *c)
{
    return c->heard;
}

bool carrier_is_fed(const struct carrier *c)
{
    return !c->closing && c->wire->fed != NULL && c->wire->fed(c->wire_ctx);
}

void *carrier_wire_ctx(const struct carrier *c)
{
    return c->wire_ctx;
}

const char *carrier_peer(const struct carrier *c)
{
    return c->wire->peer(c->wire_ctx);
}

void carrier_set_owner(struct carrier *c, void *owner)
{
    c->owner = owner;
}

void *carrier_owner(const struct carrier *c)
{
    return c->owner;
}
