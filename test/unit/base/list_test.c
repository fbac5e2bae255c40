/* test/unit/base/list_test.c - lists against plain arrays of what should be in them, in order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/list.h"
#include "base/rng.h"

enum { THINGS = 24 };

struct thing {
    struct list_link first; /* at the object's beginning: where an object is not to be told from its link */
    int number;
    struct list_link second;
};
enum { FIRST = offsetof(struct thing, first), SECOND = offsetof(struct thing, second) };

/* The rule a list has to follow. */
struct row {
    struct thing *at[THINGS];
    size_t count;
};

static void row_insert(struct row *r, size_t place, struct thing *t)
{
    memmove(&r->at[place + 1], &r->at[place], (r->count - place) * sizeof r->at[0]);
    r->at[place] = t;
    r->count++;
}

static size_t row_find(const struct row *r, const struct thing *t)
{
    size_t place = 0;
    while (place < r->count && r->at[place] != t)
        place++;
    return place;
}

static void row_remove(struct row *r, size_t place)
{
    r->count--;
    memmove(&r->at[place], &r->at[place + 1], (r->count - place) * sizeof r->at[0]);
}

static struct list_link *link_of(struct thing *t, size_t offset)
{
    return offset == FIRST ? &t->first : &t->second;
}

/* Forward, backward, and both ends. */
static void same(const struct list *list, size_t offset, const struct row *row)
{
    size_t i = 0;
    for (struct thing *t = list_first(list, offset); t != NULL; t = list_next(link_of(t, offset), offset)) {
        assert_true(i < row->count);
        assert_ptr_equal(t, row->at[i++]);
    }
    assert_int_equal(i, row->count);
    for (struct thing *t = list_last(list, offset); t != NULL; t = list_prev(link_of(t, offset), offset)) {
        assert_true(i > 0);
        assert_ptr_equal(t, row->at[--i]);
    }
    assert_int_equal(i, 0);
    assert_true(list_is_empty(list) == (row->count == 0));
}

static void zeros_are_an_empty_list(void **state)
{
    (void)state;
    struct list list;
    memset(&list, 0, sizeof list);
    assert_true(list_is_empty(&list));
    assert_null(list_first(&list, FIRST));
    assert_null(list_first(&list, SECOND));
    assert_null(list_last(&list, SECOND));
}

static void one_step(struct list *list, size_t offset, struct row *row, struct thing *t, struct rng *rng)
{
    size_t place = row_find(row, t);
    if (place < row->count) {
        list_remove(list, link_of(t, offset));
        row_remove(row, place);
        return;
    }
    switch (rng_below(rng, 3)) {
    case 0:
        list_prepend(list, link_of(t, offset));
        row_insert(row, 0, t);
        break;
    case 1:
        list_append(list, link_of(t, offset));
        row_insert(row, row->count, t);
        break;
    default:
        place = rng_below(rng, (uint32_t)row->count + 1);
        list_insert(list, place > 0 ? link_of(row->at[place - 1], offset) : NULL, link_of(t, offset));
        row_insert(row, place, t);
    }
}

/* Each thing is in two lists by two links, in either order: what happens to one list is nothing to the other. */
static void lists_equal_plain_arrays(void **state)
{
    (void)state;
    struct thing things[THINGS] = {0};
    struct list lists[2] = {0};
    struct row rows[2] = {0};
    struct rng rng;
    rng_init(&rng, 7);
    for (int step = 0; step < 50000; step++) {
        unsigned which = rng_below(&rng, 2);
        uint32_t some = step < 10000 ? 2 : THINGS; /* with few they are often empty */
        one_step(&lists[which], which == 0 ? FIRST : SECOND, &rows[which], &things[rng_below(&rng, some)], &rng);
        same(&lists[0], FIRST, &rows[0]);
        same(&lists[1], SECOND, &rows[1]);
    }
}

/* As the header's second loop does it; what left has its link overwritten, as memory given back may be. */
static void objects_may_leave_while_their_list_is_walked(void **state)
{
    (void)state;
    for (unsigned leaving = 0; leaving < 1u << 5; leaving++) {
        struct thing things[5] = {0};
        struct list list = {0};
        struct row left = {0};
        for (int i = 0; i < 5; i++) {
            things[i].number = i;
            list_append(&list, &things[i].second);
            if ((leaving >> i & 1) == 0)
                row_insert(&left, left.count, &things[i]);
        }
        int seen = 0;
        for (struct thing *t = list_first(&list, SECOND), *next; t != NULL; t = next) {
            next = list_next(&t->second, SECOND);
            assert_int_equal(t->number, seen++);
            if ((leaving >> t->number & 1) == 0)
                continue;
            list_remove(&list, &t->second);
            memset(&t->second, 0xee, sizeof t->second);
        }
        assert_int_equal(seen, 5);
        same(&list, SECOND, &left);
    }
}

static void a_list_may_be_moved(void **state)
{
    (void)state;
    struct thing a = {0}, b = {0};
    struct list list = {0}, moved;
    struct row row = {{&a, &b}, 2};
    list_append(&list, &a.second);
    list_append(&list, &b.second);
    moved = list;
    memset(&list, 0xee, sizeof list);
    same(&moved, SECOND, &row);
    list_remove(&moved, &a.second);
    list_remove(&moved, &b.second);
    assert_true(list_is_empty(&moved));
    assert_null(list_last(&moved, SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_an_empty_list),
        cmocka_unit_test(lists_equal_plain_arrays),
        cmocka_unit_test(objects_may_leave_while_their_list_is_walked),
        cmocka_unit_test(a_list_may_be_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
