/* test/io/priority_test.c - before whom a process gets the processor, by what it was told and by what it may */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/priority.h"

enum { USUAL = 6 };

static int niceness(void)
{
    return getpriority(PRIO_PROCESS, 0);
}

static int begin_at(int nice)
{
    return setpriority(PRIO_PROCESS, 0, nice);
}

static int as_before(void **state)
{
    (void)state;
    return seteuid(0) == 0 ? begin_at(0) : -1;
}

static void it_goes_before_others_untold(void **state)
{
    struct err err = {0};
    (void)state;
    assert_int_equal(priority_raise(-1, USUAL, &err), 0);
    assert_int_equal(niceness(), -USUAL);
}

static void as_far_as_it_is_told(void **state)
{
    struct err err = {0};
    (void)state;
    assert_int_equal(priority_raise(3, USUAL, &err), 0);
    assert_int_equal(niceness(), -3);
    assert_int_equal(priority_raise(PRIORITY_MOST, USUAL, &err), 0);
    assert_int_equal(niceness(), -PRIORITY_MOST);
    assert_int_equal(priority_raise(0, USUAL, &err), 0);
    assert_int_equal(niceness(), 0);
}

static void who_chose_already_is_heard(void **state)
{
    struct err err = {0};
    (void)state;
    for (int chosen = -4; chosen <= 7; chosen += 11) {
        assert_int_equal(begin_at(chosen), 0);
        assert_int_equal(priority_raise(-1, USUAL, &err), 0);
        assert_int_equal(niceness(), chosen);
    }
    assert_int_equal(priority_raise(2, USUAL, &err), 0); /* but what it is told counts more */
    assert_int_equal(niceness(), -2);
}

static void who_may_not_goes_on_as_any_other_unless_told(void **state)
{
    struct err err = {0};
    (void)state;
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(priority_raise(-1, USUAL, &err), 0);
    assert_int_equal(err.text[0], '\0');
    assert_int_equal(niceness(), 0);
    int rc = priority_raise(5, USUAL, &err);
    assert_true(rc == -EACCES || rc == -EPERM);
    assert_non_null(strstr(err.text, "--priority 5: "));
    assert_non_null(strstr(err.text, "sudo"));
    assert_int_equal(priority_raise(0, USUAL, &err), 0); /* that anybody may */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_goes_before_others_untold, as_before),
        cmocka_unit_test_teardown(as_far_as_it_is_told, as_before),
        cmocka_unit_test_teardown(who_chose_already_is_heard, as_before),
        cmocka_unit_test_teardown(who_may_not_goes_on_as_any_other_unless_told, as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
