/* io/udp_server.c - see udp_server.h */
#include "io/udp_server.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/siphash.h"
#include "io/names.h"
#include "io/udp.h"
#include "io/udp_cookie.h"
#include "tunnel/datagram.h"

enum {
    CONNS_MAX = 512,
    BUCKETS = 1024,
    TICK_MS = 1000,
    PLAIN_IDLE_MS = 300000, /* a plain laptop says no goodbye */
    MESSAGE_MAX = 2048,     /* of a handshake's datagram */
};
/* IPv4 or IPv6, UDP, the head and a record around it. */
enum { OVERHEAD_4 = 20 + 8 + DATAGRAM_HEAD_LEN + TLS_DATAGRAM_OVERHEAD, OVERHEAD_6 = OVERHEAD_4 + 20 };

struct conn {
    struct udp_server *server;
    struct conn *next; /* in its bucket */
    struct conn *next_ending;
    uint64_t id, client_id; /* plain: both 0 */
    struct udp_peer peer, candidate;
    const struct udp_peer *from; /* of the datagram being worked off */
    uint64_t challenge;          /* sent to the candidate; 0: there is none */
    uint64_t challenged_ms, heard_ms;
    struct carrier *carrier;
    bool answered;               /* the laptop uses our id */
    bool ending;
    int ws_code;
    char reason[64], name[64];
};

struct udp_server {
    struct io_loop *loop;
    struct udp *udp;
    struct tls_context *tls;
    struct carrier *(*accept)(void *ctx, const struct carrier_wire *ops, void *wire);
    void *ctx;
    struct io_timer *tick, *reaper;
    struct conn *bucket[BUCKETS], *ending;
    struct conn *heard; /* whose datagrams are coming; NULL: none are */
    size_t conns;
    struct siphash_key seed;
    struct udp_cookies cookies;
    bool closing;
    struct udp_server_stats stats;
};

/* --- the table --- */

static uint64_t addr_hash(const struct udp_server *s, const struct udp_peer *peer)
{
    uint64_t part[3] = {0};
    if (peer->addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&peer->addr;
        memcpy(part, &six->sin6_addr, 16);
        part[2] = six->sin6_port;
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&peer->addr;
        part[0] = four->sin_addr.s_addr;
        part[2] = four->sin_port;
    }
    return siphash13_2(&s->seed, part[0] ^ part[1], part[2]);
}

static struct conn **bucket_of(struct udp_server *s, const struct conn *c)
{
    return &s->bucket[(s->tls != NULL ? c->id : addr_hash(s, &c->peer)) % BUCKETS];
}

static struct conn *by_id(struct udp_server *s, uint64_t id)
{
    struct conn *c = s->bucket[id % BUCKETS];
    while (c != NULL && c->id != id)
        c = c->next;
    return c;
}

static struct conn *by_addr(struct udp_server *s, const struct udp_peer *peer)
{
    struct conn *c = s->bucket[addr_hash(s, peer) % BUCKETS];
    while (c != NULL && !udp_same(&c->peer, peer))
        c = c->next;
    return c;
}

/* Only while a laptop begins, and has shown the key. */
static struct conn *by_client_id(struct udp_server *s, uint64_t client_id)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct conn *c = s->bucket[i]; c != NULL; c = c->next)
            if (c->client_id == client_id)
                return c;
    return NULL;
}

static void remove_conn(struct udp_server *s, struct conn *c)
{
    struct conn **at = bucket_of(s, c);
    while (*at != NULL && *at != c)
        at = &(*at)->next;
    if (*at == c) {
        *at = c->next;
        s->conns--;
    }
}

/* --- a carrier's wire --- */

static int wire_send(void *wire, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct conn *c = wire;
    (void)opcode;
    if (c->ending)
        return -EPIPE;
    if (c->answered || c->server->tls == NULL) {
        udp_send(c->server->udp, &c->peer, data, len); /* what is lost is lost */
        return 0;
    }
    uint8_t message[MESSAGE_MAX];
    struct datagram head = {.type = DATAGRAM_ANSWER, .id = c->client_id, .server_id = c->id};
    size_t at = datagram_put(message, &head), body = len - DATAGRAM_HEAD_LEN;
    if (body > sizeof message - at)
        return -EMSGSIZE;
    memcpy(message + at, data + DATAGRAM_HEAD_LEN, body);
    udp_send(c->server->udp, &c->peer, message, at + body);
    return 0;
}

