/* base/pbuf_test.c - the pool's bounds and accounts */
#include "base/pbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

enum { SMALLS = 10 };

static void buffers_have_the_room_they_say_and_headroom(void **state)
{
    (void)state;
    struct pbuf_pool *pool;
    assert_int_equal(pbuf_pool_new(1 << 20, &pool), 0);
    static const size_t asked[] = {0, 1, PBUF_TINY, PBUF_TINY + 1, PBUF_SMALL, PBUF_SMALL + 1, 65535, PBUF_LARGE};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct pbuf *b = pbuf_get(pool, asked[i]);
        assert_non_null(b);
        assert_true(b->cap >= asked[i] && b->len == 0 && b->next == NULL);
        assert_int_equal(b->cap, asked[i] <= PBUF_TINY ? PBUF_TINY : asked[i] <= PBUF_SMALL ? PBUF_SMALL : PBUF_LARGE);
        memset(b->data - PBUF_HEADROOM, 0x5a, PBUF_HEADROOM + b->cap); /* ASan watches the ends */
        pbuf_put(pool, b);
    }
    assert_null(pbuf_get(pool, PBUF_LARGE + 1));
    assert_int_equal(pbuf_pool_lent(pool), 0);
    pbuf_pool_free(pool);
}

static void a_buffer_given_back_comes_again_as_new(void **state)
{
    (void)state;
    struct pbuf_pool *pool;
    assert_int_equal(pbuf_pool_new(1 << 20, &pool), 0);
    struct pbuf *b = pbuf_get(pool, 100), *other = pbuf_get(pool, 100);
    b->len = 77;
    b->next = other;
    b->offload = (struct offload){1460, true};
    pbuf_put(pool, b);
    struct pbuf *again = pbuf_get(pool, 100);
    assert_ptr_equal(again, b); /* nothing is allocated per packet */
    assert_true(again->len == 0 && again->next == NULL && again->offload.seg_len == 0 && !again->offload.partial);
    pbuf_put(pool, again);
    pbuf_put(pool, other);
    pbuf_put(pool, NULL);
    pbuf_pool_free(pool);
    pbuf_pool_free(NULL);
}

static void the_pool_lends_so_much_and_no_more(void **state)
{
    (void)state;
    struct pbuf_pool *pool;
    struct pbuf *b[SMALLS];
    assert_int_equal(pbuf_pool_new(SMALLS * PBUF_SMALL, &pool), 0);
    for (int i = 0; i < SMALLS; i++) {
        b[i] = pbuf_get(pool, PBUF_SMALL);
        assert_non_null(b[i]);
        assert_int_equal(pbuf_pool_lent(pool), (size_t)(i + 1) * PBUF_SMALL);
    }
    assert_null(pbuf_get(pool, 1));
    pbuf_put(pool, b[3]);
    assert_null(pbuf_get(pool, PBUF_LARGE)); /* room for one small one is none for a large one */
    b[3] = pbuf_get(pool, 1);
    assert_non_null(b[3]);
    for (int i = 0; i < SMALLS; i++)
        pbuf_put(pool, b[i]);
    assert_int_equal(pbuf_pool_lent(pool), 0);
    pbuf_pool_free(pool);
}

static void a_flood_of_large_buffers_is_given_back_to_the_system(void **state)
{
    (void)state;
    enum { MANY = 100 };
    struct pbuf_pool *pool;
    struct pbuf *b[MANY];
    assert_int_equal(pbuf_pool_new((size_t)MANY * PBUF_LARGE, &pool), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            b[i] = pbuf_get(pool, PBUF_LARGE);
            assert_non_null(b[i]);
        }
        for (int i = 0; i < MANY; i++)
            pbuf_put(pool, b[i]);
        assert_int_equal(pbuf_pool_lent(pool), 0);
    }
    pbuf_pool_free(pool); /* the leak checker of the ASan run counts */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_have_the_room_they_say_and_headroom),
        cmocka_unit_test(a_buffer_given_back_comes_again_as_new),
        cmocka_unit_test(the_pool_lends_so_much_and_no_more),
        cmocka_unit_test(a_flood_of_large_buffers_is_given_back_to_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
