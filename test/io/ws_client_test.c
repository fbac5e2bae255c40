/* io/ws_client_test.c - connected websockets: names, handshakes, masks, failures in words, addresses as people type them */
#include "ws_lab.h"

static uint16_t listen_raw(struct lab *lab)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    lab->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(lab->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(lab->listener, 8), 0);
    getsockname(lab->listener, (struct sockaddr *)&at, &len);
    return ntohs(at.sin_port);
}

static void go(struct lab *lab, const char *host, uint16_t port)
{
    struct ws_url url = {.port = port, .path = "/websocket"};
    struct err err = {0};
    snprintf(url.host, sizeof url.host, "%s", host);
    assert_int_equal(ws_connect(lab->loop, &url, NULL, &events, &lab->out, &lab->out.ws, &err), 0);
}

static struct peer *accept_raw(struct lab *lab)
{
    int fd = -1;
    lab_until(lab->loop, (fd = accept(lab->listener, NULL, NULL)) >= 0);
    return peer_of(lab->loop, fd);
}

static void both_ends_of_ours_understand_each_other(void **state)
{
    struct lab *lab = *state;
    static uint8_t text[300000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 31 + i / 777);
    go(lab, "localhost", lab->port); /* by name; the server has IPv4 only, whichever address comes first */
    lab_until(lab->loop, lab->out.opened == 1 || lab->out.closed);
    assert_int_equal(lab->out.opened, 1);
    assert_non_null(strstr(ws_peer(lab->out.ws), ":"));
    lab->in.echo = true;
    for (size_t len = 0; len < sizeof text; len = len * 3 + 1) {
        int before = lab->out.messages;
        lab->out.have = 0;
        assert_int_equal(ws_send(lab->out.ws, WS_BINARY, text, len), 0);
        lab_until(lab->loop, lab->out.messages == before + 1);
        assert_int_equal(lab->out.have, len);
        assert_memory_equal(lab->out.got, text, len);
    }
    ws_close(lab->out.ws, 4004, "other leg closed");
    lab_until(lab->loop, lab->in.closed == 1 && lab->out.closed == 1);
    assert_int_equal(lab->in.code, 4004);
    assert_string_equal(lab->in.reason, "other leg closed");
    assert_int_equal(lab->out.code, 4004);
}

static void a_connected_one_masks_and_wants_no_mask(void **state)
{
    struct lab *lab = *state;
    struct frame f = {0};
    go(lab, "127.0.0.1", listen_raw(lab));
    struct peer *p = accept_raw(lab);
    peer_answer(p, "\x82\x03" "abc", 5); /* in the segment of the 101 */
    lab_until(lab->loop, lab->out.messages == 1);
    assert_int_equal(lab->out.opened, 1);
    assert_memory_equal(lab->out.got, "abc", 3);
    ws_send(lab->out.ws, WS_TEXT, (const uint8_t *)"hello", 5);
    lab_until(lab->loop, frame_take(p, &f));
    assert_true(f.masked);
    assert_int_equal(f.first, 0x81);
    assert_int_equal(f.len, 5);
    assert_memory_equal(f.data, "hello", 5);
    peer_drop(p, f.whole);
    peer_frame(p, 0x82, "abc", 3, true, 100);
    peer_expect_close(p, 1002);
    lab_until(lab->loop, lab->out.closed == 1);
    peer_free(p);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Two of 200 random keys are equal once in 200,000 runs; a stock handed out twice, or never filled, at once. */
static void each_frame_has_a_key_of_its_own(void **state)
{
    struct lab *lab = *state;
    uint32_t keys[200];
    struct frame f = {0};
    go(lab, "127.0.0.1", listen_raw(lab));
    struct peer *p = accept_raw(lab);
    peer_answer(p, "", 0);
    lab_until(lab->loop, lab->out.opened == 1);
    for (size_t i = 0; i < 200; i++) {
        ws_send(lab->out.ws, WS_BINARY, (const uint8_t *)"hello", 5);
        lab_until(lab->loop, frame_take(p, &f));
        assert_memory_equal(f.data, "hello", 5);
        memcpy(&keys[i], f.data - 4, 4);
        assert_int_not_equal(keys[i], 0);
        peer_drop(p, f.whole);
    }
    qsort(keys, 200, sizeof keys[0], by_value);
    for (size_t i = 1; i < 200; i++)
        assert_int_not_equal(keys[i - 1], keys[i]);
    ws_close(lab->out.ws, 1000, "enough");
    peer_free(p);
    lab_until(lab->loop, lab->out.closed == 1);
}

static void what_is_no_websocket_is_said_in_words(void **state)
{
    struct lab *lab = *state;
    static const char *const answers[] = {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    };
    uint16_t port = listen_raw(lab);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        lab->out.closed = 0;
        go(lab, "127.0.0.1", port);
        struct peer *p = accept_raw(lab);
        lab_until(lab->loop, peer_sees(p, "\r\n\r\n"));
        peer_say(p, answers[i]);
        shutdown(p->fd, SHUT_WR);
        lab_until(lab->loop, lab->out.closed == 1);
        assert_int_equal(lab->out.code, WS_CLOSE_ABNORMAL);
        assert_int_equal(lab->out.opened, 0);
        if (i == 0)
            assert_non_null(strstr(lab->out.reason, "404"));
        peer_free(p);
    }
}

