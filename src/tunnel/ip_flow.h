/*
 * tunnel/ip_flow.h - what the fair queue has to know of an IPv4 packet: its flow, and how it is marked
 *
 * A flow is what its endpoints' ports tell apart; of ICMP the echo identifier, and all fragments of a datagram are one. How a packet is cut,
 * tether/packet.h knows. Pure.
 */
#ifndef TETHER_TUNNEL_IP_FLOW_H
#define TETHER_TUNNEL_IP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"

/** Any bytes will do. @return a hash of 32 bits */
uint32_t ip_flow_hash(const struct siphash_key *key, const uint8_t *packet, size_t len);
/** Congestion experienced, where the sender understands it (RFC 3168). @return false: it does not, drop the packet */
bool ip_flow_mark(uint8_t *packet, size_t len);
/** A little packet somebody waits for: a ping, a name, a call's 20 ms, a TCP handshake; of TCP nothing else. */
bool ip_flow_is_urgent(const uint8_t *packet, size_t len);

#endif
