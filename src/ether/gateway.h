/*
 * ether/gateway.h - this machine's own station on the switch: router, DHCP server, and the one who checks addresses
 *
 * To guests it is a router with an address of its own: it answers ARP and echo requests for it, refuses what no program listens to,
 * and takes packets for the rest of the world. Where a kernel's interface behind the uplink is the router instead, only DHCP is left.
 */
#ifndef TETHER_ETHER_GATEWAY_H
#define TETHER_ETHER_GATEWAY_H

#include "ether/addr_book.h"
#include "ether/dhcp_server.h"
#include "tether/ether.h"

enum gateway_guard {
    GATEWAY_GUARD_OFF,
    GATEWAY_GUARD_ON,     /* an address that is the gateway's, lent to another, or used by another lately is not believed, nor is who plays router */
    GATEWAY_GUARD_STRICT, /* nor is an IPv4 address that was not lent to the sender */
};
struct gateway_config {
    uint64_t mac;
    uint32_t addr, mask;      /**< its address and network */
    bool router;              /**< false: somebody else has the address; only DHCP is answered */
    struct dhcp_server *dhcp; /**< borrowed; NULL: none */
    enum gateway_guard guard;
    uint32_t max_ports, addrs_per_port;
    uint32_t uplink;          /**< a trusted port: what is said there stands; UINT32_MAX: none */
    uint64_t seed;
};
enum gateway_does {
    GATEWAY_NOTHING,
    GATEWAY_ANSWER, /* `bytes` is a frame for the port it came from */
    GATEWAY_ROUTE,  /* `bytes` is an IPv4 packet for the world; its sender is heard of, see gateway_find() */
};
struct gateway_result {
    enum gateway_does does;
    uint8_t *bytes; /**< inside of the frame given, or the gateway's own until the next call */
    size_t len;
};

struct gateway;
/** @return 0, -EINVAL, -ENOMEM */
int gateway_new(const struct gateway_config *config, struct gateway **ret_gateway);
void gateway_free(struct gateway *gateway);
/**
 * Is the address the frame's sender claims, in ARP, neighbour discovery or as a source, his? Learns it if so. What carries none is. For
 * guests' frames only.
 */
bool gateway_believes(struct gateway *gateway, uint32_t port, const struct ether_view *view, uint64_t now_ms);
/** A frame from the uplink: who says there that an address is his is not replaced by a guest while he was heard within minutes. */
void gateway_hears(struct gateway *gateway, const struct ether_view *view, uint64_t now_ms);
/** A believed frame that is for the gateway or for all. @param view its frame may be rewritten */
struct gateway_result gateway_take(struct gateway *gateway, uint32_t port, const struct ether_view *view, uint64_t now_ms);
/** Where a guest's address is. @return false: nobody here was heard with it */
bool gateway_find(const struct gateway *gateway, uint32_t addr, struct addr_entry *ret_entry);
/** The frame that asks everybody who has an address. */
void gateway_ask_for(const struct gateway *gateway, uint32_t addr, uint8_t ret_frame[ETHER_MIN_LEN]);
void gateway_port_gone(struct gateway *gateway, uint32_t port);
/** For the DHCP server: is an address not in use by another card, as far as heard? */
bool gateway_is_vacant(struct gateway *gateway, uint32_t addr, uint64_t mac);

struct gateway_stats {
    uint64_t arp_answers, echo_answers, refusals, routed, lies, bad_dhcp;
};
const struct gateway_stats *gateway_stats(const struct gateway *gateway);

#endif
