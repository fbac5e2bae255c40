/* io/ws_feed_test.c - a websocket whose page takes what is sent as the body of an HTTP answer: who gets one, what goes where, and how either ends */
#include "ws_lab.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"
enum { MANY = 300 * 1024, FEEDS_MAX = 128 };

static const char handshake[] = "GET /websocket?feed=" TOKEN " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static uint8_t many[MANY];

static void on_fed_websocket(void *ctx, const char *path, struct ws *ws)
{
    on_websocket(ctx, path, ws);
    ws_allow_feed(ws);
    ws_allow_feed(ws); /* twice is harmless */
}

static const struct http_handlers fed_handlers = {.takes_websocket = takes_websocket, .websocket = on_fed_websocket};

static int set_up_fed(void **state)
{
    set_up(state);
    struct lab *lab = *state;
    http_server_close(lab->server);
    assert_int_equal(http_server_open(lab->loop, "127.0.0.1", 0, &fed_handlers, lab, &lab->server, NULL), 0);
    lab->port = http_server_port(lab->server);
    for (size_t i = 0; i < MANY; i++)
        many[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

#define F(name) cmocka_unit_test_setup_teardown(name, set_up_fed, tear_down)

/* --- the page --- */

static struct peer *open_ws(struct lab *lab, const char *words)
{
    struct peer *p = peer_connect(lab->loop, lab->port);
    peer_say(p, words);
    peer_opened(p);
    return p;
}

static struct peer *get(struct lab *lab, const char *line)
{
    struct peer *p = peer_connect(lab->loop, lab->port);
    peer_say(p, line);
    peer_say(p, " HTTP/1.1\r\nHost: a\r\n\r\n");
    lab_until(lab->loop, peer_sees(p, "\r\n\r\n"));
    return p;
}

#define GET(token) "GET /websocket?feed=" token

/* The feed up to its first word, which is read away. */
static struct peer *get_feed(struct lab *lab)
{
    struct peer *p = get(lab, GET(TOKEN));
    assert_memory_equal(p->in, "HTTP/1.1 200 OK\r\n", 17);
    assert_true(peer_sees(p, "Content-Type: application/octet-stream\r\n"));
    assert_false(peer_sees(p, "Content-Length"));
    lab_until(lab->loop, peer_sees(p, "\r\n\r\nfeed"));
    peer_drop(p, (size_t)((uint8_t *)memmem(p->in, p->have, "\r\n\r\n", 4) - p->in) + 8);
    assert_int_equal(p->have, 0);
    return p;
}

static bool refused(struct lab *lab, const char *line)
{
    struct peer *p = get(lab, line);
    bool is = memcmp(p->in, "HTTP/1.1 404 ", 13) == 0;
    peer_free(p);
    return is;
}

static bool spoken(struct lab *lab, const void *data, size_t len)
{
    return ws_send(lab->in.ws, WS_BINARY, data, len) == 0;
}

static struct peer *take_up(struct lab *lab, struct peer *page)
{
    struct peer *feed = get_feed(lab);
    peer_frame(page, 0x81, "feed", 4, true, 100);
    peer_expect(page, 0x81, "feed", 4);
    assert_true(ws_is_fed(lab->in.ws));
    return feed;
}

/* --- who gets one --- */

static void without_being_asked_nothing_changes(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake);
    assert_true(spoken(lab, "hello", 5));
    peer_expect(page, 0x82, "hello", 5);
    assert_false(ws_is_fed(lab->in.ws));
    peer_free(page);
    lab_until(lab->loop, lab->in.closed);
    assert_true(refused(lab, GET(TOKEN)));
}

static void only_who_has_the_token_gets_one_once(void **state)
{
    struct lab *lab = *state;
    assert_true(refused(lab, GET(TOKEN))); /* before its websocket is there */
    struct peer *page = open_ws(lab, handshake);
    assert_true(refused(lab, GET(OTHER)));
    assert_true(refused(lab, "GET /websocket"));
    assert_true(refused(lab, "GET /websocket?feed="));
    assert_true(refused(lab, "HEAD /websocket?feed=" TOKEN));
    struct peer *feed = get_feed(lab);
    assert_true(refused(lab, GET(TOKEN)));
    peer_free(feed);
    peer_free(page);
    lab_until(lab->loop, lab->in.closed);
    assert_true(refused(lab, GET(TOKEN)));
}

static void a_user_of_messages_has_none(void **state)
{
    struct lab *lab = *state; /* whose handler does not allow it */
    struct peer *page = open_ws(lab, handshake);
    assert_true(refused(lab, GET(TOKEN)));
    ws_send(lab->in.ws, WS_TEXT, (const uint8_t *)"x", 1);
    peer_expect(page, 0x81, "x", 1);
    peer_frame(page, 0x81, "feed", 4, true, 100); /* a text as any other */
    lab_until(lab->loop, lab->in.messages == 1);
    assert_memory_equal(lab->in.got, "feed", 4);
    peer_free(page);
}

static void who_comes_too_late_stays_with_messages(void **state)
{
    struct lab *lab = *state;
    struct peer *page[FEEDS_MAX + 1], *feed[FEEDS_MAX + 1] = {0};
    for (size_t i = 0; i <= FEEDS_MAX; i++) {
        page[i] = open_ws(lab, handshake);
        if (i < FEEDS_MAX)
            feed[i] = get_feed(lab);
    }
    assert_true(refused(lab, GET(TOKEN)));
    assert_true(spoken(lab, "hello", 5));
    peer_expect(page[FEEDS_MAX], 0x82, "hello", 5);
    peer_free(feed[0]);
    lab_until(lab->loop, (lab_turn(lab->loop), !refused(lab, GET(TOKEN)))); /* there is room again */
    for (size_t i = 0; i <= FEEDS_MAX; i++) {
        peer_free(page[i]);
        peer_free(i > 0 ? feed[i] : NULL);
    }
}

/* --- what goes where --- */

static void all_after_the_word_goes_there_and_nothing_before(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = get_feed(lab);
    assert_true(spoken(lab, "before", 6));
    peer_expect(page, 0x82, "before", 6);
    peer_frame(page, 0x01, "fe", 2, true, 1); /* a word may come in pieces */
    peer_frame(page, 0x80, "ed", 2, true, 1);
    peer_expect(page, 0x81, "feed", 4);
    assert_true(ws_is_fed(lab->in.ws));
    assert_int_equal(lab->in.messages, 0);
    assert_true(spoken(lab, many, MANY));
    assert_true(spoken(lab, "", 0));
    assert_true(spoken(lab, many, 5));
    lab_until(lab->loop, peer_has(feed, MANY + 5));
    assert_memory_equal(feed->in, many, MANY);
    assert_memory_equal(feed->in + MANY, many, 5);
    assert_int_equal(feed->have, MANY + 5);
    peer_frame(page, 0x82, many, MANY, true, 100000); /* the other direction is as ever */
    lab_until(lab->loop, lab->in.messages == 1);
    assert_memory_equal(lab->in.got, many, MANY);
    peer_frame(page, 0x89, "?", 1, true, 100); /* and so are control frames */
    peer_expect(page, 0x8a, "?", 1);
    assert_int_equal(page->have, 0);
    peer_free(feed);
    peer_free(page);
}

static void another_word_is_a_message(void **state)
{
    struct lab *lab = *state;
    static const char *const words[] = {"fodder", "feet", "fe"};
    struct peer *page = open_ws(lab, handshake), *feed = get_feed(lab);
    for (int i = 0; i < 3; i++) {
        peer_frame(page, 0x81, words[i], strlen(words[i]), true, 100);
        lab_until(lab->loop, lab->in.messages == i + 1);
        assert_false(ws_is_fed(lab->in.ws));
    }
    assert_memory_equal(lab->in.got, "fodderfeetfe", 12);
    peer_frame(page, 0x81, "ed", 2, true, 100); /* nor do two messages make one word */
    peer_frame(page, 0x82, "feed", 4, true, 100); /* nor bytes that happen to read so */
    lab_until(lab->loop, lab->in.messages == 5);
    assert_false(ws_is_fed(lab->in.ws));
    peer_free(feed);
    peer_free(page);
}

/* Its own word finds no room behind what the page does not read: then all stays with messages. */
static void without_room_for_the_word_messages_go_on(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = get_feed(lab);
    for (int calm = 0; calm < 20; calm++) { /* until neither the page nor the kernel takes more */
        size_t before = page->have;
        while (spoken(lab, many, MANY) || spoken(lab, "", 0))
            calm = 0;
        lab_turn(lab->loop);
        peer_poll(page);
        if (page->have != before)
            calm = 0;
    }
    assert_int_equal(page->have, LAB_BUF);
    peer_frame(page, 0x81, "feed", 4, true, 100);
    for (int i = 0; i < 50; i++)
        lab_turn(lab->loop);
    assert_false(ws_is_fed(lab->in.ws));
    assert_int_equal(lab->in.messages, 0);
    assert_int_equal(feed->have, 0);
    peer_free(feed);
    peer_free(page);
}

static void what_is_not_read_counts_and_has_a_bound(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = take_up(lab, page);
    int failed = 0, sent = 0;
    for (; sent < 1000 && failed == 0; sent++)
        failed = ws_send(lab->in.ws, WS_BINARY, many, MANY);
    assert_int_equal(failed, -ENOBUFS);
    assert_true(ws_backlog(lab->in.ws) > ws_high_water() && ws_backlog(lab->in.ws) <= 8 << 20);
    size_t taken = 0, wanted = (size_t)(sent - 1) * MANY;
    while (taken < wanted) {
        lab_until(lab->loop, peer_has(feed, 1));
        for (size_t i = 0; i < feed->have; i++)
            assert_int_equal(feed->in[i], many[(taken + i) % MANY]);
        taken += feed->have;
        peer_drop(feed, feed->have);
    }
    assert_int_equal(ws_backlog(lab->in.ws), 0);
    assert_true(lab->in.drained > 0);
    peer_free(feed);
    peer_free(page);
}

/* --- ends --- */

static void one_that_breaks_unused_is_forgotten(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = get_feed(lab);
    peer_free(feed);
    for (int i = 0; i < 50; i++)
        lab_turn(lab->loop);
    peer_frame(page, 0x81, "feed", 4, true, 100); /* too late: a text as any other */
    lab_until(lab->loop, lab->in.messages == 1);
    assert_true(spoken(lab, "on", 2));
    peer_expect(page, 0x82, "on", 2);
    peer_free(page);
}

static void one_that_breaks_ends_the_websocket(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = take_up(lab, page);
    peer_free(feed);
    for (int i = 0; i < 20; i++) {
        lab_turn(lab->loop);
        assert_true(lab->in.closed || spoken(lab, many, MANY)); /* it is lost, but nobody has to know yet */
    }
    lab_until(lab->loop, lab->in.closed);
    assert_int_equal(lab->in.code, 1006);
    assert_string_equal(lab->in.reason, "the feed ended");
    peer_free(page);
}

static void the_pages_own_reason_is_worth_more(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = take_up(lab, page);
    while (ws_backlog(lab->in.ws) < ws_high_water())
        assert_true(spoken(lab, many, MANY));
    peer_free(feed);
    lab_until(lab->loop, ws_backlog(lab->in.ws) == 0); /* what waited for it is lost, and nothing waits for that */
    uint64_t began_us = io_now_us();
    peer_frame(page, 0x88, "\x0f\xa3"
                           "wrong key", 11, true, 100);
    lab_until(lab->loop, lab->in.closed);
    assert_int_equal(lab->in.code, 4003);
    assert_string_equal(lab->in.reason, "wrong key");
    assert_true(io_now_us() - began_us < 900000);
    peer_free(page);
}

static void closing_writes_all_and_then_ends_it(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = take_up(lab, page);
    size_t before = 0;
    for (; ws_backlog(lab->in.ws) < ws_high_water(); before += MANY) /* more than the kernel takes */
        assert_true(spoken(lab, many, MANY));
    ws_close(lab->in.ws, 4001, "enough");
    assert_int_equal(ws_send(lab->in.ws, WS_BINARY, many, 1), -EPIPE);
    peer_expect_close(page, 4001);
    size_t taken = 0;
    do {
        lab_until(lab->loop, peer_has(feed, 1) || peer_ended(feed));
        taken += feed->have;
        peer_drop(feed, feed->have);
    } while (!feed->ended);
    assert_int_equal(taken, before);
    assert_false(lab->in.closed); /* it waits for the page's close frame */
    peer_frame(page, 0x88, "\x0f\xa1", 2, true, 100);
    lab_until(lab->loop, lab->in.closed);
    assert_int_equal(lab->in.code, 4001);
    peer_free(feed);
    peer_free(page);
}

static void closing_ends_an_idle_one_at_once(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = take_up(lab, page);
    ws_close(lab->in.ws, 4001, "enough");
    lab_until(lab->loop, peer_ended(feed));
    assert_false(lab->in.closed);
    peer_expect_close(page, 4001);
    peer_frame(page, 0x88, "\x0f\xa1", 2, true, 100);
    lab_until(lab->loop, lab->in.closed);
    peer_free(feed);
    peer_free(page);
}

static void it_ends_with_the_websocket(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *feed = take_up(lab, page);
    while (ws_backlog(lab->in.ws) < ws_high_water()) /* what waits is forgotten with it */
        assert_true(spoken(lab, many, MANY));
    peer_free(page);
    lab_until(lab->loop, lab->in.closed && (peer_drop(feed, feed->have), peer_ended(feed)));
    assert_int_equal(lab->in.code, 1006);
    peer_free(feed);
}

static void the_server_may_go_first(void **state)
{
    struct lab *lab = *state;
    struct peer *page = open_ws(lab, handshake), *other = open_ws(lab, handshake);
    struct peer *feed = get_feed(lab); /* of the newer one */
    http_server_close(lab->server);
    for (int i = 0; i < 20; i++) /* its memory goes */
        lab_turn(lab->loop);
    lab->server = NULL;
    peer_frame(other, 0x81, "feed", 4, true, 100);
    peer_expect(other, 0x81, "feed", 4);
    assert_true(spoken(lab, "still", 5));
    lab_until(lab->loop, peer_has(feed, 5));
    assert_memory_equal(feed->in, "still", 5);
    peer_free(feed);
    peer_free(other);
    peer_free(page);
    lab_until(lab->loop, lab->in.closed == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        F(without_being_asked_nothing_changes),
        F(only_who_has_the_token_gets_one_once),
        T(a_user_of_messages_has_none),
        F(who_comes_too_late_stays_with_messages),
        F(all_after_the_word_goes_there_and_nothing_before),
        F(another_word_is_a_message),
        F(without_room_for_the_word_messages_go_on),
        F(what_is_not_read_counts_and_has_a_bound),
        F(one_that_breaks_unused_is_forgotten),
        F(one_that_breaks_ends_the_websocket),
        F(the_pages_own_reason_is_worth_more),
        F(closing_writes_all_and_then_ends_it),
        F(closing_ends_an_idle_one_at_once),
        F(it_ends_with_the_websocket),
        F(the_server_may_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
