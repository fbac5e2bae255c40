/*
 * nat/flow.c - conversations: which remote may send to a mapping, and until when
 *
 * What of the remote a flow names is the filtering (RFC 4787 REQ-8): its address, its port too, or neither. It is the same for every packet,
 * whatever the load (REQ-11). TCP flows always name both, for each is one connection. A packet only moves a flow's expiry; the timer, once due, finds out and is set again, so that the wheel costs nothing
 * per packet.
 */
#include "nat/internal.h"

enum { PORT_DNS = 53 };

/* What of a remote a flow goes by. */
struct remote {
    uint32_t addr;
    uint16_t port;
};

static struct remote filtered(const struct nat *nat, enum nat_proto proto, uint32_t addr, uint16_t port)
{
    if (proto != NAT_TCP && nat->config.filter == NAT_FILTER_ENDPOINT)
        return (struct remote){0, 0};
    bool by_port = proto == NAT_TCP || (proto == NAT_UDP && nat->config.filter == NAT_FILTER_ADDRESS_PORT);
    return (struct remote){addr, by_port ? port : 0};
}

/* Both ways of naming a flow lead to it directly: what a packet costs with many flows is the cache lines it has to wait for. */

static uint32_t hash_outside(const struct nat *nat, enum nat_proto proto, uint16_t port, struct remote r)
{
    return (uint32_t)siphash13_1b(&nat->flow_key, (uint64_t)r.addr << 32 | (uint64_t)r.port << 16 | port, (uint8_t)proto);
}

/* @param r of the tuple's remote, whose own address and port are not looked at */
static uint32_t hash_inside(const struct nat *nat, const struct nat_tuple *t, struct remote r)
{
    return (uint32_t)siphash13_2b(&nat->flow_key, (uint64_t)t->session << 32 | t->inside,
                                  (uint64_t)r.addr << 32 | (uint64_t)r.port << 16 | t->inside_port, (uint8_t)t->proto);
}

/* @return the flow, or NULL when it expired or its session ended, in which case it is gone */
static struct nat_flow *alive(struct nat *nat, struct nat_flow *flow, uint64_t now_ms)
{
    if (flow->expires_ms > now_ms && !nat_map_ended(nat, flow->map))
        return flow;
    nat_flow_free(nat, flow, now_ms);
    return NULL;
}

struct nat_flow *nat_flow_find_outside(struct nat *nat, enum nat_proto proto, uint16_t port, uint32_t remote,
                                       uint16_t remote_port, uint64_t now_ms)
{
    struct hash_walk w;
    const struct remote r = filtered(nat, proto, remote, remote_port);
    struct nat_flow *flow = hash_first(&nat->flows_outside, hash_outside(nat, proto, port, r), &w);
    for (; flow != NULL; flow = hash_next(&nat->flows_outside, &w))
        if (flow->remote == r.addr && flow->port == port && flow->remote_port == r.port && flow->proto == (uint8_t)proto)
            return alive(nat, flow, now_ms);
    return NULL;
}

struct nat_flow *nat_flow_find_inside(struct nat *nat, const struct nat_tuple *t, uint64_t now_ms)
{
    struct hash_walk w;
    const struct remote r = filtered(nat, t->proto, t->remote, t->remote_port);
    struct nat_flow *flow = hash_first(&nat->flows_inside, hash_inside(nat, t, r), &w);
    for (; flow != NULL; flow = hash_next(&nat->flows_inside, &w))
        if (flow->session_id == t->session && flow->inside == t->inside && flow->inside_port == t->inside_port &&
            flow->remote == r.addr && flow->remote_port == r.port && flow->proto == (uint8_t)t->proto)
            return alive(nat, flow, now_ms);
    return NULL;
}

uint32_t nat_flow_prefetch(const struct nat *nat, const struct nat_tuple *t)
{
    const struct remote r = filtered(nat, t->proto, t->remote, t->remote_port);
    uint32_t value = t->session != 0 ? hash_inside(nat, t, r) : hash_outside(nat, t->proto, t->inside_port, r);
    hash_prefetch(t->session != 0 ? &nat->flows_inside : &nat->flows_outside, value);
    return value;
}

