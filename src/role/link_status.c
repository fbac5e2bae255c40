/* role/link_status.c - see link_status.h */
#include "role/link_status.h"

#include <errno.h>
#include <jansson.h>

void link_count_captured(struct link_counters *c, size_t len, const struct offload *offload, size_t link_mtu)
{
    if (offload != NULL ? offload->seg_len != 0 : len > link_mtu)
        c->captured_merged++;
    else
        c->captured_single++;
}

void link_count_sent(struct link_counters *c, int result)
{
    if (result == -EMSGSIZE)
        c->too_big++;
    else if (result != 0)
        c->failed++;
}

void link_status_put(json_t *json, const struct link_counters *c)
{
    const struct inject_counts *i = &c->pair.injected;
    json_object_set_new(json, "capture", json_string(c->pair.capture));
    json_object_set_new(json, "inject", json_string(c->pair.inject));
    json_object_set_new(json, "capture_drops", json_integer((json_int_t)c->pair.capture_drops));
    json_object_set_new(json, "inject_failed", json_integer((json_int_t)c->failed));
    json_object_set_new(json, "too_big", json_integer((json_int_t)c->too_big));
    if (!c->has_pair)
        return;
    json_object_set_new(json, "captured", json_pack("{s:I, s:I}", "merged", (json_int_t)c->captured_merged, "single",
                                                    (json_int_t)c->captured_single));
    json_object_set_new(json, "injected", json_pack("{s:I, s:I, s:I, s:I, s:I}", "whole", (json_int_t)i->whole, "raw", (json_int_t)i->raw,
                                                    "no_neighbour", (json_int_t)i->no_neighbour, "too_large", (json_int_t)i->too_large,
                                                    "refused", (json_int_t)i->refused));
}
