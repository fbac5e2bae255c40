/*
 * io/ws.c - an open websocket; see ws.h
 *
 * wslay reads frames and looks after control frames; outgoing messages are written here, straight from the caller's bytes when the
 * kernel takes them, because wslay's queue would copy each.
 */
#include "io/ws_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum {
    HIGH_WATER = 512 * 1024,
    HARD_LIMIT = 8 * 1024 * 1024,
    NOTSENT_LOWAT = 128 * 1024,
    MESSAGE_LIMIT = 16 * 1024 * 1024,
    CLOSE_MS = 3000,
    KEEPALIVE_MS = 5000,
    PING_AFTER_MS = 20000,
    DEAD_AFTER_MS = 60000,
    HEADER_MAX = 14,
};

struct write {
    uv_write_t req;
    struct ws *ws;
    uint8_t data[];
};

static void check_closed(struct ws *ws);

/* --- sending --- */

size_t ws_backlog(const struct ws *ws)
{
    return ws->tcp != NULL ? uv_stream_get_write_queue_size((const uv_stream_t *)ws->tcp) : 0;
}

size_t ws_high_water(void)
{
    return HIGH_WATER;
}

static void on_written(uv_write_t *req, int status)
{
    struct write *w = (struct write *)req;
    struct ws *ws = w->ws;
    free(w);
    if (ws->state == WS_CLOSED)
        return;
    if (status < 0) {
        ws_finish(ws, WS_CLOSE_ABNORMAL, uv_strerror(status));
        return;
    }
    if (ws->was_high && ws_backlog(ws) <= HIGH_WATER / 2) {
        ws->was_high = false;
        if (ws->events->drained != NULL && ws->state == WS_OPEN)
            ws->events->drained(ws->ctx);
    }
    check_closed(ws);
}

/* What the kernel does not take at once is copied and queued. */
static int put(struct ws *ws, const uint8_t *head, size_t head_len, const uint8_t *body, size_t body_len)
{
    size_t total = head_len + body_len, sent = 0;
    if (ws_backlog(ws) + total > HARD_LIMIT)
        return -ENOBUFS;
    if (ws_backlog(ws) == 0) {
        uv_buf_t bufs[2] = {uv_buf_init((char *)(uintptr_t)head, (unsigned)head_len),
                            uv_buf_init((char *)(uintptr_t)body, (unsigned)body_len)};
        int n = uv_try_write((uv_stream_t *)ws->tcp, bufs, body_len > 0 ? 2 : 1);
        sent = n > 0 ? (size_t)n : 0;
        if (sent == total)
            return 0;
    }
    struct write *w = malloc(sizeof *w + total - sent);
    if (w == NULL)
        return -ENOMEM;
    w->ws = ws;
    size_t at = 0;
    if (sent < head_len) {
        memcpy(w->data, head + sent, head_len - sent);
        at = head_len - sent;
        sent = head_len;
    }
    memcpy(w->data + at, body + (sent - head_len), total - sent);
    at += total - sent;
    uv_buf_t buf = uv_buf_init((char *)w->data, (unsigned)at);
    int failed = uv_write(&w->req, (uv_stream_t *)ws->tcp, &buf, 1, on_written);
    if (failed)
        free(w);
    ws->was_high = ws->was_high || ws_backlog(ws) > HIGH_WATER;
    return failed;
}

/* RFC 6455 section 5.2 */
static size_t put_header(uint8_t *out, enum ws_opcode opcode, size_t len, bool masked)
{
    size_t at = 2;
    uint8_t mask_bit = masked ? 0x80 : 0;
    out[0] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        out[1] = (uint8_t)(mask_bit | len);
    } else if (len < 65536) {
        out[1] = mask_bit | 126;
        out[2] = (uint8_t)(len >> 8);
        out[3] = (uint8_t)len;
        at = 4;
    } else {
        out[1] = mask_bit | 127;
        for (int i = 0; i < 8; i++)
            out[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        at = 10;
    }
    return at;
}

