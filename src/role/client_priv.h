/*
 * role/client_priv.h - inside of the client: its wiring (client.c), what it was told (client_config.c), and reaching the server
 * without a phone (client_direct.c)
 */
#ifndef TETHER_ROLE_CLIENT_PRIV_H
#define TETHER_ROLE_CLIENT_PRIV_H

#include "io/carrier.h"
#include "io/control.h"
#include "io/host.h"
#include "io/http_server.h"
#include "io/proxy.h"
#include "io/tun.h"
#include "role/secret.h"

#define CLIENT_LAPTOP_ADDR "169.254.134.89"

enum {
    CLIENT_CARRIERS_MAX = 8,
    CLIENT_LISTENERS_MAX = 1 + OPT_TEXTS_MAX,
    CLIENT_URL_MAX = 800,
};

/** The command line. */
struct client_config {
    const char *wifi, *server, *key, *tun, *tap, *address, *dns;
    const char *proxy, *ca;
    struct opt_texts listen, routes, direct;
    long port, mtu;
    bool plain;
};

extern const struct opt client_options[];
void client_defaults(void *config);

struct client_direct;

struct client {
    const struct client_config *config;
    const struct role_common *common;
    char server_url[CLIENT_URL_MAX], laptop_url[96];
    struct host_cidr inside;
    uint8_t key[TLS_KEY_LEN];

    struct io_loop *loop;
    struct host *host;
    struct tls_context *tls, *tls_udp;
    struct pbuf_pool *pool;
    struct tun *tun;
    struct io_timer *tick;
    struct io_hook *flush;
    struct control *control;
    struct http_server *listener[CLIENT_LISTENERS_MAX];
    size_t listeners;

    struct client_direct *direct; /* NULL: phones only */
    struct session session;
    struct carrier *carrier[CLIENT_CARRIERS_MAX];
    size_t carriers;
    int last_failure; /* of the newest carrier that ended; 0 after one came up */
    uint32_t dns[FRAME_DNS_MAX];
    size_t dns_count; /* what names are resolved by now */
    uint32_t lease;   /* our address among the server's laptops; 0: none */
    uint64_t refused_ipv6, refused_carriers, tun_refused;
};

/* client_config.c */

/** Check and resolve what was told. @return 0, -errno or ROLE_BAD_USAGE with err */
int client_check(struct client *c, struct err *err);

/** Of a --direct address: ws:// or wss://, and the proxy that --proxy or the environment puts before it. @return 0 or ROLE_BAD_USAGE with err */
int client_direct_url(const struct client_config *config, const char *text, struct ws_url *ret_url, struct proxy *ret_proxy, struct err *err);

/* client.c */

extern const struct carrier_events client_carrier_events;
/** A carrier is there, on its way up. */
void client_add_carrier(struct client *c, struct carrier *carrier);
/** It is up: packets go through it, unless a direct one is up too. */
void client_use_carrier(struct client *c, struct carrier *carrier);

/* client_direct.c */

/** @return 0, -errno or ROLE_BAD_USAGE with err */
int client_direct_new(struct client *c, struct client_direct **ret_direct, struct err *err);
/** Ask for the servers' addresses while the machine's own way of asking is untouched. */
void client_direct_resolve(struct client_direct *d);
/** With the TUN there: begin. */
void client_direct_start(struct client_direct *d);
/** Is this its carrier? NULL d: no. */
bool client_direct_owns(const struct client_direct *d, const struct carrier *carrier);
/** Its carrier, if it is up and answers; else NULL. */
struct carrier *client_direct_up(const struct client_direct *d);
/** A carrier ended; if it was its own, the next attempt begins. */
void client_direct_on_closed(struct client_direct *d, const struct carrier *carrier, int failure);
/** About once a second: has the way to the server changed, does it still answer? */
void client_direct_tick(struct client_direct *d);
/** No more attempts; before the loop is freed. NULL is fine. */
void client_direct_stop(struct client_direct *d);
/** After the loop was freed. NULL is fine. */
void client_direct_free(struct client_direct *d);

#endif