static void wire_head(void *wire, uint8_t *out)
{
    const struct conn *c = wire;
    struct datagram head = {.type = DATAGRAM_DATA, .id = c->client_id};
    datagram_put(out, &head);
}

static bool wire_congested(void *wire)
{
    const struct conn *c = wire;
    return c->ending || udp_congested(c->server->udp);
}

static void wire_batch(void *wire, bool on)
{
    const struct conn *c = wire;
    if (!c->ending)
        udp_batch(c->server->udp, on);
}

static void wire_close(void *wire, int ws_code, const char *reason)
{
    struct conn *c = wire;
    struct udp_server *s = c->server;
    if (c->ending)
        return;
    c->ending = true;
    if (s->heard == c)
        s->heard = NULL;
    c->ws_code = ws_code;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    remove_conn(s, c);
    c->next_ending = s->ending;
    s->ending = c;
    io_timer_start(s->reaper, 0, 0);
}

static const char *wire_peer(void *wire)
{
    const struct conn *c = wire;
    return c->name;
}

/* The candidate is where it says: it moves in. */
static void wire_pong(void *wire, uint64_t mark)
{
    struct conn *c = wire;
    if (c->challenge == 0 || mark != c->challenge || c->from == NULL || !udp_same(c->from, &c->candidate))
        return;
    c->challenge = 0;
    c->peer = *c->from;
    c->server->stats.moves++;
    names_text(&c->peer.addr, c->name, sizeof c->name);
    log_info("server", c->name, "laptop moved here", NULL);
}

#define WIRE .send = wire_send, .congested = wire_congested, .close = wire_close, .peer = wire_peer
#define KEYED WIRE, .head = wire_head, .head_len = DATAGRAM_HEAD_LEN, .batch = wire_batch, .pong = wire_pong
static const struct carrier_wire plain_wire = {WIRE}, wire_4 = {KEYED, .datagram_overhead = OVERHEAD_4},
                                 wire_6 = {KEYED, .datagram_overhead = OVERHEAD_6};

/* Those whose end was told may go; from the loop, so that nobody is freed below its own feet. */
static void reap(void *ctx)
{
    struct udp_server *s = ctx;
    while (s->ending != NULL) {
        struct conn *c = s->ending;
        s->ending = c->next_ending;
        if (c->carrier != NULL)
            carrier_closed(c->carrier, c->ws_code, c->reason);
        free(c);
    }
    if (!s->closing)
        return;
    io_timer_close(s->reaper);
    free(s);
}

static struct conn *open_conn(struct udp_server *s, const struct udp_peer *from, uint64_t client_id)
{
    struct conn *c = s->conns < CONNS_MAX ? calloc(1, sizeof *c) : NULL;
    if (c == NULL)
        return NULL;
    c->server = s;
    c->peer = *from;
    c->client_id = client_id;
    c->heard_ms = io_now_ms(s->loop);
    names_text(&from->addr, c->name, sizeof c->name);
    do {
        if (s->tls != NULL && tls_random(&c->id, sizeof c->id) < 0) {
            free(c);
            return NULL;
        }
    } while (s->tls != NULL && (c->id == 0 || by_id(s, c->id) != NULL));
    struct conn **at = bucket_of(s, c);
    c->next = *at;
    *at = c;
    s->conns++;
    s->stats.connections++;
    c->carrier = s->accept(s->ctx, s->tls == NULL ? &plain_wire : from->addr.ss_family == AF_INET6 ? &wire_6 : &wire_4, c);
    if (c->carrier == NULL) {
        remove_conn(s, c);
        free(c);
        return NULL;
    }
    return c;
}