static int send_masked(struct ws *ws, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    uint8_t mask[8];
    uint64_t wide, word;
    if (ws->masked_cap < HEADER_MAX + len) {
        uint8_t *bigger = realloc(ws->masked, HEADER_MAX + len);
        if (bigger == NULL)
            return -ENOMEM;
        ws->masked = bigger;
        ws->masked_cap = HEADER_MAX + len;
    }
    if (RAND_bytes(mask, 4) != 1)
        return -EIO;
    memcpy(mask + 4, mask, 4);
    memcpy(&wide, mask, 8);
    uint8_t *out = ws->masked;
    size_t at = put_header(out, opcode, len, true), i = 0;
    memcpy(out + at, mask, 4);
    at += 4;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(out + at + i, &word, 8);
    }
    for (; i < len; i++)
        out[at + i] = data[i] ^ mask[i & 3];
    return put(ws, out, at + len, NULL, 0);
}

int ws_send(struct ws *ws, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    uint8_t header[HEADER_MAX];
    if (ws->state != WS_OPEN)
        return -EPIPE;
    if (!ws->server)
        return send_masked(ws, opcode, data, len);
    return put(ws, header, put_header(header, opcode, len, false), data, len);
}

/* --- wslay's callbacks --- */

static ssize_t on_wslay_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user_data)
{
    struct ws *ws = user_data;
    (void)flags;
    if (ws->in_len == 0 || ws->state == WS_CLOSED) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = ws->in_len < len ? ws->in_len : len;
    memcpy(buf, ws->in, n);
    ws->in += n;
    ws->in_len -= n;
    return (ssize_t)n;
}

static ssize_t on_wslay_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user_data)
{
    struct ws *ws = user_data;
    (void)flags;
    if (put(ws, data, len, NULL, 0) < 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)len;
}

static int on_wslay_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *user_data)
{
    (void)ctx, (void)user_data;
    return RAND_bytes(buf, (int)len) == 1 ? 0 : -1;
}

static void on_frame_start(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *arg,
                           void *user_data)
{
    struct ws *ws = user_data;
    (void)ctx;
    ws->control = wslay_is_ctrl_frame(arg->opcode);
    if (ws->control)
        return;
    ws->frame_fin = arg->fin;
    ws->frame_left = arg->payload_length;
    ws->frame_empty = arg->payload_length == 0;
    if (arg->opcode != WSLAY_CONTINUATION_FRAME)
        ws->opcode = arg->opcode == WSLAY_TEXT_FRAME ? WS_TEXT : WS_BINARY;
}

static void on_frame_chunk(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *arg,
                           void *user_data)
{
    struct ws *ws = user_data;
    (void)ctx;
    if (ws->control || ws->state != WS_OPEN || arg->data_length == 0)
        return;
    ws->frame_left -= arg->data_length;
    if (ws->events->data != NULL)
        ws->events->data(ws->ctx, ws->opcode, arg->data, arg->data_length, ws->frame_fin && ws->frame_left == 0);
}

/* A message whose last frame is empty has no chunk that could say it is over. */
static void on_frame_end(wslay_event_context_ptr ctx, void *user_data)
{
    static const uint8_t nothing[1];
    struct ws *ws = user_data;
    (void)ctx;
    if (!ws->control && ws->frame_empty && ws->frame_fin && ws->state == WS_OPEN && ws->events->data != NULL)
        ws->events->data(ws->ctx, ws->opcode, nothing, 0, true);
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user_data)
{
    struct ws *ws = user_data;
    (void)ctx;
    if (arg->opcode != WSLAY_CONNECTION_CLOSE)
        return;
    ws->close_code = arg->status_code != 0 ? arg->status_code : WS_CLOSE_NORMAL;
    size_t at = arg->msg_length >= 2 ? 2 : arg->msg_length, len = arg->msg_length - at;
    if (len > sizeof ws->close_reason - 1)
        len = sizeof ws->close_reason - 1;
    memcpy(ws->close_reason, arg->msg + at, len);
    ws->close_reason[len] = '\0';
}

/* --- receiving --- */

static void send_control(struct ws *ws)
{
    if (ws->state != WS_CLOSED && wslay_event_want_write(ws->wslay) && wslay_event_send(ws->wslay) != 0)
        ws_finish(ws, WS_CLOSE_ABNORMAL, "cannot send");
}

