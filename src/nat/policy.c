/*
 * nat/policy.c - the server is no way into its own networks, nor a source of spam
 *
 * A laptop asked for the internet, so what is not the internet is refused: private networks, the server itself, and above all the
 * cloud's metadata service, which hands out credentials to whoever asks from that host. Port 25 is refused because mail servers judge
 * the server's address by what comes from it there. `allow` opens prefixes, whole or for one port; the server opens its
 * resolvers for names only, because in some clouds they are the same address as the metadata service.
 *
 * The metadata services at IPv6 addresses (fd00:ec2::254 and its kin) need no rule: no IPv6 packet passes this NAT at all.
 */
#include "nat/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_SMTP = 25 };

#define ADDR(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* RFC 6890, the entries that lead to the server's own networks. Documentation and benchmark ranges lead nowhere and harm nobody. */
static const struct nat_prefix not_internet[] = {
    {ADDR(10, 0, 0, 0), 8},
    {ADDR(100, 64, 0, 0), 10}, /* shared by customers of one provider; metadata at 100.100.100.200 */
    {ADDR(127, 0, 0, 0), 8},
    {ADDR(168, 63, 129, 16), 32}, /* looks public: a cloud's host agent */
    {ADDR(169, 254, 0, 0), 16},   /* metadata at 169.254.169.254, .170.2 */
    {ADDR(172, 16, 0, 0), 12},
    {ADDR(192, 0, 0, 0), 24}, /* metadata at 192.0.0.192 */
    {ADDR(192, 168, 0, 0), 16},
    {ADDR(240, 0, 0, 0), 4},
};
/* No host has these: nothing opens them. */
static const struct nat_prefix never[] = {
    {ADDR(0, 0, 0, 0), 8},
    {ADDR(255, 255, 255, 255), 32},
};
static const struct nat_prefix multicast = {ADDR(224, 0, 0, 0), 4}, loopback = {ADDR(127, 0, 0, 0), 8};

static bool within(const struct nat_prefix *list, size_t count, uint32_t addr)
{
    for (size_t i = 0; i < count; i++)
        if (nat_prefix_holds(&list[i], addr))
            return true;
    return false;
}

#define WITHIN(list, addr) within(list, sizeof(list) / sizeof((list)[0]), addr)

int nat_policy_init(struct nat_policy *policy, const struct nat_config *config)
{
    *policy = (struct nat_policy){.own = {config->external}, .own_count = 1};
    for (size_t i = 0; i < config->allow_count; i++)
        if (config->allow[i].prefix.len > 32)
            return -EINVAL;
    if (config->allow_count == 0)
        return 0;
    policy->allow = calloc(config->allow_count, sizeof *policy->allow);
    if (policy->allow == NULL)
        return -ENOMEM;
    memcpy(policy->allow, config->allow, config->allow_count * sizeof *policy->allow);
    policy->allow_count = config->allow_count;
    return 0;
}

void nat_policy_done(struct nat_policy *policy)
{
    free(policy->allow);
    *policy = (struct nat_policy){0};
}

int nat_policy_set_own(struct nat_policy *policy, uint32_t external, const uint32_t *addrs, size_t count)
{
    policy->own[0] = external;
    policy->own_count = 1;
    for (size_t i = 0; i < count; i++) {
        if (policy->own_count == NAT_OWN_MAX)
            return -ENOBUFS;
        policy->own[policy->own_count++] = addrs[i];
    }
    return 0;
}

static bool is_own(const struct nat_policy *policy, uint32_t addr)
{
    for (size_t i = 0; i < policy->own_count; i++)
        if (policy->own[i] == addr)
            return true;
    return false;
}

/* "Everything" does not mean the groups of the server's link: only a prefix of groups opens them. */
static bool opens(const struct nat_allow *allow, uint8_t proto, uint32_t dst, uint16_t dst_port)
{
    bool has_port = proto == IP_PROTO_UDP || proto == IP_PROTO_TCP;
    return nat_prefix_holds(&allow->prefix, dst) && (allow->port == 0 || (has_port && allow->port == dst_port)) &&
           (!nat_prefix_holds(&multicast, dst) || allow->prefix.len >= multicast.len);
}

bool nat_policy_allows(const struct nat_policy *policy, uint8_t proto, uint32_t dst, uint16_t dst_port)
{
    if (WITHIN(never, dst))
        return false;
    bool mail = proto == IP_PROTO_TCP && dst_port == PORT_SMTP;
    if (!mail && !nat_prefix_holds(&multicast, dst) && !WITHIN(not_internet, dst) && !is_own(policy, dst))
        return true;
    for (size_t i = 0; i < policy->allow_count; i++)
        if (opens(&policy->allow[i], proto, dst, dst_port))
            return true;
    return false;
}

bool nat_policy_source_ok(uint32_t src)
{
    return !WITHIN(never, src) && !nat_prefix_holds(&multicast, src) && !nat_prefix_holds(&loopback, src);
}
