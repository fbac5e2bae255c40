/* http/head_test.c - which heads are taken, which are refused and as what, and that nothing behind the input is read */
#include "http/head.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "guard.h"

static int request(const char *text, struct http_head *head)
{
    return http_request_parse(text, strlen(text), head);
}

static int verdict(const char *text)
{
    struct http_head head;
    return request(text, &head);
}

static void assert_span(struct http_span span, const char *text)
{
    assert_int_equal(span.len, strlen(text));
    assert_memory_equal(span.at, text, span.len);
}

static const char chromium[] = "GET /websocket?x=1 HTTP/1.1\r\n"
                               "Host: 169.254.134.89:6354\r\n"
                               "Connection: Upgrade\r\n"
                               "Upgrade: websocket\r\n"
                               "Origin: http://169.254.134.89:6354\r\n"
                               "Sec-WebSocket-Version: 13\r\n"
                               "Accept-Encoding: gzip, deflate\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                               "\r\n";

static void reads_a_browsers_request(void **state)
{
    (void)state;
    struct http_head head;
    assert_int_equal(request(chromium, &head), 0);
    assert_span(head.method, "GET");
    assert_span(head.target, "/websocket?x=1");
    assert_span(http_target_path(head.target), "/websocket");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.field_count, 7);
    assert_int_equal(head.len, sizeof chromium - 1);
    assert_span(*http_field_find(&head, "host"), "169.254.134.89:6354");
    assert_null(http_field_find(&head, "cookie"));
}

static void every_truncation_waits_for_more(void **state)
{
    (void)state;
    struct guard guard;
    struct http_head head;
    guard_init(&guard, sizeof chromium);
    for (size_t len = 0; len < sizeof chromium - 1; len++)
        assert_int_equal(http_request_parse(guard_place(&guard, chromium, len), len, &head), -EAGAIN);
    const size_t whole = sizeof chromium - 1;
    assert_int_equal(http_request_parse(guard_place(&guard, chromium, whole), whole, &head), 0);
    guard_done(&guard);
}

static void what_follows_the_head_is_not_looked_at(void **state)
{
    (void)state;
    struct http_head head;
    assert_int_equal(request("GET / HTTP/1.1\r\n\r\n\x82\x80 GET", &head), 0);
    assert_int_equal(head.len, 18);
    assert_int_equal(request("\r\nGET / HTTP/1.0\r\n\r\n", &head), 0);
    assert_int_equal(head.len, 20);
    assert_int_equal(head.minor, 0);
}

static void failure_leaves_the_result_untouched(void **state)
{
    (void)state;
    struct http_head head = {.status = 77};
    assert_int_equal(request("GET / HTTP/1.1\r\nbad\r\n\r\n", &head), -EBADMSG);
    assert_int_equal(head.status, 77);
}

static void refuses_what_smugglers_use(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET / HTTP/1.1\nHost: a\n\n",                       /* bare LF */
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",              /* bare CR */
        "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",         /* obs-fold */
        "GET / HTTP/1.1\r\n A: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",                /* blank before the colon */
        "GET / HTTP/1.1\r\n: a\r\n\r\n",                     /* no name */
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\nH\xc3\xa4: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",      /* twice, in another case */
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",                           /* two blanks */
        "GET /  HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET /\tHTTP/1.1\r\n\r\n",
        "GET /\x80 HTTP/1.1\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET / HTTP/1.x\r\n\r\n",
        "GET / HTTP/11\r\n\r\n",
        "GET HTTP/1.1\r\n\r\n",
        "G{T / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",      /* TLS knocking */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (verdict(bad[i]) != -EBADMSG)
            fail_msg("taken: %s", bad[i]);
}

static void refuses_nul_anywhere(void **state)
{
    (void)state;
    char text[sizeof chromium];
    struct http_head head;
    for (size_t i = 0; i < sizeof chromium - 1; i++) {
        memcpy(text, chromium, sizeof text);
        text[i] = '\0';
        if (http_request_parse(text, sizeof chromium - 1, &head) != -EBADMSG)
            fail_msg("NUL taken at %zu", i);
    }
}