static void feed(struct ws *ws, const uint8_t *data, size_t len)
{
    ws->in = data;
    ws->in_len = len;
    ws->heard_ms = io_now_ms(ws->loop);
    ws->pinged = false;
    int failed = wslay_event_recv(ws->wslay);
    if (ws->state == WS_CLOSED)
        return;
    if (failed) {
        ws_finish(ws, WS_CLOSE_ABNORMAL, "not a websocket");
        return;
    }
    send_control(ws);
    check_closed(ws);
}

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
        feed(ws, (const uint8_t *)buf->base, (size_t)n);
    else if (n < 0)
        ws_finish(ws, ws->close_code ? ws->close_code : WS_CLOSE_ABNORMAL,
                  ws->close_code ? ws->close_reason : n == UV_EOF ? "connection ended" : uv_strerror((int)n));
}

void ws_pause(struct ws *ws)
{
    if (ws->state == WS_OPEN && !ws->paused)
        uv_read_stop((uv_stream_t *)ws->tcp);
    ws->paused = true;
}

void ws_resume(struct ws *ws)
{
    if (ws->state == WS_OPEN && ws->paused)
        uv_read_start((uv_stream_t *)ws->tcp, ws_alloc_cb, on_read);
    ws->paused = false;
}

/* --- life --- */

static void on_keepalive(uv_timer_t *timer)
{
    struct ws *ws = timer->data;
    uint64_t silent = io_now_ms(ws->loop) - ws->heard_ms;
    if (ws->paused) /* we do not listen, so silence says nothing */
        return;
    if (silent > DEAD_AFTER_MS) {
        ws_finish(ws, WS_CLOSE_ABNORMAL, "nothing heard for 60 s");
    } else if (silent > PING_AFTER_MS && !ws->pinged) {
        struct wslay_event_msg ping = {.opcode = WSLAY_PING};
        ws->pinged = true;
        if (wslay_event_queue_msg(ws->wslay, &ping) == 0)
            send_control(ws);
    }
}

static void on_close_timeout(uv_timer_t *timer)
{
    struct ws *ws = timer->data;
    ws_finish(ws, ws->close_code ? ws->close_code : WS_CLOSE_ABNORMAL, ws->close_reason);
}

/* Both close frames exchanged and everything written: the connection may go. */
static void check_closed(struct ws *ws)
{
    if (ws->state == WS_CLOSED || ws->wslay == NULL)
        return;
    bool received = wslay_event_get_close_received(ws->wslay), sent = wslay_event_get_close_sent(ws->wslay);
    bool broken = !wslay_event_get_read_enabled(ws->wslay) && !received && sent; /* wslay saw a protocol error */
    if ((received && sent && ws_backlog(ws) == 0) || (broken && ws_backlog(ws) == 0))
        ws_finish(ws, ws->close_code ? ws->close_code : WS_CLOSE_PROTOCOL, ws->close_reason);
}

void ws_close(struct ws *ws, int code, const char *reason)
{
    if (ws->state == WS_CONNECTING) {
        ws_finish(ws, code, reason);
        return;
    }
    if (ws->state != WS_OPEN)
        return;
    ws->state = WS_CLOSING;
    if (ws->paused) /* its close frame must be heard */
        uv_read_start((uv_stream_t *)ws->tcp, ws_alloc_cb, on_read);
    uv_timer_start(&ws->timer, on_close_timeout, CLOSE_MS, 0);
    wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)reason, strnlen(reason, 120));
    if (wslay_event_want_write(ws->wslay) && wslay_event_send(ws->wslay) != 0)
        ws_finish(ws, WS_CLOSE_ABNORMAL, "cannot send");
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct ws *ws = handle->data;
    if (handle == (uv_handle_t *)ws->tcp) {
        free(ws->tcp);
        ws->tcp = NULL;
    }
    if (--ws->open_handles > 0)
        return;
    if (ws->events != NULL && ws->events->closed != NULL)
        ws->events->closed(ws->ctx, ws->close_code, ws->close_reason);
    if (ws->wslay != NULL)
        wslay_event_context_free(ws->wslay);
    free(ws->masked);
    free(ws);
}

