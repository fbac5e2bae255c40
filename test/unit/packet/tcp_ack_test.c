/* packet/tcp_ack_test.c - which acknowledgements say all that an older one says, and which say something else too */
#include "tether/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"
#include "guard.h"

static const uint8_t stamped[] = {1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 2, 0}, stamped_later[] = {1, 1, 8, 10, 0, 0, 1, 5, 0, 0, 2, 9};
static const uint8_t stamped_before[] = {1, 1, 8, 10, 0, 0, 0, 255, 0, 0, 2, 0};
static const uint8_t stamped_last[] = {1, 1, 8, 10, 0xff, 0xff, 0xff, 0xf0, 0, 0, 2, 0}, stamped_first[] = {1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 2, 0};
static const uint8_t stamped_and_more[] = {1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 2, 0, 1, 1, 1, 1};
static const uint8_t sack[] = {1, 1, 5, 10, 0, 0, 9, 0, 0, 0, 10, 0}, padded[] = {8, 10, 0, 0, 1, 5, 0, 0, 2, 9, 1, 1};

static struct build ack_of(uint32_t ack, const uint8_t *options)
{
    return (struct build){.proto = 6, .src_port = 80, .dst_port = 61000, .seq = 500, .ack = ack, .flags = TCP_ACK, .tcp_options = options,
                          .tcp_options_len = options != NULL ? 12 : 0};
}

static uint32_t judge(const struct build *older, const struct build *newer)
{
    uint8_t a[200], b[200];
    size_t a_len = build_packet(a, older), b_len = build_packet(b, newer);
    return tcp_ack_supersedes(a, a_len, b, b_len);
}

static void a_later_acknowledgement_says_it_all(void **state)
{
    (void)state;
    struct build a = ack_of(1000, NULL), b = ack_of(3896, NULL);
    assert_int_equal(judge(&a, &b), 2896);
    a = ack_of(0xfffffff0, stamped), b = ack_of(16, stamped_later); /* numbers wrap */
    assert_int_equal(judge(&a, &b), 32);
    b = ack_of(16, stamped); /* within one tick */
    assert_int_equal(judge(&a, &b), 32);
    a.partial_csum = b.partial_csum = true;
    assert_int_equal(judge(&a, &b), 32);
    a.tcp_options = stamped_last, b.tcp_options = stamped_first; /* the clock wraps, too */
    assert_int_equal(judge(&a, &b), 32);
    a.frag = b.frag = 0x4000; /* DF, as most are */
    assert_int_equal(judge(&a, &b), 32);
}

static void neither_duplicates_nor_what_comes_late_says_it_all(void **state)
{
    (void)state;
    struct build a = ack_of(1000, stamped), b = ack_of(1000, stamped_later);
    assert_int_equal(judge(&a, &b), 0); /* a duplicate, or a window's update: both count */
    b = ack_of(999, stamped_later);
    assert_int_equal(judge(&a, &b), 0);
    b = ack_of(2000, stamped_before);
    assert_int_equal(judge(&a, &b), 0);
}

static void what_says_more_than_an_acknowledgement_stays(void **state)
{
    (void)state;
    static const uint8_t flags[] = {TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN, TCP_ACK | TCP_SYN, TCP_ACK | TCP_RST, TCP_ACK | TCP_URG, TCP_ACK | TCP_ECE,
                                    TCP_ACK | TCP_CWR, 0};
    for (size_t i = 0; i < sizeof flags; i++) {
        struct build a = ack_of(1000, stamped), b = ack_of(2000, stamped_later);
        a.flags = flags[i];
        assert_int_equal(judge(&a, &b), 0);
        a.flags = TCP_ACK, b.flags = flags[i];
        assert_int_equal(judge(&a, &b), 0);
    }
    struct build a = ack_of(1000, stamped), b = ack_of(2000, stamped_later), strange[] = {a, a, a, a, a, a, a};
    strange[0].tcp_options = sack;
    strange[1].tcp_options = padded;
    strange[2].payload_len = 1;
    strange[3].frag = 0x2000;
    strange[4].ip_options = (const uint8_t *)"\1\1\1\1", strange[4].ip_options_len = 4;
    strange[5].proto = 17;
    strange[6].tcp_options_len = 0;
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        assert_int_equal(judge(&strange[i], &b), 0);
        strange[i].ack = 2000;
        assert_int_equal(judge(&a, &strange[i]), 0);
    }
}

