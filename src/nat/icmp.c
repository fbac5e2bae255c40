/*
 * nat/icmp.c - ICMP errors, which quote the packet they are about
 *
 * The quoted packet tells the flow; it went the other way, so its source and destination change roles. An error passes only if the flow
 * exists, and never ends or renews one (RFC 4787 REQ-12). Quoted addresses, ports and identifiers are translated like the outer
 * ones, with the quoted checksums mended (RFC 5508 REQ-4, REQ-5); then the outer checksum, verified before,
 * is made anew. The quotation's own transport checksum is not judged: routers quote too little for that (REQ-3 c).
 */
#include "nat/internal.h"

enum { ICMP_HEADER_LEN = 8 };

bool nat_icmp_is_error(const struct ip4_view *v)
{
    return v->proto == IP_PROTO_ICMP && (v->icmp_type == ICMP_UNREACHABLE || v->icmp_type == ICMP_TIME_EXCEEDED ||
                                         v->icmp_type == ICMP_PARAMETER);
}

/**
 * Look into the quotation.
 *
 * @param echo_type the ICMP type a quoted packet of a flow has: what was sent in the quoted direction
 */
static enum drop quoted(const struct ip4_view *outer, uint8_t echo_type, struct ip4_view *ret_inner, enum nat_proto *ret_proto)
{
    if (!ip4_l4_csum_ok(outer)) /* RFC 5508 REQ-3 */
        return DROP_BAD_CHECKSUM;
    enum drop why = ip4_parse_embedded(outer->l4 + ICMP_HEADER_LEN, outer->l4_len - ICMP_HEADER_LEN, ret_inner);
    if (why != DROP_NONE)
        return why;
    if (csum_sum(ret_inner->ip, ret_inner->header_len, 0) != 0xffff) /* REQ-3 a */
        return DROP_BAD_CHECKSUM;
    if (ret_inner->frag_off != 0) /* without ports nobody can tell whose it is; RFC 1122 allows errors about first fragments only */
        return DROP_NO_FLOW;
    if (!nat_proto_of(ret_inner->proto, ret_proto))
        return DROP_NO_FLOW;
    if (*ret_proto == NAT_ICMP && ret_inner->icmp_type != echo_type) /* among others an error about an error */
        return DROP_NO_FLOW;
    return DROP_NONE;
}

static enum drop pass_in(struct nat_call *c, struct ip4_view *inner, enum nat_proto proto)
{
    struct nat *nat = c->nat;
    struct nat_flow *flow =
        nat_flow_find_outside(nat, proto, inner->src_port, inner->dst, inner->dst_port, c->now_ms);
    if (inner->src != nat->config.external || flow == NULL)
        return DROP_NO_FLOW;
    ip4_set_src(inner, flow->inside);
    ip4_set_src_port(inner, flow->inside_port);
    ip4_set_dst(&c->v, flow->inside);
    ip4_set_l4_csum(&c->v);
    return nat_call_pass(c, c->session != 0 ? NAT_HAIRPIN : NAT_FORWARD, flow->session_id);
}

enum drop nat_icmp_error_in(struct nat_call *c)
{
    struct ip4_view inner;
    enum nat_proto proto;
    enum drop why = quoted(&c->v, ICMP_ECHO, &inner, &proto);
    return why != DROP_NONE ? why : pass_in(c, &inner, proto);
}

enum drop nat_icmp_error_out(struct nat_call *c)
{
    struct nat *nat = c->nat;
    struct ip4_view *v = &c->v, inner;
    enum nat_proto proto;
    enum drop why = quoted(v, ICMP_ECHO_REPLY, &inner, &proto);
    if (why != DROP_NONE)
        return why;
    const struct nat_tuple t = {.proto = proto,
                                .session = c->session,
                                .inside = inner.dst,
                                .inside_port = inner.dst_port,
                                .remote = inner.src,
                                .remote_port = inner.src_port};
    struct nat_flow *flow = nat_flow_find_inside(nat, &t, c->now_ms);
    if (flow == NULL || v->dst != inner.src) /* an error goes to the sender of what it is about */
        return DROP_NO_FLOW;
    bool hairpin = v->dst == nat->config.external && proto != NAT_ICMP && nat_map_at(nat, proto, inner.src_port) != NULL;
    if (!hairpin && !nat_policy_allows(&nat->policy, inner.proto, v->dst, inner.src_port)) /* an open filter's flow names no remote */
        return DROP_POLICY;
    if (!ip4_dec_ttl(v))
        return DROP_TTL;
    ip4_set_dst(&inner, nat->config.external);
    ip4_set_dst_port(&inner, flow->port);
    ip4_set_src(v, nat->config.external);
    ip4_set_l4_csum(v);
    if (hairpin)
        return pass_in(c, &inner, proto); /* it was about a hairpinned packet (RFC 4787 REQ-9 and 12) */
    return nat_call_pass(c, NAT_FORWARD, c->session);
}
