/*
 * packet/offload.c - packets that stand for many, and those whose checksum somebody else will finish
 *
 * What comes beside a packet may come from the other end of the tunnel, so it is believed only where the packet bears it out.
 */
#include "packet/wire.h"
#include "tether/packet.h"

static size_t payload_len(const struct ip4_view *v)
{
    return v->len - v->header_len - v->l4_header_len;
}

static bool has_transport(const struct ip4_view *v)
{
    return !ip4_is_fragment(v) && (v->proto == IP_PROTO_TCP || v->proto == IP_PROTO_UDP) &&
           v->header_len + v->l4_header_len <= v->len;
}

static bool can_be_cut(const struct ip4_view *v)
{
    if (v->proto == IP_PROTO_TCP)
        return !(v->tcp_flags & (TCP_SYN | TCP_RST | TCP_URG));
    return v->l4_len == v->len - v->header_len; /* a surplus area (RFC 9868) belongs to no datagram in particular */
}

enum drop ip4_view_offload(struct ip4_view *v, const struct offload *offload)
{
    if (offload->seg_len == 0 && !offload->partial)
        return DROP_NONE;
    if (!has_transport(v))
        return DROP_BAD_HEADER;
    if (offload->seg_len != 0) {
        size_t payload = payload_len(v);
        if (!offload->partial || !can_be_cut(v) || payload == 0 ||
            (payload + offload->seg_len - 1) / offload->seg_len > PACKET_SEGMENTS_MAX)
            return DROP_BAD_HEADER;
    }
    v->partial = offload->partial;
    return DROP_NONE;
}

size_t ip4_wire_len(const struct ip4_view *v, uint16_t seg_len)
{
    size_t headers = v->header_len + v->l4_header_len;
    return seg_len != 0 && headers + seg_len < v->len ? headers + seg_len : v->len;
}

void ip4_set_partial(struct ip4_view *v)
{
    if (!has_transport(v) || v->partial)
        return;
    wire_put16(v->l4 + (v->proto == IP_PROTO_TCP ? TCP_CHECK : UDP_CHECK), csum_pseudo(v->src, v->dst, v->proto, v->l4_len));
    v->partial = true;
}

void ip4_guess_offload(struct ip4_view *v, size_t mtu, struct offload *ret_offload)
{
    size_t headers = v->header_len + v->l4_header_len;
    *ret_offload = (struct offload){0};
    if (v->len > mtu && mtu > headers && v->proto == IP_PROTO_TCP && has_transport(v) && can_be_cut(v)) {
        ip4_set_partial(v);
        *ret_offload = (struct offload){.seg_len = (uint16_t)(mtu - headers), .partial = true};
    } else if (ip4_l4_csum_partial(v)) {
        ip4_set_l4_csum(v);
    }
}
