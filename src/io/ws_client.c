/* io/ws_client.c - a websocket that we open: resolve, connect, handshake; see ws.h */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "http/upgrade.h"
#include "io/ws_priv.h"

enum { CONNECT_MS = 8000, ADDRESS_MS = 2000 }; /* for all; for one while there are others to try */

/* Only while the websocket is being opened; freed when both requests are over. */
struct ws_connecting {
    struct ws *ws; /* NULL once it was given up */
    struct ws_url url;
    struct stream_tls *tls;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect[2]; /* of the address being tried, and of the one before while it is cancelled */
    unsigned tried;
    struct addrinfo *found, *next; /* addresses of the name; the ones not tried yet */
    uint64_t give_up_ms;
    int pending; /* libuv requests that still refer to this */
    char key[HTTP_WS_KEY_LEN + 1];
    size_t have;
    char buf[HTTP_HEAD_MAX];
};

static void let_go(struct ws_connecting *k)
{
    if (k->ws != NULL || k->pending > 0)
        return;
    uv_freeaddrinfo(k->found);
    free(k);
}

static void give_up(struct ws *ws, const char *reason)
{
    ws_finish(ws, WS_CLOSE_ABNORMAL, reason);
}

void ws_connecting_abandon(struct ws *ws)
{
    struct ws_connecting *k = ws->connecting;
    if (k == NULL)
        return;
    ws->connecting = NULL;
    k->ws = NULL;
    uv_cancel((uv_req_t *)&k->resolve);
    let_go(k);
}

/* --- the handshake --- */

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct ws_connecting *k = ((struct ws *)handle->data)->connecting;
    (void)suggested;
    *ret_buf = uv_buf_init(k->buf + k->have, (unsigned)(sizeof k->buf - k->have));
}

static void on_response(struct ws *ws)
{
    struct ws_connecting *k = ws->connecting;
    struct http_head head;
    char accept[HTTP_WS_ACCEPT_LEN + 1], early[HTTP_HEAD_MAX], reason[96];
    int failed = http_response_parse(k->buf, k->have, &head);
    if (failed == -EAGAIN)
        return;
    if (failed) {
        give_up(ws, "the answer is no HTTP");
        return;
    }
    ws_accept_value(k->key, HTTP_WS_KEY_LEN, accept);
    if (http_upgrade_accepted(&head, accept) < 0) {
        snprintf(reason, sizeof reason, "no websocket there (HTTP status %u)", head.status);
        give_up(ws, reason);
        return;
    }
    size_t early_len = k->have - head.len;
    memcpy(early, k->buf + head.len, early_len);
    stream_read_stop(ws->stream);
    ws_connecting_abandon(ws);
    ws->state = WS_OPEN;
    uv_timer_stop(&ws->timer);
    if (ws->events->open != NULL)
        ws->events->open(ws->ctx);
    ws_start(ws, early, early_len);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ws *ws = stream->data;
    (void)buf;
    if (n < 0) {
        give_up(ws, n == UV_ENOBUFS ? "the answer is no HTTP" : n == UV_EOF ? "closed during the handshake"
                                                                         : stream_why(ws->stream, (int)n));
    } else if (n > 0) {
        ws->connecting->have += (size_t)n;
        on_response(ws);
    }
}

static int send_request(struct ws *ws)
{
    struct ws_connecting *k = ws->connecting;
    unsigned char random[16];
    char request[1200];
    if (RAND_bytes(random, sizeof random) != 1)
        return -EIO;
    EVP_EncodeBlock((unsigned char *)k->key, random, sizeof random);
    int len = http_upgrade_request(request, sizeof request, k->url.host, k->url.port, k->url.path, k->key);
    uv_buf_t out = uv_buf_init(request, (unsigned)len);
    if (len < 0 || stream_try_write(ws->stream, &out, 1) != len)
        return -EIO;
    return stream_read_start(ws->stream, alloc_cb, on_read);
}

static void on_ready(struct stream *stream, int status)
{
    struct ws *ws = stream->tcp.data;
    if (status < 0)
        give_up(ws, stream_why(stream, status));
    else if (send_request(ws) < 0)
        give_up(ws, "cannot send the handshake");
}

static void try_next(struct ws *ws, int status);

