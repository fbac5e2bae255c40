/* role/session_status.c - see session_status.h */
#include "role/session_status.h"

#include <jansson.h>

#include "io/carrier.h"

static json_t *queue_json(const struct fairq *q)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "packets", (json_int_t)q->packets, "bytes", (json_int_t)q->bytes,
                     "held_bytes", (json_int_t)q->held, "flows_begun", (json_int_t)q->flows_begun, "marked", (json_int_t)q->marked, "acks_joined", (json_int_t)q->acks_joined,
                     "dropped_codel", (json_int_t)q->dropped_codel, "dropped_full", (json_int_t)q->dropped_full, "dropped_old",
                     (json_int_t)q->dropped_old, "dropped_memory", (json_int_t)q->dropped_memory);
}

static json_t *path_json(struct path *p)
{
    const struct window *w = &p->window;
    return json_pack("{s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:b}", "rtt_ms", (double)p->rtt_us / 1000.0, "window_bytes", (json_int_t)w->size,
                     "in_flight_bytes", (json_int_t)(w->sent - w->acked), "rate_mbit", (double)w->rate * 8e-6, "pace_mbit",
                     (double)w->pace * 8e-6, "queue_ms", (double)w->queue_us / 1000.0, "target_ms", (double)w->target_us / 1000.0,
                     "feed", (int)carrier_is_fed(carrier_of(p)));
}

struct json_t *session_status_json(const struct session *s)
{
    json_t *json = json_pack("{s:I, s:o}", "paths", (json_int_t)s->path_count, "queue", queue_json(&s->queue));
    if (json != NULL && s->active != NULL && !s->active->plain)
        json_object_set_new(json, "path", path_json(s->active));
    return json;
}
