/*
 * ether/arp.h - the address resolution protocol (RFC 826), for IPv4 on Ethernet
 */
#ifndef TETHER_ETHER_ARP_H
#define TETHER_ETHER_ARP_H

#include "tether/ether.h"

enum { ARP_LEN = 28, ARP_FRAME_LEN = ETHER_MIN_LEN };
enum arp_op { ARP_REQUEST = 1, ARP_REPLY = 2 };

/** IPv4 addresses in host order. */
struct arp {
    enum arp_op op;
    uint64_t sender_mac, target_mac;
    uint32_t sender, target;
};

/** @param payload of a frame of ETHER_TYPE_ARP @return false: cut off, another kind of network, or neither request nor reply */
bool arp_parse(const uint8_t *payload, size_t len, struct arp *ret_arp);
/** Write a whole frame to `dst`, padded. */
void arp_make(uint8_t ret_frame[ARP_FRAME_LEN], uint64_t dst, const struct arp *arp);

#endif
