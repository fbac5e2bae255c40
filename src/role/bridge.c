/*
 * role/bridge.c - see bridge.h
 *
 * This file wires, and decides where frames go; who the other nodes are is in bridge_nodes.c.
 */
#include "role/bridge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "io/keeper.h"
#include "role/bridge_priv.h"
#include "role/outer.h"

enum { POOL_BYTES = 24 * 1024 * 1024, TICK_MS = 1000, STATION_IDLE_MS = 300 * 1000, STATION_HOLD_MS = 2000 };

/* --- frames --- */

/* One node's flood must not cost the others: whose queue holds most gives some back. */
static struct pbuf *get_buffer(struct bridge *b, size_t len)
{
    struct pbuf *copy = pbuf_get(b->pool, len);
    struct bridge_node *fattest = NULL;
    if (copy != NULL)
        return copy;
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++)
        if (b->node[i] != NULL && (fattest == NULL || b->node[i]->session.queue.held > fattest->session.queue.held))
            fattest = b->node[i];
    if (fattest != NULL && fairq_shed(&fattest->session.queue) > 0)
        copy = pbuf_get(b->pool, len);
    if (copy == NULL)
        b->counters.pool_empty++;
    return copy;
}

static void flood(struct bridge *b, struct pbuf *take_frame)
{
    struct bridge_node *last = NULL;
    b->counters.flooded++;
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++) {
        if (b->node[i] == NULL)
            continue;
        struct pbuf *copy = last != NULL ? get_buffer(b, take_frame->len) : NULL;
        if (copy != NULL) {
            memcpy(copy->data, take_frame->data, take_frame->len);
            copy->len = take_frame->len;
            copy->offload = take_frame->offload;
            session_send(&last->session, copy, io_now_us());
        }
        last = b->node[i];
    }
    if (last != NULL) /* the last one gets the frame itself */
        session_send(&last->session, take_frame, io_now_us());
    else
        pbuf_put(b->pool, take_frame);
}

static void on_tap_frame(void *ctx, struct pbuf *take_frame)
{
    struct bridge *b = ctx;
    struct ether_view v;
    uint32_t port;
    b->counters.tap_frames++;
    if (!ether_parse(take_frame->data, take_frame->len, &v)) {
        b->counters.malformed++;
        pbuf_put(b->pool, take_frame);
        return;
    }
    uint64_t now_ms = io_now_ms(b->loop);
    if (mac_table_learn(b->stations, v.vlan, v.src, PORT_LOCAL, now_ms) == MAC_HELD) { /* a node's frame, back by a wire behind us */
        b->counters.looped++;
        pbuf_put(b->pool, take_frame);
    } else if (ether_is_group(v.dst) || !mac_table_find(b->stations, v.vlan, v.dst, now_ms, &port)) {
        flood(b, take_frame);
    } else if (port < BRIDGE_NODES_MAX && b->node[port] != NULL) {
        session_send(&b->node[port]->session, take_frame, io_now_us());
    } else { /* both ends are on our side of the TAP */
        b->counters.local++;
        pbuf_put(b->pool, take_frame);
    }
}

void bridge_from_node(struct bridge *b, struct bridge_node *n, uint8_t *frame, size_t len, const struct offload *offload)
{
    struct ether_view v;
    if (b->tap == NULL || !ether_parse(frame, len, &v)) {
        b->counters.malformed++;
        return;
    }
    enum mac_learned learned = mac_table_learn(b->stations, v.vlan, v.src, n->port, io_now_ms(b->loop));
    if (learned == MAC_HELD) { /* ours, or another node's: it has come by a wire behind that node */
        b->counters.looped++;
        return;
    }
    if (learned == MAC_FULL || learned == MAC_INVALID)
        b->counters.not_learned++;
    if (tun_write(b->tap, frame, len, offload) < 0)
        b->counters.tap_refused++;
}

