/* ether/arp.c - see arp.h */
#include "ether/arp.h"

#include <string.h>

#include "base/bytes.h"

enum { HARDWARE_ETHERNET = 1, MAC_LEN = 6, IP4_LEN = 4 };
/* where the fields are (RFC 826, "Packet format") */
enum { AT_HARDWARE = 0, AT_PROTOCOL = 2, AT_SIZES = 4, AT_OP = 6, AT_SENDER_MAC = 8, AT_SENDER = 14, AT_TARGET_MAC = 18, AT_TARGET = 24 };

bool arp_parse(const uint8_t *payload, size_t len, struct arp *ret_arp)
{
    if (len < ARP_LEN || get_be16(payload + AT_HARDWARE) != HARDWARE_ETHERNET ||
        get_be16(payload + AT_PROTOCOL) != ETHER_TYPE_IP4 || payload[AT_SIZES] != MAC_LEN || payload[AT_SIZES + 1] != IP4_LEN)
        return false;
    uint16_t op = get_be16(payload + AT_OP);
    if (op != ARP_REQUEST && op != ARP_REPLY)
        return false;
    *ret_arp = (struct arp){
        .op = (enum arp_op)op,
        .sender_mac = ether_get_mac(payload + AT_SENDER_MAC),
        .sender = get_be32(payload + AT_SENDER),
        .target_mac = ether_get_mac(payload + AT_TARGET_MAC),
        .target = get_be32(payload + AT_TARGET),
    };
    return true;
}

void arp_make(uint8_t ret_frame[ARP_FRAME_LEN], uint64_t dst, const struct arp *arp)
{
    uint8_t *p = ret_frame + ETHER_HEADER_LEN;
    memset(ret_frame, 0, ARP_FRAME_LEN);
    ether_put_header(ret_frame, dst, arp->sender_mac, ETHER_TYPE_ARP);
    put_be16(p + AT_HARDWARE, HARDWARE_ETHERNET);
    put_be16(p + AT_PROTOCOL, ETHER_TYPE_IP4);
    p[AT_SIZES] = MAC_LEN;
    p[AT_SIZES + 1] = IP4_LEN;
    put_be16(p + AT_OP, arp->op);
    ether_put_mac(p + AT_SENDER_MAC, arp->sender_mac);
    put_be32(p + AT_SENDER, arp->sender);
    ether_put_mac(p + AT_TARGET_MAC, arp->target_mac);
    put_be32(p + AT_TARGET, arp->target);
}