static void on_connected(uv_connect_t *req, int status)
{
    struct ws_connecting *k = req->data;
    k->pending--;
    struct ws *ws = k->ws;
    if (ws == NULL) {
        let_go(k);
        return;
    }
    if (status == UV_ECANCELED) /* its address took too long; the next one is under way or everything is over */
        return;
    if (status < 0) {
        try_next(ws, status);
        return;
    }
    ws_name_peer(&ws->stream->tcp, ws->peer, sizeof ws->peer);
    ws_tune_tcp(&ws->stream->tcp);
    k->next = NULL;
    if (!k->url.tls)
        on_ready(ws->stream, 0);
    else if (stream_secure(ws->stream, k->tls, k->url.host, on_ready) < 0)
        give_up(ws, "out of memory");
    else
        ws_out_watch(ws);
}

/* A handle that failed, or that belongs to another family, cannot be used again. */
static int fresh_stream(struct ws *ws)
{
    struct stream *stream = stream_new(io_loop_uv(ws->loop));
    if (stream == NULL)
        return -ENOMEM;
    stream_close(ws->stream, NULL);
    stream->tcp.data = ws;
    ws->stream = stream;
    return 0;
}

static void on_timeout(uv_timer_t *timer)
{
    struct ws *ws = timer->data;
    struct ws_connecting *k = ws->connecting;
    if (k->next != NULL && io_now_ms(ws->loop) < k->give_up_ms)
        try_next(ws, UV_ETIMEDOUT);
    else
        give_up(ws, k->found == NULL ? "the name was not resolved within 8 s" : "no answer within 8 s");
}

/* status: why the one before failed */
static void try_next(struct ws *ws, int status)
{
    struct ws_connecting *k = ws->connecting;
    bool first = k->next == k->found;
    while (k->next != NULL) {
        struct addrinfo *to = k->next;
        uint64_t now = io_now_ms(ws->loop), left = k->give_up_ms > now ? k->give_up_ms - now : 1;
        k->next = to->ai_next;
        uv_connect_t *req = &k->connect[k->tried % 2];
        status = k->pending > 1 ? UV_EBUSY : first ? 0 : fresh_stream(ws);
        first = false;
        if (status == 0)
            status = uv_tcp_connect(req, &ws->stream->tcp, to->ai_addr, on_connected);
        if (status == 0) {
            k->tried++;
            k->pending++;
            uv_timer_start(&ws->timer, on_timeout, k->next != NULL && left > ADDRESS_MS ? ADDRESS_MS : left, 0);
            return;
        }
    }
    give_up(ws, uv_strerror(status));
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct ws_connecting *k = req->data;
    k->pending--;
    k->found = k->next = found;
    struct ws *ws = k->ws;
    if (ws == NULL)
        let_go(k);
    else if (status < 0)
        give_up(ws, uv_strerror(status));
    else
        try_next(ws, UV_EAI_NONAME);
}

int ws_connect(struct io_loop *loop, const struct ws_url *url, struct stream_tls *tls, const struct ws_events *events,
               void *ctx, struct ws **ret_ws, struct err *err)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (url->tls && tls == NULL)
        return err_set(err, -EPROTONOSUPPORT, "wss://%s: no certificates were set up to check it with", url->host);
    struct ws_connecting *k = calloc(1, sizeof *k);
    struct stream *stream = stream_new(io_loop_uv(loop));
    struct ws *ws = k != NULL && stream != NULL ? ws_alloc(loop, stream, false) : NULL;
    if (ws == NULL) {
        free(k);
        if (stream != NULL)
            stream_close(stream, NULL);
        return -ENOMEM;
    }
    ws->state = WS_CONNECTING;
    ws->connecting = k;
    ws_listen(ws, events, ctx);
    snprintf(ws->peer, sizeof ws->peer, "%s:%u", url->host, url->port);
    k->ws = ws;
    k->url = *url;
    k->tls = tls;
    k->resolve.data = k->connect[0].data = k->connect[1].data = k;
    snprintf(port, sizeof port, "%u", url->port);
    k->give_up_ms = io_now_ms(loop) + CONNECT_MS;
    uv_timer_start(&ws->timer, on_timeout, CONNECT_MS, 0);
    int failed = uv_getaddrinfo(io_loop_uv(loop), &k->resolve, on_resolved, url->host, port, &hints);
    k->pending = failed == 0;
    if (failed)
        give_up(ws, uv_strerror(failed));
    *ret_ws = ws;
    return 0;
}
