/*
 * http/field.c - what the fields of a head say: lists of tokens, lengths, weights, entity tags
 *
 * Unknown or malformed values of fields that only tune the answer count as absent; those that decide where the next
 * request begins (lengths) are refused.
 */
#include <errno.h>
#include <string.h>

#include "http/head.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool http_span_is(struct http_span span, const char *word)
{
    for (size_t i = 0; i < span.len; i++)
        if (word[i] == '\0' || lower(span.at[i]) != lower(word[i]))
            return false;
    return word[span.len] == '\0';
}

const struct http_span *http_field_find(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (http_span_is(head->field[i].name, name))
            return &head->field[i].value;
    return NULL;
}

static struct http_span trim(struct http_span s)
{
    while (s.len > 0 && (*s.at == ' ' || *s.at == '\t'))
        s.at++, s.len--;
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cut the text up to the separator off the front of *rest; false when nothing is left. */
static bool next_item(struct http_span *rest, char separator, struct http_span *ret)
{
    if (rest->at == NULL)
        return false;
    const char *cut = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
    size_t len = cut != NULL ? (size_t)(cut - rest->at) : rest->len;
    *ret = trim((struct http_span){rest->at, len});
    if (cut != NULL)
        *rest = (struct http_span){cut + 1, rest->len - len - 1};
    else
        rest->at = NULL;
    return true;
}

bool http_field_has_token(const struct http_head *head, const char *name, const char *token)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_span rest = head->field[i].value, item;
        if (!http_span_is(head->field[i].name, name))
            continue;
        while (next_item(&rest, ',', &item))
            if (http_span_is(item, token))
                return true;
    }
    return false;
}

struct http_span http_target_path(struct http_span target)
{
    static const char scheme[] = "http://";
    const size_t scheme_len = sizeof scheme - 1;
    if (target.len >= scheme_len && http_span_is((struct http_span){target.at, scheme_len}, scheme)) {
        struct http_span after = {target.at + scheme_len, target.len - scheme_len};
        const char *slash = after.len > 0 ? memchr(after.at, '/', after.len) : NULL;
        if (slash == NULL)
            return (struct http_span){"/", 1};
        target = (struct http_span){slash, after.len - (size_t)(slash - after.at)};
    }
    const char *query = target.len > 0 ? memchr(target.at, '?', target.len) : NULL;
    if (query != NULL)
        target.len = (size_t)(query - target.at);
    return target;
}

bool http_keeps_alive(const struct http_head *head)
{
    if (http_field_has_token(head, "connection", "close"))
        return false;
    return head->minor > 0 || http_field_has_token(head, "connection", "keep-alive");
}

int64_t http_body_len(const struct http_head *head)
{
    const struct http_span *value = http_field_find(head, "content-length");
    int64_t len = 0;
    if (http_field_find(head, "transfer-encoding") != NULL) /* both at once is an attack: RFC 9112 section 6.1 */
        return value != NULL ? -EBADMSG : -EFBIG;
    if (value == NULL)
        return 0;
    if (value->len == 0 || value->len > 18)
        return -EBADMSG;
    for (size_t i = 0; i < value->len; i++) {
        if (value->at[i] < '0' || value->at[i] > '9')
            return -EBADMSG;
        len = len * 10 + (value->at[i] - '0');
    }
    return len;
}

/* "q=0", "q=0.000": not acceptable. */
static bool weight_is_zero(struct http_span parameter)
{
    if (parameter.len < 3 || lower(parameter.at[0]) != 'q' || parameter.at[1] != '=')
        return false;
    for (size_t i = 2; i < parameter.len; i++)
        if (parameter.at[i] != '0' && parameter.at[i] != '.')
            return false;
    return true;
}

bool http_accepts_gzip(const struct http_head *head)
{
    const struct http_span *value = http_field_find(head, "accept-encoding");
    struct http_span rest, item, part;
    if (value == NULL)
        return false;
    rest = *value;
    while (next_item(&rest, ',', &item)) {
        struct http_span parts = item;
        bool first = true, gzip = false, refused = false;
        while (next_item(&parts, ';', &part)) {
            if (first)
                gzip = http_span_is(part, "gzip") || http_span_is(part, "x-gzip");
            else
                refused = refused || weight_is_zero(part);
            first = false;
        }
        if (gzip)
            return !refused;
    }
    return false;
}

bool http_etag_matches(const struct http_head *head, const char *etag)
{
    const struct http_span *value = http_field_find(head, "if-none-match");
    struct http_span rest, item;
    const size_t etag_len = strlen(etag);
    if (value == NULL)
        return false;
    rest = *value;
    while (next_item(&rest, ',', &item)) {
        if (item.len == 1 && *item.at == '*')
            return true;
        if (item.len > 2 && memcmp(item.at, "W/", 2) == 0)
            item = (struct http_span){item.at + 2, item.len - 2};
        if (item.len == etag_len && memcmp(item.at, etag, etag_len) == 0)
            return true;
    }
    return false;
}
