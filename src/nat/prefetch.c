/*
 * nat/prefetch.c - looking ahead: with many flows a packet's price is the memory it waits for
 *
 * A look-up reads a line of slots and then the flow's, which with tens of thousands of flows come from main memory, one after the other. For packets known
 * in advance all slots are asked for before the first flow is, so the waits overlap. Only ports where they nearly always are get looked at; what is odd
 * is left to the real parser.
 */
#include "base/bytes.h"
#include "nat/internal.h"

enum { IP4_HEADER_LEN = 20, NEEDED = IP4_HEADER_LEN + 8, FRAGMENT_BITS = 0x3fff };

/* @return false: nothing to fetch for it */
static bool glance(uint32_t session, const uint8_t *packet, size_t len, struct nat_tuple *ret_tuple)
{
    enum nat_proto proto;
    if (len < NEEDED || packet[0] != 0x45 || (get_be16(packet + 6) & FRAGMENT_BITS) != 0 || !nat_proto_of(packet[9], &proto))
        return false;
    const bool out = session != 0;
    const uint32_t src = get_be32(packet + 12), dst = get_be32(packet + 16);
    uint16_t src_port = get_be16(packet + IP4_HEADER_LEN), dst_port = get_be16(packet + IP4_HEADER_LEN + 2);
    if (proto == NAT_ICMP)
        src_port = dst_port = get_be16(packet + IP4_HEADER_LEN + 4);
    *ret_tuple = (struct nat_tuple){.proto = proto,
                                    .session = session,
                                    .inside = out ? src : dst,
                                    .inside_port = out ? src_port : dst_port,
                                    .remote = out ? dst : src,
                                    .remote_port = out ? dst_port : src_port};
    return true;
}

void nat_prefetch(const struct nat *nat, uint32_t session, const struct span *packets, size_t count)
{
    uint32_t value[NAT_AHEAD_MAX];
    size_t found = 0;
    for (size_t i = 0; i < count && i < NAT_AHEAD_MAX; i++) {
        struct nat_tuple t;
        if (glance(session, packets[i].data, packets[i].len, &t))
            value[found++] = nat_flow_prefetch(nat, &t);
    }
    for (size_t i = 0; i < found; i++)
        hash_prefetch_object(session != 0 ? &nat->flows_inside : &nat->flows_outside, value[i]);
}
