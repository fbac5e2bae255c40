/*
 * packet/coalesce.c - joining TCP segments that follow each other, as Linux's GRO does
 *
 * Where a network card or kernel delivers segments one by one, the tunnel and both kernels would pay for each. Joined here they cost
 * once, and can be cut again exactly as they were: only segments whose headers agree are joined, each as long as the
 * first but the last, and only when their checksums are right, for afterwards nobody can tell.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

enum { JOINABLE = TCP_ACK | TCP_PSH | TCP_ECE };

/* A segment of data that another may follow. */
static bool can_begin(const struct ip4_view *v, const struct offload *offload)
{
    size_t payload = v->len - v->header_len - v->l4_header_len;
    if (v->proto != IP_PROTO_TCP || ip4_is_fragment(v) || v->header_len != IP4_MIN_LEN || payload == 0)
        return false;
    return (v->tcp_flags & ~(JOINABLE | TCP_CWR)) == 0 && (v->tcp_flags & (TCP_ACK | TCP_PSH)) == TCP_ACK &&
           (offload->seg_len == 0 || payload % offload->seg_len == 0);
}

static bool can_follow(const struct ip4_view *v)
{
    return v->proto == IP_PROTO_TCP && !ip4_is_fragment(v) && v->header_len == IP4_MIN_LEN &&
           (v->tcp_flags & ~(JOINABLE | TCP_FIN)) == 0 && (v->tcp_flags & TCP_ACK) != 0;
}

/* What every segment repeats: addresses, ports, acknowledgement, window, options; type of service, DF, TTL. */
static bool headers_agree(const struct ip4_view *a, const struct ip4_view *b)
{
    const size_t options = TCP_MIN_LEN;
    return a->l4_header_len == b->l4_header_len && a->ip[IP4_TOS] == b->ip[IP4_TOS] && a->ttl == b->ttl &&
           a->dont_frag == b->dont_frag && memcmp(a->ip + IP4_SRC, b->ip + IP4_SRC, 8) == 0 && memcmp(a->l4, b->l4, 4) == 0 &&
           memcmp(a->l4 + TCP_ACKNO, b->l4 + TCP_ACKNO, 4) == 0 && ((a->tcp_flags ^ b->tcp_flags) & TCP_ECE) == 0 &&
           memcmp(a->l4 + TCP_WINDOW, b->l4 + TCP_WINDOW, 2) == 0 &&
           memcmp(a->l4 + options, b->l4 + options, a->l4_header_len - options) == 0;
}

static bool follows(const struct ip4_view *a, uint16_t seg_len, size_t a_payload, const struct ip4_view *b, size_t b_payload)
{
    const size_t segments = a_payload / seg_len;
    return wire_get32(b->l4 + TCP_SEQ) == wire_get32(a->l4 + TCP_SEQ) + (uint32_t)a_payload &&
           (a->dont_frag || wire_get16(b->ip + IP4_ID) == (uint16_t)(wire_get16(a->ip + IP4_ID) + segments)) &&
           b_payload <= seg_len && segments < PACKET_SEGMENTS_MAX && a->len + b_payload <= IP4_MAX_LEN;
}

bool tcp_coalesce(uint8_t *packet, size_t *len, size_t cap, struct offload *offload, uint8_t *next, size_t next_len,
                  const struct offload *next_offload)
{
    struct ip4_view a, b;
    if (next_offload->seg_len != 0 || ip4_parse(packet, *len, &a) != DROP_NONE || ip4_parse(next, next_len, &b) != DROP_NONE)
        return false;
    if (!can_begin(&a, offload) || !can_follow(&b) || !headers_agree(&a, &b))
        return false;
    const size_t a_payload = a.len - a.header_len - a.l4_header_len, b_payload = b.len - b.header_len - b.l4_header_len;
    const uint16_t seg_len = offload->seg_len != 0 ? offload->seg_len : (uint16_t)a_payload;
    if (b_payload == 0 || !follows(&a, seg_len, a_payload, &b, b_payload) || a.len + b_payload > cap)
        return false;
    a.partial = offload->partial;
    b.partial = next_offload->partial;
    if (!ip4_l4_csum_ok(&a) || !ip4_l4_csum_ok(&b))
        return false;
    memmove(a.ip + a.len, b.l4 + b.l4_header_len, b_payload); /* it may lie right behind */
    a.len += b_payload;
    a.l4_len += b_payload;
    a.l4[TCP_FLAGS] |= b.tcp_flags & (TCP_PSH | TCP_FIN);
    wire_put16(a.ip + IP4_TOTAL_LEN, (uint16_t)a.len);
    ip4_set_header_csum(a.ip, a.header_len);
    a.partial = false;
    ip4_set_partial(&a);
    *len = a.len;
    *offload = (struct offload){.seg_len = seg_len, .partial = true};
    return true;
}
