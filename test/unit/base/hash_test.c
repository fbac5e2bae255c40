/* test/unit/base/hash_test.c - the hash table and the object pool against naive arrays */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/hash.h"
#include "base/pool.h"
#include "base/rng.h"

enum { ITEMS = 300 };

struct item {
    uint32_t key;
};

static struct item *find(const struct hash *hash, uint32_t value, uint32_t key)
{
    struct hash_walk w;
    for (struct item *item = hash_first(hash, value, &w); item != NULL; item = hash_next(hash, &w))
        if (item->key == key)
            return item;
    return NULL;
}

/* Values collide fully, by their place at the table's end and beginning, by neighbourhood and not at all. */
static uint32_t value_of(uint32_t key)
{
    return key < 100 ? UINT32_MAX - key % 7 : key < 200 ? key * 1024 - 3 : key;
}

static void hash_equals_a_naive_array(void **state)
{
    (void)state;
    struct item *items[ITEMS] = {0};
    struct pool pool;
    struct hash hash;
    struct rng rng;
    uint32_t count = 0;
    rng_init(&rng, 3);
    assert_int_equal(pool_init(&pool, sizeof(struct item), ITEMS), 0);
    assert_int_equal(hash_init(&hash, &pool), 0);
    for (int step = 0; step < 40000; step++) {
        bool growing = step / 2000 % 2 == 0; /* to full and to empty */
        uint32_t key = rng_below(&rng, ITEMS), value = value_of(key);
        assert_ptr_equal(find(&hash, value, key), items[key]);
        if (items[key] != NULL && !growing) {
            hash_remove(&hash, items[key], value);
            pool_return(&pool, items[key]);
            items[key] = NULL;
            count--;
        } else if (items[key] == NULL && growing) {
            items[key] = pool_lend(&pool);
            assert_non_null(items[key]);
            items[key]->key = key;
            hash_add(&hash, items[key], value);
            count++;
        }
        assert_int_equal(hash.count, count);
    }
    for (uint32_t key = 0; key < ITEMS; key++)
        assert_ptr_equal(find(&hash, value_of(key), key), items[key]);
    hash_done(&hash);
    hash_done(&hash);
    pool_done(&pool);
}

static void pool_lends_each_object_once_and_zeroed(void **state)
{
    (void)state;
    struct pool pool;
    uint64_t *lent[8];
    assert_int_equal(pool_init(&pool, sizeof(uint64_t) * 2, 8), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            lent[i] = pool_lend(&pool);
            assert_non_null(lent[i]);
            assert_true(lent[i][0] == 0 && lent[i][1] == 0);
            assert_ptr_equal(pool_at(&pool, pool_number(&pool, lent[i])), lent[i]);
            assert_true(pool_number(&pool, lent[i]) < 8);
            lent[i][0] = lent[i][1] = UINT64_MAX;
            for (int j = 0; j < i; j++)
                assert_ptr_not_equal(lent[i], lent[j]);
        }
        assert_null(pool_lend(&pool));
        assert_int_equal(pool.lent, 8);
        for (int i = 0; i < 8; i++)
            pool_return(&pool, lent[(i * 3) % 8]);
        assert_int_equal(pool.lent, 0);
    }
    pool_done(&pool);
    pool_done(&pool);
    assert_int_equal(pool_init(&pool, 8, 0), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_equals_a_naive_array),
        cmocka_unit_test(pool_lends_each_object_once_and_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
