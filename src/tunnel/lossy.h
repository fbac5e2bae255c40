/*
 * tunnel/lossy.h - whether a TCP connection loses segments all the time
 *
 * Cubic takes each loss for a queue that overflowed: where one segment in two hundred gets lost on the air it sends a third of what fits, and all of a
 * laptop's flows share its connection. BBR does not mind losses, but holds everything up for 200 ms each ten seconds. So it is for those who need it.
 * Pure: the counters come from the kernel.
 */
#ifndef TETHER_TUNNEL_LOSSY_H
#define TETHER_TUNNEL_LOSSY_H

#include <stdbool.h>
#include <stdint.h>

/** All zero: a new connection, which loses nothing. */
struct lossy {
    uint32_t sent, again; /* the counters when this count began */
    bool loses;
};

/**
 * Newer counters of the connection, which wrap around.
 *
 * @param sent   segments with data that left, those sent again included
 * @param again  those sent again
 * @return it loses one in a thousand or more; from then on until it loses less than one in four thousand
 */
bool lossy_hear(struct lossy *l, uint32_t sent, uint32_t again);

#endif