static uint64_t on_flush(void *ctx)
{
    struct bridge *b = ctx;
    uint64_t due = UINT64_MAX, now_us = io_now_us();
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++) { /* each time another one first */
        struct bridge_node *n = b->node[(b->flush_first + i) % BRIDGE_NODES_MAX];
        if (n == NULL)
            continue;
        session_flush(&n->session, now_us);
        uint64_t of_node = session_due_us(&n->session);
        due = of_node < due ? of_node : due;
    }
    b->flush_first++;
    return due;
}

/* --- life --- */

static int on_status(void *ctx, char *buf, size_t cap)
{
    return bridge_status_json(ctx, buf, cap);
}

static void on_tick(void *ctx)
{
    struct bridge *b = ctx;
    bridge_nodes_tick(b);
    mac_table_expire(b->stations, io_now_ms(b->loop));
}

static void on_signal(void *ctx, int signo)
{
    struct bridge *b = ctx;
    log_info(b->setup->role, NULL, "stopping", "signal=%s", io_signal_name(signo));
    bridge_nodes_goodbye(b);
    io_loop_stop(b->loop);
}

static int open_stations(struct bridge *b)
{
    struct mac_table_config config = {.max_ports = PORTS, .max_per_port = BRIDGE_STATIONS_MAX, .idle_ms = STATION_IDLE_MS,
                                      .hold_ms = STATION_HOLD_MS};
    int failed = tls_random(&config.seed, sizeof config.seed);
    return failed ? failed : mac_table_new(&config, &b->stations);
}

static int open_keys(struct bridge *b, struct err *err)
{
    const struct bridge_setup *u = b->setup;
    int failed = u->plain ? 0 : tls_context_new(false, u->key, &b->tls_client, err);
    if (!failed && !u->plain)
        failed = tls_context_new(true, u->key, &b->tls_server, err);
    return failed ? failed : outer_open(u->role, u->tls_cert, u->tls_key, &b->outer, err);
}

/* The TAP's address, the same at each start: leases and neighbours' tables go by it. */
static int choose_mac(const struct bridge_setup *u, uint8_t ret_mac[6], struct err *err)
{
    char name[64], text[ETHER_MAC_TEXT_LEN + 1];
    uint64_t mac;
    snprintf(name, sizeof name, "%.40s.mac", u->tap);
    if (state_read(u->state_dir, name, text, sizeof text) < 0 || ether_mac_parse(text, &mac) < 0 || !ether_is_station(mac)) {
        if (tls_random(&mac, sizeof mac) < 0)
            return -EIO;
        mac = (mac & UINT64_C(0x00ffffffffff)) | UINT64_C(0x020000000000); /* given out by nobody */
        ether_mac_text(mac, text);
        int failed = state_write(u->state_dir, name, text, err);
        if (failed)
            return failed;
    }
    ether_put_mac(ret_mac, mac);
    return 0;
}

static int open_tap(struct bridge *b, struct err *err)
{
    const struct bridge_setup *u = b->setup;
    int failed = host_open(u->state_dir, u->role, &b->host, err);
    if (!failed && u->wifi != NULL)
        failed = host_addr_add(b->host, u->wifi, u->wifi_addr, err);
    uint8_t mac[6];
    if (!failed)
        failed = choose_mac(u, mac, err);
    if (failed)
        return failed;
    int fd = host_tap_open(b->host, u->tap, mac, u->mtu, err);
    return fd < 0 ? fd : tun_new(b->loop, fd, u->plain ? TUN_FINISHED : TUN_LARGE_FRAMES, b->pool, on_tap_frame, b, &b->tap);
}

static int listen_on(struct bridge *b, const char *addr, uint16_t port, const struct http_handlers *handlers, struct err *err)
{
    int failed = http_server_open(b->loop, addr, port, handlers, b, &b->listener[b->listeners], err);
    if (failed)
        return failed;
    if (b->outer != NULL && handlers == &bridge_handlers)
        http_server_secure(b->listener[b->listeners], b->outer);
    b->listeners++;
    return 0;
}

