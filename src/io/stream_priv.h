/* io/stream_priv.h - inside of a stream: the plain half (stream.c), TLS (stream_sec.c), certificates (stream_tls.c) */
#ifndef TETHER_IO_STREAM_PRIV_H
#define TETHER_IO_STREAM_PRIV_H

#include <openssl/ssl.h>

#include "io/stream.h"

struct stream_tls {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
};

/** Custom BIO over a stream's borrowed input and bounded output (stream_sec.c). */
BIO_METHOD *stream_sec_bio(void);
int stream_sec_read_start(struct stream *s, uv_alloc_cb alloc, uv_read_cb read);
void stream_sec_read_stop(struct stream *s);
int stream_sec_try_write(struct stream *s, const uv_buf_t *bufs, unsigned count);
int stream_sec_write(struct stream *s, uv_write_t *req, const uv_buf_t *bufs, unsigned count, uv_write_cb written);
/** Queue close_notify. */
void stream_sec_say_end(struct stream *s);
const char *stream_sec_why(const struct stream *s);
void stream_sec_on_drained(struct stream *s, void (*drained)(struct stream *s));
/** Close its timer. @return handles that are closing */
int stream_sec_close(struct stream *s, uv_close_cb closed);
void stream_sec_free(struct stream_sec *sec);

#endif
