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

struct item {
    struct hash_node node;
    uint32_t key;
    bool inside;
};

static struct item *find(const struct hash *hash, uint32_t value, uint32_t key)
{
    for (struct hash_node *n = hash_first(hash, value); n != NULL; n = hash_next(n))
        if (((struct item *)n)->key == key)
            return (struct item *)n;
    return NULL;
}

/* Values collide fully (key % 7), by bucket and not at all; the table is smaller than what it holds. */
static void hash_equals_a_naive_array(void **state)
{
    (void)state;
    static struct item items[300];
    struct hash hash;
    struct rng rng;
    size_t count = 0;
    rng_init(&rng, 3);
    memset(items, 0, sizeof items);
    assert_int_equal(hash_init(&hash, 64), 0);
    for (int step = 0; step < 20000; step++) {
        uint32_t key = rng_below(&rng, 300);
        uint32_t value = key < 100 ? key % 7 : key < 200 ? key * 64 : key;
        assert_ptr_equal(find(&hash, value, key), items[key].inside ? &items[key] : NULL);
        if (items[key].inside) {
            hash_remove(&hash, &items[key].node);
            count--;
        } else {
            items[key].key = key;
            hash_add(&hash, &items[key].node, value);
            count++;
        }
        items[key].inside = !items[key].inside;
        assert_int_equal(hash.count, count);
    }
    hash_done(&hash);
    hash_done(&hash);
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
