/*
 * role/bridge_nodes.c - who the other nodes are: carriers come and go, a node's session stays
 *
 * Keyed, each websocket is a leg of a hub with a carrier for each node behind it; a node reached through two phones has two paths in one
 * session. The node with the smaller number chooses among them, the other follows. Plain, each websocket is a carrier by itself, and all of
 * them lead to one "node", whatever is behind the page: only the newest is used, or broadcasts would come twice.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "role/bridge_priv.h"

static const uint64_t node_keep_us = 60 * 1000 * 1000; /* without a carrier; then its stations are forgotten too */

/* --- nodes --- */

static struct bridge_node *find(struct bridge *b, uint32_t node)
{
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++)
        if (b->node[i] != NULL && b->node[i]->node == node)
            return b->node[i];
    return NULL;
}

static struct bridge_node *add(struct bridge *b, uint32_t node)
{
    uint8_t token[FRAME_TOKEN_LEN]; /* names nothing here, but the queue's hash wants a secret */
    size_t port = 0;
    while (port < BRIDGE_NODES_MAX && b->node[port] != NULL)
        port++;
    struct bridge_node *n = port < BRIDGE_NODES_MAX && tls_random(token, sizeof token) == 0 ? calloc(1, sizeof *n) : NULL;
    if (n == NULL) {
        b->counters.nodes_refused++;
        return NULL;
    }
    n->node = node;
    n->port = (uint32_t)port;
    session_init(&n->session, node, token, b->pool, io_now_us());
    session_carry_ether(&n->session);
    b->node[port] = n;
    return n;
}

static void forget(struct bridge *b, struct bridge_node *n)
{
    mac_table_forget_port(b->stations, n->port);
    session_done(&n->session);
    b->node[n->port] = NULL;
    free(n);
}

static void attach(struct bridge *b, struct bridge_node *n, struct carrier *carrier)
{
    struct path *path = carrier_path(carrier);
    path->up = true;
    snprintf(n->session.peer, sizeof n->session.peer, "%s", carrier_peer(carrier));
    n->leaving = false;
    carrier_set_owner(carrier, n);
    struct path *evicted = session_attach(&n->session, path);
    if (evicted != NULL)
        carrier_close(carrier_of(evicted), WS_CLOSE_GOING_AWAY, "enough phones");
    b->last_failure = 0;
}

/* --- carriers --- */

static void on_ready(void *ctx, struct carrier *carrier)
{
    struct bridge *b = ctx;
    struct frame_node node = {.version = FRAME_VERSION, .from = b->me, .to = hub_leg_node(carrier)};
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    memcpy(node.name, b->name, sizeof node.name);
    path_control(carrier_path(carrier), frame, frame_put_node(frame, &node));
}

static void say_bye(struct carrier *carrier, enum frame_bye_code code, const char *text)
{
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    path_control(carrier_path(carrier), frame, frame_put_bye(frame, (uint16_t)code, text));
}

static int on_node(void *ctx, struct carrier *carrier, const struct frame_node *node)
{
    struct bridge *b = ctx;
    if (node->version != FRAME_VERSION) {
        say_bye(carrier, BYE_VERSION, "this node speaks version 1");
        return -EPROTONOSUPPORT;
    }
    /* A hub that mixes up its nodes, or leads us to ourselves, is caught here: inside TLS it cannot change a word. */
    if (carrier_owner(carrier) != NULL || node->from != hub_leg_node(carrier) || node->to != b->me || node->from == b->me)
        return -EPROTO;
    struct bridge_node *n = find(b, node->from);
    if (n == NULL)
        n = add(b, node->from);
    if (n == NULL) {
        say_bye(carrier, BYE_BUSY, "no room for another node");
        return -EUSERS;
    }
    memcpy(n->name, node->name, sizeof n->name);
    attach(b, n, carrier);
    log_info(b->setup->role, carrier_peer(carrier), "node up", "node=%08x name=\"%s\" paths=%zu", n->node, n->name, n->session.path_count);
    return 0;
}

