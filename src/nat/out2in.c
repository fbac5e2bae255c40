/*
 * nat/out2in.c - packets from the internet on their way to laptops
 *
 * Nothing from here makes state, but a SYN where the filter lets everybody in. What no flow asked for is dropped in silence; for the rest the
 * sender is the remote, and the flow tells the laptop. Captured packets may be larger than the link's MTU and may carry partial
 * checksums; both stay so on the way to the laptop.
 */
#include "nat/internal.h"

enum { TCP_HEADERS_LEN = 40 };

static enum drop hand_over(struct nat_call *c, uint32_t session, uint32_t inside, uint16_t inside_port)
{
    struct ip4_view *v = &c->v;
    ip4_set_dst(v, inside);
    ip4_set_dst_port(v, inside_port);
    tcp_clamp_mss(v, (uint16_t)(c->nat->config.link_mtu - TCP_HEADERS_LEN));
    return nat_call_pass(c, c->session != 0 ? NAT_HAIRPIN : NAT_FORWARD, session);
}

/* Filtering keeps strangers out, and a laptop is no stranger at its own mapping: its UDP turns round there whether or not the mapping ever
   sent to the external address, as RFC 5780 section 4.5 tries it. TCP connects to itself by SYNs of both ends only. */
static enum drop without_flow(struct nat_call *c, enum nat_proto proto)
{
    const struct nat_map *map = nat_map_at(c->nat, proto, c->v.dst_port);
    if (map == NULL)
        return DROP_NO_FLOW;
    if (proto != NAT_UDP || c->session == 0 || map->session_id != c->session)
        return DROP_FILTERED;
    return hand_over(c, map->session_id, map->inside, map->inside_port);
}

/* A connection from outside to a mapping that is open to everybody (RFC 5382 REQ-2, REQ-3). It counts as the laptop's. */
static enum drop begin_from_outside(struct nat_call *c, struct nat_flow **ret_flow)
{
    const struct nat_map *map = nat_map_at(c->nat, NAT_TCP, c->v.dst_port);
    if (map == NULL)
        return DROP_NO_FLOW;
    if (c->nat->config.filter != NAT_FILTER_ENDPOINT || !nat_tcp_begins(c->v.tcp_flags))
        return DROP_FILTERED;
    if (c->session == 0 && c->v.ttl <= 1) /* a flow is not begun for a packet that ends here */
        return DROP_TTL;
    const struct nat_tuple t = {.proto = NAT_TCP,
                                .session = map->session_id,
                                .inside = map->inside,
                                .inside_port = map->inside_port,
                                .remote = c->v.src,
                                .remote_port = c->v.src_port};
    return nat_flow_new(c->nat, &t, c->now_ms, ret_flow);
}

enum drop nat_deliver(struct nat_call *c, enum nat_proto proto)
{
    struct ip4_view *v = &c->v;
    struct nat_flow *flow = nat_flow_find_outside(c->nat, proto, v->dst_port, v->src, v->src_port, c->now_ms);
    if (flow == NULL && proto == NAT_TCP) {
        enum drop why = begin_from_outside(c, &flow);
        if (why != DROP_NONE)
            return why;
    }
    if (flow == NULL)
        return without_flow(c, proto);
    if (c->session == 0 && !ip4_dec_ttl(v)) /* a hairpinned packet passed this router once already */
        return DROP_TTL;
    enum drop why = nat_flow_touch(c->nat, flow, v, false, c->now_ms);
    if (why != DROP_NONE)
        return why;
    return hand_over(c, flow->session_id, flow->inside, flow->inside_port);
}

static enum drop out2in(struct nat_call *c, uint8_t *packet, size_t len, const struct offload *offload)
{
    enum nat_proto proto;
    enum drop why = nat_call_begin(c, packet, len, offload);
    if (why != DROP_NONE)
        return why;
    if (c->v.dst != c->nat->config.external)
        return DROP_NO_FLOW;
    if (!nat_proto_of(c->v.proto, &proto))
        return DROP_PROTOCOL;
    /* each sender has its share of the room, so that one sender's flood leaves some for the others (RFC 4787 REQ-14) */
    why = nat_call_whole(c, c->nat->reasm_out, c->v.src);
    if (why != DROP_NONE || c->result->verdict == NAT_HELD)
        return why;
    if (!ip4_blank_options(&c->v) || (proto == NAT_TCP && !nat_tcp_flags_ok(&c->v)))
        return DROP_BAD_HEADER;
    if (nat_icmp_is_error(&c->v)) {
        if (!ip4_dec_ttl(&c->v))
            return DROP_TTL;
        return nat_icmp_error_in(c);
    }
    if (proto == NAT_ICMP && c->v.icmp_type != ICMP_ECHO_REPLY) /* echo requests are the server's own to answer */
        return c->v.icmp_type == ICMP_ECHO ? DROP_NO_FLOW : DROP_ICMP_TYPE;
    return nat_deliver(c, proto);
}

void nat_out2in(struct nat *nat, uint8_t *packet, size_t len, const struct offload *offload, uint64_t now_ms,
                struct nat_result *ret_result)
{
    struct nat_call c = {.nat = nat, .now_ms = now_ms, .result = ret_result};
    nat_call_end(&c, out2in(&c, packet, len, offload));
}
