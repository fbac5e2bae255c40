/*
 * test/fuzz/fuzz_ether.c - a switch and its gateway under any frames: Ethernet, tags, ARP, neighbour discovery, IPv4, DHCP
 *
 * The input is a row of frames, each with a port and a pause. Nothing from one guest may reach another when they are kept apart, nobody is
 * believed to be the gateway, and what the gateway answers must be a frame of its own.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "base/bytes.h"
#include "ether/arp.h"
#include "ether/gateway.h"
#include "ether/nd.h"
#include "ether/switch.h"

#define ADDR 0xc0a85601u
#define MAC  UINT64_C(0x0274c0a85601)
enum { PORTS = 4, SHARE = 3, UPLINK = 3 };

struct world {
    struct ether_switch *sw;
    struct gateway *gateway;
    struct dhcp_server *dhcp;
    bool isolate, guard;
    uint64_t now_ms;
};

static bool vacant(void *ctx, uint32_t addr, uint64_t mac)
{
    return gateway_is_vacant(((struct world *)ctx)->gateway, addr, mac);
}

static void changed(void *ctx, const struct dhcp_lease *lease)
{
    (void)ctx, (void)lease;
}

static void world_new(struct world *w, uint8_t how)
{
    const struct dhcp_server_config dhcp = {
        .network = {.server = ADDR, .mask = 0xffffff00, .router = ADDR},
        .leases = {.lo = ADDR, .hi = ADDR + 8, .max_ports = PORTS, .max_per_port = SHARE},
        .lease_s = 600, .vacant = vacant, .changed = changed, .ctx = w};
    w->isolate = how & 1;
    w->guard = (how >> 4) % 3 != GATEWAY_GUARD_OFF;
    const struct switch_config sw = {.max_ports = PORTS, .macs_per_port = SHARE, .storm_per_s = 100, .gateway = MAC,
                                     .uplink = how & 2 ? UPLINK : SWITCH_NO_PORT, .isolate = w->isolate, .guard = how & 4, .seed = 1};
    FUZZ_CHECK(dhcp_server_new(&dhcp, &w->dhcp) == 0 && switch_new(&sw, &w->sw) == 0);
    const struct gateway_config gateway = {.mac = MAC, .addr = ADDR, .mask = 0xffffff00, .router = !(how & 8), .dhcp = w->dhcp,
                                           .guard = (enum gateway_guard)(how >> 4) % 3, .max_ports = PORTS, .addrs_per_port = SHARE, .uplink = how & 2 ? UPLINK : UINT32_MAX, .seed = 2};
    FUZZ_CHECK(gateway_new(&gateway, &w->gateway) == 0);
    for (int i = 0; i < 3; i++)
        switch_plug(w->sw);
}

static void check_flood(struct world *w, uint32_t from)
{
    for (uint32_t p = switch_next(w->sw, from, SWITCH_NO_PORT); p != SWITCH_NO_PORT; p = switch_next(w->sw, from, p))
        FUZZ_CHECK(p < PORTS && p != from && !(w->isolate && p != UPLINK && from != UPLINK));
}

static void to_gateway(struct world *w, uint32_t port, const struct ether_view *v, const uint8_t *frame, size_t len)
{
    struct ether_view said;
    uint64_t asker = v->src;
    struct gateway_result r = gateway_take(w->gateway, port, v, w->now_ms);
    if (r.does == GATEWAY_ROUTE)
        FUZZ_CHECK(r.bytes >= frame && r.bytes + r.len <= frame + len && r.len >= 20);
    if (r.does != GATEWAY_ANSWER)
        return;
    FUZZ_CHECK(r.len >= ETHER_HEADER_LEN && r.len <= SWITCH_FRAME_MAX && ether_parse(r.bytes, r.len, &said));
    FUZZ_CHECK(said.src == MAC && (said.dst == asker || said.dst == ETHER_BROADCAST || !w->guard)); /* DHCP answers the card it names */
}

static void one_frame(struct world *w, uint32_t port, uint8_t *frame, size_t len)
{
    struct ether_view v;
    struct addr_entry e;
    struct switch_judgement j = switch_judge(w->sw, port, frame, len, w->now_ms, &v);
    if (j.way == SWITCH_DROP)
        return;
    FUZZ_CHECK(v.src != MAC && ether_is_station(v.src));
    if (j.way == SWITCH_TO_PORT)
        FUZZ_CHECK(j.port < PORTS && j.port != port && !(w->isolate && j.port != UPLINK && port != UPLINK));
    if (j.way == SWITCH_TO_ALL)
        check_flood(w, port);
    if (port == UPLINK)
        gateway_hears(w->gateway, &v, w->now_ms);
    else if (!gateway_believes(w->gateway, port, &v, w->now_ms))
        return;
    if (j.way != SWITCH_TO_PORT)
        to_gateway(w, port, &v, frame, len);
    if (gateway_find(w->gateway, ADDR + 1, &e))
        FUZZ_CHECK(e.port < PORTS && e.key.lo == ADDR + 1 && e.key.version == 4 && e.key.vlan == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.now_ms = 1000};
    struct fuzz_input in = {data, size};
    struct arp arp;
    struct nd nd;
    arp_parse(data, size, &arp);
    nd_parse(data, size, 1, &nd);
    world_new(&w, fuzz_u8(&in));
    for (int i = 0; i < 64 && in.size > 0; i++) {
        uint8_t how = fuzz_u8(&in);
        uint32_t port = how & 3;
        const uint8_t *bytes;
        w.now_ms += (uint64_t)fuzz_u8(&in) << (how >> 4);
        size_t len = fuzz_take(&in, fuzz_u16(&in) % 1600, &bytes);
        uint8_t *frame = malloc(len + 1); /* of exactly its size, so that a sanitizer sees the end */
        FUZZ_CHECK(frame != NULL);
        memcpy(frame, bytes, len);
        if (how & 4) {
            switch_unplug(w.sw, port);
            gateway_port_gone(w.gateway, port);
            switch_plug(w.sw);
        }
        one_frame(&w, port, frame, len);
        switch_tick(w.sw, w.now_ms);
        free(frame);
    }
    gateway_free(w.gateway);
    dhcp_server_free(w.dhcp);
    switch_free(w.sw);
    return 0;
}
