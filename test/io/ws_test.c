/* io/ws_test.c - accepted websockets before a peer made by hand: framing, limits, closing, rude peers, re-entrancy */
#include "ws_lab.h"

/* The whole end of a connection, from the peer's side. */
static void leave(struct lab *lab, struct peer *p)
{
    peer_frame(p, 0x88, "\x03\xe8", 2, true, 100);
    peer_expect_close(p, 1000);
    lab_until(lab->loop, peer_ended(p) && lab->in.closed == 1);
    assert_int_equal(lab->in.code, 1000);
    peer_free(p);
}

static void messages_arrive_whatever_the_pieces(void **state)
{
    struct lab *lab = *state;
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 200000};
    static uint8_t text[200000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 + i / 251);
    struct peer *p = peer_ws(lab->loop, lab->port);
    lab->in.echo = true;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t len = sizes[i], pieces[] = {1, 3, 1000, 1 << 20};
        for (size_t k = len > 5000 ? 2 : 0; k < 4; k++) {
            peer_frame(p, 0x82, text, len, true, pieces[k]);
            peer_expect(p, 0x82, text, len); /* unmasked, one frame */
        }
    }
    assert_int_equal(lab->in.opened, 0);
    leave(lab, p);
}

static void fragments_are_one_message_and_control_frames_may_come_between(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_ws(lab->loop, lab->port);
    lab->in.echo = true;
    peer_frame(p, 0x01, "a", 1, true, 100);
    peer_frame(p, 0x00, "b", 1, true, 100);
    peer_frame(p, 0x89, "ping", 4, true, 100);
    peer_expect(p, 0x8a, "ping", 4);
    peer_frame(p, 0x8a, "", 0, true, 100);
    peer_frame(p, 0x00, "", 0, true, 100);
    assert_int_equal(lab->in.messages, 0);
    peer_frame(p, 0x80, "", 0, true, 100); /* an empty end still ends the message */
    peer_expect(p, 0x81, "ab", 2);
    assert_int_equal(lab->in.messages, 1);
    assert_int_equal(lab->in.opcode, WS_TEXT);
    leave(lab, p);
}

static void frames_in_the_segment_of_the_request_are_not_lost(void **state)
{
    struct lab *lab = *state;
    uint8_t all[512];
    size_t at = sizeof lab_handshake - 1;
    memcpy(all, lab_handshake, at);
    at += frame_make(all + at, 0x82, "early", 5, true);
    at += frame_make(all + at, 0x82, "bird", 4, true);
    struct peer *p = peer_connect(lab->loop, lab->port);
    lab->in.echo = true;
    peer_send(p, all, at - 3, sizeof all);
    peer_send(p, all + at - 3, 3, 1);
    peer_opened(p);
    peer_expect(p, 0x82, "early", 5);
    peer_expect(p, 0x82, "bird", 4);
    leave(lab, p);
}

/* What must not be said, and the code it is answered with. */
static void misbehaviour_closes_with_its_code(void **state)
{
    struct lab *lab = *state;
    static const struct {
        const char *name, *bytes;
        size_t len;
        unsigned code;
        bool silent; /* wslay sends its close frame without a code */
    } bad[] = {
        {"unmasked", "\x82\x01z", 3, 1002, false},
        {"reserved bit", "\xc2\x80\0\0\0\0", 6, 1002, false},
        {"reserved opcode", "\x83\x80\0\0\0\0", 6, 1002, false},
        {"continuation of nothing", "\x80\x80\0\0\0\0", 6, 1002, false},
        {"new message within a message", "\x02\x81\0\0\0\0a\x82\x81\0\0\0\0b", 14, 1002, false},
        {"fragmented ping", "\x09\x80\0\0\0\0", 6, 1002, true},
        {"long ping", "\x89\xfe\0\x7e\0\0\0\0", 8, 1002, true},
        {"length of 2^63", "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0z", 15, 1002, true},
        {"2^40 bytes announced", "\x82\xff\0\0\1\0\0\0\0\0\0\0\0\0z", 15, 1009, false},
        {"close code 1005", "\x88\x82\0\0\0\0\x03\xed", 8, 1002, false},
        {"text that is no UTF-8", "\x81\x82\0\0\0\0\xff\xff", 8, 1007, false},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t piece = 1; piece <= 100; piece += 99) {
            struct peer *p = peer_ws(lab->loop, lab->port);
            struct frame f = {0};
            lab->in.closed = 0;
            lab->in.have = 0;
            peer_send(p, bad[i].bytes, bad[i].len, piece);
            lab_until(lab->loop, frame_take(p, &f) || peer_ended(p));
            unsigned code = f.len >= 2 ? (unsigned)(f.data[0] << 8 | f.data[1]) : 0;
            if (f.first != 0x88 || code != (bad[i].silent ? 0 : bad[i].code))
                fail_msg("%s in pieces of %zu: closed with %02x %u", bad[i].name, piece, f.first, code);
            lab_until(lab->loop, peer_ended(p));
            shutdown(p->fd, SHUT_WR);
            lab_until(lab->loop, lab->in.closed == 1);
            assert_int_equal(lab->in.code, bad[i].code);
            peer_free(p);
        }
    }
}

