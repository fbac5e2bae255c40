/* ether/gateway.c - see gateway.h */
#include "ether/gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ether/arp.h"
#include "ether/nd.h"
#include "packet/make.h"

enum { HOLD_MS = 15000, IN_USE_MS = 300000, UDP_HEADER_LEN = 8, HEADERS_LEN = ETHER_HEADER_LEN + IP4_MIN_LEN + UDP_HEADER_LEN, REFUSAL_MAX = 576 };
#define EVERYBODY UINT32_MAX

struct gateway {
    struct gateway_config config;
    struct addr_book *book;
    struct gateway_stats stats;
    uint64_t now_ms;
    uint8_t frame[HEADERS_LEN + REFUSAL_MAX]; /* the answer */
};

int gateway_new(const struct gateway_config *config, struct gateway **ret_gateway)
{
    const struct addr_book_config book = {.max_ports = config->max_ports, .max_per_port = config->addrs_per_port,
                                          .hold_ms = config->guard == GATEWAY_GUARD_OFF ? 0 : HOLD_MS, .seed = config->seed};
    if (!ether_is_station(config->mac))
        return -EINVAL;
    struct gateway *g = calloc(1, sizeof *g);
    if (g == NULL)
        return -ENOMEM;
    g->config = *config;
    int failed = addr_book_new(&book, &g->book);
    if (failed) {
        free(g);
        return failed;
    }
    *ret_gateway = g;
    return 0;
}

void gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    addr_book_free(gateway->book);
    free(gateway);
}

/* --- whom it believes --- */

static bool is_lent_to(const struct gateway *g, uint32_t addr, uint64_t mac, uint32_t port)
{
    const struct dhcp_lease *l = g->config.dhcp != NULL ? dhcp_server_holder(g->config.dhcp, addr) : NULL;
    return l != NULL && l->mac == mac && (l->port == port || l->port == DHCP_NO_PORT);
}

static bool is_lent_to_another(const struct gateway *g, uint32_t addr, uint64_t mac)
{
    const struct dhcp_lease *l = g->config.dhcp != NULL ? dhcp_server_holder(g->config.dhcp, addr) : NULL;
    return l != NULL && l->mac != mac && l->port != DHCP_NO_PORT;
}

/* Who is behind the uplink stays there, though he is heard seldom. */
static bool is_behind_uplink(const struct gateway *g, const struct addr_key *key, uint64_t now_ms)
{
    struct addr_entry e;
    return addr_book_find(g->book, key, &e) && e.port == g->config.uplink && now_ms < e.heard_ms + IN_USE_MS;
}

static bool is_his(struct gateway *g, const struct addr_key *key, uint64_t mac, uint32_t port, uint64_t now_ms)
{
    if (g->config.guard != GATEWAY_GUARD_OFF && is_behind_uplink(g, key, now_ms))
        return false;
    return addr_book_hear(g->book, key, mac, port, now_ms) || g->config.guard == GATEWAY_GUARD_OFF;
}

static bool is_his4(struct gateway *g, uint16_t vlan, uint32_t addr, uint64_t mac, uint32_t port, uint64_t now_ms)
{
    const struct addr_key key = addr_key4(vlan, addr);
    if (addr == 0) /* a probe, or a client without address (RFC 5227, RFC 2131) */
        return true;
    if (g->config.guard != GATEWAY_GUARD_OFF && vlan == ETHER_VLAN_NONE) { /* another network's addresses are none of ours */
        if (addr == g->config.addr || is_lent_to_another(g, addr, mac))
            return false;
        if (g->config.guard == GATEWAY_GUARD_STRICT && !is_lent_to(g, addr, mac, port))
            return false;
    }
    return is_his(g, &key, mac, port, now_ms);
}

/* Leases come from us. */
static bool plays_dhcp_server(const struct gateway *g, const struct ether_view *v)
{
    struct ip4_view ip;
    return g->config.dhcp != NULL && g->config.guard != GATEWAY_GUARD_OFF && v->vlan == ETHER_VLAN_NONE &&
           ip4_parse(v->payload, v->payload_len, &ip) == DROP_NONE && ip.proto == IP_PROTO_UDP && ip.src_port == DHCP_SERVER_PORT;
}

/* First come, first served (RFC 6620). There is no router but the one behind the uplink. */
static bool judge_ip6(struct gateway *g, uint32_t port, const struct ether_view *v, uint64_t now_ms)
{
    struct nd nd;
    if (!nd_parse(v->payload, v->payload_len, v->src, &nd))
        return true;
    const struct addr_key src = addr_key6(v->vlan, nd.src), target = addr_key6(v->vlan, nd.target);
    const bool nobody = nd.src[0] == 0 && nd.src[1] == 0;
    if (g->config.guard != GATEWAY_GUARD_OFF && (nd.foreign || nd.kind == ND_ROUTER || nd.kind == ND_HIDDEN || nd.src[0] >> 56 == 0xff))
        return false;
    if (nd.kind == ND_ADVERT && !is_his(g, &target, v->src, port, now_ms))
        return false;
    if (nd.kind == ND_SOLICIT && nobody) /* it takes it if nobody has it; if somebody has, he is to hear the question */
        is_his(g, &target, v->src, port, now_ms);
    return nobody || is_his(g, &src, v->src, port, now_ms);
}

