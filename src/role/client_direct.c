/*
 * role/client_direct.c - the server without a phone: the client opens the websocket itself, by a proxy where there is one, or sends UDP
 *
 * The addresses given are tried in order until one comes up; when it ends, the search begins at the first again. Below the carrier all
 * is as with a phone, so a session moves between the two without losing a flow. Direct is preferred while it answers: a phone costs
 * somebody's mobile data.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/backoff.h"
#include "base/log.h"
#include "io/names.h"
#include "io/proxy.h"
#include "io/stream.h"
#include "io/tls_psk.h"
#include "io/udp_client.h"
#include "io/underlay.h"
#include "role/client_priv.h"

enum {
    URLS_MAX = 8,
    NAME_MS = 2000,
    UP_US = 8 * 1000 * 1000, /* connected, but not up by then: try the next one */
};

struct target {
    const char *text;
    bool udp;
    struct ws_url url; /* udp: host and port only */
    struct proxy proxy;
    struct names known; /* of the proxy, if there is one */
};

struct client_direct {
    struct client *client;
    struct target target[URLS_MAX];
    size_t targets, at, place; /* place: of the target's addresses, the one that is tried (UDP; ws_dial.c tries all at once) */
    struct stream_tls *outer;
    struct ws_way way;
    struct ws *ws;           /* while it connects; the carrier's afterwards */
    struct udp_client *udp;  /* the same */
    struct names_request *asking;
    struct carrier *carrier, *given_up; /* the latter is only closing */
    struct io_timer *retry;
    struct underlay via;     /* the device in use, by the first known address */
    struct backoff backoff;  /* reset by each session: where there was one there will be another */
    uint64_t opened_us;
    bool was_up, stopping;
};

static void attempt(void *ctx);

/* --- one attempt after the other --- */

static void begin_again(struct client_direct *d, uint64_t after_ms)
{
    d->at = d->place = 0;
    if (!d->stopping)
        io_timer_start(d->retry, after_ms, 0);
}

static uint64_t pause_ms(struct client_direct *d)
{
    uint32_t random = 0;
    tls_random(&random, sizeof random);
    return backoff_pause(&d->backoff, io_now_ms(d->client->loop), random);
}

/* This one did not do: the next one at once, and after the last one a pause. */
static void try_next(struct client_direct *d)
{
    if (d->stopping)
        return;
    d->place = 0;
    if (++d->at < d->targets) {
        io_timer_start(d->retry, 0, 0);
        return;
    }
    begin_again(d, pause_ms(d));
}

/* carrier: NULL where there was no memory */
static void got_through(struct client_direct *d, struct carrier *carrier)
{
    d->carrier = carrier;
    if (carrier == NULL) {
        try_next(d);
        return;
    }
    d->opened_us = io_now_us();
    d->was_up = false;
    log_info("client", carrier_peer(carrier), "direct connection", "url=%s", d->target[d->at].text);
    client_add_carrier(d->client, carrier);
}

static void on_open(void *ctx)
{
    struct client_direct *d = ctx;
    struct client *c = d->client;
    struct ws *ws = d->ws;
    d->ws = NULL;
    if (c->carriers == CLIENT_CARRIERS_MAX) {
        ws_close(ws, WS_CLOSE_BUSY, "no room");
        try_next(d);
        return;
    }
    got_through(d, carrier_open(c->loop, ws, c->tls, true, &client_carrier_events, c));
}

static void no_way(struct client_direct *d, const char *why)
{
    log_info("client", NULL, "no direct connection", "url=%s why=\"%s\"", d->target[d->at].text, why);
    try_next(d);
}

static void on_failed(void *ctx, int code, const char *reason)
{
    struct client_direct *d = ctx;
    (void)code;
    if (d->ws == NULL || d->stopping)
        return;
    d->ws = NULL;
    no_way(d, reason);
}

static const struct ws_events events = {.open = on_open, .closed = on_failed};

/* Where the target is, as far as it is known: of several addresses the one in use. NULL: unknown */
static const struct sockaddr_storage *place(const struct client_direct *d)
{
    const struct names *known = &d->target[d->at].known;
    return known->count == 0 ? NULL : &known->addr[d->place < known->count ? d->place : 0];
}

static void note_way(struct client_direct *d)
{
    if (place(d) == NULL || underlay_find(place(d), d->client->config->tun, &d->via) < 0)
        d->via.ifname[0] = '\0';
}

/* --- UDP --- */

static void open_udp(struct client_direct *d);