static void garbage_ends_the_connection_and_nothing_else(void **state)
{
    struct lab *lab = *state;
    uint8_t noise[2000];
    unsigned seed = 1;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
        struct peer *p = peer_ws(lab->loop, lab->port);
        lab->in.closed = 0;
        lab->in.have = 0;
        peer_send(p, noise, sizeof noise, 1 + seed % 700);
        shutdown(p->fd, SHUT_WR);
        lab_until(lab->loop, peer_ended(p) && lab->in.closed == 1);
        peer_free(p);
    }
}

static void a_lost_connection_is_reported_in_words(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_ws(lab->loop, lab->port);
    struct linger hard = {1, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* reset */
    peer_free(p);
    lab_until(lab->loop, lab->in.closed == 1);
    assert_int_equal(lab->in.code, WS_CLOSE_ABNORMAL);
    p = peer_ws(lab->loop, lab->port);
    shutdown(p->fd, SHUT_WR);
    lab_until(lab->loop, lab->in.closed == 2 && peer_ended(p));
    assert_int_equal(lab->in.code, WS_CLOSE_ABNORMAL);
    peer_free(p);
}

static void the_peers_code_and_reason_are_handed_on(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_ws(lab->loop, lab->port);
    peer_frame(p, 0x88, "\x0f\xa3wrong key", 11, true, 100);
    peer_expect_close(p, 4003);
    lab_until(lab->loop, lab->in.closed == 1);
    assert_int_equal(lab->in.code, WS_CLOSE_WRONG_KEY);
    assert_string_equal(lab->in.reason, "wrong key");
    peer_free(p);
}

static void closing_from_inside_the_data_callback(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_ws(lab->loop, lab->port);
    lab->in.close_on_data = true;
    lab->in.send_on_close = true;
    uint8_t two[64];
    size_t at = frame_make(two, 0x82, "one", 3, true);
    at += frame_make(two + at, 0x82, "two", 3, true);
    peer_send(p, two, at, at);
    peer_expect_close(p, 4001);
    assert_int_equal(lab->in.have, 3); /* nothing more after ws_close() */
    peer_frame(p, 0x88, "\x0f\xa1", 2, true, 100);
    lab_until(lab->loop, lab->in.closed == 1);
    assert_int_equal(lab->in.code, 4001);
    peer_free(p);
}

static void a_peer_that_never_answers_the_close_is_left_after_3_s(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_ws(lab->loop, lab->port);
    uint64_t start = io_now_us();
    ws_close(lab->in.ws, 4001, "enough");
    ws_close(lab->in.ws, 4002, "twice is harmless");
    peer_expect_close(p, 4001);
    lab_until(lab->loop, lab->in.closed == 1);
    assert_in_range(io_now_us() - start, 2900000, 4500000);
    assert_int_equal(lab->in.code, 4001); /* who closed keeps its own word */
    assert_string_equal(lab->in.reason, "enough");
    peer_free(p);
}

static void a_peer_that_never_reads_is_bounded_and_told_when_drained(void **state)
{
    struct lab *lab = *state;
    static uint8_t block[60000];
    struct peer *p = peer_ws(lab->loop, lab->port);
    size_t sent = 0;
    int failed = 0;
    while (failed == 0 && sent < 64 << 20) {
        failed = ws_send(lab->in.ws, WS_BINARY, block, sizeof block);
        sent += failed ? 0 : sizeof block;
    }
    assert_int_equal(failed, -ENOBUFS);
    assert_in_range(ws_backlog(lab->in.ws), 7 << 20, 8 << 20);
    size_t got = 0; /* reading again, nothing is missing or cut */
    lab_until(lab->loop, (peer_poll(p), got += p->have, p->have = 0, got == sent + sent / sizeof block * 4));
    lab_until(lab->loop, lab->in.drained == 1);
    assert_int_equal(ws_backlog(lab->in.ws), 0);
    leave(lab, p);
}

static void a_corked_websocket_collects(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_ws(lab->loop, lab->port);
    ws_cork(lab->in.ws);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ws_send(lab->in.ws, WS_BINARY, (const uint8_t *)"abcd", 4), 0);
    assert_int_equal(ws_backlog(lab->in.ws), 100 * 6);
    for (int i = 0; i < 20; i++)
        lab_turn(lab->loop);
    peer_poll(p);
    assert_int_equal(p->have, 0);
    ws_uncork(lab->in.ws);
    lab_until(lab->loop, (peer_poll(p), p->have == 100 * 6));
    assert_int_equal(ws_backlog(lab->in.ws), 0);
    p->have = 0;
    ws_send(lab->in.ws, WS_BINARY, (const uint8_t *)"abcd", 4); /* at once again */
    lab_until(lab->loop, (peer_poll(p), p->have == 6));
    p->have = 0;
    leave(lab, p);
}

