/* io/http_server_test.c - the HTTP server before real sockets: answers, limits, rude peers, and nothing left behind */
#include "net_lab.h"

#include <sys/resource.h>
#include <zlib.h>

#include "io/assets.h"

struct lab {
    struct io_loop *loop;
    struct http_server *server;
    uint16_t port;
    bool refuse; /* websockets */
    int upgrades, closed;
};

static bool takes_websocket(void *ctx, const char *path)
{
    struct lab *lab = ctx;
    return !lab->refuse && strcmp(path, "/websocket") == 0;
}

static void on_closed(void *ctx, int code, const char *reason)
{
    struct lab *lab = ctx;
    (void)code;
    assert_non_null(reason);
    lab->closed++;
}

static const struct ws_events ws_events = {.closed = on_closed};

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct lab *lab = ctx;
    assert_string_equal(path, "/websocket");
    lab->upgrades++;
    ws_listen(ws, &ws_events, lab);
    ws_close(ws, WS_CLOSE_GOING_AWAY, "test"); /* at once, inside of the callback */
}

static int on_json(void *ctx, const char *path, char *buf, size_t cap)
{
    (void)ctx;
    return strcmp(path, "/tether.json") == 0 ? snprintf(buf, cap, "{\"role\":\"test\"}") : -1;
}

static const struct http_handlers handlers = {
    .takes_websocket = takes_websocket, .websocket = on_websocket, .json = on_json, .page = true};

static int set_up(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct err err = {0};
    assert_int_equal(io_loop_new(&lab->loop), 0);
    assert_int_equal(http_server_open(lab->loop, "127.0.0.1", 0, &handlers, lab, &lab->server, &err), 0);
    lab->port = http_server_port(lab->server);
    assert_true(lab->port != 0);
    *state = lab;
    return 0;
}

static int tear_down(void **state)
{
    struct lab *lab = *state;
    http_server_close(lab->server);
    assert_int_equal(io_loop_free(lab->loop), 0);
    free(lab);
    return 0;
}

static size_t count_of(const struct peer *p, const char *word)
{
    size_t n = 0;
    const uint8_t *at = p->in, *end = p->in + p->have;
    while ((at = memmem(at, (size_t)(end - at), word, strlen(word))) != NULL)
        n++, at += strlen(word);
    return n;
}

/* Ask, wait until the server hangs up; the answer lies in the peer. */
static struct peer *ask(struct lab *lab, const char *request, size_t piece)
{
    struct peer *p = peer_connect(lab->loop, lab->port);
    peer_send(p, request, strlen(request), piece);
    lab_until(lab->loop, peer_ended(p));
    return p;
}

static void assert_status(struct lab *lab, const char *request, unsigned status)
{
    char line[32];
    struct peer *p = ask(lab, request, strlen(request));
    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    if (p->have < strlen(line) || memcmp(p->in, line, strlen(line)) != 0)
        fail_msg("%.60s: expected %u, got %.40s", request, status, (char *)p->in);
    assert_true(peer_sees(p, "X-Content-Type-Options: nosniff\r\n"));
    assert_int_equal(count_of(p, "Referrer-Policy: "), 1);
    peer_free(p);
}

#define CLOSE "Host: a\r\nConnection: close\r\n\r\n"

static void json_is_served_and_never_kept(void **state)
{
    struct lab *lab = *state;
    for (size_t piece = 1; piece < 40; piece += 19) {
        struct peer *p = ask(lab, "GET /tether.json?x HTTP/1.1\r\n" CLOSE, piece);
        assert_true(peer_sees(p, "HTTP/1.1 200 OK\r\n"));
        assert_true(peer_sees(p, "Content-Type: application/json\r\n"));
        assert_true(peer_sees(p, "Content-Length: 15\r\n"));
        assert_true(peer_sees(p, "Cache-Control: no-store\r\n"));
        assert_true(peer_sees(p, "\r\n\r\n{\"role\":\"test\"}"));
        peer_free(p);
    }
}

