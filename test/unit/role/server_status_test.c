/* test/unit/role/server_status_test.c - what `tether status` says of a server with more laptops than it lists */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

/* roles are no library */
#include "../../../src/role/link_status.c"
#include "../../../src/role/server_status.c"
#include "../../../src/role/session_status.c"

/* Of the paths here none has a carrier. */
struct carrier *carrier_of(struct path *path)
{
    return path->ctx;
}

bool carrier_is_fed(const struct carrier *c)
{
    return c != NULL;
}

enum { LISTED = 32, MAX = 256, CAP = 16 * 1024 /* as the control socket has */ };

static void on_ended(void *ctx, struct session *s)
{
    (void)ctx;
    (void)s;
}

static json_int_t number(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

static json_t *status_of(size_t count, bool busy)
{
    static char text[CAP];
    static struct path path;
    const struct server_counters counters = {
        .link = {.pair = {.capture = "packet", .inject = "packet", .injected = {.whole = 7}}, .has_pair = true, .captured_merged = 5}};
    const struct nat_stats nat = {.flows = 64000, .mappings = 1000};
    struct session_table *table;
    struct pbuf_pool *pool;
    bool resumed;
    assert_int_equal(pbuf_pool_new(1 << 20, &pool), 0);
    assert_int_equal(session_table_new(MAX, 1, pool, on_ended, NULL, &table), 0);
    for (size_t k = 0; k < count; k++) {
        const uint8_t token[FRAME_TOKEN_LEN] = {(uint8_t)k, (uint8_t)(k >> 8), 1};
        struct session *s = session_table_open(table, token, 0, &resumed);
        assert_non_null(s);
        if (!busy)
            continue;
        s->active = &path;
        s->sent_bytes = s->received_bytes = UINT64_C(1) << 50;
        path.rtt_us = path.window.rate = path.window.size = path.window.pace = path.window.queue_us = path.window.target_us = UINT64_C(1) << 50;
        s->queue.dropped_codel = s->queue.dropped_full = s->queue.dropped_old = s->queue.dropped_memory = s->queue.marked = UINT64_C(1) << 50;
        memset(s->peer, 'x', sizeof s->peer - 1);
    }
    int len = server_status_json(&counters, table, &nat, text, sizeof text);
    assert_true(len > 0);
    json_t *json = json_loadb(text, (size_t)len, 0, NULL);
    assert_non_null(json);
    session_table_free(table);
    pbuf_pool_free(pool);
    return json;
}

/* The list is bounded, the counts are of all, and it is said how many are missing. */
static void status_counts_the_sessions_it_does_not_list(void **state)
{
    static const size_t counts[] = {0, 1, LISTED, LISTED + 1, 100, MAX};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_t *json = status_of(counts[i], false);
        const size_t listed = counts[i] < LISTED ? counts[i] : LISTED;
        assert_int_equal(number(json, "session_count"), counts[i]);
        assert_int_equal(json_array_size(json_object_get(json, "sessions")), listed);
        assert_int_equal(number(json, "sessions_left_out"), counts[i] - listed);
        assert_true((json_object_get(json, "sessions_left_out") != NULL) == (counts[i] > LISTED));
        assert_int_equal(number(json, "flows"), 64000);
        assert_int_equal(number(json_object_get(json, "captured"), "merged"), 5);
        assert_int_equal(number(json_object_get(json, "injected"), "whole"), 7);
        json_decref(json);
    }
}

/* Busy sessions have long numbers: fewer fit, and there is an answer all the same. */
static void status_lists_fewer_sessions_rather_than_none(void **state)
{
    (void)state;
    json_t *json = status_of(MAX, true);
    const size_t listed = json_array_size(json_object_get(json, "sessions"));
    assert_in_range(listed, 8, LISTED - 1);
    assert_int_equal(number(json, "session_count"), MAX);
    assert_int_equal(number(json, "sessions_left_out"), MAX - listed);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_counts_the_sessions_it_does_not_list),
        cmocka_unit_test(status_lists_fewer_sessions_rather_than_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
