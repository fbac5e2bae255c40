/*
 * role/switch_tap.c - guests' way out through the kernel: one TAP device for all, or one for each on a kernel bridge
 *
 * One TAP is a port of our switch like any other, but a trusted one. With a TAP for each guest the kernel's bridge is the switch;
 * ours only judges what guests send, and answers DHCP.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "role/switch_priv.h"

enum { MTU = 1500 };

/* --- frames from the kernel --- */

static void on_shared(void *ctx, struct pbuf *take_b)
{
    struct switch_role *sw = ctx;
    switch_frame(sw, SWITCH_UPLINK_PORT, take_b->data, take_b->len);
    pbuf_put(sw->pool, take_b);
}

/*
 * Who lives behind the bridge, other guests apart: no guest may claim to be him, and frames to him are not for all.
 * @return the port of the guest that sent it, or the uplink's
 */
static uint32_t learn(struct switch_role *sw, uint8_t *frame, size_t len)
{
    struct ether_view v;
    uint32_t port = SWITCH_UPLINK_PORT;
    uint64_t now_ms = io_now_ms(sw->loop);
    bool parsed = ether_parse(frame, len, &v);
    if (parsed && (!mac_table_find(switch_stations(sw->ether), v.vlan, v.src, now_ms, &port) || port == SWITCH_UPLINK_PORT))
        switch_judge(sw->ether, SWITCH_UPLINK_PORT, frame, len, now_ms, &v);
    if (parsed && port == SWITCH_UPLINK_PORT)
        gateway_hears(sw->gateway, &v, now_ms);
    return port;
}

static void on_own(void *ctx, struct pbuf *take_b)
{
    struct switch_guest *g = ctx;
    uint32_t from = learn(g->sw, take_b->data, take_b->len);
    switch_guest_send(g, from, take_b->data, take_b->len);
    pbuf_put(g->sw->pool, take_b);
}

/* --- devices --- */

static int open_device(struct switch_role *sw, const char *name, tun_packet_cb cb, void *ctx, struct tun **ret_tap, struct err *err)
{
    const struct switch_setup *u = &sw->setup;
    int fd = host_tap_open(sw->host, name, NULL, MTU, err);
    if (fd < 0)
        return fd;
    int failed = tun_new(sw->loop, fd, TUN_FINISHED, sw->pool, cb, ctx, ret_tap);
    if (!failed && u->bridge[0] != '\0')
        failed = host_bridge_join(sw->host, u->bridge, name, u->isolate && u->tap_per_guest, err);
    return failed;
}

int switch_tap_open(struct switch_role *sw, struct err *err)
{
    const struct switch_setup *u = &sw->setup;
    const char *router = u->bridge[0] != '\0' ? u->bridge : u->tap;
    const uint8_t len = (uint8_t)__builtin_popcount(u->mask);
    int failed = host_open(sw->common->state_dir, "switch", &sw->host, err);
    if (!failed && u->bridge[0] != '\0')
        failed = host_bridge_open(sw->host, u->bridge, err);
    if (!failed && u->tap_per_guest)
        failed = host_tap_grant(sw->host, u->tap, err);
    else if (!failed)
        failed = open_device(sw, u->tap, on_shared, sw, &sw->tap, err);
    if (failed || !u->masquerade)
        return failed;
    failed = host_addr_add(sw->host, router, (struct host_cidr){.addr = u->addr, .len = len}, err);
    return failed ? failed : host_masquerade(sw->host, router, (struct host_cidr){.addr = u->addr & u->mask, .len = len}, err);
}

int switch_tap_plug(struct switch_guest *guest)
{
    struct err err = {0};
    char name[IFNAMSIZ];
    int len = snprintf(name, sizeof name, "%s%u", guest->sw->setup.tap, guest->port);
    int failed = len < (int)sizeof name ? open_device(guest->sw, name, on_own, guest, &guest->tap, &err) : -ENAMETOOLONG;
    if (failed)
        log_warn("switch", ws_peer(guest->ws), "no TAP for a guest", "why=\"%s\"", err.text);
    return failed;
}

void switch_tap_send(struct switch_role *sw, struct tun *tap, const uint8_t *frame, size_t len)
{
    if (tun_write(tap, (uint8_t *)(uintptr_t)frame, len, NULL) < 0)
        sw->tap_dropped++;
}

void switch_tap_close(struct switch_role *sw)
{
    if (sw->tap != NULL)
        tun_close(sw->tap);
    sw->tap = NULL;
}