/* Behind two tags are networks of whoever set the outer one. */
static bool is_twice_tagged(const struct ether_view *v)
{
    return v->payload > v->frame + ETHER_HEADER_LEN + ETHER_TAG_LEN;
}

static bool judge_sender(struct gateway *g, uint32_t port, const struct ether_view *v, uint64_t now_ms)
{
    struct arp arp;
    if (is_twice_tagged(v))
        return true;
    if (v->type == ETHER_TYPE_ARP && arp_parse(v->payload, v->payload_len, &arp)) {
        if (g->config.guard != GATEWAY_GUARD_OFF && arp.sender_mac != v->src)
            return false;
        return is_his4(g, v->vlan, arp.sender, arp.sender_mac, port, now_ms);
    }
    if (v->type == ETHER_TYPE_IP4 && v->payload_len >= IP4_MIN_LEN)
        return !plays_dhcp_server(g, v) && is_his4(g, v->vlan, get_be32(v->payload + 12), v->src, port, now_ms);
    return v->type != ETHER_TYPE_IP6 || judge_ip6(g, port, v, now_ms);
}

void gateway_hears(struct gateway *gateway, const struct ether_view *view, uint64_t now_ms)
{
    struct arp arp;
    struct nd nd;
    struct addr_key key;
    if (is_twice_tagged(view))
        return;
    if (view->type == ETHER_TYPE_ARP && arp_parse(view->payload, view->payload_len, &arp) && arp.sender != 0)
        key = addr_key4(view->vlan, arp.sender);
    else if (view->type == ETHER_TYPE_IP6 && nd_parse(view->payload, view->payload_len, view->src, &nd) && nd.kind == ND_ADVERT)
        key = addr_key6(view->vlan, nd.target);
    else if (view->type == ETHER_TYPE_IP6 && nd_parse(view->payload, view->payload_len, view->src, &nd) && nd.kind != ND_NONE &&
             (nd.src[0] | nd.src[1]) != 0)
        key = addr_key6(view->vlan, nd.src);
    else /* as a source anybody in the world may stand */
        return;
    addr_book_hear(gateway->book, &key, view->src, gateway->config.uplink, now_ms);
}

bool gateway_believes(struct gateway *gateway, uint32_t port, const struct ether_view *view, uint64_t now_ms)
{
    bool believed = judge_sender(gateway, port, view, now_ms);
    gateway->stats.lies += !believed;
    return believed;
}

/* --- what it answers --- */

static struct gateway_result nothing(void)
{
    return (struct gateway_result){.does = GATEWAY_NOTHING};
}

static struct gateway_result answer(uint8_t *frame, size_t len)
{
    return (struct gateway_result){.does = GATEWAY_ANSWER, .bytes = frame, .len = len};
}

static struct gateway_result take_arp(struct gateway *g, const struct ether_view *v)
{
    struct arp asked;
    if (!g->config.router || !arp_parse(v->payload, v->payload_len, &asked) || asked.op != ARP_REQUEST || asked.target != g->config.addr)
        return nothing();
    const struct arp said = {.op = ARP_REPLY, .sender_mac = g->config.mac, .sender = g->config.addr, .target_mac = asked.sender_mac,
                             .target = asked.sender};
    g->stats.arp_answers++;
    arp_make(g->frame, v->src, &said);
    return answer(g->frame, ARP_FRAME_LEN);
}

static struct gateway_result take_dhcp(struct gateway *g, uint32_t port, const struct ether_view *v, const struct ip4_view *ip,
                                       uint64_t now_ms)
{
    struct dhcp_message m;
    uint8_t *packet = g->frame + ETHER_HEADER_LEN, *udp = packet + IP4_MIN_LEN;
    struct ip4_view made;
    if (!dhcp_parse(ip->l4 + UDP_HEADER_LEN, ip->l4_len - UDP_HEADER_LEN, &m) ||
        (g->config.guard != GATEWAY_GUARD_OFF && m.mac != v->src)) {
        g->stats.bad_dhcp++;
        return nothing();
    }
    struct dhcp_answer a = dhcp_server_ask(g->config.dhcp, port, &m, now_ms, udp + UDP_HEADER_LEN);
    if (a.len == 0)
        return nothing();
    size_t udp_len = UDP_HEADER_LEN + a.len, len = IP4_MIN_LEN + udp_len;
    put_be16(udp, DHCP_SERVER_PORT);
    put_be16(udp + 2, DHCP_CLIENT_PORT);
    put_be16(udp + 4, (uint32_t)udp_len);
    put_be16(udp + 6, 0);
    ip4_make_header(packet, len, 0, IP_PROTO_UDP, g->config.addr, a.dst);
    if (ip4_parse(packet, len, &made) == DROP_NONE)
        ip4_set_l4_csum(&made);
    ether_put_header(g->frame, a.dst_mac, g->config.mac, ETHER_TYPE_IP4);
    return answer(g->frame, ETHER_HEADER_LEN + len);
}