void ws_finish(struct ws *ws, int code, const char *reason)
{
    if (ws->state == WS_CLOSED)
        return;
    ws->state = WS_CLOSED;
    ws_connecting_abandon(ws);
    ws->close_code = code;
    if (reason != ws->close_reason)
        snprintf(ws->close_reason, sizeof ws->close_reason, "%s", reason);
    uv_close((uv_handle_t *)ws->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&ws->timer, on_handle_closed);
}

void ws_tune_tcp(uv_tcp_t *tcp)
{
    uv_os_fd_t fd;
    int lowat = NOTSENT_LOWAT;
    uv_tcp_nodelay(tcp, 1);
    if (uv_fileno((uv_handle_t *)tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

void ws_name_peer(const uv_tcp_t *tcp, char *buf, size_t cap)
{
    struct sockaddr_storage addr;
    int len = sizeof addr;
    char host[48] = "?";
    snprintf(buf, cap, "?");
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&addr, &len) != 0)
        return;
    bool six = addr.ss_family == AF_INET6;
    uint16_t port = ntohs(six ? ((struct sockaddr_in6 *)&addr)->sin6_port : ((struct sockaddr_in *)&addr)->sin_port);
    if (six)
        uv_ip6_name((struct sockaddr_in6 *)&addr, host, sizeof host);
    else
        uv_ip4_name((struct sockaddr_in *)&addr, host, sizeof host);
    snprintf(buf, cap, six ? "[%s]:%u" : "%s:%u", host, port);
}

void ws_accept_value(const char *key, size_t key_len, char ret_value[29])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    char text[64 + sizeof guid];
    int len = snprintf(text, sizeof text, "%.*s%s", (int)(key_len > 60 ? 60 : key_len), key, guid);
    EVP_Digest(text, (size_t)len, digest, &digest_len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)ret_value, digest, 20);
}

struct ws *ws_alloc(struct io_loop *loop, uv_tcp_t *take_tcp, bool server)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_wslay_recv,
        .send_callback = on_wslay_send,
        .genmask_callback = on_wslay_mask,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_frame_chunk,
        .on_frame_recv_end_callback = on_frame_end,
        .on_msg_recv_callback = on_message,
    };
    struct ws *ws = calloc(1, sizeof *ws);
    if (ws == NULL)
        return NULL;
    int failed = server ? wslay_event_context_server_init(&ws->wslay, &callbacks, ws)
                        : wslay_event_context_client_init(&ws->wslay, &callbacks, ws);
    if (failed) {
        free(ws);
        return NULL;
    }
    wslay_event_config_set_no_buffering(ws->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(ws->wslay, MESSAGE_LIMIT);
    ws->loop = loop;
    ws->server = server;
    ws->tcp = take_tcp;
    ws->tcp->data = ws;
    ws->open_handles = 2;
    ws->heard_ms = io_now_ms(loop);
    uv_timer_init(io_loop_uv(loop), &ws->timer);
    ws->timer.data = ws;
    return ws;
}

struct ws *ws_adopt(struct io_loop *loop, uv_tcp_t *take_tcp)
{
    struct ws *ws = ws_alloc(loop, take_tcp, true);
    if (ws == NULL)
        return NULL;
    ws->state = WS_OPEN;
    ws_name_peer(ws->tcp, ws->peer, sizeof ws->peer);
    ws_tune_tcp(ws->tcp);
    return ws;
}

void ws_start(struct ws *ws, const char *early, size_t early_len)
{
    if (ws->state != WS_OPEN && ws->state != WS_CLOSING)
        return;
    uv_read_start((uv_stream_t *)ws->tcp, ws_alloc_cb, on_read);
    if (ws->state == WS_OPEN)
        uv_timer_start(&ws->timer, on_keepalive, KEEPALIVE_MS, KEEPALIVE_MS);
    if (early_len > 0)
        feed(ws, (const uint8_t *)early, early_len);
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
