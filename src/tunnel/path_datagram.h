/*
 * tunnel/path_datagram.h - the part of a path that differs where its carrier loses, reorders and limits what it carries: UDP
 *
 * One packet a datagram. What is lost is lost to the flow it belongs to, whose own congestion control sees it, as with any tunnel over UDP; but
 * as on other paths a window keeps the queue short, so each datagram tells how much was sent with it, and its receiver how much of that
 * arrived (window_on_report()). An acknowledgement rides behind a packet where there is room. Packets are made to fit: TCP is cut into segments that do, other packets are
 * fragmented, and whoever forbade that (DF) is told the size (RFC 1191). What was cut is joined again where it arrives, as far as it came at once:
 * the NAT, the TUN and the kernel behind it cost a packet's price, however long it is.
 */
#ifndef TETHER_TUNNEL_PATH_DATAGRAM_H
#define TETHER_TUNNEL_PATH_DATAGRAM_H

#include "tunnel/path.h"

/** A path of this kind from now on. @param overhead bytes of an IP packet around a message, PMTU_MAX at most */
void path_datagram_init(struct path *p, unsigned overhead);
/** As path_flush(). */
void path_datagram_flush(struct path *p, struct fairq *q, uint64_t now_us);
/** A packet came: it is joined to the one before, or held for the next one. @param packet borrowed @return 0, or what the op returned */
int path_datagram_received(struct path *p, uint8_t *packet, size_t len);
/** Nothing more has come: what is held is handed on. @return as above */
int path_datagram_settle(struct path *p);
/** Probes of size. */
void path_datagram_tick(struct path *p, uint64_t now_us);

#endif
