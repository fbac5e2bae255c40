/* test/unit/base/wheel_test.c - the timing wheel against the plain rule: due times rounded up to ticks, in order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/rng.h"
#include "base/wheel.h"

enum { TICK = 10, TIMERS = 200 };

struct clock {
    struct wheel wheel;
    uint64_t now_ms;
    struct alarm {
        struct wheel_timer timer;
        uint64_t due_ms;
        bool set;
    } alarms[TIMERS];
    uint64_t last_tick;
    int fired;
    uint64_t again_ms; /* set anew from inside the callback */
};

static uint64_t tick_of(uint64_t ms)
{
    return (ms + TICK - 1) / TICK;
}

static void on_fire(void *ctx, struct wheel_timer *timer)
{
    struct clock *c = ctx;
    struct alarm *alarm = (struct alarm *)timer; /* its first member */
    assert_true(alarm->set);
    assert_false(wheel_is_set(timer));
    assert_true(tick_of(alarm->due_ms) <= c->now_ms / TICK);
    assert_true(c->last_tick <= tick_of(alarm->due_ms));
    c->last_tick = tick_of(alarm->due_ms);
    alarm->set = false;
    c->fired++;
    if (c->again_ms != 0) {
        alarm->set = true;
        alarm->due_ms = c->again_ms;
        wheel_set(&c->wheel, timer, c->again_ms);
        c->again_ms = 0;
    }
}

static void advance(struct clock *c, uint64_t now_ms)
{
    c->now_ms = now_ms;
    c->last_tick = 0;
    assert_true(wheel_advance(&c->wheel, now_ms, SIZE_MAX, on_fire, c));
}

/* In slices, each within its budget. */
static void advance_by(struct clock *c, uint64_t now_ms, size_t budget)
{
    bool done;
    c->now_ms = now_ms;
    c->last_tick = 0;
    do {
        int before = c->fired;
        done = wheel_advance(&c->wheel, now_ms, budget, on_fire, c);
        assert_true((size_t)(c->fired - before) <= budget);
    } while (!done);
}

static void set(struct clock *c, int i, uint64_t due_ms)
{
    c->alarms[i].set = true;
    c->alarms[i].due_ms = due_ms;
    wheel_set(&c->wheel, &c->alarms[i].timer, due_ms);
}

static void wheel_fires_never_early_and_at_most_one_tick_late(void **state)
{
    (void)state;
    static struct clock c;
    memset(&c, 0, sizeof c);
    wheel_init(&c.wheel, 1000, TICK);
    set(&c, 0, 1001);
    advance(&c, 1009);
    assert_int_equal(c.fired, 0);
    advance(&c, 1010);
    assert_int_equal(c.fired, 1);
    set(&c, 0, 5); /* long past: the next tick */
    c.alarms[0].due_ms = 1020;
    advance(&c, 1019);
    assert_int_equal(c.fired, 1);
    advance(&c, 1020);
    assert_int_equal(c.fired, 2);
    advance(&c, 500); /* a clock that went back */
    assert_int_equal(c.fired, 2);
}

static void wheel_callback_may_set_anew_within_the_same_advance(void **state)
{
    (void)state;
    static struct clock c;
    memset(&c, 0, sizeof c);
    wheel_init(&c.wheel, 0, TICK);
    set(&c, 0, 100);
    c.again_ms = 700000;
    advance(&c, 10000000);
    assert_int_equal(c.fired, 2);
    assert_int_equal(c.wheel.count, 0);
}

/* Steps from one tick to a year, so that every level and the stretch beyond the wheel is used. */
static void wheel_equals_a_naive_list(void **state)
{
    (void)state;
    static struct clock c;
    struct rng rng;
    memset(&c, 0, sizeof c);
    rng_init(&rng, 5);
    uint64_t now = 123456789;
    wheel_init(&c.wheel, now, TICK);
    for (int step = 0; step < 200000; step++) {
        int i = (int)rng_below(&rng, TIMERS);
        uint64_t span = (uint64_t)1 << rng_below(&rng, 41);
        switch (rng_below(&rng, 4)) {
        case 0:
            wheel_cancel(&c.wheel, &c.alarms[i].timer);
            c.alarms[i].set = false;
            break;
        case 1:
            now += rng_next(&rng) % ((uint64_t)1 << rng_below(&rng, rng_below(&rng, 50) == 0 ? 36 : 12));
            if (step % 2)
                advance(&c, now);
            else
                advance_by(&c, now, 1 + rng_below(&rng, 5));
            for (int j = 0; j < TIMERS; j++)
                assert_true(!c.alarms[j].set || tick_of(c.alarms[j].due_ms) > now / TICK);
            break;
        default:
            set(&c, i, now + TICK + rng_next(&rng) % span);
        }
        size_t count = 0;
        for (int j = 0; step % 64 == 0 && j < TIMERS; j++) {
            count += c.alarms[j].set;
            assert_true(c.alarms[j].set == wheel_is_set(&c.alarms[j].timer));
        }
        if (step % 64 == 0)
            assert_int_equal(c.wheel.count, count);
    }
    assert_true(c.fired > 1000);
}

/* A hundred timers due together cost ten calls, whether they fire or only move down a level; what is set meanwhile takes its turn. */
static void wheel_budget_bounds_what_one_advance_does(void **state)
{
    (void)state;
    static struct clock c;
    memset(&c, 0, sizeof c);
    wheel_init(&c.wheel, 0, TICK);
    for (int i = 0; i < 100; i++)
        set(&c, i, 100 * TICK);
    c.now_ms = 64 * TICK;
    for (int call = 1; call <= 9; call++)
        assert_false(wheel_advance(&c.wheel, 64 * TICK, 10, on_fire, &c));
    set(&c, 100, 65 * TICK);
    assert_true(wheel_advance(&c.wheel, 64 * TICK, 10, on_fire, &c));
    assert_int_equal(c.fired, 0);
    c.now_ms = 200 * TICK;
    for (int call = 1; call <= 10; call++) {
        assert_false(wheel_advance(&c.wheel, 200 * TICK, 10, on_fire, &c));
        assert_int_equal(c.fired, call * 10);
    }
    assert_true(wheel_advance(&c.wheel, 200 * TICK, 10, on_fire, &c));
    assert_int_equal(c.fired, 101);
}

/* A thousand years in one step: were empty ticks walked, this would take minutes. */
static void wheel_skips_empty_time(void **state)
{
    (void)state;
    static struct clock c;
    memset(&c, 0, sizeof c);
    wheel_init(&c.wheel, 0, TICK);
    const uint64_t year_ms = 365ULL * 86400 * 1000;
    set(&c, 0, 50 * year_ms);
    set(&c, 1, 999 * year_ms + 1);
    advance(&c, 1000 * year_ms);
    assert_int_equal(c.fired, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wheel_fires_never_early_and_at_most_one_tick_late),
        cmocka_unit_test(wheel_callback_may_set_anew_within_the_same_advance),
        cmocka_unit_test(wheel_equals_a_naive_list),
        cmocka_unit_test(wheel_budget_bounds_what_one_advance_does),
        cmocka_unit_test(wheel_skips_empty_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
