/* tunnel/lossy_test.c - a connection that loses all the time is told from one that lost something once */
#include "tunnel/lossy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint32_t sent, again;

/* So many segments, of which one in `each` is sent again (0: none), looked at every 300. @return the last word */
static bool goes_on(struct lossy *l, uint32_t segments, uint32_t each)
{
    bool loses = l->loses;
    for (uint32_t i = 1; i <= segments; i++) {
        sent++;
        again += each > 0 && i % each == 0;
        if (i % 300 == 0)
            loses = lossy_hear(l, sent, again);
    }
    return loses;
}

static void one_in_two_hundred_is_found_soon(void **state)
{
    struct lossy l = {0};
    (void)state;
    sent = again = 0;
    assert_false(goes_on(&l, 10000, 0));
    assert_true(goes_on(&l, 4200, 200));
}

static void a_few_in_a_million_are_chance(void **state)
{
    struct lossy l = {0};
    (void)state;
    sent = again = 0;
    assert_false(goes_on(&l, 1000000, 5000));
    again += 2; /* with one before; the end of a flight */
    assert_false(goes_on(&l, 300, 0));
}

static void it_is_over_when_hardly_any_are_lost(void **state)
{
    struct lossy l = {0};
    (void)state;
    sent = again = 0;
    assert_true(goes_on(&l, 6000, 100));
    assert_true(goes_on(&l, 60000, 2000)); /* fewer than make it lossy, but it stays so */
    assert_false(goes_on(&l, 9000, 0));
    assert_false(goes_on(&l, 60000, 2000));
}

static void counters_wrap_around(void **state)
{
    struct lossy l = {0};
    (void)state;
    sent = UINT32_MAX - 1000, again = UINT32_MAX - 2;
    l.sent = sent, l.again = again;
    assert_true(goes_on(&l, 6000, 100));
    assert_false(goes_on(&l, 9000, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_in_two_hundred_is_found_soon),
        cmocka_unit_test(a_few_in_a_million_are_chance),
        cmocka_unit_test(it_is_over_when_hardly_any_are_lost),
        cmocka_unit_test(counters_wrap_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
