/*
 * nat/nat.c - making and unmaking the NAT
 *
 * Every table is made here, once, as large as the limits allow: afterwards no packet allocates (but a fragment that has to wait), and
 * full means full. Their pages are touched only as they are used.
 */
#include "nat/internal.h"

#include <errno.h>
#include <stdlib.h>

enum {
    UDP_IDLE_MS = 300 * 1000,          /* RFC 4787 REQ-5: recommended */
    UDP_DNS_IDLE_MS = 30 * 1000,       /* REQ-5 a: well-known ports may have less; each query of a browser takes a port */
    TCP_ESTABLISHED_MS = 7440 * 1000,  /* RFC 5382 REQ-5: not less than 2 hours 4 minutes */
    TCP_TRANSITORY_MS = 240 * 1000,    /* REQ-5: not less than 4 minutes, opening as closing */
    ICMP_IDLE_MS = 60 * 1000,          /* RFC 5508 REQ-2: not less */
    PORT_REST_MS = 120 * 1000,         /* RFC 6888 REQ-8 */
    MAX_FLOWS = 65536,
    MAX_SESSIONS = 1024,
    /* one laptop's share: a browser with hundreds of tabs, a swarm of peers; not all there is */
    CLIENT_PORTS = 2048,
    CLIENT_FLOWS = 16384,
    CLIENT_RATE = 1000,
    ANSWER_RATE = 100,
    LINK_MTU = 1500,
    LINK_MTU_MIN = 576, /* RFC 791 section 3.2: every host takes that much */
};

enum {
    FRAGMENT_MS = 2000, /* as on a router: the longer, the likelier are equal IDs (RFC 4963) */
    FRAGMENT_BYTES = 8 << 20,
    FRAGMENT_BYTES_MIN = 1 << 16, /* one datagram */
    FRAGMENTED_DATAGRAMS = 1024,
    SCOPES = 8, /* a laptop or a sender outside has at most this part of the room */
};

void nat_config_defaults(struct nat_config *config, uint32_t external)
{
    *config = (struct nat_config){
        .external = external,
        .port_lo = 61000,
        .port_hi = 65535,
        .link_mtu = LINK_MTU,
        .filter = NAT_FILTER_ADDRESS,
        .max_flows = MAX_FLOWS,
        .max_sessions = MAX_SESSIONS,
        .client_ports = CLIENT_PORTS,
        .client_flows = CLIENT_FLOWS,
        .client_rate = CLIENT_RATE,
        .answer_rate = ANSWER_RATE,
        .udp_idle_ms = UDP_IDLE_MS,
        .udp_dns_idle_ms = UDP_DNS_IDLE_MS,
        .tcp_established_ms = TCP_ESTABLISHED_MS,
        .tcp_opening_ms = TCP_TRANSITORY_MS,
        .tcp_closing_ms = TCP_TRANSITORY_MS,
        .icmp_idle_ms = ICMP_IDLE_MS,
        .port_rest_ms = PORT_REST_MS,
        .fragment_ms = FRAGMENT_MS,
        .fragment_bytes = FRAGMENT_BYTES,
    };
}

static bool config_ok(const struct nat_config *config)
{
    return config->external != 0 && config->port_lo != 0 && config->port_lo <= config->port_hi && config->low_lo <= config->low_hi && config->low_hi < NAT_WELL_KNOWN_END &&
           (config->low_lo == 0 || config->port_lo >= NAT_WELL_KNOWN_END) &&
           config->link_mtu >= LINK_MTU_MIN && config->max_flows != 0 && config->max_sessions != 0 && config->udp_idle_ms != 0 &&
           config->udp_dns_idle_ms != 0 && config->tcp_established_ms != 0 && config->tcp_opening_ms != 0 &&
           config->tcp_closing_ms != 0 && config->icmp_idle_ms != 0 && config->fragment_ms != 0 &&
           config->fragment_bytes >= FRAGMENT_BYTES_MIN;
}

