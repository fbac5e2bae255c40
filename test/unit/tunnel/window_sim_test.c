/*
 * The window on simulated links: hundreds of seeded traces, minutes each, in seconds, held to the bounds of wan_judge.h. What is special about slow
 * links is in window_slow_test.c, how soon a step is known in window_step_test.c.
 */
#include "wan_judge.h"

enum { PACKET_TRACES = TRACES / 2 }; /* where each packet is an event of its own */

static void full_links_stay_responsive(void **state)
{
    static const struct scenario all[] = {
        {"10 Mbit/s, 40 ms, both ways full", 10, 40, 0, 0, 0.93, 25},
        {"2 Mbit/s, 80 ms", 2, 80, 0, 0, 0.90, 64}, /* at exactly 2 Mbit/s below 55 */
        {"100 Mbit/s, 20 ms", 100, 20, 0, 0, 0.93, 5},
        {"50 Mbit/s, 25 ms", 50, 25, 0, 0, 0.93, 15},
        {"10 Mbit/s, 40 ms, jitter 20 ms", 10, 40, 20, 0, 0.85, 30},
        {"50 Mbit/s, 100 ms, jitter 10 ms", 50, 100, 10, 0, 0.90, 22},
        {"4 Mbit/s, 60 ms", 4, 60, 0, 0, 0.93, 30},
        {"1.2 Mbit/s, 80 ms", 1.2, 80, 0, 0, 0.90, 140},
        {"500 kbit/s, 100 ms", 0.5, 100, 0, 0, 0.90, 260},
        {"500 Mbit/s, 2 ms", 500, 2, 0, 0, 0.93, 8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct figures f[TRACES];
        for (uint32_t seed = 0; seed < TRACES; seed++) {
            struct sim *s = sim_of(&all[i], seed + 1);
            measure(s, 4, all[i].mbit > 200 ? 10 : 24, &f[seed]);
            free(s);
        }
        judge(&all[i], f, TRACES);
    }
}

/* By satellite there are more messages on the way than there are records of them. */
static void a_long_way_with_much_on_it(void **state)
{
    static const struct scenario c = {"50 Mbit/s, 600 ms", 50, 600, 0.5, 0, 0.93, 300};
    struct figures f[TRACES / 4];
    (void)state;
    for (uint32_t seed = 0; seed < TRACES / 4; seed++) {
        struct sim *s = sim_of(&c, seed + 1);
        measure(s, 30, 50, &f[seed]);
        free(s);
    }
    judge(&c, f, TRACES / 4);
}

static void lost_segments_end_nothing(void **state)
{
    static const struct scenario c = {"10 Mbit/s, 40 ms, 2 % of segments lost", 10, 40, 2, 0.02, 0.40, 60};
    struct figures f[TRACES];
    (void)state;
    for (uint32_t seed = 0; seed < TRACES; seed++) {
        struct sim *s = sim_of(&c, seed + 1);
        measure(s, 4, 24, &f[seed]);
        free(s);
    }
    judge(&c, f, TRACES);
}

/* Datagrams (UDP): lost for good, out of order, dropped where a short buffer is full. */
static void datagrams_keep_the_queue_short(void **state)
{
    static const struct {
        struct scenario c;
        uint64_t buffer_us;
    } all[] = {
        {{"udp: 10 Mbit/s, 40 ms, both ways full", 10, 40, 0, 0, 0.93, 25}, 500000},
        {{"udp: 2 Mbit/s, 80 ms", 2, 80, 0, 0, 0.90, 70}, 500000},
        {{"udp: 100 Mbit/s, 20 ms", 100, 20, 0, 0, 0.90, 7}, 500000},
        {{"udp: 10 Mbit/s, 40 ms, 1 % lost", 10, 40, 0, 0.01, 0.85, 25}, 500000},
        {{"udp: 10 Mbit/s, 40 ms, 5 % lost", 10, 40, 0, 0.05, 0.75, 25}, 500000},
        {{"udp: 50 Mbit/s, 100 ms, 2 % lost", 50, 100, 0, 0.02, 0.75, 25}, 500000},
        {{"udp: 10 Mbit/s, 40 ms, out of order by 10 ms", 10, 40, 10, 0, 0.80, 30}, 500000},
        {{"udp: 20 Mbit/s, 40 ms, a buffer of 3 ms", 20, 40, 0, 0, 0.80, 8}, 3000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct figures f[PACKET_TRACES];
        for (uint32_t seed = 0; seed < PACKET_TRACES; seed++) {
            struct sim *s = sim_of(&all[i].c, seed + 1);
            sim_use_datagrams(s, all[i].buffer_us);
            measure(s, 4, 24, &f[seed]);
            free(s);
        }
        judge(&all[i].c, f, PACKET_TRACES);
    }
}

/* Nothing at all comes through for a while, acknowledgements neither: nobody waits for what is lost. */
static void datagrams_go_on_after_a_hole(void **state)
{
    static const struct scenario c = {"udp: after 700 ms in which all is lost", 10, 40, 0, 0, 0.80, 30};
    struct figures f[PACKET_TRACES], ignored;
    (void)state;
    for (uint32_t seed = 0; seed < PACKET_TRACES; seed++) {
        struct sim *s = sim_of(&c, seed + 1);
        sim_use_datagrams(s, 500000);
        measure(s, 1, 6 + sim_unit(s), &ignored);
        s->dir[0].loss = s->dir[1].loss = 1;
        measure(s, 0.1, 0.7, &ignored);
        s->dir[0].loss = s->dir[1].loss = 0;
        measure(s, 1, 2.5, &ignored);
        measure(s, 0.1, 6, &f[seed]);
        free(s);
    }
    judge(&c, f, PACKET_TRACES);
}

/* Stop and go on: within two seconds the lag is back and the link is used. */
static void stalls_are_survived(void **state)
{
    static const struct scenario c = {"after a stall of 500 ms", 10, 40, 0, 0, 0.80, 30};
    struct figures f[TRACES], ignored;
    (void)state;
    for (uint32_t seed = 0; seed < TRACES; seed++) {
        struct sim *s = sim_of(&c, seed + 1);
        measure(s, 1, 6, &ignored);
        for (int i = 0; i < 2; i++)
            s->dir[i].stall_from_us = s->now_us + sim_random(s) % 100000, s->dir[i].stall_to_us = s->now_us + 500000;
        measure(s, 1, 2.5, &ignored);
        measure(s, 0.1, 6, &f[seed]);
        free(s);
    }
    judge(&c, f, TRACES);
}

static void set_rate(struct sim *s, double factor)
{
    for (int i = 0; i < 2; i++)
        s->dir[i].rate = (uint64_t)((double)s->dir[i].rate * factor);
}

static void steps_of_ten_are_followed(void **state)
{
    static const struct scenario down = {"20 to 2 Mbit/s, from 2 s after the step", 20, 40, 0, 0, 0.96, 70},
                                 up = {"2 to 20 Mbit/s, from 2 s after the step", 20, 40, 0, 0, 0.90, 25};
    struct figures f[TRACES], g[TRACES], ignored;
    (void)state;
    for (uint32_t seed = 0; seed < TRACES; seed++) {
        struct sim *s = sim_of(&down, seed + 1);
        measure(s, 1, 6 + sim_unit(s), &ignored);
        set_rate(s, 0.1);
        measure(s, 1, 2, &ignored);
        measure(s, 0.1, 8, &f[seed]);
        set_rate(s, 10);
        measure(s, 1, 2, &ignored);
        measure(s, 0.1, 8, &g[seed]);
        free(s);
    }
    judge(&down, f, TRACES);
    judge(&up, g, TRACES);
}

/* On a train: another rate every now and then, up to three times or down to a third of it, each direction by itself. */
static void rates_that_change_all_the_time(void **state)
{
    static const struct {
        struct scenario c;
        uint64_t hold_us;
    } all[] = {
        {{"another rate each 0.3 s, 2 to 60 Mbit/s", 10, 50, 0, 0, 0.50, 200}, 300000},
        {{"each second", 10, 50, 0, 0, 0.75, 140}, 1000000},
        {{"each three seconds, jitter 3 ms", 10, 50, 3, 0, 0.80, 70}, 3000000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct figures f[TRACES];
        for (uint32_t seed = 0; seed < TRACES; seed++) {
            struct sim *s = sim_of(&all[i].c, seed + 1);
            sim_let_rates_wander(s, all[i].hold_us, 2e6 / 8, 60e6 / 8);
            measure(s, 4, 34, &f[seed]);
            free(s);
        }
        judge(&all[i].c, f, TRACES);
    }
}

/* A phone changes its cell: the way is twice as long from now on, which is no queue. Once while the link is full, once beforehand. */
static void a_longer_way_is_no_queue(void **state)
{
    static const struct scenario full = {"40 to 80 ms, from 4 s after the change", 10, 40, 0, 0, 0.90, 30},
                                 quiet = {"10 Mbit/s, 40 ms to 2 Mbit/s, 80 ms, then full", 2, 40, 0, 0, 0.80, 110};
    struct figures f[TRACES], g[TRACES], ignored;
    (void)state;
    for (uint32_t seed = 0; seed < TRACES; seed++) {
        struct sim *s = sim_of(&full, seed + 1), *t = sim_of(&quiet, seed + 1);
        measure(s, 1, 4 + sim_unit(s), &ignored);
        set_rate(t, 5);
        for (int i = 0; i < 2; i++) {
            s->dir[i].delay_us *= 2;
            t->dir[i].greedy = false;
            t->dir[i].source_rate = 4000;
        }
        measure(s, 1, 4, &ignored);
        measure(s, 0.1, 8, &f[seed]);
        measure(t, 1, 3 + sim_unit(t), &ignored);
        set_rate(t, 0.2);
        for (int i = 0; i < 2; i++) {
            t->dir[i].delay_us *= 2;
            t->dir[i].greedy = true;
        }
        measure(t, 1, 4, &ignored);
        measure(t, 0.1, 8, &g[seed]);
        free(s);
        free(t);
    }
    judge(&full, f, TRACES);
    judge(&quiet, g, TRACES);
}

/* Beside a sender that fills a buffer of a quarter of a second we keep a share. */
static void a_greedy_neighbour_does_not_starve_us(void **state)
{
    static const struct scenario c = {"own share beside Reno", 10, 40, 0, 0, 0.18, 1e9};
    struct figures f[TRACES];
    (void)state;
    for (uint32_t seed = 0; seed < TRACES; seed++) {
        struct sim *s = sim_of(&c, seed + 1);
        s->dir[0].has_neighbour = true;
        s->dir[0].buffer_bytes = s->dir[0].rate / 4;
        measure(s, 1, 20, &f[seed]);
        uint64_t own = s->dir[0].own_bytes, theirs = s->dir[0].neighbour_bytes;
        measure(s, 1, 60, &f[seed]);
        own = s->dir[0].own_bytes - own, theirs = s->dir[0].neighbour_bytes - theirs;
        f[seed].used = (double)own / (double)(own + theirs);
        free(s);
    }
    judge(&c, f, TRACES);
}

/* The way back is filled by somebody else: acknowledgements are late all the time, and what the pace needs meanwhile is allowed. */
static void acknowledgements_behind_a_neighbour(void **state)
{
    static const struct scenario c = {"a neighbour fills the way back, 80 ms", 10, 40, 0, 0, 0.90, 1e9};
    struct figures f[TRACES];
    (void)state;
    for (uint32_t seed = 0; seed < TRACES; seed++) {
        struct sim *s = sim_of(&c, seed + 1);
        s->dir[1].greedy = false;
        s->dir[1].has_neighbour = true;
        s->dir[1].buffer_bytes = s->dir[1].rate * 80 / 1000;
        measure(s, 4, 20, &f[seed]);
        free(s);
    }
    judge(&c, f, TRACES);
}

/* A sender with less than the link carries: it gets through, nothing builds up, and when it wants more it gets more. */
static void a_delay_that_comes_with_the_load_is_no_queue(void **state)
{
    static const struct scenario all[] = {
        {"100 Mbit/s, 20 ms, a phone busy for 1.5 ms", 100, 20, 0, 0, 0.90, 12},
        {"100 Mbit/s, 20 ms, a phone busy for 3 ms", 100, 20, 0, 0, 0.85, 12},
    };
    (void)state;
    for (size_t c = 0; c < sizeof all / sizeof *all; c++) {
        struct figures f[TRACES], little;
        for (uint32_t seed = 0; seed < TRACES; seed++) {
            struct sim *s = sim_of(&all[c], seed + 1);
            for (int i = 0; i < 2; i++) {
                s->dir[i].busy_us = c == 0 ? 1500 : 3000;
                s->dir[i].greedy = false;
                s->dir[i].source_rate = 40000;
            }
            measure(s, 1, 2, &little);
            s->dir[0].greedy = s->dir[1].greedy = true;
            s->dir[0].stall_from_us = s->now_us + 40000; /* which ends its start */
            s->dir[0].stall_to_us = s->now_us + 100000;
            measure(s, 2, 6, &f[seed]);
            free(s);
        }
        judge(&all[c], f, TRACES);
    }
}

/* A phone has other things to do, too: what it does not carry meanwhile shall not be in the way for long afterwards. */
static void a_phone_that_stops_now_and_then(void **state)
{
    static const struct scenario all[] = {
        {"100 Mbit/s, 20 ms, a phone that stops", 100, 20, 0.5, 0, 0.93, 8},
        {"10 Mbit/s, 40 ms, a phone that stops", 10, 40, 0.5, 0, 0.93, 28},
    };
    (void)state;
    for (size_t c = 0; c < sizeof all / sizeof *all; c++) {
        struct figures f[TRACES];
        for (uint32_t seed = 0; seed < TRACES; seed++) {
            struct sim *s = sim_of(&all[c], seed + 1);
            s->stop_every_us = 500000;
            window_expect_stalls(&s->dir[0].window);
            s->stop_us = 20000;
            measure(s, 4, 24, &f[seed]);
            free(s);
        }
        judge(&all[c], f, TRACES);
    }
}

static void little_is_carried_at_once_and_much_soon(void **state)
{
    static const struct scenario c = {"a sender of a tenth, then greedy", 20, 40, 0, 0, 0.80, 30};
    struct figures f[TRACES], little;
    (void)state;
    for (uint32_t seed = 0; seed < TRACES; seed++) {
        struct sim *s = sim_of(&c, seed + 1);
        for (int i = 0; i < 2; i++) {
            s->dir[i].greedy = false;
            s->dir[i].source_rate = (double)s->dir[i].rate / 10;
        }
        measure(s, 2, 30, &little);
        assert_true(little.used > 0.09 && little.lag_p95_ms < 8);
        assert_true(s->dir[0].source < 30 * SIM_PACKET); /* nothing waits */
        s->dir[0].greedy = s->dir[1].greedy = true;
        measure(s, 1, 8, &f[seed]);
        free(s);
    }
    judge(&c, f, TRACES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_links_stay_responsive),
        cmocka_unit_test(a_long_way_with_much_on_it),
        cmocka_unit_test(lost_segments_end_nothing),
        cmocka_unit_test(datagrams_keep_the_queue_short),
        cmocka_unit_test(datagrams_go_on_after_a_hole),
        cmocka_unit_test(stalls_are_survived),
        cmocka_unit_test(steps_of_ten_are_followed),
        cmocka_unit_test(rates_that_change_all_the_time),
        cmocka_unit_test(a_longer_way_is_no_queue),
        cmocka_unit_test(a_greedy_neighbour_does_not_starve_us),
        cmocka_unit_test(acknowledgements_behind_a_neighbour),
        cmocka_unit_test(a_delay_that_comes_with_the_load_is_no_queue),
        cmocka_unit_test(a_phone_that_stops_now_and_then),
        cmocka_unit_test(little_is_carried_at_once_and_much_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
