/* http/feed.c - see feed.h */
#include "http/feed.h"

#include <string.h>

static bool is_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* "feed=" and the digits, and nothing else */
static bool is_token(struct http_span field)
{
    static const char name[] = "feed=";
    const size_t name_len = sizeof name - 1;
    if (field.len != name_len + HTTP_FEED_TOKEN_LEN || memcmp(field.at, name, name_len) != 0)
        return false;
    for (size_t i = name_len; i < field.len; i++)
        if (!is_digit(field.at[i]))
            return false;
    return true;
}

bool http_feed_token(struct http_span target, char ret_token[HTTP_FEED_TOKEN_LEN + 1])
{
    const char *end = target.at + target.len;
    const char *at = target.len > 0 ? memchr(target.at, '?', target.len) : NULL;
    while (at != NULL) { /* at a '?' or '&' */
        at++;
        const char *next = at < end ? memchr(at, '&', (size_t)(end - at)) : NULL;
        struct http_span field = {at, (size_t)((next != NULL ? next : end) - at)};
        if (is_token(field)) {
            memcpy(ret_token, field.at + field.len - HTTP_FEED_TOKEN_LEN, HTTP_FEED_TOKEN_LEN);
            ret_token[HTTP_FEED_TOKEN_LEN] = '\0';
            return true;
        }
        at = next;
    }
    return false;
}
