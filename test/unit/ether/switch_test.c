/* test/unit/ether/switch_test.c - where frames go, and whose do not */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "ether/bucket.h"
#include "ether/switch.h"

#define CARD(n) (UINT64_C(0x020000000000) | (n))
#define GATEWAY UINT64_C(0x0274c0a85601)
enum { PORTS = 5, MACS = 3, STORM = 10 };

static struct ether_switch *switch_with(uint32_t guests, struct switch_config config)
{
    struct ether_switch *sw;
    config.max_ports = PORTS;
    config.macs_per_port = MACS;
    config.storm_per_s = config.storm_per_s != 0 ? config.storm_per_s : 1000;
    config.gateway = GATEWAY;
    config.seed = 4;
    assert_int_equal(switch_new(&config, &sw), 0);
    for (uint32_t i = 0; i < guests; i++)
        assert_true(switch_plug(sw) != SWITCH_NO_PORT);
    return sw;
}

static struct switch_judgement judge(struct ether_switch *sw, uint32_t port, uint64_t src, uint64_t dst, uint64_t now_ms)
{
    uint8_t frame[ETHER_MIN_LEN] = {0};
    struct ether_view v;
    ether_put_header(frame, dst, src, ETHER_TYPE_IP4);
    return switch_judge(sw, port, frame, sizeof frame, now_ms, &v);
}

static void assert_dropped(struct switch_judgement j, enum switch_drop why)
{
    assert_int_equal(j.way, SWITCH_DROP);
    assert_int_equal(j.why, why);
}

/* The ports a frame for all goes to, as bits. */
static unsigned flood(const struct ether_switch *sw, uint32_t from)
{
    unsigned bits = 0;
    for (uint32_t p = switch_next(sw, from, SWITCH_NO_PORT); p != SWITCH_NO_PORT; p = switch_next(sw, from, p))
        bits |= 1u << p;
    return bits;
}

static void learns_and_forwards(void **state)
{
    (void)state;
    struct ether_switch *sw = switch_with(3, (struct switch_config){.uplink = SWITCH_NO_PORT, .guard = true});
    assert_int_equal(judge(sw, 0, CARD(1), CARD(2), 0).way, SWITCH_TO_ALL); /* not heard of yet */
    assert_int_equal(judge(sw, 0, CARD(1), ETHER_BROADCAST, 0).way, SWITCH_TO_ALL);
    assert_int_equal(flood(sw, 0), 0x6);
    assert_int_equal(flood(sw, SWITCH_NO_PORT), 0x7);
    struct switch_judgement j = judge(sw, 1, CARD(2), CARD(1), 0);
    assert_true(j.way == SWITCH_TO_PORT && j.port == 0);
    assert_int_equal(judge(sw, 1, CARD(2), GATEWAY, 0).way, SWITCH_TO_GATEWAY);
    judge(sw, 0, CARD(3), ETHER_BROADCAST, 0);
    assert_dropped(judge(sw, 0, CARD(1), CARD(3), 0), SWITCH_SAME_PORT);
    switch_unplug(sw, 0);
    assert_int_equal(judge(sw, 1, CARD(2), CARD(1), 0).way, SWITCH_TO_ALL);
    assert_int_equal(flood(sw, 1), 0x4);
    assert_int_equal(switch_plug(sw), 0); /* the lowest free one */
    switch_free(sw);
}

