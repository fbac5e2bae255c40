/*
 * io/ws.c - the life of a websocket, from the opened connection to the last callback; see ws.h
 *
 * However it ends, it ends once: the first cause is remembered, the handles are closed, and closed() comes from the last close
 * callback. Until then every function may be called from inside of any callback.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "io/ws_priv.h"

enum {
    NOTSENT_LOWAT = 128 * 1024,
    CLOSE_MS = 3000,
};

/* --- reading --- */

void ws_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    size_t len;
    (void)suggested;
    char *buf = io_loop_read_buffer(handle->loop, &len);
    *ret_buf = uv_buf_init(buf, (unsigned)len);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ws *ws = stream->data;
    if (n > 0)
        ws_in_feed(ws, (uint8_t *)buf->base, (size_t)n);
    else if (n < 0)
        ws_finish(ws, WS_CLOSE_ABNORMAL, n == UV_EOF ? "connection ended" : stream_why(ws->stream, (int)n));
}

void ws_pause(struct ws *ws)
{
    if (ws->state == WS_OPEN && !ws->paused)
        stream_read_stop(ws->stream);
    ws->paused = true;
}

void ws_resume(struct ws *ws)
{
    if (ws->state == WS_OPEN && ws->paused) {
        ws->in.heard_ms = io_now_ms(ws->loop);
        stream_read_start(ws->stream, ws_alloc_cb, on_read);
    }
    ws->paused = false;
}

/* --- the end --- */

static const char *words_of(int code)
{
    switch (code) {
    case WS_CLOSE_NORMAL:
        return "closed";
    case WS_CLOSE_GOING_AWAY:
        return "the other side went away";
    default:
        return "no reason given";
    }
}

void ws_set_cause(struct ws *ws, int code, const char *reason)
{
    if (ws->close_code != 0)
        return;
    ws->close_code = code != 0 ? code : WS_CLOSE_PROTOCOL;
    snprintf(ws->close_reason, sizeof ws->close_reason, "%s", reason[0] != '\0' ? reason : words_of(code));
}

static void on_close_timeout(uv_timer_t *timer)
{
    ws_finish(timer->data, WS_CLOSE_ABNORMAL, "closing took too long");
}

void ws_begin_closing(struct ws *ws)
{
    if (ws->state != WS_OPEN)
        return;
    ws->state = WS_CLOSING;
    if (ws->paused) /* its close frame must be heard */
        stream_read_start(ws->stream, ws_alloc_cb, on_read);
    uv_timer_start(&ws->timer, on_close_timeout, CLOSE_MS, 0);
    ws_feed_end(ws);
}

void ws_check_closed(struct ws *ws)
{
    if (ws->state != WS_CLOSING || !wslay_event_get_close_sent(ws->wslay) || ws_backlog(ws) > 0)
        return;
    if (wslay_event_get_close_received(ws->wslay)) {
        ws_finish(ws, WS_CLOSE_NORMAL, "");
    } else if (!wslay_event_get_read_enabled(ws->wslay) && !ws->shut) {
        /* A peer we cannot understand: closing now could reset the connection before it reads why. Wait until it leaves. */
        ws->shut = true;
        if (stream_shutdown(ws->stream) < 0)
            ws_finish(ws, WS_CLOSE_PROTOCOL, "");
    }
}

/* Codes that must not stand in a frame: RFC 6455 section 7.4.1. */
static bool is_sendable(int code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) || (code >= 3000 && code <= 4999);
}

void ws_close(struct ws *ws, int code, const char *reason)
{
    if (!is_sendable(code))
        code = WS_CLOSE_NORMAL;
    if (ws->state == WS_CONNECTING) {
        ws_finish(ws, code, reason);
        return;
    }
    if (ws->state != WS_OPEN)
        return;
    ws_set_cause(ws, code, reason);
    ws_begin_closing(ws);
    wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)reason, strnlen(reason, 123));
    ws_in_send_control(ws);
    ws_check_closed(ws);
}

void ws_handle_closed_cb(uv_handle_t *handle)
{
    struct ws *ws = handle->data;
    if (handle == (uv_handle_t *)ws->stream)
        ws->stream = ws->out.stream = NULL;
    else if (handle == (uv_handle_t *)ws->feed.stream)
        ws->feed.stream = ws->feed.out.stream = NULL;
    if (--ws->open_handles > 0)
        return;
    if (ws->events != NULL && ws->events->closed != NULL)
        ws->events->closed(ws->ctx, ws->close_code, ws->close_reason);
    ws_out_free(&ws->out);
    ws_out_free(&ws->feed.out);
    wslay_event_context_free(ws->wslay);
    free(ws);
}

void ws_finish(struct ws *ws, int code, const char *reason)
{
    if (ws->state == WS_CLOSED)
        return;
    ws->state = WS_CLOSED;
    ws_set_cause(ws, code, reason);
    ws_connecting_abandon(ws);
    ws_feed_close(ws);
    stream_close(ws->stream, ws_handle_closed_cb);
    uv_close((uv_handle_t *)&ws->timer, ws_handle_closed_cb);
}

/* --- the beginning --- */

void ws_tune_tcp(uv_tcp_t *tcp)
{
    uv_os_fd_t fd;
    uv_tcp_nodelay(tcp, 1);
    if (uv_fileno((uv_handle_t *)tcp, &fd) != 0)
        return;
#ifdef TCP_NOTSENT_LOWAT
    int lowat = NOTSENT_LOWAT;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
#endif
    congestion_begin(fd);
}

void ws_name_peer(const uv_tcp_t *tcp, char *buf, size_t cap)
{
    struct sockaddr_storage addr;
    int len = sizeof addr;
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&addr, &len) == 0)
        names_text(&addr, buf, cap);
    else
        snprintf(buf, cap, "?");
}

struct ws *ws_alloc(struct io_loop *loop, struct stream *take_stream, bool server)
{
    struct ws *ws = calloc(1, sizeof *ws);
    if (ws == NULL)
        return NULL;
    ws->loop = loop;
    ws->server = server;
    if (ws_in_init(ws) < 0) {
        free(ws);
        return NULL;
    }
    ws->stream = take_stream;
    ws->stream->tcp.data = ws;
    ws_out_use(ws, &ws->out, ws->stream);
    ws->open_handles = 2;
    ws_alive_init(ws);
    uv_timer_init(io_loop_uv(loop), &ws->timer);
    ws->timer.data = ws;
    return ws;
}

struct ws *ws_adopt(struct io_loop *loop, struct stream *take_stream)
{
    struct ws *ws = ws_alloc(loop, take_stream, true);
    if (ws == NULL)
        return NULL;
    ws->state = WS_OPEN;
    ws_name_peer(&ws->stream->tcp, ws->peer, sizeof ws->peer);
    ws_tune_tcp(&ws->stream->tcp);
    return ws;
}

void ws_start(struct ws *ws, char *early, size_t early_len)
{
    if (ws->state != WS_OPEN && ws->state != WS_CLOSING)
        return;
    if (!ws->paused || ws->state == WS_CLOSING)
        stream_read_start(ws->stream, ws_alloc_cb, on_read);
    if (ws->state == WS_OPEN)
        ws_alive_start(ws);
    if (early_len > 0)
        ws_in_feed(ws, (uint8_t *)early, early_len);
}

void ws_listen(struct ws *ws, const struct ws_events *events, void *ctx)
{
    ws->events = events;
    ws->ctx = ctx;
}

const char *ws_peer(const struct ws *ws)
{
    return ws->peer;
}
