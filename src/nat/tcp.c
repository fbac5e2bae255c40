/*
 * nat/tcp.c - how far a TCP connection is, from the flags that passed
 *
 * Three phases (RFC 5382 section 5, RFC 6146 section 3.5.2): opening until both sides' SYNs passed, in either order, which
 * makes simultaneous open no special case (REQ-2); established; closing once both FINs or an RST passed. A closing
 * connection's time is not renewed: retransmissions must not keep it for ever.
 *
 * An RST may be forged. The one whom it is said to come from knows: when that side goes on sending, the connection lives on.
 */
#include "nat/tcp.h"

/* Bits of what was seen, per side; the outside's are those of the inside shifted. */
enum { SEEN_SYN = 1, SEEN_FIN = 4, SEEN_RST = 16, BOTH = 3 };

static bool closing(uint8_t seen)
{
    return (seen & SEEN_FIN * BOTH) == SEEN_FIN * BOTH || (seen & SEEN_RST * BOTH) != 0;
}

enum nat_tcp_wait nat_tcp_track(uint8_t *seen, bool outbound, uint8_t flags)
{
    const uint8_t before = *seen;
    const unsigned side = outbound ? 0 : 1;
    unsigned now = before;
    if ((flags & TCP_RST) != 0) {
        now |= SEEN_RST << side;
    } else if ((flags & TCP_SYN) != 0) {
        /* a new connection between the same ports, which only the inside may begin (RFC 9293 section 3.6.1) */
        if (outbound && (flags & TCP_ACK) == 0 && closing(before))
            now = 0;
        now |= SEEN_SYN << side;
    } else {
        now &= ~(SEEN_RST << side);
        if ((flags & TCP_FIN) != 0)
            now |= SEEN_FIN << side;
    }
    *seen = (uint8_t)now;
    if (closing(*seen))
        return closing(before) ? NAT_TCP_KEEP : NAT_TCP_CLOSING;
    return (now & SEEN_SYN * BOTH) == SEEN_SYN * BOTH ? NAT_TCP_ESTABLISHED : NAT_TCP_OPENING;
}
