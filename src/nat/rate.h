/*
 * nat/rate.h - so many a second, and as many at once
 *
 * The generic cell rate algorithm: one number, the time at which a steady taker would come next. Who comes earlier has used up a part of
 * the burst, which is one second's worth.
 */
#ifndef TETHER_NAT_RATE_H
#define TETHER_NAT_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct nat_rate {
    uint64_t next_us;
};

/**
 * Take one.
 *
 * @param per_s 0: no limit
 * @return false when it is too early, which costs nothing
 */
static inline bool nat_rate_take(struct nat_rate *rate, uint32_t per_s, uint64_t now_ms)
{
    const uint64_t second_us = 1000000, now_us = now_ms * 1000;
    if (per_s == 0)
        return true;
    if (rate->next_us < now_us)
        rate->next_us = now_us;
    if (rate->next_us + second_us / per_s > now_us + second_us)
        return false;
    rate->next_us += second_us / per_s;
    return true;
}

/** Nothing of the burst is used up: it is as good as a new one. */
static inline bool nat_rate_rests(const struct nat_rate *rate, uint64_t now_ms)
{
    return rate->next_us <= now_ms * 1000;
}

#endif
