/*
 * role/client.c - tether client: the laptop
 *
 *     apps -> TUN -> session queue -> path -> TLS -> websocket -> the phone's page -> server
 *
 * This file wires: what arrives at one part is handed to the next. The phone comes to us: we listen, serve the page, and take every
 * websocket at /websocket as a carrier; the newest one that reaches the server is used.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/carrier.h"
#include "io/control.h"
#include "io/host.h"
#include "io/http_server.h"
#include "io/tun.h"
#include "role/page_state.h"
#include "role/secret.h"
#include "tether/packet.h"

#define LAPTOP_ADDR "169.254.134.89"
static const struct host_cidr laptop_cidr = {.addr = 0xa9fe8659, .len = 16};

enum {
    CARRIERS_MAX = 8,
    LISTENERS_MAX = 1 + OPT_TEXTS_MAX,
    POOL_BYTES = 16 * 1024 * 1024,
    TICK_MS = 1000,
    URL_MAX = 800,
};

struct client_config {
    const char *wifi, *server, *key, *tun, *address, *dns;
    struct opt_texts listen, routes;
    long port, mtu;
    bool plain;
};

struct client {
    const struct client_config *config;
    const struct role_common *common;
    char server_url[URL_MAX], laptop_url[96];
    struct host_cidr inside;
    uint8_t key[TLS_KEY_LEN];

    struct io_loop *loop;
    struct host *host;
    struct tls_context *tls;
    struct pbuf_pool *pool;
    struct tun *tun;
    struct io_timer *tick;
    struct io_hook *flush;
    struct control *control;
    struct http_server *listener[LISTENERS_MAX];
    size_t listeners;

    struct session session;
    struct carrier *carrier[CARRIERS_MAX];
    size_t carriers;
    int last_failure; /* of the newest carrier that ended; 0 after one came up */
    uint32_t dns[FRAME_DNS_MAX];
    size_t dns_count; /* what names are resolved by now */
    uint64_t refused_ipv6, refused_carriers, tun_refused;
};

static const struct opt options[] = {
    {"wifi", 0, OPT_TEXT, offsetof(struct client_config, wifi), "IFACE",
     "Wi-Fi device shared with the phone; gets " LAPTOP_ADDR "/16 (this or --listen)", 0, 0},
    {"server", 0, OPT_TEXT, offsetof(struct client_config, server), "URL",
     "the server, e.g. ws://203.0.113.5:8080 (default: as last time; else the page asks)", 0, 0},
    {"key", 0, OPT_TEXT, offsetof(struct client_config, key), "KEY|@FILE",
     "the server's key, or its file (default: as last time; else it is asked for)", 0, 0},
    {"listen", 0, OPT_TEXTS, offsetof(struct client_config, listen), "ADDR",
     "serve the page at this address of the laptop too", 0, 0},
    {"port", 0, OPT_NUMBER, offsetof(struct client_config, port), "N",
     "port of the page and its websocket (default 6354)", 1, 65535},
    {"tun", 0, OPT_TEXT, offsetof(struct client_config, tun), "NAME", "name of the TUN device (default tun0)", 0, 0},
    {"address", 0, OPT_TEXT, offsetof(struct client_config, address), "ADDR",
     "IPv4 address of the TUN device (default 10.0.0.1)", 0, 0},
    {"mtu", 0, OPT_NUMBER, offsetof(struct client_config, mtu), "N", "MTU of the TUN device (default 1500)", 576, 1500},
    {"route", 0, OPT_TEXTS, offsetof(struct client_config, routes), "CIDR",
     "send only this network through the tunnel, instead of everything", 0, 0},
    {"dns", 0, OPT_TEXT, offsetof(struct client_config, dns), "ADDR|none",
     "DNS server to use; none: leave DNS alone (default: the one the server names)", 0, 0},
    {"plain", 0, OPT_FLAG, offsetof(struct client_config, plain), "",
     "no key, no encryption, as other implementations speak; the server needs it too", 0, 0},
    {0},
};

static void set_defaults(void *config)
{
    *(struct client_config *)config = (struct client_config){.tun = "tun0", .address = "10.0.0.1", .port = 6354, .mtu = 1500};
}

/* --- packets --- */

/* From the TUN: IPv4 into the tunnel, IPv6 refused at once rather than left to time out or to leak elsewhere. */
static void on_tun_packet(void *ctx, struct pbuf *take_b)
{
    struct client *c = ctx;
    if (take_b->len > 0 && take_b->data[0] >> 4 == 4) {
        session_send(&c->session, take_b, io_now_us());
        return;
    }
    uint8_t answer[1280];
    size_t len = icmp6_make_unreachable(answer, sizeof answer, take_b->data, take_b->len);
    if (len > 0) {
        tun_write(c->tun, answer, len, NULL);
        c->refused_ipv6++;
    }
    pbuf_put(c->pool, take_b);
}

