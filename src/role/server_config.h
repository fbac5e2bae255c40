/*
 * role/server_config.h - what the server was told, and what that means on this machine
 */
#ifndef TETHER_ROLE_SERVER_CONFIG_H
#define TETHER_ROLE_SERVER_CONFIG_H

#include "io/key.h"
#include "io/link.h"
#include "role/role.h"
#include "tether/nat.h"

/** The command line. */
struct server_config {
    const char *iface, *key, *ports, *capture, *inject, *tls_cert, *tls_key;
    struct opt_texts listen, allow;
    long port, web_port;
    bool plain;
};
extern const struct opt server_options[];
void server_defaults(void *config);

enum { SERVER_ALLOW_MAX = OPT_TEXTS_MAX + 4 };
/** The command line, checked and resolved. */
struct server_setup {
    const char *iface, *tls_cert, *tls_key; /**< certificate and key: both or none */
    enum link_kind capture, inject;
    uint32_t external; /**< the interface's address, host order */
    uint16_t link_mtu, port, web_port, port_lo, port_hi;
    const char *listen[OPT_TEXTS_MAX];
    size_t listen_count;
    struct nat_prefix allow[SERVER_ALLOW_MAX];
    size_t allow_count;
    bool plain, key_is_fresh;
    uint8_t key[TLS_KEY_LEN];
    char key_text[KEY_TEXT_LEN + 1];
};
/** @return 0, -errno or ROLE_BAD_USAGE with err */
int server_setup_check(const struct role_common *common, const struct server_config *config,
                       struct server_setup *ret_setup, struct err *err);
/** The NAT's configuration; the resolvers are reachable whatever their address. Borrows from setup. */
void server_nat_config(struct server_setup *setup, const uint32_t *resolvers, size_t count,
                       struct nat_config *ret_config);
/** "server ready", and on stdout the line to run on the laptop where somebody is there to read it. */
void server_setup_announce(const struct server_setup *setup);

#endif
