/*
 * packet/segment.c - cutting one large TCP packet into segments as a network card does
 *
 * Large packets cross the tunnel whole and are cut only where a link demands it. The receiver must not be
 * able to tell them from segments the sender cut itself: sequence numbers and IDs count up, what marks the
 * end (FIN, PSH) stands on the last one, what answers once (CWR, RFC 3168 section 6.1.2) on the first.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

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

    uint8_t *tcp = scratch + v->header_len;
    wire_put32(tcp + TCP_SEQ, wire_get32(v->l4 + TCP_SEQ) + (uint32_t)offset);
    if (!last)
        tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (index != 0)
        tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    struct ip4_view made = *v;
    made.ip = scratch;
    made.l4 = tcp;
    made.l4_len = v->l4_header_len + piece;
    ip4_set_l4_csum(&made);
}

size_t tcp_segment(const struct ip4_view *v, size_t mtu, uint8_t *scratch, size_t cap, packet_cb cb,
                   void *ctx)
{
    if (v->proto != IP_PROTO_TCP || v->l4_header_len < TCP_MIN_LEN || ip4_is_fragment(v) ||
        cap < (v->len < mtu ? v->len : mtu))
        return 0;
    const size_t headers = v->header_len + v->l4_header_len;
    const size_t payload = v->len - headers;
    if (v->len <= mtu) {
        build(v, scratch, 0, payload, 0, true);
        cb(ctx, scratch, v->len);
        return 1;
    }
    if (mtu <= headers || (v->tcp_flags & (TCP_SYN | TCP_RST | TCP_URG)))
        return 0;
    const size_t mss = mtu - headers;
    size_t count = 0;
    for (size_t offset = 0; offset < payload; offset += mss, count++) {
        const size_t left = payload - offset;
        const size_t piece = left < mss ? left : mss;
        build(v, scratch, offset, piece, (uint16_t)count, piece == left);
        cb(ctx, scratch, headers + piece);
    }
    return count;
}
