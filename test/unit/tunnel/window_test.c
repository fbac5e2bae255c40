/* The window by itself: what it refuses, and that nothing drives it out of its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tunnel/acker.h"
#include "tunnel/window.h"

static void an_acknowledgement_of_the_future_or_past_is_refused(void **state)
{
    struct window w;
    (void)state;
    window_init(&w, 0);
    window_on_sent(&w, 1000, 10);
    assert_false(window_on_ack(&w, 1001, 0, 20));
    assert_true(window_on_ack(&w, 1000, 0, 20));
    assert_false(window_on_ack(&w, 999, 0, 30));
}

static void room_is_never_below_zero_nor_size_outside_its_bounds(void **state)
{
    struct window w;
    uint64_t now = 0, total = 0;
    uint32_t random = 12345;
    (void)state;
    window_init(&w, 0);
    for (int i = 0; i < 400000; i++) {
        random = random * 1664525 + 1013904223;
        now += random >> 20;
        if (random & 0x100) {
            size_t bytes = 40 + (random >> 12) % 60000;
            total += bytes;
            window_on_sent(&w, bytes, now);
            if (random & 0x200)
                window_is_full(&w, now);
        } else { /* with a clock that says anything */
            uint64_t acked = w.acked + (w.sent - w.acked) * (random >> 24) / 255;
            assert_true(window_on_ack(&w, acked, random & 0x400 ? (uint32_t)now : random * 77, now));
        }
        assert_true(w.size >= WINDOW_MIN && w.size <= WINDOW_MAX);
        assert_true(window_room(&w, now) <= w.size);
        assert_true(w.sent == total && w.acked <= w.sent && w.count <= WINDOW_RECORDS);
    }
}

static void the_first_flight_is_not_paced_and_bounded(void **state)
{
    struct window w;
    (void)state;
    window_init(&w, 5);
    assert_int_equal(window_room(&w, 5), WINDOW_INITIAL);
    window_on_sent(&w, WINDOW_INITIAL, 5);
    assert_int_equal(window_room(&w, 5), 0);
    assert_true(window_due_us(&w) == UINT64_MAX); /* only an acknowledgement helps */
}

/* Little goes although the others' pace or window is used up, but only one packet's time and bytes of it. */
static void little_need_not_wait_for_the_pace(void **state)
{
    struct window w;
    (void)state;
    window_init(&w, 0);
    w.size = WINDOW_MIN;
    w.pace = 250000; /* a packet takes 6.2 ms */
    uint64_t now = 1000000;
    while (window_room(&w, now) > 0)
        window_on_sent(&w, 1500, now);
    size_t sent = 0;
    for (; window_room_for_little(&w, now) > 0 && sent < 100000; sent += 100)
        window_on_sent(&w, 100, now);
    assert_in_range(sent, 100, 1700);
    for (uint64_t later = 0; later < 1000000 && w.sent - w.acked < w.size; later += 1000) /* it was lent: the pace as a whole stays */
        if (window_room(&w, now + later) > 0)
            window_on_sent(&w, 1500, now + later);
    size_t over = 0;
    for (; window_room_for_little(&w, now + 2000000) > 0 && over < 100000; over += 100)
        window_on_sent(&w, 100, now + 2000000);
    assert_in_range(over, 1, 1700);
    assert_true(w.sent - w.acked < w.size + 3200);
}

/* A busy machine wakes late: what waited meanwhile may go at once, up to 2 ms' worth; who had nothing to send has lost it. */
static void a_late_sender_makes_good_a_little(void **state)
{
    const uint64_t now = 1000000, quantum = 1000, pace = 2000000; /* 2 bytes a microsecond: the quantum is 1 ms */
    (void)state;
    for (int waited = 0; waited < 2; waited++) {
        struct window w;
        window_init(&w, now);
        w.pace = pace;
        w.size = 1 << 20;
        w.next_us = now;
        if (waited)
            window_is_full(&w, now);
        assert_int_equal(window_room(&w, now), 2 * quantum);
        assert_int_equal(window_room(&w, now + 1500), 2 * (quantum + (waited ? 1500 : 0)));
        assert_int_equal(window_room(&w, now + 50000), 2 * (quantum + (waited ? 2000 : 0)));
        window_on_sent(&w, 6000, now + 50000);
        assert_int_equal(w.next_us, now + 50000 + 3000 - (waited ? 2000 : 0));
    }
}

