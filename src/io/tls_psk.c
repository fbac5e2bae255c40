/* io/tls_psk.c - see tls_psk.h */
#include "io/tls_psk.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "io/tls_priv.h"

const unsigned char tls_identity[7] = "tether";
/* TLS_AES_128_GCM_SHA256; the key's hash decides which suites fit (RFC 8446 section 4.2.11), ChaCha20-Poly1305 shares it */
static const unsigned char suite_id[2] = {0x13, 0x01};

enum { KEY_UPDATE_BYTES = 1 << 30 }; /* fresh traffic keys per GB: far below the AES-GCM limit (RFC 8446 section 5.5) */

/* --- the key --- */

static SSL_SESSION *session_of(SSL *ssl)
{
    struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION *session = SSL_SESSION_new();
    const SSL_CIPHER *suite = SSL_CIPHER_find(ssl, suite_id);
    if (session == NULL || suite == NULL || !SSL_SESSION_set1_master_key(session, c->key, TLS_KEY_LEN) ||
        !SSL_SESSION_set_cipher(session, suite) || !SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION)) {
        SSL_SESSION_free(session);
        return NULL;
    }
    return session;
}

static int on_server_key(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **ret_session)
{
    *ret_session = NULL; /* unknown identity: the handshake then fails for want of a certificate */
    if (id_len == sizeof tls_identity - 1 && memcmp(id, tls_identity, id_len) == 0)
        *ret_session = session_of(ssl);
    return 1;
}

static int on_client_key(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **ret_session)
{
    (void)md;
    *id = tls_identity;
    *id_len = sizeof tls_identity - 1;
    *ret_session = session_of(ssl);
    return *ret_session != NULL;
}

/* --- context --- */