static struct carrier *on_udp_ready(void *ctx, const struct carrier_wire *ops, void *wire)
{
    struct client_direct *d = ctx;
    struct client *c = d->client;
    struct carrier *carrier = NULL;
    d->udp = NULL;
    if (c->carriers < CLIENT_CARRIERS_MAX)
        carrier = carrier_open_wire(c->loop, ops, wire, c->tls_udp, true, &client_carrier_events, c);
    got_through(d, carrier);
    return carrier;
}

static void on_udp_failed(void *ctx, const char *reason)
{
    struct client_direct *d = ctx;
    d->udp = NULL;
    if (d->stopping)
        return;
    if (d->place + 1 >= d->target[d->at].known.count) {
        no_way(d, reason);
        return;
    }
    log_info("client", NULL, "no direct connection", "url=%s why=\"%s\" next=\"another address of this name\"", d->target[d->at].text, reason);
    d->place++;
    open_udp(d);
}

static const struct udp_client_events udp_events = {.ready = on_udp_ready, .failed = on_udp_failed};

/* What cannot even be asked counts as no answer. */
static void open_udp(struct client_direct *d)
{
    struct err err = {0};
    note_way(d);
    while (udp_client_open(d->client->loop, place(d), &d->via, d->client->tls_udp, &udp_events, d, &d->udp, &err) < 0) {
        if (d->place + 1 >= d->target[d->at].known.count) {
            no_way(d, err.text);
            return;
        }
        d->place++;
        note_way(d);
    }
}

static void on_names(void *ctx, int status, const struct names *found)
{
    struct client_direct *d = ctx;
    struct target *t = &d->target[d->at];
    d->asking = NULL;
    io_timer_stop(d->retry);
    if (status == 0)
        t->known = *found;
    d->place = 0;
    if (t->known.count == 0)
        no_way(d, "the name was not resolved");
    else
        open_udp(d);
}

/* The resolver was silent: what is known has to do. */
static void on_names_late(struct client_direct *d)
{
    names_forget(d->asking);
    on_names(d, -ETIMEDOUT, NULL);
}

static void attempt_udp(struct client_direct *d)
{
    struct target *t = &d->target[d->at];
    if (names_ask(d->client->loop, t->url.host, t->url.port, on_names, d, &d->asking) < 0)
        on_names(d, -EIO, NULL);
    else
        io_timer_start(d->retry, NAME_MS, 0);
}

static void attempt(void *ctx)
{
    struct client_direct *d = ctx;
    struct target *t = &d->target[d->at];
    struct err err = {0};
    if (d->asking != NULL) {
        on_names_late(d);
        return;
    }
    if (t->udp) {
        attempt_udp(d);
        return;
    }
    d->way = (struct ws_way){.tls = d->outer, .proxy = &t->proxy, .around = d->client->config->tun, .known = &t->known};
    note_way(d);
    if (ws_connect(d->client->loop, &t->url, &d->way, &events, d, &d->ws, &err) < 0) {
        log_warn("client", NULL, "no direct connection", "url=%s why=\"%s\"", t->text, err.text);
        try_next(d);
    }
}

/* --- what becomes of it --- */

bool client_direct_owns(const struct client_direct *d, const struct carrier *carrier)
{
    return d != NULL && (d->carrier == carrier || d->given_up == carrier);
}

struct carrier *client_direct_up(const struct client_direct *d)
{
    if (d == NULL || d->carrier == NULL || !carrier_path(d->carrier)->up || path_is_stale(carrier_path(d->carrier), io_now_us()))
        return NULL;
    return d->carrier;
}

void client_direct_on_closed(struct client_direct *d, const struct carrier *carrier, int failure)
{
    if (d != NULL && d->given_up == carrier)
        d->given_up = NULL;
    if (d == NULL || d->carrier != carrier)
        return;
    bool did = d->was_up || (carrier_path(d->carrier)->up && failure == 0);
    d->carrier = NULL;
    if (!did) {
        try_next(d);
        return;
    }
    backoff_reset(&d->backoff);
    begin_again(d, pause_ms(d));
}

/* Do not wait for its end, which may take as long as it is silent. */
static void give_up(struct client_direct *d, const char *why)
{
    struct carrier *carrier = d->carrier;
    log_info("client", carrier_peer(carrier), "direct connection given up", "why=\"%s\"", why);
    d->carrier = NULL;
    d->given_up = carrier;
    carrier_close(carrier, WS_CLOSE_GOING_AWAY, why);
}