static void garbage_is_refused_before_it_is_whole(void **state)
{
    (void)state;
    assert_int_equal(verdict("GET / HTTQ"), -EBADMSG);
    assert_int_equal(verdict("GET / HTTP/2.0"), -EPROTONOSUPPORT);
    assert_int_equal(verdict("SSH-2.0-OpenSSH_9.2\r\n"), -EBADMSG);
}

static void bounds_hold(void **state)
{
    (void)state;
    static char text[3 * HTTP_HEAD_MAX];
    struct http_head head;
    size_t at = (size_t)snprintf(text, sizeof text, "GET /");
    memset(text + at, 'a', HTTP_TARGET_MAX);
    assert_int_equal(http_request_parse(text, at + HTTP_TARGET_MAX, &head), -ENAMETOOLONG);
    snprintf(text + at + HTTP_TARGET_MAX - 1, 64, " HTTP/1.1\r\n\r\n");
    assert_int_equal(request(text, &head), 0);
    assert_int_equal(head.target.len, HTTP_TARGET_MAX);

    at = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "f%d: v\r\n", i);
    snprintf(text + at, sizeof text - at, "\r\n");
    assert_int_equal(request(text, &head), 0);
    assert_int_equal(head.field_count, HTTP_FIELDS_MAX);
    snprintf(text + at, sizeof text - at, "one: more\r\n\r\n");
    assert_int_equal(request(text, &head), -E2BIG);

    at = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nA: ");
    memset(text + at, 'a', HTTP_HEAD_MAX);
    memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 5);
    assert_int_equal(request(text, &head), 0);
    assert_int_equal(head.len, HTTP_HEAD_MAX);
    memset(text + HTTP_HEAD_MAX - 4, 'a', 4);
    assert_int_equal(http_request_parse(text, HTTP_HEAD_MAX - 1, &head), -EAGAIN);
    assert_int_equal(http_request_parse(text, HTTP_HEAD_MAX, &head), -E2BIG);
    memcpy(text + HTTP_HEAD_MAX - 3, "\r\n\r\n", 5);
    assert_int_equal(request(text, &head), -E2BIG);
}

static void failures_have_their_status(void **state)
{
    (void)state;
    assert_int_equal(http_status_of(-EBADMSG), 400);
    assert_int_equal(http_status_of(-ENAMETOOLONG), 414);
    assert_int_equal(http_status_of(-E2BIG), 431);
    assert_int_equal(http_status_of(-EPROTONOSUPPORT), 505);
}

static const char response[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

static void reads_a_response(void **state)
{
    (void)state;
    struct http_head head;
    struct guard guard;
    guard_init(&guard, sizeof response);
    for (size_t len = 0; len < sizeof response - 1; len++)
        assert_int_equal(http_response_parse(guard_place(&guard, response, len), len, &head), -EAGAIN);
    guard_done(&guard);
    assert_int_equal(http_response_parse(response, sizeof response - 1, &head), 0);
    assert_int_equal(head.status, 101);
    assert_span(*http_field_find(&head, "UPGRADE"), "websocket");
    assert_int_equal(http_response_parse("HTTP/1.0 404\r\n\r\n", 16, &head), 0);
    assert_int_equal(head.status, 404);
    assert_int_equal(http_response_parse("HTTP/1.1 4040 X\r\n\r\n", 19, &head), -EBADMSG);
    assert_int_equal(http_response_parse("HTTP/1.1 40 X\r\n\r\n", 17, &head), -EBADMSG);
    assert_int_equal(http_response_parse("HTTP/2.0 404\r\n\r\n", 16, &head), -EPROTONOSUPPORT);
    assert_int_equal(http_response_parse("<html>", 6, &head), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_browsers_request),
        cmocka_unit_test(every_truncation_waits_for_more),
        cmocka_unit_test(what_follows_the_head_is_not_looked_at),
        cmocka_unit_test(failure_leaves_the_result_untouched),
        cmocka_unit_test(refuses_what_smugglers_use),
        cmocka_unit_test(refuses_nul_anywhere),
        cmocka_unit_test(garbage_is_refused_before_it_is_whole),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(failures_have_their_status),
        cmocka_unit_test(reads_a_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
