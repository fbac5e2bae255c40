/*
 * io/stream_sec.c - TLS over TCP: its life, the handshake, and what comes in; stream_seal.c owns what goes out
 *
 * OpenSSL never sees the socket. What libuv read is lent to it; what it writes gathers in tls_bio.out. Ciphertext that arrived
 * before the user stopped reading is held until it starts again: at most one read's worth.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/loop.h"
#include "io/stream_priv.h"

/* --- failures in words --- */

static void explain(struct stream_sec *t)
{
    unsigned long e = ERR_peek_last_error();
    long verify = SSL_get_verify_result(t->ssl);
    if (t->client && verify != X509_V_OK) {
        snprintf(t->why, sizeof t->why, "certificate refused: %s", X509_verify_cert_error_string(verify));
        return;
    }
    const char *reason = ERR_reason_error_string(e);
    snprintf(t->why, sizeof t->why, "TLS: %s", reason != NULL ? reason : "broken by the peer");
}

static void fail(struct stream *s, int status)
{
    struct stream_sec *t = s->sec;
    stream_ready_cb ready = t->ready_cb;
    uv_read_cb read = t->read;
    uv_buf_t none = uv_buf_init(NULL, 0);
    t->failed = true;
    t->io.in_len = 0;
    t->ready_cb = NULL;
    t->untold = ready == NULL && read == NULL ? status : 0;
    uv_read_stop((uv_stream_t *)s);
    if (ready != NULL)
        ready(s, status);
    else if (read != NULL)
        read((uv_stream_t *)s, status, &none);
}

/* --- in --- */

static bool is_alive(const struct stream *s)
{
    return !s->sec->failed && !uv_is_closing((const uv_handle_t *)s);
}

/* @return true when it is done and the stream still lives */
static bool shake(struct stream *s)
{
    struct stream_sec *t = s->sec;
    ERR_clear_error();
    int done = SSL_do_handshake(t->ssl);
    int why = done == 1 ? 0 : SSL_get_error(t->ssl, done);
    bool broken = why != 0 && why != SSL_ERROR_WANT_READ;
    if (broken)
        explain(t);
    int unsent = stream_seal_flush(s); /* an alert too */
    if (broken || unsent) {
        fail(s, broken ? UV_EPROTO : unsent);
        return false;
    }
    if (why != 0)
        return false;
    t->ready = true;
    stream_ready_cb ready = t->ready_cb;
    t->ready_cb = NULL;
    if (ready != NULL)
        ready(s, 0);
    return is_alive(s);
}

/* Decrypt one piece for the user. @return false: nothing more now */
static bool hand_on(struct stream *s)
{
    struct stream_sec *t = s->sec;
    uv_buf_t buf = uv_buf_init(NULL, 0);
    size_t shared_len;
    t->alloc((uv_handle_t *)s, STREAM_RECORD, &buf);
    if (buf.base == io_loop_read_buffer(s->tcp.loop, &shared_len)) /* where the ciphertext may still be */
        buf = uv_buf_init((char *)t->plain, sizeof t->plain);
    if (buf.base == NULL || buf.len == 0) {
        t->read((uv_stream_t *)s, UV_ENOBUFS, &buf);
        return false;
    }
    ERR_clear_error();
    int n = SSL_read(t->ssl, buf.base, buf.len > STREAM_RECORD ? STREAM_RECORD : (int)buf.len);
    if (n > 0) {
        t->read((uv_stream_t *)s, n, &buf);
        return true;
    }
    int why = SSL_get_error(t->ssl, n);
    if (why == SSL_ERROR_WANT_READ) {
        int unsent = stream_seal_flush(s); /* a key update may have to be answered */
        if (unsent)
            fail(s, unsent);
    } else if (why == SSL_ERROR_ZERO_RETURN) {
        fail(s, UV_EOF);
    } else {
        explain(t);
        stream_seal_flush(s);
        fail(s, UV_EPROTO);
    }
    return false;
}

/* What is left belongs to the next reader; the bytes are borrowed, so they are copied. */
static void hold_rest(struct stream *s)
{
    struct stream_sec *t = s->sec;
    if (t->io.in_len == 0 || !is_alive(s)) {
        free(t->held);
        t->held = NULL;
        t->io.in_len = 0;
    } else if (t->held == NULL) {
        t->held = malloc(t->io.in_len);
        if (t->held == NULL) {
            fail(s, UV_ENOMEM);
            return;
        }
        memcpy(t->held, t->io.in, t->io.in_len);
        t->io.in = t->held;
    }
}

