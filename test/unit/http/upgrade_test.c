/* http/upgrade_test.c - the opening handshake of RFC 6455 from both ends, and the heads of answers */
#include "http/upgrade.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "http/reply.h"

/* RFC 6455 section 1.3 */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static char text[4096];

static enum http_upgrade check(const char *line, const char *fields)
{
    struct http_head head;
    struct http_span key = {NULL, 0};
    snprintf(text, sizeof text, "%s\r\nHost: a\r\n%s\r\n", line, fields);
    assert_int_equal(http_request_parse(text, strlen(text), &head), 0);
    enum http_upgrade verdict = http_upgrade_check(&head, &key);
    if (verdict == HTTP_UPGRADE_OK)
        assert_memory_equal(key.at, KEY, HTTP_WS_KEY_LEN);
    else
        assert_null(key.at);
    return verdict;
}

#define GOOD "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static void takes_what_browsers_send(void **state)
{
    (void)state;
    assert_int_equal(check("GET / HTTP/1.1", GOOD "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"),
                     HTTP_UPGRADE_OK);
    assert_int_equal(check("GET / HTTP/1.1", "upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n" /* Firefox */
                                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"),
                     HTTP_UPGRADE_OK);
}

static void ordinary_requests_are_no_upgrade(void **state)
{
    (void)state;
    assert_int_equal(check("GET / HTTP/1.1", ""), HTTP_UPGRADE_NONE);
    assert_int_equal(check("GET / HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade\r\n"), HTTP_UPGRADE_NONE);
}

static void other_versions_are_told_ours(void **state)
{
    (void)state;
    assert_int_equal(check("GET / HTTP/1.1", GOOD "Sec-WebSocket-Key: " KEY "\r\n"), HTTP_UPGRADE_VERSION);
    assert_int_equal(check("GET / HTTP/1.1", GOOD "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n"),
                     HTTP_UPGRADE_VERSION);
    struct http_reply reply = {.status = 426, .type = "text/plain", .keep_alive = true, .minor = 1};
    assert_true(http_reply_head(&reply, text, sizeof text) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 426 Upgrade Required\r\n"));
    assert_non_null(strstr(text, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(text, "\r\nConnection: Upgrade\r\n"));
    reply.keep_alive = false;
    assert_true(http_reply_head(&reply, text, sizeof text) > 0);
    assert_non_null(strstr(text, "\r\nConnection: Upgrade, close\r\n"));
}

static void malformed_handshakes_are_bad(void **state)
{
    (void)state;
#define V13 "Sec-WebSocket-Version: 13\r\n"
    static const char *const bad[] = {
        GOOD V13,
        GOOD V13 "Sec-WebSocket-Key:\r\n",
        GOOD V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n",
        GOOD V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\r\n",
        GOOD V13 "Sec-WebSocket-Key: dGhlIHNhbXBs!SBub25jZQ==\r\n",
        GOOD V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA====\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive\r\n" V13 "Sec-WebSocket-Key: " KEY "\r\n",
        "Upgrade: websocket\r\n" V13 "Sec-WebSocket-Key: " KEY "\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(check("GET / HTTP/1.1", bad[i]), HTTP_UPGRADE_BAD);
    assert_int_equal(check("HEAD / HTTP/1.1", GOOD V13 "Sec-WebSocket-Key: " KEY "\r\n"), HTTP_UPGRADE_BAD);
    assert_int_equal(check("GET / HTTP/1.0", GOOD V13 "Sec-WebSocket-Key: " KEY "\r\n"), HTTP_UPGRADE_BAD);
}

static void our_own_request_is_valid(void **state)
{
    (void)state;
    struct http_head head;
    struct http_span key;
    char buf[512];
    int len = http_upgrade_request(buf, sizeof buf, "fe80::1", 8080, "/websocket", KEY);
    assert_true(len > 0);
    assert_int_equal(http_request_parse(buf, (size_t)len, &head), 0);
    assert_int_equal(http_upgrade_check(&head, &key), HTTP_UPGRADE_OK);
    assert_true(http_span_is(*http_field_find(&head, "host"), "[fe80::1]:8080"));
    assert_int_equal(http_upgrade_request(buf, (size_t)len, "fe80::1", 8080, "/websocket", KEY), -ENOBUFS);
    assert_true(http_upgrade_request(buf, sizeof buf, "h", 0, "/", KEY) > 0);
    assert_non_null(strstr(buf, "\r\nHost: h\r\n"));
}

static int accepted(const char *response)
{
    struct http_head head;
    assert_int_equal(http_response_parse(response, strlen(response), &head), 0);
    return http_upgrade_accepted(&head, ACCEPT);
}

static void the_answer_must_prove_itself(void **state)
{
    (void)state;
    int len = http_upgrade_reply(text, sizeof text, ACCEPT);
    assert_true(len > 0);
    assert_int_equal(accepted(text), 0);
#define R101 "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    assert_int_equal(accepted(R101 "\r\n"), -EPROTO);
    assert_int_equal(accepted(R101 "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), -EPROTO);
    assert_int_equal(accepted(R101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: x\r\n\r\n"), -EPROTO);
    assert_int_equal(
        accepted(R101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), -EPROTO);
    assert_int_equal(accepted("HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                              "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n"), -EPROTO);
    assert_int_equal(accepted("HTTP/1.1 101 X\r\nConnection: upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n"), -EPROTO);
    assert_int_equal(accepted("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n"), -EPROTO);
}

static void answers_carry_the_safety_fields(void **state)
{
    (void)state;
    struct http_reply reply = {.status = 200, .type = "text/html; charset=utf-8", .body_len = 12, .etag = "\"e\"",
                               .gzip = true, .varies = true, .page = true, .keep_alive = true, .minor = 1};
    int len = http_reply_head(&reply, text, sizeof text);
    assert_true(len > 0);
    assert_string_equal(text, "HTTP/1.1 200 OK\r\n"
                              "Content-Type: text/html; charset=utf-8\r\n"
                              "Content-Length: 12\r\n"
                              "Content-Encoding: gzip\r\n"
                              "Vary: Accept-Encoding\r\n"
                              "ETag: \"e\"\r\n"
                              "Cache-Control: no-cache\r\n"
                              "Content-Security-Policy: default-src 'none'; script-src 'self'; worker-src 'self'; "
                              "style-src 'self'; img-src 'self' data:; media-src 'self' data:; connect-src *; "
                              "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
                              "X-Content-Type-Options: nosniff\r\n"
                              "Referrer-Policy: no-referrer\r\n\r\n");
    assert_int_equal(http_reply_head(&reply, text, (size_t)len), -ENOBUFS);
    reply = (struct http_reply){.status = 405, .type = "text/plain", .no_store = true, .minor = 1};
    assert_true(http_reply_head(&reply, text, sizeof text) > 0);
    assert_non_null(strstr(text, "\r\nAllow: GET, HEAD\r\n"));
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(text, "\r\nCache-Control: no-store\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_browsers_send),
        cmocka_unit_test(ordinary_requests_are_no_upgrade),
        cmocka_unit_test(other_versions_are_told_ours),
        cmocka_unit_test(malformed_handshakes_are_bad),
        cmocka_unit_test(our_own_request_is_valid),
        cmocka_unit_test(the_answer_must_prove_itself),
        cmocka_unit_test(answers_carry_the_safety_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
