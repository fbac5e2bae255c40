/* tunnel/codel.c - see codel.h; the pseudocode is section 5 of RFC 8289 */
#include "tunnel/codel.h"

enum { LAST_PACKET = 1514, COUNT_MAX = 1 << 16 };

static uint32_t root(uint32_t n)
{
    uint32_t r = 0;
    for (uint32_t bit = 1u << 15; bit != 0; bit >>= 1)
        if ((uint64_t)(r | bit) * (r | bit) <= n)
            r |= bit;
    return r;
}

/* interval / sqrt(count), in 1/256 of a root */
static uint64_t control_law(const struct codel *c, const struct codel_params *params, uint64_t from_us)
{
    uint32_t count = c->count < COUNT_MAX ? c->count : COUNT_MAX;
    uint32_t scaled = count < COUNT_MAX ? root(count << 16) : 1u << 16; /* sqrt(count) * 256 */
    return from_us + params->interval_us * 256 / scaled;
}

/* True when the queue has been above the target for an interval. */
static bool stands(struct codel *c, const struct codel_params *params, uint64_t sojourn_us, uint64_t backlog, uint64_t now_us)
{
    if (sojourn_us < params->target_us || backlog <= LAST_PACKET) {
        c->first_above_us = 0;
        return false;
    }
    if (c->first_above_us == 0) {
        c->first_above_us = now_us + params->interval_us;
        return false;
    }
    return now_us >= c->first_above_us;
}

bool codel_drops(struct codel *c, const struct codel_params *params, uint64_t sojourn_us, uint64_t backlog, uint64_t now_us)
{
    bool standing = stands(c, params, sojourn_us, backlog, now_us);
    if (c->dropping) {
        if (!standing) {
            c->dropping = false;
            return false;
        }
        if (now_us < c->drop_next_us)
            return false;
        c->count++;
        c->drop_next_us = control_law(c, params, c->drop_next_us);
        return true;
    }
    if (!standing)
        return false;
    /* Was it dropping not long ago, it goes on at the rate that held the queue then. */
    uint32_t delta = c->count - c->last_count;
    c->dropping = true;
    c->count = delta > 1 && now_us < c->drop_next_us + 16 * params->interval_us ? delta : 1;
    c->last_count = c->count;
    c->drop_next_us = control_law(c, params, now_us);
    return true;
}
