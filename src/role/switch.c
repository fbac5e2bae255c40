/*
 * role/switch.c - tether switch: network cards for emulators
 *
 *     websocket -> port -> switch -> port -> websocket
 *                            |
 *                         gateway (ARP, echo, DHCP) -> NAT -> the internet, or a TAP device
 *
 * This file wires. The switch decides where a frame goes, the gateway whose addresses are believed and what it answers itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/tls_psk.h"
#include "role/hosted.h"
#include "role/outer.h"
#include "role/switch_priv.h"

enum { TICK_MS = 1000, TAP_BYTES = 1024 * 1024, ADDRS_PER_MAC = 4 };

/* --- frames --- */

void switch_send(struct switch_role *sw, uint32_t from, uint32_t port, const uint8_t *frame, size_t len)
{
    if (port == SWITCH_UPLINK_PORT && sw->tap != NULL)
        switch_tap_send(sw, sw->tap, frame, len);
    else if (port < sw->ports && sw->guest[port] != NULL)
        switch_guest_send(sw->guest[port], from, frame, len);
}

static void send_from(struct switch_role *sw, uint32_t from, const uint8_t *frame, size_t len)
{
    for (uint32_t p = switch_next(sw->ether, from, SWITCH_NO_PORT); p != SWITCH_NO_PORT; p = switch_next(sw->ether, from, p))
        switch_send(sw, from, p, frame, len);
}

void switch_send_all(struct switch_role *sw, const uint8_t *frame, size_t len)
{
    send_from(sw, SWITCH_NO_PORT, frame, len);
}

static void to_gateway(struct switch_role *sw, uint32_t port, const struct ether_view *v, uint64_t now_ms)
{
    struct gateway_result r = gateway_take(sw->gateway, port, v, now_ms);
    if (r.does == GATEWAY_ANSWER)
        switch_send(sw, SWITCH_NO_PORT, port, r.bytes, r.len);
    else if (r.does == GATEWAY_ROUTE && sw->nat != NULL)
        switch_nat_out(sw, r.bytes, r.len);
}

void switch_frame(struct switch_role *sw, uint32_t port, uint8_t *frame, size_t len)
{
    struct ether_view v;
    uint64_t now_ms = io_now_ms(sw->loop);
    struct switch_judgement j = switch_judge(sw->ether, port, frame, len, now_ms, &v);
    if (j.way == SWITCH_DROP)
        return;
    if (sw->guest[port] == NULL)
        gateway_hears(sw->gateway, &v, now_ms);
    else if (!gateway_believes(sw->gateway, port, &v, now_ms))
        return;
    if (sw->setup.tap_per_guest) { /* the kernel's bridge is the switch */
        to_gateway(sw, port, &v, now_ms);
        switch_tap_send(sw, sw->guest[port]->tap, frame, len);
        return;
    }
    if (j.way == SWITCH_TO_PORT) {
        switch_send(sw, port, j.port, frame, len);
        return;
    }
    if (j.way == SWITCH_TO_ALL)
        send_from(sw, port, frame, len);
    to_gateway(sw, port, &v, now_ms); /* last: it may rewrite the frame */
}

/* --- life --- */

static uint64_t on_flush(void *ctx)
{
    struct switch_role *sw = ctx;
    if (sw->nat != NULL)
        switch_nat_flush(sw);
    switch_guests_flush(sw);
    return UINT64_MAX;
}

static void on_tick(void *ctx)
{
    struct switch_role *sw = ctx;
    uint64_t now_ms = io_now_ms(sw->loop);
    switch_tick(sw->ether, now_ms);
    if (sw->dhcp != NULL)
        dhcp_server_tick(sw->dhcp, now_ms);
    if (sw->nat != NULL)
        switch_nat_tick(sw);
}

static bool is_vacant(void *ctx, uint32_t addr, uint64_t mac)
{
    struct switch_role *sw = ctx;
    return gateway_is_vacant(sw->gateway, addr, mac);
}

