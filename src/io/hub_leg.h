/*
 * io/hub_leg.h - a node's websocket to a hub, with a carrier inside for each node behind it
 *
 *     websocket message = clear header (tunnel/mesh.h) + piece of the TLS stream between two nodes
 *
 * The node announces itself; the roster decides who opens a stream to whom, and each stream is a carrier like any other: its owner sees
 * carrier events only. What one node sends never touches the carrier of another.
 */
#ifndef TETHER_IO_HUB_LEG_H
#define TETHER_IO_HUB_LEG_H

#include "io/carrier.h"

struct hub_leg;

/** Borrowed until closed(). */
struct hub_leg_config {
    struct io_loop *loop;
    uint32_t me;                   /**< this node, not 0 */
    struct tls_context *tls_client, *tls_server; /**< of one key */
    const struct carrier_events *events;         /**< of the carriers */
    /** The last call. failure: 0, or why (-EPROTOTYPE: the other side is plain, -EAFNOSUPPORT: it is not layer 2) */
    void (*closed)(void *ctx, struct hub_leg *leg, int failure, const char *reason);
    void *ctx;                     /**< of both */
};

/** Take over an accepted websocket. @return NULL when memory is out (the websocket is closed then) */
struct hub_leg *hub_leg_open(const struct hub_leg_config *config, struct ws *ws);
/** About once a second: announces, ticks the carriers. */
void hub_leg_tick(struct hub_leg *leg);
/** closed() follows; before it closed() of each carrier. */
void hub_leg_close(struct hub_leg *leg, int ws_code, const char *reason);
/** Carriers, open or opening. */
size_t hub_leg_carriers(const struct hub_leg *leg);
/** The node that the hub says is at the other end of a carrier of a leg; inside TLS it has to say the same. */
uint32_t hub_leg_node(const struct carrier *c);
const char *hub_leg_peer(const struct hub_leg *leg);

#endif
