/*
 * io/congestion.h - which congestion control steers the TCP of a websocket
 *
 * Cubic, for the tunnel's own window probes the path; a host's BBR would do so too, and hold everything up for 200 ms each ten seconds (PROBE_RTT). But BBR
 * while the connection loses segments all the time (tunnel/lossy.h).
 */
#ifndef TETHER_IO_CONGESTION_H
#define TETHER_IO_CONGESTION_H

#include <stddef.h>

#include "tunnel/lossy.h"

/** Of one socket; all zero: a new one. */
struct congestion {
    struct lossy lossy;
    size_t bytes; /* given to it since it was looked at */
};

/** A TCP socket that was just connected or accepted. Where it cannot be steered the host's choice stays. */
void congestion_begin(int fd);
/** So many bytes were given to it, beyond those told before: now and then it is looked at. */
void congestion_sent(struct congestion *c, int fd, size_t bytes);

#endif
