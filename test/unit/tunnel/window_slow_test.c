/*
 * The window on slow links, where a packet takes milliseconds and little none: who measures the one by the other sees a queue where none is, slows
 * down, and stays slow. Simulated, to the bounds of wan_judge.h, and by itself.
 */
#include "wan_judge.h"

#include "tunnel/measure.h"

enum { SLOW_TRACES = TRACES / 4 };

struct slow {
    struct scenario c;
    uint64_t little_every_us; /* a ping, an acknowledgement of TCP; 0: none */
    bool pings_before;        /* three seconds of them, and nothing else */
    bool one_way;             /* little comes back */
};

static void run(const struct slow *l, uint32_t seed, struct figures *ret)
{
    struct sim *s = sim_of(&l->c, seed);
    struct figures ignored;
    for (int i = 0; i < 2; i++) {
        s->dir[i].greedy = !l->pings_before;
        s->dir[i].little_every_us = l->pings_before ? 50000 : l->little_every_us;
        s->dir[i].source_rate = l->one_way && i == 1 ? 2000 : 0;
    }
    if (l->pings_before)
        measure(s, 0.1, 3, &ignored);
    for (int i = 0; i < 2; i++) {
        s->dir[i].greedy = i == 0 || !l->one_way;
        s->dir[i].little_every_us = l->little_every_us;
    }
    measure(s, 2, 24, ret);
    free(s);
}

/* Before packets had a base of their own, those with a star used 37, 51, 28, 50, 87 and 87 %. */
static void packets_and_little_share_a_slow_link(void **state)
{
    static const struct slow all[] = {
        {{"500 kbit/s, 80 ms, little each 250 ms *", 0.5, 80, 0, 0, 0.80, 290}, 250000, false, false},
        {{"1 Mbit/s, 80 ms, little each 20 ms", 1, 80, 0, 0, 0.85, 140}, 20000, false, false},
        {{"1 Mbit/s, 80 ms, each 250 ms *", 1, 80, 0, 0, 0.92, 150}, 250000, false, false},
        {{"1 Mbit/s, 80 ms, each 2 s, pings before *", 1, 80, 0, 0, 0.75, 140}, 2000000, true, false},
        {{"1 Mbit/s, 80 ms, each 250 ms, one way full *", 1, 80, 0, 0, 0.90, 80}, 250000, false, true},
        {{"2 Mbit/s, 80 ms, each 20 ms", 2, 80, 0, 0, 0.85, 56}, 20000, false, false},
        {{"2 Mbit/s, 80 ms, each 250 ms", 2, 80, 0, 0, 0.90, 53}, 250000, false, false},
        {{"2 Mbit/s, 80 ms, jitter 4 ms, each 2 s, pings before", 2, 80, 4, 0, 0.88, 66}, 2000000, true, false},
        {{"4 Mbit/s, 60 ms, each 250 ms", 4, 60, 0, 0, 0.90, 34}, 250000, false, false},
        {{"10 Mbit/s, 80 ms, pings before *", 10, 80, 0, 0, 0.93, 24}, 0, true, false},
        {{"10 Mbit/s, 80 ms, each 2 s, pings before *", 10, 80, 0, 0, 0.93, 24}, 2000000, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct figures f[SLOW_TRACES];
        for (uint32_t seed = 0; seed < SLOW_TRACES; seed++)
            run(&all[i], seed + 1, &f[seed]);
        judge(&all[i].c, f, SLOW_TRACES);
    }
}

/* One message, sent now, arrives so much later and is acknowledged at once, by a clock that is far from ours. */
static void pass(struct window *w, size_t bytes, uint64_t delay_us, uint64_t *now_us)
{
    window_on_sent(w, bytes, *now_us);
    *now_us += delay_us;
    assert_true(window_on_ack(w, w->sent, (uint32_t)(*now_us + 123456789), *now_us));
    *now_us += 40000;
}

/* 250,000 bytes a second, 40 ms: little takes them, a packet 6 ms more. @return now */
static uint64_t learn(struct window *w)
{
    uint64_t now = 1000000;
    window_init(w, now);
    for (int i = 0; i < 20; i++) {
        pass(w, 60, 40000, &now);
        pass(w, 1500, 46000, &now);
    }
    w->rate = 250000;
    return now;
}

static void the_time_of_a_packet_is_no_queue(void **state)
{
    struct window w;
    (void)state;
    uint64_t now = learn(&w);
    assert_in_range(measure_packet_seen_us(&w), 5900, 6100);
    for (int i = 0; i < 3; i++, w.rate = 250000)
        pass(&w, 1500, 46000, &now);
    assert_int_equal(measure_queue(&w), 0);
    for (int i = 0; i < 3; i++, w.rate = 250000)
        pass(&w, 1500, 51000, &now);
    assert_in_range(measure_queue(&w), 4900, 5100); /* but what it waits is */
    for (int i = 0; i < 3; i++, w.rate = 250000)
        pass(&w, 60, 44000, &now);
    assert_in_range(measure_queue(&w), 3900, 4100);
}

/* All packets met a queue so far: what they arrive later than little is theirs only as far as the rate explains it. */
static void a_queue_that_all_packets_met_is_seen(void **state)
{
    struct window w;
    (void)state;
    uint64_t now = 1000000;
    window_init(&w, now);
    for (int i = 0; i < 20; i++)
        pass(&w, 60, 40000, &now);
    for (int i = 0; i < 10; i++) {
        w.rate = 250000;
        pass(&w, 1500, 76000, &now);
    }
    assert_in_range(measure_queue(&w), 29500, 30200); /* 36 ms, less the 6.2 of a packet with what is around it */
}

/* Of a path that is asked, or that became longer, both bases are corrected. */
static void both_bases_move_together(void **state)
{
    struct window w;
    (void)state;
    uint64_t now = learn(&w);
    measure_shift_base(&w, 5000);
    for (int i = 0; i < 3; i++, w.rate = 250000)
        pass(&w, 1500, 53000, &now);
    assert_in_range(measure_queue(&w), 1900, 2100);
    measure_shift_base(&w, 1500);
    assert_in_range(measure_queue(&w), 400, 600); /* at once */
    measure_forget_base(&w, now);
    assert_int_equal(measure_queue(&w), 0);
    assert_int_equal(measure_packet_seen_us(&w), 0);
    pass(&w, 60, 80000, &now);
    measure_shift_base(&w, 1000); /* of one that is not known there is nothing to correct */
    assert_int_equal(measure_packet_seen_us(&w), 0);
    measure_forget_base(&w, now);
    pass(&w, 1500, 90000, &now);
    assert_int_equal(measure_queue(&w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_and_little_share_a_slow_link),
        cmocka_unit_test(the_time_of_a_packet_is_no_queue),
        cmocka_unit_test(a_queue_that_all_packets_met_is_seen),
        cmocka_unit_test(both_bases_move_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