/* From now on it is this one that is heard, or nobody: what the one before holds to be joined goes on. */
static void turn_to(struct udp_server *s, struct conn *c)
{
    struct conn *before = s->heard;
    s->heard = c;
    if (before != NULL && before != c)
        carrier_settle(before->carrier);
}

static void hear(struct udp_server *s, struct conn *c, const struct datagram *d)
{
    turn_to(s, c);
    carrier_receive(c->carrier, WS_BINARY, d->body, d->body_len, true);
}

/* --- who may come in --- */

static void answer_short(struct udp_server *s, const struct udp_peer *to, const struct datagram *head)
{
    uint8_t message[DATAGRAM_INIT_LEN];
    udp_send(s->udp, to, message, datagram_put(message, head));
}

static void on_init(struct udp_server *s, const struct datagram *d, const struct udp_peer *from)
{
    uint8_t cookie[DATAGRAM_COOKIE_LEN], proof[TLS_PROOF_LEN], proven[8 + DATAGRAM_COOKIE_LEN];
    struct datagram refused = {.type = DATAGRAM_REFUSED, .id = d->id};
    if (!udp_cookie_is_good(&s->cookies, from, d->id, d->cookie)) {
        struct datagram retry = {.type = DATAGRAM_RETRY, .id = d->id, .cookie = cookie};
        udp_cookie_make(&s->cookies, from, d->id, cookie);
        s->stats.retries++;
        answer_short(s, from, &retry);
        return;
    }
    put_be64(proven, d->id);
    memcpy(proven + 8, d->cookie, DATAGRAM_COOKIE_LEN);
    tls_proof(s->tls, proven, sizeof proven, proof);
    if (CRYPTO_memcmp(proof, d->proof, sizeof proof) != 0) {
        char name[64];
        names_text(&from->addr, name, sizeof name);
        if (s->stats.wrong_keys++ % 1000 == 0)
            log_warn("server", name, "connection refused", "why=\"%s\"", carrier_failure_text(-EKEYREJECTED));
        refused.reason = DATAGRAM_WRONG_KEY;
        answer_short(s, from, &refused);
        return;
    }
    struct conn *c = by_client_id(s, d->id);
    if (c != NULL && !udp_same(&c->peer, from))
        return;
    if (c == NULL && d->body_len > 0)
        c = open_conn(s, from, d->id);
    if (c == NULL) {
        s->stats.refused_busy++;
        refused.reason = DATAGRAM_BUSY;
        answer_short(s, from, &refused);
    } else if (d->body_len > 0) {
        hear(s, c, d);
    }
}

/* It came from elsewhere and is genuine: ask there, once a second, and answer where it was until then. */
static void challenge(struct conn *c, const struct udp_peer *from)
{
    struct udp_peer before = c->peer;
    uint8_t frame[FRAME_HEADER_LEN + 8];
    uint64_t now_ms = io_now_ms(c->server->loop);
    if (c->ending || (c->challenge != 0 && udp_same(from, &c->candidate) && now_ms < c->challenged_ms + 1000))
        return;
    if (tls_random(&c->challenge, sizeof c->challenge) < 0)
        return;
    c->challenge = (c->challenge & (UINT64_MAX >> 8)) | (uint64_t)PATH_MARK << 56;
    c->candidate = *from;
    c->challenged_ms = now_ms;
    c->peer = *from;
    path_control(carrier_path(c->carrier), frame, frame_put_ping(frame, FRAME_PING, c->challenge));
    c->peer = before;
}

static void on_keyed(struct udp_server *s, const uint8_t *data, size_t len, const struct udp_peer *from)
{
    struct datagram d;
    if (datagram_parse(data, len, &d) < 0 || (d.type != DATAGRAM_INIT && d.type != DATAGRAM_DATA)) {
        s->stats.malformed++;
        return;
    }
    if (d.type == DATAGRAM_INIT) {
        on_init(s, &d, from);
        return;
    }
    struct conn *c = by_id(s, d.id);
    if (c == NULL) {
        s->stats.unknown_ids++;
        return;
    }
    uint64_t heard = carrier_heard(c->carrier);
    bool here = udp_same(&c->peer, from);
    if (!here && !c->answered) /* not before it is up */
        return;
    c->from = from;
    hear(s, c, &d);
    c->from = NULL;
    if (carrier_heard(c->carrier) == heard) /* nothing genuine was in it */
        return;
    c->answered = true;
    if (!here && !udp_same(&c->peer, from))
        challenge(c, from);
}

