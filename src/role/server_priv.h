/*
 * role/server_priv.h - inside of the server: its wiring (server.c), and who its laptops are (server_laptop.c)
 */
#ifndef TETHER_ROLE_SERVER_PRIV_H
#define TETHER_ROLE_SERVER_PRIV_H

#include "io/carrier.h"
#include "io/control.h"
#include "io/host.h"
#include "io/http_server.h"
#include "io/link.h"
#include "io/stream.h"
#include "io/udp_server.h"
#include "role/server_config.h"
#include "role/server_kernel.h"
#include "role/server_status.h"
#include "tether/nat.h"

enum {
    SERVER_CARRIERS_MAX = 512,
    SERVER_LISTENERS_MAX = 2 * OPT_TEXTS_MAX,
};

struct server {
    const struct role_common *common;
    struct server_setup setup;
    struct frame_welcome welcome; /* what every laptop is told */

    struct io_loop *loop;
    struct host *host;
    struct tls_context *tls;
    struct tls_context *tls_udp;
    struct stream_tls *outer; /* what browsers check (wss://); NULL: ws:// */
    struct pbuf_pool *pool;
    struct nat *nat;
    struct server_kernel *kernel; /* NULL: the NAT, capture and inject do it */
    struct capture *capture;
    struct inject *inject;
    struct session_table *sessions;
    struct io_timer *tick;
    struct io_hook *flush;
    struct control *control;
    struct http_server *listener[SERVER_LISTENERS_MAX];
    size_t listeners;
    struct udp_server *udp[OPT_TEXTS_MAX];
    size_t udps;
    struct carrier *carrier[SERVER_CARRIERS_MAX];
    size_t carriers;
    struct server_counters counters;
    uint64_t ticks;
    uint8_t scratch[IP4_MAX_LEN];
};

/** The websockets that phones open: each becomes a carrier. ctx is the server. */
extern const struct http_handlers server_laptop_handlers;
/** A packet from a laptop (a carrier event). */
void server_on_packet(void *ctx, struct carrier *carrier, uint8_t *packet, size_t len, const struct offload *offload);
/** Packets that will come next (a carrier event). */
void server_on_ahead(void *ctx, struct carrier *carrier, const struct span *packets, size_t count);
/** A laptop came by UDP: the same. NULL: no room. */
struct carrier *server_take_wire(void *ctx, const struct carrier_wire *ops, void *wire);
/** A packet for a laptop does not fit its datagrams (a carrier event): its sender is told. */
void server_on_too_big(void *ctx, struct carrier *carrier, uint8_t *packet, size_t len, size_t mtu);
/** A packet for a laptop, copied into its queue; without memory the fullest queue of all gives way. */
void server_queue(struct server *s, struct session *to, const uint8_t *packet, size_t len, struct offload offload);
/** A session's end takes its flows along. */
void server_on_session_ended(void *ctx, struct session *session);
/** Tell every laptop that the server stops. */
void server_say_goodbye(struct server *s);

#endif
