/* Paths and sessions: what crosses them, and when. */
#include "session_lab.h"

static void packets_cross_in_batches_and_are_acknowledged(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, true), *b = end_new(false, true);
    (void)state;
    fixture_init(&f);
    session_attach(&f.s, &a->path);
    give(&f, 12, 1000, SECOND);
    session_flush(&f.s, SECOND);
    assert_int_equal(a->messages, 1);
    assert_int_equal(carry(a, b, SECOND + 10), 0);
    assert_int_equal(b->packets, 12);
    path_flush(&b->path, NULL, SECOND + 20);
    assert_int_equal(b->messages, 1);
    assert_int_equal(carry(b, a, SECOND + 30), 0);
    assert_true(a->path.window.acked == 12 * 1004);
    path_flush(&b->path, NULL, SECOND + 40);
    assert_int_equal(b->messages, 1); /* nothing new: no second acknowledgement */
    session_detach(&f.s, &a->path, SECOND);
    fixture_done(&f);
    end_free(a);
    end_free(b);
}

/* Segments that nobody joined travel as one packet; what does not follow does not. */
static void segments_in_a_row_become_one_packet(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, true), *b = end_new(false, true);
    (void)state;
    fixture_init(&f);
    session_attach(&f.s, &a->path);
    for (uint16_t i = 0; i < 6; i++) {
        struct build segment = {.proto = 6, .seq = 1000u * i, .id = i, .flags = TCP_ACK, .payload_len = 1000};
        segment.seq += i > 3 ? 1 : 0; /* a gap before the fifth */
        struct pbuf *p = pbuf_get(f.pool, 1040);
        p->len = (uint32_t)build_packet(p->data, &segment);
        session_send(&f.s, p, SECOND);
    }
    session_flush(&f.s, SECOND);
    assert_int_equal(carry(a, b, SECOND + 10), 0);
    assert_int_equal(b->packets, 2);
    assert_int_equal(b->packet_bytes, 40 + 4000 + 40 + 2000);
    assert_true(b->offload.seg_len == 1000 && b->offload.partial);
    assert_true(build_right(b->packet, true));
    assert_int_equal(build_get32(b->packet + 24), 4001);
    path_flush(&b->path, NULL, SECOND + 20000);
    assert_int_equal(carry(b, a, SECOND + 20000), 0);
    assert_true(a->path.window.sent == a->path.window.acked);
    session_detach(&f.s, &a->path, SECOND);
    fixture_done(&f);
    end_free(a);
    end_free(b);
}

/* A session carries Ethernet or IP; what the far end says in the other's frames ends the path. */
static void ethernet_crosses_whole_and_apart_from_packets(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, true), *b = end_new(false, true);
    uint8_t frame[64];
    (void)state;
    fixture_init(&f);
    session_carry_ether(&f.s);
    session_attach(&f.s, &a->path);
    assert_true(a->path.ether);
    give(&f, 3, 1518, SECOND);
    session_flush(&f.s, SECOND);
    assert_int_equal(a->wire[0], FRAME_ETHER);
    b->path.ether = true;
    assert_int_equal(carry(a, b, SECOND + 10), 0);
    assert_int_equal(b->packets, 3);
    assert_int_equal(b->packet_bytes, 3 * 1518);
    struct build large = {.proto = 6, .flags = TCP_ACK, .payload_len = 40 * 1000, .partial_csum = true};
    struct pbuf *p = pbuf_get(f.pool, PBUF_LARGE);
    memcpy(p->data, "\x02\0\0\0\0\x09\x02\0\0\0\0\x08\x08\0", 14);
    p->len = 14 + (uint32_t)build_packet(p->data + 14, &large);
    p->offload = (struct offload){1000, true};
    assert_true(session_send(&f.s, p, SECOND));
    session_flush(&f.s, SECOND + 10);
    assert_int_equal(a->wire[0], FRAME_LARGE);
    assert_int_equal(carry(a, b, SECOND + 20), 0);
    assert_true(b->packets > 3 && b->packets <= 13); /* not forty more */
    assert_true(b->offload.seg_len == 1000 && b->offload.partial && build_right(b->packet + 14, true));
    struct frame_node node = {.version = FRAME_VERSION, .from = 7, .to = 9, .name = "attic\n"};
    assert_int_equal(path_receive(&b->path, frame, frame_put_node(frame, &node), SECOND), 0);
    assert_int_equal(b->nodes, 1);
    frame_put_header(frame, FRAME_PACKET, 20);
    assert_int_equal(path_receive(&b->path, frame, 24, SECOND), -EPROTO);
    end_free(b);
    b = end_new(false, true);
    frame_put_header(frame, FRAME_ETHER, 20);
    assert_int_equal(path_receive(&b->path, frame, 24, SECOND), -EPROTO);
    session_detach(&f.s, &a->path, SECOND);
    fixture_done(&f);
    end_free(a);
    end_free(b);
}