static void frames_that_are_none_are_dropped(void **state)
{
    (void)state;
    struct ether_switch *sw = switch_with(2, (struct switch_config){.uplink = SWITCH_NO_PORT, .guard = true});
    static uint8_t big[SWITCH_FRAME_MAX + 1];
    struct ether_view v;
    ether_put_header(big, ETHER_BROADCAST, CARD(1), ETHER_TYPE_IP4);
    assert_dropped(switch_judge(sw, 0, big, 13, 0, &v), SWITCH_BAD_FRAME);
    assert_dropped(switch_judge(sw, 0, big, sizeof big, 0, &v), SWITCH_BAD_FRAME);
    assert_int_equal(switch_judge(sw, 0, big, SWITCH_FRAME_MAX, 0, &v).way, SWITCH_TO_ALL);
    assert_dropped(switch_judge(sw, 4, big, 60, 0, &v), SWITCH_BAD_FRAME); /* nothing is plugged in there */
    assert_dropped(switch_judge(sw, 99, big, 60, 0, &v), SWITCH_BAD_FRAME);
    assert_dropped(judge(sw, 0, ETHER_BROADCAST, CARD(1), 0), SWITCH_BAD_FRAME);
    assert_dropped(judge(sw, 0, 0, CARD(1), 0), SWITCH_BAD_FRAME);
    assert_dropped(judge(sw, 0, CARD(1), UINT64_C(0x0180c2000000), 0), SWITCH_LINK_LOCAL);
    assert_true(switch_port_drops(sw, 0) == 5 && switch_port_drops(sw, 1) == 0);
    switch_free(sw);
}

static void what_is_lost_before_it_is_judged_is_counted_too(void **state)
{
    (void)state;
    struct ether_switch *sw = switch_with(2, (struct switch_config){.uplink = SWITCH_NO_PORT, .guard = true});
    judge(sw, 0, ETHER_BROADCAST, CARD(1), 0);
    switch_lost(sw, 1, SWITCH_TOO_LONG);
    switch_lost(sw, 1, SWITCH_TOO_LONG);
    switch_lost(sw, 1, SWITCH_NO_MEMORY);
    switch_lost(sw, 99, SWITCH_TOO_LONG);
    const struct switch_stats *s = switch_stats(sw);
    assert_true(s->frames == 5 && s->drops[SWITCH_TOO_LONG] == 3 && s->drops[SWITCH_NO_MEMORY] == 1);
    assert_true(switch_port_drops(sw, 0) == 1 && switch_port_drops(sw, 1) == 3);
    switch_free(sw);
}

static void a_liar_takes_nobodys_place(void **state)
{
    (void)state;
    struct ether_switch *sw = switch_with(2, (struct switch_config){.uplink = 4, .guard = true});
    judge(sw, 4, CARD(9), ETHER_BROADCAST, 0); /* lives behind the uplink */
    judge(sw, 0, CARD(1), ETHER_BROADCAST, 0);
    assert_dropped(judge(sw, 1, CARD(1), ETHER_BROADCAST, 10), SWITCH_LIED);
    assert_dropped(judge(sw, 1, GATEWAY, ETHER_BROADCAST, 10), SWITCH_LIED);
    assert_dropped(judge(sw, 1, CARD(9), ETHER_BROADCAST, 100000), SWITCH_LIED); /* however long it was silent */
    struct switch_judgement j = judge(sw, 1, CARD(2), CARD(1), 10);
    assert_true(j.way == SWITCH_TO_PORT && j.port == 0);
    assert_int_equal(judge(sw, 1, CARD(1), ETHER_BROADCAST, 20000).way, SWITCH_TO_ALL); /* it moved */
    switch_free(sw);
    sw = switch_with(2, (struct switch_config){.uplink = SWITCH_NO_PORT, .guard = false});
    judge(sw, 0, CARD(1), ETHER_BROADCAST, 0);
    assert_int_equal(judge(sw, 1, CARD(1), ETHER_BROADCAST, 10).way, SWITCH_TO_ALL);
    switch_free(sw);
}

static void a_port_has_so_many_stations(void **state)
{
    (void)state;
    struct ether_switch *sw = switch_with(2, (struct switch_config){.uplink = 4, .guard = true});
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(judge(sw, 0, CARD(100 + i), ETHER_BROADCAST, 0).way, i < MACS ? SWITCH_TO_ALL : SWITCH_DROP);
    assert_dropped(judge(sw, 0, CARD(500), GATEWAY, 0), SWITCH_PORT_FULL);
    for (uint64_t i = 0; i < 50; i++) /* but behind the uplink there may be a whole network */
        assert_int_equal(judge(sw, 4, CARD(900 + i), ETHER_BROADCAST, 0).way, SWITCH_TO_ALL);
    switch_free(sw);
}

