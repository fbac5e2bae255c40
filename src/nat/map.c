/*
 * nat/map.c - inside endpoints and the external ports they have
 *
 * One endpoint, one port, whoever it talks to (RFC 4787 REQ-1), and one port, one endpoint, so never overloaded (REQ-3). The session is
 * part of the endpoint: laptops may all call themselves 10.0.0.1.
 */
#include "nat/internal.h"

static uint32_t hash_map(const struct nat *nat, uint32_t session, uint32_t inside, enum nat_proto proto, uint16_t inside_port)
{
    return (uint32_t)siphash13_2(&nat->map_key, (uint64_t)session << 32 | inside, (uint64_t)proto << 16 | inside_port);
}

struct nat_map *nat_map_find(const struct nat *nat, const struct nat_tuple *t)
{
    struct hash_walk w;
    struct nat_map *map = hash_first(&nat->map_table, hash_map(nat, t->session, t->inside, t->proto, t->inside_port), &w);
    for (; map != NULL; map = hash_next(&nat->map_table, &w))
        if (map->inside == t->inside && map->inside_port == t->inside_port && map->proto == t->proto &&
            map->session_id == t->session && !nat_map_ended(nat, map))
            return map;
    return NULL;
}

bool nat_owns_port(const struct nat *nat, uint16_t port)
{
    const struct nat_config *c = &nat->config;
    return (port >= c->port_lo && port <= c->port_hi) || (c->low_lo != 0 && port >= c->low_lo && port <= c->low_hi);
}

struct nat_map *nat_map_at(const struct nat *nat, enum nat_proto proto, uint16_t port)
{
    struct nat_map *map = nat_owns_port(nat, port) ? nat->by_port[proto][port] : NULL;
    return map != NULL && !nat_map_ended(nat, map) ? map : NULL;
}

static struct nat_ports *pool_of(struct nat *nat, enum nat_proto proto, uint16_t port)
{
    const bool low = nat->config.low_lo != 0 && proto != NAT_ICMP && port != 0 && port < NAT_WELL_KNOWN_END;
    return low ? &nat->low_ports[proto] : &nat->ports[proto];
}

/* Of its own class, or, when that is used up, of the other: a port of another class is better than none. */
static int lend_port(struct nat *nat, const struct nat_tuple *t, uint64_t now_ms, uint16_t *ret_port)
{
    struct nat_ports *ports = pool_of(nat, t->proto, t->inside_port);
    int rc = nat_ports_lend(ports, &nat->rng, now_ms, ret_port);
    return rc != 0 && ports != &nat->ports[t->proto] ? nat_ports_lend(&nat->ports[t->proto], &nat->rng, now_ms, ret_port) : rc;
}

enum drop nat_map_new(struct nat *nat, struct nat_session *session, const struct nat_tuple *t, uint64_t now_ms, struct nat_map **ret_map)
{
    uint16_t port;
    struct nat_map *map = pool_lend(&nat->maps);
    if (map == NULL)
        return DROP_FULL;
    if (lend_port(nat, t, now_ms, &port) != 0) {
        pool_return(&nat->maps, map);
        return DROP_NO_PORT;
    }
    map->session_id = t->session;
    map->inside = t->inside;
    map->inside_port = t->inside_port;
    map->port = port;
    map->proto = t->proto;
    map->session = session;
    list_prepend(&session->maps, &map->link);
    hash_add(&nat->map_table, map, hash_map(nat, t->session, t->inside, t->proto, t->inside_port));
    nat->by_port[t->proto][port] = map;
    session->port_count[t->proto]++;
    nat->stats.mappings++;
    *ret_map = map;
    return DROP_NONE;
}

void nat_map_free(struct nat *nat, struct nat_map *map, uint64_t now_ms)
{
    struct nat_session *session = map->session;
    nat->by_port[map->proto][map->port] = NULL;
    nat_ports_release(pool_of(nat, map->proto, map->port), map->port, now_ms);
    hash_remove(&nat->map_table, map, hash_map(nat, map->session_id, map->inside, map->proto, map->inside_port));
    list_remove(&session->maps, &map->link);
    session->port_count[map->proto]--;
    pool_return(&nat->maps, map);
    nat->stats.mappings--;
}
