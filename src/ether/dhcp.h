/*
 * ether/dhcp.h - messages of the dynamic host configuration protocol (RFC 2131, RFC 2132), as a server reads and writes them
 *
 * Addresses in host order. What a message may hold beyond this is skipped.
 */
#ifndef TETHER_ETHER_DHCP_H
#define TETHER_ETHER_DHCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DHCP_SERVER_PORT = 67, DHCP_CLIENT_PORT = 68 };
enum {
    DHCP_MIN_LEN = 300,     /* what old clients insist on (RFC 1542 section 2.1) */
    DHCP_REPLY_MAX = 576 - 28, /* every client takes as much (RFC 2131 section 2) */
    DHCP_CLIENT_ID_MAX = 64,
    DHCP_HOSTNAME_MAX = 63,
    DHCP_DOMAIN_MAX = 64,
    DHCP_DNS_MAX = 4,
};
enum dhcp_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_DECLINE,
    DHCP_ACK,
    DHCP_NAK,
    DHCP_RELEASE,
    DHCP_INFORM,
};

/** Who a client says it is: its identifier (RFC 2132 section 9.14), cut to DHCP_CLIENT_ID_MAX, else type and address of its card. */
struct dhcp_client {
    uint8_t len;
    uint8_t bytes[DHCP_CLIENT_ID_MAX];
};

/** A client's message. */
struct dhcp_message {
    enum dhcp_type type;
    uint32_t xid;
    uint16_t flags;      /**< as sent */
    bool wants_broadcast;
    uint64_t mac;        /**< chaddr */
    uint32_t ciaddr;     /**< the address it uses already; 0: none */
    uint32_t giaddr;     /**< of a relay; 0: none */
    uint32_t requested, server_id; /**< options; 0: not there */
    bool has_client_id;
    struct dhcp_client client;
    char hostname[DHCP_HOSTNAME_MAX + 1]; /**< letters, digits, '-', '.', '_' only; "" without one */
};

/**
 * @param data the UDP payload
 * @return false: cut off, not a client's, not of an Ethernet card, or options that run over the end
 */
bool dhcp_parse(const uint8_t *data, size_t len, struct dhcp_message *ret_message);

/** What a client is told beside its address. */
struct dhcp_network {
    uint32_t server;          /**< its identifier: an address clients reach */
    uint32_t mask, router;    /**< router 0: none, the network leads nowhere */
    uint32_t dns[DHCP_DNS_MAX];
    size_t dns_count;
    char domain[DHCP_DOMAIN_MAX + 1]; /**< "": none */
    uint16_t mtu;             /**< 0: not said */
};
/**
 * Write an answer.
 *
 * @param yiaddr  the address given; 0 in a NAK and for DHCP_INFORM
 * @param lease_s 0: nothing is said about time (NAK, INFORM)
 * @return bytes written, at least DHCP_MIN_LEN
 */
size_t dhcp_make(uint8_t ret_data[DHCP_REPLY_MAX], enum dhcp_type type, const struct dhcp_message *asked,
                 const struct dhcp_network *network, uint32_t yiaddr, uint32_t lease_s);

#endif
