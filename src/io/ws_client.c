/* io/ws_client.c - the handshake of a websocket that we open, once ws_dial.c has got through; see ws.h */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "http/upgrade.h"
#include "io/ws_priv.h"

void ws_accept_value(const char *key, size_t key_len, char ret_value[HTTP_WS_ACCEPT_LEN + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[64 + sizeof HTTP_WS_GUID];
    int len = snprintf(text, sizeof text, "%.*s%s", (int)(key_len > 60 ? 60 : key_len), key, HTTP_WS_GUID);
    EVP_Digest(text, (size_t)len, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)ret_value, digest, 20);
}

static void give_up(struct ws *ws, const char *reason)
{
    ws_finish(ws, WS_CLOSE_ABNORMAL, reason);
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
    return stream_read_start(ws->stream, ws_connecting_alloc_cb, on_read);
}

void ws_client_ready(struct ws *ws)
{
    if (send_request(ws) < 0)
        give_up(ws, "cannot send the handshake");
}

int ws_connect(struct io_loop *loop, const struct ws_url *url, const struct ws_way *way, const struct ws_events *events,
               void *ctx, struct ws **ret_ws, struct err *err)
{
    if (url->tls && (way == NULL || way->tls == NULL))
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
    if (way != NULL)
        k->way = *way;
    ws_dial(ws);
    *ret_ws = ws;
    return 0;
}
