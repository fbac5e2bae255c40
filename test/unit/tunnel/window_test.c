/* The window, against a simulated link: it fills it, and keeps the queue short. Minutes pass in milliseconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "link_sim.h"
#include "tunnel/window.h"

enum { PACKET = 1504, STEP_US = 200 };

struct outcome {
    double utilisation;
    uint64_t worst_queue_us; /* after the first two seconds */
};

/* A greedy sender for `seconds`; acknowledgements come back after the link's delay again. */
static void run(struct window *w, struct link_sim *link, uint64_t *now_us, int seconds, struct outcome *ret)
{
    uint64_t end = *now_us + (uint64_t)seconds * 1000000, began = *now_us, arrived_before = link_sim_arrived(link, *now_us);
    static struct {
        uint64_t at, total;
    } ack[1 << 16];
    uint32_t head = 0, count = 0;
    uint64_t acked = arrived_before;
    *ret = (struct outcome){0};
    for (; *now_us < end; *now_us += STEP_US) {
        uint64_t arrived = link_sim_arrived(link, *now_us);
        if (arrived > acked && count < (1 << 16)) {
            ack[(head + count) % (1 << 16)].at = *now_us + link->delay_us;
            ack[(head + count++) % (1 << 16)].total = acked = arrived;
        }
        while (count > 0 && ack[head].at <= *now_us) {
            assert_true(window_on_ack(w, ack[head].total, 0, *now_us));
            head = (head + 1) % (1 << 16);
            count--;
        }
        size_t room = window_room(w);
        size_t bytes = room / PACKET * PACKET;
        if (bytes > 0) {
            window_on_sent(w, bytes, false, *now_us);
            for (size_t at = 0; at < bytes; at += PACKET)
                link_sim_send(link, PACKET, *now_us);
        }
        if (*now_us > began + 2000000 && link_sim_queue_us(link, *now_us) > ret->worst_queue_us)
            ret->worst_queue_us = link_sim_queue_us(link, *now_us);
    }
    while (count > 0) { /* what is on its way back counts for the next run */
        window_on_ack(w, ack[head].total, 0, *now_us);
        head = (head + 1) % (1 << 16);
        count--;
    }
    ret->utilisation = (double)(link_sim_arrived(link, *now_us) - arrived_before) / ((double)link->rate * seconds);
}

static void fills_links_of_any_speed_with_a_bounded_queue(void **state)
{
    static const struct {
        double mbit;
        uint64_t delay_us;
    } links[] = {{2, 40000}, {10, 20000}, {50, 25000}, {100, 10000}, {100, 60000}, {1000, 500}, {1000, 5000}};
    (void)state;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        struct window w;
        struct outcome o;
        uint64_t now_us = 1000000;
        struct link_sim *link = link_sim_new((uint64_t)(links[i].mbit * 1e6 / 8), links[i].delay_us);
        window_init(&w, now_us);
        run(&w, link, &now_us, 30, &o);
        uint64_t bound_us = 2 * 2 * links[i].delay_us + 16 * 1024 * 8 / (uint64_t)links[i].mbit + 20000;
        if (o.utilisation < 0.90 || o.worst_queue_us > bound_us)
            fail_msg("%g Mbit/s, %lu us: %.3f used, queue %lu us (bound %lu)", links[i].mbit,
                     (unsigned long)links[i].delay_us, o.utilisation, (unsigned long)o.worst_queue_us,
                     (unsigned long)bound_us);
        free(link);
    }
}

static void follows_a_link_that_slows_down_tenfold(void **state)
{
    struct window w;
    struct outcome o;
    uint64_t now_us = 1000000;
    struct link_sim *link = link_sim_new(20000000 / 8, 20000);
    (void)state;
    window_init(&w, now_us);
    run(&w, link, &now_us, 10, &o);
    assert_true(o.utilisation > 0.9);
    link->rate /= 10;
    run(&w, link, &now_us, 8, &o); /* learns */
    run(&w, link, &now_us, 10, &o);
    assert_true(o.utilisation > 0.9);
    if (o.worst_queue_us > 250000)
        fail_msg("queue %lu us", (unsigned long)o.worst_queue_us);
    link->rate *= 10;
    run(&w, link, &now_us, 2, &o);
    run(&w, link, &now_us, 5, &o);
    if (o.utilisation < 0.9)
        fail_msg("used %.3f", o.utilisation);
    free(link);
}

static void an_acknowledgement_of_the_future_or_past_is_refused(void **state)
{
    struct window w;
    (void)state;
    window_init(&w, 0);
    window_on_sent(&w, 1000, false, 10);
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
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        now += random >> 20;
        if (random & 0x100) {
            size_t bytes = 40 + (random >> 12) % 60000;
            total += bytes;
            window_on_sent(&w, bytes, random & 0x200, now);
        } else {
            uint64_t acked = w.acked + (w.sent - w.acked) * (random >> 24) / 255;
            assert_true(window_on_ack(&w, acked, random >> 16, now));
        }
        assert_true(w.size >= WINDOW_MIN && w.size <= WINDOW_MAX);
        assert_true(window_room(&w) <= w.size);
        assert_true(w.sent == total && w.acked <= w.sent && w.count <= WINDOW_RECORDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_links_of_any_speed_with_a_bounded_queue),
        cmocka_unit_test(follows_a_link_that_slows_down_tenfold),
        cmocka_unit_test(an_acknowledgement_of_the_future_or_past_is_refused),
        cmocka_unit_test(room_is_never_below_zero_nor_size_outside_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
