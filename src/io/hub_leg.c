/* io/hub_leg.c - see hub_leg.h */
#include "io/hub_leg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tunnel/mesh.h"

enum { CHANNELS_MAX = 2 * MESH_PEERS_MAX, CLOSE_MAX = 2 + 64 }; /* a stream that was replaced lives until the loop's next round */

struct channel {
    struct hub_leg *leg;
    struct mesh_peer *peer; /* NULL: another stream took its place */
    struct carrier *carrier;
    uint32_t node;
    uint16_t stream;
    bool opening; /* the next message is the stream's first */
    bool worked;
    bool closing;
    int code;
    char reason[CLOSE_MAX];
};

struct hub_leg {
    const struct hub_leg_config *config;
    struct ws *ws;
    struct io_timer *reap; /* carriers end from the loop, never under the feet of who closes them */
    struct mesh_roster roster;
    struct channel *channel[CHANNELS_MAX];
    size_t channels;
    int failure;
    /* The message that is arriving */
    uint8_t head[MESH_HEADER_LEN];
    size_t head_len;
    struct channel *into; /* where the rest of it goes; NULL: nowhere */
    struct mesh_header header;
    uint8_t words[CLOSE_MAX]; /* of a CLOSE */
    size_t words_len;
};

static int send_control(struct hub_leg *leg, enum mesh_kind kind, uint16_t stream, uint32_t to, int code, const char *words)
{
    uint8_t out[MESH_HEADER_LEN + CLOSE_MAX];
    struct mesh_header header = {.kind = (uint8_t)kind, .stream = stream, .from = leg->roster.me, .to = to};
    size_t len = MESH_HEADER_LEN;
    mesh_put_header(out, &header);
    if (kind == MESH_CLOSE) {
        size_t words_len = strnlen(words, CLOSE_MAX - 3);
        put_be16(out + len, (uint32_t)code);
        memcpy(out + len + 2, words, words_len);
        len += 2 + words_len;
    }
    return ws_send(leg->ws, WS_BINARY, out, len);
}

/* --- a carrier's wire --- */

static int wire_send(void *wire, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct channel *ch = wire;
    return ws_send(ch->leg->ws, opcode, data, len);
}

static bool wire_congested(void *wire)
{
    struct channel *ch = wire;
    return ws_backlog(ch->leg->ws) > ws_high_water();
}

static void wire_head(void *wire, uint8_t *out)
{
    struct channel *ch = wire;
    struct mesh_header header = {
        .kind = ch->opening ? MESH_OPEN : MESH_DATA, .stream = ch->stream, .from = ch->leg->roster.me, .to = ch->node};
    ch->opening = false;
    mesh_put_header(out, &header);
}

static void end_later(struct channel *ch, int code, const char *reason)
{
    if (ch->closing)
        return;
    ch->closing = true;
    ch->code = code;
    snprintf(ch->reason, sizeof ch->reason, "%s", reason);
    io_timer_start(ch->leg->reap, 0, 0);
}

static void wire_close(void *wire, int ws_code, const char *reason)
{
    struct channel *ch = wire;
    if (ch->closing)
        return;
    if (ch->peer != NULL)
        send_control(ch->leg, MESH_CLOSE, ch->stream, ch->node, ws_code, reason);
    end_later(ch, ws_code, reason);
}

static const char *wire_peer(void *wire)
{
    return ws_peer(((struct channel *)wire)->leg->ws);
}

static const struct carrier_wire wire_ops = {
    .send = wire_send,
    .congested = wire_congested,
    .close = wire_close,
    .peer = wire_peer,
    .head = wire_head,
    .head_len = MESH_HEADER_LEN,
};

/* --- channels --- */

