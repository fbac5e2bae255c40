/*
 * test/unit/tunnel/wan_judge.h - many seeded traces of a simulated link (wan_sim.h) held to bounds
 *
 * Lag is what a packet of a sparse flow would wait in both bottleneck queues. Bounds hold for the 95th percentile of each trace's lag and
 * for all but one in twenty traces: a change of the algorithm that makes it worse shows as a failing property.
 * SIM_TABLE=1 in the environment prints the figures.
 */
#ifndef TETHER_TEST_WAN_JUDGE_H
#define TETHER_TEST_WAN_JUDGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wan_sim.h"

enum {
    SAMPLES_MAX = 60000, LAG_STEPS = 100,
#ifdef __SANITIZE_ADDRESS__
    TRACES = 40, /* there each takes four times as long, and only memory is in question */
#else
    TRACES = 160,
#endif
};

struct figures {
    double used, lag_p50_ms, lag_p95_ms;
};

static inline int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Run and measure from `from_s` on. */
static inline void measure(struct sim *s, double from_s, double to_s, struct figures *ret)
{
    static double lag[SAMPLES_MAX];
    size_t count = 0;
    uint64_t began = s->now_us;
    double carried = 0, carryable = 0;
    bool started = false;
    while (s->now_us < began + (uint64_t)(to_s * 1e6)) {
        assert_true(sim_step(s));
        if (s->now_us < began + (uint64_t)(from_s * 1e6))
            continue;
        if (!started) {
            carried = -(double)s->dir[0].carried, carryable = -s->dir[0].carryable;
            started = true;
        }
        if ((s->now_us / SIM_STEP_US) % LAG_STEPS == 0 && count < SAMPLES_MAX)
            lag[count++] = (double)sim_lag_us(s) / 1e3;
    }
    qsort(lag, count, sizeof *lag, ascending);
    ret->used = (carried + (double)s->dir[0].carried) / (carryable + s->dir[0].carryable);
    ret->lag_p50_ms = lag[count / 2];
    ret->lag_p95_ms = lag[count * 95 / 100];
}

struct scenario {
    const char *name;
    double mbit, rtt_ms, jitter_ms, loss;
    double least_used, most_lag_ms;
};

static inline struct sim *sim_of(const struct scenario *c, uint32_t seed)
{
    return sim_full_links(seed, c->mbit, c->rtt_ms, c->jitter_ms, c->loss);
}

/* All but one in twenty traces keep the bounds. */
static inline void judge(const struct scenario *c, const struct figures *f, int traces)
{
    double used[200], lag[200], middle[200];
    for (int i = 0; i < traces; i++)
        used[i] = f[i].used, lag[i] = f[i].lag_p95_ms, middle[i] = f[i].lag_p50_ms;
    qsort(used, (size_t)traces, sizeof *used, ascending);
    qsort(lag, (size_t)traces, sizeof *lag, ascending);
    qsort(middle, (size_t)traces, sizeof *middle, ascending);
    double p5 = used[traces / 20], p95 = lag[traces * 95 / 100];
    if (getenv("SIM_TABLE") != NULL)
        printf("| %-44s | %5.1f %% | %5.1f ms | %5.1f ms |\n", c->name, 100 * p5, middle[traces / 2], p95);
    if (p5 < c->least_used || p95 > c->most_lag_ms)
        fail_msg("%s: %.3f used (at least %.3f), lag %.1f ms (at most %.1f)", c->name, p5, c->least_used, p95, c->most_lag_ms);
}

#endif