static void faults_get_their_status(void **state)
{
    struct lab *lab = *state;
    static char long_target[9000], long_head[9000];
    snprintf(long_target, sizeof long_target, "GET /%04000d HTTP/1.1\r\n" CLOSE, 0);
    snprintf(long_head, sizeof long_head, "GET / HTTP/1.1\r\nA: %08500d\r\n" CLOSE, 0);
    assert_status(lab, "GET /nothing HTTP/1.1\r\n" CLOSE, 404);
    assert_status(lab, "GET /../../etc/passwd HTTP/1.1\r\n" CLOSE, 404);
    assert_status(lab, "GET * HTTP/1.1\r\n" CLOSE, 404);
    assert_status(lab, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400); /* no Host */
    assert_status(lab, "GET / HTTP/1.1\n\n", 400);
    assert_status(lab, "\x16\x03\x01\x02", 400);
    assert_status(lab, "POST /tether.json HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc", 413);
    assert_status(lab, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE "0\r\n\r\n", 413);
    assert_status(lab, "POST / HTTP/1.1\r\nContent-Length: -3\r\n" CLOSE, 400);
    assert_status(lab, "BREW / HTTP/1.1\r\n" CLOSE, 501);
    assert_status(lab, "GET / HTTP/2.0\r\n" CLOSE, 505);
    assert_status(lab, long_target, 414);
    assert_status(lab, long_head, 431);
}

static void wrong_methods_learn_the_right_ones(void **state)
{
    struct lab *lab = *state;
    struct peer *p = ask(lab, "DELETE / HTTP/1.1\r\n" CLOSE, 1000);
    assert_true(peer_sees(p, "HTTP/1.1 405 "));
    assert_int_equal(count_of(p, "Allow: GET, HEAD\r\n"), 1);
    peer_free(p);
}

static void other_websocket_versions_learn_ours(void **state)
{
    struct lab *lab = *state;
    struct peer *p = ask(lab, "GET /websocket HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
                              "Host: a\r\nConnection: Upgrade\r\n\r\n", 1000);
    assert_true(peer_sees(p, "HTTP/1.1 426 "));
    assert_int_equal(count_of(p, "Sec-WebSocket-Version: 13\r\n"), 1);
    assert_int_equal(count_of(p, "\nConnection:"), 1);
    assert_true(peer_sees(p, "Upgrade: websocket\r\n"));
    peer_free(p);
}

static void a_websocket_where_none_is_gets_404(void **state)
{
    struct lab *lab = *state;
    lab->refuse = true;
    struct peer *p = ask(lab, lab_handshake, 1000);
    assert_true(peer_sees(p, "HTTP/1.1 404 "));
    assert_int_equal(lab->upgrades, 0);
    peer_free(p);
}

static void upgrades_and_close_from_inside_the_callback(void **state)
{
    struct lab *lab = *state;
    for (size_t piece = 1; piece < 300; piece += 97) {
        struct peer *p = peer_connect(lab->loop, lab->port);
        peer_send(p, lab_handshake, strlen(lab_handshake), piece);
        peer_opened(p);
        peer_expect_close(p, 1001);
        peer_frame(p, 0x88, "\x03\xe9", 2, true, 100);
        lab_until(lab->loop, peer_ended(p));
        peer_free(p);
    }
    assert_int_equal(lab->upgrades, 4);
    lab_until(lab->loop, lab->closed == 4);
}

static void kept_connections_answer_in_order(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_connect(lab->loop, lab->port);
    peer_say(p, "GET /tether.json HTTP/1.1\r\nHost: a\r\n\r\n");
    lab_until(lab->loop, peer_sees(p, "{\"role\":\"test\"}"));
    assert_false(peer_sees(p, "Connection: close"));
    peer_say(p, "HEAD /tether.json HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" /* pipelined */
                "GET /tether.json HTTP/1.1\r\n" CLOSE);
    lab_until(lab->loop, peer_ended(p));
    assert_int_equal(count_of(p, "HTTP/1.1 200 "), 3);
    assert_int_equal(count_of(p, "HTTP/1.1 404 "), 1);
    assert_int_equal(count_of(p, "Content-Length: 15\r\n"), 3);
    assert_int_equal(count_of(p, "{\"role\":\"test\"}"), 2); /* HEAD has the length but no body */
    peer_free(p);
}

