/*
 * io/stream_tls.c - certificates and authorities: what a server shows and whom a client believes
 *
 * There is no way to turn the check off: a certificate of one's own is named with --ca, which costs as much and checks.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/stream_priv.h"

static const unsigned char http11[] = "\x08http/1.1";

/* Peers without ALPN are fine; those that offer only other protocols get none, and speak HTTP/1.1 or fail by themselves. */
static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *in, unsigned in_len, void *arg)
{
    unsigned char *chosen;
    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, ret_len, http11, sizeof http11 - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text != NULL ? text : "unknown";
}

static struct stream_tls *new_tls(const SSL_METHOD *method)
{
    struct stream_tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    ERR_clear_error();
    t->bio = tls_bio_method("tether stream", tls_bio_read, tls_bio_write, tls_bio_ctrl);
    t->ssl = SSL_CTX_new(method);
    if (t->bio != NULL && t->ssl != NULL && SSL_CTX_set_min_proto_version(t->ssl, TLS1_2_VERSION)) {
        SSL_CTX_set_options(t->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
        return t;
    }
    stream_tls_free(t);
    return NULL;
}

static int check_readable(const char *option, const char *file, struct err *err)
{
    if (access(file, R_OK) == 0)
        return 0;
    int failed = -errno;
    return err_set(err, failed, "%s %s: %s; name a PEM file that this user may read", option, file, strerror(-failed));
}

int stream_tls_server(const char *cert_file, const char *key_file, bool *ret_exposed, struct stream_tls **ret_tls,
                      struct err *err)
{
    struct stat st;
    int failed = check_readable("--tls-cert", cert_file, err);
    if (!failed)
        failed = check_readable("--tls-key", key_file, err);
    if (failed)
        return failed;
    struct stream_tls *t = new_tls(TLS_server_method());
    if (t == NULL)
        return err_set(err, -EIO, "OpenSSL: cannot set up TLS (%s)", reason());
    if (SSL_CTX_use_certificate_chain_file(t->ssl, cert_file) != 1)
        failed = err_set(err, -EINVAL, "--tls-cert %s: no certificate in PEM form (%s); give the chain, own certificate first",
                         cert_file, reason());
    else if (SSL_CTX_use_PrivateKey_file(t->ssl, key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(t->ssl) != 1)
        failed = err_set(err, -EINVAL, "--tls-key %s: not the private key of %s (%s); give the PEM file made with that certificate",
                         key_file, cert_file, reason());
    if (failed) {
        stream_tls_free(t);
        return failed;
    }
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_OFF); /* tickets resume as well, and keep no memory here */
    SSL_CTX_set_alpn_select_cb(t->ssl, on_alpn, NULL);
    *ret_exposed = stat(key_file, &st) == 0 && (st.st_mode & 077) != 0;
    *ret_tls = t;
    return 0;
}

int stream_tls_client(const char *ca_file, struct stream_tls **ret_tls, struct err *err)
{
    int failed = ca_file != NULL ? check_readable("--ca", ca_file, err) : 0;
    if (failed)
        return failed;
    struct stream_tls *t = new_tls(TLS_client_method());
    if (t == NULL || SSL_CTX_set_default_verify_paths(t->ssl) != 1 ||
        SSL_CTX_set_alpn_protos(t->ssl, http11, sizeof http11 - 1) != 0) {
        stream_tls_free(t);
        return err_set(err, -EIO, "OpenSSL: cannot set up TLS (%s)", reason());
    }
    if (ca_file != NULL && SSL_CTX_load_verify_file(t->ssl, ca_file) != 1) {
        failed = err_set(err, -EINVAL, "--ca %s: no certificate in PEM form (%s)", ca_file, reason());
        stream_tls_free(t);
        return failed;
    }
    SSL_CTX_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
    *ret_tls = t;
    return 0;
}

void stream_tls_free(struct stream_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ssl);
    BIO_meth_free(tls->bio);
    free(tls);
}
