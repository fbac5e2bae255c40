/*
 * base/backoff.h - the pause before the next try
 *
 * It doubles from try to try up to a bound, so that who is away is not asked in haste for ever, and begins small again once a try had
 * succeeded for a while. Each is shortened at random, so that many who lost the same server do not come back at one moment.
 */
#ifndef TETHER_BASE_BACKOFF_H
#define TETHER_BASE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum { BACKOFF_MIN_MS = 500, BACKOFF_MAX_MS = 15000, BACKOFF_STEADY_MS = 5000 };

/** All zeros: nothing was tried yet. */
struct backoff {
    uint32_t last_ms; /**< the last pause, before it was shortened; 0: the next is the first */
    bool up;
    uint64_t up_since_ms;
};

/** It works. Once it did so for BACKOFF_STEADY_MS, the pause after its end is the first again. */
void backoff_up(struct backoff *b, uint64_t now_ms);
/** The next pause is the first again, however long it worked. */
void backoff_reset(struct backoff *b);
/**
 * It ended, or did not even begin.
 *
 * @param now_ms monotonic milliseconds, as for backoff_up()
 * @param random any number
 * @return milliseconds to wait: of BACKOFF_MIN_MS, twice that, and so on to BACKOFF_MAX_MS, between a half and all
 */
uint64_t backoff_pause(struct backoff *b, uint64_t now_ms, uint32_t random);

#endif
