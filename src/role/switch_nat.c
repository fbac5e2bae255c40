/*
 * role/switch_nat.c - guests' way to the internet: tether's own NAT, and no TAP, bridge or iptables
 *
 * To the NAT a session is an inside address, so a guest that reconnects keeps its flows, and one that uses many gets each its own
 * share. Segments in a row become one packet before the NAT, for the NAT and the kernel cost per packet; captured packets that stand
 * for many are cut to the guests' size behind it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/tls_psk.h"
#include "role/nat_link.h"
#include "role/switch_priv.h"

enum { GUEST_MTU = 1500, HEADROOM = ETHER_HEADER_LEN, ASKS_PER_S = 50, ROW_MIN_LEN = 576, OWN_EVERY_TICKS = 5 };

struct switch_nat {
    struct nat *nat;
    struct capture *capture;
    struct inject *inject;
    uint32_t ticks;
    uint32_t asks_left; /* this second, for guests whose place is not known */
    struct link_counters counters;
    uint64_t not_found;
    struct ip4_row row; /* segments of one flow */
    uint8_t scratch[HEADROOM + IP4_MAX_LEN];
};

/* --- to guests --- */

struct addressee {
    struct switch_role *sw;
    struct addr_entry at;
};

/* Pieces are made behind a free place for the Ethernet header; what is whole lies elsewhere and is copied there. */
static void send_piece(void *ctx, const uint8_t *packet, size_t len)
{
    const struct addressee *to = ctx;
    uint8_t *frame = to->sw->nat->scratch;
    if (packet != frame + HEADROOM)
        memcpy(frame + HEADROOM, packet, len);
    ether_put_header(frame, to->at.mac, to->sw->setup.mac, ETHER_TYPE_IP4);
    switch_send(to->sw, SWITCH_NO_PORT, to->at.port, frame, HEADROOM + len);
}

static void ask_for(struct switch_role *sw, uint32_t addr)
{
    uint8_t frame[ETHER_MIN_LEN];
    sw->nat->not_found++;
    if (sw->nat->asks_left == 0)
        return;
    sw->nat->asks_left--;
    gateway_ask_for(sw->gateway, addr, frame);
    switch_send_all(sw, frame, sizeof frame);
}

static void to_guest(struct switch_role *sw, uint32_t addr, const struct nat_result *r)
{
    struct addressee to = {.sw = sw};
    struct ip4_view v;
    uint8_t *scratch = sw->nat->scratch + HEADROOM;
    const size_t cap = sizeof sw->nat->scratch - HEADROOM;
    if (!gateway_find(sw->gateway, addr, &to.at)) {
        ask_for(sw, addr);
        return;
    }
    if (ip4_parse(r->packet, r->len, &v) != DROP_NONE)
        return;
    v.partial = r->offload.partial;
    if (r->offload.seg_len != 0) {
        ip4_segment(&v, r->offload.seg_len, scratch, cap, send_piece, &to);
        return;
    }
    if (v.len > GUEST_MTU && v.proto == IP_PROTO_TCP && tcp_segment(&v, GUEST_MTU, scratch, cap, send_piece, &to) > 0)
        return;
    if (v.partial)
        ip4_set_l4_csum(&v);
    ip4_fragment(&v, GUEST_MTU, scratch, cap, send_piece, &to);
}

/* --- to the internet --- */

static void send_out(struct switch_role *sw, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct nat_result r;
    uint32_t session = (uint32_t)packet[12] << 24 | (uint32_t)packet[13] << 16 | (uint32_t)packet[14] << 8 | packet[15];
    nat_in2out(sw->nat->nat, session, packet, len, offload, io_now_ms(sw->loop), &r);
    if (r.verdict == NAT_FORWARD)
        link_count_sent(&sw->nat->counters, inject_send(sw->nat->inject, r.packet, r.len, &r.offload));
    else if (r.verdict == NAT_REPLY)
        to_guest(sw, session, &r);
    else if (r.verdict == NAT_HAIRPIN && !sw->setup.isolate)
        to_guest(sw, r.session, &r);
}