/* The request becomes the answer, whose checksum differs by the type alone (RFC 792). */
static struct gateway_result take_echo(struct gateway *g, const struct ether_view *v, struct ip4_view *ip)
{
    uint32_t asker = ip->src;
    if (!ip4_l4_csum_ok(ip))
        return nothing();
    ip4_set_src(ip, g->config.addr);
    ip4_set_dst(ip, asker);
    ip->l4[0] = ICMP_ECHO_REPLY;
    put_be16(ip->l4 + 2, csum_update16(get_be16(ip->l4 + 2), ICMP_ECHO << 8, ICMP_ECHO_REPLY << 8));
    g->stats.echo_answers++;
    ether_put_header(v->frame, v->src, g->config.mac, ETHER_TYPE_IP4);
    return answer(v->frame, ETHER_HEADER_LEN + ip->len);
}

/* Nothing listens here; saying so spares the guest a wait. */
static struct gateway_result refuse(struct gateway *g, const struct ether_view *v, const struct ip4_view *ip)
{
    uint8_t *packet = g->frame + ETHER_HEADER_LEN;
    size_t len = 0;
    if (ip->proto == IP_PROTO_TCP)
        len = tcp_make_rst(packet, REFUSAL_MAX, ip);
    else if (ip->proto == IP_PROTO_UDP)
        len = icmp_make_error(packet, REFUSAL_MAX, g->config.addr, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0, ip);
    if (len == 0)
        return nothing();
    g->stats.refusals++;
    ether_put_header(g->frame, v->src, g->config.mac, ETHER_TYPE_IP4);
    return answer(g->frame, ETHER_HEADER_LEN + len);
}

static struct gateway_result take_ip4(struct gateway *g, uint32_t port, const struct ether_view *v, uint64_t now_ms)
{
    const struct gateway_config *c = &g->config;
    struct ip4_view ip;
    if (ip4_parse(v->payload, v->payload_len, &ip) != DROP_NONE)
        return nothing();
    bool mine = ip.dst == c->addr, all = ip.dst == EVERYBODY || ip.dst == (c->addr | ~c->mask);
    bool udp = ip.proto == IP_PROTO_UDP && !ip4_is_fragment(&ip);
    if (c->dhcp != NULL && udp && ip.dst_port == DHCP_SERVER_PORT && (mine || all))
        return ip4_l4_csum_ok(&ip) ? take_dhcp(g, port, v, &ip, now_ms) : nothing();
    if (!c->router || v->dst != c->mac || v->payload != v->frame + ETHER_HEADER_LEN || all)
        return nothing();
    if (((ip.src ^ c->addr) & c->mask) != 0 || ip.src == c->addr) /* answers would not find their way back */
        return nothing();
    if (!mine) {
        g->stats.routed++;
        return (struct gateway_result){.does = GATEWAY_ROUTE, .bytes = ip.ip, .len = ip.len};
    }
    if (ip4_is_fragment(&ip))
        return nothing();
    if (ip.proto == IP_PROTO_ICMP)
        return ip.icmp_type == ICMP_ECHO ? take_echo(g, v, &ip) : nothing();
    return refuse(g, v, &ip);
}

struct gateway_result gateway_take(struct gateway *gateway, uint32_t port, const struct ether_view *view, uint64_t now_ms)
{
    if (view->tagged && view->vlan != ETHER_VLAN_NONE)
        return nothing();
    gateway->now_ms = now_ms;
    if (view->type == ETHER_TYPE_ARP)
        return take_arp(gateway, view);
    if (view->type == ETHER_TYPE_IP4)
        return take_ip4(gateway, port, view, now_ms);
    return nothing();
}

/* --- where guests are --- */

bool gateway_find(const struct gateway *gateway, uint32_t addr, struct addr_entry *ret_entry)
{
    const struct addr_key key = addr_key4(ETHER_VLAN_NONE, addr);
    return addr_book_find(gateway->book, &key, ret_entry);
}

void gateway_ask_for(const struct gateway *gateway, uint32_t addr, uint8_t ret_frame[ETHER_MIN_LEN])
{
    const struct arp asked = {.op = ARP_REQUEST, .sender_mac = gateway->config.mac, .sender = gateway->config.addr, .target = addr};
    arp_make(ret_frame, ETHER_BROADCAST, &asked);
}

void gateway_port_gone(struct gateway *gateway, uint32_t port)
{
    addr_book_forget_port(gateway->book, port);
}

bool gateway_is_vacant(struct gateway *gateway, uint32_t addr, uint64_t mac)
{
    uint64_t since_ms = gateway->now_ms > IN_USE_MS ? gateway->now_ms - IN_USE_MS : 0;
    const struct addr_key key = addr_key4(ETHER_VLAN_NONE, addr);
    return !addr_book_is_others(gateway->book, &key, mac, since_ms);
}

const struct gateway_stats *gateway_stats(const struct gateway *gateway)
{
    return &gateway->stats;
}