static int on_activate(void *ctx, struct carrier *carrier)
{
    struct bridge_node *n = carrier_owner(carrier);
    (void)ctx;
    if (n == NULL)
        return -EPROTO;
    session_activate(&n->session, carrier_path(carrier));
    return 0;
}

static void on_bye(void *ctx, struct carrier *carrier, const struct frame_bye *bye)
{
    struct bridge *b = ctx;
    struct bridge_node *n = carrier_owner(carrier);
    if (n != NULL)
        n->leaving = true;
    log_info(b->setup->role, carrier_peer(carrier), "node says goodbye", "code=%u reason=\"%s\"", bye->code, bye->text);
}

static void on_packet(void *ctx, struct carrier *carrier, uint8_t *frame, size_t len, const struct offload *offload)
{
    struct bridge *b = ctx;
    struct bridge_node *n = carrier_owner(carrier);
    struct path *path = carrier_path(carrier);
    if (n == NULL)
        return;
    if (n->session.active != path) {
        if (b->setup->plain) {
            b->counters.not_active++;
            return;
        }
        if (b->me > n->node)
            session_activate(&n->session, path);
    }
    bridge_from_node(b, n, frame, len, offload);
}

static void on_closed(void *ctx, struct carrier *carrier, int failure, const char *reason)
{
    struct bridge *b = ctx;
    struct bridge_node *n = carrier_owner(carrier);
    if (n != NULL)
        session_detach(&n->session, carrier_path(carrier), io_now_us());
    if (n != NULL && n->session.path_count == 0 && n->leaving) /* its stations may turn up elsewhere at once */
        mac_table_forget_port(b->stations, n->port);
    if (b->setup->plain)
        for (size_t i = 0; i < b->legs; i++)
            if (b->plain_leg[i] == carrier)
                b->plain_leg[i] = b->plain_leg[--b->legs];
    bridge_direct_on_closed(b, carrier);
    if (failure == -EKEYREJECTED)
        b->counters.wrong_keys++;
    if (failure != 0)
        b->last_failure = failure;
    if (failure)
        log_warn(b->setup->role, carrier_peer(carrier), "connection to a node ended", "why=\"%s\"", carrier_failure_text(failure));
    else if (n != NULL)
        log_info(b->setup->role, carrier_peer(carrier), "node away", "name=\"%s\" reason=\"%s\"", n->name, reason);
}

static const struct carrier_events carrier_events = {
    .ready = on_ready,
    .node = on_node,
    .activate = on_activate,
    .bye = on_bye,
    .packet = on_packet,
    .closed = on_closed,
};

/* --- websockets --- */

static void on_leg_closed(void *ctx, struct hub_leg *leg, int failure, const char *reason)
{
    struct bridge *b = ctx;
    for (size_t i = 0; i < b->legs; i++)
        if (b->leg[i] == leg)
            b->leg[i] = b->leg[--b->legs];
    bridge_direct_on_closed(b, leg);
    if (failure != 0) {
        b->last_failure = failure;
        log_warn(b->setup->role, hub_leg_peer(leg), "phone's connection ended", "why=\"%s\"", carrier_failure_text(failure));
        return;
    }
    log_info(b->setup->role, hub_leg_peer(leg), "phone disconnected", "reason=\"%s\"", reason);
}

static bool takes_websocket(void *ctx, const char *path)
{
    struct bridge *b = ctx;
    if (strcmp(path, "/websocket") != 0 && strcmp(path, "/websocket/") != 0)
        return false;
    if (b->legs < BRIDGE_LEGS_MAX)
        return true;
    for (size_t i = 0; i < b->legs && !b->setup->plain; i++) { /* one that leads nowhere makes room for the next try */
        if (hub_leg_carriers(b->leg[i]) == 0) {
            hub_leg_close(b->leg[i], WS_CLOSE_GOING_AWAY, "enough phones");
            break;
        }
    }
    b->counters.legs_refused++;
    return false;
}

