/* role/bridge_status.c - how a node is doing, for its page and for `tether status` */
#include <jansson.h>
#include <stdio.h>

#include "role/bridge_priv.h"
#include "role/page_state.h"

static const char *state_of(const struct bridge *b, const char **ret_detail)
{
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++) {
        if (b->node[i] != NULL && b->node[i]->session.active != NULL) {
            *ret_detail = b->setup->plain ? "connected to the phone; plain, so the other nodes are not seen" : "";
            return "up";
        }
    }
    if (b->last_failure != 0) {
        *ret_detail = carrier_failure_text(b->last_failure);
        return page_state_of_failure(b->last_failure);
    }
    *ret_detail = b->legs > 0 ? "no other node is behind the page yet" : "no phone is connected";
    return b->legs > 0 ? "handshake" : "waiting";
}

/* @param names tell them too: they are for the owner of the machines, not for the phone */
static json_t *nodes_json(const struct bridge *b, bool names)
{
    json_t *list = json_array();
    for (size_t i = 0; i < BRIDGE_NODES_MAX; i++) {
        const struct bridge_node *n = b->node[i];
        char number[9];
        uint64_t sent, received;
        if (n == NULL)
            continue;
        const struct path *active = n->session.active;
        session_totals(&n->session, &sent, &received);
        snprintf(number, sizeof number, "%08x", n->node);
        json_t *one = json_pack("{s:s, s:s, s:o, s:I, s:I, s:I}", "node", number, "state", active != NULL ? "up" : "away", "rtt_ms",
                                active != NULL && active->rtt_us > 0 ? json_real((double)(active->rtt_us / 100) / 10.0) : json_null(),
                                "sent_bytes", (json_int_t)sent, "received_bytes", (json_int_t)received, "stations",
                                (json_int_t)mac_table_count(b->stations, n->port));
        if (names) {
            json_object_set_new(one, "name", json_string(n->name));
            json_object_set_new(one, "paths", json_integer((json_int_t)n->session.path_count));
            json_object_set_new(one, "queued_bytes", json_integer((json_int_t)n->session.queue.bytes));
            json_object_set_new(one, "queue_drops", json_integer((json_int_t)(n->session.queue.dropped_full + n->session.queue.dropped_old +
                                                                               n->session.queue.dropped_codel)));
        }
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *common_json(const struct bridge *b, bool names)
{
    const char *detail, *state = state_of(b, &detail);
    char number[9];
    snprintf(number, sizeof number, "%08x", b->me);
    return json_pack("{s:s, s:i, s:s, s:b, s:s, s:s, s:s, s:s, s:o}", "role", b->setup->role, "layer", 2, "version", TETHER_VERSION, "plain",
                     (int)b->setup->plain, "node", number, "server", b->setup->server, "state", state, "detail", detail, "nodes",
                     nodes_json(b, names));
}

static int print(json_t *take_json, char *buf, size_t cap)
{
    if (take_json == NULL)
        return -1;
    size_t len = json_dumpb(take_json, buf, cap, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(take_json);
    return len == 0 || len > cap ? -1 : (int)len;
}

int bridge_page_json(const struct bridge *b, char *buf, size_t cap)
{
    return print(common_json(b, false), buf, cap);
}

int bridge_status_json(const struct bridge *b, char *buf, size_t cap)
{
    const struct bridge_counters *c = &b->counters;
    json_t *json = common_json(b, true);
    if (json == NULL)
        return -1;
    json_object_set_new(json, "tap", json_string(b->setup->tap));
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"phones", b->legs}, {"stations_here", mac_table_count(b->stations, PORT_LOCAL)}, {"tap_frames", c->tap_frames},
        {"flooded", c->flooded}, {"local", c->local}, {"malformed", c->malformed}, {"tap_refused", c->tap_refused},
        {"tap_drops", tun_drops(b->tap)}, {"pool_empty", c->pool_empty}, {"looped", c->looped}, {"not_learned", c->not_learned}, {"not_active", c->not_active},
        {"phones_refused", c->legs_refused}, {"nodes_refused", c->nodes_refused}, {"wrong_keys", c->wrong_keys},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(json, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    return print(json, buf, cap);
}
