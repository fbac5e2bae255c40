/*
 * nat/policy.c - the server is no way into its own networks
 *
 * A laptop asked for the internet, so what is not the internet is refused: private networks and the server's own, and above all the
 * cloud's metadata service at 169.254.169.254, which hands out credentials to whoever asks from that host. `allow` opens prefixes.
 * The resolver is opened for names only, because in some clouds it is the same address as the metadata service.
 */
#include "nat/policy.h"

enum { PORT_DNS = 53, PORT_DNS_TLS = 853 };

#define ADDR(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* RFC 6890, the entries that lead to the server's own networks. Documentation and benchmark ranges lead nowhere and harm nobody. */
static const struct nat_prefix not_internet[] = {
    {ADDR(10, 0, 0, 0), 8},     {ADDR(100, 64, 0, 0), 10},  {ADDR(127, 0, 0, 0), 8},
    {ADDR(169, 254, 0, 0), 16}, {ADDR(172, 16, 0, 0), 12},  {ADDR(192, 168, 0, 0), 16},
    {ADDR(240, 0, 0, 0), 4},
};
/* No host has these: no prefix opens them. */
static const struct nat_prefix not_unicast[] = {
    {ADDR(0, 0, 0, 0), 8},
    {ADDR(224, 0, 0, 0), 4},
    {ADDR(255, 255, 255, 255), 32},
};

static bool within(const struct nat_prefix *list, size_t count, uint32_t addr)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].len == 0 || (addr ^ list[i].addr) >> (32 - list[i].len) == 0)
            return true;
    return false;
}

#define WITHIN(list, addr) within(list, sizeof(list) / sizeof((list)[0]), addr)

bool nat_policy_allows(const struct nat_config *config, uint8_t proto, uint32_t dst, uint16_t dst_port)
{
    if (WITHIN(not_unicast, dst))
        return false;
    if (!WITHIN(not_internet, dst))
        return true;
    if (config->resolver != 0 && dst == config->resolver && (proto == IP_PROTO_UDP || proto == IP_PROTO_TCP) &&
        (dst_port == PORT_DNS || dst_port == PORT_DNS_TLS))
        return true;
    return within(config->allow, config->allow_count, dst);
}

bool nat_policy_source_ok(const struct nat_config *config, uint32_t src)
{
    static const struct nat_prefix loopback[] = {{ADDR(127, 0, 0, 0), 8}};
    return src != config->external && !WITHIN(not_unicast, src) && !WITHIN(loopback, src);
}
