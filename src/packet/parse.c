/*
 * packet/parse.c - from untrusted bytes to a view whose every pointer and length can be relied on
 *
 * Whatever works on a view does not check bounds again, so this file is the wall: a length that two fields
 * tell differently is refused, not guessed. Two doors lead in. ip4_parse() is strict; ip4_parse_embedded()
 * takes what routers quote in ICMP errors, which is cut short and often altered, and promises less.
 */
#include "packet/wire.h"
#include "tether/packet.h"

/** The fields of an IPv4 header that both doors read alike; lengths are the caller's to decide. */
static void read_header(struct ip4_view *v, uint8_t *ip, size_t header_len)
{
    const uint16_t frag = wire_get16(ip + IP4_FRAG);
    *v = (struct ip4_view){
        .ip = ip,
        .header_len = header_len,
        .proto = ip[IP4_PROTO],
        .src = wire_get32(ip + IP4_SRC),
        .dst = wire_get32(ip + IP4_DST),
        .frag_off = (uint16_t)((frag & IP4_OFFSET_MASK) * 8),
        .more_frags = (frag & IP4_MF) != 0,
        .dont_frag = (frag & IP4_DF) != 0,
        .ttl = ip[IP4_TTL],
        .l4 = ip + header_len,
    };
}

static void read_ports(struct ip4_view *v)
{
    v->src_port = wire_get16(v->l4);
    v->dst_port = wire_get16(v->l4 + 2);
}

static void read_icmp(struct ip4_view *v)
{
    v->icmp_type = v->l4[0];
    v->icmp_code = v->l4[1];
    v->l4_header_len = ICMP_HEADER_LEN;
    if (v->icmp_type == ICMP_ECHO || v->icmp_type == ICMP_ECHO_REPLY)
        v->src_port = v->dst_port = wire_get16(v->l4 + ICMP_IDENT);
}

static enum drop parse_tcp(struct ip4_view *v)
{
    v->l4_header_len = (size_t)(v->l4[TCP_OFFSET] >> 4) * 4;
    if (v->l4_header_len < TCP_MIN_LEN || v->l4_header_len > v->l4_len)
        return DROP_BAD_HEADER;
    v->tcp_flags = v->l4[TCP_FLAGS];
    read_ports(v);
    return DROP_NONE;
}

static enum drop parse_udp(struct ip4_view *v)
{
    const size_t udp_len = wire_get16(v->l4 + UDP_LENGTH);
    if (udp_len < UDP_HEADER_LEN)
        return DROP_BAD_HEADER;
    if (!ip4_is_fragment(v)) { /* a first fragment's UDP length rightly exceeds the fragment */
        if (udp_len > v->l4_len)
            return DROP_TRUNCATED;
        v->l4_len = udp_len;
    }
    v->l4_header_len = UDP_HEADER_LEN;
    read_ports(v);
    return DROP_NONE;
}

static size_t transport_min_len(uint8_t proto)
{
    switch (proto) {
    case IP_PROTO_TCP:
        return TCP_MIN_LEN;
    case IP_PROTO_UDP:
        return UDP_HEADER_LEN;
    case IP_PROTO_ICMP:
        return ICMP_HEADER_LEN;
    default:
        return 0;
    }
}

static enum drop parse_fragment(const struct ip4_view *v)
{
    if (v->frag_off + v->len > IP4_MAX_LEN) /* the ping of death */
        return DROP_BAD_HEADER;
    if (v->l4_len == 0 || (v->more_frags && v->l4_len % 8 != 0))
        return DROP_BAD_HEADER;
    /* RFC 1858 section 3.2.2 and RFC 3128: it could only overwrite ports or flags that were already judged.
     */
    if (v->frag_off != 0 && v->frag_off < transport_min_len(v->proto))
        return DROP_BAD_HEADER;
    return DROP_NONE;
}

static enum drop parse_transport(struct ip4_view *v)
{
    if (v->l4_len < transport_min_len(v->proto))
        return ip4_is_fragment(v) ? DROP_BAD_HEADER : DROP_TRUNCATED;
    switch (v->proto) {
    case IP_PROTO_TCP:
        return parse_tcp(v);
    case IP_PROTO_UDP:
        return parse_udp(v);
    case IP_PROTO_ICMP:
        read_icmp(v);
        return DROP_NONE;
    default:
        return DROP_NONE;
    }
}

/** Version and header length, the same for both doors. */
static enum drop check_start(const uint8_t *packet, size_t len, size_t *ret_header_len)
{
    if (len < 1)
        return DROP_TRUNCATED;
    if (packet[0] >> 4 != 4)
        return DROP_NOT_IP4;
    const size_t header_len = (size_t)(packet[0] & 0x0f) * 4;
    if (header_len < IP4_MIN_LEN)
        return DROP_BAD_HEADER;
    if (header_len > len)
        return DROP_TRUNCATED;
    *ret_header_len = header_len;
    return DROP_NONE;
}

enum drop ip4_parse(uint8_t *packet, size_t len, struct ip4_view *ret_view)
{
    size_t header_len;
    enum drop why = check_start(packet, len, &header_len);
    if (why != DROP_NONE)
        return why;
    const size_t total = wire_get16(packet + IP4_TOTAL_LEN);
    if (total < header_len)
        return DROP_BAD_HEADER;
    if (total > len)
        return DROP_TRUNCATED;
    if (csum_sum(packet, header_len, 0) != 0xffff)
        return DROP_BAD_CHECKSUM;

    struct ip4_view v;
    read_header(&v, packet, header_len);
    v.len = total;
    v.l4_len = total - header_len;
    if (ip4_is_fragment(&v)) {
        why = parse_fragment(&v);
        if (why != DROP_NONE)
            return why;
    }
    if (v.frag_off == 0) {
        why = parse_transport(&v);
        if (why != DROP_NONE)
            return why;
    }
    *ret_view = v;
    return DROP_NONE;
}

enum drop ip4_parse_embedded(uint8_t *data, size_t len, struct ip4_view *ret_view)
{
    size_t header_len;
    const enum drop why = check_start(data, len, &header_len);
    if (why != DROP_NONE)
        return why;

    struct ip4_view v;
    read_header(&v, data, header_len);
    /* Some stacks quote the length in their own byte order or less the header: then take what is there. */
    const size_t total = wire_get16(data + IP4_TOTAL_LEN);
    v.len = total >= header_len + 8 && total <= len ? total : len;
    v.l4_len = v.len - header_len;
    if (v.frag_off == 0) {
        if (v.l4_len < 8) /* RFC 792: 64 bits of it, where the ports and the identifier are */
            return DROP_TRUNCATED;
        if (v.proto == IP_PROTO_ICMP) {
            read_icmp(&v);
        } else if (v.proto == IP_PROTO_UDP) {
            v.l4_header_len = UDP_HEADER_LEN;
            read_ports(&v);
        } else if (v.proto == IP_PROTO_TCP) {
            v.l4_header_len = v.l4_len < TCP_MIN_LEN ? v.l4_len : TCP_MIN_LEN;
            v.tcp_flags = v.l4_len > TCP_FLAGS ? v.l4[TCP_FLAGS] : 0;
            read_ports(&v);
        }
    }
    *ret_view = v;
    return DROP_NONE;
}
