/*
 * tunnel/ether_flow.h - what the fair queue has to know of an Ethernet frame: its flow, how it is marked, and how it is cut
 *
 * A frame's flow is that of the IP packet inside, behind any VLAN tags; of other frames, who speaks to whom in which protocol. Pure.
 */
#ifndef TETHER_TUNNEL_ETHER_FLOW_H
#define TETHER_TUNNEL_ETHER_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/offload.h"
#include "base/siphash.h"

/** Any bytes will do. @return a hash of 32 bits */
uint32_t ether_flow_hash(const struct siphash_key *key, const uint8_t *frame, size_t len);
/** Mark the IP packet inside, v4 or v6, as ip_flow_mark() does. @return false: it cannot be marked */
bool ether_flow_mark(uint8_t *frame, size_t len);
/** Where the payload begins, behind the type behind all tags. @return len when there is none (then the type is 0) */
size_t ether_flow_payload(const uint8_t *frame, size_t len, uint16_t *ret_type);
/** ip4_cut() of the IPv4 packet inside; each piece has the frame's header in front. @param max of a piece, header included */
size_t ether_flow_cut(uint8_t **frame, size_t *len, struct offload *offload, size_t max, uint8_t *out);
/** ip4_cut_len() likewise. */
size_t ether_flow_cut_len(uint8_t *frame, size_t len, const struct offload *offload, size_t max, size_t *ret_segments);

#endif
