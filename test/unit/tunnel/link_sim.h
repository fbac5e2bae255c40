/*
 * test/unit/tunnel/link_sim.h - a link in simulated time: rate, delay, an unbounded queue; bytes only
 */
#ifndef TETHER_TEST_LINK_SIM_H
#define TETHER_TEST_LINK_SIM_H

#include <stdint.h>
#include <stdlib.h>

enum { LINK_SIM_FLIGHTS = 1 << 16 };

struct link_sim {
    uint64_t rate;     /* bytes/s */
    uint64_t delay_us; /* one way */
    uint64_t free_us;  /* when the wire is free again */
    struct {
        uint64_t due_us, total;
    } flight[LINK_SIM_FLIGHTS];
    uint32_t head, count;
    uint64_t total_in, total_out;
};

static inline struct link_sim *link_sim_new(uint64_t rate, uint64_t delay_us)
{
    struct link_sim *l = calloc(1, sizeof *l);
    if (l == NULL)
        abort();
    l->rate = rate;
    l->delay_us = delay_us;
    return l;
}

static inline void link_sim_send(struct link_sim *l, uint64_t bytes, uint64_t now_us)
{
    uint64_t start = l->free_us > now_us ? l->free_us : now_us;
    if (l->count == LINK_SIM_FLIGHTS)
        abort();
    l->free_us = start + bytes * 1000000 / l->rate;
    l->total_in += bytes;
    l->flight[(l->head + l->count++) % LINK_SIM_FLIGHTS].due_us = l->free_us + l->delay_us;
    l->flight[(l->head + l->count - 1) % LINK_SIM_FLIGHTS].total = l->total_in;
}

/* What has arrived by now, in all. */
static inline uint64_t link_sim_arrived(struct link_sim *l, uint64_t now_us)
{
    while (l->count > 0 && l->flight[l->head].due_us <= now_us) {
        l->total_out = l->flight[l->head].total;
        l->head = (l->head + 1) % LINK_SIM_FLIGHTS;
        l->count--;
    }
    return l->total_out;
}

/* How long a byte sent now would wait for the wire. */
static inline uint64_t link_sim_queue_us(const struct link_sim *l, uint64_t now_us)
{
    return l->free_us > now_us ? l->free_us - now_us : 0;
}

#endif