static void on_packet(void *ctx, struct carrier *carrier, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct client *c = ctx;
    (void)carrier;
    if (c->tun == NULL || len < IP4_MIN_LEN || packet[0] >> 4 != 4 || tun_write(c->tun, packet, len, offload) < 0)
        c->tun_refused++;
}

static uint64_t on_flush(void *ctx)
{
    struct client *c = ctx;
    session_flush(&c->session, io_now_us());
    return session_due_us(&c->session);
}

/* --- carriers --- */

static void on_ready(void *ctx, struct carrier *carrier)
{
    struct client *c = ctx;
    struct frame_hello hello = {.version = FRAME_VERSION, .mtu = (uint16_t)c->config->mtu, .inside = c->inside.addr};
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    memcpy(hello.token, c->session.token, FRAME_TOKEN_LEN);
    path_control(carrier_path(carrier), frame, frame_put_hello(frame, &hello));
}

/* Names resolve by --dns, else by what the server says; set once it is known, again when it changes. */
static void set_dns(struct client *c, const uint32_t *addrs, size_t count)
{
    struct err err = {0};
    if (count == 0 || (count == c->dns_count && memcmp(addrs, c->dns, count * sizeof *addrs) == 0))
        return;
    if (host_dns_set(c->host, c->config->tun, addrs, count, &err) < 0) {
        log_warn("client", NULL, "names are not resolved through the tunnel", "why=\"%s\"", err.text);
        return;
    }
    memcpy(c->dns, addrs, count * sizeof *addrs);
    c->dns_count = count;
}

static void use_carrier(struct client *c, struct carrier *carrier)
{
    carrier_path(carrier)->up = true;
    struct path *evicted = session_attach(&c->session, carrier_path(carrier));
    if (evicted != NULL)
        carrier_close(carrier_of(evicted), WS_CLOSE_GOING_AWAY, "enough phones");
    c->last_failure = 0;
}

static int on_welcome(void *ctx, struct carrier *carrier, const struct frame_welcome *welcome)
{
    struct client *c = ctx;
    char external[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(welcome->external)};
    if (welcome->version != FRAME_VERSION)
        return -EPROTONOSUPPORT;
    if (carrier_path(carrier)->up)
        return -EPROTO;
    use_carrier(c, carrier);
    inet_ntop(AF_INET, &in, external, sizeof external);
    log_info("client", carrier_peer(carrier), "session up", "external=%s session=%s", external,
             welcome->flags & WELCOME_RESUMED ? "resumed" : "new");
    if (c->config->dns == NULL)
        set_dns(c, welcome->dns, welcome->dns_count);
    return 0;
}

static void on_bye(void *ctx, struct carrier *carrier, const struct frame_bye *bye)
{
    (void)ctx;
    log_info("client", carrier_peer(carrier), "server says goodbye", "code=%u reason=\"%s\"", bye->code, bye->text);
}

static void on_closed(void *ctx, struct carrier *carrier, int failure, const char *reason)
{
    struct client *c = ctx;
    session_detach(&c->session, carrier_path(carrier), io_now_us());
    for (size_t i = 0; i < c->carriers; i++)
        if (c->carrier[i] == carrier)
            c->carrier[i] = c->carrier[--c->carriers];
    if (c->session.active == NULL)
        c->last_failure = failure;
    if (failure)
        log_warn("client", carrier_peer(carrier), "phone's connection ended", "why=\"%s\"",
                 carrier_failure_text(failure));
    else
        log_info("client", carrier_peer(carrier), "phone disconnected", "reason=\"%s\"", reason);
}

static const struct carrier_events carrier_events = {
    .ready = on_ready,
    .welcome = on_welcome,
    .bye = on_bye,
    .packet = on_packet,
    .closed = on_closed,
};

static bool takes_websocket(void *ctx, const char *path)
{
    struct client *c = ctx;
    if (strcmp(path, "/websocket") != 0 && strcmp(path, "/websocket/") != 0)
        return false;
    if (c->carriers < CARRIERS_MAX)
        return true;
    c->refused_carriers++;
    return false;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct client *c = ctx;
    (void)path;
    struct carrier *carrier = carrier_open(c->loop, ws, c->tls, true, &carrier_events, c);
    if (carrier == NULL)
        return;
    c->carrier[c->carriers++] = carrier;
    log_info("client", carrier_peer(carrier), "phone connected", NULL);
    if (c->config->plain) {
        use_carrier(c, carrier);
        log_info("client", carrier_peer(carrier), "session up", "plain=yes");
    }
}

