/* test/unit/ether/mac_table_test.c - the MAC-learning table by its rules, and against a naive array */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "tether/ether.h"

enum { IDLE_MS = 300000, HOLD_MS = 10000 };
#define STATION(n) (UINT64_C(0x020000000000) | (n))

static struct mac_table *table_new(uint32_t ports, uint32_t per_port, uint32_t hold_ms)
{
    struct mac_table *t;
    const struct mac_table_config config = {
        .max_ports = ports, .max_per_port = per_port, .idle_ms = IDLE_MS, .hold_ms = hold_ms, .seed = 5};
    assert_int_equal(mac_table_new(&config, &t), 0);
    return t;
}

static void learns_finds_and_forgets(void **state)
{
    (void)state;
    struct mac_table *t = table_new(4, 4, 0);
    uint32_t port = 99;
    assert_false(mac_table_find(t, 0, STATION(1), 0, &port));
    assert_int_equal(port, 99);
    assert_int_equal(mac_table_learn(t, 0, STATION(1), 2, 0), MAC_NEW);
    assert_int_equal(mac_table_learn(t, 0, STATION(1), 2, 5), MAC_KNOWN);
    assert_true(mac_table_find(t, 0, STATION(1), 5, &port));
    assert_int_equal(port, 2);
    assert_false(mac_table_find(t, 7, STATION(1), 5, &port)); /* each VLAN learns for itself */
    assert_int_equal(mac_table_learn(t, 7, STATION(1), 3, 5), MAC_NEW);
    assert_true(mac_table_find(t, 0, STATION(1), 5, &port));
    assert_int_equal(port, 2);
    assert_int_equal(mac_table_any(t, 3), STATION(1));
    mac_table_forget_port(t, 2);
    assert_false(mac_table_find(t, 0, STATION(1), 5, &port));
    assert_true(mac_table_find(t, 7, STATION(1), 5, &port));
    assert_int_equal(mac_table_any(t, 2), 0);
    mac_table_free(t);
}

static void groups_nobody_and_unknown_ports_are_not_learned(void **state)
{
    (void)state;
    struct mac_table *t = table_new(2, 4, 0);
    assert_int_equal(mac_table_learn(t, 0, ETHER_BROADCAST, 0, 0), MAC_INVALID);
    assert_int_equal(mac_table_learn(t, 0, UINT64_C(0x01005e000001), 0, 0), MAC_INVALID);
    assert_int_equal(mac_table_learn(t, 0, 0, 0, 0), MAC_INVALID);
    assert_int_equal(mac_table_learn(t, 0, STATION(1), 2, 0), MAC_INVALID);
    assert_int_equal(mac_table_count(t, 0), 0);
    assert_int_equal(mac_table_count(t, 2), 0);
    mac_table_forget_port(t, 2);
    mac_table_free(t);
}

static void the_silent_are_forgotten_and_who_talks_stays(void **state)
{
    (void)state;
    struct mac_table *t = table_new(2, 4, 0);
    uint32_t port;
    mac_table_learn(t, 0, STATION(1), 0, 0);
    mac_table_learn(t, 0, STATION(2), 1, 0);
    mac_table_learn(t, 0, STATION(1), 0, IDLE_MS - 1);
    assert_true(mac_table_find(t, 0, STATION(2), IDLE_MS - 1, &port));
    assert_false(mac_table_find(t, 0, STATION(2), IDLE_MS, &port)); /* before anybody tidies up */
    mac_table_expire(t, IDLE_MS);
    assert_int_equal(mac_table_count(t, 1), 0);
    assert_true(mac_table_find(t, 0, STATION(1), IDLE_MS, &port));
    mac_table_free(t);
}

static void a_station_moves_only_after_its_hold(void **state)
{
    (void)state;
    struct mac_table *t = table_new(2, 4, HOLD_MS);
    uint32_t port;
    mac_table_learn(t, 0, STATION(1), 0, 0);
    assert_int_equal(mac_table_learn(t, 0, STATION(1), 1, HOLD_MS - 1), MAC_HELD);
    assert_true(mac_table_find(t, 0, STATION(1), HOLD_MS, &port));
    assert_int_equal(port, 0);
    assert_int_equal(mac_table_learn(t, 0, STATION(1), 1, HOLD_MS), MAC_MOVED);
    assert_true(mac_table_find(t, 0, STATION(1), HOLD_MS, &port));
    assert_int_equal(port, 1);
    assert_int_equal(mac_table_count(t, 0), 0);
    mac_table_free(t);
    t = table_new(2, 4, 0);
    mac_table_learn(t, 0, STATION(1), 0, 0);
    assert_int_equal(mac_table_learn(t, 0, STATION(1), 1, 0), MAC_MOVED);
    mac_table_free(t);
}