static void no_more_than_the_window_leaves(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, true), *b = end_new(false, true);
    (void)state;
    fixture_init(&f);
    session_attach(&f.s, &a->path);
    give(&f, 1000, 1400, SECOND);
    session_flush(&f.s, SECOND);
    assert_true(a->wire_len < WINDOW_INITIAL + 1404); /* the last packet may exceed it */
    assert_true(a->wire_len >= WINDOW_INITIAL);
    size_t before = a->path.sent_packets;
    session_flush(&f.s, SECOND + 1);
    assert_int_equal(a->path.sent_packets, before);
    assert_int_equal(carry(a, b, SECOND + 100), 0);
    path_flush(&b->path, NULL, SECOND + 100);
    assert_int_equal(carry(b, a, SECOND + 200), 0);
    session_flush(&f.s, SECOND + 200);
    assert_true(a->path.sent_packets > before);
    session_detach(&f.s, &a->path, SECOND);
    fixture_done(&f);
    end_free(a);
    end_free(b);
}

static void nothing_is_forwarded_before_the_session_is_agreed(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, false);
    uint8_t frame[FRAME_HEADER_LEN + 4] = {FRAME_PACKET, 0, 0, 4, 1, 2, 3, 4};
    (void)state;
    fixture_init(&f);
    session_attach(&f.s, &a->path);
    give(&f, 3, 100, SECOND);
    session_flush(&f.s, SECOND);
    assert_int_equal(a->wire_len, 0);
    assert_int_equal(path_receive(&a->path, frame, sizeof frame, SECOND), -EPROTO);
    assert_int_equal(a->packets, 0);
    session_detach(&f.s, &a->path, SECOND);
    fixture_done(&f);
    end_free(a);
}

static void a_congested_carrier_holds_packets_back(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, true), *p = end_new(true, true);
    (void)state;
    fixture_init(&f);
    session_attach(&f.s, &a->path);
    a->congested = p->congested = true;
    give(&f, 3, 100, SECOND);
    session_flush(&f.s, SECOND);
    assert_int_equal(a->wire_len, 0);
    session_attach(&f.s, &p->path);
    session_flush(&f.s, SECOND);
    assert_int_equal(p->wire_len, 0);
    p->congested = false;
    session_flush(&f.s, SECOND);
    assert_int_equal(p->messages, 3); /* plain: a message a packet */
    assert_int_equal(p->wire_len, 300);
    session_detach(&f.s, &a->path, SECOND);
    session_detach(&f.s, &p->path, SECOND);
    fixture_done(&f);
    end_free(a);
    end_free(p);
}

static void the_newest_path_is_used_and_an_older_one_takes_over(void **state)
{
    struct fixture f;
    struct end *e[SESSION_PATHS_MAX + 1];
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < SESSION_PATHS_MAX; i++) {
        e[i] = end_new(false, true);
        e[i]->path.heard_us = SECOND * (i + 1);
        assert_null(session_attach(&f.s, &e[i]->path));
        assert_ptr_equal(f.s.active, &e[i]->path);
    }
    session_detach(&f.s, &e[3]->path, 9 * SECOND);
    assert_ptr_equal(f.s.active, &e[2]->path);
    session_attach(&f.s, &e[3]->path);
    e[4] = end_new(false, true);
    assert_ptr_equal(session_attach(&f.s, &e[4]->path), &e[0]->path); /* the one unheard for longest makes room */
    assert_int_equal(f.s.path_count, SESSION_PATHS_MAX);
    for (size_t i = 0; i <= SESSION_PATHS_MAX; i++) {
        session_detach(&f.s, &e[i]->path, 10 * SECOND);
        end_free(e[i]);
    }
    assert_null(f.s.active);
    assert_true(f.s.detached_us == 10 * SECOND);
    fixture_done(&f);
}

