/*
 * nat/in2out.c - packets from laptops on their way to the internet
 *
 * To a laptop the server is one more router on the way: it decrements the TTL, answers what it refuses, and tells the MTU. Only
 * packets from here begin flows. The external address itself is the server, refused unless it was opened: no hop lies between, and a
 * port there that belongs to a mapping is hairpinned, which means translated outwards and then judged as if it came from outside (RFC 4787 REQ-9).
 */
#include "nat/internal.h"

enum { TCP_HEADERS_LEN = 40 }; /* IPv4 and TCP without options: what an MSS leaves out (RFC 6691) */

/* What no sender means. UDP's source port 0 says "do not answer" (RFC 768) and is carried. */
static enum drop check_transport(const struct ip4_view *v)
{
    switch (v->proto) {
    case IP_PROTO_TCP:
        return v->src_port == 0 || v->dst_port == 0 || !nat_tcp_flags_ok(v) ? DROP_BAD_HEADER : DROP_NONE;
    case IP_PROTO_UDP:
        return v->dst_port == 0 ? DROP_BAD_HEADER : DROP_NONE;
    case IP_PROTO_ICMP:
        if (v->icmp_type == ICMP_ECHO || nat_icmp_is_error(v))
            return DROP_NONE;
        return v->icmp_type == ICMP_ECHO_REPLY ? DROP_NO_FLOW : DROP_ICMP_TYPE;
    default:
        return DROP_PROTOCOL;
    }
}

/* What a router does before it looks at ports. */
static enum drop check_route(struct nat_call *c, bool local, bool hairpin)
{
    const struct nat_config *config = &c->nat->config;
    struct ip4_view *v = &c->v;
    if ((!local || hairpin) && !ip4_dec_ttl(v))
        return nat_call_refuse(c, ICMP_TIME_EXCEEDED, 0, 0, DROP_TTL);
    if (!hairpin && !nat_policy_allows(&c->nat->policy, v->proto, v->dst, v->dst_port))
        return nat_call_refuse(c, ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED, 0, DROP_POLICY);
    if (local)
        return DROP_NONE;
    /* TCP is cut into segments instead: large ones come from offloading, not from the sender's idea of the MTU (RFC 4787 REQ-13) */
    if (v->dont_frag && ip4_wire_len(v, c->seg_len) > config->link_mtu && v->proto != IP_PROTO_TCP)
        return nat_call_refuse(c, ICMP_UNREACHABLE, ICMP_NEED_FRAG, config->link_mtu, DROP_TOO_BIG);
    return DROP_NONE;
}

static enum drop find_flow(struct nat_call *c, enum nat_proto proto, struct nat_flow **ret_flow)
{
    const struct ip4_view *v = &c->v;
    const struct nat_tuple t = {.proto = proto,
                                .session = c->session,
                                .inside = v->src,
                                .inside_port = v->src_port,
                                .remote = v->dst,
                                .remote_port = v->dst_port};
    *ret_flow = nat_flow_find_inside(c->nat, &t, c->now_ms);
    if (*ret_flow != NULL)
        return DROP_NONE;
    if (proto == NAT_TCP && !nat_tcp_begins(v->tcp_flags)) /* after a restart of the server it would hang for hours; an RST ends it at once */
        return nat_call_reset(c);
    enum drop why = nat_flow_new(c->nat, &t, c->now_ms, ret_flow);
    if (why != DROP_NONE) /* RFC 6888 REQ-11 names the code */
        return nat_call_refuse(c, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE, 0, why);
    return DROP_NONE;
}

/* Translate a packet, which is whole and has ports or an identifier. */
static enum drop translate(struct nat_call *c, enum nat_proto proto)
{
    struct nat *nat = c->nat;
    struct ip4_view *v = &c->v;
    bool local = v->dst == nat->config.external;
    bool hairpin = local && proto != NAT_ICMP && nat_owns_port(nat, v->dst_port);
    if (hairpin && nat_map_at(nat, proto, v->dst_port) == NULL)
        return DROP_NO_FLOW; /* nobody's port: as silent as from outside */
    enum drop why = check_route(c, local, hairpin);
    if (why != DROP_NONE)
        return why;
    struct nat_flow *flow;
    why = find_flow(c, proto, &flow);
    if (why != DROP_NONE)
        return why;
    nat_flow_touch(nat, flow, v, true, c->now_ms); /* lets all pass */

    ip4_set_src(v, nat->config.external);
    ip4_set_src_port(v, flow->port);
    tcp_clamp_mss(v, (uint16_t)(nat->config.link_mtu - TCP_HEADERS_LEN));
    if (hairpin)
        return nat_deliver(c, proto);
    return nat_call_pass(c, NAT_FORWARD, c->session);
}

static enum drop in2out(struct nat_call *c, uint8_t *packet, size_t len, const struct offload *offload)
{
    enum nat_proto proto;
    enum drop why = nat_call_begin(c, packet, len, offload);
    if (why != DROP_NONE)
        return why;
    if (!nat_policy_source_ok(c->v.src) || !nat_session_owns(nat_session_find(c->nat, c->session), c->v.src))
        return DROP_SOURCE;
    why = nat_call_whole(c, c->nat->reasm_in, c->session);
    if (why != DROP_NONE || c->result->verdict == NAT_HELD)
        return why;
    if (!ip4_blank_options(&c->v)) /* a source route would lead past the policy, a recorded one would tell inside addresses */
        return DROP_BAD_HEADER;
    why = check_transport(&c->v);
    if (why != DROP_NONE)
        return why;
    if (nat_icmp_is_error(&c->v))
        return nat_icmp_error_out(c);
    if (!nat_proto_of(c->v.proto, &proto))
        return DROP_PROTOCOL;
    return translate(c, proto);
}

void nat_in2out(struct nat *nat, uint32_t session, uint8_t *packet, size_t len, const struct offload *offload,
                uint64_t now_ms, struct nat_result *ret_result)
{
    struct nat_call c = {.nat = nat, .session = session, .now_ms = now_ms, .result = ret_result};
    nat_call_end(&c, in2out(&c, packet, len, offload));
}
