/* tunnel/ip_flow.c - see ip_flow.h */
#include "tunnel/ip_flow.h"

#include "base/bytes.h"
#include "tether/packet.h"

enum {
    PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17,
    ECN_MASK = 3, ECN_CE = 3,
    URGENT_MAX = 256, TCP_FLAGS_AT = 13,
};

uint32_t ip_flow_hash(const struct siphash_key *key, const uint8_t *packet, size_t len)
{
    if (len < 20 || packet[0] >> 4 != 4)
        return 0;
    size_t header_len = (size_t)(packet[0] & 15) * 4;
    uint64_t addresses = (uint64_t)get_be32(packet + 12) << 32 | get_be32(packet + 16);
    uint64_t rest = (uint64_t)packet[9] << 48;
    if ((get_be16(packet + 6) & 0x3fff) != 0) /* a fragment: the pieces of a datagram stay together */
        rest |= UINT64_C(1) << 56 | get_be16(packet + 4);
    else if (header_len >= 20 && len >= header_len + 8 && (packet[9] == PROTO_TCP || packet[9] == PROTO_UDP))
        rest |= get_be32(packet + header_len);
    else if (header_len >= 20 && len >= header_len + 8 && packet[9] == PROTO_ICMP)
        rest |= get_be16(packet + header_len + 4);
    return (uint32_t)siphash13_2(key, addresses, rest);
}

bool ip_flow_mark(uint8_t *packet, size_t len)
{
    if (len < 20 || packet[0] >> 4 != 4 || (packet[1] & ECN_MASK) == 0)
        return false;
    uint16_t before = (uint16_t)get_be16(packet);
    packet[1] |= ECN_CE;
    put_be16(packet + 10, csum_update16((uint16_t)get_be16(packet + 10), before, (uint16_t)get_be16(packet)));
    return true;
}

bool ip_flow_is_urgent(const uint8_t *packet, size_t len)
{
    if (len < 20 || len > URGENT_MAX || packet[0] >> 4 != 4)
        return false;
    size_t flags_at = (size_t)(packet[0] & 15) * 4 + TCP_FLAGS_AT;
    return packet[9] != PROTO_TCP || (flags_at < len && (packet[flags_at] & TCP_SYN) != 0);
}