/* However many messages are on the way, each round trip's hundred and twenty-eighth is told from the next. */
static void many_messages_share_the_records(void **state)
{
    struct window w;
    uint64_t now = 1000000;
    (void)state;
    window_init(&w, now);
    window_on_sent(&w, 1000, now);
    assert_true(window_on_ack(&w, 1000, 0, now += 600000));
    assert_int_equal(w.srtt_us, 600000);
    for (int i = 0; i < 6000; i++)
        window_on_sent(&w, 1000, now + (uint64_t)i * 100);
    assert_in_range(w.count, 100, 128);
    const struct window_record *newest = &w.record[(w.head + w.count - 1) % WINDOW_RECORDS];
    assert_true(newest->end == w.sent && newest->sent_us > now + 600000 - 2 * 600000 / 128);
}

/* 100 Mbit/s and 20 ms for a while, acknowledged each millisecond; @return now */
static uint64_t run_full(struct window *w, uint64_t now, int ms)
{
    uint64_t each = 12500;
    for (int i = 0; i < ms; i++, now += 1000) {
        if (w->sent >= 20 * each && w->sent - w->acked >= 20 * each)
            assert_true(window_on_ack(w, w->sent - 19 * each, (uint32_t)now, now));
        window_is_full(w, now);
        window_on_sent(w, each, now);
    }
    return now;
}

static uint64_t begin_full(struct window *w, bool stalls_expected)
{
    window_init(w, 1000000);
    if (stalls_expected)
        window_expect_stalls(w);
    return run_full(w, 1000000, 500);
}

/* A phone that carries nothing back carries nothing at all: what it is given then would be in the way later. */
static void a_silent_phone_is_given_no_more(void **state)
{
    (void)state;
    for (int expected = 0; expected < 2; expected++) {
        struct window w;
        uint64_t now = begin_full(&w, expected), heard = now - 1000, pace = w.pace;
        assert_in_range(pace, 10000000, 16000000);
        w.size = 1 << 20; /* which is not what holds it */
        now = heard + 3000;
        window_is_full(&w, now);
        assert_true(window_room(&w, now) > 0 && window_due_us(&w) != UINT64_MAX);
        now = heard + 6000;
        window_is_full(&w, now);
        assert_true((window_room(&w, now) == 0) == expected);
        assert_true((window_due_us(&w) == UINT64_MAX) == expected);
        assert_true(window_room_for_little(&w, now) > 0);
        window_on_sent(&w, 25000, now); /* as if it were sent before it was noticed */
        now = heard + 15000; /* it goes on, and carries that first */
        assert_true(window_on_ack(&w, w.acked + 12500, (uint32_t)now, now));
        assert_true((w.next_us >= now + 25000 * UINT64_C(1000000) / pace) == expected);
        assert_true(window_due_us(&w) != UINT64_MAX);
        assert_true(window_room(&w, now + 20000) > 0); /* and no second stall before anything is known of the time after the first */
    }
}

/* What a stall held up arrives late, which is no queue and no slower path. */
static void a_stall_says_nothing_about_the_path(void **state)
{
    uint64_t pace[2], queue[2];
    (void)state;
    for (int expected = 0; expected < 2; expected++) {
        struct window w;
        uint64_t now = begin_full(&w, expected) + 15000;
        for (int i = 0; i < 19; i++, now += 1000) { /* all that was under way, late; nothing was sent meanwhile */
            assert_true(window_on_ack(&w, w.acked + 12500, (uint32_t)now, now));
        }
        pace[expected] = w.pace;
        queue[expected] = w.queue_us;
        for (int i = 0; expected && i < 60; i++) { /* nor does the time in which nothing came count for the rate later */
            now = run_full(&w, now, 1);
            assert_in_range(w.rates[0], 11500000, 13500000);
        }
    }
    assert_true(queue[0] > 5000 && queue[1] < 2000);
    assert_true(pace[0] < pace[1] * 9 / 10);
}

