/*
 * io/ws_dial.c - getting through to a websocket's server: its name, its addresses one after the other, a proxy, TLS
 *
 * All of it has one bound in time. An address that does not answer costs two seconds while there are others. The name is asked for
 * each time; where the answer is known from before (ws_way.known), that serves when the resolver is silent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/connect.h"
#include "io/underlay.h"
#include "io/ws_priv.h"

enum { CONNECT_MS = 8000, ADDRESS_MS = 2000, NAME_MS = 2000 }; /* for all; for one while there are others; for a name that is known */

static void let_go(struct ws_connecting *k)
{
    if (k->ws != NULL || k->pending > 0)
        return;
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
    names_forget(k->asking);
    k->asking = NULL;
    let_go(k);
}

static bool by_proxy(const struct ws_connecting *k)
{
    return k->way.proxy != NULL && k->way.proxy->host[0] != '\0';
}

void ws_connecting_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct ws_connecting *k = ((struct ws *)handle->data)->connecting;
    (void)suggested;
    *ret_buf = uv_buf_init(k->buf + k->have, (unsigned)(sizeof k->buf - k->have));
}

/* --- TLS --- */

static void on_secure(struct stream *stream, int status)
{
    struct ws *ws = stream->tcp.data;
    if (status < 0)
        give_up(ws, stream_why(stream, status));
    else
        ws_client_ready(ws);
}

/* Bytes go to the server and back. */
static void through(struct ws *ws)
{
    struct ws_connecting *k = ws->connecting;
    if (!k->url.tls)
        ws_client_ready(ws);
    else if (stream_secure(ws->stream, k->way.tls, k->url.host, on_secure) < 0)
        give_up(ws, "out of memory");
    else if (ws->state != WS_CLOSED)
        ws_out_use(ws, &ws->out, ws->stream);
}

/* --- the proxy --- */

static void on_proxy_answer(struct ws *ws)
{
    struct ws_connecting *k = ws->connecting;
    struct http_head head;
    char reason[120];
    int failed = http_response_parse(k->buf, k->have, &head);
    if (failed == -EAGAIN)
        return;
    enum http_connect answer = failed ? HTTP_CONNECT_REFUSED : http_connect_answer(&head);
    if (failed || (answer == HTTP_CONNECT_OK && k->have > head.len)) { /* the server does not speak first */
        give_up(ws, "the proxy's answer is no HTTP");
    } else if (answer == HTTP_CONNECT_PASSWORD) {
        give_up(ws, k->way.proxy->basic[0] != '\0' ? "the proxy does not accept this name and password"
                                                   : "the proxy wants a password: --proxy http://NAME:PASSWORD@HOST:PORT");
    } else if (answer == HTTP_CONNECT_REFUSED) {
        snprintf(reason, sizeof reason, "the proxy does not connect to port %u (HTTP status %u)", k->url.port, head.status);
        give_up(ws, reason);
    } else {
        k->have = 0;
        stream_read_stop(ws->stream);
        through(ws);
    }
}

static void on_proxy_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ws *ws = stream->data;
    (void)buf;
    if (n < 0) {
        give_up(ws, n == UV_ENOBUFS ? "the proxy's answer is no HTTP" : n == UV_EOF ? "closed by the proxy" : uv_strerror((int)n));
    } else if (n > 0) {
        ws->connecting->have += (size_t)n;
        on_proxy_answer(ws);
    }
}

static void ask_proxy(struct ws *ws)
{
    struct ws_connecting *k = ws->connecting;
    const char *basic = k->way.proxy->basic;
    char request[1200];
    int len = http_connect_request(request, sizeof request, k->url.host, k->url.port, basic[0] != '\0' ? basic : NULL);
    uv_buf_t out = uv_buf_init(request, len > 0 ? (unsigned)len : 0);
    if (len < 0 || stream_try_write(ws->stream, &out, 1) != len ||
        stream_read_start(ws->stream, ws_connecting_alloc_cb, on_proxy_read) < 0)
        give_up(ws, "cannot ask the proxy");
}