static void enter_tables(struct nat *nat, struct nat_flow *flow, const struct nat_tuple *t)
{
    const struct remote r = {flow->remote, flow->remote_port};
    hash_add(&nat->flows_inside, flow, hash_inside(nat, t, r));
    hash_add(&nat->flows_outside, flow, hash_outside(nat, t->proto, flow->port, r));
}

static void leave_tables(struct nat *nat, const struct nat_flow *flow)
{
    const struct nat_tuple t = {
        .proto = flow->proto, .session = flow->session_id, .inside = flow->inside, .inside_port = flow->inside_port};
    const struct remote r = {flow->remote, flow->remote_port};
    hash_remove(&nat->flows_inside, flow, hash_inside(nat, &t, r));
    hash_remove(&nat->flows_outside, flow, hash_outside(nat, t.proto, flow->port, r));
}

void nat_flow_enter(struct nat *nat, struct nat_flow *flow, struct nat_map *map, const struct nat_tuple *t)
{
    const struct remote r = filtered(nat, t->proto, t->remote, t->remote_port);
    flow->map = map;
    flow->session_id = t->session;
    flow->inside = t->inside;
    flow->inside_port = t->inside_port;
    flow->port = map->port;
    flow->proto = (uint8_t)t->proto;
    flow->remote = r.addr;
    flow->remote_port = r.port;
    flow->only_dns = t->proto == NAT_UDP;
    list_prepend(&map->flows, &flow->link);
    enter_tables(nat, flow, t);
    map->session->flow_count++;
    nat->stats.flows++;
    if (nat->stats.flows > nat->stats.flows_peak)
        nat->stats.flows_peak = nat->stats.flows;
}

void nat_flow_free(struct nat *nat, struct nat_flow *flow, uint64_t now_ms)
{
    struct nat_map *map = flow->map;
    wheel_cancel(&nat->wheel, &flow->timer);
    leave_tables(nat, flow);
    list_remove(&map->flows, &flow->link);
    pool_return(&nat->flows, flow);
    map->session->flow_count--;
    nat->stats.flows--;
    if (list_is_empty(&map->flows))
        nat_map_free(nat, map, now_ms);
}

/* A shorter wait moves the timer; a longer one is found out when the timer fires. */
static void renew(struct nat *nat, struct nat_flow *flow, uint64_t expires_ms)
{
    bool sooner = expires_ms < flow->expires_ms || flow->expires_ms == 0;
    flow->expires_ms = expires_ms;
    if (sooner)
        wheel_set(&nat->wheel, &flow->timer, expires_ms);
}

static uint32_t udp_idle_ms(const struct nat *nat, struct nat_flow *flow, uint16_t remote_port)
{
    if (remote_port != PORT_DNS)
        flow->only_dns = false;
    return flow->only_dns ? nat->config.udp_dns_idle_ms : nat->config.udp_idle_ms;
}

enum drop nat_flow_touch(struct nat *nat, struct nat_flow *flow, const struct ip4_view *v, bool outbound, uint64_t now_ms)
{
    const struct nat_config *config = &nat->config;
    switch (flow->proto) {
    case NAT_TCP:
        switch (nat_tcp_track(&flow->tcp, outbound, config->filter == NAT_FILTER_ENDPOINT, v)) {
        case NAT_TCP_REFUSE:
            return DROP_WINDOW;
        case NAT_TCP_KEEP:
            break;
        case NAT_TCP_OPENING:
            renew(nat, flow, now_ms + config->tcp_opening_ms);
            break;
        case NAT_TCP_CLOSING:
            renew(nat, flow, now_ms + config->tcp_closing_ms);
            break;
        case NAT_TCP_ESTABLISHED:
            renew(nat, flow, now_ms + config->tcp_established_ms);
            break;
        }
        break;
    case NAT_UDP: /* RFC 4787 REQ-6: else whoever sends from outside keeps it open */
        if (outbound)
            renew(nat, flow, now_ms + udp_idle_ms(nat, flow, v->dst_port));
        break;
    default:
        if (outbound)
            renew(nat, flow, now_ms + config->icmp_idle_ms);
        break;
    }
    return DROP_NONE;
}
