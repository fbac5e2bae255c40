/*
 * role/bridge.h - layer 2: what client and server become with --tap
 *
 *     TAP -> MAC table -> the other node's session -> path -> TLS -> header in clear -> websocket -> the page -> the other node
 *
 * Both are the same then, a node: a port of an Ethernet that spans the page. A node hands on what its TAP sends to the node behind which the
 * addressee lives, or to all of them; what comes from a node goes to the TAP only, never to a third node, so there is no loop among them. When two nodes share a
 * wire besides, frames come back by it: a station that was heard at one side a moment ago is not believed from another, and what comes from there is dropped.
 * That ends one direction of such a loop; the bridges' spanning tree, whose frames pass as all others do, ends it altogether.
 */
#ifndef TETHER_ROLE_BRIDGE_H
#define TETHER_ROLE_BRIDGE_H

#include "io/host.h"
#include "io/key.h"
#include "io/proxy.h"
#include "io/ws.h"
#include "role/role.h"

/** Another node, to go to without a phone. */
struct bridge_target {
    const char *text;
    struct ws_url url;
    struct proxy proxy;
};

enum { BRIDGE_DIRECT_MAX = 8 };
/** Strings are borrowed until bridge_run() returns. */
struct bridge_setup {
    const char *role;              /**< whose command line it was; names journal, socket and log */
    const char *state_dir, *tap;
    const char *user;              /**< account to become; NULL: nobody */
    int mtu;
    const char *wifi;              /**< NULL, or the interface that gets wifi_addr */
    struct host_cidr wifi_addr;
    const char *listen[OPT_TEXTS_MAX + 1];
    size_t listen_count;
    uint16_t port, web_port;       /**< of page and websocket; of the page once more (0: no) */
    const char *tls_cert, *tls_key; /**< NULL: ws:// */
    const char *server;            /**< the other node's websocket, for the page; "" */
    bool plain;
    uint8_t key[TLS_KEY_LEN];
    struct bridge_target direct[BRIDGE_DIRECT_MAX];
    size_t direct_count;
    const char *ca;                /**< for direct wss://; NULL: the system's authorities */
    const char *key_text;          /**< shown at the start; NULL: not */
};
/** Runs until told to stop. @return 0 or -errno; then err says why in one line */
int bridge_run(const struct bridge_setup *setup, struct err *err);

#endif
