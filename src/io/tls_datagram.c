/*
 * io/tls_datagram.c - TLS with a pre-shared key on datagrams: DTLS 1.2 (RFC 6347, RFC 5489)
 *
 * OpenSSL sends a flight as several records, each of which has to be a datagram of its own; lost ones are repeated by its timer, which we
 * turn. Its own cookie exchange is not used: who may have a connection at all is decided in front of it (udp_server.c).
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "io/tls_priv.h"

enum { HANDSHAKE_MTU = 1100 }; /* of its datagrams: before anything is known about the path */

/* --- OpenSSL's view of the datagrams --- */

static int bio_write(BIO *bio, const char *buf, int len)
{
    if (tls_bio_write(bio, buf, len) < 0)
        return -1;
    return tls_flush(BIO_get_data(bio)) < 0 ? -1 : len; /* what the kernel does not take is lost, as on the way */
}

/* The rest of a datagram that is longer than asked for is lost, as with a socket. */
static int bio_read(BIO *bio, char *buf, int len)
{
    struct tls_bio *io = BIO_get_data(bio);
    int n = tls_bio_read(bio, buf, len);
    io->in_len = 0;
    return n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    switch (cmd) {
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return HANDSHAKE_MTU;
    default:
        return tls_bio_ctrl(bio, cmd, num, ptr);
    }
}

/* --- the key --- */

static void derive(const uint8_t key[TLS_KEY_LEN], const char *label, uint8_t ret[EVP_MAX_MD_SIZE])
{
    HMAC(EVP_sha256(), key, TLS_KEY_LEN, (const unsigned char *)label, strlen(label), ret, NULL);
}

static unsigned give_key(SSL *ssl, unsigned char *psk, unsigned max)
{
    const struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    uint8_t key[EVP_MAX_MD_SIZE];
    if (max < TLS_KEY_LEN)
        return 0;
    derive(c->key, "tether dtls psk 1", key);
    memcpy(psk, key, TLS_KEY_LEN);
    OPENSSL_cleanse(key, sizeof key);
    return TLS_KEY_LEN;
}

static unsigned on_client_key(SSL *ssl, const char *hint, char *id, unsigned id_max, unsigned char *psk, unsigned psk_max)
{
    (void)hint;
    if (id_max < sizeof tls_identity)
        return 0;
    memcpy(id, tls_identity, sizeof tls_identity);
    return give_key(ssl, psk, psk_max);
}

static unsigned on_server_key(SSL *ssl, const char *id, unsigned char *psk, unsigned psk_max)
{
    return strcmp(id, (const char *)tls_identity) == 0 ? give_key(ssl, psk, psk_max) : 0;
}

void tls_proof(const struct tls_context *context, const void *data, size_t len, uint8_t ret_proof[TLS_PROOF_LEN])
{
    uint8_t key[EVP_MAX_MD_SIZE], whole[EVP_MAX_MD_SIZE];
    derive(context->key, "tether udp proof 1", key);
    HMAC(EVP_sha256(), key, TLS_KEY_LEN, data, len, whole, NULL);
    memcpy(ret_proof, whole, TLS_PROOF_LEN);
    OPENSSL_cleanse(key, sizeof key);
}

/* --- context and connection --- */

static bool set_up(struct tls_context *c)
{
    SSL_CTX *s = c->ssl;
    SSL_CTX_set_app_data(s, c);
    if (!SSL_CTX_set_min_proto_version(s, DTLS1_2_VERSION) || !SSL_CTX_set_max_proto_version(s, DTLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(s, "ECDHE-PSK-CHACHA20-POLY1305") || !SSL_CTX_set1_groups_list(s, "X25519:P-256"))
        return false;
    SSL_CTX_set_options(s, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(s, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (c->server)
        SSL_CTX_set_psk_server_callback(s, on_server_key);
    else
        SSL_CTX_set_psk_client_callback(s, on_client_key);
    c->bio = tls_bio_method("tether datagrams", bio_read, bio_write, bio_ctrl);
    return c->bio != NULL;
}

int tls_context_new_datagrams(bool server, const uint8_t key[TLS_KEY_LEN], struct tls_context **ret_context, struct err *err)
{
    struct tls_context *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->server = server;
    c->datagrams = true;
    memcpy(c->key, key, TLS_KEY_LEN);
    c->ssl = SSL_CTX_new(server ? DTLS_server_method() : DTLS_client_method());
    if (c->ssl == NULL || !set_up(c)) {
        tls_context_free(c);
        return err_set(err, -EIO, "OpenSSL: cannot set up DTLS 1.2 (%s); is a FIPS or minimal policy in force?",
                       ERR_reason_error_string(ERR_get_error()));
    }
    *ret_context = c;
    return 0;
}

void tls_datagram_begin(struct tls *t)
{
    SSL_set_mtu(t->ssl, HANDSHAKE_MTU);
}

void tls_datagram_again(struct tls *t)
{
    ERR_clear_error();
    DTLSv1_handle_timeout(t->ssl);
}
