/* test/unit/base/backoff_test.c - pauses that double to a bound, are drawn from their upper half, and begin anew after a steady time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/backoff.h"

/* The longest that can be drawn: of a pause of `ms` the random number ms / 2 shortens nothing. */
static void assert_pause(struct backoff *b, uint64_t now_ms, uint32_t ms)
{
    assert_int_equal(backoff_pause(b, now_ms, ms / 2), ms);
}

static void pauses_double_to_a_bound(void **state)
{
    (void)state;
    static const uint32_t row[] = {500, 1000, 2000, 4000, 8000, 15000, 15000, 15000};
    struct backoff b = {0};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_pause(&b, 1000 * i, row[i]);
}

static void chance_shortens_by_up_to_a_half(void **state)
{
    (void)state;
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t random = 0; random < 100000; random++) {
        struct backoff b = {.last_ms = 4000};
        uint64_t pause = backoff_pause(&b, 0, random * 2654435761u);
        assert_in_range(pause, 4000, 8000);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
        assert_int_equal(b.last_ms, 8000); /* doubling does not take part in the game */
    }
    assert_int_equal(least, 4000);
    assert_int_equal(most, 8000);
}

static void a_steady_time_makes_the_next_pause_the_first(void **state)
{
    (void)state;
    struct backoff b = {0};
    assert_pause(&b, 0, 500);
    assert_pause(&b, 1000, 1000);
    backoff_up(&b, 2000);
    assert_pause(&b, 2001 + BACKOFF_STEADY_MS, 500);
    assert_pause(&b, 60000, 1000); /* it was not up since: that time counts once */
}

static void a_short_time_up_changes_nothing(void **state)
{
    (void)state;
    struct backoff b = {0};
    assert_pause(&b, 0, 500);
    backoff_up(&b, 500);
    assert_pause(&b, 500 + BACKOFF_STEADY_MS, 1000);
    backoff_up(&b, 10000);
    backoff_up(&b, 14000); /* again: since the last time */
    assert_pause(&b, 16000, 2000);
    assert_pause(&b, 99000, 4000); /* nor does the time since, in which it was not up */
}

static void the_clock_may_begin_at_zero(void **state)
{
    (void)state;
    struct backoff b = {.last_ms = 8000};
    backoff_up(&b, 0);
    assert_pause(&b, BACKOFF_STEADY_MS + 1, 500);
}

static void reset_makes_the_next_pause_the_first(void **state)
{
    (void)state;
    struct backoff b = {0};
    for (int i = 0; i < 9; i++)
        backoff_pause(&b, 0, 0);
    backoff_reset(&b);
    assert_pause(&b, 0, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_to_a_bound),
        cmocka_unit_test(chance_shortens_by_up_to_a_half),
        cmocka_unit_test(a_steady_time_makes_the_next_pause_the_first),
        cmocka_unit_test(a_short_time_up_changes_nothing),
        cmocka_unit_test(the_clock_may_begin_at_zero),
        cmocka_unit_test(reset_makes_the_next_pause_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
