/* base/backoff.c - see backoff.h */
#include "base/backoff.h"

void backoff_up(struct backoff *b, uint64_t now_ms)
{
    b->up = true;
    b->up_since_ms = now_ms;
}

void backoff_reset(struct backoff *b)
{
    *b = (struct backoff){0};
}

uint64_t backoff_pause(struct backoff *b, uint64_t now_ms, uint32_t random)
{
    if (b->up && now_ms - b->up_since_ms > BACKOFF_STEADY_MS)
        backoff_reset(b);
    b->up = false;
    uint32_t pause = b->last_ms == 0 ? BACKOFF_MIN_MS : 2 * b->last_ms;
    b->last_ms = pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS;
    return b->last_ms / 2 + random % (b->last_ms / 2 + 1);
}