/* Whom the window held up, not a busy machine, has nothing to make good: it would be a burst on a fast path. */
static void whom_the_window_held_up_was_not_late(void **state)
{
    struct window w;
    uint64_t now = 1000000;
    (void)state;
    window_init(&w, now);
    w.pace = 12500000;
    w.size = 100000;
    w.next_us = now;
    window_on_sent(&w, 100000, now);
    now += 30000;
    window_is_full(&w, now);
    w.round_end = UINT64_MAX; /* the pace stays */
    assert_true(window_on_ack(&w, 90000, (uint32_t)now, now));
    w.pace = 12500000;
    w.size = 1 << 20;
    assert_in_range(window_room(&w, now), 1, 12500 * 2);
}

/* At some Mbit/s packets go one by one, unless a queue stands: then, and on slower and faster paths, by twos. */
static void a_slow_path_takes_packets_one_by_one(void **state)
{
    static const struct {
        uint64_t pace;
        uint32_t over;
        bool single;
    } all[] = {{125000, 0, false}, {250000, 0, true}, {250000, 1, false}, {450000, 0, true}, {600000, 0, false}};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct window w;
        window_init(&w, 1000000);
        w.pace = all[i].pace;
        w.over = all[i].over;
        w.next_us = 1000000;
        assert_true((window_room(&w, 1000000) < 1000) == all[i].single);
        assert_true(window_room(&w, 1000000) > 0);
    }
}

static void what_is_lost_is_in_flight_no_more(void **state)
{
    struct window w;
    (void)state;
    window_init(&w, 0);
    window_expect_loss(&w);
    window_on_sent(&w, 10000, 10);
    assert_true(window_on_report(&w, 9000, 3000, 0, 20)); /* 6,000 of the first 9,000 were lost */
    assert_true(w.sent - w.acked == 1000 && w.arrived == 3000);
    assert_true(window_on_report(&w, 8000, 2000, 0, 30)); /* overtaken */
    assert_true(w.sent - w.acked == 1000 && w.arrived == 3000);
    assert_true(window_on_report(&w, 10000, 99999, 0, 40)); /* more than there was */
    assert_true(w.sent == w.acked && w.arrived == 10000);
    assert_false(window_on_report(&w, 10001, 1, 0, 50));
}

/* A datagram in fifty lost is the radio's; every other one is a path that carries half of what is sent. */
static void few_losses_do_not_slow_but_many_do(void **state)
{
    (void)state;
    for (int percent = 2; percent <= 50; percent += 48) {
        struct window w;
        uint64_t sent = 0;
        window_init(&w, 0);
        window_expect_loss(&w);
        for (uint64_t now = 10000; now < 3000000; now += 10000) { /* 1 MB/s, reports 20 ms later */
            window_is_full(&w, now);
            window_on_sent(&w, 10000, now);
            sent += 10000;
            if (sent > 20000)
                assert_true(window_on_report(&w, sent - 20000, (sent - 20000) * (100 - percent) / 100, (uint32_t)now, now));
        }
        uint64_t least = percent == 2 ? 990000 : 490000;
        assert_in_range(w.rate, least, least * 106 / 100);
    }
}

static void one_packet_asks_when_all_is_lost(void **state)
{
    struct window w;
    uint64_t now = 1000, before = 0;
    (void)state;
    window_init(&w, now);
    window_expect_loss(&w);
    window_on_sent(&w, WINDOW_INITIAL, now);
    assert_int_equal(window_room(&w, now), 0);
    for (int i = 0; i < 6; i++) { /* ever more rarely, but at least twice a second */
        uint64_t due = window_due_us(&w);
        assert_true(due > now && due - now >= before && due - now <= 500000);
        before = due - now;
        assert_int_equal(window_room(&w, due - 1), 0);
        assert_true(window_room(&w, due) > 0);
        now = due;
        window_on_sent(&w, 1500, now);
        assert_int_equal(window_room(&w, now), 0);
    }
    assert_true(window_on_report(&w, w.sent, 1500, 0, now + 30000));
    assert_true(window_room(&w, now + 30000) > 1500);
    assert_true(w.probe_wait_us < before);
}

