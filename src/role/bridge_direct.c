/*
 * role/bridge_direct.c - a node that goes to other nodes itself: with --direct no phone and no page is between
 *
 * A websocket from node to node is a hub for two, so what it becomes is an ordinary leg (bridge_nodes.c). Each address given is kept
 * connected by itself: they lead to different nodes, or are a second way to the same one, of which its session uses the newest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/log.h"
#include "io/names.h"
#include "io/tls_psk.h"
#include "role/bridge_priv.h"

struct bridge_dial {
    struct bridge *bridge;
    const struct bridge_target *target;
    struct ws_way way;
    struct names known;
    struct ws *ws;   /* while it connects */
    void *leg;       /* what became of it */
    struct io_timer *retry;
    struct backoff backoff;
};

static void again(struct bridge_dial *d)
{
    uint32_t random = 0;
    if (d->retry == NULL)
        return;
    tls_random(&random, sizeof random);
    io_timer_start(d->retry, backoff_pause(&d->backoff, io_now_ms(d->bridge->loop), random), 0);
}

static void on_open(void *ctx)
{
    struct bridge_dial *d = ctx;
    struct ws *ws = d->ws;
    d->ws = NULL;
    backoff_up(&d->backoff, io_now_ms(d->bridge->loop));
    d->leg = bridge_take_websocket(d->bridge, ws);
    if (d->leg == NULL)
        again(d);
    else
        log_info(d->bridge->setup->role, NULL, "direct connection", "url=%s", d->target->text);
}

static void on_failed(void *ctx, int code, const char *reason)
{
    struct bridge_dial *d = ctx;
    (void)code;
    if (d->ws == NULL)
        return;
    d->ws = NULL;
    log_info(d->bridge->setup->role, NULL, "no direct connection", "url=%s why=\"%s\"", d->target->text, reason);
    again(d);
}

static const struct ws_events events = {.open = on_open, .closed = on_failed};

static void attempt(void *ctx)
{
    struct bridge_dial *d = ctx;
    struct err err = {0};
    if (ws_connect(d->bridge->loop, &d->target->url, &d->way, &events, d, &d->ws, &err) == 0)
        return;
    log_warn(d->bridge->setup->role, NULL, "no direct connection", "url=%s why=\"%s\"", d->target->text, err.text);
    again(d);
}

int bridge_direct_open(struct bridge *b, struct err *err)
{
    const struct bridge_setup *u = b->setup;
    int failed = 0;
    for (size_t i = 0; i < u->direct_count && b->believed == NULL && !failed; i++)
        if (u->direct[i].url.tls)
            failed = stream_tls_client(u->ca, &b->believed, err);
    b->dial = u->direct_count > 0 ? calloc(u->direct_count, sizeof *b->dial) : NULL;
    if (!failed && u->direct_count > 0 && b->dial == NULL)
        failed = -ENOMEM;
    for (size_t i = 0; i < u->direct_count && !failed; i++) {
        struct bridge_dial *d = &b->dial[i];
        *d = (struct bridge_dial){.bridge = b, .target = &u->direct[i]};
        d->way = (struct ws_way){.tls = b->believed, .proxy = &u->direct[i].proxy, .around = u->tap, .known = &d->known};
        failed = io_timer_new(b->loop, attempt, d, &d->retry);
        if (!failed)
            io_timer_start(d->retry, 0, 0);
    }
    return failed;
}

void bridge_direct_on_closed(struct bridge *b, const void *leg)
{
    for (size_t i = 0; b->dial != NULL && i < b->setup->direct_count; i++) {
        if (b->dial[i].leg != leg)
            continue;
        b->dial[i].leg = NULL;
        again(&b->dial[i]);
    }
}

void bridge_direct_close(struct bridge *b)
{
    for (size_t i = 0; b->dial != NULL && i < b->setup->direct_count; i++) {
        struct bridge_dial *d = &b->dial[i];
        io_timer_close(d->retry);
        d->retry = NULL;
        if (d->ws != NULL)
            ws_close(d->ws, WS_CLOSE_GOING_AWAY, "node stopped");
    }
}

void bridge_direct_free(struct bridge *b)
{
    stream_tls_free(b->believed);
    free(b->dial);
}