/* --- addresses --- */

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
    ws_tune_tcp(&ws->stream->tcp);
    k->next = k->found.count;
    if (by_proxy(k)) {
        ask_proxy(ws);
    } else {
        ws_name_peer(&ws->stream->tcp, ws->peer, sizeof ws->peer);
        through(ws);
    }
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
    ws_out_use(ws, &ws->out, stream);
    return 0;
}

/* Where its route leads into our own tunnel, a socket is bound to the device of the next best one. */
static int go_around(struct ws *ws, const struct sockaddr_storage *to)
{
    struct underlay via;
    int failed = underlay_find(to, ws->connecting->way.around, &via);
    if (failed || via.ifname[0] == '\0')
        return failed;
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    failed = underlay_bind(fd, &via);
    if (!failed)
        failed = uv_tcp_open(&ws->stream->tcp, fd);
    if (failed)
        close(fd);
    return failed;
}

static void on_timeout(uv_timer_t *timer);

/* status: why the one before failed */
static void try_next(struct ws *ws, int status)
{
    struct ws_connecting *k = ws->connecting;
    while (k->next < k->found.count) {
        const struct sockaddr_storage *to = &k->found.addr[k->next];
        uint64_t now = io_now_ms(ws->loop), left = k->give_up_ms > now ? k->give_up_ms - now : 1;
        uv_connect_t *req = &k->connect[k->tried % 2];
        status = k->pending > 1 ? UV_EBUSY : k->next == 0 ? 0 : fresh_stream(ws);
        k->next++;
        if (status == 0 && k->way.around != NULL)
            status = go_around(ws, to);
        if (status == 0)
            status = uv_tcp_connect(req, &ws->stream->tcp, (const struct sockaddr *)to, on_connected);
        if (status == 0) {
            k->tried++;
            k->pending++;
            uv_timer_start(&ws->timer, on_timeout, k->next < k->found.count && left > ADDRESS_MS ? ADDRESS_MS : left, 0);
            return;
        }
    }
    give_up(ws, uv_strerror(status));
}

/* --- the name --- */

static void use_known(struct ws *ws, int status)
{
    struct ws_connecting *k = ws->connecting;
    if (k->way.known == NULL || k->way.known->count == 0) {
        give_up(ws, uv_strerror(status));
        return;
    }
    k->found = *k->way.known;
    try_next(ws, status);
}

static void on_names(void *ctx, int status, const struct names *found)
{
    struct ws *ws = ctx;
    struct ws_connecting *k = ws->connecting;
    k->asking = NULL;
    if (status < 0) {
        use_known(ws, status);
        return;
    }
    k->found = *found;
    if (k->way.known != NULL)
        *k->way.known = *found;
    try_next(ws, UV_EAI_NONAME);
}

static void on_timeout(uv_timer_t *timer)
{
    struct ws *ws = timer->data;
    struct ws_connecting *k = ws->connecting;
    bool asking = k->asking != NULL;
    if (asking && k->way.known != NULL && k->way.known->count > 0) {
        names_forget(k->asking);
        k->asking = NULL;
        use_known(ws, UV_ETIMEDOUT);
    } else if (!asking && k->next < k->found.count && io_now_ms(ws->loop) < k->give_up_ms) {
        try_next(ws, UV_ETIMEDOUT);
    } else {
        give_up(ws, asking ? "the name was not resolved within 8 s" : "no answer within 8 s");
    }
}

void ws_dial(struct ws *ws)
{
    struct ws_connecting *k = ws->connecting;
    const char *host = by_proxy(k) ? k->way.proxy->host : k->url.host;
    uint16_t port = by_proxy(k) ? k->way.proxy->port : k->url.port;
    bool known = k->way.known != NULL && k->way.known->count > 0;
    k->connect[0].data = k->connect[1].data = k;
    k->give_up_ms = io_now_ms(ws->loop) + CONNECT_MS;
    uv_timer_start(&ws->timer, on_timeout, known ? NAME_MS : CONNECT_MS, 0);
    int failed = names_ask(ws->loop, host, port, on_names, ws, &k->asking);
    if (failed)
        give_up(ws, uv_strerror(failed));
}
