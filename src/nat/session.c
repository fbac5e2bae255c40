/*
 * nat/session.c - laptops: what each may use, and which source address is its own
 *
 * One laptop's appetite must leave room for the others (RFC 6888 REQ-4, REQ-5), so each has its share of ports, of flows, of new flows a
 * second, and of answers a second. A session begins with its first packet that makes state or is answered, or when its lease is told. It
 * lasts until nat_end_session(), or until its room is needed and nothing would be forgotten with it.
 *
 * Who leaves with tens of thousands of flows must not hold up the others for the milliseconds that freeing them takes. So a session ends at once
 * for everybody who looks (nat_map_ended()), and its flows are freed in slices, by the same ticks and packets that free the expired.
 *
 * Packets come in rows, so the session of the last one is kept at hand.
 */
#include "nat/internal.h"

#include <errno.h>

enum { REAP_AT_ONCE = 64, REAP_FOR_ROOM = 1024 }; /* flows */
enum {
    SESSION_LINK = offsetof(struct nat_session, link),
    MAP_LINK = offsetof(struct nat_map, link),
    FLOW_LINK = offsetof(struct nat_flow, link),
};

static uint32_t hash_session(const struct nat *nat, uint32_t id)
{
    return (uint32_t)siphash13_2(&nat->map_key, id, UINT64_MAX);
}

struct nat_session *nat_session_find(struct nat *nat, uint32_t id)
{
    if (nat->recent != NULL && nat->recent->id == id)
        return nat->recent;
    struct hash_walk w;
    struct nat_session *session = hash_first(&nat->session_table, hash_session(nat, id), &w);
    while (session != NULL && session->id != id)
        session = hash_next(&nat->session_table, &w);
    if (session != NULL)
        nat->recent = session;
    return session;
}

/* From now on it is not found. */
static void forget(struct nat *nat, struct nat_session *session)
{
    if (nat->recent == session)
        nat->recent = NULL;
    list_remove(&nat->session_list, &session->link);
    hash_remove(&nat->session_table, session, hash_session(nat, session->id));
}

/* Those that are just like new. All are looked at, but there are no more of them than nat_config.max_sessions. */
static void make_room(struct nat *nat, uint64_t now_ms)
{
    nat_session_reap(nat, REAP_FOR_ROOM, now_ms);
    for (struct nat_session *s = list_first(&nat->session_list, SESSION_LINK), *next; s != NULL; s = next) {
        next = list_next(&s->link, SESSION_LINK);
        if (list_is_empty(&s->maps) && !s->leased && nat_rate_rests(&s->new_flows, now_ms) && nat_rate_rests(&s->answers, now_ms)) {
            forget(nat, s);
            pool_return(&nat->sessions, s);
        }
    }
}

struct nat_session *nat_session_get(struct nat *nat, uint32_t id, uint64_t now_ms)
{
    struct nat_session *session = nat_session_find(nat, id);
    if (session != NULL)
        return session;
    if (nat->sessions.lent == nat->sessions.max)
        make_room(nat, now_ms);
    session = pool_lend(&nat->sessions);
    if (session == NULL)
        return NULL;
    session->id = id;
    list_prepend(&nat->session_list, &session->link);
    hash_add(&nat->session_table, session, hash_session(nat, id));
    return session;
}

int nat_set_lease(struct nat *nat, uint32_t id, struct nat_prefix lease, uint64_t now_ms)
{
    struct nat_session *session = nat_session_get(nat, id, now_ms);
    if (lease.len > 32)
        return -EINVAL;
    if (session == NULL)
        return -ENOBUFS;
    session->lease = lease;
    session->leased = true;
    return 0;
}

bool nat_session_owns(const struct nat_session *session, uint32_t src)
{
    return session == NULL || !session->leased || nat_prefix_holds(&session->lease, src);
}

enum drop nat_session_admit(struct nat *nat, struct nat_session *session, enum nat_proto proto, bool new_map, uint64_t now_ms)
{
    const struct nat_config *config = &nat->config;
    if (config->client_flows != 0 && session->flow_count >= config->client_flows)
        return DROP_CLIENT_LIMIT;
    if (new_map && config->client_ports != 0 && session->port_count[proto] >= config->client_ports)
        return DROP_CLIENT_LIMIT;
    return nat_rate_take(&session->new_flows, config->client_rate, now_ms) ? DROP_NONE : DROP_CLIENT_RATE;
}

size_t nat_session_reap(struct nat *nat, size_t budget, uint64_t now_ms)
{
    for (struct nat_session *s; (s = list_first(&nat->ending, SESSION_LINK)) != NULL;) {
        for (struct nat_map *map; (map = list_first(&s->maps, MAP_LINK)) != NULL; budget--) {
            if (budget == 0)
                return 0;
            nat_flow_free(nat, list_first(&map->flows, FLOW_LINK), now_ms); /* the last one's map goes with it */
        }
        list_remove(&nat->ending, &s->link);
        pool_return(&nat->sessions, s);
    }
    return budget;
}

void nat_end_session(struct nat *nat, uint32_t id, uint64_t now_ms)
{
    struct nat_session *session = nat_session_find(nat, id);
    if (session == NULL)
        return;
    forget(nat, session);
    session->ended = true;
    list_prepend(&nat->ending, &session->link);
    nat->late = nat_session_reap(nat, REAP_AT_ONCE, now_ms) == 0 || nat->late;
}
