/* role/server_status.c - see server_status.h */
#include "role/server_status.h"

#include <jansson.h>

#include "role/session_status.h"

enum { SESSIONS_SHOWN = 32 }; /* at most: the answer has a bound; the counts are of all */

static json_t *drops_json(const uint64_t drops[DROP_COUNT])
{
    json_t *json = json_object();
    for (int i = 1; i < DROP_COUNT; i++)
        if (drops[i] > 0)
            json_object_set_new(json, drop_name((enum drop)i), json_integer((json_int_t)drops[i]));
    return json;
}

static json_t *sessions_json(struct session_table *table, size_t shown)
{
    json_t *list = json_array();
    for (size_t i = 0; i < session_table_count(table) && i < shown; i++) {
        struct session *s = session_table_at(table, i);
        uint64_t down, up;
        session_totals(s, &down, &up);
        json_t *json = json_pack("{s:I, s:s, s:I, s:I}", "session", (json_int_t)s->id, "phone", s->peer, "up_bytes", (json_int_t)up,
                                 "down_bytes", (json_int_t)down);
        json_object_update_new(json, session_status_json(s));
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *status_json(const struct server_counters *counters, struct session_table *sessions, const struct nat_stats *nat, size_t shown)
{
    const size_t count = session_table_count(sessions);
    json_t *json = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:o}", "role", "server", "version", TETHER_VERSION,
        "carriers", (json_int_t)counters->carriers, "carriers_refused", (json_int_t)counters->carriers_refused, "wrong_keys",
        (json_int_t)counters->wrong_keys, "spoofed", (json_int_t)counters->spoofed, "flows", (json_int_t)nat->flows, "mappings",
        (json_int_t)nat->mappings, "in2out_packets", (json_int_t)nat->in2out_packets, "out2in_packets", (json_int_t)nat->out2in_packets,
        "pool_empty", (json_int_t)counters->pool_empty, "pool_lent", (json_int_t)counters->pool_lent, "drops_in2out",
        drops_json(nat->drops_in2out), "drops_out2in", drops_json(nat->drops_out2in), "session_count", (json_int_t)count, "sessions",
        sessions_json(sessions, shown));
    if (json != NULL)
        link_status_put(json, &counters->link);
    if (json != NULL && count > shown)
        json_object_set_new(json, "sessions_left_out", json_integer((json_int_t)(count - shown)));
    return json;
}

/* Sessions with large numbers take more room: then fewer are listed. */
int server_status_json(const struct server_counters *counters, struct session_table *sessions,
                       const struct nat_stats *nat, char *buf, size_t cap)
{
    for (size_t shown = SESSIONS_SHOWN;; shown /= 2) {
        json_t *json = status_json(counters, sessions, nat, shown);
        const size_t len = json != NULL ? json_dumpb(json, buf, cap, JSON_COMPACT | JSON_REAL_PRECISION(6)) : 0;
        json_decref(json);
        if (len > 0 && len <= cap)
            return (int)len;
        if (len == 0 || shown == 0)
            return -1;
    }
}
