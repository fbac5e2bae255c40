/*
 * The window when a path becomes ten times faster or slower: how soon that is known and used, on simulated links (wan_sim.h), and what a shaper does
 * to it whose token bucket makes each packet train look fast (tunnel/train.h). SIM_TABLE=1 in the environment prints the figures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tunnel/measure.h"

#include "wan_sim.h"

enum {
#ifdef __SANITIZE_ADDRESS__
    TRACES = 20, SLACK = 2, MOST = 90, /* few traces scatter, and there only memory is in question */
#else
    TRACES = 80, SLACK = 1, MOST = 95, /* percent of traces */
#endif
    NEVER = 1000,
};

struct link {
    const char *name;
    double mbit, rtt_ms, jitter_ms;
    bool little; /* pings and acknowledgements between the others: what they take is the base then, not what a full packet does */
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *of, int percent)
{
    qsort(of, TRACES, sizeof *of, ascending);
    return of[TRACES * percent / 100];
}

/* Full for some time already, each seed its own. */
static struct sim *full_link(const struct link *c, uint32_t seed, uint64_t bucket)
{
    struct sim *s = sim_full_links(seed, c->mbit, c->rtt_ms, c->jitter_ms, 0);
    for (int i = 0; i < 2; i++) {
        s->dir[i].bucket_bytes = bucket;
        s->dir[i].little_every_us = c->little ? 5000 : 0;
    }
    uint64_t until_us = s->now_us + 5000000 + sim_random(s) % 1000000;
    while (s->now_us < until_us)
        assert_true(sim_step(s));
    return s;
}

/* Faster both ways; slower only where it is measured, for else the news waits behind the other direction's queue. */
static void step(struct sim *s, double factor)
{
    for (int i = 0; i < (factor > 1 ? 2 : 1); i++)
        s->dir[i].rate = (uint64_t)((double)s->dir[i].rate * factor);
}

struct adaption {
    double used_rtts; /* from then on four fifths of the rate pass the bottleneck for half a round trip */
    double pace_rtts; /* the pace is within a quarter of the rate or below, for a step down */
    double queue_ms;  /* the longest from one round trip after the step on */
};

static struct adaption adapt(struct sim *s, double factor)
{
    enum { STEPS = 40000 };
    static uint64_t carried[STEPS];
    struct adaption ret = {.used_rtts = NEVER, .pace_rtts = NEVER};
    struct sim_link *l = &s->dir[0];
    double rtt = 2 * (double)l->delay_us;
    uint64_t began = s->now_us, half = l->delay_us / SIM_STEP_US;
    step(s, factor);
    for (uint64_t i = 0; i < STEPS && (double)(s->now_us - began) < 30 * rtt; i++) {
        carried[i] = l->carried;
        assert_true(sim_step(s));
        double at = (double)(s->now_us - began) / rtt, queue = (double)sim_queue_us(l, s->now_us) / 1e3;
        if (i >= half && ret.used_rtts >= NEVER && (double)(l->carried - carried[i - half]) >= 0.8 * (double)(l->rate * half * SIM_STEP_US) / 1e6)
            ret.used_rtts = at - 0.5;
        if (ret.pace_rtts >= NEVER && l->window.pace < l->rate * 5 / 4)
            ret.pace_rtts = at;
        if (at > 1 && queue > ret.queue_ms)
            ret.queue_ms = queue;
    }
    return ret;
}

