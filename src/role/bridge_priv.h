/*
 * role/bridge_priv.h - a node and what it knows of the others; shared by bridge*.c only
 */
#ifndef TETHER_ROLE_BRIDGE_PRIV_H
#define TETHER_ROLE_BRIDGE_PRIV_H

#include "io/control.h"
#include "io/http_server.h"
#include "io/hub_leg.h"
#include "io/stream.h"
#include "io/tun.h"
#include "role/bridge.h"
#include "tether/ether.h"

enum {
    BRIDGE_NODES_MAX = 32, /* the others; further ones are told "busy" */
    BRIDGE_LEGS_MAX = 8,   /* websockets of pages */
    BRIDGE_LISTENERS_MAX = 2 * OPT_TEXTS_MAX + 2,
    BRIDGE_STATIONS_MAX = 1024, /* behind one node */
    PORT_LOCAL = BRIDGE_NODES_MAX, /* in the MAC table: behind our own TAP */
    PORTS,
};

/** Another node, or with --plain all that is behind the page. */
struct bridge_node {
    struct session session; /**< outlives its carriers: a page that reloads, a second phone */
    uint32_t node;          /**< its number; 0: plain */
    uint32_t port;          /**< in bridge.node and the MAC table */
    char name[FRAME_NAME_MAX + 1];
    bool leaving;           /**< it said goodbye */
};

struct bridge_counters {
    uint64_t tap_frames, flooded, local, malformed, tap_refused, pool_empty;
    uint64_t looped;       /**< came from where its sender does not live */
    uint64_t not_learned;  /**< a node hid more stations than it may */
    uint64_t not_active;   /**< plain: came by a websocket that is not in use, where it would be a second copy */
    uint64_t legs_refused, wrong_keys, nodes_refused;
};

struct bridge {
    const struct bridge_setup *setup;
    uint32_t me;
    char name[FRAME_NAME_MAX + 1];

    struct io_loop *loop;
    struct host *host;
    struct tls_context *tls_client, *tls_server;
    struct stream_tls *outer;
    struct pbuf_pool *pool;
    struct tun *tap;
    struct mac_table *stations;
    struct io_timer *tick;
    struct io_hook *flush;
    struct control *control;
    struct http_server *listener[BRIDGE_LISTENERS_MAX];
    size_t listeners;

    struct hub_leg_config leg_config;
    struct hub_leg *leg[BRIDGE_LEGS_MAX];          /* keyed */
    struct carrier *plain_leg[BRIDGE_LEGS_MAX];    /* plain */
    size_t legs;
    struct bridge_dial *dial;    /* as many as setup->direct_count; NULL: none */
    struct stream_tls *believed; /* whom direct wss:// believes */
    struct bridge_node *node[BRIDGE_NODES_MAX];
    size_t flush_first;
    int last_failure; /* of the carrier that ended last; 0 after one came up */
    struct bridge_counters counters;
};

/* --- bridge.c: frames --- */

/** A frame from another node, into the TAP. @param offload NULL: none */
void bridge_from_node(struct bridge *b, struct bridge_node *n, uint8_t *frame, size_t len, const struct offload *offload);

/* --- bridge_nodes.c: who the other nodes are --- */

extern const struct http_handlers bridge_handlers, bridge_page_handlers;
/** What the carriers need, once keys and loop are there. @return 0 or -ENOMEM */
int bridge_nodes_open(struct bridge *b);
/** About once a second. */
void bridge_nodes_tick(struct bridge *b);
/** Tell the others, and close what leads to them; it is gone when the loop is. */
void bridge_nodes_goodbye(struct bridge *b);
/** After the loop is gone. */
void bridge_nodes_close(struct bridge *b);

/** A websocket that leads to a hub or to one other node, accepted or opened. @return what closes as one, or NULL: it was closed */
void *bridge_take_websocket(struct bridge *b, struct ws *ws);

/* --- bridge_direct.c --- */

/** Begin to connect. @return 0 or -errno with err */
int bridge_direct_open(struct bridge *b, struct err *err);
/** What bridge_take_websocket() returned has ended; if it was one of its own, it is tried again. */
void bridge_direct_on_closed(struct bridge *b, const void *leg);
/** Before the loop is freed, and after. Half-built is fine. */
void bridge_direct_close(struct bridge *b);
void bridge_direct_free(struct bridge *b);

/* --- bridge_status.c --- */

/** For the page: nothing that its phone does not see anyway. @return length, or -1: it does not fit */
int bridge_page_json(const struct bridge *b, char *buf, size_t cap);
/** For `tether status`. @return the same */
int bridge_status_json(const struct bridge *b, char *buf, size_t cap);

#endif
