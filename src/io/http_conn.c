/*
 * io/http_conn.c - one HTTP connection: reads a head, answers, reads the next one; or becomes a websocket
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/http_priv.h"
#include "io/ws_priv.h"

enum { HEAD_MS = 10000, IDLE_MS = 30000, ANSWER_MS = 30000, LINGER_MS = 1000 };

struct http_conn {
    struct http_server *server;
    struct list_link link; /* of the server's */
    struct stream *stream;
    uv_timer_t timer;
    uv_write_t write;
    struct http_answer reply;
    int open_handles;
    bool closing, writing;
    uint64_t idle_since_ms;
    size_t have;
    char buf[HTTP_HEAD_MAX + 1];
};
enum { LINK = offsetof(struct http_conn, link) };

static void serve(struct http_conn *c);
static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_closed(uv_handle_t *handle)
{
    struct http_conn *c = handle->data;
    if (--c->open_handles == 0) {
        free(c->reply.owned);
        free(c);
    }
}

static void close_conn(struct http_conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    list_remove(&c->server->conns, &c->link);
    c->server->conn_count--;
    c->open_handles = c->stream != NULL ? 2 : 1;
    if (c->stream != NULL)
        stream_close(c->stream, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

void http_conn_close_all(struct http_server *server)
{
    for (struct http_conn *c; (c = list_first(&server->conns, LINK)) != NULL;)
        close_conn(c);
}

static bool is_idle(const struct http_conn *c)
{
    return c->have == 0 && !c->writing && !c->reply.close;
}

bool http_conn_evict(struct http_server *server)
{
    struct http_conn *oldest = NULL;
    for (struct http_conn *c = list_first(&server->conns, LINK); c != NULL; c = list_next(&c->link, LINK))
        if (is_idle(c) && (oldest == NULL || c->idle_since_ms <= oldest->idle_since_ms))
            oldest = c;
    if (oldest != NULL)
        close_conn(oldest);
    return oldest != NULL;
}

static void on_timeout(uv_timer_t *timer)
{
    struct http_conn *c = timer->data;
    if (c->writing || c->have == 0 || c->reply.close) {
        close_conn(c); /* does not read our answer, or has nothing to ask */
        return;
    }
    c->reply.close = true;
    http_answer_error(&c->reply, 408, false);
    serve(c);
}

/* After an answer that refuses unread input, wait a moment for the peer to close: a reset could overtake the answer. */
static void linger(struct http_conn *c)
{
    c->have = 0;
    if (stream_shutdown(c->stream) < 0) {
        close_conn(c);
        return;
    }
    uv_timer_start(&c->timer, on_timeout, LINGER_MS, 0);
}

static void on_written(uv_write_t *req, int status)
{
    struct http_conn *c = req->data;
    c->writing = false;
    free(c->reply.owned);
    c->reply.owned = NULL;
    if (c->closing)
        return;
    if (status < 0) {
        close_conn(c);
        return;
    }
    if (c->reply.close) {
        linger(c);
    } else {
        c->idle_since_ms = io_now_ms(c->server->loop);
        uv_timer_start(&c->timer, on_timeout, c->have > 0 ? HEAD_MS : IDLE_MS, 0);
        c->reply = (struct http_answer){0};
        serve(c);
    }
    if (!c->closing && !c->writing)
        stream_read_start(c->stream, alloc_cb, on_read);
}

static void send_reply(struct http_conn *c)
{
    struct http_answer *r = &c->reply;
    uv_buf_t bufs[2] = {uv_buf_init(r->head, (unsigned)r->head_len),
                        uv_buf_init((char *)(uintptr_t)r->body, (unsigned)r->body_len)};
    if (c->closing) /* the server was closed from inside of a handler */
        return;
    c->writing = true;
    c->write.data = c;
    stream_read_stop(c->stream); /* pipelined requests wait in the kernel, where they have a bound */
    uv_timer_start(&c->timer, on_timeout, ANSWER_MS, 0);
    if (stream_write(c->stream, &c->write, bufs, r->body_len > 0 ? 2 : 1, on_written) < 0)
        close_conn(c);
}

/*
 * --- becoming a websocket ---
 *
 * Any Origin is welcome: the page may come from the laptop, from serve-web or from a file, and another page gains nothing by
 * connecting, since without the key nobody gets past the TLS inside the messages (with --plain there is no such guard).
 */

static void upgrade(struct http_conn *c, const struct http_head *head, struct http_span key)
{
    struct http_server *s = c->server;
    char path[256], accept[HTTP_WS_ACCEPT_LEN + 1], answer[256], token[HTTP_FEED_TOKEN_LEN + 1];
    struct http_span target = http_target_path(head->target);
    snprintf(path, sizeof path, "%.*s", (int)(target.len < 255 ? target.len : 255), target.at);
    if (s->handlers->takes_websocket == NULL || !s->handlers->takes_websocket(s->ctx, path)) {
        c->reply.close = true;
        http_answer_error(&c->reply, 404, false);
        send_reply(c);
        return;
    }
    ws_accept_value(key.at, key.len, accept);
    int len = http_upgrade_reply(answer, sizeof answer, accept);
    uv_buf_t buf = uv_buf_init(answer, (unsigned)len);
    stream_read_stop(c->stream);
    /* A fresh connection's buffer is empty, so this always fits; if it did not, the connection is useless. */
    struct ws *ws = stream_try_write(c->stream, &buf, 1) == len ? ws_adopt(s->loop, c->stream) : NULL;
    if (ws == NULL) {
        close_conn(c);
        return;
    }
    c->stream = NULL;
    if (http_feed_token(head->target, token))
        ws_feed_offer(ws, token, &s->feeds);
    s->handlers->websocket(s->ctx, path, ws);
    ws_start(ws, c->buf + head->len, c->have - head->len);
    close_conn(c);
}

/* The page of an open websocket asks for a second way down. @return false: it is an ordinary request */
static bool give_feed(struct http_conn *c, const struct http_head *head)
{
    char token[HTTP_FEED_TOKEN_LEN + 1];
    struct ws *ws = http_span_is(head->method, "GET") && http_feed_token(head->target, token) ? ws_feed_find(&c->server->feeds, token) : NULL;
    if (ws == NULL)
        return false;
    stream_read_stop(c->stream);
    ws_feed_answer(ws, c->stream);
    c->stream = NULL;
    close_conn(c);
    return true;
}

/* --- requests --- */

/* The answer to a whole head; upgrades are on their own way afterwards. */
static void answer(struct http_conn *c, const struct http_head *head)
{
    struct http_span key;
    enum http_upgrade wanted = http_upgrade_check(head, &key);
    bool head_only = http_span_is(head->method, "HEAD"), body = http_body_len(head) != 0;
    if (wanted == HTTP_UPGRADE_OK && !body) { /* with one, the first frame's place would be in doubt */
        upgrade(c, head, key);
        return;
    }
    if (wanted == HTTP_UPGRADE_NONE && !body && give_feed(c, head))
        return;
    c->reply.minor = head->minor;
    c->reply.close = !http_keeps_alive(head) || wanted != HTTP_UPGRADE_NONE || body;
    if (wanted == HTTP_UPGRADE_VERSION)
        http_answer_error(&c->reply, 426, head_only);
    else if (wanted == HTTP_UPGRADE_BAD)
        http_answer_error(&c->reply, 400, head_only);
    else if (body)
        http_answer_error(&c->reply, http_body_len(head) == -EBADMSG ? 400 : 413, head_only);
    else
        http_answer_make(&c->reply, c->server, head);
    memmove(c->buf, c->buf + head->len, c->have - head->len);
    c->have -= head->len;
    send_reply(c);
}

static void serve(struct http_conn *c)
{
    struct http_head head;
    if (c->closing || c->writing)
        return;
    if (c->reply.head_len > 0) { /* decided already: a time-out */
        send_reply(c);
        return;
    }
    int failed = c->have > 0 ? http_request_parse(c->buf, c->have, &head) : -EAGAIN;
    if (failed == 0) {
        answer(c, &head);
    } else if (failed != -EAGAIN) {
        c->reply.close = true;
        http_answer_error(&c->reply, http_status_of(failed), false);
        send_reply(c);
    }
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct http_conn *c = handle->data;
    (void)suggested;
    *ret_buf = uv_buf_init(c->buf + c->have, (unsigned)(sizeof c->buf - 1 - c->have));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_conn *c = stream->data;
    (void)buf;
    if (n < 0 && n != UV_EOF && c->server->tls != NULL) {
        char peer[64];
        ws_name_peer(&c->stream->tcp, peer, sizeof peer);
        log_debug("http", peer, "connection failed", "why=\"%s\"", stream_why(c->stream, (int)n));
    }
    if (n < 0) { /* whole requests before the end are answered: it is not read while an answer is written */
        close_conn(c);
    } else if (n > 0 && c->reply.close) {
        c->have = 0; /* lingering: whatever else comes is not wanted */
    } else if (n > 0) {
        if (c->have == 0)
            uv_timer_start(&c->timer, on_timeout, HEAD_MS, 0);
        c->have += (size_t)n;
        serve(c);
    }
}

void http_conn_open(struct http_server *server, struct stream *take_stream)
{
    struct http_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        stream_close(take_stream, NULL);
        return;
    }
    c->server = server;
    c->idle_since_ms = io_now_ms(server->loop);
    c->stream = take_stream;
    c->stream->tcp.data = c;
    uv_timer_init(io_loop_uv(server->loop), &c->timer);
    c->timer.data = c;
    list_prepend(&server->conns, &c->link);
    server->conn_count++;
    uv_tcp_nodelay(&c->stream->tcp, 1);
    uv_timer_start(&c->timer, on_timeout, HEAD_MS, 0); /* a TLS handshake counts as waiting for the head */
    if (server->tls != NULL && stream_secure(c->stream, server->tls, NULL, NULL) < 0)
        close_conn(c);
    else
        stream_read_start(c->stream, alloc_cb, on_read);
}