static int open_dhcp(struct switch_role *sw, struct err *err)
{
    const struct switch_setup *u = &sw->setup;
    struct dhcp_server_config c = {
        .network = {.server = u->addr, .mask = u->mask, .router = u->uplink != UPLINK_NONE ? u->addr : 0, .dns_count = u->dns_count,
                    .mtu = u->uplink == UPLINK_NAT && u->link_mtu < 1500 ? u->link_mtu : 0},
        .leases = {.lo = u->range_lo, .hi = u->range_hi, .statics = u->statics, .static_count = u->static_count, .max_ports = sw->ports,
                   .max_per_port = u->macs},
        .lease_s = u->lease_s, .vacant = is_vacant, .changed = switch_lease_changed, .ctx = sw,
    };
    memcpy(c.network.dns, u->dns, sizeof c.network.dns);
    memcpy(c.network.domain, u->domain, sizeof c.network.domain);
    int failed = dhcp_server_new(&c, &sw->dhcp);
    return failed ? err_set(err, failed, "DHCP: %s", strerror(-failed)) : switch_leases_open(sw, err);
}

static int open_ether(struct switch_role *sw, struct err *err)
{
    const struct switch_setup *u = &sw->setup;
    uint64_t seed;
    int failed = tls_random(&seed, sizeof seed);
    const struct switch_config ether = {.max_ports = sw->ports, .macs_per_port = u->macs, .storm_per_s = u->storm, .gateway = u->mac,
                                        .uplink = u->uplink == UPLINK_TAP ? SWITCH_UPLINK_PORT : SWITCH_NO_PORT,
                                        .isolate = u->isolate && !u->tap_per_guest, .guard = u->guard != GATEWAY_GUARD_OFF, .seed = seed};
    struct gateway_config gateway = {.mac = u->mac, .addr = u->addr, .mask = u->mask, .router = u->uplink != UPLINK_TAP, .guard = u->guard,
                                     .max_ports = sw->ports, .addrs_per_port = ADDRS_PER_MAC * u->macs,
                                     .uplink = u->uplink == UPLINK_TAP ? SWITCH_UPLINK_PORT : SWITCH_NO_PORT, .seed = seed};
    if (!failed)
        failed = switch_new(&ether, &sw->ether);
    if (failed)
        return err_set(err, failed, "switch: %s", strerror(-failed));
    if (u->dhcp)
        failed = open_dhcp(sw, err);
    gateway.dhcp = sw->dhcp;
    if (!failed && (failed = gateway_new(&gateway, &sw->gateway)) != 0)
        err_set(err, failed, "gateway: %s", strerror(-failed));
    return failed;
}

static int listen_all(struct switch_role *sw, struct err *err)
{
    for (size_t i = 0; i < sw->setup.listen_count; i++) {
        int failed = http_server_open(sw->loop, sw->setup.listen[i], sw->setup.port, &switch_guest_handlers, sw, &sw->listener[i], err);
        if (failed)
            return failed;
        sw->listeners++;
        if (sw->outer != NULL)
            http_server_secure(sw->listener[i], sw->outer);
    }
    return 0;
}

static int open_all(struct switch_role *sw, struct err *err)
{
    sw->ports = sw->setup.guests + 1; /* and the uplink */
    sw->guest = calloc(sw->ports, sizeof(struct switch_guest *));
    sw->waiting = calloc(sw->ports, sizeof(struct switch_guest *));
    int failed = sw->guest == NULL || sw->waiting == NULL ? -ENOMEM : tls_random(&sw->queue_key, sizeof sw->queue_key);
    if (!failed)
        failed = pbuf_pool_new(TAP_BYTES + (size_t)sw->setup.guests * SWITCH_GUEST_ROOM, &sw->pool);
    if (!failed)
        failed = open_ether(sw, err);
    if (!failed && sw->setup.uplink == UPLINK_NAT)
        failed = switch_nat_open(sw, err);
    if (!failed && sw->setup.uplink == UPLINK_TAP)
        failed = switch_tap_open(sw, err);
    if (!failed)
        failed = outer_open("switch", sw->setup.tls_cert, sw->setup.tls_key, &sw->outer, err);
    if (!failed)
        failed = listen_all(sw, err);
    if (!failed)
        failed = control_open(sw->loop, sw->common->state_dir, "switch", switch_status_json, sw, &sw->control, err);
    if (!failed)
        failed = io_hook_new(sw->loop, on_flush, sw, &sw->flush);
    if (!failed)
        failed = io_timer_new(sw->loop, on_tick, sw, &sw->tick);
    if (!failed)
        io_timer_start(sw->tick, TICK_MS, TICK_MS);
    return failed;
}

