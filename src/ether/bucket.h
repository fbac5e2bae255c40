/*
 * ether/bucket.h - so many a second and no more: a token bucket
 */
#ifndef TETHER_ETHER_BUCKET_H
#define TETHER_ETHER_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/** Zeroed: full. */
struct bucket {
    uint64_t spent_ns; /**< by then all that was taken is earned again */
};

/** Take one, if there is one. @param per_s tokens earned each second, 1 to 1,000,000 @param burst how many it holds */
static inline bool bucket_take(struct bucket *b, uint32_t per_s, uint32_t burst, uint64_t now_ms)
{
    uint64_t cost_ns = UINT64_C(1000000000) / per_s, now_ns = now_ms * 1000000;
    uint64_t from = b->spent_ns > now_ns ? b->spent_ns : now_ns;
    if (from + cost_ns > now_ns + cost_ns * burst)
        return false;
    b->spent_ns = from + cost_ns;
    return true;
}

#endif