static void on_plain(struct udp_server *s, const uint8_t *data, size_t len, const struct udp_peer *from)
{
    struct datagram d;
    if (datagram_parse(data, len, &d) == 0 && d.type == DATAGRAM_INIT) { /* it wants a key */
        struct datagram refused = {.type = DATAGRAM_REFUSED, .id = d.id, .reason = DATAGRAM_PLAIN};
        answer_short(s, from, &refused);
        return;
    }
    struct conn *c = by_addr(s, from);
    if (c == NULL && len > 0 && data[0] >> 4 == 4)
        c = open_conn(s, from, 0);
    if (c == NULL) {
        s->stats.malformed++;
        return;
    }
    c->heard_ms = io_now_ms(s->loop);
    carrier_receive(c->carrier, WS_BINARY, data, len, true);
}

static void on_datagram(void *ctx, uint8_t *data, size_t len, const struct udp_peer *from)
{
    struct udp_server *s = ctx;
    if (s->closing)
        return;
    if (s->tls != NULL)
        on_keyed(s, data, len, from);
    else
        on_plain(s, data, len, from);
}

static void on_rest(void *ctx)
{
    turn_to(ctx, NULL);
}

static const struct udp_events udp_events = {.datagram = on_datagram, .rest = on_rest};

/* --- life --- */

static void on_tick(void *ctx)
{
    struct udp_server *s = ctx;
    uint64_t now_ms = io_now_ms(s->loop);
    udp_cookies_tick(&s->cookies, now_ms);
    for (size_t i = 0; i < BUCKETS && s->tls == NULL; i++) {
        for (struct conn *c = s->bucket[i], *next; c != NULL; c = next) {
            next = c->next;
            if (now_ms > c->heard_ms + PLAIN_IDLE_MS)
                carrier_close(c->carrier, WS_CLOSE_GOING_AWAY, "nothing heard for five minutes");
        }
    }
}

int udp_server_open(struct io_loop *loop, const char *addr, uint16_t port, struct tls_context *tls,
                    struct carrier *(*accept)(void *ctx, const struct carrier_wire *ops, void *wire), void *ctx, struct udp_server **ret_server, struct err *err)
{
    struct udp_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *s = (struct udp_server){.loop = loop, .tls = tls, .accept = accept, .ctx = ctx};
    int failed = udp_cookies_init(&s->cookies, io_now_ms(loop));
    if (!failed)
        failed = tls_random(&s->seed, sizeof s->seed);
    if (!failed)
        failed = udp_open(loop, addr, port, tls == NULL, &udp_events, s, &s->udp, err);
    if (!failed)
        failed = io_timer_new(loop, on_tick, s, &s->tick);
    if (!failed)
        failed = io_timer_new(loop, reap, s, &s->reaper);
    if (failed) {
        udp_close(s->udp);
        io_timer_close(s->tick);
        free(s);
        return failed;
    }
    io_timer_start(s->tick, TICK_MS, TICK_MS);
    *ret_server = s;
    return 0;
}

const struct udp_server_stats *udp_server_stats(const struct udp_server *server)
{
    return &server->stats;
}

uint16_t udp_server_port(const struct udp_server *server)
{
    return udp_port(server->udp);
}

void udp_server_close(struct udp_server *s)
{
    if (s == NULL || s->closing)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (s->bucket[i] != NULL)
            carrier_close(s->bucket[i]->carrier, WS_CLOSE_GOING_AWAY, "server stopped");
    s->closing = true;
    io_timer_close(s->tick);
    udp_close(s->udp);
    s->udp = NULL;
    io_timer_start(s->reaper, 0, 0);
}
