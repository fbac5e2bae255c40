/*
 * nat/policy.h - which destinations laptops may reach, which sources they may claim
 */
#ifndef TETHER_NAT_POLICY_H
#define TETHER_NAT_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "tether/nat.h"

struct nat_policy {
    struct nat_allow *allow; /**< a copy */
    size_t allow_count;
    uint32_t own[NAT_OWN_MAX]; /**< the server's addresses */
    size_t own_count;
};

static inline bool nat_prefix_holds(const struct nat_prefix *prefix, uint32_t addr)
{
    return prefix->len == 0 || (addr ^ prefix->addr) >> (32 - prefix->len) == 0;
}

/** Takes copies. @return 0, -EINVAL for an impossible prefix, -ENOMEM; done() is fine after any */
int nat_policy_init(struct nat_policy *policy, const struct nat_config *config);
void nat_policy_done(struct nat_policy *policy);
/** Forget the server's addresses but `external`, and take these. @return -ENOBUFS when there are more than are kept */
int nat_policy_set_own(struct nat_policy *policy, uint32_t external, const uint32_t *addrs, size_t count);
/**
 * May a laptop send there? What a mapping there was lent, hairpinning, is no question of policy.
 *
 * @param proto IP_PROTO_* @param dst host order @param dst_port host order, 0 for ICMP
 */
bool nat_policy_allows(const struct nat_policy *policy, uint8_t proto, uint32_t dst, uint16_t dst_port);
/** Can a packet from a laptop truthfully bear this source? (RFC 1812 section 5.3.7) */
bool nat_policy_source_ok(uint32_t src);

#endif
