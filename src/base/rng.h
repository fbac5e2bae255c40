/*
 * base/rng.h - random numbers from a seed
 *
 * SipHash-2-4 of a counter: the numbers may be shown to strangers (as ports, identifiers) without telling them the next, which
 * a plain generator's would (RFC 6056 section 3.3). The same seed gives the same row, so tests repeat.
 */
#ifndef TETHER_BASE_RNG_H
#define TETHER_BASE_RNG_H

#include "base/siphash.h"

struct rng {
    struct siphash_key key;
    uint64_t counter;
};

/** @param seed secret where the numbers must not be guessed */
void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/** Evenly from 0 to n - 1; 0 for n = 0. */
uint32_t rng_below(struct rng *rng, uint32_t n);

#endif