static void http_1_0_closes_unless_asked(void **state)
{
    struct lab *lab = *state;
    struct peer *p = ask(lab, "GET /tether.json HTTP/1.0\r\n\r\n", 1000);
    assert_true(peer_sees(p, "HTTP/1.1 200 "));
    peer_free(p);
    p = peer_connect(lab->loop, lab->port);
    peer_say(p, "GET /tether.json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    lab_until(lab->loop, peer_sees(p, "{\"role\":\"test\"}"));
    assert_true(peer_sees(p, "Connection: keep-alive\r\n"));
    peer_say(p, "GET /tether.json HTTP/1.0\r\n\r\n");
    lab_until(lab->loop, peer_ended(p));
    assert_int_equal(count_of(p, "HTTP/1.1 200 "), 2);
    peer_free(p);
}

static void many_pipelined_requests_are_all_answered(void **state)
{
    struct lab *lab = *state;
    static const char one[] = "GET /tether.json HTTP/1.1\r\nHost: a\r\n\r\n", last[] = "GET /tether.json HTTP/1.1\r\n" CLOSE;
    enum { COUNT = 1000 };
    static char all[COUNT * sizeof one + sizeof last];
    size_t at = 0;
    for (int i = 0; i < COUNT - 1; i++, at += sizeof one - 1)
        memcpy(all + at, one, sizeof one - 1);
    memcpy(all + at, last, sizeof last);
    struct peer *p = ask(lab, all, sizeof all); /* many times the 8 KB a connection may hold */
    assert_int_equal(count_of(p, "HTTP/1.1 200 "), COUNT);
    peer_free(p);
}

static void half_closed_peers_get_their_answer(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_connect(lab->loop, lab->port);
    send(p->fd, "GET /tether.json HTTP/1.1\r\nHost: a\r\n\r\n", 39, 0);
    shutdown(p->fd, SHUT_WR);
    lab_until(lab->loop, peer_ended(p));
    assert_true(peer_sees(p, "{\"role\":\"test\"}"));
    peer_free(p);
    p = peer_connect(lab->loop, lab->port);
    send(p->fd, "GET / HT", 8, 0);
    shutdown(p->fd, SHUT_WR);
    lab_until(lab->loop, peer_ended(p));
    peer_free(p);
}