static void pump(struct stream *s)
{
    struct stream_sec *t = s->sec;
    t->pumping = true;
    if (t->ready || shake(s))
        while (is_alive(s) && t->read != NULL && hand_on(s))
            ;
    hold_rest(s);
    t->pumping = false;
}

static void alloc_cipher(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    size_t len;
    (void)suggested;
    char *buf = io_loop_read_buffer(handle->loop, &len);
    *ret_buf = uv_buf_init(buf, (unsigned)len);
}

static void on_cipher(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = (struct stream *)handle;
    struct stream_sec *t = s->sec;
    if (n < 0) {
        /* Without close_notify anybody on the way may have cut it (RFC 8446 section 6.1). */
        if (n == UV_EOF)
            snprintf(t->why, sizeof t->why, "TLS: connection %s", t->ready ? "cut off" : "ended during the handshake");
        fail(s, n == UV_EOF ? UV_ECONNABORTED : (int)n);
        return;
    }
    t->io.in = (const uint8_t *)buf->base;
    t->io.in_len = (size_t)n;
    if (n > 0)
        pump(s);
    if (is_alive(s) && t->ready && (t->read == NULL || t->held != NULL))
        uv_read_stop(handle);
}

static void on_resume(uv_timer_t *timer)
{
    struct stream *s = timer->data;
    if (s->sec->untold != 0 && s->sec->read != NULL)
        fail(s, s->sec->untold);
    if (is_alive(s) && s->sec->read != NULL)
        pump(s);
    if (is_alive(s) && s->sec->read != NULL && s->sec->held == NULL)
        uv_read_start((uv_stream_t *)s, alloc_cipher, on_cipher);
}

int stream_sec_read_start(struct stream *s, uv_alloc_cb alloc, uv_read_cb read)
{
    struct stream_sec *t = s->sec;
    t->alloc = alloc;
    t->read = read;
    if (t->untold == 0 && (!t->ready || t->pumping || t->failed)) /* reading already, or never again */
        return 0;
    if (t->untold != 0 || t->held != NULL || SSL_has_pending(t->ssl))
        return uv_timer_start(&t->timer, on_resume, 0, 0);
    int failed = uv_read_start((uv_stream_t *)s, alloc_cipher, on_cipher);
    return failed == UV_EALREADY ? 0 : failed;
}

void stream_sec_read_stop(struct stream *s)
{
    struct stream_sec *t = s->sec;
    t->read = NULL;
    if (t->ready && !t->pumping)
        uv_read_stop((uv_stream_t *)s);
}

/* --- life --- */

/* The name or address that its certificate must carry (RFC 6125); names are told to the server, too (RFC 6066 section 3). */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char addr[16];
    if (uv_inet_pton(AF_INET, host, addr) == 0 || uv_inet_pton(AF_INET6, host, addr) == 0)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int stream_secure(struct stream *s, struct stream_tls *tls, const char *host, stream_ready_cb ready)
{
    struct stream_sec *t = calloc(1, sizeof *t);
    BIO *bio = t != NULL ? tls_bio_new(tls->bio, &t->io) : NULL;
    SSL *ssl = SSL_new(tls->ssl);
    if (t == NULL || bio == NULL || ssl == NULL || (host != NULL && !expect_host(ssl, host))) {
        SSL_free(ssl);
        BIO_free(bio);
        free(t);
        return UV_ENOMEM;
    }
    t->io.out = t->out;
    t->io.out_max = sizeof t->out;
    SSL_set_bio(ssl, bio, bio);
    t->ssl = ssl;
    t->client = host != NULL;
    t->ready_cb = ready;
    if (t->client)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    uv_timer_init(s->tcp.loop, &t->timer);
    t->timer.data = s;
    s->sec = t;
    int failed = uv_read_start((uv_stream_t *)s, alloc_cipher, on_cipher);
    if (!failed && t->client)
        pump(s);
    return failed;
}

const char *stream_sec_why(const struct stream *s)
{
    return s->sec->why[0] != '\0' ? s->sec->why : NULL;
}

void stream_sec_on_drained(struct stream *s, void (*drained)(struct stream *s))
{
    s->sec->drained = drained;
}

int stream_sec_close(struct stream *s, uv_close_cb closed)
{
    if (stream_queued(s) == 0)
        stream_seal_end(s);
    s->sec->drained = NULL;
    uv_close((uv_handle_t *)&s->sec->timer, closed);
    return 1;
}

void stream_sec_free(struct stream_sec *sec)
{
    if (sec == NULL)
        return;
    SSL_free(sec->ssl);
    free(sec->held);
    OPENSSL_cleanse(sec->plain, sizeof sec->plain);
    free(sec);
}