void switch_nat_flush(struct switch_role *sw)
{
    struct switch_nat *n = sw->nat;
    size_t len = ip4_row_take(&n->row);
    if (len > 0)
        send_out(sw, n->row.packet, len, &n->row.offload);
}

void switch_nat_out(struct switch_role *sw, uint8_t *packet, size_t len)
{
    struct switch_nat *n = sw->nat;
    if (ip4_row_join(&n->row, packet, len))
        return;
    switch_nat_flush(sw);
    if (packet[9] != IP_PROTO_TCP || len < ROW_MIN_LEN || !ip4_row_begin(&n->row, packet, len))
        send_out(sw, packet, len, &(struct offload){0});
}

static void on_capture(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct switch_role *sw = ctx;
    struct nat_result r;
    link_count_captured(&sw->nat->counters, len, offload, sw->setup.link_mtu);
    nat_out2in(sw->nat->nat, packet, len, offload, io_now_ms(sw->loop), &r);
    if (r.verdict == NAT_FORWARD)
        to_guest(sw, r.session, &r);
    else if (r.verdict == NAT_REPLY)
        link_count_sent(&sw->nat->counters, inject_send(sw->nat->inject, r.packet, r.len, &r.offload));
}

/* --- life --- */

static int open_nat(struct switch_role *sw, struct err *err)
{
    struct nat_config *config = &sw->setup.nat.config;
    config->external = sw->setup.external;
    config->link_mtu = sw->setup.link_mtu < GUEST_MTU ? sw->setup.link_mtu : GUEST_MTU;
    int failed = tls_random(&config->seed, sizeof config->seed);
    if (!failed)
        failed = nat_new(config, &sw->nat->nat);
    return failed ? err_set(err, failed, "NAT: %s", strerror(-failed)) : 0;
}

static int open_link(struct switch_role *sw, struct err *err)
{
    const struct switch_setup *u = &sw->setup;
    struct switch_nat *n = sw->nat;
    n->counters.has_pair = true;
    int failed = host_open(sw->common->state_dir, "switch", &sw->host, err);
    const struct nat_link link = {.loop = sw->loop, .host = sw->host, .iface = u->iface, .external = u->external, .mtu = u->link_mtu,
                                  .capture = u->capture, .inject = u->inject, .nat = &u->nat.config};
    return failed ? failed : nat_link_open(&link, on_capture, sw, &n->capture, &n->inject, err);
}

int switch_nat_open(struct switch_role *sw, struct err *err)
{
    sw->nat = calloc(1, sizeof *sw->nat);
    if (sw->nat == NULL)
        return -ENOMEM;
    sw->nat->asks_left = ASKS_PER_S;
    int failed = open_nat(sw, err);
    if (!failed)
        failed = open_link(sw, err);
    if (!failed)
        nat_link_own_addresses(sw->nat->nat, sw->nat->inject);
    return failed;
}

void switch_nat_tick(struct switch_role *sw)
{
    sw->nat->asks_left = ASKS_PER_S;
    if (++sw->nat->ticks % OWN_EVERY_TICKS == 0)
        nat_link_own_addresses(sw->nat->nat, sw->nat->inject);
    const size_t mtu = inject_follow(sw->nat->inject);
    sw->setup.link_mtu = (uint16_t)mtu;
    nat_set_link_mtu(sw->nat->nat, (uint16_t)(mtu < GUEST_MTU ? mtu : GUEST_MTU));
    nat_tick(sw->nat->nat, io_now_ms(sw->loop));
}

void switch_nat_close(struct switch_nat *nat)
{
    if (nat == NULL)
        return;
    capture_close(nat->capture);
    inject_close(nat->inject);
    nat_free(nat->nat);
    free(nat);
}

const struct nat_stats *switch_nat_stats(const struct switch_role *sw, const struct link_counters **ret_link)
{
    struct switch_nat *n = sw->nat;
    if (n == NULL)
        return NULL;
    link_count(n->capture, n->inject, &n->counters.pair);
    *ret_link = &n->counters;
    return nat_stats(n->nat);
}
