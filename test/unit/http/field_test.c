/* http/field_test.c - what the fields of a head are taken to mean */
#include "http/head.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* The text must outlive the head, which borrows it. */
static char text[4096];

static struct http_head with(const char *fields)
{
    struct http_head head;
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n", fields);
    assert_int_equal(http_request_parse(text, strlen(text), &head), 0);
    return head;
}

static void tokens_are_found_in_lists(void **state)
{
    (void)state;
    struct http_head head = with("Connection: keep-alive ,\tUPGRADE\r\nConnection: x\r\n");
    assert_true(http_field_has_token(&head, "connection", "upgrade"));
    assert_true(http_field_has_token(&head, "connection", "keep-alive"));
    assert_true(http_field_has_token(&head, "connection", "x"));
    assert_false(http_field_has_token(&head, "connection", "keep"));
    assert_false(http_field_has_token(&head, "upgrade", "x"));
    head = with("Connection: ,, ,\r\n");
    assert_false(http_field_has_token(&head, "connection", "close"));
}

static void assert_path(const char *target, const char *path)
{
    struct http_span got = http_target_path((struct http_span){target, strlen(target)});
    assert_int_equal(got.len, strlen(path));
    assert_memory_equal(got.at, path, got.len);
}

static void paths_lose_query_and_origin(void **state)
{
    (void)state;
    assert_path("/", "/");
    assert_path("/a/b?c?d", "/a/b");
    assert_path("HTTP://host:80/a?b", "/a");
    assert_path("http://host", "/");
    assert_path("http://", "/");
    assert_path("*", "*");
    assert_path("?", "");
}

static void connections_are_kept_as_the_version_says(void **state)
{
    (void)state;
    struct http_head head = with("");
    assert_true(http_keeps_alive(&head));
    head.minor = 0;
    assert_false(http_keeps_alive(&head));
    head = with("Connection: Keep-Alive\r\n");
    head.minor = 0;
    assert_true(http_keeps_alive(&head));
    head = with("Connection: keep-alive, close\r\n");
    assert_false(http_keeps_alive(&head));
}

static int64_t body(const char *fields)
{
    struct http_head head = with(fields);
    return http_body_len(&head);
}

static void body_lengths_are_strict(void **state)
{
    (void)state;
    assert_int_equal(body(""), 0);
    assert_int_equal(body("Content-Length: 0\r\n"), 0);
    assert_int_equal(body("Content-Length: 12\r\n"), 12);
    assert_int_equal(body("Content-Length: +1\r\n"), -EBADMSG);
    assert_int_equal(body("Content-Length: 1, 1\r\n"), -EBADMSG);
    assert_int_equal(body("Content-Length: 0x10\r\n"), -EBADMSG);
    assert_int_equal(body("Content-Length:\r\n"), -EBADMSG);
    assert_int_equal(body("Content-Length: 99999999999999999999999\r\n"), -EBADMSG);
    assert_int_equal(body("Transfer-Encoding: chunked\r\n"), -EFBIG);
    assert_int_equal(body("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), -EBADMSG);
}

static bool gzip(const char *fields)
{
    struct http_head head = with(fields);
    return http_accepts_gzip(&head);
}

static void gzip_is_sent_only_where_welcome(void **state)
{
    (void)state;
    assert_false(gzip(""));
    assert_true(gzip("Accept-Encoding: gzip, deflate, br\r\n"));
    assert_true(gzip("Accept-Encoding: br;q=1.0, GZIP;q=0.5\r\n"));
    assert_false(gzip("Accept-Encoding: gzip;q=0\r\n"));
    assert_false(gzip("Accept-Encoding: gzip; q=0.000\r\n"));
    assert_false(gzip("Accept-Encoding: identity\r\n"));
    assert_false(gzip("Accept-Encoding: gzipped\r\n"));
}

static bool fresh(const char *fields)
{
    struct http_head head = with(fields);
    return http_etag_matches(&head, "\"abc\"");
}

static void etags_match_weakly(void **state)
{
    (void)state;
    assert_false(fresh(""));
    assert_true(fresh("If-None-Match: \"abc\"\r\n"));
    assert_true(fresh("If-None-Match: \"x\", W/\"abc\"\r\n"));
    assert_true(fresh("If-None-Match: *\r\n"));
    assert_false(fresh("If-None-Match: abc\r\n"));
    assert_false(fresh("If-None-Match: \"abcd\"\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_found_in_lists),
        cmocka_unit_test(paths_lose_query_and_origin),
        cmocka_unit_test(connections_are_kept_as_the_version_says),
        cmocka_unit_test(body_lengths_are_strict),
        cmocka_unit_test(gzip_is_sent_only_where_welcome),
        cmocka_unit_test(etags_match_weakly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
