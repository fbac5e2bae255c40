/*
 * packet/coalesce.c - joining TCP segments and UDP datagrams that follow each other, as Linux's GRO does
 *
 * Where a network card or kernel delivers packets one by one, the tunnel and both kernels would pay for each. Joined here they cost
 * once, and can be cut again exactly as they were: only packets whose headers agree are joined, each as long as the
 * first but the last, and only when their checksums are right, for afterwards nobody can tell.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

enum { JOINABLE = TCP_ACK | TCP_PSH | TCP_ECE };
enum { DATAGRAMS_MAX = 64 }; /* which any Linux takes as one */

static size_t payload_len(const struct ip4_view *v)
{
    return v->len - v->header_len - v->l4_header_len;
}

/* A TCP segment of data that another may follow. */
static bool segment_can_begin(const struct ip4_view *v)
{
    return (v->tcp_flags & ~(JOINABLE | TCP_CWR)) == 0 && (v->tcp_flags & (TCP_ACK | TCP_PSH)) == TCP_ACK;
}

static bool segment_can_follow(const struct ip4_view *v)
{
    return (v->tcp_flags & ~(JOINABLE | TCP_FIN)) == 0 && (v->tcp_flags & TCP_ACK) != 0;
}

/* What every segment repeats: acknowledgement, window, options. */
static bool segment_follows(const struct ip4_view *a, const struct ip4_view *b)
{
    const size_t options = TCP_MIN_LEN;
    return segment_can_begin(a) && segment_can_follow(b) && a->l4_header_len == b->l4_header_len &&
           memcmp(a->l4 + TCP_ACKNO, b->l4 + TCP_ACKNO, 4) == 0 && ((a->tcp_flags ^ b->tcp_flags) & TCP_ECE) == 0 &&
           memcmp(a->l4 + TCP_WINDOW, b->l4 + TCP_WINDOW, 2) == 0 &&
           memcmp(a->l4 + options, b->l4 + options, a->l4_header_len - options) == 0 &&
           wire_get32(b->l4 + TCP_SEQ) == wire_get32(a->l4 + TCP_SEQ) + (uint32_t)payload_len(a);
}

/* One without a checksum would get one when it is cut, and a surplus area (RFC 9868) belongs to one datagram. */
static bool datagram_is_usual(const struct ip4_view *v)
{
    return v->l4_len == v->len - v->header_len && wire_get16(v->l4 + UDP_CHECK) != 0;
}

/* Of one flow, and what IP's header says of both: type of service, TTL, DF. */
static bool headers_agree(const struct ip4_view *a, const struct ip4_view *b)
{
    return a->proto == b->proto && !ip4_is_fragment(a) && !ip4_is_fragment(b) && a->header_len == IP4_MIN_LEN && b->header_len == IP4_MIN_LEN &&
           a->ip[IP4_TOS] == b->ip[IP4_TOS] && a->ttl == b->ttl && a->dont_frag == b->dont_frag &&
           memcmp(a->ip + IP4_SRC, b->ip + IP4_SRC, 8) == 0 && memcmp(a->l4, b->l4, 4) == 0;
}

/* b is the next piece of a, whose pieces are of seg_len. */
static bool follows(const struct ip4_view *a, uint16_t seg_len, const struct ip4_view *b)
{
    const size_t pieces = payload_len(a) / seg_len, more = payload_len(b);
    if (payload_len(a) % seg_len != 0 || more == 0 || more > seg_len || a->len + more > IP4_MAX_LEN)
        return false;
    if (!a->dont_frag && wire_get16(b->ip + IP4_ID) != (uint16_t)(wire_get16(a->ip + IP4_ID) + pieces))
        return false;
    if (a->proto == IP_PROTO_TCP)
        return pieces < PACKET_SEGMENTS_MAX && segment_follows(a, b);
    return pieces < DATAGRAMS_MAX && datagram_is_usual(a) && datagram_is_usual(b);
}

static void append(struct ip4_view *a, const struct ip4_view *b)
{
    const size_t more = payload_len(b);
    memmove(a->ip + a->len, b->l4 + b->l4_header_len, more); /* it may lie right behind */
    a->len += more;
    a->l4_len += more;
    if (a->proto == IP_PROTO_TCP)
        a->l4[TCP_FLAGS] |= b->tcp_flags & (TCP_PSH | TCP_FIN);
    else
        wire_put16(a->l4 + UDP_LENGTH, (uint16_t)a->l4_len);
    wire_put16(a->ip + IP4_TOTAL_LEN, (uint16_t)a->len);
    ip4_set_header_csum(a->ip, a->header_len);
    a->partial = false;
    ip4_set_partial(a);
}

bool ip4_coalesce(uint8_t *packet, size_t *len, size_t cap, struct offload *offload, uint8_t *next, size_t next_len,
                  const struct offload *next_offload)
{
    struct ip4_view a, b;
    if (next_offload->seg_len != 0 || ip4_parse(packet, *len, &a) != DROP_NONE || ip4_parse(next, next_len, &b) != DROP_NONE)
        return false;
    if ((a.proto != IP_PROTO_TCP && a.proto != IP_PROTO_UDP) || !headers_agree(&a, &b) || payload_len(&a) == 0)
        return false;
    const uint16_t seg_len = offload->seg_len != 0 ? offload->seg_len : (uint16_t)payload_len(&a);
    if (!follows(&a, seg_len, &b) || a.len + payload_len(&b) > cap)
        return false;
    a.partial = offload->partial;
    b.partial = next_offload->partial;
    if (!ip4_l4_csum_ok(&a) || !ip4_l4_csum_ok(&b))
        return false;
    append(&a, &b);
    *len = a.len;
    *offload = (struct offload){.seg_len = seg_len, .partial = true};
    return true;
}

bool ip4_row_join(struct ip4_row *row, uint8_t *packet, size_t len)
{
    return ip4_coalesce(row->packet, &row->len, sizeof row->packet, &row->offload, packet, len, &(struct offload){0});
}

bool ip4_row_begin(struct ip4_row *row, const uint8_t *packet, size_t len)
{
    if (len > sizeof row->packet)
        return false;
    memcpy(row->packet, packet, len);
    row->len = len;
    row->offload = (struct offload){0};
    return true;
}

size_t ip4_row_take(struct ip4_row *row)
{
    size_t len = row->len;
    row->len = 0;
    return len;
}
