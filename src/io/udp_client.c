/* io/udp_client.c - see udp_client.h */
#include "io/udp_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "io/names.h"
#include "io/udp.h"
#include "tunnel/datagram.h"

enum { ASK_MS = 250, ASK_MAX_MS = 2000, GIVE_UP_MS = 5000, MESSAGE_MAX = 2048 };
enum { OVERHEAD_4 = 20 + 8 + DATAGRAM_HEAD_LEN + TLS_DATAGRAM_OVERHEAD, OVERHEAD_6 = OVERHEAD_4 + 20 };

enum udp_client_state { ASKING, READY, ENDING };

struct udp_client {
    struct io_loop *loop;
    struct udp *udp;
    struct udp_peer server;
    struct tls_context *tls;
    const struct udp_client_events *events;
    void *ctx;
    struct io_timer *timer; /* asking: repeats; ending: from the loop */
    enum udp_client_state state;
    struct carrier *carrier;
    uint64_t id, server_id; /* server_id 0: not known yet */
    uint8_t cookie[DATAGRAM_COOKIE_LEN], proof[TLS_PROOF_LEN];
    uint64_t pause_ms, give_up_ms;
    int ws_code;
    char reason[96], name[64];
    bool unheard;           /* ending: failed() is still to be told */
};

int udp_url_parse(const char *text, char *ret_host, size_t cap, uint16_t *ret_port, struct err *err)
{
    struct ws_url url;
    char as_ws[600];
    struct err ignored = {0};
    const char *rest = strncasecmp(text, "udp://", 6) == 0 ? text + 6 : NULL;
    if (rest != NULL && strlen(rest) < 500) { /* the same rules */
        bool six = rest[0] == '[';
        const char *colon = strchr(six ? rest + strcspn(rest, "]") : rest, ':');
        snprintf(as_ws, sizeof as_ws, "ws://%s%s", rest, colon == NULL ? ":3000" : "");
        if (strchr(rest, '/') == NULL && ws_url_parse(as_ws, &url, &ignored) == 0 && strlen(url.host) < cap) {
            snprintf(ret_host, cap, "%s", url.host);
            *ret_port = url.port;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "%s: not an address of this kind; a good one looks like udp://203.0.113.5:3000", text);
}

/* --- its end --- */

static void on_ending(void *ctx)
{
    struct udp_client *c = ctx;
    if (c->carrier != NULL)
        carrier_closed(c->carrier, c->ws_code, c->reason);
    else if (c->unheard)
        c->events->failed(c->ctx, c->reason);
    udp_close(c->udp);
    io_timer_close(c->timer);
    free(c);
}

static void end(struct udp_client *c, int ws_code, const char *reason)
{
    if (c->state == ENDING)
        return;
    c->unheard = c->state == ASKING;
    c->state = ENDING;
    c->ws_code = ws_code;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    io_timer_start(c->timer, 0, 0);
}

void udp_client_abandon(struct udp_client *c)
{
    end(c, WS_CLOSE_GOING_AWAY, "given up");
    c->unheard = false;
}

/* --- a carrier's wire --- */

static int wire_send(void *wire, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct udp_client *c = wire;
    (void)opcode;
    if (c->state == ENDING)
        return -EPIPE;
    if (c->server_id != 0 || c->tls == NULL) {
        udp_send(c->udp, &c->server, data, len); /* what is lost is lost */
        return 0;
    }
    uint8_t message[MESSAGE_MAX];
    struct datagram head = {.type = DATAGRAM_INIT, .id = c->id, .cookie = c->cookie, .proof = c->proof};
    size_t at = datagram_put(message, &head), body = len - DATAGRAM_HEAD_LEN;
    if (body > sizeof message - at)
        return -EMSGSIZE;
    memcpy(message + at, data + DATAGRAM_HEAD_LEN, body);
    udp_send(c->udp, &c->server, message, at + body);
    return 0;
}

static void wire_head(void *wire, uint8_t *out)
{
    const struct udp_client *c = wire;
    struct datagram head = {.type = DATAGRAM_DATA, .id = c->server_id};
    datagram_put(out, &head);
}

static bool wire_congested(void *wire)
{
    const struct udp_client *c = wire;
    return c->state == ENDING || udp_congested(c->udp);
}

static void wire_batch(void *wire, bool on)
{
    const struct udp_client *c = wire;
    if (c->state != ENDING)
        udp_batch(c->udp, on);
}

static void wire_close(void *wire, int ws_code, const char *reason)
{
    end(wire, ws_code, reason);
}

static const char *wire_peer(void *wire)
{
    const struct udp_client *c = wire;
    return c->name;
}

#define WIRE .send = wire_send, .congested = wire_congested, .close = wire_close, .peer = wire_peer
#define KEYED WIRE, .head = wire_head, .head_len = DATAGRAM_HEAD_LEN, .batch = wire_batch
static const struct carrier_wire plain_wire = {WIRE}, wire_4 = {KEYED, .datagram_overhead = OVERHEAD_4},
                                 wire_6 = {KEYED, .datagram_overhead = OVERHEAD_6};

/* --- asking, and what comes --- */

static void ask(struct udp_client *c)
{
    uint8_t message[DATAGRAM_INIT_LEN];
    struct datagram head = {.type = DATAGRAM_INIT, .id = c->id, .cookie = c->cookie, .proof = c->proof};
    udp_send(c->udp, &c->server, message, datagram_put(message, &head));
    io_timer_start(c->timer, c->pause_ms, 0);
    c->pause_ms = c->pause_ms * 2 > ASK_MAX_MS ? ASK_MAX_MS : c->pause_ms * 2;
}

static void become_ready(struct udp_client *c)
{
    const struct carrier_wire *keyed = c->server.addr.ss_family == AF_INET6 ? &wire_6 : &wire_4;
    c->state = READY;
    io_timer_stop(c->timer);
    c->carrier = c->events->ready(c->ctx, c->tls == NULL ? &plain_wire : keyed, c);
    if (c->carrier == NULL)
        end(c, WS_CLOSE_BUSY, "out of memory");
}

static void on_timer(void *ctx)
{
    struct udp_client *c = ctx;
    if (c->state == ENDING)
        on_ending(c);
    else if (c->tls == NULL)
        become_ready(c);
    else if (io_now_ms(c->loop) >= c->give_up_ms)
        end(c, WS_CLOSE_GOING_AWAY, "no answer within 5 s");
    else
        ask(c);
}

static void on_retry(struct udp_client *c, const struct datagram *d)
{
    uint8_t proven[8 + DATAGRAM_COOKIE_LEN];
    if (c->server_id != 0)
        return;
    memcpy(c->cookie, d->cookie, sizeof c->cookie);
    put_be64(proven, c->id);
    memcpy(proven + 8, c->cookie, DATAGRAM_COOKIE_LEN);
    tls_proof(c->tls, proven, sizeof proven, c->proof);
    if (c->state == ASKING)
        become_ready(c);
}

static void on_refused(struct udp_client *c, const struct datagram *d)
{
    static const struct {
        int reason, ws_code;
        const char *text;
    } words[] = {{DATAGRAM_WRONG_KEY, WS_CLOSE_WRONG_KEY, "wrong key"},
                 {DATAGRAM_BUSY, WS_CLOSE_BUSY, "the server has no room for another laptop"},
                 {DATAGRAM_PLAIN, WS_CLOSE_NO_KEY_SPOKEN, "the server is --plain"}};
    if (c->server_id != 0) /* anybody could say so now */
        return;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].reason != d->reason)
            continue;
        if (c->carrier != NULL)
            carrier_close(c->carrier, words[i].ws_code, words[i].text);
        else
            end(c, words[i].ws_code, words[i].text);
    }
}

