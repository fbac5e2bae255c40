/*
 * test/fuzz/fuzz_http.c - heads of requests and responses under any input
 *
 * The first byte chooses request or response. Spans must lie inside the head; a head must parse alike however much
 * follows it, and a shorter piece of a good one must never be an error.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>

#include "http/feed.h"
#include "http/upgrade.h"

static void check_span(struct http_span span, const uint8_t *data, size_t len)
{
    FUZZ_CHECK((const uint8_t *)span.at >= data && (const uint8_t *)span.at + span.len <= data + len);
    for (size_t i = 0; i < span.len; i++)
        FUZZ_CHECK(span.at[i] != '\0' && span.at[i] != '\r' && span.at[i] != '\n');
}

static void check_request(const struct http_head *head, const uint8_t *data)
{
    struct http_span key;
    char token[HTTP_FEED_TOKEN_LEN + 1];
    check_span(head->method, data, head->len);
    check_span(head->target, data, head->len);
    const struct http_span path = http_target_path(head->target);
    if (path.len != 1 || *path.at != '/') /* which may be a constant, for a target without a path */
        check_span(path, data, head->len);
    FUZZ_CHECK(head->target.len <= HTTP_TARGET_MAX);
    if (http_upgrade_check(head, &key) == HTTP_UPGRADE_OK)
        FUZZ_CHECK(key.len == HTTP_WS_KEY_LEN);
    FUZZ_CHECK(http_body_len(head) >= -EBADMSG || http_body_len(head) == -EFBIG);
    if (http_feed_token(head->target, token))
        FUZZ_CHECK(strlen(token) == HTTP_FEED_TOKEN_LEN && strspn(token, "0123456789abcdef") == HTTP_FEED_TOKEN_LEN);
    http_keeps_alive(head);
    http_accepts_gzip(head);
    http_etag_matches(head, "\"etag\"");
}

typedef int (*parse_fn)(const void *data, size_t len, struct http_head *ret_head);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const bool response = fuzz_u8(&in) & 1;
    const parse_fn parse = response ? http_response_parse : http_request_parse;
    uint8_t *bytes = fuzz_copy(in.data, in.size);
    struct http_head head, again;
    int verdict = parse(bytes, in.size, &head);
    FUZZ_CHECK(verdict == 0 || http_status_of(verdict) >= 400);
    if (verdict == 0) {
        FUZZ_CHECK(head.len <= in.size && head.len <= HTTP_HEAD_MAX && head.field_count <= HTTP_FIELDS_MAX);
        FUZZ_CHECK(memcmp(bytes + head.len - 4, "\r\n\r\n", 4) == 0);
        for (size_t i = 0; i < head.field_count; i++) {
            check_span(head.field[i].name, bytes, head.len);
            check_span(head.field[i].value, bytes, head.len);
        }
        if (response)
            http_upgrade_accepted(&head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        else
            check_request(&head, bytes);
        FUZZ_CHECK(parse(bytes, head.len, &again) == 0 && again.len == head.len);
        for (size_t len = 0; len < head.len; len += 1 + head.len / 64)
            FUZZ_CHECK(parse(bytes, len, &again) == -EAGAIN);
    }
    free(bytes);
    return 0;
}
