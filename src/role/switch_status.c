/* role/switch_status.c - what `tether status` shows of a switch */
#include <arpa/inet.h>
#include <jansson.h>

#include "role/switch_priv.h"

enum { GUESTS_SHOWN = 24, LEASES_SHOWN = 32 }; /* all of it fits CONTROL_JSON_MAX */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *addr_json(uint32_t addr)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(addr)};
    inet_ntop(AF_INET, &in, text, sizeof text);
    return json_string(text);
}

static json_t *mac_json(uint64_t mac)
{
    char text[ETHER_MAC_TEXT_LEN + 1];
    ether_mac_text(mac, text);
    return json_string(text);
}

static json_t *guests_json(const struct switch_role *sw)
{
    json_t *list = json_array();
    for (uint32_t p = 0; p < sw->ports && json_array_size(list) < GUESTS_SHOWN; p++) {
        const struct switch_guest *g = sw->guest[p];
        if (g == NULL)
            continue;
        const struct mac_table *stations = switch_stations(sw->ether);
        json_array_append_new(list, json_pack("{s:I, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "port", (json_int_t)p, "peer",
                                              ws_peer(g->ws), "mac", mac_json(mac_table_any(stations, p)), "macs",
                                              (json_int_t)mac_table_count(stations, p), "frames_in", (json_int_t)g->frames_in,
                                              "frames_out", (json_int_t)g->frames_out, "bytes_in", (json_int_t)g->bytes_in,
                                              "bytes_out", (json_int_t)g->bytes_out, "dropped_to", (json_int_t)switch_guest_dropped(g),
                                              "dropped_from", (json_int_t)switch_port_drops(sw->ether, p)));
    }
    return list;
}

static json_t *leases_json(const struct switch_role *sw)
{
    static const char *const states[DHCP_STATES] = {"free", "offered", "bound", "declined"};
    json_t *list = json_array();
    struct dhcp_leases *all = sw->dhcp != NULL ? dhcp_server_leases(sw->dhcp) : NULL;
    uint64_t now_ms = io_now_ms(sw->loop);
    for (size_t i = 0; all != NULL && i < dhcp_leases_count(all) && json_array_size(list) < LEASES_SHOWN; i++) {
        const struct dhcp_lease *l = dhcp_leases_at(all, i);
        if (l->state == DHCP_FREE)
            continue;
        json_array_append_new(list, json_pack("{s:o, s:o, s:s, s:s, s:I}", "address", addr_json(l->addr), "mac", mac_json(l->mac), "state",
                                              states[l->state], "name", l->hostname, "left_s",
                                              (json_int_t)(l->until_ms > now_ms ? (l->until_ms - now_ms) / 1000 : 0)));
    }
    return list;
}

static void put_dhcp(json_t *json, const struct dhcp_stats *s)
{
    json_object_set_new(json, "dhcp",
                        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "offers", number(s->offers), "acks", number(s->acks),
                                  "naks", number(s->naks), "declines", number(s->declines), "releases", number(s->releases), "informs",
                                  number(s->informs), "no_address", number(s->no_address), "over_quota", number(s->over_quota), "ignored",
                                  number(s->ignored)));
}

static void put_drops(json_t *json, const char *name, const uint64_t *drops, int count, const char *(*name_of)(int))
{
    json_t *list = json_object();
    for (int i = 1; i < count; i++)
        if (drops[i] > 0)
            json_object_set_new(list, name_of(i), number(drops[i]));
    json_object_set_new(json, name, list);
}

static const char *ether_drop(int why)
{
    return switch_drop_name((enum switch_drop)why);
}

static const char *ip_drop(int why)
{
    return drop_name((enum drop)why);
}

static void put_nat(json_t *json, const struct nat_stats *s, const struct link_counters *link)
{
    link_status_put(json, link);
    json_object_set_new(json, "flows", number(s->flows));
    json_object_set_new(json, "in2out_packets", number(s->in2out_packets));
    json_object_set_new(json, "out2in_packets", number(s->out2in_packets));
    put_drops(json, "drops_in2out", s->drops_in2out, DROP_COUNT, ip_drop);
    put_drops(json, "drops_out2in", s->drops_out2in, DROP_COUNT, ip_drop);
}

int switch_status_json(void *ctx, char *buf, size_t cap)
{
    const struct switch_role *sw = ctx;
    const struct switch_stats *s = switch_stats(sw->ether);
    const struct gateway_stats *g = gateway_stats(sw->gateway);
    const struct link_counters *link = NULL;
    const struct nat_stats *nat = switch_nat_stats(sw, &link);
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "role", "switch", "version", TETHER_VERSION,
                             "guests", number(sw->guests), "guests_refused", number(sw->guests_refused), "frames", number(s->frames), "lies",
                             number(g->lies), "arp_answers", number(g->arp_answers), "echo_answers", number(g->echo_answers), "bad_dhcp",
                             number(g->bad_dhcp), "ports", guests_json(sw), "leases", leases_json(sw));
    if (json == NULL)
        return -1;
    put_drops(json, "drops", s->drops, SWITCH_DROPS, ether_drop);
    if (sw->dhcp != NULL)
        put_dhcp(json, dhcp_server_stats(sw->dhcp));
    if (nat != NULL)
        put_nat(json, nat, link);
    if (sw->setup.uplink == UPLINK_TAP)
        json_object_set_new(json, "tap_dropped", number(sw->tap_dropped));
    size_t len = json_dumpb(json, buf, cap, JSON_COMPACT);
    json_decref(json);
    return len == 0 || len > cap ? -1 : (int)len;
}
