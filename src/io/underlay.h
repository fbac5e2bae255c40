/*
 * io/underlay.h - the way to the server beside our own tunnel
 *
 * With everything routed into the TUN, a connection to the server would enter the tunnel that it is to carry. A socket that is bound to
 * a device ignores the routes of all others, so nothing has to be added to the machine's tables, and nothing stays behind.
 */
#ifndef TETHER_IO_UNDERLAY_H
#define TETHER_IO_UNDERLAY_H

#include <net/if.h>
#include <sys/socket.h>

struct underlay {
    char ifname[IFNAMSIZ]; /**< device to bind a socket to; "": its way does not lead through ours */
};

/**
 * Which device leads to an address if ours is left out, by the main table as it is now.
 *
 * @param around our device; NULL: none, then nothing need be bound
 * @return 0; -ENETUNREACH when there is no other way now; -errno
 */
int underlay_find(const struct sockaddr_storage *to, const char *around, struct underlay *ret);
/** @return 0 or -errno; "" unbinds */
int underlay_bind(int fd, const struct underlay *via);

#endif