static void a_stale_path_is_left_for_a_live_one(void **state)
{
    struct fixture f;
    struct end *old = end_new(false, true), *live = end_new(false, true);
    (void)state;
    fixture_init(&f);
    session_attach(&f.s, &live->path);
    session_attach(&f.s, &old->path);
    uint64_t now = 10 * SECOND;
    assert_true(path_tick(&old->path, now)); /* pings, and hears nothing */
    live->path.heard_us = now + PATH_STALE_US;
    assert_false(session_choose(&f.s, now + PATH_STALE_US - 1));
    assert_true(session_choose(&f.s, now + PATH_STALE_US + 1));
    assert_ptr_equal(f.s.active, &live->path);
    assert_int_equal(live->wire[0], FRAME_ACTIVATE);
    assert_true(path_tick(&old->path, old->path.heard_us + PATH_DEAD_US));
    assert_false(path_tick(&old->path, old->path.heard_us + PATH_DEAD_US + 1));
    session_detach(&f.s, &old->path, now);
    session_detach(&f.s, &live->path, now);
    fixture_done(&f);
    end_free(old);
    end_free(live);
}

static void pings_measure_the_round_trip(void **state)
{
    struct end *a = end_new(false, true), *b = end_new(false, true);
    (void)state;
    assert_true(path_tick(&a->path, 10 * SECOND));
    assert_int_equal(carry(a, b, 10 * SECOND + 20000), 0);
    assert_int_equal(carry(b, a, 10 * SECOND + 40000), 0);
    assert_true(a->path.rtt_us == 40000);
    assert_false(path_is_stale(&a->path, 10 * SECOND + 2 * PATH_STALE_US));
    end_free(a);
    end_free(b);
}

static void old_packets_are_dropped_from_the_head(void **state)
{
    struct fixture f;
    struct end *a = end_new(false, true);
    (void)state;
    fixture_init(&f);
    give(&f, 2, 100, SECOND);
    give(&f, 3, 100, SECOND + SESSION_QUEUE_AGE_US);
    session_attach(&f.s, &a->path);
    session_flush(&f.s, SECOND + SESSION_QUEUE_AGE_US + 5);
    assert_int_equal(a->path.sent_packets, 3);
    assert_int_equal(f.s.queue.dropped_old, 2);
    session_detach(&f.s, &a->path, SECOND);
    fixture_done(&f);
    end_free(a);
}

static void the_queue_drops_its_oldest_beyond_its_bound(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f);
    give(&f, SESSION_QUEUE_BYTES / 2000 + 10, 2000, SECOND);
    assert_true(f.s.queue.held <= SESSION_QUEUE_BYTES && f.s.queue.held > SESSION_QUEUE_BYTES / 2);
    assert_int_equal(f.s.queue.dropped_full + f.s.queue.packets, SESSION_QUEUE_BYTES / 2000 + 10);
    fixture_done(&f);
}

static void a_broken_peer_ends_the_path(void **state)
{
    struct end *a = end_new(false, true);
    uint8_t ack[16], short_hello[] = {FRAME_HELLO, 0, 0, 3, 1, 2, 3}, unknown[] = {200, 0, 0, 2, 1, 2};
    (void)state;
    frame_put_ack(ack, &(struct frame_ack){.bytes = 1});
    assert_int_equal(path_receive(&a->path, ack, sizeof ack, SECOND), -EPROTO);
    assert_int_equal(path_receive(&a->path, short_hello, sizeof short_hello, SECOND), -EPROTO);
    assert_int_equal(path_receive(&a->path, unknown, sizeof unknown, SECOND), 0);
    end_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_cross_in_batches_and_are_acknowledged),
        cmocka_unit_test(segments_in_a_row_become_one_packet),
        cmocka_unit_test(ethernet_crosses_whole_and_apart_from_packets),
        cmocka_unit_test(no_more_than_the_window_leaves),
        cmocka_unit_test(nothing_is_forwarded_before_the_session_is_agreed),
        cmocka_unit_test(a_congested_carrier_holds_packets_back),
        cmocka_unit_test(the_newest_path_is_used_and_an_older_one_takes_over),
        cmocka_unit_test(a_stale_path_is_left_for_a_live_one),
        cmocka_unit_test(pings_measure_the_round_trip),
        cmocka_unit_test(old_packets_are_dropped_from_the_head),
        cmocka_unit_test(the_queue_drops_its_oldest_beyond_its_bound),
        cmocka_unit_test(a_broken_peer_ends_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