/* --- what others see --- */

static int page_json(struct client *c, char *buf, size_t cap)
{
    const struct path *active = c->session.active;
    struct page_state s = {.role = "client", .server = c->server_url, .laptop = c->laptop_url, .plain = c->config->plain};
    session_totals(&c->session, &s.up_bytes, &s.down_bytes);
    if (active != NULL) {
        s.state = "up";
        s.detail = c->config->plain ? "connected to the phone; plain, so the server's end is not seen" : "";
        s.rtt_us = active->rtt_us;
    } else if (c->last_failure != 0) {
        s.state = page_state_of_failure(c->last_failure);
        s.detail = carrier_failure_text(c->last_failure);
    } else {
        s.state = c->carriers > 0 ? "handshake" : "waiting";
        s.detail = c->carriers > 0 ? "waiting for the server's answer" : "no phone is connected";
    }
    return page_state_json(&s, buf, cap);
}

static int on_json(void *ctx, const char *path, char *buf, size_t cap)
{
    return strcmp(path, "/tether.json") == 0 ? page_json(ctx, buf, cap) : -1;
}

static int on_status(void *ctx, char *buf, size_t cap)
{
    return page_json(ctx, buf, cap);
}

static const struct http_handlers http_handlers = {.takes_websocket = takes_websocket, .websocket = on_websocket, .json = on_json, .page = true};

/* --- life --- */

static void on_tick(void *ctx)
{
    struct client *c = ctx;
    for (size_t i = 0; i < c->carriers; i++) /* what this closes leaves the list later, from the loop */
        carrier_tick(c->carrier[i]);
    if (session_choose(&c->session, io_now_us()))
        log_info("client", carrier_peer(carrier_of(c->session.active)), "changed to another phone", NULL);
}

static void on_signal(void *ctx, int signo)
{
    struct client *c = ctx;
    log_info("client", NULL, "stopping", "signal=%s", signo == SIGINT ? "INT" : signo == SIGTERM ? "TERM" : "HUP");
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    size_t len = frame_put_bye(frame, BYE_DONE, "client stopped");
    for (size_t i = 0; i < c->session.path_count; i++)
        path_control(c->session.path[i], frame, len);
    io_loop_stop(c->loop);
}

static int check_server_url(struct client *c, struct err *err)
{
    static const char remembered[] = "client.server";
    struct ws_url url;
    if (c->config->server == NULL) {
        if (state_read(c->common->state_dir, remembered, c->server_url, sizeof c->server_url) < 0)
            c->server_url[0] = '\0'; /* the page asks for it */
        return 0;
    }
    if (ws_url_parse(c->config->server, &url, err) < 0)
        return ROLE_BAD_USAGE;
    snprintf(c->server_url, sizeof c->server_url, "%s://%s%s%s:%u%s", url.tls ? "wss" : "ws",
             strchr(url.host, ':') ? "[" : "", url.host, strchr(url.host, ':') ? "]" : "", url.port, url.path);
    return state_write(c->common->state_dir, remembered, c->server_url, err);
}

static int check_config(struct client *c, struct err *err)
{
    const struct client_config *config = c->config;
    struct host_cidr cidr;
    uint32_t dns;
    if (config->wifi == NULL && config->listen.count == 0) {
        err_set(err, -EINVAL, "--wifi IFACE is needed: the device the phone is on (ip link lists them), or --listen ADDR");
        return ROLE_BAD_USAGE;
    }
    if (host_cidr_parse(config->address, &c->inside) < 0 || c->inside.len != 32) {
        err_set(err, -EINVAL, "--address %s: not an IPv4 address", config->address);
        return ROLE_BAD_USAGE;
    }
    for (size_t i = 0; i < config->routes.count; i++) {
        if (host_cidr_parse(config->routes.item[i], &cidr) < 0) {
            err_set(err, -EINVAL, "--route %s: not an IPv4 network such as 203.0.113.0/24", config->routes.item[i]);
            return ROLE_BAD_USAGE;
        }
    }
    if (config->dns != NULL && strcmp(config->dns, "none") != 0 && inet_pton(AF_INET, config->dns, &dns) != 1) {
        err_set(err, -EINVAL, "--dns %s: neither an IPv4 address nor \"none\"", config->dns);
        return ROLE_BAD_USAGE;
    }
    int failed = config->plain ? 0 : secret_of_client(c->common, config->key, c->key, err);
    return failed ? failed : check_server_url(c, err);
}