static void ten_times_faster_is_used_two_round_trips_after_the_news(void **state)
{
    static const struct {
        struct link c;
        double median, most, queue_ms; /* of the round trips, of all but one in ten; of the queue */
    } all[] = {
        {{"2 to 20 Mbit/s, 40 ms", 2, 40, 0, false}, 3.5, 4, 50},
        {{"2 to 20 Mbit/s, 80 ms", 2, 80, 0, false}, 3.5, 4, 70},
        {{"2 to 20 Mbit/s, 40 ms, jitter 2 ms", 2, 40, 2, false}, 4, 6, 60},
        {{"5 to 50 Mbit/s, 40 ms, jitter 1 ms", 5, 40, 1, false}, 3.5, 5, 40},
        {{"10 to 100 Mbit/s, 40 ms", 10, 40, 0, false}, 3.5, 4, 45},
        {{"10 to 100 Mbit/s, 40 ms, jitter 2 ms", 10, 40, 2, false}, 4, 8, 45},
        {{"6 to 60 Mbit/s, 60 ms, jitter 10 ms", 6, 60, 10, false}, 12, 25, 120},
        {{"small packets too: 2 to 20, 40 ms", 2, 40, 0, true}, 4, 6, 50},
        {{"2 to 20 Mbit/s, 80 ms", 2, 80, 0, true}, 4, 6, 80},
        {{"5 to 50 Mbit/s, 40 ms, jitter 1 ms", 5, 40, 1, true}, 4, 6, 40},
        {{"10 to 100 Mbit/s, 40 ms", 10, 40, 0, true}, 4, 5, 45},
    };
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        double used[TRACES], queue[TRACES];
        for (uint32_t i = 0; i < TRACES; i++) {
            struct sim *s = full_link(&all[k].c, i + 1, 0);
            struct adaption a = adapt(s, 10);
            used[i] = a.used_rtts, queue[i] = a.queue_ms;
            free(s);
        }
        double median = quantile(used, 50), most = quantile(used, 90), longest = quantile(queue, 90);
        if (getenv("SIM_TABLE") != NULL)
            printf("| %-38s | %4.1f | %4.1f | %5.1f ms |\n", all[k].c.name, median, most, longest);
        if (median > SLACK * all[k].median || most > SLACK * all[k].most || longest > SLACK * all[k].queue_ms)
            fail_msg("%s: used after %.1f round trips, %.1f, queue of %.1f ms", all[k].c.name, median, most, longest);
    }
}

static void ten_times_slower_is_known_two_round_trips_after_the_news(void **state)
{
    static const struct link all[] = {{"20 to 2 Mbit/s, 40 ms", 20, 40, 0, false}, {"100 to 10 Mbit/s, 20 ms", 100, 20, 0.5, true}};
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        double pace[TRACES];
        for (uint32_t i = 0; i < TRACES; i++) {
            struct sim *s = full_link(&all[k], i + 1, 0);
            pace[i] = adapt(s, 0.1).pace_rtts;
            free(s);
        }
        double median = quantile(pace, 50), most = quantile(pace, 90);
        if (getenv("SIM_TABLE") != NULL)
            printf("| %-38s | %4.1f | %4.1f |\n", all[k].name, median, most);
        if (median > SLACK * 3.5 || most > SLACK * 4)
            fail_msg("%s: pace after %.1f round trips, %.1f", all[k].name, median, most);
    }
}

struct lags {
    double ms[100000];
    size_t count;
};

/* So many seconds, in which both ends send all they can, or a little. */
static void run(struct sim *s, double seconds, bool full, struct lags *lags)
{
    for (int i = 0; i < 2; i++) {
        s->dir[i].greedy = full;
        s->dir[i].source_rate = 20000;
    }
    for (uint64_t until_us = s->now_us + (uint64_t)(seconds * 1e6); s->now_us < until_us;) {
        assert_true(sim_step(s));
        if (full && s->now_us % 1000 == 0)
            lags->ms[lags->count++] = (double)sim_lag_us(s) / 1e3;
    }
}

/* The lag's p95 in the next so many seconds, both directions full. */
static double lag_p95_ms(struct sim *s, double seconds)
{
    static struct lags lags;
    lags.count = 0;
    run(s, seconds, true, &lags);
    qsort(lags.ms, lags.count, sizeof *lags.ms, ascending);
    return lags.ms[lags.count * 95 / 100];
}

/*
 * A phone leaves a good cell. What was on its way stands for one to two seconds in each direction, for the news come late; nothing may be added
 * to it, and then it is over: what was carried before is not tried again and again.
 */
