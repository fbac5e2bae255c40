/*
 * role/relay.c - tether relay: the phone's part as a program
 *
 * Two websockets, a pair: every message of one goes out on the other, whole and unread, text as text. The ends run TLS
 * through us, so when one leg ends the other must start afresh too; then both are opened again after a pause.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/log.h"
#include "io/keeper.h"
#include "io/message.h"
#include "io/stream.h"
#include "io/tls_psk.h"
#include "io/ws.h"
#include "role/relay_hub.h"
#include "role/role.h"

enum {
    EARLY_MAX = 256 * 1024,  /* messages waiting for the other leg to open */
    MESSAGE_MAX = 1024 * 1024,
};

struct relay_config {
    const char *local, *remote, *ca;
    struct opt_texts hub;
};

struct early {
    struct early *next;
    enum ws_opcode opcode;
    size_t len;
    uint8_t data[];
};

struct relay;
struct leg {
    struct relay *relay;
    struct leg *other;
    const char *name;
    struct ws_url url;
    struct ws *ws; /* NULL: closed */
    bool open;
    struct message message; /* arriving on it */
    struct early *early, *early_tail; /* for this leg, from the other */
    size_t early_bytes;
    uint64_t messages, bytes, dropped;
};

struct relay {
    struct io_loop *loop;
    struct io_timer *retry;
    struct ws_way way; /* with tls NULL both legs are ws:// */
    struct leg local, remote;
    struct backoff backoff;
    bool stopping;
};

static const struct opt options[] = {
    {"local", 0, OPT_TEXT, offsetof(struct relay_config, local), "URL",
     "websocket of the laptop (default ws://169.254.134.89:6354/websocket)", 0, 0},
    {"remote", 0, OPT_TEXT, offsetof(struct relay_config, remote), "URL",
     "websocket of the server, e.g. ws://203.0.113.5:8080 (needed)", 0, 0},
    {"hub", 0, OPT_TEXTS, offsetof(struct relay_config, hub), "URL",
     "layer 2: a node to join with the others, instead of --local and --remote; two or more", 0, 0},
    {"ca", 0, OPT_TEXT, offsetof(struct relay_config, ca), "FILE",
     "for wss://, also believe the certificates in this PEM file", 0, 0},
    {0},
};

static void set_defaults(void *config)
{
    ((struct relay_config *)config)->local = "ws://169.254.134.89:6354/websocket";
}

static void forget_early(struct leg *leg)
{
    for (struct early *e = leg->early, *next; e != NULL; e = next) {
        next = e->next;
        free(e);
    }
    leg->early = leg->early_tail = NULL;
    leg->early_bytes = 0;
}

static void keep_early(struct leg *leg, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct early *e = leg->early_bytes + len <= EARLY_MAX ? malloc(sizeof *e + len) : NULL;
    if (e == NULL) {
        leg->dropped++;
        return;
    }
    *e = (struct early){.opcode = opcode, .len = len};
    memcpy(e->data, data, len);
    if (leg->early_tail != NULL)
        leg->early_tail->next = e;
    else
        leg->early = e;
    leg->early_tail = e;
    leg->early_bytes += len;
}

static void pass_on(struct leg *to, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    if (!to->open) {
        keep_early(to, opcode, data, len);
        return;
    }
    if (ws_send(to->ws, opcode, data, len) < 0) {
        ws_close(to->ws, WS_CLOSE_GOING_AWAY, "stuck"); /* a lost message would break the stream inside */
        return;
    }
    to->messages++;
    to->bytes += len;
    if (ws_backlog(to->ws) > ws_high_water() && to->other->ws != NULL)
        ws_pause(to->other->ws);
}

static void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct leg *leg = ctx;
    struct span whole;
    int got = message_add(&leg->message, data, len, fin, &whole);
    if (got > 0)
        pass_on(leg->other, opcode, whole.data, whole.len);
    else if (got < 0)
        ws_close(leg->ws, WS_CLOSE_TOO_BIG, got == -EMSGSIZE ? "message too long" : "out of memory");
}

static void on_drained(void *ctx)
{
    struct leg *leg = ctx;
    if (leg->other->ws != NULL)
        ws_resume(leg->other->ws);
}

static void on_open(void *ctx)
{
    struct leg *leg = ctx;
    struct relay *r = leg->relay;
    leg->open = true;
    struct early *e = leg->early;
    leg->early = leg->early_tail = NULL;
    for (struct early *next; e != NULL; e = next) {
        next = e->next;
        pass_on(leg, e->opcode, e->data, e->len);
        free(e);
    }
    leg->early_bytes = 0;
    log_debug("relay", leg->name, "leg open", NULL);
    if (leg->other->open) {
        backoff_up(&r->backoff, io_now_ms(r->loop));
        log_info("relay", NULL, "relay up", "laptop=%s server=%s", ws_peer(r->local.ws), ws_peer(r->remote.ws));
    }
}