void client_direct_tick(struct client_direct *d)
{
    if (d == NULL || d->carrier == NULL)
        return;
    const struct path *path = carrier_path(d->carrier);
    const struct sockaddr_storage *to = place(d);
    struct underlay via;
    if (path->up && !d->was_up) {
        d->was_up = true;
        backoff_reset(&d->backoff);
    }
    int lost = to != NULL ? underlay_find(to, d->client->config->tun, &via) : 0;
    if (!path->up && io_now_us() > d->opened_us + UP_US) {
        give_up(d, "no answer");
        try_next(d);
    } else if (path_is_stale(path, io_now_us())) {
        give_up(d, "no answer any more");
        begin_again(d, 0);
    } else if (d->target[d->at].udp && !lost && strcmp(via.ifname, d->via.ifname) != 0) {
        log_info("client", carrier_peer(d->carrier), "another network leads to the server", "device=%s", via.ifname);
        if (udp_client_move(carrier_wire_ctx(d->carrier), &via) == 0) {
            d->via = via;
            path_moved(carrier_path(d->carrier), io_now_us());
        }
    } else if (!d->target[d->at].udp && to != NULL && (lost || strcmp(via.ifname, d->via.ifname) != 0)) {
        give_up(d, lost ? "no network leads to the server" : "another network leads to the server");
        begin_again(d, lost ? pause_ms(d) : 0);
    }
}

/* --- life --- */

static int add_target(struct client_direct *d, const char *text, struct err *err)
{
    struct target *t = &d->target[d->targets];
    t->text = text;
    if (strncasecmp(text, "udp:", 4) == 0) {
        t->udp = true;
        d->targets++;
        return udp_url_parse(text, t->url.host, sizeof t->url.host, &t->url.port, err) < 0 ? ROLE_BAD_USAGE : 0;
    }
    d->targets++;
    return client_direct_url(d->client->config, text, &t->url, &t->proxy, err);
}

int client_direct_new(struct client *c, struct client_direct **ret_direct, struct err *err)
{
    struct client_direct *d = calloc(1, sizeof *d);
    const struct opt_texts *urls = &c->config->direct;
    bool tls = false, udp = false;
    if (d == NULL)
        return -ENOMEM;
    d->client = c;
    int failed = 0;
    if (urls->count > URLS_MAX) {
        err_set(err, -EINVAL, "--direct %s: the %dth address; at most %d are tried", urls->item[URLS_MAX], URLS_MAX + 1, URLS_MAX);
        failed = ROLE_BAD_USAGE;
    }
    for (size_t i = 0; i < urls->count && !failed; i++) {
        failed = add_target(d, urls->item[i], err);
        tls = tls || d->target[i].url.tls;
        udp = udp || d->target[i].udp;
    }
    if (!failed && tls)
        failed = stream_tls_client(c->config->ca, &d->outer, err);
    if (!failed && udp && !c->config->plain)
        failed = tls_context_new_datagrams(false, c->key, &c->tls_udp, err);
    if (!failed)
        failed = io_timer_new(c->loop, attempt, d, &d->retry);
    *ret_direct = d; /* half built is freed as well */
    return failed;
}

void client_direct_resolve(struct client_direct *d)
{
    for (size_t i = 0; i < d->targets; i++) {
        struct target *t = &d->target[i];
        bool proxy = t->proxy.host[0] != '\0';
        int failed = names_now(d->client->loop, proxy ? t->proxy.host : t->url.host, proxy ? t->proxy.port : t->url.port, &t->known);
        if (failed)
            log_info("client", NULL, "address unknown so far", "host=%s", proxy ? t->proxy.host : t->url.host);
    }
}

void client_direct_start(struct client_direct *d)
{
    io_timer_start(d->retry, 0, 0);
}

void client_direct_stop(struct client_direct *d)
{
    if (d == NULL)
        return;
    d->stopping = true;
    io_timer_close(d->retry);
    d->retry = NULL;
    names_forget(d->asking);
    d->asking = NULL;
    if (d->udp != NULL)
        udp_client_abandon(d->udp);
    if (d->ws != NULL)
        ws_close(d->ws, WS_CLOSE_GOING_AWAY, "client stopped");
    if (d->carrier != NULL)
        carrier_close(d->carrier, WS_CLOSE_GOING_AWAY, "client stopped");
}

void client_direct_free(struct client_direct *d)
{
    if (d == NULL)
        return;
    stream_tls_free(d->outer);
    free(d);
}
