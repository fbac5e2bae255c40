/* tunnel/acker.c - see acker.h */
#include "tunnel/acker.h"

enum { RATE_US = 20000 };

void acker_on_data(struct acker *a, uint64_t bytes, uint64_t now_us)
{
    if (a->received == a->acked)
        a->oldest_us = now_us;
    a->received += bytes;
    a->newest_us = now_us;
    a->rate_bytes += bytes;
    if (now_us - a->rate_us >= RATE_US) {
        uint64_t span = now_us - a->rate_us;
        a->rate = span < UINT64_C(10) * RATE_US ? a->rate_bytes * 1000000 / span : 0;
        a->rate_us = now_us;
        a->rate_bytes = 0;
    }
}

void acker_on_datagram(struct acker *a, uint32_t position, uint64_t bytes, uint64_t now_us)
{
    uint32_t step = position - (uint32_t)a->newest;
    uint64_t newest_us = a->newest_us;
    acker_on_data(a, bytes, now_us);
    if (step < UINT32_MAX / 2)
        a->newest += step;
    else /* it was overtaken */
        a->newest_us = newest_us;
}

uint64_t acker_due_us(const struct acker *a)
{
    uint64_t waiting = a->received - a->acked;
    if (waiting == 0)
        return UINT64_MAX;
    uint64_t share = a->rate * (ACKER_WAIT_US / 2) / 1000000;
    share = share < ACKER_BYTES_MIN ? ACKER_BYTES_MIN : share > ACKER_BYTES_MAX ? ACKER_BYTES_MAX : share;
    return waiting >= share ? 0 : a->oldest_us + ACKER_WAIT_US;
}

void acker_sent(struct acker *a)
{
    a->acked = a->received;
}
