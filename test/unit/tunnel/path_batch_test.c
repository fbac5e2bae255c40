/* What leaves in one message, and what does not wait for the next. */
#include "session_lab.h"

#include "tunnel/ip_flow.h"

/* What a browser carries fast goes in few messages; on any other path nobody waits. */
static void messages_of_a_fast_path_are_a_millisecond_apart(void **state)
{
    (void)state;
    for (int fast = 0; fast < 2; fast++) {
        struct fixture f;
        struct end *a = end_new(false, true);
        fixture_init(&f);
        session_attach(&f.s, &a->path);
        a->path.acker.rate = fast ? WINDOW_FAST + 1 : WINDOW_FAST; /* what arrives counts as well as what leaves */
        for (uint64_t us = 0; us < 3000; us += 100) { /* one packet each 100 µs: TCP's acknowledgements */
            give(&f, 1, 100, SECOND + us);
            session_flush(&f.s, SECOND + us);
            if (fast && us % 1000 != 0)
                assert_int_equal(session_due_us(&f.s), SECOND + us / 1000 * 1000 + PATH_BATCH_US);
        }
        assert_int_equal(a->messages, fast ? 3 : 30);
        session_flush(&f.s, SECOND + 3000);
        assert_int_equal(a->path.sent_packets, 30); /* and nothing is left behind */
        session_detach(&f.s, &a->path, SECOND);
        end_free(a);
        fixture_done(&f);
    }
}

/* Nor do the few packets on a fast path that somebody waits for; a flood of such does. */
static void an_urgent_packet_makes_a_message_of_its_own(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, true);
    (void)state;
    fixture_init(&f);
    session_attach(&f.s, &a->path);
    a->path.acker.rate = WINDOW_FAST + 1;
    for (uint64_t us = 0; us < 8000; us += 100) {
        give(&f, 1, 100, SECOND + us);
        if (us == 500 || us == 700 || us == 5300)
            give_one(&f, 100, 17, SECOND + us);
        session_flush(&f.s, SECOND + us);
        if (us == 500 || us == 5300)
            assert_int_equal(f.s.queue.packets, 0);
        else if (us == 700)
            assert_int_equal(session_due_us(&f.s), SECOND + 500 + PATH_BATCH_US); /* the urgent one before was just now */
    }
    assert_in_range(a->messages, 9, 10);
    session_detach(&f.s, &a->path, SECOND);
    end_free(a);
    fixture_done(&f);
}

static void what_is_urgent_is_little_and_no_tcp_but_its_handshake(void **state)
{
    uint8_t packet[257] = {0x45};
    (void)state;
    packet[9] = 17;
    assert_true(ip_flow_is_urgent(packet, 256));
    assert_false(ip_flow_is_urgent(packet, 257));
    assert_false(ip_flow_is_urgent(packet, 19));
    packet[9] = 6;
    packet[20 + 13] = TCP_ACK;
    assert_false(ip_flow_is_urgent(packet, 52));
    packet[20 + 13] = TCP_SYN | TCP_ACK;
    assert_true(ip_flow_is_urgent(packet, 60));
    assert_false(ip_flow_is_urgent(packet, 33)); /* the flags are not there */
    packet[9] = 17;
    packet[0] = 0x60;
    assert_false(ip_flow_is_urgent(packet, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_a_fast_path_are_a_millisecond_apart),
        cmocka_unit_test(an_urgent_packet_makes_a_message_of_its_own),
        cmocka_unit_test(what_is_urgent_is_little_and_no_tcp_but_its_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