static int make_ports(struct nat *nat)
{
    for (int proto = 0; proto < NAT_PROTOS; proto++) {
        /* TCP ports have had their rest when they are freed: the transitory time (RFC 6888 REQ-8 A) */
        uint32_t rest_ms = proto == NAT_TCP ? 0 : nat->config.port_rest_ms;
        int rc = nat_ports_init(&nat->ports[proto], nat->config.port_lo, nat->config.port_hi, rest_ms);
        if (rc == 0 && nat->config.low_lo != 0)
            rc = nat_ports_init(&nat->low_ports[proto], nat->config.low_lo, nat->config.low_hi, rest_ms);
        if (rc != 0)
            return rc;
        nat->by_port[proto] = calloc(NAT_PORTS_END, sizeof *nat->by_port[proto]);
        if (nat->by_port[proto] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int make_tables(struct nat *nat)
{
    const uint32_t low = nat->config.low_lo != 0 ? (uint32_t)(nat->config.low_hi - nat->config.low_lo) + 1 : 0;
    const uint32_t range = (uint32_t)(nat->config.port_hi - nat->config.port_lo) + 1 + low;
    const uint32_t max_flows = nat->config.max_flows;
    const uint32_t max_maps = max_flows < range * NAT_PROTOS ? max_flows : range * NAT_PROTOS;
    int rc;
    if ((rc = pool_init(&nat->flows, sizeof(struct nat_flow), max_flows)) != 0 ||
        (rc = pool_init(&nat->maps, sizeof(struct nat_map), max_maps)) != 0 ||
        (rc = pool_init(&nat->sessions, sizeof(struct nat_session), nat->config.max_sessions)) != 0 ||
        (rc = hash_init(&nat->flows_outside, &nat->flows)) != 0 || (rc = hash_init(&nat->flows_inside, &nat->flows)) != 0 ||
        (rc = hash_init(&nat->map_table, &nat->maps)) != 0 || (rc = hash_init(&nat->session_table, &nat->sessions)) != 0 ||
        (rc = make_ports(nat)) != 0)
        return rc;
    const struct reasm_limits limits = {.max_bytes = nat->config.fragment_bytes,
                                        .max_datagrams = FRAGMENTED_DATAGRAMS,
                                        .max_per_scope = FRAGMENTED_DATAGRAMS / SCOPES,
                                        .timeout_ms = nat->config.fragment_ms,
                                        .seed = rng_next(&nat->rng)};
    if ((rc = reasm_new(&limits, &nat->reasm_in)) != 0)
        return rc;
    return reasm_new(&limits, &nat->reasm_out);
}

int nat_new(const struct nat_config *config, struct nat **ret_nat)
{
    if (!config_ok(config))
        return -EINVAL;
    struct nat *nat = calloc(1, sizeof *nat);
    if (nat == NULL)
        return -ENOMEM;
    nat->config = *config;
    rng_init(&nat->rng, config->seed);
    nat->map_key = (struct siphash_key){rng_next(&nat->rng), rng_next(&nat->rng)};
    nat->flow_key = (struct siphash_key){rng_next(&nat->rng), rng_next(&nat->rng)};
    nat_ident_init(nat);
    wheel_init(&nat->wheel, 0, NAT_TICK_MS);
    int rc = nat_policy_init(&nat->policy, config);
    if (rc == 0)
        rc = make_tables(nat);
    if (rc != 0) {
        nat_free(nat);
        return rc;
    }
    *ret_nat = nat;
    return 0;
}

void nat_free(struct nat *nat)
{
    if (nat == NULL)
        return;
    reasm_free(nat->reasm_in);
    reasm_free(nat->reasm_out);
    for (int proto = 0; proto < NAT_PROTOS; proto++) {
        nat_ports_done(&nat->ports[proto]);
        nat_ports_done(&nat->low_ports[proto]);
        free(nat->by_port[proto]);
    }
    hash_done(&nat->flows_outside);
    hash_done(&nat->flows_inside);
    hash_done(&nat->map_table);
    hash_done(&nat->session_table);
    pool_done(&nat->flows);
    pool_done(&nat->maps);
    pool_done(&nat->sessions);
    nat_policy_done(&nat->policy);
    free(nat);
}

int nat_set_own(struct nat *nat, const uint32_t *addrs, size_t count)
{
    return nat_policy_set_own(&nat->policy, nat->config.external, addrs, count);
}

void nat_set_link_mtu(struct nat *nat, uint16_t mtu)
{
    nat->config.link_mtu = mtu < LINK_MTU_MIN ? LINK_MTU_MIN : mtu;
}

/* A few milliseconds of work; after a storm, or a large session's end, the rest is left to packets and later ticks. */
enum { EXPIRE_PER_TICK = 8192 };

void nat_tick(struct nat *nat, uint64_t now_ms)
{
    nat_flow_expire(nat, EXPIRE_PER_TICK, now_ms);
    reasm_expire(nat->reasm_in, now_ms);
    reasm_expire(nat->reasm_out, now_ms);
}

const struct nat_stats *nat_stats(const struct nat *nat)
{
    return &nat->stats;
}

bool nat_allows(const struct nat *nat, uint8_t proto, uint32_t dst, uint16_t dst_port)
{
    return nat_policy_allows(&nat->policy, proto, dst, dst_port);
}
