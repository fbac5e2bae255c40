/* ether/switch.c - see switch.h */
#include "ether/switch.h"

#include <errno.h>
#include <stdlib.h>

#include "ether/bucket.h"

enum { IDLE_MS = 300000, HOLD_MS = 15000, STORM_BURST_S = 2 };

struct switch_port {
    bool plugged;
    struct bucket storm;
    uint64_t drops;
};

struct ether_switch {
    struct switch_config config;
    struct mac_table *stations;
    struct switch_port *ports;
    uint32_t end; /* no port from here on is plugged in */
    struct switch_stats stats;
};

const char *switch_drop_name(enum switch_drop why)
{
    static const char *const names[SWITCH_DROPS] = {"passed", "bad-frame", "link-local", "lied", "port-full", "storm", "isolated",
                                                    "same-port", "too-long", "no-memory"};
    return why < SWITCH_DROPS ? names[why] : "?";
}

int switch_new(const struct switch_config *config, struct ether_switch **ret_switch)
{
    const struct mac_table_config stations = {.max_ports = config->max_ports, .max_per_port = config->macs_per_port, .idle_ms = IDLE_MS,
                                              .hold_ms = config->guard ? HOLD_MS : 0, .seed = config->seed};
    if (config->storm_per_s == 0)
        return -EINVAL;
    struct ether_switch *sw = calloc(1, sizeof *sw);
    if (sw == NULL)
        return -ENOMEM;
    sw->config = *config;
    int failed = mac_table_new(&stations, &sw->stations);
    if (!failed) {
        sw->ports = calloc(config->max_ports, sizeof *sw->ports);
        failed = sw->ports == NULL ? -ENOMEM : 0;
    }
    if (failed) {
        switch_free(sw);
        return failed;
    }
    if (config->uplink < config->max_ports) {
        sw->ports[config->uplink].plugged = true;
        sw->end = config->uplink + 1;
    }
    *ret_switch = sw;
    return 0;
}

void switch_free(struct ether_switch *sw)
{
    if (sw == NULL)
        return;
    mac_table_free(sw->stations);
    free(sw->ports);
    free(sw);
}

uint32_t switch_plug(struct ether_switch *sw)
{
    for (uint32_t i = 0; i < sw->config.max_ports; i++) {
        if (sw->ports[i].plugged)
            continue;
        sw->ports[i] = (struct switch_port){.plugged = true};
        sw->stats.ports++;
        if (sw->end <= i)
            sw->end = i + 1;
        return i;
    }
    return SWITCH_NO_PORT;
}

void switch_unplug(struct ether_switch *sw, uint32_t port)
{
    if (port >= sw->config.max_ports || !sw->ports[port].plugged || port == sw->config.uplink)
        return;
    sw->ports[port].plugged = false;
    sw->stats.ports--;
    mac_table_forget_port(sw->stations, port);
    while (sw->end > 0 && !sw->ports[sw->end - 1].plugged)
        sw->end--;
}

/* --- a frame --- */

static bool is_guest(const struct ether_switch *sw, uint32_t port)
{
    return port != sw->config.uplink;
}

/* What a port may not send, whoever the receiver is. */
static enum switch_drop check_sender(struct ether_switch *sw, uint32_t port, const struct ether_view *v, uint64_t now_ms)
{
    if (!ether_is_station(v->src))
        return SWITCH_BAD_FRAME;
    if (v->src == sw->config.gateway)
        return SWITCH_LIED;
    uint32_t at;
    bool guest = is_guest(sw, port);
    if (guest && sw->config.guard && mac_table_find(sw->stations, v->vlan, v->src, now_ms, &at) && !is_guest(sw, at))
        return SWITCH_LIED; /* who lives in the network behind the uplink does not move in here */
    switch (mac_table_learn(sw->stations, v->vlan, v->src, port, now_ms)) {
    case MAC_HELD:
        return SWITCH_LIED;
    case MAC_INVALID:
        return SWITCH_BAD_FRAME;
    case MAC_FULL:
        if (guest)
            return SWITCH_PORT_FULL;
        break; /* a whole network may live there; what is not known is found like any unknown station */
    default:
        break;
    }
    return ether_is_link_local(v->dst) ? SWITCH_LINK_LOCAL : SWITCH_PASSED;
}

static struct switch_judgement drop(enum switch_drop why)
{
    return (struct switch_judgement){.way = SWITCH_DROP, .why = why};
}

static struct switch_judgement judge(struct ether_switch *sw, uint32_t port, const struct ether_view *v, uint64_t now_ms)
{
    uint32_t to;
    enum switch_drop why = check_sender(sw, port, v, now_ms);
    if (why != SWITCH_PASSED)
        return drop(why);
    if (v->dst == sw->config.gateway)
        return (struct switch_judgement){.way = SWITCH_TO_GATEWAY};
    if (!ether_is_group(v->dst) && mac_table_find(sw->stations, v->vlan, v->dst, now_ms, &to)) {
        if (to == port)
            return drop(SWITCH_SAME_PORT);
        if (sw->config.isolate && is_guest(sw, port) && is_guest(sw, to))
            return drop(SWITCH_ISOLATED);
        return (struct switch_judgement){.way = SWITCH_TO_PORT, .port = to};
    }
    uint32_t per_s = sw->config.storm_per_s;
    if (is_guest(sw, port) && !bucket_take(&sw->ports[port].storm, per_s, per_s * STORM_BURST_S, now_ms))
        return drop(SWITCH_STORM);
    return (struct switch_judgement){.way = SWITCH_TO_ALL};
}

static void count(struct ether_switch *sw, uint32_t port, enum switch_drop why)
{
    sw->stats.frames++;
    sw->stats.drops[why]++;
    if (why != SWITCH_PASSED && port < sw->config.max_ports)
        sw->ports[port].drops++;
}

struct switch_judgement switch_judge(struct ether_switch *sw, uint32_t port, uint8_t *frame, size_t len, uint64_t now_ms,
                                     struct ether_view *ret_view)
{
    struct switch_judgement j = drop(SWITCH_BAD_FRAME);
    if (port < sw->config.max_ports && sw->ports[port].plugged && len <= SWITCH_FRAME_MAX && ether_parse(frame, len, ret_view))
        j = judge(sw, port, ret_view, now_ms);
    count(sw, port, j.why);
    return j;
}

void switch_lost(struct ether_switch *sw, uint32_t port, enum switch_drop why)
{
    count(sw, port, why);
}

uint32_t switch_next(const struct ether_switch *sw, uint32_t from, uint32_t after)
{
    bool apart = sw->config.isolate && from != SWITCH_NO_PORT && is_guest(sw, from);
    for (uint32_t i = after == SWITCH_NO_PORT ? 0 : after + 1; i < sw->end; i++)
        if (sw->ports[i].plugged && i != from && !(apart && is_guest(sw, i)))
            return i;
    return SWITCH_NO_PORT;
}

void switch_tick(struct ether_switch *sw, uint64_t now_ms)
{
    mac_table_expire(sw->stations, now_ms);
}

const struct switch_stats *switch_stats(const struct ether_switch *sw)
{
    return &sw->stats;
}

uint64_t switch_port_drops(const struct ether_switch *sw, uint32_t port)
{
    return port < sw->config.max_ports ? sw->ports[port].drops : 0;
}

const struct mac_table *switch_stations(const struct ether_switch *sw)
{
    return sw->stations;
}
