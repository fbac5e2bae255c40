/*
 * io/stream_seal.c - TLS over TCP: from plaintext to the kernel
 *
 * What OpenSSL writes gathers in a bounded buffer that is offered to the kernel at once, and only the rest is copied, for libuv's
 * queue. While that queue holds anything nothing more is encrypted on the direct way, so a peer that does not read costs one buffer
 * here and then shows as UV_EAGAIN.
 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "io/stream_priv.h"

/** Ciphertext on its way to the kernel. */
struct cipher_block {
    uv_write_t own;
    uv_write_t *req; /* the user's, whose end this is; or NULL */
    uv_write_cb written;
    uint8_t data[];
};

static void on_block_written(uv_write_t *own, int status)
{
    struct cipher_block *b = (struct cipher_block *)own;
    struct stream *s = (struct stream *)own->handle;
    uv_write_t *req = b->req;
    uv_write_cb written = b->written;
    free(b);
    if (req != NULL)
        written(req, status);
    else if (status == 0 && s->sec->drained != NULL && stream_queued(s) == 0)
        s->sec->drained(s);
}

/* Into libuv's queue from out[at]; req: the user's write that ends here, or NULL. */
static int queue_out(struct stream *s, size_t at, uv_write_t *req, uv_write_cb written)
{
    struct stream_sec *t = s->sec;
    size_t len = t->io.out_len - at;
    struct cipher_block *b = malloc(sizeof *b + len);
    t->io.out_len = 0;
    if (b == NULL)
        return UV_ENOMEM;
    b->req = req;
    b->written = written;
    memcpy(b->data, t->io.out + at, len);
    if (req != NULL)
        req->handle = (uv_stream_t *)s;
    uv_buf_t buf = uv_buf_init((char *)b->data, (unsigned)len);
    int failed = uv_write(&b->own, (uv_stream_t *)s, &buf, 1, on_block_written);
    if (failed)
        free(b);
    return failed;
}

int stream_seal_flush(struct stream *s)
{
    struct stream_sec *t = s->sec;
    int n = 0;
    if (t->io.overflow)
        return UV_ENOBUFS;
    if (t->io.out_len == 0)
        return 0;
    if (stream_queued(s) == 0) {
        uv_buf_t buf = uv_buf_init((char *)t->io.out, (unsigned)t->io.out_len);
        n = uv_try_write((uv_stream_t *)s, &buf, 1);
    }
    if (n == (int)t->io.out_len) {
        t->io.out_len = 0;
        return 0;
    }
    return queue_out(s, n > 0 ? (size_t)n : 0, NULL, NULL);
}

/** A place in a list of buffers. */
struct cursor {
    const uv_buf_t *buf;
    unsigned left;
    size_t at;
};

static void skip_used(struct cursor *c)
{
    while (c->left > 0 && c->at == c->buf->len) {
        c->buf++;
        c->left--;
        c->at = 0;
    }
}

/* A frame's header must not become a record of its own: where a buffer ends inside a record, the next one's start joins it. */
static size_t seal_record(struct stream_sec *t, struct cursor *c)
{
    uint8_t joined[STREAM_RECORD];
    size_t n = c->buf->len - c->at;
    const void *data = c->buf->base + c->at;
    if (n >= STREAM_RECORD || c->left == 1) {
        n = n < STREAM_RECORD ? n : STREAM_RECORD;
        c->at += n;
    } else {
        for (n = 0; c->left > 0 && n < STREAM_RECORD; skip_used(c)) {
            size_t room = STREAM_RECORD - n, have = c->buf->len - c->at, step = have < room ? have : room;
            memcpy(joined + n, c->buf->base + c->at, step);
            c->at += step;
            n += step;
        }
        data = joined;
    }
    skip_used(c);
    return SSL_write(t->ssl, data, (int)n) == (int)n ? n : 0;
}

/* Encrypt up to STREAM_TAKE_MAX bytes into the empty out. @return bytes, or a negative code */
static int seal(struct stream_sec *t, struct cursor *c)
{
    size_t taken = 0;
    ERR_clear_error();
    for (skip_used(c); c->left > 0 && taken + STREAM_RECORD <= STREAM_TAKE_MAX;) {
        size_t n = seal_record(t, c);
        if (n == 0)
            return UV_EPROTO;
        taken += n;
    }
    return (int)taken;
}

int stream_seal_try_write(struct stream *s, const uv_buf_t *bufs, unsigned count)
{
    struct cursor c = {bufs, count, 0};
    int taken = 0;
    if (!s->sec->ready || s->sec->failed)
        return UV_ENOTCONN;
    skip_used(&c);
    while (c.left > 0 && stream_queued(s) == 0) {
        int n = seal(s->sec, &c);
        if (n < 0)
            return n;
        n = n > 0 && stream_seal_flush(s) == 0 ? n : UV_ENOMEM;
        if (n < 0)
            return n;
        taken += n;
    }
    return taken > 0 ? taken : UV_EAGAIN;
}

int stream_seal_write(struct stream *s, uv_write_t *req, const uv_buf_t *bufs, unsigned count, uv_write_cb written)
{
    struct cursor c = {bufs, count, 0};
    if (!s->sec->ready || s->sec->failed)
        return UV_ENOTCONN;
    for (;;) {
        int n = seal(s->sec, &c);
        if (n < 0)
            return n;
        bool last = c.left == 0;
        int failed = queue_out(s, 0, last ? req : NULL, last ? written : NULL);
        if (failed || last)
            return failed;
    }
}

void stream_seal_end(struct stream *s)
{
    struct stream_sec *t = s->sec;
    if (!t->ready || t->failed || (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
        return;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    stream_seal_flush(s);
}
