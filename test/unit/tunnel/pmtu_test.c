/* tunnel/pmtu_test.c - the size that passes is found, kept under watch, and found again after a black hole */
#include "tunnel/pmtu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { OVERHEAD = 66, SECOND = 1000000 };

static struct pmtu p;
static uint64_t now;
static unsigned passes; /* IP packets up to this size reach the far end */
static unsigned sent, largest;

/* One round with the path: what passes is answered. */
static void tick(void)
{
    uint64_t mark, answer[32];
    size_t size;
    int answers = 0;
    sent = largest = 0;
    while ((size = pmtu_probe(&p, now, &mark)) > 0) {
        assert_true(mark >> 56 == PMTU_MARK);
        assert_true(sent < 32);
        sent++;
        largest = size > largest ? (unsigned)size : largest;
        if (size + OVERHEAD <= passes)
            answer[answers++] = mark;
    }
    while (answers > 0)
        pmtu_answered(&p, answer[--answers], now);
    now += SECOND;
}

static void start(unsigned bytes)
{
    now = 5 * SECOND;
    passes = bytes;
    pmtu_init(&p, OVERHEAD);
}

static void one_round_trip_finds_the_size(void **state)
{
    static const unsigned sizes[] = {1500, 1492, 1420, 1280};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        start(sizes[i]);
        assert_int_equal(pmtu_message(&p), PMTU_BASE - OVERHEAD);
        tick();
        assert_int_equal(largest, PMTU_MAX - OVERHEAD);
        assert_int_equal(pmtu_message(&p), sizes[i] - OVERHEAD);
    }
    start(1499); /* the next one below on the ladder */
    tick();
    assert_int_equal(pmtu_message(&p), 1492 - OVERHEAD);
}

static void a_steady_path_costs_a_probe_each_three_seconds(void **state)
{
    unsigned all = 0;
    (void)state;
    start(1500);
    tick();
    for (int i = 0; i < 60; i++) {
        tick();
        all += sent;
        assert_int_equal(p.size, 1500);
    }
    assert_in_range(all, 14, 21);
    assert_int_equal(p.black_holes, 0);
}

static void a_black_hole_is_left_within_five_seconds(void **state)
{
    (void)state;
    start(1500);
    for (int i = 0; i < 7; i++)
        tick();
    passes = 1400;
    int took = 0;
    while (p.size != 1400 && took < 10) {
        tick();
        took++;
    }
    assert_in_range(took, 1, 6);
    assert_int_equal(p.black_holes, 1);
}

static void a_lost_probe_costs_a_round_trip(void **state)
{
    (void)state;
    start(1500);
    tick();
    unsigned whole = passes;
    do { /* until the watch's probe is lost */
        passes = 0;
        tick();
    } while (sent == 0);
    passes = whole;
    tick();
    assert_int_equal(p.size, 1500);
}

static void below_the_base_there_is_a_floor(void **state)
{
    (void)state;
    start(1500);
    tick();
    passes = 600;
    for (int i = 0; i < 12; i++)
        tick();
    assert_int_equal(p.size, PMTU_FLOOR);
    passes = 1500;
    for (int i = 0; i < 700; i++)
        tick();
    assert_int_equal(p.size, 1500);
}

static void old_and_odd_answers_change_nothing(void **state)
{
    uint64_t mark = 0;
    (void)state;
    start(1500);
    tick();
    pmtu_probe(&p, now, &mark);
    passes = 1300;
    for (int i = 0; i < 8; i++)
        tick();
    assert_int_equal(p.size, 1280);
    pmtu_answered(&p, (uint64_t)PMTU_MARK << 56 | 1ull << 16 | 1500, now); /* the first round's */
    assert_int_equal(p.size, 1280);
    pmtu_answered(&p, (uint64_t)PMTU_MARK << 56 | (uint64_t)p.round << 16 | 9000, now);
    assert_int_equal(p.size, 1280);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_round_trip_finds_the_size),
        cmocka_unit_test(a_steady_path_costs_a_probe_each_three_seconds),
        cmocka_unit_test(a_black_hole_is_left_within_five_seconds),
        cmocka_unit_test(a_lost_probe_costs_a_round_trip),
        cmocka_unit_test(below_the_base_there_is_a_floor),
        cmocka_unit_test(old_and_odd_answers_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
