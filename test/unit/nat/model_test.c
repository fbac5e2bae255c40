/* test/unit/nat/model_test.c - random packets from both sides: the NAT does what the naive reference says, always */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nat/model.h"

static void nat_equals_the_naive_reference(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    unsigned forwarded = 0, answered = 0, hairpins = 0, errors = 0, returned = 0, reassembled = 0, killed = 0, connected = 0, refused = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t random = seed * 0x9e3779b97f4a7c15ULL;
        static struct model m;
        memset(&m, 0, sizeof m);
        build_rand_bytes(&random, bytes, sizeof bytes);
        model_run(&m, bytes, sizeof bytes);
        forwarded += m.forwarded;
        answered += m.answered;
        hairpins += m.hairpins;
        errors += m.errors;
        returned += m.returned;
        connected += m.connected;
        refused += m.refused;
        reassembled += m.reassembled;
        killed += m.killed;
    }
    print_message("forwarded %u answered %u hairpins %u errors %u returned %u reassembled %u killed %u\n", forwarded, answered, hairpins, errors, returned,
                  reassembled, killed);
    assert_true(forwarded > 10000 && answered > 10000 && hairpins > 100 && errors > 1000);
    assert_true(returned > 1000 && reassembled > 500 && killed > 1000 && connected > 500 && refused > 500);
}

/* Found by fuzzing: the outside's connection begins at 25, and an old segment of it from below zero still fits the window (RFC 9293 section 3.4). */
static void reference_counts_past_the_end_of_sequence_numbers(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
        0,                                  /* the seed */
        100, 0, 16, 1, 0, 1, 0, 0, 0,       /* the inside's SYN */
        0, 0, 25, 0, 0, 18, 25, 0, 33, 25,  /* the outside's, in three pieces */
        130, 0, 16, 1, 0, 0, 0, 1, 172, 0,  /* an acknowledgement, 70000 before the edge of the window */
    };
    static struct model m;
    memset(&m, 0, sizeof m);
    model_run(&m, bytes, sizeof bytes);
    assert_int_equal(m.reassembled, 1);
    assert_int_equal(m.answered, 1);
    assert_int_equal(m.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nat_equals_the_naive_reference),
        cmocka_unit_test(reference_counts_past_the_end_of_sequence_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
