/*
 * test/unit/lab/wan_link_test.c - the link emulator's model, to the nanosecond
 *
 * Benchmarks are believed only as far as the link they ran over is exact; here it runs without a scheduler in the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wan_link.h"

#define MS 1000000LL
#define FRAME 1250 /* 10,000 bits: 1 ms at 10 Mbit/s */

static uint8_t frame[FRAME];

static struct wan_way *make(const char *const *words)
{
    struct wan_way *way = calloc(1, sizeof(*way));
    assert_non_null(way);
    assert_int_equal(wan_way_init(way, 0, 7), 0);
    struct wan_config config = way->config;
    for (; *words; words++)
        assert_int_equal(wan_config_word(&config, *words, 0), 0);
    wan_way_set(way, &config, 0);
    return way;
}

#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

static void drop(struct wan_way *way)
{
    wan_way_done(way);
    free(way);
}

static void offer(struct wan_way *way, int64_t now_ns, uint8_t mark)
{
    frame[0] = mark;
    wan_way_offer(way, frame, sizeof(frame), now_ns);
}

/* The frame due exactly then, and not a nanosecond sooner. */
static void assert_arrives(struct wan_way *way, int64_t at_ns, uint8_t mark)
{
    wan_way_advance(way, at_ns - 1);
    assert_null(wan_way_take(way, at_ns - 1));
    wan_way_advance(way, at_ns);
    struct wan_frame *got = wan_way_take(way, at_ns);
    assert_non_null(got);
    assert_int_equal(got->data[0], mark);
    assert_int_equal(got->len, FRAME);
    free(got);
}

static void frames_leave_one_after_the_other_at_the_rate(void **state)
{
    (void)state;
    struct wan_way *way = MAKE("rate=10M", "delay=20");
    for (uint8_t i = 0; i < 5; i++)
        offer(way, 0, i);
    assert_int_equal(wan_way_next(way), 1 * MS);
    for (uint8_t i = 0; i < 5; i++)
        assert_arrives(way, (21 + i) * MS, i);
    assert_int_equal(wan_way_next(way), WAN_NEVER);
    drop(way);
}

static void a_caller_that_sleeps_changes_no_due_time(void **state)
{
    (void)state;
    struct wan_way *way = MAKE("rate=10M", "delay=5");
    for (uint8_t i = 0; i < 50; i++)
        offer(way, 0, i);
    wan_way_advance(way, 1000 * MS);
    for (uint8_t i = 0; i < 50; i++) {
        struct wan_frame *got = wan_way_take(way, 1000 * MS);
        assert_non_null(got);
        assert_int_equal(got->due_ns, (6 + i) * MS);
        free(got);
    }
    assert_true(way->counters.capacity_bytes > 1249999 && way->counters.capacity_bytes < 1250001);
    drop(way);
}

static void no_rate_is_no_wait(void **state)
{
    (void)state;
    struct wan_way *way = MAKE("delay=3");
    offer(way, 10 * MS, 1);
    offer(way, 10 * MS, 2);
    assert_arrives(way, 13 * MS, 1);
    assert_non_null(way->air.frames);
    struct wan_frame *got = wan_way_take(way, 13 * MS);
    assert_non_null(got);
    free(got);
    drop(way);
}

static void a_step_of_the_rate_holds_for_what_waits_and_what_is_being_sent(void **state)
{
    (void)state;
    struct wan_way *way = MAKE("rate=10M");
    offer(way, 0, 1);
    offer(way, 0, 2);
    offer(way, 0, 3);
    struct wan_config config = way->config;
    assert_int_equal(wan_config_word(&config, "rate=1M@0.0005,10M@0.0085", 0), 0);
    wan_way_set(way, &config, 0);
    assert_arrives(way, 5500000, 1);  /* half at 1 ms a frame, half at 10 */
    assert_arrives(way, 9200000, 2);  /* 3 ms at the slow rate are 30 %; 70 % at the fast one */
    assert_arrives(way, 10200000, 3);
    drop(way);
}