static void the_page_is_served_with_its_policy(void **state)
{
    struct lab *lab = *state;
    const struct asset *page = asset_find("/");
    char request[512], etag[64];
    if (page == NULL)
        skip(); /* built without web/ */
    assert_ptr_equal(page, asset_find("/index.html"));
    struct peer *p = ask(lab, "GET / HTTP/1.1\r\n" CLOSE, 1000);
    assert_true(peer_sees(p, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_true(peer_sees(p, "Content-Security-Policy: default-src 'none'; script-src 'self'"));
    assert_true(peer_sees(p, "Cache-Control: no-cache\r\n"));
    assert_true(p->have > page->raw_len);
    assert_memory_equal(p->in + p->have - page->raw_len, page->raw, page->raw_len);
    const char *at = memmem(p->in, p->have, "ETag: \"", 7);
    assert_non_null(at);
    snprintf(etag, sizeof etag, "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
    peer_free(p);

    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nIf-None-Match: %s\r\n" CLOSE, etag);
    p = ask(lab, request, 1000);
    assert_true(peer_sees(p, "HTTP/1.1 304 Not Modified\r\n"));
    assert_memory_equal(p->in + p->have - 4, "\r\n\r\n", 4);
    peer_free(p);

    p = ask(lab, "GET / HTTP/1.1\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\n" CLOSE, 1000);
    assert_true(peer_sees(p, "HTTP/1.1 200 OK\r\n"));
    assert_true(peer_sees(p, "Content-Encoding: gzip\r\n"));
    assert_false(peer_sees(p, etag)); /* another entity, another tag */
    uint8_t *plain = malloc(page->raw_len);
    z_stream z = {.next_in = p->in + p->have - page->gz_len, .avail_in = (uInt)page->gz_len, .next_out = plain,
                  .avail_out = (uInt)page->raw_len};
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    assert_memory_equal(plain, page->raw, page->raw_len);
    free(plain);
    peer_free(p);
}

static void a_crowd_is_refused_politely(void **state)
{
    struct lab *lab = *state;
    enum { CROWD = 3000, LIMIT = 256 };
    static struct peer *waiting[LIMIT];
    struct rlimit files = {8192, 8192};
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < LIMIT; i++) { /* they have begun to ask, so each keeps its place */
        waiting[i] = peer_connect(lab->loop, lab->port);
        peer_say(waiting[i], "GET /tether.json HT");
    }
    for (int i = 0; i < 10; i++)
        lab_turn(lab->loop); /* until the server has read what all of them said */
    int refused = 0;
    for (int i = 0; i < CROWD; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(lab->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        char answer[512] = "";
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        ssize_t n = -1;
        uint64_t end = io_now_us() + 10000000;
        while ((n = recv(fd, answer, sizeof answer - 1, 0)) < 0 && errno == EAGAIN && io_now_us() < end)
            lab_turn(lab->loop);
        refused += n > 0 && strncmp(answer, "HTTP/1.1 503 ", 13) == 0;
        close(fd);
    }
    assert_int_equal(refused, CROWD);
    for (int i = 0; i < LIMIT; i++) {
        peer_say(waiting[i], "TP/1.1\r\n" CLOSE);
        lab_until(lab->loop, peer_ended(waiting[i]));
        assert_true(peer_sees(waiting[i], "HTTP/1.1 200 "));
        peer_free(waiting[i]);
    }
}

static void idle_connections_make_room(void **state)
{
    struct lab *lab = *state;
    enum { LIMIT = 256 };
    static struct peer *idle[LIMIT];
    for (int i = 0; i < LIMIT; i++) {
        idle[i] = peer_connect(lab->loop, lab->port);
        lab_turn(lab->loop);
    }
    struct peer *p = ask(lab, "GET /tether.json HTTP/1.1\r\n" CLOSE, 1000);
    assert_true(peer_sees(p, "HTTP/1.1 200 "));
    lab_until(lab->loop, peer_ended(idle[0])); /* the oldest */
    assert_false(peer_ended(idle[1]));
    peer_free(p);
    for (int i = 0; i < LIMIT; i++)
        peer_free(idle[i]);
}

static void closing_takes_open_connections_along(void **state)
{
    struct lab *lab = *state;
    struct peer *p = peer_connect(lab->loop, lab->port), *q = peer_connect(lab->loop, lab->port);
    peer_say(p, "GET /tether.json HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_say(q, "GET /teth");
    http_server_close(lab->server);
    lab->server = NULL;
    lab_until(lab->loop, peer_ended(p) && peer_ended(q));
    peer_free(p);
    peer_free(q);
}

static void a_taken_port_is_named_with_a_remedy(void **state)
{
    struct lab *lab = *state;
    struct http_server *second = NULL;
    struct err err = {0};
    char port[16];
    snprintf(port, sizeof port, "port %u", lab->port);
    assert_int_equal(http_server_open(lab->loop, "127.0.0.1", lab->port, &handlers, lab, &second, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, port));
    assert_non_null(strstr(err.text, "127.0.0.1"));
    assert_non_null(strstr(err.text, "--port"));
    assert_int_equal(http_server_open(lab->loop, "192.0.2.1", 0, &handlers, lab, &second, &err), -EADDRNOTAVAIL);
    assert_non_null(strstr(err.text, "192.0.2.1"));
    assert_int_equal(http_server_open(lab->loop, "nonsense", 0, &handlers, lab, &second, &err), -EINVAL);
    assert_non_null(strstr(err.text, "nonsense"));
    assert_null(second);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(json_is_served_and_never_kept),
        T(faults_get_their_status),
        T(wrong_methods_learn_the_right_ones),
        T(other_websocket_versions_learn_ours),
        T(a_websocket_where_none_is_gets_404),
        T(upgrades_and_close_from_inside_the_callback),
        T(kept_connections_answer_in_order),
        T(http_1_0_closes_unless_asked),
        T(many_pipelined_requests_are_all_answered),
        T(half_closed_peers_get_their_answer),
        T(the_page_is_served_with_its_policy),
        T(a_crowd_is_refused_politely),
        T(idle_connections_make_room),
        T(closing_takes_open_connections_along),
        T(a_taken_port_is_named_with_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
