/*
 * nat/policy.h - which destinations laptops may reach, which sources they may claim
 */
#ifndef TETHER_NAT_POLICY_H
#define TETHER_NAT_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "tether/nat.h"

/**
 * May a laptop send there? The external address is not judged here: it is the server itself.
 *
 * @param proto IP_PROTO_* @param dst host order @param dst_port host order, 0 for ICMP
 */
bool nat_policy_allows(const struct nat_config *config, uint8_t proto, uint32_t dst, uint16_t dst_port);
/** Can a packet from a laptop truthfully bear this source? (RFC 1812 section 5.3.7) */
bool nat_policy_source_ok(const struct nat_config *config, uint32_t src);

#endif