static void isolated_guests_reach_gateway_and_uplink_only(void **state)
{
    (void)state;
    struct ether_switch *sw = switch_with(3, (struct switch_config){.uplink = 4, .guard = true, .isolate = true});
    assert_int_equal(judge(sw, 0, CARD(1), ETHER_BROADCAST, 0).way, SWITCH_TO_ALL);
    assert_int_equal(flood(sw, 0), 1u << 4);
    assert_int_equal(flood(sw, 4), 0x7);
    assert_int_equal(flood(sw, SWITCH_NO_PORT), 0x17);
    assert_dropped(judge(sw, 1, CARD(2), CARD(1), 0), SWITCH_ISOLATED);
    assert_int_equal(judge(sw, 1, CARD(2), GATEWAY, 0).way, SWITCH_TO_GATEWAY);
    struct switch_judgement j = judge(sw, 4, CARD(9), CARD(1), 0);
    assert_true(j.way == SWITCH_TO_PORT && j.port == 0);
    j = judge(sw, 0, CARD(1), CARD(9), 0);
    assert_true(j.way == SWITCH_TO_PORT && j.port == 4);
    switch_free(sw);
}

static void storms_end_at_the_port_they_come_from(void **state)
{
    (void)state;
    struct ether_switch *sw = switch_with(2, (struct switch_config){.uplink = SWITCH_NO_PORT, .storm_per_s = STORM});
    int passed = 0;
    judge(sw, 1, CARD(2), ETHER_BROADCAST, 0);
    for (int i = 0; i < 1000; i++)
        passed += judge(sw, 0, CARD(1), ETHER_BROADCAST, 0).way == SWITCH_TO_ALL;
    assert_int_equal(passed, 2 * STORM);
    assert_dropped(judge(sw, 0, CARD(1), CARD(77), 0), SWITCH_STORM); /* unknown stations are for all, too */
    assert_int_equal(judge(sw, 0, CARD(1), CARD(2), 0).way, SWITCH_TO_PORT);
    assert_int_equal(judge(sw, 1, CARD(2), ETHER_BROADCAST, 0).way, SWITCH_TO_ALL); /* the other has its own */
    for (uint64_t ms = 0; ms < 10000; ms++)
        passed += judge(sw, 0, CARD(1), ETHER_BROADCAST, ms).way == SWITCH_TO_ALL;
    assert_in_range(passed, 2 * STORM + 10 * STORM - 2, 2 * STORM + 10 * STORM + 2);
    switch_free(sw);
}

static void a_bucket_fills_no_further_than_its_brim(void **state)
{
    (void)state;
    struct bucket b = {0};
    int taken = 0;
    for (int i = 0; i < 100; i++)
        taken += bucket_take(&b, 7, 3, 5);
    assert_int_equal(taken, 3);
    for (int i = 0; i < 100; i++)
        taken += bucket_take(&b, 7, 3, 3600000);
    assert_int_equal(taken, 6);
}

static void names_every_reason(void **state)
{
    (void)state;
    for (int i = 0; i < SWITCH_DROPS; i++)
        assert_true(strlen(switch_drop_name((enum switch_drop)i)) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_and_forwards),
        cmocka_unit_test(frames_that_are_none_are_dropped),
        cmocka_unit_test(what_is_lost_before_it_is_judged_is_counted_too),
        cmocka_unit_test(a_liar_takes_nobodys_place),
        cmocka_unit_test(a_port_has_so_many_stations),
        cmocka_unit_test(isolated_guests_reach_gateway_and_uplink_only),
        cmocka_unit_test(storms_end_at_the_port_they_come_from),
        cmocka_unit_test(a_bucket_fills_no_further_than_its_brim),
        cmocka_unit_test(names_every_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
