/*
 * nat/tcp.h - how far a TCP connection is, from the flags that passed
 */
#ifndef TETHER_NAT_TCP_H
#define TETHER_NAT_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "tether/packet.h"

/** Only a bare SYN begins a connection. */
static inline bool nat_tcp_begins(uint8_t flags)
{
    return (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/** How long the flow may now be idle. */
enum nat_tcp_wait {
    NAT_TCP_KEEP,        /**< the running time-out goes on */
    NAT_TCP_OPENING,
    NAT_TCP_CLOSING,
    NAT_TCP_ESTABLISHED, /**< both SYNs seen, not both FINs, no RST */
};
/**
 * Note a segment.
 *
 * @param seen     the flow's memory, 0 at first
 * @param outbound from inside to outside
 * @param flags    TCP_*
 */
enum nat_tcp_wait nat_tcp_track(uint8_t *seen, bool outbound, uint8_t flags);

#endif
