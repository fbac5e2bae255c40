/*
 * http/reply.h - the head of an answer
 *
 * Every answer carries the same safety fields; what differs is in struct http_reply.
 */
#ifndef TETHER_HTTP_REPLY_H
#define TETHER_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct http_reply {
    unsigned status;
    const char *type;   /**< Content-Type, or NULL: no content */
    size_t body_len;    /**< Content-Length (of the GET, also for HEAD) */
    const char *etag;   /**< with quotes, or NULL */
    bool gzip;          /**< Content-Encoding: gzip */
    bool varies;        /**< the answer depends on Accept-Encoding */
    bool no_store;      /**< else no-cache: kept, but asked for again every time */
    bool page;          /**< a document of the web app: give it its Content-Security-Policy */
    bool endless;       /**< the body goes on until the connection ends, for whatever page asks, and nobody on the way may keep or change it */
    bool keep_alive;
    unsigned minor;     /**< of the request */
};

/** @return length, or -ENOBUFS */
int http_reply_head(const struct http_reply *reply, char *buf, size_t cap);
/** "Not Found" */
const char *http_reason(unsigned status);
/** One line of plain text for a person, newline included. */
const char *http_status_text(unsigned status);

#endif
