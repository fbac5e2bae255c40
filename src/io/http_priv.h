/*
 * io/http_priv.h - inside of the HTTP server: listener (http_server.c), connection (http_conn.c), answers (http_reply.c)
 */
#ifndef TETHER_IO_HTTP_PRIV_H
#define TETHER_IO_HTTP_PRIV_H

#include <uv.h>

#include "base/list.h"
#include "http/reply.h"
#include "http/upgrade.h"
#include "io/http_server.h"
#include "io/stream.h"

enum { HTTP_CONNS_MAX = 256, HTTP_JSON_MAX = 8192 };

struct http_conn;

struct http_server {
    struct io_loop *loop;
    uv_tcp_t listener;
    const struct http_handlers *handlers;
    void *ctx;
    struct stream_tls *tls; /* NULL: plain */
    struct list conns; /* not upgraded ones */
    size_t conn_count;
    struct list feeds; /* websockets whose peer may ask for a feed */
    bool closing;
};

/** An answer: a head of our own and a body that is static or ours. */
struct http_answer {
    unsigned status;
    unsigned minor;  /* of the request's HTTP/1.x */
    bool close;      /* hang up afterwards */
    bool head_only;
    const char *body;
    size_t body_len;
    char *owned;     /* body to free */
    size_t head_len;
    char head[1024];
};

/** Decide the answer to a request that is no upgrade. */
void http_answer_make(struct http_answer *r, const struct http_server *server, const struct http_head *head);
/** A short text answer. */
void http_answer_error(struct http_answer *r, unsigned status, bool head_only);

/** Serve a connection that was accepted. */
void http_conn_open(struct http_server *server, struct stream *take_stream);
/** Close all that did not become websockets. */
void http_conn_close_all(struct http_server *server);
/** Close the connection that has waited longest without a byte of a request. @return false: all are busy */
bool http_conn_evict(struct http_server *server);

#endif