static int listen_all(struct bridge *b, struct err *err)
{
    const struct bridge_setup *u = b->setup;
    int failed = 0;
    for (size_t i = 0; i < u->listen_count && !failed; i++) {
        failed = listen_on(b, u->listen[i], u->port, &bridge_handlers, err);
        if (!failed && u->web_port != 0)
            failed = listen_on(b, u->listen[i], u->web_port, &bridge_page_handlers, err);
    }
    return failed;
}

static int open_all(struct bridge *b, struct err *err)
{
    int failed = io_loop_new(&b->loop);
    if (!failed)
        failed = io_on_signals(b->loop, on_signal, b);
    if (!failed)
        failed = pbuf_pool_new(POOL_BYTES, &b->pool);
    if (!failed)
        failed = open_stations(b);
    if (!failed)
        failed = open_keys(b, err);
    if (!failed)
        failed = bridge_nodes_open(b);
    if (!failed)
        failed = open_tap(b, err);
    if (!failed)
        failed = listen_all(b, err);
    if (!failed)
        failed = control_open(b->loop, b->setup->state_dir, b->setup->role, on_status, b, &b->control, err);
    if (!failed)
        failed = io_hook_new(b->loop, on_flush, b, &b->flush);
    if (!failed)
        failed = io_timer_new(b->loop, on_tick, b, &b->tick);
    if (!failed)
        failed = bridge_direct_open(b, err);
    if (!failed)
        io_timer_start(b->tick, TICK_MS, TICK_MS);
    return failed;
}

static void close_all(struct bridge *b)
{
    for (size_t i = 0; i < b->listeners; i++)
        http_server_close(b->listener[i]);
    io_timer_close(b->tick);
    io_hook_close(b->flush);
    bridge_direct_close(b);
    control_close(b->control);
    tun_close(b->tap);
    b->tap = NULL;
    if (b->loop != NULL)
        io_loop_free(b->loop); /* carriers end here and detach from their sessions */
    bridge_direct_free(b);
    bridge_nodes_close(b);
    host_close(b->host);
    mac_table_free(b->stations);
    tls_context_free(b->tls_client);
    tls_context_free(b->tls_server);
    stream_tls_free(b->outer);
    pbuf_pool_free(b->pool);
}

static void announce(const struct bridge *b)
{
    const struct bridge_setup *u = b->setup;
    char ready[32];
    snprintf(ready, sizeof ready, "%s ready", u->role);
    if (u->listen_count == 0)
        log_info(u->role, NULL, ready, "tap=%s%s", u->tap, u->plain ? " plain=yes" : "");
    else
        log_info(u->role, NULL, ready, "open=http%s://%s:%u/ tap=%s%s", b->outer != NULL ? "s" : "", u->listen[0], u->port, u->tap,
                 u->plain ? " plain=yes" : "");
    if (u->key_text == NULL)
        return;
    printf("On the other nodes run:\n  sudo tether client --tap %s --wifi IFACE --server %s://THIS-MACHINE:%u --key %s\n", u->tap,
           b->outer != NULL ? "wss" : "ws", u->port, u->key_text);
    fflush(stdout);
}

int bridge_run(const struct bridge_setup *setup, struct err *err)
{
    struct bridge *b = calloc(1, sizeof *b);
    if (b == NULL)
        return -ENOMEM;
    b->setup = setup;
    if (gethostname(b->name, sizeof b->name - 1) < 0)
        b->name[0] = '\0';
    text_tame(b->name);
    int failed = open_all(b, err);
    if (!failed)
        failed = keeper_seal(setup->user, err);
    if (!failed) {
        announce(b);
        failed = io_loop_run(b->loop);
    }
    close_all(b);
    free(b);
    return failed;
}
