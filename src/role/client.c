/*
 * role/client.c - tether client: the laptop
 *
 *     apps -> TUN -> session queue -> path -> TLS -> websocket -> the phone's page -> server
 *
 * This file wires: what arrives at one part is handed to the next. The phone comes to us: we listen, serve the page, and take every
 * websocket at /websocket as a carrier; the newest one that reaches the server is used. With --direct we go to the server ourselves as
 * well, which is then preferred.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/keeper.h"
#include "role/bridge.h"
#include "role/client_priv.h"
#include "role/page_state.h"
#include "tether/packet.h"

static const struct host_cidr laptop_cidr = {.addr = 0xa9fe8659, .len = 16}; /* CLIENT_LAPTOP_ADDR */

enum {
    POOL_BYTES = 16 * 1024 * 1024,
    TICK_MS = 1000,
};

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

/* A packet of this laptop with DF set is too large for the path by UDP: its sender is told what fits. */
static void on_too_big(void *ctx, struct carrier *carrier, uint8_t *packet, size_t len, size_t mtu)
{
    struct client *c = ctx;
    struct ip4_view v;
    uint8_t error[576];
    (void)carrier;
    if (c->tun == NULL || ip4_parse(packet, len, &v) != DROP_NONE)
        return;
    size_t error_len = icmp_make_error(error, sizeof error, v.dst, ICMP_UNREACHABLE, ICMP_NEED_FRAG, (uint16_t)mtu, &v);
    if (error_len > 0)
        tun_write(c->tun, error, error_len, NULL);
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

void client_use_carrier(struct client *c, struct carrier *carrier)
{
    struct carrier *direct = client_direct_up(c->direct);
    carrier_path(carrier)->up = true;
    struct path *evicted = session_attach(&c->session, carrier_path(carrier));
    if (evicted != NULL)
        carrier_close(carrier_of(evicted), WS_CLOSE_GOING_AWAY, "enough phones");
    c->last_failure = 0;
    if (direct != NULL && direct != carrier) { /* a phone is the way for when there is no other */
        uint8_t frame[FRAME_HEADER_LEN];
        session_activate(&c->session, carrier_path(direct));
        path_control(carrier_path(direct), frame, frame_put_activate(frame));
    }
}

static int on_welcome(void *ctx, struct carrier *carrier, const struct frame_welcome *welcome)
{
    struct client *c = ctx;
    char external[INET_ADDRSTRLEN], lease[INET_ADDRSTRLEN];
    if (welcome->version != FRAME_VERSION)
        return -EPROTONOSUPPORT;
    if (carrier_path(carrier)->up)
        return -EPROTO;
    client_use_carrier(c, carrier);
    c->lease = welcome->lease;
    inet_ntop(AF_INET, &(struct in_addr){htonl(welcome->external)}, external, sizeof external);
    inet_ntop(AF_INET, &(struct in_addr){htonl(welcome->lease)}, lease, sizeof lease);
    log_info("client", carrier_peer(carrier), "session up", "external=%s session=%s%s%s", external,
             welcome->flags & WELCOME_RESUMED ? "resumed" : "new", c->lease != 0 ? " lease=" : "", c->lease != 0 ? lease : "");
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
    bool direct = client_direct_owns(c->direct, carrier);
    if (failure)
        log_warn("client", carrier_peer(carrier), direct ? "direct connection ended" : "phone's connection ended", "why=\"%s\"",
                 carrier_failure_text(failure));
    else
        log_info("client", carrier_peer(carrier), direct ? "direct connection closed" : "phone disconnected", "reason=\"%s\"", reason);
    client_direct_on_closed(c->direct, carrier, failure);
}

const struct carrier_events client_carrier_events = {
    .ready = on_ready,
    .welcome = on_welcome,
    .bye = on_bye,
    .packet = on_packet,
    .too_big = on_too_big,
    .closed = on_closed,
};

void client_add_carrier(struct client *c, struct carrier *carrier)
{
    c->carrier[c->carriers++] = carrier;
    if (c->config->plain) {
        client_use_carrier(c, carrier);
        log_info("client", carrier_peer(carrier), "session up", "plain=yes");
    }
}

static bool takes_websocket(void *ctx, const char *path)
{
    struct client *c = ctx;
    if (strcmp(path, "/websocket") != 0 && strcmp(path, "/websocket/") != 0)
        return false;
    if (c->carriers < CLIENT_CARRIERS_MAX)
        return true;
    c->refused_carriers++;
    return false;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct client *c = ctx;
    (void)path;
    struct carrier *carrier = carrier_open(c->loop, ws, c->tls, true, &client_carrier_events, c);
    if (carrier == NULL)
        return;
    window_expect_stalls(&carrier_path(carrier)->window);
    log_info("client", carrier_peer(carrier), "phone connected", NULL);
    client_add_carrier(c, carrier);
}

/* --- what others see --- */

static int state_json(struct client *c, const struct session *detail, char *buf, size_t cap)
{
    const struct path *active = c->session.active;
    struct page_state s = {.role = "client", .server = c->server_url, .laptop = c->laptop_url, .plain = c->config->plain,
                           .session = detail, .lease = c->lease};
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
    return strcmp(path, "/tether.json") == 0 ? state_json(ctx, NULL, buf, cap) : -1;
}

static int on_status(void *ctx, char *buf, size_t cap)
{
    struct client *c = ctx;
    return state_json(c, &c->session, buf, cap);
}

static const struct http_handlers http_handlers = {.takes_websocket = takes_websocket, .websocket = on_websocket, .json = on_json, .page = true};

/* --- life --- */

static void on_tick(void *ctx)
{
    struct client *c = ctx;
    for (size_t i = 0; i < c->carriers; i++) /* what this closes leaves the list later, from the loop */
        carrier_tick(c->carrier[i]);
    if (session_choose(&c->session, io_now_us()))
        log_info("client", carrier_peer(carrier_of(c->session.active)), "changed to another path", NULL);
    client_direct_tick(c->direct);
}

static void on_signal(void *ctx, int signo)
{
    struct client *c = ctx;
    log_info("client", NULL, "stopping", "signal=%s", io_signal_name(signo));
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    size_t len = frame_put_bye(frame, BYE_DONE, "client stopped");
    for (size_t i = 0; i < c->session.path_count; i++)
        path_control(c->session.path[i], frame, len);
    io_loop_stop(c->loop);
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
    failed = fd < 0 ? fd : tun_new(c->loop, fd, config->plain ? TUN_FINISHED : TUN_LARGE, c->pool, on_tun_packet, c, &c->tun);
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
    if (!failed && c->config->direct.count > 0)
        failed = client_direct_new(c, &c->direct, err);
    if (!failed)
        failed = host_open(c->common->state_dir, "client", &c->host, err);
    if (!failed && c->direct != NULL)
        client_direct_resolve(c->direct);
    if (!failed)
        failed = change_host(c, err);
    if (!failed && c->config->wifi != NULL)
        failed = listen_on(c, CLIENT_LAPTOP_ADDR, err);
    for (size_t i = 0; i < c->config->listen.count && !failed; i++)
        failed = listen_on(c, c->config->listen.item[i], err);
    if (!failed)
        failed = control_open(c->loop, c->common->state_dir, "client", on_status, c, &c->control, err);
    if (!failed)
        failed = io_hook_new(c->loop, on_flush, c, &c->flush);
    if (!failed)
        failed = io_timer_new(c->loop, on_tick, c, &c->tick);
    if (!failed && c->direct != NULL)
        client_direct_start(c->direct);
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
    client_direct_stop(c->direct);
    tun_close(c->tun);
    c->tun = NULL;
    if (c->loop != NULL)
        io_loop_free(c->loop); /* carriers end here and detach from the session */
    host_close(c->host);
    if (c->pool != NULL)
        session_done(&c->session);
    client_direct_free(c->direct);
    tls_context_free(c->tls);
    tls_context_free(c->tls_udp);
    pbuf_pool_free(c->pool);
}

/* With --tap the laptop is a node of an Ethernet: no TUN, no routes, no DNS. The way to it may be direct. */
static int run_bridge(const struct client *c, struct err *err)
{
    const struct client_config *config = c->config;
    struct bridge_setup u = {.role = "client", .state_dir = c->common->state_dir, .user = c->common->user, .tap = config->tap, .mtu = (int)config->mtu,
                             .wifi = config->wifi, .wifi_addr = laptop_cidr, .port = (uint16_t)config->port, .server = c->server_url,
                             .plain = config->plain};
    memcpy(u.key, c->key, sizeof u.key);
    if (config->wifi != NULL)
        u.listen[u.listen_count++] = CLIENT_LAPTOP_ADDR;
    for (size_t i = 0; i < config->listen.count; i++)
        u.listen[u.listen_count++] = config->listen.item[i];
    u.ca = config->ca;
    for (size_t i = 0; i < config->direct.count && u.direct_count < BRIDGE_DIRECT_MAX; i++) {
        struct bridge_target *t = &u.direct[u.direct_count++];
        t->text = config->direct.item[i];
        if (client_direct_url(config, t->text, &t->url, &t->proxy, err) != 0)
            return ROLE_BAD_USAGE;
    }
    return bridge_run(&u, err);
}

static int run(const struct role_common *common, const void *config, struct err *err)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->common = common;
    c->config = config;
    const char *page = c->config->wifi ? CLIENT_LAPTOP_ADDR : c->config->listen.count > 0 ? c->config->listen.item[0] : NULL;
    if (page != NULL)
        snprintf(c->laptop_url, sizeof c->laptop_url, "ws://%s:%ld/websocket", page, c->config->port);
    int failed = client_check(c, err);
    if (!failed && c->config->tap != NULL) {
        failed = run_bridge(c, err);
        free(c);
        return failed;
    }
    if (!failed)
        failed = open_all(c, err);
    if (!failed)
        failed = keeper_seal(common->user, err);
    if (!failed && page != NULL)
        log_info("client", NULL, "client ready", "open=http://%s:%ld/ tun=%s", page, c->config->port, c->config->tun);
    else if (!failed)
        log_info("client", NULL, "client ready", "tun=%s", c->config->tun);
    if (!failed)
        failed = io_loop_run(c->loop);
    close_all(c);
    free(c);
    return failed;
}

const struct role role_client = {
    .name = "client",
    .summary = "the laptop: serves the page to the phone and sends this machine's traffic through it",
    .example = "sudo tether client --wifi wlan0 --server ws://203.0.113.5:8080 --key KEY",
    .options = client_options,
    .config_size = sizeof(struct client_config),
    .defaults = client_defaults,
    .run = run,
    .changes_host = true,
    .goes_before = ROLE_GOES_BEFORE_ITS_USERS,
};
