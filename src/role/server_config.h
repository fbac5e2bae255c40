/*
 * role/server_config.h - what the server was told, and what that means on this machine
 */
#ifndef TETHER_ROLE_SERVER_CONFIG_H
#define TETHER_ROLE_SERVER_CONFIG_H

#include "io/key.h"
#include "io/link.h"
#include "role/nat_options.h"
#include "role/role.h"

/** The command line. */
struct server_config {
    const char *iface, *tap, *key, *capture, *inject, *tls_cert, *tls_key;
    struct opt_texts listen;
    struct nat_options nat;
    long port, web_port, udp_port;
    bool plain, between;
    const char *nat_kind;
};
extern const struct opt server_options[];
void server_defaults(void *config);

/** The command line, checked and resolved. */
struct server_setup {
    const char *iface, *tls_cert, *tls_key; /**< certificate and key: both or none */
    const char *tap; /**< not NULL: layer 2, and nothing about interface and NAT is set */
    enum link_kind capture, inject;
    uint32_t external; /**< the interface's address, host order */
    uint16_t link_mtu, port, web_port, udp_port;
    const char *listen[OPT_TEXTS_MAX];
    size_t listen_count;
    struct nat_setup nat;
    bool plain, key_is_fresh, kernel_nat, between;
    uint8_t key[TLS_KEY_LEN];
    char key_text[KEY_TEXT_LEN + 1];
};
/** The MTU that laptops and NAT go by on an interface of this one. */
uint16_t server_setup_mtu(size_t mtu);
/** @return 0, -errno or ROLE_BAD_USAGE with err */
int server_setup_check(const struct role_common *common, const struct server_config *config,
                       struct server_setup *ret_setup, struct err *err);
/** The key is shown when it is new or to a person at a terminal, not to a log collector at every start. */
bool server_setup_shows_key(const struct server_setup *setup);
/** "server ready", and on stdout the line to run on the laptop where somebody is there to read it. */
void server_setup_announce(const struct server_setup *setup);

#endif