static void a_full_backlog_does_not_outlive_the_close(void **state)
{
    struct lab *lab = *state;
    static uint8_t block[1 << 20];
    struct peer *p = peer_ws(lab->loop, lab->port);
    while (ws_send(lab->in.ws, WS_BINARY, block, sizeof block) == 0) {
    }
    send(p->fd, "\x88\x82\0\0\0\0\x03\xe8", 8, MSG_NOSIGNAL); /* goodbye, but it never reads */
    uint64_t start = io_now_us();
    while (lab->in.closed == 0 && io_now_us() < start + 6000000)
        lab_turn(lab->loop);
    assert_int_equal(lab->in.closed, 1);
    assert_int_equal(lab->in.code, 1000);
    peer_free(p);
}

static void pings_to_a_peer_that_never_reads_are_bounded(void **state)
{
    struct lab *lab = *state;
    static uint8_t pings[131 * 1000];
    static const uint8_t payload[125];
    struct peer *p = peer_ws(lab->loop, lab->port);
    size_t len = 0, most = 0;
    for (int i = 0; i < 1000; i++)
        len += frame_make(pings + len, 0x89, payload, sizeof payload, true);
    for (int i = 0; i < 200000 && lab->in.closed == 0; i++) {
        if (send(p->fd, pings, len, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            break;
        lab_turn(lab->loop);
        if (lab->in.closed == 0 && ws_backlog(lab->in.ws) > most)
            most = ws_backlog(lab->in.ws);
    }
    assert_int_equal(lab->in.closed, 1);
    assert_true(most <= 9 << 20);
    peer_free(p);
}

static void a_paused_websocket_holds_the_peer_back(void **state)
{
    struct lab *lab = *state;
    static uint8_t block[100000];
    struct peer *p = peer_ws(lab->loop, lab->port);
    lab_until(lab->loop, lab->in.ws != NULL);
    ws_pause(lab->in.ws);
    ws_pause(lab->in.ws);
    uint8_t *frame = malloc(sizeof block + 14);
    size_t len = frame_make(frame, 0x82, block, sizeof block, true), at = 0;
    for (int i = 0; i < 200; i++) {
        ssize_t n = send(p->fd, frame + at, len - at, MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        at = at == len ? 0 : at;
        lab_turn(lab->loop);
    }
    assert_int_equal(lab->in.have, 0);
    ws_resume(lab->in.ws);
    lab_until(lab->loop, lab->in.messages > 0);
    ws_pause(lab->in.ws);
    uint64_t start = io_now_us();
    ws_close(lab->in.ws, 1000, "done"); /* hears the answer although it was paused */
    peer_send(p, frame + at, at > 0 ? len - at : 0, len);
    peer_frame(p, 0x88, "\x03\xe8", 2, true, 100);
    lab_until(lab->loop, lab->in.closed == 1);
    assert_true(io_now_us() - start < 2000000);
    free(frame);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(messages_arrive_whatever_the_pieces),
        T(fragments_are_one_message_and_control_frames_may_come_between),
        T(frames_in_the_segment_of_the_request_are_not_lost),
        T(misbehaviour_closes_with_its_code),
        T(garbage_ends_the_connection_and_nothing_else),
        T(a_lost_connection_is_reported_in_words),
        T(the_peers_code_and_reason_are_handed_on),
        T(closing_from_inside_the_data_callback),
        T(a_peer_that_never_answers_the_close_is_left_after_3_s),
        T(a_peer_that_never_reads_is_bounded_and_told_when_drained),
        T(a_corked_websocket_collects),
        T(a_full_backlog_does_not_outlive_the_close),
        T(pings_to_a_peer_that_never_reads_are_bounded),
        T(a_paused_websocket_holds_the_peer_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
