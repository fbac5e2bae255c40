/*
 * io/stream.h - what HTTP and websockets run on: TCP, or TLS over TCP
 *
 * The handle is libuv's own and comes first, so a stream is used as one: `data` is the user's, callbacks have libuv's types,
 * closing is asynchronous. Plain streams hand every call straight to libuv. With TLS the same calls carry plaintext, and
 * what the kernel has not taken is ciphertext in libuv's queue: stream_queued() counts either.
 */
#ifndef TETHER_IO_STREAM_H
#define TETHER_IO_STREAM_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"

struct stream_tls;
struct stream_sec;

struct stream {
    uv_tcp_t tcp; /* first */
    struct stream_sec *sec; /* NULL: plain */
    uv_close_cb closed;
    int open_handles;
};

/**
 * What a server shows: a certificate chain and its key, both PEM.
 *
 * @param err names the file and the remedy @param ret_exposed set when others may read the key file
 * @return 0 or -errno
 */
int stream_tls_server(const char *cert_file, const char *key_file, bool *ret_exposed, struct stream_tls **ret_tls,
                      struct err *err);
/** Whom a client believes: the system's authorities and those in ca_file (PEM), which may be NULL. @return as above */
int stream_tls_client(const char *ca_file, struct stream_tls **ret_tls, struct err *err);
/** After the last of its streams has closed. NULL is fine. */
void stream_tls_free(struct stream_tls *tls);

/** A TCP handle that is not connected. @return NULL without memory */
struct stream *stream_new(uv_loop_t *loop);
/** Close, freeing after the last callback; closed is called with the handle before that, and may be NULL. */
void stream_close(struct stream *s, uv_close_cb closed);

/** The handshake is over: 0, or a negative code that stream_why() explains. */
typedef void (*stream_ready_cb)(struct stream *s, int status);
/**
 * From now on everything is TLS. Times out only with its user: close it when ready does not come.
 *
 * @param host  NULL: as a server; else the name or address that the certificate must be for
 * @param ready may be NULL: then a failure is told to the read callback
 */
int stream_secure(struct stream *s, struct stream_tls *tls, const char *host, stream_ready_cb ready);

int stream_read_start(struct stream *s, uv_alloc_cb alloc, uv_read_cb read);
void stream_read_stop(struct stream *s);
/** Take what leaves at once. @return bytes taken, maybe fewer than given, or a negative code (UV_EAGAIN: none now) */
int stream_try_write(struct stream *s, const uv_buf_t *bufs, unsigned count);
/** As uv_write(); with TLS the bytes need not stay until written. */
int stream_write(struct stream *s, uv_write_t *req, const uv_buf_t *bufs, unsigned count, uv_write_cb written);
/** End our direction when all is written: with TLS by close_notify first. @return 0 or a negative code */
int stream_shutdown(struct stream *s);
/** Called when the kernel has the rest of what stream_try_write() took (TLS only). */
void stream_on_drained(struct stream *s, void (*drained)(struct stream *s));
/** Bytes the kernel has not taken. */
size_t stream_queued(const struct stream *s);
/** What a negative code means here, in words. */
const char *stream_why(const struct stream *s, int status);

#endif
