/*
 * tunnel/ether_flow.h - what the fair queue has to know of an Ethernet frame: its flow, and how it is marked
 *
 * A frame's flow is that of the IP packet inside, behind any VLAN tags; of other frames, who speaks to whom in which protocol. Pure.
 */
#ifndef TETHER_TUNNEL_ETHER_FLOW_H
#define TETHER_TUNNEL_ETHER_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"

/** Any bytes will do. @return below FAIRQ_FLOWS */
uint32_t ether_flow_hash(const struct siphash_key *key, const uint8_t *frame, size_t len);
/** Mark the IP packet inside, v4 or v6, as fairq_mark() does. @return false: it cannot be marked */
bool ether_flow_mark(uint8_t *frame, size_t len);

#endif
