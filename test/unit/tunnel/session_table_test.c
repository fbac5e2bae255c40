/* The server's table of sessions: who is found, who is forgotten, and that each gets his turn. */
#include "base/rng.h"
#include "session_lab.h"

static size_t ended_count;
static void on_ended(void *ctx, struct session *s)
{
    (void)ctx, (void)s;
    ended_count++;
}

static void sessions_are_found_by_token_and_forgotten_in_time(void **state)
{
    struct pbuf_pool *pool;
    struct session_table *t;
    uint8_t token[FRAME_TOKEN_LEN] = {0};
    bool resumed;
    (void)state;
    ended_count = 0;
    assert_int_equal(pbuf_pool_new(1 << 20, &pool), 0);
    assert_int_equal(session_table_new(3, 60 * SECOND, pool, on_ended, NULL, &t), 0);
    struct session *first = session_table_open(t, token, SECOND, &resumed);
    assert_false(resumed);
    assert_ptr_equal(session_table_open(t, token, SECOND, &resumed), first);
    assert_true(resumed);
    uint32_t id = first->id;
    for (uint8_t i = 1; i < 3; i++) {
        token[0] = i;
        assert_non_null(session_table_open(t, token, 30 * SECOND, &resumed));
    }
    token[0] = 9;
    assert_null(session_table_open(t, token, SECOND, &resumed)); /* full: the new is refused, the old stay */
    assert_ptr_equal(session_table_by_id(t, id), first);
    session_table_expire(t, 62 * SECOND);
    assert_int_equal(ended_count, 1);
    assert_null(session_table_by_id(t, id));
    struct session *next = session_table_open(t, token, 62 * SECOND, &resumed);
    assert_non_null(next);
    assert_int_not_equal(next->id, id); /* the slot's next owner never inherits flows */
    assert_null(session_table_by_id(t, 0));
    session_table_free(t);
    assert_int_equal(ended_count, 4);
    pbuf_pool_free(pool);
}

enum { LAPTOPS = 6, STEPS = 2000 };

/* A session of the table with a plain path, which sends each packet as a message. */
struct laptop {
    struct session *session; /* NULL: not there */
    struct path path;
    size_t sent, turn; /* messages of the last flush, and when the last one went */
};
static size_t turns;

static int laptop_send(void *ctx, const uint8_t *data, size_t len)
{
    struct laptop *l = ctx;
    (void)data, (void)len;
    l->sent++;
    l->turn = turns++;
    return 0;
}
static bool laptop_congested(void *ctx)
{
    (void)ctx;
    return false;
}
static const struct path_ops laptop_ops = {.send = laptop_send, .congested = laptop_congested};

struct table_fixture {
    struct pbuf_pool *pool;
    struct session_table *t;
    struct laptop laptop[LAPTOPS];
};

static void table_init(struct table_fixture *f)
{
    *f = (struct table_fixture){0};
    assert_int_equal(pbuf_pool_new(1 << 20, &f->pool), 0);
    assert_int_equal(session_table_new(LAPTOPS, 0, f->pool, on_ended, NULL, &f->t), 0);
}

static void come(struct table_fixture *f, size_t number, uint64_t now_us)
{
    struct laptop *l = &f->laptop[number];
    uint8_t token[FRAME_TOKEN_LEN] = {(uint8_t)number};
    bool resumed;
    l->session = session_table_open(f->t, token, now_us, &resumed);
    assert_non_null(l->session);
    assert_false(resumed);
    assert_int_equal(path_init(&l->path, true, &laptop_ops, l, now_us), 0);
    assert_null(session_attach(l->session, &l->path));
}

static void go(struct table_fixture *f, size_t number, uint64_t now_us)
{
    struct laptop *l = &f->laptop[number];
    session_detach(l->session, &l->path, now_us);
    path_done(&l->path);
    session_table_expire(f->t, now_us + 1);
    l->session = NULL;
}

static void table_done(struct table_fixture *f, uint64_t now_us)
{
    for (size_t i = 0; i < LAPTOPS; i++)
        if (f->laptop[i].session != NULL)
            go(f, i, now_us);
    session_table_free(f->t);
    assert_int_equal(pbuf_pool_lent(f->pool), 0);
    pbuf_pool_free(f->pool);
}

/* A packet for each, which must leave at once. @return who was first */
static size_t serve_all(struct table_fixture *f, uint64_t now_us)
{
    size_t first = LAPTOPS;
    for (size_t i = 0; i < LAPTOPS; i++) {
        struct laptop *l = &f->laptop[i];
        if (l->session == NULL)
            continue;
        struct pbuf *b = pbuf_get(f->pool, 128);
        assert_non_null(b);
        b->len = (uint32_t)build_packet(b->data, &(struct build){.proto = 17, .payload_len = 100});
        l->sent = 0;
        assert_true(session_send(l->session, b, now_us));
    }
    session_table_flush(f->t, now_us);
    for (size_t i = 0; i < LAPTOPS; i++) {
        if (f->laptop[i].session == NULL)
            continue;
        assert_int_equal(f->laptop[i].sent, 1);
        if (first == LAPTOPS || f->laptop[i].turn < f->laptop[first].turn)
            first = i;
    }
    return first;
}

static void everybody_is_served_whoever_came_and_went(void **state)
{
    struct table_fixture f;
    struct rng rng;
    size_t there = 0;
    (void)state;
    rng_init(&rng, 7);
    table_init(&f);
    for (uint64_t now_us = SECOND; now_us <= STEPS * (uint64_t)SECOND; now_us += SECOND) {
        size_t who = rng_below(&rng, LAPTOPS);
        if (f.laptop[who].session == NULL) {
            come(&f, who, now_us);
            there++;
        } else {
            go(&f, who, now_us);
            there--;
        }
        assert_int_equal(session_table_count(f.t), there);
        assert_null(session_table_at(f.t, there));
        assert_true(there == 0 || session_table_at(f.t, there - 1) != NULL);
        for (size_t i = 0; i < LAPTOPS; i++) {
            const struct session *s = f.laptop[i].session;
            assert_true(s == NULL || session_table_by_id(f.t, s->id) == s);
        }
        serve_all(&f, now_us);
    }
    table_done(&f, STEPS * (uint64_t)SECOND);
}

static void each_time_another_one_is_first(void **state)
{
    struct table_fixture f;
    bool was_first[LAPTOPS] = {false};
    (void)state;
    table_init(&f);
    for (size_t i = 0; i < 4; i++)
        come(&f, i, SECOND);
    go(&f, 3, SECOND);
    for (size_t i = 0; i < 3; i++)
        was_first[serve_all(&f, SECOND + i)] = true;
    assert_true(was_first[0] && was_first[1] && was_first[2]);
    table_done(&f, 2 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_found_by_token_and_forgotten_in_time),
        cmocka_unit_test(everybody_is_served_whoever_came_and_went),
        cmocka_unit_test(each_time_another_one_is_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
