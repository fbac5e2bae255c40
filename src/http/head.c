/* http/head.c - see head.h */
#include "http/head.h"

#include <errno.h>
#include <string.h>

/* Reads forward only; every function below asks for what it needs before it looks. */
struct cursor {
    const char *at, *end;
};

static bool is_token(unsigned char c) /* RFC 9110 section 5.6.2 */
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* A prefix that may still become the literal is -EAGAIN. */
static int expect(struct cursor *c, const char *literal, size_t literal_len)
{
    size_t have = (size_t)(c->end - c->at);
    size_t n = have < literal_len ? have : literal_len;
    if (memcmp(c->at, literal, n) != 0)
        return -EBADMSG;
    if (n < literal_len)
        return -EAGAIN;
    c->at += n;
    return 0;
}

static int take_token(struct cursor *c, char end, struct http_span *ret)
{
    const char *start = c->at;
    while (c->at < c->end && is_token((unsigned char)*c->at))
        c->at++;
    if (c->at == c->end)
        return -EAGAIN;
    if (*c->at != end || c->at == start)
        return -EBADMSG;
    *ret = (struct http_span){start, (size_t)(c->at - start)};
    c->at++;
    return 0;
}

static int take_target(struct cursor *c, struct http_span *ret)
{
    const char *start = c->at;
    while (c->at < c->end && *c->at > ' ' && *c->at < 0x7f)
        c->at++;
    if ((size_t)(c->at - start) > HTTP_TARGET_MAX)
        return -ENAMETOOLONG;
    if (c->at == c->end)
        return -EAGAIN;
    if (*c->at != ' ' || c->at == start)
        return -EBADMSG;
    *ret = (struct http_span){start, (size_t)(c->at - start)};
    c->at++;
    return 0;
}

static int take_version(struct cursor *c, unsigned *ret_minor)
{
    int failed = expect(c, "HTTP/", 5);
    if (failed)
        return failed;
    if (c->end - c->at < 3)
        return -EAGAIN;
    if (c->at[0] < '0' || c->at[0] > '9' || c->at[1] != '.' || c->at[2] < '0' || c->at[2] > '9')
        return -EBADMSG;
    if (c->at[0] != '1')
        return -EPROTONOSUPPORT;
    *ret_minor = c->at[2] == '0' ? 0 : 1; /* a higher minor version is understood as 1.1 (RFC 9110 section 2.5) */
    c->at += 3;
    return 0;
}

/* Text up to CRLF: visible characters, blanks and bytes above 0x7f (RFC 9110 section 5.5); blanks around it are cut. */
static int take_line(struct cursor *c, struct http_span *ret)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
    const char *start = c->at;
    while (c->at < c->end && ((unsigned char)*c->at >= ' ' || *c->at == '\t') && *c->at != 0x7f)
        c->at++;
    const char *stop = c->at;
    int failed = expect(c, "\r\n", 2);
    if (failed)
        return failed;
    while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    *ret = (struct http_span){start, (size_t)(stop - start)};
    return 0;
}

/* Fields whose repetition would leave open which one counts. Connection is a list and may repeat. */
static bool is_single(struct http_span name)
{
    static const char *const single[] = {
        "host",          "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-accept", "content-length",
        "transfer-encoding",
    };
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (http_span_is(name, single[i]))
            return true;
    return false;
}

static bool same_name(struct http_span a, struct http_span b)
{
    for (size_t i = 0; i < a.len && a.len == b.len; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return a.len == b.len;
}

static int take_fields(struct cursor *c, struct http_head *head)
{
    for (;;) {
        struct http_field field;
        if (c->at < c->end && *c->at == '\r')
            return expect(c, "\r\n", 2);
        int failed = take_token(c, ':', &field.name); /* a folded line begins with a blank and fails here */
        if (!failed)
            failed = take_line(c, &field.value);
        if (failed)
            return failed;
        if (head->field_count == HTTP_FIELDS_MAX)
            return -E2BIG;
        if (is_single(field.name))
            for (size_t i = 0; i < head->field_count; i++)
                if (same_name(head->field[i].name, field.name))
                    return -EBADMSG;
        head->field[head->field_count++] = field;
    }
}

/* A head that has filled the room it may take and is still not whole never will be. */
static int finish(int failed, size_t len, const struct cursor *c, const char *start, struct http_head *head,
                  struct http_head *ret_head)
{
    if (failed == -EAGAIN && len >= HTTP_HEAD_MAX)
        return -E2BIG;
    if (failed)
        return failed;
    head->len = (size_t)(c->at - start);
    if (head->len > HTTP_HEAD_MAX)
        return -E2BIG;
    *ret_head = *head;
    return 0;
}

int http_request_parse(const void *data, size_t len, struct http_head *ret_head)
{
    struct http_head head;
    struct cursor c = {data, (const char *)data + len};
    head.status = 0;
    head.minor = 0;
    head.field_count = 0;
    if (len == 0)
        return -EAGAIN;
    int failed = *c.at == '\r' ? expect(&c, "\r\n", 2) : 0; /* one empty line in front is forgiven: RFC 9112 section 2.2 */
    if (!failed)
        failed = take_token(&c, ' ', &head.method);
    if (!failed)
        failed = take_target(&c, &head.target);
    if (!failed)
        failed = take_version(&c, &head.minor);
    if (!failed)
        failed = expect(&c, "\r\n", 2);
    if (!failed)
        failed = take_fields(&c, &head);
    return finish(failed, len, &c, data, &head, ret_head);
}

int http_response_parse(const void *data, size_t len, struct http_head *ret_head)
{
    struct http_head head;
    struct http_span reason;
    struct cursor c = {data, (const char *)data + len};
    head.method = head.target = (struct http_span){"", 0};
    head.status = 0;
    head.minor = 0;
    head.field_count = 0;
    if (len == 0)
        return -EAGAIN;
    int failed = take_version(&c, &head.minor);
    if (!failed)
        failed = expect(&c, " ", 1);
    for (int i = 0; i < 3 && !failed; i++) {
        if (c.at == c.end)
            failed = -EAGAIN;
        else if (*c.at < '0' || *c.at > '9')
            failed = -EBADMSG;
        else
            head.status = head.status * 10 + (unsigned)(*c.at++ - '0');
    }
    if (!failed && c.at < c.end && *c.at != ' ' && *c.at != '\r')
        failed = -EBADMSG;
    if (!failed)
        failed = take_line(&c, &reason);
    if (!failed)
        failed = take_fields(&c, &head);
    return finish(failed, len, &c, data, &head, ret_head);
}

unsigned http_status_of(int failure)
{
    switch (failure) {
    case -ENAMETOOLONG:
        return 414;
    case -E2BIG:
        return 431;
    case -EPROTONOSUPPORT:
        return 505;
    default:
        return 400;
    }
}
