/*
 * packet/cut.c - taking the first segments off a packet that stands for many
 *
 * A packet of 64 KB would hold a slow path for long. Its first segments leave as a packet of their own, the rest stays where it is: its
 * headers move forward to the payload that is left, so nothing but them is copied twice.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

/* Length and what depends on it: of a piece, or of the rest. */
static void set_payload(struct ip4_view *v, size_t payload)
{
    v->len = v->header_len + v->l4_header_len + payload;
    v->l4_len = v->l4_header_len + payload;
    wire_put16(v->ip + IP4_TOTAL_LEN, (uint16_t)v->len);
    if (v->proto == IP_PROTO_UDP)
        wire_put16(v->l4 + UDP_LENGTH, (uint16_t)v->l4_len);
    ip4_set_header_csum(v->ip, v->header_len);
    v->partial = false;
    ip4_set_partial(v);
}

static void move_to(struct ip4_view *v, uint8_t *ip)
{
    v->ip = ip;
    v->l4 = ip + v->header_len;
}

/* @return bytes of payload in the piece, or 0 */
static size_t piece_of(uint8_t *packet, size_t len, const struct offload *offload, size_t max, struct ip4_view *ret_view)
{
    if (offload->seg_len == 0 || ip4_parse(packet, len, ret_view) != DROP_NONE ||
        ip4_view_offload(ret_view, offload) != DROP_NONE)
        return 0;
    const size_t headers = ret_view->header_len + ret_view->l4_header_len;
    size_t segments = max > headers ? (max - headers) / offload->seg_len : 0;
    const size_t piece = (segments == 0 ? 1 : segments) * offload->seg_len;
    return piece < ret_view->len - headers ? piece : 0;
}

size_t ip4_cut_len(uint8_t *packet, size_t len, const struct offload *offload, size_t max, size_t *ret_segments)
{
    struct ip4_view v;
    const size_t piece = piece_of(packet, len, offload, max, &v);
    if (piece == 0)
        return 0;
    *ret_segments = piece / offload->seg_len;
    return v.header_len + v.l4_header_len + piece;
}

size_t ip4_cut(uint8_t **packet, size_t *len, struct offload *offload, size_t max, uint8_t *out)
{
    struct ip4_view v;
    const size_t piece = piece_of(*packet, *len, offload, max, &v);
    if (piece == 0)
        return 0;
    const size_t headers = v.header_len + v.l4_header_len, payload = v.len - headers, segments = piece / offload->seg_len;
    struct ip4_view first = v, rest = v;
    uint8_t header[IP4_MIN_LEN * 3 + TCP_MIN_LEN * 3];
    memcpy(header, v.ip, headers);
    if (out != NULL) {
        memcpy(out, v.ip, headers + piece);
        move_to(&first, out);
        if (v.proto == IP_PROTO_TCP)
            first.l4[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        set_payload(&first, piece);
    }
    move_to(&rest, v.ip + piece);
    memcpy(rest.ip, header, headers);
    wire_put16(rest.ip + IP4_ID, (uint16_t)(wire_get16(rest.ip + IP4_ID) + segments));
    if (v.proto == IP_PROTO_TCP) {
        wire_put32(rest.l4 + TCP_SEQ, wire_get32(rest.l4 + TCP_SEQ) + (uint32_t)piece);
        rest.l4[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    }
    set_payload(&rest, payload - piece);
    *packet = rest.ip;
    *len = rest.len;
    offload->partial = true;
    if (payload - piece <= offload->seg_len)
        offload->seg_len = 0;
    return headers + piece;
}