static int listen_on(struct client *c, const char *addr, struct err *err)
{
    struct http_server **at = &c->listener[c->listeners];
    int failed = http_server_open(c->loop, addr, (uint16_t)c->config->port, &http_handlers, c, at, err);
    if (!failed)
        c->listeners++;
    return failed;
}

/* Everything that changes the host; host_close() takes all of it back. */
static int change_host(struct client *c, struct err *err)
{
    const struct client_config *config = c->config;
    static const struct host_cidr everything = {0, 0};
    struct host_cidr cidr;
    int failed = config->wifi ? host_addr_add(c->host, config->wifi, laptop_cidr, err) : 0;
    if (failed)
        return failed;
    int fd = host_tun_open(c->host, config->tun, c->inside, (int)config->mtu, err);
    failed = fd < 0 ? fd : tun_new(c->loop, fd, !config->plain, c->pool, on_tun_packet, c, &c->tun);
    for (size_t i = 0; i < config->routes.count && !failed; i++) {
        host_cidr_parse(config->routes.item[i], &cidr);
        failed = host_route_add(c->host, config->tun, cidr, err);
    }
    if (!failed && config->routes.count == 0) {
        failed = host_route_add(c->host, config->tun, everything, err);
        if (!failed)
            failed = host_route_ipv6_all(c->host, config->tun, err);
    }
    if (!failed && config->dns != NULL && strcmp(config->dns, "none") != 0) {
        struct in_addr in;
        inet_pton(AF_INET, config->dns, &in);
        set_dns(c, &(uint32_t){ntohl(in.s_addr)}, 1);
    }
    return failed;
}

static int open_all(struct client *c, struct err *err)
{
    int failed = io_loop_new(&c->loop);
    if (!failed)
        failed = io_on_signals(c->loop, on_signal, c);
    if (!failed)
        failed = pbuf_pool_new(POOL_BYTES, &c->pool);
    if (!failed) {
        uint8_t token[FRAME_TOKEN_LEN];
        failed = tls_random(token, sizeof token);
        session_init(&c->session, 1, token, c->pool, io_now_us());
    }
    if (!failed && !c->config->plain)
        failed = tls_context_new(false, c->key, &c->tls, err);
    if (!failed)
        failed = host_open(c->common->state_dir, "client", &c->host, err);
    if (!failed)
        failed = change_host(c, err);
    if (!failed && c->config->wifi != NULL)
        failed = listen_on(c, LAPTOP_ADDR, err);
    for (size_t i = 0; i < c->config->listen.count && !failed; i++)
        failed = listen_on(c, c->config->listen.item[i], err);
    if (!failed)
        failed = control_open(c->loop, c->common->state_dir, "client", on_status, c, &c->control, err);
    if (!failed)
        failed = io_hook_new(c->loop, on_flush, c, &c->flush);
    if (!failed)
        failed = io_timer_new(c->loop, on_tick, c, &c->tick);
    if (!failed)
        io_timer_start(c->tick, TICK_MS, TICK_MS);
    return failed;
}

static void close_all(struct client *c)
{
    for (size_t i = 0; i < c->listeners; i++)
        http_server_close(c->listener[i]);
    io_timer_close(c->tick);
    io_hook_close(c->flush);
    control_close(c->control);
    tun_close(c->tun);
    c->tun = NULL;
    if (c->loop != NULL)
        io_loop_free(c->loop); /* carriers end here and detach from the session */
    host_close(c->host);
    if (c->pool != NULL)
        session_done(&c->session);
    tls_context_free(c->tls);
    pbuf_pool_free(c->pool);
}

static int run(const struct role_common *common, const void *config, struct err *err)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->common = common;
    c->config = config;
    snprintf(c->laptop_url, sizeof c->laptop_url, "ws://%s:%ld/websocket",
             c->config->wifi ? LAPTOP_ADDR : c->config->listen.count ? c->config->listen.item[0] : "", c->config->port);
    int failed = check_config(c, err);
    if (!failed)
        failed = open_all(c, err);
    if (!failed) {
        log_info("client", NULL, "client ready", "open=http://%s:%ld/ tun=%s",
                 c->config->wifi ? LAPTOP_ADDR : c->config->listen.item[0], c->config->port, c->config->tun);
        failed = io_loop_run(c->loop);
    }
    close_all(c);
    free(c);
    return failed;
}

const struct role role_client = {
    .name = "client",
    .summary = "the laptop: serves the page to the phone and sends this machine's traffic through it",
    .example = "sudo tether client --wifi wlan0 --server ws://203.0.113.5:8080 --key KEY",
    .options = options,
    .config_size = sizeof(struct client_config),
    .defaults = set_defaults,
    .run = run,
};
