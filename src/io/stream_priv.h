/*
 * io/stream_priv.h - inside of a stream: the plain half (stream.c), TLS (stream_sec.c, stream_seal.c), certificates (stream_tls.c)
 *
 * One thing in several files: stream.c hands on to TLS what is TLS's, and TLS asks it how much is queued.
 */
#ifndef TETHER_IO_STREAM_PRIV_H
#define TETHER_IO_STREAM_PRIV_H

#include <openssl/ssl.h>

#include "io/stream.h"
#include "io/tls_bio.h"

enum {
    STREAM_RECORD = 16384,                       /* RFC 8446 section 5.1 */
    STREAM_TAKE_MAX = 4 * STREAM_RECORD,         /* encrypted in one go */
    STREAM_OUT_MAX = STREAM_TAKE_MAX + 4 * 1024, /* with records' headers and tags; a handshake's flight is far smaller */
};

struct stream_tls {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
};

/** TLS on a stream. Plaintext comes from OpenSSL when the user reads; ciphertext goes to the kernel or to libuv's queue. */
struct stream_sec {
    SSL *ssl;
    uv_timer_t timer; /* reads go on where they stopped, but not from inside of stream_read_start() */
    stream_ready_cb ready_cb;
    uv_alloc_cb alloc;
    uv_read_cb read; /* NULL: not now */
    void (*drained)(struct stream *s);
    struct tls_bio io; /* its input is borrowed, or in held */
    bool client, ready, pumping, failed;
    int untold; /* why it failed, while nobody listened; 0: told */
    uint8_t *held;
    char why[128];
    uint8_t plain[STREAM_RECORD];
    uint8_t out[STREAM_OUT_MAX];
};

/* stream_sec.c */

int stream_sec_read_start(struct stream *s, uv_alloc_cb alloc, uv_read_cb read);
void stream_sec_read_stop(struct stream *s);
const char *stream_sec_why(const struct stream *s);
void stream_sec_on_drained(struct stream *s, void (*drained)(struct stream *s));
/** Close its timer. @return handles that are closing */
int stream_sec_close(struct stream *s, uv_close_cb closed);
void stream_sec_free(struct stream_sec *sec);

/* stream_seal.c */

int stream_seal_try_write(struct stream *s, const uv_buf_t *bufs, unsigned count);
int stream_seal_write(struct stream *s, uv_write_t *req, const uv_buf_t *bufs, unsigned count, uv_write_cb written);
/** Queue close_notify. */
void stream_seal_end(struct stream *s);
/** Offer the kernel what OpenSSL wrote, and queue the rest. @return 0 or a negative code: the stream is broken */
int stream_seal_flush(struct stream *s);

#endif