static void thirty_times_slower_is_over_soon(void **state)
{
    static const struct {
        struct link c;
        double longest, middle, later; /* ms */
    } all[] = {
        {{"60 to 2 Mbit/s, 50 ms", 60, 50, 0, false}, 3900, 1900, 65},
        {{"60 to 2 Mbit/s, 50 ms, little too", 60, 50, 0, true}, 3900, 1900, 65},
        {{"100 to 2 Mbit/s, 30 ms, jitter 2 ms", 100, 30, 2, false}, 3900, 1900, 65},
    };
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        double longest[TRACES], middle[TRACES], later[TRACES];
        for (uint32_t i = 0; i < TRACES; i++) {
            struct sim *s = full_link(&all[k].c, i + 1, 0);
            s->dir[0].rate = (uint64_t)((double)s->dir[0].rate * 2 / all[k].c.mbit);
            s->dir[1].rate = (uint64_t)((double)s->dir[1].rate * 2 / all[k].c.mbit);
            longest[i] = lag_p95_ms(s, 2);
            middle[i] = lag_p95_ms(s, 2);
            later[i] = lag_p95_ms(s, 5);
            free(s);
        }
        double most = quantile(longest, 90), then = quantile(middle, 90), last = quantile(later, 90);
        if (getenv("SIM_TABLE") != NULL)
            printf("| %-38s | %6.1f ms | %6.1f ms | %6.1f ms |\n", all[k].c.name, most, then, last);
        if (most > SLACK * all[k].longest || then > SLACK * all[k].middle || last > SLACK * all[k].later)
            fail_msg("%s: lag %.1f ms in the first two seconds, %.1f in the next, %.1f later", all[k].c.name, most, then, last);
    }
}

/* That there was little to send says nothing about what the path carries. */
static void a_pause_does_not_make_a_path_slow(void **state)
{
    static const struct link c = {"20 Mbit/s, 40 ms", 20, 40, 0, true};
    static struct lags lags;
    (void)state;
    for (uint32_t i = 0; i < TRACES / 4; i++) {
        struct sim *s = full_link(&c, i + 1, 0);
        lags.count = 0;
        run(s, 3, false, &lags);
        assert_true(measure_best(&s->dir[0].window) > s->dir[0].rate * 4 / 5);
        free(s);
    }
}

/* Its tokens, gathered in each pause, let trains pass at any rate; believed, they would cost a second and more of queue. */
static void a_token_bucket_is_not_believed(void **state)
{
    static const struct link c = {"10 Mbit/s, 40 ms", 10, 40, 0.5, true};
    static const struct {
        uint64_t bucket;
        double median, most;
    } all[] = {{15000, 45, 60}, {60000, 90, 150}, {250000, 200, 350}};
    static struct lags lags;
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        double lag[TRACES];
        for (uint32_t i = 0; i < TRACES; i++) {
            struct sim *s = full_link(&c, i + 1, all[k].bucket);
            lags.count = 0;
            if (i % 2)
                step(s, i % 4 == 1 ? 2 : 5);
            for (int pauses = 0; pauses < 8; pauses++) {
                run(s, 2, true, &lags);
                run(s, 1, false, &lags);
            }
            qsort(lags.ms, lags.count, sizeof *lags.ms, ascending);
            lag[i] = lags.ms[lags.count * 95 / 100];
            free(s);
        }
        double median = quantile(lag, 50), most = quantile(lag, MOST);
        if (getenv("SIM_TABLE") != NULL)
            printf("| a bucket of %6lu bytes | %5.1f ms | %5.1f ms |\n", (unsigned long)all[k].bucket, median, most);
        if (median > SLACK * all[k].median || most > SLACK * all[k].most)
            fail_msg("a bucket of %lu bytes: lag %.1f ms, %.1f", (unsigned long)all[k].bucket, median, most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_times_faster_is_used_two_round_trips_after_the_news),
        cmocka_unit_test(ten_times_slower_is_known_two_round_trips_after_the_news),
        cmocka_unit_test(thirty_times_slower_is_over_soon),
        cmocka_unit_test(a_pause_does_not_make_a_path_slow),
        cmocka_unit_test(a_token_bucket_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
