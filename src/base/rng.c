/* base/rng.c - see rng.h */
#include "base/rng.h"

/* The output step of SplitMix64 (Steele, Lea, Flood 2014): makes two unlike key halves of one seed. */
static uint64_t spread(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

void rng_init(struct rng *rng, uint64_t seed)
{
    rng->key.k0 = spread(seed + 0x9e3779b97f4a7c15ULL);
    rng->key.k1 = spread(seed + 2 * 0x9e3779b97f4a7c15ULL);
    rng->counter = 0;
}

uint64_t rng_next(struct rng *rng)
{
    return siphash24_1(&rng->key, rng->counter++);
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
    /* Lemire 2019: the high half of a product is even once the low values that would come once too often are drawn again */
    uint64_t product = (rng_next(rng) >> 32) * n;
    if ((uint32_t)product < n) {
        uint32_t surplus = n == 0 ? 0 : (uint32_t)-n % n;
        while ((uint32_t)product < surplus)
            product = (rng_next(rng) >> 32) * n;
    }
    return (uint32_t)(product >> 32);
}