static void failures_to_connect_are_said_in_words(void **state)
{
    struct lab *lab = *state;
    uint16_t port = listen_raw(lab);
    close(lab->listener);
    lab->listener = -1;
    go(lab, "127.0.0.1", port);
    lab_until(lab->loop, lab->out.closed == 1);
    assert_non_null(strstr(lab->out.reason, "refused"));
    go(lab, "no-such-name.invalid", 80);
    lab_until(lab->loop, lab->out.closed == 2);
    assert_int_equal(lab->out.code, WS_CLOSE_ABNORMAL);
    go(lab, "127.0.0.1", lab->port); /* given up at each stage */
    ws_close(lab->out.ws, 1000, "changed my mind");
    lab_until(lab->loop, lab->out.closed == 3);
    for (int turns = 1; turns < 8; turns++) {
        lab->in.closed = 0;
        go(lab, "localhost", lab->port);
        for (int i = 0; i < turns; i++)
            lab_turn(lab->loop);
        if (lab->out.opened == 0) {
            ws_close(lab->out.ws, 1000, "changed my mind");
            lab_until(lab->loop, lab->out.closed == 3 + turns);
        } else {
            ws_close(lab->out.ws, 1000, "enough");
            lab_until(lab->loop, lab->out.closed == 3 + turns);
            lab->out.opened = 0;
        }
    }
}

static void urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *path;
        unsigned port;
        bool tls, ok;
    } rows[] = {
        {"ws://203.0.113.5:8080/websocket", "203.0.113.5", "/websocket", 8080, false, true},
        {"ws://h", "h", "/websocket", 8080, false, true},
        {"ws://h/", "h", "/websocket", 8080, false, true},
        {"WSS://h/x?y", "h", "/x?y", 443, true, true},
        {"ws://[fe80::1]:1/p", "fe80::1", "/p", 1, false, true},
        {"http://h", "", "", 0, false, false},
        {"ws://", "", "", 0, false, false},
        {"ws://h:0/", "", "", 0, false, false},
        {"ws://h:+80/", "", "", 0, false, false},
        {"ws://h: 80/", "", "", 0, false, false},
        {"ws://h:65536/", "", "", 0, false, false},
        {"ws://h:8080x/", "", "", 0, false, false},
        {"ws://[fe80::1/p", "", "", 0, false, false},
        {"ws://h/a b", "", "", 0, false, false},
        {"ws://h/\r\nX: y", "", "", 0, false, false},
        {"ws://user@h/", "", "", 0, false, false},
        {"", "", "", 0, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ws_url url = {0};
        struct err err = {0};
        int failed = ws_url_parse(rows[i].text, &url, &err);
        if ((failed == 0) != rows[i].ok)
            fail_msg("%s: %d", rows[i].text, failed);
        assert_string_equal(url.host, rows[i].host);
        assert_string_equal(url.path, rows[i].path);
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.tls, rows[i].tls);
        assert_true(failed == 0 || strstr(err.text, "ws://203.0.113.5") != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_ends_of_ours_understand_each_other),
        T(a_connected_one_masks_and_wants_no_mask),
        T(each_frame_has_a_key_of_its_own),
        T(what_is_no_websocket_is_said_in_words),
        T(failures_to_connect_are_said_in_words),
        cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