static void begin(struct hub_leg *leg, struct mesh_peer *peer, bool client)
{
    struct channel *ch = leg->channels < CHANNELS_MAX ? calloc(1, sizeof *ch) : NULL;
    struct tls_context *tls = client ? leg->config->tls_client : leg->config->tls_server;
    if (ch == NULL) {
        mesh_roster_closed(&leg->roster, peer, true, io_now_us());
        return;
    }
    *ch = (struct channel){.leg = leg, .peer = peer, .node = peer->node, .stream = peer->stream, .opening = client};
    peer->owner = ch;
    leg->channel[leg->channels++] = ch;
    ch->carrier = carrier_open_wire(leg->config->loop, &wire_ops, ch, tls, client, leg->config->events, leg->config->ctx);
    if (ch->carrier == NULL)
        end_later(ch, WS_CLOSE_BUSY, "out of memory");
}

static void replace(struct hub_leg *leg, struct mesh_peer *peer)
{
    struct channel *old = peer->owner;
    if (old != NULL) {
        old->peer = NULL;
        end_later(old, WS_CLOSE_GOING_AWAY, "began anew");
    }
    begin(leg, peer, false);
}

/* Its carrier ends, and tells so. */
static void release(struct channel *ch, int code, const char *reason)
{
    struct hub_leg *leg = ch->leg;
    if (ch->carrier != NULL) {
        ch->worked = carrier_path(ch->carrier)->up;
        carrier_closed(ch->carrier, code, reason);
    }
    if (ch->peer != NULL)
        mesh_roster_closed(&leg->roster, ch->peer, !ch->worked, io_now_us());
    if (leg->into == ch) /* the rest of a message that is still arriving is nobody's */
        leg->into = NULL;
    free(ch);
}

static void on_reap(void *ctx)
{
    struct hub_leg *leg = ctx;
    size_t kept = 0;
    for (size_t i = 0; i < leg->channels; i++) {
        struct channel *ch = leg->channel[i];
        if (!ch->closing)
            leg->channel[kept++] = ch;
        else
            release(ch, ch->code, ch->reason);
    }
    leg->channels = kept;
}

/* --- what arrives --- */

static void fail(struct hub_leg *leg, int failure, int code, const char *words)
{
    if (leg->failure == 0)
        leg->failure = failure;
    ws_close(leg->ws, code, words);
}

static void on_header(struct hub_leg *leg)
{
    struct mesh_peer *peer;
    leg->into = NULL;
    leg->words_len = 0;
    mesh_get_header(leg->head, MESH_HEADER_LEN, &leg->header);
    switch (mesh_roster_judge(&leg->roster, &leg->header, io_now_us(), &peer)) {
    case MESH_IGNORE:
        return;
    case MESH_ANSWER:
        send_control(leg, MESH_ANNOUNCE, 0, leg->header.from, 0, "");
        return;
    case MESH_RESET:
        send_control(leg, MESH_CLOSE, leg->header.stream, leg->header.from, WS_CLOSE_GOING_AWAY, "no such stream");
        return;
    case MESH_START:
        begin(leg, peer, true);
        return;
    case MESH_ACCEPT:
        replace(leg, peer);
        break;
    case MESH_FEED:
    case MESH_END:
        break;
    }
    leg->into = peer->owner;
}

static void on_end(struct hub_leg *leg)
{
    int code = WS_CLOSE_GOING_AWAY;
    char words[CLOSE_MAX] = "its websocket to the hub ended";
    if (leg->header.kind == MESH_CLOSE && leg->words_len >= 2) {
        code = get_be16(leg->words);
        memcpy(words, leg->words + 2, leg->words_len - 2);
        words[leg->words_len - 2] = '\0';
    }
    end_later(leg->into, code, words);
}

static void on_body(struct hub_leg *leg, const uint8_t *data, size_t len, bool fin)
{
    if (leg->header.kind == MESH_OPEN || leg->header.kind == MESH_DATA) {
        if (leg->into->carrier != NULL && !leg->into->closing && len > 0)
            carrier_receive(leg->into->carrier, WS_BINARY, data, len, fin);
        return;
    }
    size_t take = CLOSE_MAX - 1 - leg->words_len;
    take = take < len ? take : len;
    memcpy(leg->words + leg->words_len, data, take);
    leg->words_len += take;
    if (fin)
        on_end(leg);
}

