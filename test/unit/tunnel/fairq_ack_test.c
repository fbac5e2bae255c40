/* tunnel/fairq_ack_test.c - acknowledgements that wait one behind the other */
#include "fairq_lab.h"

enum { EACH = 2896 };

static struct build ack_of(uint32_t ack)
{
    return (struct build){.proto = 6, .src_port = 80, .dst_port = 61000, .seq = 500, .ack = ack, .flags = TCP_ACK};
}

static uint32_t taken_ack(const struct fix *f)
{
    return build_get32(f->out + 28);
}

static void of_acknowledgements_that_wait_the_last_goes(void **state)
{
    (void)state;
    struct fix f;
    start(&f, 1 << 20);
    for (uint32_t i = 0; i < 20; i++) {
        struct build b = ack_of(1000 + i * EACH);
        assert_true(push(&f, &b, 0, SECOND));
    }
    assert_int_equal(f.q.packets, 1);
    assert_int_equal(f.q.bytes, 40);
    assert_int_equal(f.q.acks_joined, 19);
    assert_int_equal(take(&f, 1500, SECOND), 40);
    assert_int_equal(taken_ack(&f), 1000 + 19 * EACH);
    assert_int_equal(take(&f, 1500, SECOND), 0);
    finish(&f);
}

/* What went before is no longer there to be replaced; and one never stands for more than a network card would join. */
static void one_acknowledges_no_more_than_joined_segments_are_long(void **state)
{
    (void)state;
    struct fix f;
    uint32_t last = 1000;
    size_t count = 0;
    start(&f, 1 << 20);
    for (uint32_t i = 0; i < 100; i++) {
        struct build b = ack_of(1000 + i * EACH);
        assert_true(push(&f, &b, 0, SECOND));
    }
    for (; take(&f, 1500, SECOND) > 0; count++) {
        assert_true(taken_ack(&f) - last <= 65536 + EACH);
        last = taken_ack(&f);
    }
    assert_int_equal(last, 1000 + 99 * EACH);
    assert_int_equal(count, 5);
    finish(&f);
}

static void nothing_overtakes_and_nothing_but_acknowledgements_is_replaced(void **state)
{
    (void)state;
    struct fix f;
    struct build first = ack_of(1000), data = ack_of(1000), second = ack_of(2000), same = ack_of(2000), third = ack_of(3000);
    data.payload_len = 100, data.flags = TCP_ACK | TCP_PSH;
    start(&f, 1 << 20);
    push(&f, &first, 0, SECOND), push(&f, &data, 0, SECOND), push(&f, &second, 0, SECOND), push(&f, &same, 0, SECOND);
    push(&f, &third, 0, 2 * SECOND);
    static const uint32_t acks[] = {1000, 1000, 2000, 3000};
    static const size_t lens[] = {40, 140, 40, 40};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(take(&f, 1500, 2 * SECOND), lens[i]);
        assert_int_equal(taken_ack(&f), acks[i]);
    }
    assert_int_equal(take(&f, 1500, 2 * SECOND), 0);
    assert_int_equal(f.q.acks_joined, 1); /* the duplicate by the third: what it told of, a gap, is filled */
    finish(&f);
}

static void flows_keep_their_own(void **state)
{
    (void)state;
    struct fix f;
    start(&f, 1 << 20);
    for (uint32_t i = 0; i < 10; i++) {
        struct build a = ack_of(1000 + i * EACH), b = ack_of(1000 + i * EACH);
        b.dst_port = 61001;
        push_as(&f, 7, &a, SECOND), push_as(&f, 7, &b, SECOND); /* in one queue: neither takes the other's place */
    }
    assert_int_equal(f.q.packets, 20);
    assert_int_equal(f.q.acks_joined, 0);
    finish(&f);
}

/* One whose checksum is the kernel's to finish goes as that; take() looks at the checksum. */
static void what_is_known_of_the_last_goes_with_it(void **state)
{
    (void)state;
    struct fix f;
    start(&f, 1 << 20);
    for (int partial = 0; partial < 3; partial++) {
        struct build first = ack_of(1000), last = ack_of(2000);
        first.partial_csum = partial % 2 == 0, last.partial_csum = partial % 2 == 1;
        push(&f, &first, 0, SECOND), push(&f, &last, 0, SECOND);
        assert_int_equal(take(&f, 1500, SECOND), 40);
        assert_int_equal(f.offload.partial, last.partial_csum);
        assert_int_equal(taken_ack(&f), 2000);
    }
    assert_int_equal(f.q.acks_joined, 3);
    finish(&f);
}

/* Whose first bytes may be those of an IP packet by chance: here the receiver's address begins with 45. */
static void frames_are_no_acknowledgements(void **state)
{
    (void)state;
    struct fix f;
    start(&f, 1 << 20);
    f.q.ether = true;
    for (uint32_t i = 0; i < 10; i++) {
        struct build b = ack_of(1000 + i * EACH);
        push_as(&f, 7, &b, SECOND);
    }
    assert_int_equal(f.q.packets, 10);
    assert_int_equal(f.q.acks_joined, 0);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_acknowledgements_that_wait_the_last_goes),
        cmocka_unit_test(one_acknowledges_no_more_than_joined_segments_are_long),
        cmocka_unit_test(nothing_overtakes_and_nothing_but_acknowledgements_is_replaced),
        cmocka_unit_test(flows_keep_their_own),
        cmocka_unit_test(what_is_known_of_the_last_goes_with_it),
        cmocka_unit_test(frames_are_no_acknowledgements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
