/*
 * io/tls_bio.h - OpenSSL's view of a connection that it never touches itself: bytes lent to it, and a bounded buffer for what it writes
 */
#ifndef TETHER_IO_TLS_BIO_H
#define TETHER_IO_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A BIO's data; part of what owns the connection. */
struct tls_bio {
    const uint8_t *in; /**< borrowed: ciphertext that OpenSSL has not read yet */
    size_t in_len;
    uint8_t *out;      /**< the owner's, of out_max bytes: what OpenSSL wrote, for the owner to send */
    size_t out_len, out_max;
    bool overflow;     /**< something did not fit and was refused whole; the connection is broken */
};

/** A method with these ways to read, write and control. @return NULL: out of memory; freed with BIO_meth_free() */
BIO_METHOD *tls_bio_method(const char *name, int (*read)(BIO *, char *, int), int (*write)(BIO *, const char *, int),
                           long (*ctrl)(BIO *, int, long, void *));
int tls_bio_read(BIO *bio, char *buf, int len);
int tls_bio_write(BIO *bio, const char *buf, int len);
long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer);
/** Make one whose data is `io`. @return NULL: out of memory */
BIO *tls_bio_new(BIO_METHOD *method, struct tls_bio *io);

#endif