static void a_full_port_leaves_the_others_their_room(void **state)
{
    (void)state;
    struct mac_table *t = table_new(3, 8, 0);
    uint32_t port;
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(mac_table_learn(t, 0, STATION(i), 0, 0), i < 8 ? MAC_NEW : MAC_FULL);
    assert_int_equal(mac_table_count(t, 0), 8);
    assert_true(mac_table_find(t, 0, STATION(3), 0, &port)); /* the old are kept */
    for (uint64_t i = 0; i < 8; i++)
        assert_int_equal(mac_table_learn(t, 0, STATION(5000 + i), 1, 0), MAC_NEW);
    assert_int_equal(mac_table_learn(t, 0, STATION(5000), 0, 0), MAC_FULL); /* nor does a station move there */
    assert_int_equal(mac_table_learn(t, 0, STATION(3), 0, IDLE_MS - 1), MAC_KNOWN);
    assert_int_equal(mac_table_learn(t, 0, STATION(2000), 0, IDLE_MS), MAC_NEW); /* in the place of a silent one */
    mac_table_free(t);
}

static void contradictory_limits_are_refused(void **state)
{
    (void)state;
    struct mac_table *t = NULL;
    struct mac_table_config config = {.max_ports = 0, .max_per_port = 4, .idle_ms = 1};
    assert_int_equal(mac_table_new(&config, &t), -EINVAL);
    config = (struct mac_table_config){.max_ports = UINT32_MAX, .max_per_port = UINT32_MAX, .idle_ms = 1};
    assert_int_equal(mac_table_new(&config, &t), -EINVAL);
    config = (struct mac_table_config){.max_ports = 1, .max_per_port = 1};
    assert_int_equal(mac_table_new(&config, &t), -EINVAL);
    assert_null(t);
    mac_table_free(NULL);
}

/* --- against a naive array --- */

enum { PORTS = 5, PER_PORT = 6, STATIONS = 40 };

struct naive {
    uint64_t heard_ms;
    uint32_t port;
    bool known;
};

static uint32_t naive_count(const struct naive *all, uint32_t port)
{
    uint32_t count = 0;
    for (size_t i = 0; i < STATIONS; i++)
        count += all[i].known && all[i].port == port;
    return count;
}

static void naive_expire(struct naive *all, uint64_t now_ms)
{
    for (size_t i = 0; i < STATIONS; i++)
        if (all[i].known && now_ms - all[i].heard_ms >= IDLE_MS)
            all[i].known = false;
}

static enum mac_learned naive_learn(struct naive *all, size_t i, uint32_t port, uint64_t now_ms)
{
    struct naive *s = &all[i];
    bool is_new = !s->known, moves = s->known && s->port != port;
    if (moves && now_ms - s->heard_ms < HOLD_MS)
        return MAC_HELD;
    if ((is_new || moves) && naive_count(all, port) >= PER_PORT)
        return MAC_FULL;
    if (is_new || now_ms - s->heard_ms >= 1000)
        s->heard_ms = now_ms;
    s->known = true;
    s->port = port;
    return is_new ? MAC_NEW : moves ? MAC_MOVED : MAC_KNOWN;
}

static void equals_a_naive_array(void **state)
{
    (void)state;
    struct mac_table *t = table_new(PORTS, PER_PORT, HOLD_MS);
    struct naive all[STATIONS] = {0};
    struct rng rng;
    uint64_t now_ms = 0;
    uint32_t port;
    rng_init(&rng, 8);
    for (int step = 0; step < 50000; step++) {
        size_t i = rng_below(&rng, STATIONS);
        uint32_t choice = rng_below(&rng, 100);
        now_ms += rng_below(&rng, choice == 99 ? 100000 : 3000);
        mac_table_expire(t, now_ms);
        naive_expire(all, now_ms);
        if (choice < 2) {
            port = rng_below(&rng, PORTS);
            mac_table_forget_port(t, port);
            for (size_t k = 0; k < STATIONS; k++)
                all[k].known = all[k].known && all[k].port != port;
        } else {
            port = rng_below(&rng, PORTS);
            assert_int_equal(mac_table_learn(t, 3, STATION(i), port, now_ms), naive_learn(all, i, port, now_ms));
        }
        i = rng_below(&rng, STATIONS);
        assert_int_equal(mac_table_find(t, 3, STATION(i), now_ms, &port), all[i].known);
        if (all[i].known)
            assert_int_equal(port, all[i].port);
        for (uint32_t p = 0; p < PORTS; p++)
            assert_int_equal(mac_table_count(t, p), naive_count(all, p));
    }
    mac_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_finds_and_forgets),
        cmocka_unit_test(groups_nobody_and_unknown_ports_are_not_learned),
        cmocka_unit_test(the_silent_are_forgotten_and_who_talks_stays),
        cmocka_unit_test(a_station_moves_only_after_its_hold),
        cmocka_unit_test(a_full_port_leaves_the_others_their_room),
        cmocka_unit_test(contradictory_limits_are_refused),
        cmocka_unit_test(equals_a_naive_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