static bool set_up(struct tls_context *c)
{
    SSL_CTX *s = c->ssl;
    SSL_CTX_set_app_data(s, c);
    if (!SSL_CTX_set_min_proto_version(s, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(s, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") ||
        !SSL_CTX_set1_groups_list(s, "X25519:P-256") || !SSL_CTX_set_num_tickets(s, 0))
        return false;
    SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(s, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Many records are read from memory at once instead of header and body apart. */
    SSL_CTX_set_read_ahead(s, 1);
    if (c->server) {
        SSL_CTX_set_psk_find_session_callback(s, on_server_key);
    } else {
        /* A server that ignores the key and shows a certificate instead must fail: no authority is trusted. */
        SSL_CTX_set_verify(s, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_psk_use_session_callback(s, on_client_key);
    }
    c->bio = tls_bio_method("tether messages", tls_bio_read, tls_bio_write, tls_bio_ctrl);
    return c->bio != NULL;
}

int tls_context_new(bool server, const uint8_t key[TLS_KEY_LEN], struct tls_context **ret_context, struct err *err)
{
    struct tls_context *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->server = server;
    memcpy(c->key, key, TLS_KEY_LEN);
    c->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (c->ssl == NULL || !set_up(c)) {
        tls_context_free(c);
        return err_set(err, -EIO, "OpenSSL: cannot set up TLS 1.3 (%s); is a FIPS or minimal policy in force?",
                       ERR_reason_error_string(ERR_get_error()));
    }
    *ret_context = c;
    return 0;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->bio);
    OPENSSL_cleanse(context->key, TLS_KEY_LEN);
    free(context);
}

/* --- one connection --- */

int tls_new(struct tls_context *context, const struct tls_ops *ops, void *ctx, struct tls **ret_tls)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return -ENOMEM;
    t->ops = ops;
    t->ctx = ctx;
    t->ssl = SSL_new(context->ssl);
    BIO *bio = t->ssl != NULL ? tls_bio_new(context->bio, &t->io) : NULL;
    if (bio == NULL) {
        SSL_free(t->ssl);
        free(t);
        return -ENOMEM;
    }
    t->datagrams = context->datagrams;
    t->io.out = t->out;
    t->io.out_max = sizeof t->out;
    SSL_set_bio(t->ssl, bio, bio);
    if (t->datagrams)
        tls_datagram_begin(t);
    if (context->server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    *ret_tls = t;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    OPENSSL_cleanse(tls->plain, sizeof tls->plain);
    free(tls);
}

void tls_headroom(struct tls *tls, size_t len)
{
    tls->head_len = tls->io.out_len = len < TLS_HEADROOM_MAX ? len : TLS_HEADROOM_MAX;
}

int tls_flush(struct tls *t)
{
    if (t->io.overflow)
        return -EIO;
    if (t->io.out_len == t->head_len)
        return 0;
    size_t len = t->io.out_len;
    t->io.out_len = t->head_len;
    if (t->head_len > 0)
        t->ops->head(t->ctx, t->io.out);
    return t->ops->out(t->ctx, t->io.out, len);
}

/* What a failed handshake means to a person. */
static int why_failed(void)
{
    unsigned long e;
    int why = -EPROTO;
    while ((e = ERR_get_error()) != 0) {
        switch (ERR_GET_REASON(e)) {
        case SSL_R_BINDER_DOES_NOT_VERIFY:
        case SSL_R_BAD_PSK:
        case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: /* the identity was unknown, so a certificate was looked for */
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
        case SSL_AD_REASON_OFFSET + SSL_AD_ILLEGAL_PARAMETER: /* the server's word for a wrong binder */
        case SSL_AD_REASON_OFFSET + SSL_AD_DECRYPT_ERROR:
        case SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE:
        case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_PSK_IDENTITY:
            why = -EKEYREJECTED;
            break;
        default:
            break;
        }
    }
    return why;
}

static int handshake(struct tls *t)
{
    ERR_clear_error();
    int done = SSL_do_handshake(t->ssl);
    int why = done == 1 ? 0 : SSL_get_error(t->ssl, done);
    int failed = why == 0 || why == SSL_ERROR_WANT_READ ? 0 : why_failed();
    int unsent = tls_flush(t); /* an alert too */
    if (failed || unsent)
        return failed ? failed : unsent;
    if (why != 0)
        return 0;
    if (!t->datagrams && !SSL_session_reused(t->ssl)) /* the key was not what authenticated: never go on */
        return -EKEYREJECTED;
    t->ready = true;
    return t->ops->ready(t->ctx);
}

int tls_start(struct tls *tls)
{
    return handshake(tls);
}

/* A read that gave nothing: nothing more now, the end, or an error. */
static int why_nothing(struct tls *t, int n)
{
    switch (SSL_get_error(t->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return tls_flush(t); /* a key update may have to be answered */
    case SSL_ERROR_ZERO_RETURN:
        return -EPIPE;
    default:
        return t->datagrams ? 0 : why_failed(); /* one bad datagram, from anybody, is no reason to end */
    }
}

int tls_receive(struct tls *tls, const uint8_t *data, size_t len)
{
    tls->io.in = data;
    tls->io.in_len = len;
    if (!tls->ready) {
        int failed = handshake(tls);
        if (failed || !tls->ready)
            return failed;
    }
    for (;;) {
        ERR_clear_error();
        int n = SSL_read(tls->ssl, tls->plain, TLS_PLAIN_MAX);
        if (n <= 0)
            return why_nothing(tls, n);
        int stop = tls->ops->plain(tls->ctx, tls->plain, (size_t)n);
        if (stop)
            return stop;
        if (tls->io.in_len == 0 && !SSL_has_pending(tls->ssl))
            return tls_flush(tls); /* to ask OpenSSL costs as much as a small packet's whole way through us */
    }
}

int tls_send(struct tls *tls, const uint8_t *data, size_t len)
{
    if (!tls->ready)
        return -ENOTCONN;
    ERR_clear_error();
    if (!tls->datagrams && tls->sent_bytes >= KEY_UPDATE_BYTES) {
        tls->sent_bytes = 0;
        SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    }
    if (SSL_write(tls->ssl, data, (int)len) != (int)len)
        return tls->io.overflow ? -EIO : -EPROTO;
    tls->sent_bytes += len;
    return tls_flush(tls);
}

int tls_random(void *out, size_t len)
{
    return RAND_bytes(out, (int)len) == 1 ? 0 : -EIO;
}

void tls_tick(struct tls *tls)
{
    if (tls->datagrams && !tls->ready)
        tls_datagram_again(tls);
}
