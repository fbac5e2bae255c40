/*
 * role/relay_hub.c - see relay_hub.h
 *
 * Each leg is on its own: one that ends is opened again after a pause, and the others go on. Where a message goes its header says
 * (tunnel/mesh); nothing is kept for a leg that is not open, since the nodes' streams begin anew anyway.
 */
#include "role/relay_hub.h"

#include <errno.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/log.h"
#include "io/keeper.h"
#include "io/message.h"
#include "io/stream.h"
#include "io/tls_psk.h"
#include "io/ws.h"
#include "role/role.h"
#include "tunnel/mesh.h"

enum { MESSAGE_MAX = 1024 * 1024 };

struct hub;
struct leg {
    struct hub *hub;
    size_t index;
    struct ws_url url;
    struct ws *ws; /* NULL: closed */
    bool open;
    struct io_timer *retry;
    struct backoff backoff;
    struct message message; /* arriving on it */
};

struct hub {
    struct io_loop *loop;
    struct ws_way way;
    struct mesh_board board;
    struct leg leg[MESH_LEGS_MAX];
    size_t legs;
    uint64_t dropped;
    bool stopping;
};

static void pass_on(struct hub *h, struct leg *to, const uint8_t *data, size_t len)
{
    if (!to->open)
        h->dropped++;
    else if (ws_send(to->ws, WS_BINARY, data, len) < 0)
        ws_close(to->ws, WS_CLOSE_GOING_AWAY, "stuck"); /* a lost message would break the streams inside; this leg alone pays for it */
}

static void pass_to_all(struct hub *h, const struct leg *but, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < h->legs; i++)
        if (&h->leg[i] != but && h->leg[i].open)
            pass_on(h, &h->leg[i], data, len);
}

static void whole_message(struct leg *leg, const uint8_t *data, size_t len)
{
    struct hub *h = leg->hub;
    int to = mesh_board_route(&h->board, leg->index, data, len);
    if (to >= 0)
        pass_on(h, &h->leg[to], data, len);
    else if (to == MESH_TO_ALL)
        pass_to_all(h, leg, data, len);
    else if (to == MESH_TO_CLASH)
        ws_close(leg->ws, WS_CLOSE_SAME_NODE, "the same node by another address");
    else
        h->dropped++;
}

static void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct leg *leg = ctx;
    struct span whole;
    if (opcode != WS_BINARY)
        return;
    int got = message_add(&leg->message, data, len, fin, &whole);
    if (got > 0)
        whole_message(leg, whole.data, whole.len);
    else if (got < 0)
        ws_close(leg->ws, WS_CLOSE_TOO_BIG, got == -EMSGSIZE ? "message too long" : "out of memory");
}

static void on_open(void *ctx)
{
    struct leg *leg = ctx;
    leg->open = true;
    backoff_up(&leg->backoff, io_now_ms(leg->hub->loop));
    log_info("relay", ws_peer(leg->ws), "leg up", "host=%s", leg->url.host);
}

static void retry_later(struct leg *leg)
{
    uint32_t random = 0;
    tls_random(&random, sizeof random);
    io_timer_start(leg->retry, backoff_pause(&leg->backoff, io_now_ms(leg->hub->loop), random), 0);
}

static void on_closed(void *ctx, int code, const char *reason)
{
    struct leg *leg = ctx;
    struct hub *h = leg->hub;
    uint8_t gone[MESH_HEADER_LEN];
    leg->ws = NULL;
    leg->open = false;
    message_restart(&leg->message);
    if (h->stopping)
        return;
    if (mesh_board_ended(&h->board, leg->index, gone))
        pass_to_all(h, leg, gone, sizeof gone);
    log_info("relay", leg->url.host, "leg down", "code=%d reason=\"%s\"", code, reason);
    retry_later(leg);
}

static const struct ws_events events = {.open = on_open, .data = on_data, .closed = on_closed};

static void on_retry(void *ctx)
{
    struct leg *leg = ctx;
    struct err err = {0};
    if (ws_connect(leg->hub->loop, &leg->url, &leg->hub->way, &events, leg, &leg->ws, &err) < 0) {
        log_error("relay", leg->url.host, "cannot open a websocket", "why=\"%s\"", err.text);
        retry_later(leg);
    }
}

static void on_signal(void *ctx, int signo)
{
    struct hub *h = ctx;
    log_info("relay", NULL, "stopping", "signal=%s", io_signal_name(signo));
    h->stopping = true;
    io_loop_stop(h->loop);
}

static int prepare(struct hub *h, const char *const *urls, size_t count, const char *ca, struct err *err)
{
    bool tls = false;
    if (count < 2 || count > MESH_LEGS_MAX) {
        err_set(err, -EINVAL, "--hub %s: two to %d of them make a hub", urls[0], MESH_LEGS_MAX);
        return ROLE_BAD_USAGE;
    }
    for (size_t i = 0; i < count; i++) {
        struct leg *leg = &h->leg[h->legs++];
        *leg = (struct leg){.hub = h, .index = i, .message = {.max = MESSAGE_MAX}};
        if (ws_url_parse(urls[i], &leg->url, err) < 0)
            return ROLE_BAD_USAGE;
        tls = tls || leg->url.tls;
    }
    return tls ? stream_tls_client(ca, &h->way.tls, err) : 0;
}

int relay_hub_run(const char *const *urls, size_t count, const char *ca, const char *user, struct err *err)
{
    struct hub *h = calloc(1, sizeof *h);
    int failed = h == NULL ? -ENOMEM : prepare(h, urls, count, ca, err);
    if (!failed)
        failed = io_loop_new(&h->loop);
    if (!failed)
        failed = io_on_signals(h->loop, on_signal, h);
    for (size_t i = 0; i < count && !failed; i++) {
        failed = io_timer_new(h->loop, on_retry, &h->leg[i], &h->leg[i].retry);
        if (!failed)
            io_timer_start(h->leg[i].retry, 0, 0);
    }
    if (!failed)
        failed = keeper_seal(user, err);
    if (!failed)
        failed = io_loop_run(h->loop);
    for (size_t i = 0; h != NULL && i < h->legs; i++) {
        h->stopping = true;
        if (h->leg[i].ws != NULL)
            ws_close(h->leg[i].ws, WS_CLOSE_GOING_AWAY, "relay stopped");
        io_timer_close(h->leg[i].retry);
    }
    if (h != NULL) {
        io_loop_free(h->loop);
        stream_tls_free(h->way.tls);
        for (size_t i = 0; i < h->legs; i++)
            message_done(&h->leg[i].message);
    }
    free(h);
    return failed;
}
