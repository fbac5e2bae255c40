/*
 * ether/dhcp_server.h - a DHCP server (RFC 2131 section 4.3) for the ports of a switch
 *
 * It is alone on its network, knows which port each message came in by and which ports are connected, and uses that: an address is
 * never taken from a client that is there, and no port gets more than its share.
 */
#ifndef TETHER_ETHER_DHCP_SERVER_H
#define TETHER_ETHER_DHCP_SERVER_H

#include "ether/dhcp_lease.h"

/** Is an address free of use by others than this card, as far as anybody heard? */
typedef bool (*dhcp_vacant_for_cb)(void *ctx, uint32_t addr, uint64_t mac);
/** A lease was granted, renewed, declined or given back: write it down before the answer leaves (RFC 2131 section 4.3.1). */
typedef void (*dhcp_changed_cb)(void *ctx, const struct dhcp_lease *lease);

struct dhcp_server_config {
    struct dhcp_network network;
    struct dhcp_leases_config leases; /**< `except` and `lease_ms` are set by the server */
    uint32_t lease_s;
    dhcp_vacant_for_cb vacant;
    dhcp_changed_cb changed;
    void *ctx;
};
struct dhcp_stats {
    uint64_t offers, acks, naks, declines, releases, informs;
    uint64_t no_address; /**< refused: the range is used up */
    uint64_t over_quota; /**< refused: the port holds as many as it may */
    uint64_t ignored;    /**< for another server, from a relay, or about an address that is not the client's */
};
struct dhcp_answer {
    size_t len;       /**< 0: none */
    uint32_t dst;     /**< IPv4 address, host order; may be 255.255.255.255 */
    uint64_t dst_mac;
};

struct dhcp_server;
/** @return 0, -EINVAL (see dhcp_leases_new()), -ENOMEM */
int dhcp_server_new(const struct dhcp_server_config *config, struct dhcp_server **ret_server);
void dhcp_server_free(struct dhcp_server *server);
/** A client's message. @param ret_data the answer's UDP payload */
struct dhcp_answer dhcp_server_ask(struct dhcp_server *server, uint32_t port, const struct dhcp_message *message, uint64_t now_ms,
                                   uint8_t ret_data[DHCP_REPLY_MAX]);
void dhcp_server_port_gone(struct dhcp_server *server, uint32_t port);
void dhcp_server_tick(struct dhcp_server *server, uint64_t now_ms);
/** The holder of an address that is lent now, or NULL. */
const struct dhcp_lease *dhcp_server_holder(struct dhcp_server *server, uint32_t addr);
const struct dhcp_stats *dhcp_server_stats(const struct dhcp_server *server);
/** For status. */
struct dhcp_leases *dhcp_server_leases(struct dhcp_server *server);

/* --- the lease file: a line for each change, the last one of an address counts --- */

enum { DHCP_LINE_MAX = 320 };
/**
 * "ADDRESS MAC EXPIRES CLIENT-ID HOSTNAME", e.g. "192.168.86.2 02:00:00:00:00:01 1767225600 01020000000001 box\n".
 *
 * @param expires_s seconds since 1970; 0: given back
 */
void dhcp_lease_print(const struct dhcp_lease *lease, uint64_t expires_s, char ret_line[DHCP_LINE_MAX]);
/**
 * Take back what a line says. One about an address that is not lent here any more is skipped.
 *
 * @param unix_s the time now @return false when it is no such line
 */
bool dhcp_server_restore(struct dhcp_server *server, const char *line, uint64_t unix_s, uint64_t now_ms);

#endif
