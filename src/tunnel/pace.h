/*
 * tunnel/pace.h - the pace of a path, chosen once a round from what the round brought; see window.h for how
 *
 * The part of window.h that decides; pure.
 */
#ifndef TETHER_TUNNEL_PACE_H
#define TETHER_TUNNEL_PACE_H

#include "tunnel/window.h"

enum {
    WINDOW_QUIET_ROUNDS = 3,  /* without a queue before the pace leaps: by then its usual growth would have made one */
    PACE_TARGET_MAX_US = 2500, /* without what jitter and slow packets add */
    PACE_QUEUE_US = 4000,     /* beyond the target: certainly a queue */
};

/** The round is over and measured: choose target and pace. */
void pace_choose(struct window *w, uint64_t now_us);

#endif
