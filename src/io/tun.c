/* io/tun.c - see tun.h */
#include "io/tun.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 128 }; /* packets per wake-up; the loop then serves the others */

struct tun {
    int fd;
    struct io_poll *poll;
    struct pbuf_pool *pool;
    tun_packet_cb cb;
    void *ctx;
    uint64_t drops;
};

static void on_readable(void *ctx, int events)
{
    struct tun *t = ctx;
    (void)events;
    for (int i = 0; i < BATCH; i++) {
        struct pbuf *b = pbuf_get(t->pool, PBUF_SMALL);
        if (b == NULL) {
            uint8_t waste[PBUF_SMALL];
            if (read(t->fd, waste, sizeof waste) < 0)
                return;
            t->drops++;
            continue;
        }
        ssize_t n = read(t->fd, b->data, b->cap);
        if (n <= 0) {
            pbuf_put(t->pool, b);
            return;
        }
        b->len = (uint32_t)n;
        t->cb(t->ctx, b);
    }
}

int tun_new(struct io_loop *loop, int take_fd, struct pbuf_pool *pool, tun_packet_cb cb, void *ctx, struct tun **ret_tun)
{
    struct tun *t = calloc(1, sizeof *t);
    int failed = -ENOMEM;
    if (t != NULL) {
        *t = (struct tun){.fd = take_fd, .pool = pool, .cb = cb, .ctx = ctx};
        failed = io_poll_new(loop, take_fd, IO_READABLE, on_readable, t, &t->poll);
    }
    if (failed) {
        close(take_fd);
        free(t);
        return failed;
    }
    *ret_tun = t;
    return 0;
}

int tun_write(struct tun *tun, const uint8_t *packet, size_t len)
{
    return write(tun->fd, packet, len) < 0 ? -errno : 0;
}

uint64_t tun_drops(const struct tun *tun)
{
    return tun->drops;
}

void tun_close(struct tun *tun)
{
    if (tun == NULL)
        return;
    io_poll_close(tun->poll);
    close(tun->fd);
    free(tun);
}
