/* tunnel/ether_flow.c - see ether_flow.h */
#include "tunnel/ether_flow.h"

#include <string.h>

#include "base/bytes.h"
#include "tether/packet.h"
#include "tunnel/ip_flow.h"

enum {
    MACS_LEN = 12, TYPE_LEN = 2, TAG_LEN = 4, TAGS_MAX = 2,
    TYPE_IP4 = 0x0800, TYPE_IP6 = 0x86dd, TYPE_VLAN = 0x8100, TYPE_QINQ = 0x88a8,
    IP6_LEN = 40, PROTO_TCP = 6, PROTO_UDP = 17,
    IP6_ECN_MASK = 0x30, /* in the second byte: the traffic class lies across two (RFC 8200 section 3) */
};

size_t ether_flow_payload(const uint8_t *frame, size_t len, uint16_t *ret_type)
{
    size_t at = MACS_LEN;
    for (int tags = 0; at + TYPE_LEN <= len; tags++, at += TAG_LEN) {
        *ret_type = (uint16_t)get_be16(frame + at);
        if (tags == TAGS_MAX || (*ret_type != TYPE_VLAN && *ret_type != TYPE_QINQ))
            return at + TYPE_LEN;
    }
    *ret_type = 0;
    return len;
}

static uint64_t hash_ip6(const struct siphash_key *key, const uint8_t *packet, size_t len)
{
    uint64_t from = siphash13_2(key, get_be64(packet + 8), get_be64(packet + 16));
    uint64_t to = siphash13_2(key, get_be64(packet + 24), get_be64(packet + 32));
    uint64_t ports = len >= IP6_LEN + 4 && (packet[6] == PROTO_TCP || packet[6] == PROTO_UDP) ? get_be32(packet + IP6_LEN) : 0;
    return siphash13_2(key, from ^ (to << 1 | to >> 63), (uint64_t)packet[6] << 32 | ports);
}

uint32_t ether_flow_hash(const struct siphash_key *key, const uint8_t *frame, size_t len)
{
    uint16_t type;
    size_t at = ether_flow_payload(frame, len, &type);
    if (type == TYPE_IP4)
        return ip_flow_hash(key, frame + at, len - at);
    if (type == TYPE_IP6 && len - at >= IP6_LEN)
        return (uint32_t)hash_ip6(key, frame + at, len - at);
    if (len < MACS_LEN)
        return 0;
    return (uint32_t)siphash13_2(key, get_be64(frame), (uint64_t)get_be32(frame + 8) << 32 | type);
}

bool ether_flow_mark(uint8_t *frame, size_t len)
{
    uint16_t type;
    size_t at = ether_flow_payload(frame, len, &type);
    if (type == TYPE_IP4)
        return ip_flow_mark(frame + at, len - at);
    if (type != TYPE_IP6 || len - at < IP6_LEN || (frame[at + 1] & IP6_ECN_MASK) == 0)
        return false;
    frame[at + 1] |= IP6_ECN_MASK;
    return true;
}

/* What is left to the packet inside, of a piece of so many bytes. */
static size_t inside(size_t max, size_t at)
{
    return max > at ? max - at : 1;
}

size_t ether_flow_cut(uint8_t **frame, size_t *len, struct offload *offload, size_t max, uint8_t *out)
{
    uint16_t type;
    size_t at = ether_flow_payload(*frame, *len, &type), packet_len = *len - at;
    uint8_t *packet = *frame + at;
    size_t piece = type == TYPE_IP4 ? ip4_cut(&packet, &packet_len, offload, inside(max, at), out != NULL ? out + at : NULL) : 0;
    if (piece == 0)
        return 0;
    if (out != NULL)
        memcpy(out, *frame, at);
    memmove(packet - at, *frame, at); /* the rest begins at least a segment further on */
    *frame = packet - at;
    *len = at + packet_len;
    return at + piece;
}

size_t ether_flow_cut_len(uint8_t *frame, size_t len, const struct offload *offload, size_t max, size_t *ret_segments)
{
    uint16_t type;
    size_t at = ether_flow_payload(frame, len, &type);
    size_t piece = type == TYPE_IP4 ? ip4_cut_len(frame + at, len - at, offload, inside(max, at), ret_segments) : 0;
    return piece == 0 ? 0 : at + piece;
}