static void a_datagram_that_was_overtaken_is_not_the_newest(void **state)
{
    struct acker a = {0};
    (void)state;
    acker_on_datagram(&a, 3000, 1500, 1000);
    acker_on_datagram(&a, 1500, 1500, 1100);
    assert_true(a.newest == 3000 && a.newest_us == 1000 && a.received == 3000);
    acker_on_datagram(&a, 0x80000000u, 1500, 1200); /* the position wraps around */
    acker_on_datagram(&a, 0xffffff00u, 1500, 1300);
    acker_on_datagram(&a, 0x100, 1500, 1400);
    assert_true(a.newest == UINT64_C(0x100000100) && a.newest_us == 1400 && a.received == 7500);
}

static void acknowledgements_gather_but_never_wait_long(void **state)
{
    struct acker a = {0};
    (void)state;
    assert_true(acker_due_us(&a) == UINT64_MAX);
    acker_on_data(&a, 100, 1000000);
    assert_int_equal(acker_due_us(&a), 1000000 + ACKER_WAIT_US);
    acker_on_data(&a, 100, 1003000); /* the oldest one counts */
    assert_int_equal(acker_due_us(&a), 1000000 + ACKER_WAIT_US);
    acker_on_data(&a, ACKER_BYTES_MIN, 1003500);
    assert_int_equal(acker_due_us(&a), 0);
    acker_sent(&a);
    assert_true(acker_due_us(&a) == UINT64_MAX);
    for (uint64_t now = 2000000; now < 3000000; now += 100) { /* 1 Gbit/s: 12,500 bytes each 100 µs */
        acker_on_data(&a, 12500, now);
        if (acker_due_us(&a) == 0)
            acker_sent(&a);
    }
    acker_sent(&a);
    acker_on_data(&a, ACKER_BYTES_MAX - 1, 3000000);
    assert_int_equal(acker_due_us(&a), 3000000 + ACKER_WAIT_US);
    acker_on_data(&a, 1, 3000000);
    assert_int_equal(acker_due_us(&a), 0);
}

/* It is not lent when there is nothing to send at the moment, and the pace does not count it. */
static void a_train_goes_at_once_or_not_at_all(void **state)
{
    enum { NOW = 5000000, BYTES = 30000 };
    struct window w;
    (void)state;
    window_init(&w, 0);
    w.pace = 1000 * 1000;
    w.next_us = NOW + 5000; /* what was sent before has used up its time */
    assert_int_equal(window_room(&w, NOW), 0);
    w.train = (struct train){.state = TRAIN_WAITS, .bytes = BYTES, .left = BYTES, .since_us = NOW};
    assert_int_equal(window_room(&w, NOW), BYTES);
    assert_int_equal(window_room(&w, NOW + 1001), 0);
    window_on_sent(&w, 10000, NOW + 500);
    assert_int_equal(window_room(&w, NOW + 1500), BYTES - 10000);
    window_on_sent(&w, BYTES - 10000 + 2000, NOW + 1500);
    assert_true(w.train.state == TRAIN_SENT && w.train.end == BYTES + 2000);
    assert_true(w.next_us == NOW + 5000 + 2000);
    assert_int_equal(window_room(&w, NOW + 1500), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledgement_of_the_future_or_past_is_refused),
        cmocka_unit_test(room_is_never_below_zero_nor_size_outside_its_bounds),
        cmocka_unit_test(the_first_flight_is_not_paced_and_bounded),
        cmocka_unit_test(little_need_not_wait_for_the_pace),
        cmocka_unit_test(a_late_sender_makes_good_a_little),
        cmocka_unit_test(many_messages_share_the_records),
        cmocka_unit_test(a_silent_phone_is_given_no_more),
        cmocka_unit_test(a_stall_says_nothing_about_the_path),
        cmocka_unit_test(whom_the_window_held_up_was_not_late),
        cmocka_unit_test(a_slow_path_takes_packets_one_by_one),
        cmocka_unit_test(what_is_lost_is_in_flight_no_more),
        cmocka_unit_test(few_losses_do_not_slow_but_many_do),
        cmocka_unit_test(one_packet_asks_when_all_is_lost),
        cmocka_unit_test(a_datagram_that_was_overtaken_is_not_the_newest),
        cmocka_unit_test(acknowledgements_gather_but_never_wait_long),
        cmocka_unit_test(a_train_goes_at_once_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
