/*
 * nat/tcp.h - how far a TCP connection is, and which segments fit it
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

/** A connection as seen in passing, zeroed at first. Index 0 is what the inside sends, 1 the outside. Sequence numbers. */
struct nat_tcp {
    uint32_t end[2];   /**< behind the last byte sent */
    uint32_t acked[2]; /**< what the other side acknowledged of it; first the SYN's own number */
    uint32_t edge[2];  /**< up to where the other side's window lets it send */
    uint8_t scale[2];  /**< of the windows this side tells (RFC 7323), or NAT_TCP_NO_SCALE */
    uint8_t seen;      /**< SYN, FIN, RST, acknowledgement of the SYN, of either side */
};
enum { NAT_TCP_NO_SCALE = 0xff };

/** How long the flow may now be idle. */
enum nat_tcp_wait {
    NAT_TCP_KEEP,        /**< the running time-out goes on */
    NAT_TCP_OPENING,
    NAT_TCP_CLOSING,
    NAT_TCP_ESTABLISHED, /**< both SYNs seen and acknowledged, not both FINs, no RST */
    NAT_TCP_REFUSE,      /**< it does not fit the connection: drop it; nothing was noted */
};
/**
 * Note a segment. Those from inside always pass, those from outside only if they fit.
 *
 * @param outbound  from inside to outside
 * @param may_begin the outside may begin connections here
 * @param v         a whole TCP packet
 */
enum nat_tcp_wait nat_tcp_track(struct nat_tcp *tcp, bool outbound, bool may_begin, const struct ip4_view *v);

/** A combination of flags that a TCP sends (RFC 9293 section 3.10.7 has no use for others, and scanners do). */
bool nat_tcp_flags_ok(const struct ip4_view *v);

#endif