static void on_datagram(void *ctx, uint8_t *data, size_t len, const struct udp_peer *from)
{
    struct udp_client *c = ctx;
    struct datagram d;
    if (c->state == ENDING)
        return;
    if (c->tls == NULL) {
        if (c->carrier != NULL && udp_same(from, &c->server))
            carrier_receive(c->carrier, WS_BINARY, data, len, true);
        return;
    }
    if (datagram_parse(data, len, &d) < 0 || d.id != c->id)
        return;
    if (d.type == DATAGRAM_RETRY)
        on_retry(c, &d);
    else if (d.type == DATAGRAM_REFUSED)
        on_refused(c, &d);
    else if (c->carrier != NULL && (d.type == DATAGRAM_DATA || d.type == DATAGRAM_ANSWER)) {
        if (c->server_id == 0 && d.type == DATAGRAM_ANSWER)
            c->server_id = d.server_id;
        carrier_receive(c->carrier, WS_BINARY, d.body, d.body_len, true);
    }
}

static void on_rest(void *ctx)
{
    struct udp_client *c = ctx;
    if (c->state != ENDING && c->carrier != NULL)
        carrier_settle(c->carrier);
}

static const struct udp_events udp_events = {.datagram = on_datagram, .rest = on_rest};

/* --- life --- */

int udp_client_open(struct io_loop *loop, const struct sockaddr_storage *to, const struct underlay *via, struct tls_context *tls,
                    const struct udp_client_events *events, void *ctx, struct udp_client **ret_client, struct err *err)
{
    struct udp_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    *c = (struct udp_client){.loop = loop, .tls = tls, .events = events, .ctx = ctx, .pause_ms = ASK_MS, .server = {.addr = *to},
                             .give_up_ms = io_now_ms(loop) + GIVE_UP_MS};
    names_text(to, c->name, sizeof c->name);
    int failed = tls_random(&c->id, sizeof c->id);
    if (!failed)
        failed = udp_open(loop, to->ss_family == AF_INET6 ? "::" : "0.0.0.0", 0, tls == NULL, &udp_events, c, &c->udp, err);
    if (!failed && (failed = udp_bind(c->udp, via)) < 0)
        err_set(err, failed, "device %s: %s", via->ifname, strerror(-failed));
    if (!failed)
        failed = io_timer_new(loop, on_timer, c, &c->timer);
    if (failed) {
        udp_close(c->udp);
        free(c);
        return failed;
    }
    io_timer_start(c->timer, 0, 0);
    *ret_client = c;
    return 0;
}

int udp_client_move(struct udp_client *c, const struct underlay *via)
{
    return udp_bind(c->udp, via);
}