static void both_closed(struct relay *r)
{
    uint32_t random = 0;
    if (r->stopping)
        return;
    tls_random(&random, sizeof random);
    io_timer_start(r->retry, backoff_pause(&r->backoff, io_now_ms(r->loop), random), 0);
}

static void on_closed(void *ctx, int code, const char *reason)
{
    struct leg *leg = ctx, *other = leg->other;
    bool ours = code >= 4000 && code <= 4999 && code != WS_CLOSE_OTHER_LEG;
    leg->ws = NULL;
    leg->open = false;
    message_restart(&leg->message);
    forget_early(leg);
    if (code != WS_CLOSE_OTHER_LEG)
        log_info("relay", leg->name, "relay down", "code=%d reason=\"%s\"", code, reason);
    if (other->ws != NULL)
        ws_close(other->ws, ours ? code : WS_CLOSE_OTHER_LEG, ours ? reason : "other leg closed");
    else
        both_closed(leg->relay);
}

static const struct ws_events events = {
    .open = on_open, .data = on_data, .drained = on_drained, .closed = on_closed};

static int open_leg(struct leg *leg, struct err *err)
{
    leg->messages = leg->bytes = 0;
    return ws_connect(leg->relay->loop, &leg->url, &leg->relay->way, &events, leg, &leg->ws, err);
}

static void on_retry(void *ctx)
{
    struct relay *r = ctx;
    struct err err = {0};
    if (open_leg(&r->local, &err) < 0 || open_leg(&r->remote, &err) < 0) {
        log_error("relay", NULL, "cannot open a websocket", "why=\"%s\"", err.text);
        if (r->local.ws != NULL)
            ws_close(r->local.ws, WS_CLOSE_GOING_AWAY, "");
        else
            both_closed(r);
    }
}

static void on_signal(void *ctx, int signo)
{
    struct relay *r = ctx;
    log_info("relay", NULL, "stopping", "signal=%s", io_signal_name(signo));
    r->stopping = true;
    io_loop_stop(r->loop);
}

static int prepare_leg(struct relay *r, struct leg *leg, const char *name, const char *url, struct leg *other, struct err *err)
{
    *leg = (struct leg){.relay = r, .other = other, .name = name, .message = {.max = MESSAGE_MAX}};
    if (url == NULL) {
        err_set(err, -EINVAL, "--remote URL is needed: the server's address, e.g. ws://203.0.113.5:8080");
        return ROLE_BAD_USAGE;
    }
    if (ws_url_parse(url, &leg->url, err) < 0)
        return ROLE_BAD_USAGE;
    return 0;
}

static int run(const struct role_common *common, const void *config, struct err *err)
{
    struct relay r = {0};
    const struct relay_config *c = config;
    if (c->hub.count > 0)
        return relay_hub_run(c->hub.item, c->hub.count, c->ca, common->user, err);
    int failed = prepare_leg(&r, &r.local, "laptop", c->local, &r.remote, err);
    if (!failed)
        failed = prepare_leg(&r, &r.remote, "server", c->remote, &r.local, err);
    if (!failed && (r.local.url.tls || r.remote.url.tls))
        failed = stream_tls_client(c->ca, &r.way.tls, err);
    if (!failed)
        failed = io_loop_new(&r.loop);
    if (!failed)
        failed = io_on_signals(r.loop, on_signal, &r);
    if (!failed)
        failed = io_timer_new(r.loop, on_retry, &r, &r.retry);
    if (!failed)
        failed = keeper_seal(common->user, err);
    if (!failed) {
        io_timer_start(r.retry, 0, 0);
        failed = io_loop_run(r.loop);
    }
    r.stopping = true;
    if (r.local.ws != NULL)
        ws_close(r.local.ws, WS_CLOSE_GOING_AWAY, "relay stopped");
    if (r.remote.ws != NULL)
        ws_close(r.remote.ws, WS_CLOSE_GOING_AWAY, "relay stopped");
    io_timer_close(r.retry);
    io_loop_free(r.loop);
    stream_tls_free(r.way.tls);
    message_done(&r.local.message);
    message_done(&r.remote.message);
    return failed;
}

const struct role role_relay = {
    .name = "relay",
    .summary = "the phone's part as a program: joins laptop and server without a browser",
    .example = "tether relay --local ws://169.254.134.89:6354 --remote ws://203.0.113.5:8080",
    .options = options,
    .config_size = sizeof(struct relay_config),
    .defaults = set_defaults,
    .run = run,
    .goes_before = ROLE_GOES_BEFORE,
};
