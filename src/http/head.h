/*
 * http/head.h - the head of an HTTP/1.1 request or response (RFC 9112), parsed in place
 *
 * Stateless: the caller hands over all bytes it has, again and again, until the head is whole. Nothing is allocated or
 * copied; the result points into the caller's bytes and is worth what they are. Strict where leniency has been used to
 * smuggle requests: CRLF only, no folded lines, no blank before a colon, no field twice that must stand once.
 */
#ifndef TETHER_HTTP_HEAD_H
#define TETHER_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_MAX = 8192,   /**< bytes of a head, the empty line included */
    HTTP_TARGET_MAX = 2048, /**< bytes of a request target */
    HTTP_FIELDS_MAX = 64,
};

struct http_span {
    const char *at;
    size_t len;
};

struct http_field {
    struct http_span name;
    struct http_span value; /**< without the blanks around it */
};

struct http_head {
    struct http_span method; /**< requests */
    struct http_span target; /**< requests: as sent */
    unsigned status;         /**< responses */
    unsigned minor;          /**< HTTP/1.minor, 0 or 1 */
    size_t len;              /**< bytes of the head, the empty line included: what follows begins here */
    size_t field_count;
    struct http_field field[HTTP_FIELDS_MAX];
};

/**
 * Parse a request head.
 *
 * @param ret_head set on success only
 * @return 0; -EAGAIN when it is well so far but not whole; -EBADMSG malformed; -ENAMETOOLONG target too long; -E2BIG too
 *         many bytes or fields; -EPROTONOSUPPORT not HTTP/1.x
 */
int http_request_parse(const void *data, size_t len, struct http_head *ret_head);

/** Parse a response head; errors as above. */
int http_response_parse(const void *data, size_t len, struct http_head *ret_head);

/** The status (400, 414, 431, 505) that answers a failure of http_request_parse(). */
unsigned http_status_of(int failure);

/** The first field of this name (lower case), or NULL. */
const struct http_span *http_field_find(const struct http_head *head, const char *name);

/** True when some field of this name holds the token in its comma-separated list; case does not matter. */
bool http_field_has_token(const struct http_head *head, const char *name, const char *token);

/** Case-insensitive comparison with an ASCII word. */
bool http_span_is(struct http_span span, const char *word);

/** The target's path without its query; absolute-form (RFC 9112 section 3.2.2) loses scheme and authority. */
struct http_span http_target_path(struct http_span target);

/** The rest of the request asks to keep the connection (RFC 9112 section 9.3). */
bool http_keeps_alive(const struct http_head *head);

/** @return bytes of body announced, 0 for none; -EBADMSG for a wrong or doubtful length; -EFBIG for a chunked one */
int64_t http_body_len(const struct http_head *head);

/** True when gzip may be sent: named in Accept-Encoding without a weight of zero (RFC 9110 section 12.5.3). */
bool http_accepts_gzip(const struct http_head *head);

/** True when If-None-Match names this entity tag, quotes included (weak comparison, RFC 9110 section 13.1.2). */
bool http_etag_matches(const struct http_head *head, const char *etag);

#endif
