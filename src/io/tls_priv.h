/*
 * io/tls_priv.h - inside of TLS with a pre-shared key: on a stream (tls_psk.c), and what datagrams make different (tls_datagram.c)
 *
 * One thing in two files: tls_psk.c hands on what is different, and is asked to send what came of it.
 */
#ifndef TETHER_IO_TLS_PRIV_H
#define TETHER_IO_TLS_PRIV_H

#include <openssl/ssl.h>

#include "io/tls_bio.h"
#include "io/tls_psk.h"

enum {
    TLS_PLAIN_MAX = 16 * 1024, /* one record */
    TLS_OUT_MAX = TLS_HEADROOM_MAX + TLS_MESSAGE_MAX + TLS_MESSAGE_MAX / TLS_PLAIN_MAX * 64 + 8 * 1024, /* in records, and what OpenSSL adds of its own */
};

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    uint8_t key[TLS_KEY_LEN];
    bool server, datagrams;
};

struct tls {
    struct tls_bio io; /* first, so that it leads back here; out_len counts the head, which is there from the beginning */
    SSL *ssl;
    const struct tls_ops *ops;
    void *ctx;
    size_t head_len, sent_bytes;
    bool ready, datagrams;
    uint8_t out[TLS_OUT_MAX];
    uint8_t plain[TLS_PLAIN_MAX];
};

extern const unsigned char tls_identity[7]; /* with a NUL */

/* tls_psk.c */

/** Hand over what OpenSSL wrote as one message. @return 0 or -errno */
int tls_flush(struct tls *t);

/* tls_datagram.c */

/** Set up one connection. */
void tls_datagram_begin(struct tls *t);
/** Send the last flight again if its time has come. */
void tls_datagram_again(struct tls *t);

#endif
