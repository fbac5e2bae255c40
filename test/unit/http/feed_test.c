/* http/feed_test.c - the token of a feed in a request's target, and the head of the answer that never ends */
#include "http/feed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "guard.h"
#include "http/reply.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static bool has(const char *target, char ret_token[HTTP_FEED_TOKEN_LEN + 1])
{
    struct guard guard;
    size_t len = strlen(target);
    guard_init(&guard, 256);
    const char *at = (const char *)guard_place(&guard, target, len); /* an overread crashes */
    bool found = http_feed_token((struct http_span){at, len}, ret_token);
    guard_done(&guard);
    return found;
}

static void is_found_anywhere_in_the_query(void **state)
{
    static const char *const good[] = {"/websocket?feed=" TOKEN, "/?x&feed=" TOKEN, "/?feed=" TOKEN "&y=1", "?feed=" TOKEN, "/?feed=0&feed=" TOKEN,
                                       "http://a/websocket?&&feed=" TOKEN "&"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char token[HTTP_FEED_TOKEN_LEN + 1] = "";
        if (!has(good[i], token) || strcmp(token, TOKEN) != 0)
            fail_msg("%s: got %s", good[i], token);
    }
}

static void whatever_else_is_none(void **state)
{
    static const char *const bad[] = {"", "?", "/websocket", "/feed=" TOKEN, "/?feed=", "/?feed", "/?Feed=" TOKEN, "/?feed=" TOKEN "0", "/?feed=0123456789abcdef0123456789abcde",
                                      "/?feed=0123456789ABCDEF0123456789ABCDEF", "/?feed=0123456789abcdef0123456789abcdeg", "/?xfeed=" TOKEN, "/?feed=%30123456789abcdef0123456789abcd",
                                      "/&feed=" TOKEN};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char token[HTTP_FEED_TOKEN_LEN + 1] = "untouched";
        if (has(bad[i], token))
            fail_msg("%s: got %s", bad[i], token);
        assert_string_equal(token, "untouched");
    }
}

static void every_truncation_is_none(void **state)
{
    static const char whole[] = "/websocket?feed=" TOKEN;
    char token[HTTP_FEED_TOKEN_LEN + 1], piece[sizeof whole];
    (void)state;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        memcpy(piece, whole, len);
        piece[len] = 0;
        assert_false(has(piece, token));
    }
    assert_true(has(whole, token));
}

static void the_answer_ends_with_its_connection(void **state)
{
    struct http_reply reply = {.status = 200, .type = "application/octet-stream", .endless = true, .minor = 1};
    char head[1024];
    (void)state;
    int len = http_reply_head(&reply, head, sizeof head);
    assert_true(len > 0);
    assert_memory_equal(head + len - 4, "\r\n\r\n", 4);
    static const char *const wanted[] = {"HTTP/1.1 200 OK\r\n", "Content-Type: application/octet-stream\r\n", "Connection: close\r\n", "Access-Control-Allow-Origin: *\r\n",
                                         "Cache-Control: no-store, no-transform\r\n", "X-Accel-Buffering: no\r\n", "X-Content-Type-Options: nosniff\r\n"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (strstr(head, wanted[i]) == NULL)
            fail_msg("no %s in %s", wanted[i], head);
    assert_null(strstr(head, "Content-Length"));
    reply.endless = false;
    assert_true(http_reply_head(&reply, head, sizeof head) > 0);
    assert_null(strstr(head, "Allow-Origin")); /* nothing else is for other pages to read */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_found_anywhere_in_the_query),
        cmocka_unit_test(whatever_else_is_none),
        cmocka_unit_test(every_truncation_is_none),
        cmocka_unit_test(the_answer_ends_with_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