static void on_close(void *self)
{
    struct switch_role *sw = self;
    for (size_t i = 0; i < sw->listeners; i++)
        http_server_close(sw->listener[i]);
    for (uint32_t p = 0; sw->guest != NULL && p < sw->ports; p++)
        if (sw->guest[p] != NULL)
            ws_close(sw->guest[p]->ws, WS_CLOSE_GOING_AWAY, "switch stopped");
    switch_guests_flush(sw);
    io_timer_close(sw->tick);
    io_hook_close(sw->flush);
    control_close(sw->control);
    switch_nat_close(sw->nat);
    sw->nat = NULL;
    switch_tap_close(sw);
}

/* The guests have ended with the loop. */
static void on_done(void *self)
{
    struct switch_role *sw = self;
    lines_close(sw->leases);
    gateway_free(sw->gateway);
    dhcp_server_free(sw->dhcp);
    switch_free(sw->ether);
    pbuf_pool_free(sw->pool);
    host_close(sw->host);
    stream_tls_free(sw->outer);
    free(sw->guest);
    free(sw->waiting);
    free(sw);
}

static void announce(const struct switch_role *sw)
{
    const struct switch_setup *u = &sw->setup;
    char addr[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(u->addr)};
    inet_ntop(AF_INET, &in, addr, sizeof addr);
    log_info("switch", NULL, "switch ready", "port=%u gateway=%s uplink=%s guests=%u%s", u->port, addr,
             u->uplink == UPLINK_NAT ? u->iface : u->uplink == UPLINK_TAP ? u->tap : "none", u->guests, u->isolate ? " isolate=yes" : "");
}

/* There is no key: an emulator could not use one. Whoever gets in is on the network, and in the internet under our address. */
static void warn_open(const struct switch_role *sw)
{
    const struct switch_setup *u = &sw->setup;
    bool local = true;
    for (size_t i = 0; i < u->listen_count; i++)
        local = local && (strncmp(u->listen[i], "127.", 4) == 0 || strcmp(u->listen[i], "::1") == 0);
    if (!local && u->path == NULL && u->uplink != UPLINK_NONE)
        log_warn("switch", NULL, "open to whoever reaches the port", "port=%u remedy=\"--listen 127.0.0.1, or --path /SECRET\"", u->port);
}

static int on_open(const struct role_common *common, const void *config, struct io_loop *loop, void **ret_self, struct err *err)
{
    struct switch_role *sw = calloc(1, sizeof *sw);
    if (sw == NULL)
        return -ENOMEM;
    *ret_self = sw;
    sw->common = common;
    sw->loop = loop;
    int failed = switch_setup_check(config, &sw->setup, err);
    return failed ? failed : open_all(sw, err);
}

static void on_ready(void *self)
{
    announce(self);
    warn_open(self);
}

static const struct hosted hosted = {.open = on_open, .ready = on_ready, .close = on_close, .done = on_done};

static int run(const struct role_common *common, const void *config, struct err *err)
{
    return hosted_run_alone(&role_switch, common, config, err);
}

const struct role role_switch = {
    .name = "switch",
    .summary = "network cards for emulators: each websocket is a port of an Ethernet switch with DHCP and a way out",
    .example = "sudo tether switch --port 8070",
    .options = switch_options,
    .more = nat_option_table,
    .more_offset = offsetof(struct switch_args, nat),
    .more_title = "The NAT (--uplink nat; --ports 56000-60999 by default):",
    .config_size = sizeof(struct switch_args),
    .defaults = switch_defaults,
    .run = run,
    .changes_host = true,
    .goes_before = ROLE_GOES_BEFORE,
    .hosted = &hosted,
};
