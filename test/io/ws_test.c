/* io/ws_test.c - websockets of both kinds before a peer made by hand: framing, limits, closing, rude peers, re-entrancy */
#include "net_lab.h"

struct end {
    struct ws *ws;
    int opened, closed, code, messages, drained;
    enum ws_opcode opcode;
    char reason[128];
    size_t have;
    uint8_t *got; /* LAB_BUF */
    bool echo, close_on_data, send_on_close;
};

struct lab {
    struct io_loop *loop;
    struct http_server *server;
    uint16_t port;
    struct end in; /* the accepted one */
    struct end out; /* the connected one */
    int listener;
};

static void on_open(void *ctx)
{
    ((struct end *)ctx)->opened++;
}

static void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct end *e = ctx;
    assert_int_equal(e->closed, 0);
    assert_true(e->have + len <= LAB_BUF);
    memcpy(e->got + e->have, data, len);
    e->have += len;
    e->opcode = opcode;
    if (e->close_on_data) {
        ws_close(e->ws, 4001, "enough");
        assert_int_equal(ws_send(e->ws, WS_BINARY, data, len), -EPIPE);
    }
    if (!fin)
        return;
    e->messages++;
    if (e->echo) {
        ws_send(e->ws, opcode, e->got, e->have);
        e->have = 0;
    }
}

static void on_drained(void *ctx)
{
    ((struct end *)ctx)->drained++;
}

static void on_closed(void *ctx, int code, const char *reason)
{
    struct end *e = ctx;
    e->closed++;
    e->code = code;
    snprintf(e->reason, sizeof e->reason, "%s", reason);
    assert_true(reason[0] != '\0'); /* in words, always */
    if (e->send_on_close)
        ws_close(e->ws, 1000, "again");
}

static const struct ws_events events = {.open = on_open, .data = on_data, .drained = on_drained, .closed = on_closed};

static bool takes_websocket(void *ctx, const char *path)
{
    (void)ctx, (void)path;
    return true;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct lab *lab = ctx;
    (void)path;
    lab->in.ws = ws;
    ws_listen(ws, &events, &lab->in);
}

static const struct http_handlers handlers = {.takes_websocket = takes_websocket, .websocket = on_websocket};

static int set_up(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    lab->in.got = malloc(LAB_BUF);
    lab->out.got = malloc(LAB_BUF);
    lab->listener = -1;
    assert_int_equal(io_loop_new(&lab->loop), 0);
    assert_int_equal(http_server_open(lab->loop, "127.0.0.1", 0, &handlers, lab, &lab->server, NULL), 0);
    lab->port = http_server_port(lab->server);
    *state = lab;
    return 0;
}

static int tear_down(void **state)
{
    struct lab *lab = *state;
    http_server_close(lab->server);
    assert_int_equal(io_loop_free(lab->loop), 0);
    if (lab->listener >= 0)
        close(lab->listener);
    free(lab->in.got);
    free(lab->out.got);
    free(lab);
    return 0;
}

/* --- accepted websockets --- */

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
    ws_close(lab->in.ws, 1000, "done"); /* hears the answer although it was paused */
    shutdown(p->fd, SHUT_WR);
    lab_until(lab->loop, (peer_poll(p), p->have = 0, lab->in.closed == 1));
    free(frame);
    peer_free(p);
}

/* --- connected websockets --- */

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
    assert_int_equal(ws_connect(lab->loop, &url, &events, &lab->out, &lab->out.ws, &err), 0);
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

/* Answer the handshake by hand, with the accept value computed here. */
static void open_raw(struct lab *lab, struct peer *p, const char *trailer, size_t trailer_len);

static void a_connected_one_masks_and_wants_no_mask(void **state)
{
    struct lab *lab = *state;
    struct frame f = {0};
    go(lab, "127.0.0.1", listen_raw(lab));
    struct peer *p = accept_raw(lab);
    open_raw(lab, p, "\x82\x03" "abc", 5); /* in the segment of the 101 */
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

#include <openssl/evp.h>

static void open_raw(struct lab *lab, struct peer *p, const char *trailer, size_t trailer_len)
{
    unsigned char digest[EVP_MAX_MD_SIZE], accept[64];
    char text[512];
    lab_until(lab->loop, peer_sees(p, "\r\n\r\n"));
    const char *key = memmem(p->in, p->have, "Sec-WebSocket-Key: ", 19);
    assert_non_null(key);
    snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, digest, 20);
    int len = snprintf(text, sizeof text, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                          "Sec-WebSocket-Accept: %s\r\n\r\n", (char *)accept);
    memcpy(text + len, trailer, trailer_len);
    p->have = 0;
    peer_send(p, text, (size_t)len + trailer_len, sizeof text);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
        T(a_full_backlog_does_not_outlive_the_close),
        T(pings_to_a_peer_that_never_reads_are_bounded),
        T(a_paused_websocket_holds_the_peer_back),
        T(both_ends_of_ours_understand_each_other),
        T(a_connected_one_masks_and_wants_no_mask),
        T(what_is_no_websocket_is_said_in_words),
        T(failures_to_connect_are_said_in_words),
        cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