static void a_stall_holds_what_would_start_in_it(void **state)
{
    (void)state;
    struct wan_way *way = MAKE("rate=10M", "stall=1/0.3");
    offer(way, 100 * MS, 1);
    assert_arrives(way, 301 * MS, 1);
    offer(way, 999500000, 2); /* on its way when the next one begins */
    offer(way, 999500000, 3);
    assert_arrives(way, 1000500000, 2);
    assert_arrives(way, 1301 * MS, 3);
    drop(way);
}

static void a_full_queue_drops_the_new(void **state)
{
    (void)state;
    struct wan_way *way = MAKE("rate=10M", "queue=5000");
    for (uint8_t i = 0; i < 6; i++)
        offer(way, 0, i);
    assert_int_equal(way->counters.dropped, 2);
    for (uint8_t i = 0; i < 4; i++)
        assert_arrives(way, (1 + i) * MS, i);
    assert_int_equal(way->counters.wait_max_ns, 4 * MS);
    drop(way);
    way = MAKE("rate=10M", "queue=10ms");
    for (uint8_t i = 0; i < 20; i++)
        offer(way, 0, i);
    assert_int_equal(way->counters.dropped, 10);
    drop(way);
}

static void losses_use_the_rate_and_are_as_many_as_asked_for(void **state)
{
    (void)state;
    struct wan_way *way = MAKE("rate=1G", "loss=10", "queue=1M");
    unsigned arrived = 0;
    int64_t now = 0;
    for (int i = 0; i < 20000; i++, now += MS) {
        offer(way, now, 0);
        struct wan_frame *got;
        while ((got = wan_way_take(way, now))) {
            arrived++;
            free(got);
        }
    }
    assert_in_range(way->counters.lost, 1830, 2170); /* four standard deviations */
    assert_int_equal(way->counters.sent_packets, way->counters.in_packets - 1); /* the last is on its way */
    assert_int_equal(way->counters.out_packets, arrived);
    assert_int_equal(way->counters.dropped, 0);
    drop(way);
}

static void jitter_keeps_the_order_unless_asked(void **state)
{
    (void)state;
    for (int reorder = 0; reorder < 2; reorder++) {
        struct wan_way *way = MAKE("delay=10", "jitter=20", reorder ? "reorder=1" : "reorder=0");
        for (int i = 0; i < 100; i++)
            offer(way, i * MS, (uint8_t)i);
        wan_way_advance(way, 1000 * MS);
        struct wan_frame *got;
        int turned = 0, last = -1, count = 0;
        for (int64_t due = 0; (got = wan_way_take(way, 1000 * MS)); count++) {
            assert_true(got->due_ns >= due);
            assert_in_range(got->due_ns - got->arrived_ns, 10 * MS, 30 * MS);
            turned += got->data[0] < last;
            last = got->data[0];
            due = got->due_ns;
            free(got);
        }
        assert_int_equal(count, 100);
        assert_int_equal(turned > 0, reorder);
        drop(way);
    }
}

static void wrong_words_change_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "rate", "=", "rate=", "rate=fast", "rate=10Mx", "rate=1M@", "rate=1M@1,", "rate=2M@2,1M@1",
                                        "rate=1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0", "delay=-1",
                                        "delay=nan", "delay=inf", "delay=1e300", "loss=101", "loss=1x", "queue=0ms", "queue=5s",
                                        "stall=1/2", "stall=/1", "stall=2/1x", "colour=1", "ratex=1", "rat=1"};
    struct wan_config config, before;
    memset(&config, 7, sizeof(config));
    config.step_count = 0;
    memcpy(&before, &config, sizeof(config));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (!wan_config_word(&config, wrong[i], 0))
            fail_msg("taken: %s", wrong[i]);
        assert_memory_equal(&config, &before, sizeof(config));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_leave_one_after_the_other_at_the_rate),
        cmocka_unit_test(a_caller_that_sleeps_changes_no_due_time),
        cmocka_unit_test(no_rate_is_no_wait),
        cmocka_unit_test(a_step_of_the_rate_holds_for_what_waits_and_what_is_being_sent),
        cmocka_unit_test(a_stall_holds_what_would_start_in_it),
        cmocka_unit_test(a_full_queue_drops_the_new),
        cmocka_unit_test(losses_use_the_rate_and_are_as_many_as_asked_for),
        cmocka_unit_test(jitter_keeps_the_order_unless_asked),
        cmocka_unit_test(wrong_words_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