/* Both of one kind: no difference between them gives it away. */
static void two_strange_ones_stay_as_well(void **state)
{
    (void)state;
    static const struct {
        uint8_t at, value;
    } strange[] = {{0, 0x65}, {0, 0x46}, {3, 51}, {6, 0x20}, {7, 1}, {9, 17}, {32, 0x50}, {33, TCP_ACK | TCP_PSH}, {40, 0}};
    uint8_t a[52], b[52];
    struct build older = ack_of(1000, stamped), newer = ack_of(2000, stamped_later);
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        build_packet(a, &older), build_packet(b, &newer);
        assert_int_equal(tcp_ack_supersedes(a, 52, b, 52), 1000);
        a[strange[i].at] = b[strange[i].at] = strange[i].value;
        assert_int_equal(tcp_ack_supersedes(a, 52, b, 52), 0);
    }
    older.tcp_options = newer.tcp_options = stamped_and_more;
    older.tcp_options_len = newer.tcp_options_len = sizeof stamped_and_more;
    assert_int_equal(judge(&older, &newer), 0);
}

static void only_of_one_connection_and_direction(void **state)
{
    (void)state;
    struct build a = ack_of(1000, NULL), other[] = {a, a, a, a, a, a};
    other[0].src = 0x0a000002;
    other[1].dst = 0xc0000251;
    other[2].src_port = 81;
    other[3].dst_port = 61001;
    other[4].seq = 501; /* something was sent in between */
    other[5].tos = 3;   /* the network was congested */
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        other[i].ack = 2000;
        assert_int_equal(judge(&a, &other[i]), 0);
    }
}

static void a_window_may_open_but_not_close(void **state)
{
    (void)state;
    uint8_t a[40], b[40];
    struct build older = ack_of(1000, NULL), newer = ack_of(2000, NULL);
    build_packet(a, &older), build_packet(b, &newer);
    build_put16(a + 34, 1000), build_put16(b + 34, 1001);
    assert_int_equal(tcp_ack_supersedes(a, 40, b, 40), 1000);
    build_put16(b + 34, 999);
    assert_int_equal(tcp_ack_supersedes(a, 40, b, 40), 0);
    build_put16(b + 34, 1000);
    b[32] |= 1; /* accurate ECN */
    assert_int_equal(tcp_ack_supersedes(a, 40, b, 40), 0);
}

static void nothing_is_read_beyond_a_packet(void **state)
{
    (void)state;
    uint8_t a[200];
    struct build b = ack_of(1000, stamped);
    struct guard guard;
    size_t len = build_packet(a, &b);
    guard_init(&guard, len);
    for (size_t cut = 0; cut < len; cut++) {
        const uint8_t *at = guard_place(&guard, a, cut);
        assert_int_equal(tcp_ack_supersedes(at, cut, at, cut), 0);
        assert_int_equal(tcp_ack_supersedes(at, cut, a, len), 0);
        assert_int_equal(tcp_ack_supersedes(a, len, at, cut), 0);
    }
    guard_done(&guard);
}

/* What has no timestamps is not asked for them. */
static void a_bare_one_is_read_to_its_end(void **state)
{
    (void)state;
    uint8_t a[40], b[40];
    struct build older = ack_of(1000, NULL), newer = ack_of(2000, NULL);
    struct guard one, two;
    assert_int_equal(build_packet(a, &older), 40);
    assert_int_equal(build_packet(b, &newer), 40);
    guard_init(&one, 40);
    guard_init(&two, 40);
    assert_int_equal(tcp_ack_supersedes(guard_place(&one, a, 40), 40, guard_place(&two, b, 40), 40), 1000);
    guard_done(&one);
    guard_done(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_acknowledgement_says_it_all),
        cmocka_unit_test(neither_duplicates_nor_what_comes_late_says_it_all),
        cmocka_unit_test(what_says_more_than_an_acknowledgement_stays),
        cmocka_unit_test(two_strange_ones_stay_as_well),
        cmocka_unit_test(only_of_one_connection_and_direction),
        cmocka_unit_test(a_window_may_open_but_not_close),
        cmocka_unit_test(nothing_is_read_beyond_a_packet),
        cmocka_unit_test(a_bare_one_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
