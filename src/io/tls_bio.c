/* io/tls_bio.c - see tls_bio.h */
#include "io/tls_bio.h"

#include <string.h>

BIO_METHOD *tls_bio_method(const char *name, int (*read)(BIO *, char *, int), int (*write)(BIO *, const char *, int),
                           long (*ctrl)(BIO *, int, long, void *))
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, name);
    if (m != NULL && BIO_meth_set_read(m, read) && BIO_meth_set_write(m, write) && BIO_meth_set_ctrl(m, ctrl))
        return m;
    BIO_meth_free(m);
    return NULL;
}

int tls_bio_read(BIO *bio, char *buf, int len)
{
    struct tls_bio *io = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (io->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = io->in_len < (size_t)len ? io->in_len : (size_t)len;
    memcpy(buf, io->in, n);
    io->in += n;
    io->in_len -= n;
    return (int)n;
}

int tls_bio_write(BIO *bio, const char *buf, int len)
{
    struct tls_bio *io = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if ((size_t)len > io->out_max - io->out_len) { /* cannot happen with our batch sizes; never cut a record */
        io->overflow = true;
        return -1;
    }
    memcpy(io->out + io->out_len, buf, (size_t)len);
    io->out_len += (size_t)len;
    return len;
}

long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

BIO *tls_bio_new(BIO_METHOD *method, struct tls_bio *io)
{
    BIO *bio = BIO_new(method);
    if (bio != NULL) {
        BIO_set_data(bio, io);
        BIO_set_init(bio, 1);
    }
    return bio;
}
