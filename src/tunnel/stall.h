/*
 * tunnel/stall.h - a phone close by that stops for a moment
 *
 * A phone's browser does other things, too: for five or ten milliseconds, some times a second, it carries nothing. What the laptop sends meanwhile
 * is handed to the mobile network in one piece afterwards, and everything later waits behind it for a hundred milliseconds, until the
 * pace has made up for it. But the laptop notices: acknowledgements pass the phone, too, and on a fast path they come every millisecond. When
 * none came for much longer nothing more is sent until one does; then what was sent into the silence goes first. Neither that time's rate nor
 * the delay of what was under way tell of the path. The server notices too late, and what it sends waits behind the mobile network, not in front of it.
 * Part of window.h; pure.
 */
#ifndef TETHER_TUNNEL_STALL_H
#define TETHER_TUNNEL_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct window;

struct stall {
    bool expected;       /**< what is sent passes a phone close by */
    bool held;           /* what waits, waits for an acknowledgement only */
    bool unmeasured;     /* no delay of what was sent after the last one is known yet */
    uint64_t heard_us;   /* newest acknowledgement */
    uint64_t heard_sent; /* what had been sent by then */
    uint64_t gap_us;     /* mean time between two */
    uint64_t over_us;    /* end of the last one */
};

/** Nothing is sent now. */
bool stall_lasts(const struct window *w, uint64_t now_us);
/** An acknowledgement came; if a stall ended with it, the pace begins behind what was sent meanwhile. Before it is counted as acknowledged. */
void stall_hear(struct window *w, uint64_t now_us);

#endif