/* The first byte of a message tells who does not speak to hubs: a laptop or server without --tap (TLS), or a plain node (a bare frame). */
static bool is_ours(struct hub_leg *leg, enum ws_opcode opcode, uint8_t first)
{
    if (opcode == WS_BINARY && first == MESH_MAGIC)
        return true;
    if (opcode == WS_BINARY && first == 0x16)
        fail(leg, -EAFNOSUPPORT, WS_CLOSE_LAYER, "one side runs with --tap, the other does not");
    else
        fail(leg, -EPROTOTYPE, WS_CLOSE_NO_KEY_SPOKEN, "one side is --plain, the other is not");
    return false;
}

static void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct hub_leg *leg = ctx;
    if (leg->failure != 0 || (leg->head_len == 0 && len > 0 && !is_ours(leg, opcode, data[0])))
        return;
    if (leg->head_len < MESH_HEADER_LEN) {
        size_t take = MESH_HEADER_LEN - leg->head_len < len ? MESH_HEADER_LEN - leg->head_len : len;
        memcpy(leg->head + leg->head_len, data, take);
        leg->head_len += take;
        data += take;
        len -= take;
        if (leg->head_len == MESH_HEADER_LEN)
            on_header(leg);
    }
    if (leg->head_len == MESH_HEADER_LEN && leg->into != NULL)
        on_body(leg, data, len, fin);
    if (fin) {
        leg->head_len = 0;
        leg->into = NULL;
    }
}

static void on_closed(void *ctx, int code, const char *reason)
{
    struct hub_leg *leg = ctx;
    if (leg->failure == 0 && code == WS_CLOSE_NO_KEY_SPOKEN)
        leg->failure = -EPROTOTYPE;
    if (leg->failure == 0 && code == WS_CLOSE_LAYER)
        leg->failure = -EAFNOSUPPORT;
    for (size_t i = 0; i < leg->channels; i++)
        release(leg->channel[i], WS_CLOSE_GOING_AWAY, reason);
    io_timer_close(leg->reap);
    leg->config->closed(leg->config->ctx, leg, leg->failure, reason);
    free(leg);
}

static const struct ws_events ws_events = {.data = on_data, .closed = on_closed};
static const struct ws_events no_events = {0};

/* --- public --- */

struct hub_leg *hub_leg_open(const struct hub_leg_config *config, struct ws *ws)
{
    struct hub_leg *leg = calloc(1, sizeof *leg);
    uint16_t stream = 0;
    if (leg == NULL || tls_random(&stream, sizeof stream) < 0 || io_timer_new(config->loop, on_reap, leg, &leg->reap) < 0) {
        free(leg);
        ws_listen(ws, &no_events, NULL);
        ws_close(ws, WS_CLOSE_BUSY, "out of memory");
        return NULL;
    }
    leg->config = config;
    leg->ws = ws;
    mesh_roster_init(&leg->roster, config->me, stream);
    ws_listen(ws, &ws_events, leg);
    hub_leg_tick(leg);
    return leg;
}

void hub_leg_tick(struct hub_leg *leg)
{
    for (size_t i = 0; i < leg->channels; i++)
        if (!leg->channel[i]->closing)
            carrier_tick(leg->channel[i]->carrier);
    if (mesh_roster_tick(&leg->roster, io_now_us()))
        send_control(leg, MESH_ANNOUNCE, 0, MESH_ALL, 0, "");
}

void hub_leg_close(struct hub_leg *leg, int ws_code, const char *reason)
{
    ws_close(leg->ws, ws_code, reason);
}

size_t hub_leg_carriers(const struct hub_leg *leg)
{
    return leg->channels;
}

uint32_t hub_leg_node(const struct carrier *c)
{
    return ((const struct channel *)carrier_wire_ctx(c))->node;
}

const char *hub_leg_peer(const struct hub_leg *leg)
{
    return ws_peer(leg->ws);
}