static void *open_plain(struct bridge *b, struct ws *ws)
{
    struct carrier *carrier = carrier_open(b->loop, ws, NULL, false, &carrier_events, b);
    if (carrier == NULL)
        return NULL;
    attach(b, find(b, 0), carrier);
    b->plain_leg[b->legs++] = carrier;
    return carrier;
}

static void *open_keyed(struct bridge *b, struct ws *ws)
{
    struct hub_leg *leg = hub_leg_open(&b->leg_config, ws);
    if (leg != NULL)
        b->leg[b->legs++] = leg;
    return leg;
}

static const struct ws_events no_events = {0};

void *bridge_take_websocket(struct bridge *b, struct ws *ws)
{
    if (b->legs < BRIDGE_LEGS_MAX)
        return b->setup->plain ? open_plain(b, ws) : open_keyed(b, ws);
    ws_listen(ws, &no_events, NULL);
    ws_close(ws, WS_CLOSE_BUSY, "no room");
    return NULL;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct bridge *b = ctx;
    (void)path;
    if (bridge_take_websocket(b, ws) != NULL)
        log_info(b->setup->role, ws_peer(ws), "phone connected", b->setup->plain ? "plain=yes" : NULL);
}

static int on_json(void *ctx, const char *path, char *buf, size_t cap)
{
    return strcmp(path, "/tether.json") == 0 ? bridge_page_json(ctx, buf, cap) : -1;
}

const struct http_handlers bridge_handlers = {
    .takes_websocket = takes_websocket, .websocket = on_websocket, .json = on_json, .page = true};
const struct http_handlers bridge_page_handlers = {.json = on_json, .page = true};

/* --- life --- */

int bridge_nodes_open(struct bridge *b)
{
    while (b->me == 0)
        if (tls_random(&b->me, sizeof b->me) < 0)
            return -EIO;
    b->leg_config = (struct hub_leg_config){.loop = b->loop, .me = b->me, .tls_client = b->tls_client, .tls_server = b->tls_server,
                                            .events = &carrier_events, .closed = on_leg_closed, .ctx = b};
    return b->setup->plain && add(b, 0) == NULL ? -ENOMEM : 0;
}

void bridge_nodes_tick(struct bridge *b)
{
    uint64_t now_us = io_now_us();
    for (size_t i = 0; i < b->legs; i++) { /* what this closes leaves the list later, from the loop */
        if (b->setup->plain)
            carrier_tick(b->plain_leg[i]);
        else
            hub_leg_tick(b->leg[i]);
    }
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++) {
        struct bridge_node *n = b->node[i];
        if (n == NULL || n->node == 0)
            continue;
        if (n->session.path_count == 0 && now_us > n->session.detached_us + node_keep_us)
            forget(b, n);
        else if (b->me < n->node && session_choose(&n->session, now_us))
            log_info(b->setup->role, carrier_peer(carrier_of(n->session.active)), "changed to another phone", "node=%08x", n->node);
    }
}

void bridge_nodes_goodbye(struct bridge *b)
{
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++)
        for (size_t k = 0; b->node[i] != NULL && k < b->node[i]->session.path_count; k++)
            say_bye(carrier_of(b->node[i]->session.path[k]), BYE_DONE, "node stopped");
    for (size_t i = 0; i < b->legs; i++) {
        if (b->setup->plain)
            carrier_close(b->plain_leg[i], WS_CLOSE_GOING_AWAY, "node stopped");
        else
            hub_leg_close(b->leg[i], WS_CLOSE_GOING_AWAY, "node stopped");
    }
}

void bridge_nodes_close(struct bridge *b)
{
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++)
        if (b->node[i] != NULL)
            forget(b, b->node[i]);
}
