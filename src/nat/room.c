/*
 * nat/room.c - whether there is room for one more flow, and whose place it takes
 *
 * A new flow counts against its session's share, needs a mapping if its endpoint has none, and a place in the table. What is over gives its place
 * back: flows by their timers, and those of sessions that ended. Both are freed in slices, with the caller's ticks and packets, and all the sooner
 * when somebody needs the room.
 */
#include "nat/internal.h"

enum { EXPIRE_FOR_ROOM = 1024 }; /* flows looked at when there is no room */

struct expiry {
    struct nat *nat;
    uint64_t now_ms;
};

static void on_due(void *ctx, struct wheel_timer *timer)
{
    struct expiry *e = ctx;
    struct nat_flow *flow = (struct nat_flow *)((char *)timer - offsetof(struct nat_flow, timer));
    if (flow->expires_ms > e->now_ms)
        wheel_set(&e->nat->wheel, timer, flow->expires_ms);
    else
        nat_flow_free(e->nat, flow, e->now_ms);
}

void nat_flow_expire(struct nat *nat, size_t budget, uint64_t now_ms)
{
    struct expiry e = {nat, now_ms};
    size_t left = nat_session_reap(nat, budget, now_ms);
    nat->late = left == 0 || !wheel_advance(&nat->wheel, now_ms, left, on_due, &e);
}

/* A full table may hold flows whose time is up, or whose laptop left: the caller's next tick would have made room. */
static void make_room(struct nat *nat, const struct nat_session *session, uint64_t now_ms)
{
    const uint32_t limit = nat->config.client_flows;
    if (nat->flows.lent == nat->flows.max || (limit != 0 && session->flow_count >= limit))
        nat_flow_expire(nat, EXPIRE_FOR_ROOM, now_ms);
}

/* The same of ports. */
static enum drop new_map(struct nat *nat, struct nat_session *session, const struct nat_tuple *t, uint64_t now_ms, struct nat_map **ret_map)
{
    enum drop why = nat_map_new(nat, session, t, now_ms, ret_map);
    if (why == DROP_NONE || list_is_empty(&nat->ending))
        return why;
    nat_flow_expire(nat, EXPIRE_FOR_ROOM, now_ms);
    return nat_map_new(nat, session, t, now_ms, ret_map);
}

enum drop nat_flow_new(struct nat *nat, const struct nat_tuple *t, uint64_t now_ms, struct nat_flow **ret_flow)
{
    struct nat_session *session = nat_session_get(nat, t->session, now_ms);
    if (session == NULL)
        return DROP_FULL;
    make_room(nat, session, now_ms);
    struct nat_map *map = nat_map_find(nat, t);
    enum drop why = nat_session_admit(nat, session, t->proto, map == NULL, now_ms);
    if (why != DROP_NONE)
        return why;
    struct nat_flow *flow = pool_lend(&nat->flows);
    if (flow == NULL)
        return DROP_FULL;
    if (map == NULL)
        why = new_map(nat, session, t, now_ms, &map);
    if (why != DROP_NONE) {
        pool_return(&nat->flows, flow);
        return why;
    }
    nat_flow_enter(nat, flow, map, t);
    *ret_flow = flow;
    return DROP_NONE;
}
