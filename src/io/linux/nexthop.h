/*
 * io/linux/nexthop.h - whom on the link a packet to some destination goes to
 *
 * A packet sent by AF_PACKET goes past the kernel's routing and its neighbour table, so both are asked, once a second for each destination in
 * use. In between the answer is remembered, of up to 1,024 destinations: a new one
 * that finds its places taken by others in use goes the ordinary way. Whenever it is asked the caller sends that packet the ordinary way, so that the kernel itself resolves
 * the neighbour and keeps confirming it; a change of route or address is thus followed within a second.
 */
#ifndef TETHER_IO_LINUX_NEXTHOP_H
#define TETHER_IO_LINUX_NEXTHOP_H

#include <stdbool.h>
#include <stdint.h>

enum { NEXTHOP_LIFE_MS = 1000, NEXTHOP_SETS = 256, NEXTHOP_WAYS = 4, NEXTHOP_MAC_LEN = 6 };

struct nexthop;

/** @param ifindex packets must leave there @param src our address on it, host order @return 0 or -errno */
int nexthop_new(int ifindex, uint32_t src, struct nexthop **ret_nexthop);
void nexthop_free(struct nexthop *n);
/**
 * @param dst host order @param ret_mac set on success
 * @return false: not known, or only just asked: send it the ordinary way
 */
bool nexthop_get(struct nexthop *n, uint32_t dst, uint64_t now_ms, uint8_t ret_mac[NEXTHOP_MAC_LEN]);

#endif
