/*
 * packet/segment.c - cutting one large TCP or UDP packet into many as a network card does
 *
 * Large packets cross the tunnel whole and are cut only where a link demands it. The receiver must not be
 * able to tell TCP segments from ones the sender cut itself: sequence numbers and IDs count up, what marks the
 * end (FIN, PSH) stands on the last one, what answers once (CWR, RFC 3168 section 6.1.2) on the first. UDP's
 * were datagrams of their own before the sender's or the receiver's kernel joined them.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

static void fix_tcp(const struct ip4_view *v, uint8_t *tcp, size_t offset, bool last)
{
    wire_put32(tcp + TCP_SEQ, wire_get32(v->l4 + TCP_SEQ) + (uint32_t)offset);
    if (!last)
        tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (offset != 0)
        tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

/** Make one segment in scratch from a copy of the headers and a piece of the payload. */
static void build(const struct ip4_view *v, uint8_t *scratch, size_t offset, size_t piece, uint16_t index,
                  bool last)
{
    const size_t headers = v->header_len + v->l4_header_len;
    memcpy(scratch, v->ip, headers);
    memcpy(scratch + headers, v->ip + headers + offset, piece);
    wire_put16(scratch + IP4_TOTAL_LEN, (uint16_t)(headers + piece));
    wire_put16(scratch + IP4_ID, (uint16_t)(wire_get16(v->ip + IP4_ID) + index));
    ip4_set_header_csum(scratch, v->header_len);

    struct ip4_view made = *v;
    made.ip = scratch;
    made.l4 = scratch + v->header_len;
    made.l4_len = v->l4_header_len + piece;
    if (v->proto == IP_PROTO_TCP)
        fix_tcp(v, made.l4, offset, last);
    else
        wire_put16(made.l4 + UDP_LENGTH, (uint16_t)made.l4_len);
    ip4_set_l4_csum(&made);
}

static bool may_cut(const struct ip4_view *v, uint16_t seg_len)
{
    const size_t headers = v->header_len + v->l4_header_len;
    const bool tcp = v->proto == IP_PROTO_TCP && v->l4_header_len >= TCP_MIN_LEN;
    const bool udp = v->proto == IP_PROTO_UDP && v->l4_header_len == UDP_HEADER_LEN;
    return (tcp || udp) && !ip4_is_fragment(v) && headers <= v->len && seg_len != 0 &&
           (v->len - headers <= seg_len || !tcp || (v->tcp_flags & (TCP_SYN | TCP_RST | TCP_URG)) == 0);
}

size_t ip4_segment(const struct ip4_view *v, uint16_t seg_len, uint8_t *scratch, size_t cap, packet_cb cb, void *ctx)
{
    if (!may_cut(v, seg_len) || cap < ip4_wire_len(v, seg_len))
        return 0;
    const size_t headers = v->header_len + v->l4_header_len, payload = v->len - headers;
    size_t count = 0, offset = 0;
    do {
        const size_t left = payload - offset;
        const size_t piece = left < seg_len ? left : seg_len;
        build(v, scratch, offset, piece, (uint16_t)count, piece == left);
        cb(ctx, scratch, headers + piece);
        offset += piece;
        count++;
    } while (offset < payload);
    return count;
}

size_t ip4_segment_all(const struct ip4_view *v, uint16_t seg_len, uint8_t *out, size_t cap, struct span *ret_pieces)
{
    if (!may_cut(v, seg_len))
        return 0;
    const size_t headers = v->header_len + v->l4_header_len, payload = v->len - headers;
    const size_t count = payload == 0 ? 1 : (payload + seg_len - 1) / seg_len;
    if (count > PACKET_SEGMENTS_MAX || cap < payload + count * headers)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const size_t offset = i * seg_len, left = payload - offset, piece = left < seg_len ? left : seg_len;
        build(v, out, offset, piece, (uint16_t)i, piece == left);
        ret_pieces[i] = (struct span){out, headers + piece};
        out += headers + piece;
    }
    return count;
}

size_t tcp_segment(const struct ip4_view *v, size_t mtu, uint8_t *scratch, size_t cap, packet_cb cb,
                   void *ctx)
{
    const size_t headers = v->header_len + v->l4_header_len;
    if (v->proto != IP_PROTO_TCP)
        return 0;
    if (v->len <= mtu)
        return ip4_segment(v, UINT16_MAX, scratch, cap, cb, ctx);
    return mtu <= headers ? 0 : ip4_segment(v, (uint16_t)(mtu - headers), scratch, cap, cb, ctx);
}
