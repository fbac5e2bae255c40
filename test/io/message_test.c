/* io/message_test.c - messages, cut anywhere, come out whole, or are lost as one */
#include "io/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"

enum { MAX = 40 };
static const uint8_t bytes[2 * MAX + 1] = "The quick brown fox jumps over the lazy dog, and what it says is: 0123456789.";

static void a_piece_that_is_a_message_is_not_copied(void **state)
{
    (void)state;
    struct message m = {.max = MAX};
    struct span whole = {0};
    assert_int_equal(message_add(&m, bytes, MAX, true, &whole), 1);
    assert_ptr_equal(whole.data, bytes);
    assert_int_equal(whole.len, MAX);
    assert_int_equal(message_add(&m, bytes, 0, false, &whole), 0); /* nor when an empty frame goes before it */
    assert_int_equal(message_add(&m, bytes + 3, 5, true, &whole), 1);
    assert_ptr_equal(whole.data, bytes + 3);
    assert_int_equal(message_add(&m, NULL, 0, true, &whole), 1);
    assert_int_equal(whole.len, 0);
    assert_null(m.data);
    message_done(&m);
}

/* Every way to cut a message of so many bytes in up to three pieces, one after the other in one gatherer. */
static void a_message_cut_anywhere_comes_out_whole(void **state)
{
    (void)state;
    struct message m = {.max = MAX};
    struct span whole;
    for (size_t len = 0; len <= MAX; len++) {
        for (size_t first = 0; first <= len; first++) {
            for (size_t second = first; second <= len; second++) {
                assert_int_equal(message_add(&m, bytes, first, false, &whole), 0);
                assert_int_equal(message_add(&m, bytes + first, second - first, false, &whole), 0);
                whole = (struct span){0};
                assert_int_equal(message_add(&m, bytes + second, len - second, true, &whole), 1);
                assert_int_equal(whole.len, len);
                assert_memory_equal(whole.data, bytes, len);
            }
        }
    }
    message_done(&m);
}

/* However it is cut: told once, with the piece that is too much; the rest swallowed; the next message whole. */
static void one_too_long_is_told_once_and_hurts_no_other(void **state)
{
    (void)state;
    struct message m = {.max = MAX};
    struct rng rng;
    rng_init(&rng, 3);
    for (int round = 0; round < 20000; round++) {
        struct span whole = {0};
        size_t len = rng_below(&rng, 2 * MAX + 1), at = 0;
        int told = 0, came = 0;
        bool fin = false;
        while (!fin) {
            size_t n = rng_below(&rng, (uint32_t)(len - at) + 1);
            if (rng_below(&rng, 4) == 0)
                n = len - at;
            fin = at + n == len && rng_below(&rng, 3) > 0; /* else an empty last frame */
            int got = message_add(&m, bytes + at, n, fin, &whole);
            at += n;
            assert_true(got == 0 || got == (told + came == 0 && at > MAX ? -EMSGSIZE : 1));
            told += got < 0;
            came += got > 0;
        }
        assert_int_equal(told, len > MAX);
        assert_int_equal(came, len <= MAX);
        if (came > 0) {
            assert_int_equal(whole.len, len);
            assert_memory_equal(whole.data, bytes, len);
        }
    }
    message_done(&m);
}

static void what_begins_anew_forgets_the_half_message(void **state)
{
    (void)state;
    struct message m = {.max = MAX};
    struct span whole;
    assert_int_equal(message_add(&m, bytes, 10, false, &whole), 0);
    message_restart(&m);
    assert_int_equal(message_add(&m, bytes + 20, 4, true, &whole), 1);
    assert_ptr_equal(whole.data, bytes + 20);
    assert_int_equal(message_add(&m, bytes, MAX + 1, false, &whole), -EMSGSIZE);
    message_restart(&m);
    assert_int_equal(message_add(&m, bytes, MAX, true, &whole), 1);
    assert_int_equal(whole.len, MAX);
    message_done(&m);
    message_done(&m);
    assert_int_equal(message_add(&m, bytes, 10, false, &whole), 0); /* and it may be used again */
    message_done(&m);
}

/* Read by the address sanitizer where it is built in: to be refused memory is what is tested here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void without_memory_only_what_is_in_pieces_is_lost(void **state)
{
    (void)state;
    struct message m = {.max = PTRDIFF_MAX}; /* so much malloc() has not */
    struct span whole;
    assert_int_equal(message_add(&m, bytes, 10, true, &whole), 1);
    assert_int_equal(message_add(&m, bytes, 10, false, &whole), -ENOMEM);
    assert_int_equal(message_add(&m, bytes, 10, false, &whole), 0);
    assert_int_equal(message_add(&m, bytes, 10, true, &whole), 0);
    assert_int_equal(message_add(&m, bytes, 10, true, &whole), 1);
    message_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_that_is_a_message_is_not_copied),
        cmocka_unit_test(a_message_cut_anywhere_comes_out_whole),
        cmocka_unit_test(one_too_long_is_told_once_and_hurts_no_other),
        cmocka_unit_test(what_begins_anew_forgets_the_half_message),
        cmocka_unit_test(without_memory_only_what_is_in_pieces_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
