/*
 * io/linux/tun_rw.c - see tun.h
 *
 * Each packet has a virtio_net_hdr in front. A read gathers into a small buffer and, behind it, a large one, so that usual packets lie
 * in small buffers without being copied; of a large packet only the first 2 KB move. What is little is copied into a tiny buffer: it takes an
 * eighth of the room while it waits, and the next is read to where the processor's cache is warm. A kernel that cannot take UDP packets that
 * stand for many (before Linux 6.2) gets them one by one.
 */
#include "io/tun.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/linux/vnet.h"
#include "tunnel/ether_flow.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { ETHER_IP4 = 0x0800 };
enum { BATCH_PACKETS = 128, BATCH_BYTES = 1024 * 1024 }; /* per wake-up; the loop then serves the others */

struct tun {
    int fd;
    enum tun_form form;
    bool takes_udp_many;
    struct io_poll *poll;
    struct pbuf_pool *pool;
    struct pbuf *small, *large; /* where the next packet goes */
    tun_packet_cb cb;
    void *ctx;
    uint64_t drops;
    uint8_t scratch[IP4_MAX_LEN];
};

/* Complete the checksum that the kernel left to us: of whatever protocol, it lies where the header says. */
static int finish(const struct virtio_net_hdr *header, uint8_t *frame, size_t len)
{
    size_t start = header->csum_start, at = start + header->csum_offset;
    if (start > len || at + 2 > len)
        return -EINVAL;
    uint16_t sum = (uint16_t)~csum_sum(frame + start, len - start, 0);
    put_be16(frame + at, sum == 0 && header->csum_offset == offsetof(struct udphdr, check) ? 0xffff : sum);
    return 0;
}

/* The buffer the packet lies in from now on; where it was read to is used again unless it stays there. NULL: memory is out. */
static struct pbuf *settle(struct tun *t, size_t len)
{
    struct pbuf **from = len <= t->small->cap ? &t->small : &t->large, *b = *from;
    if (len <= PBUF_TINY) {
        b = pbuf_get(t->pool, len);
        if (b != NULL)
            memcpy(b->data, t->small->data, len);
        return b;
    }
    if (b == t->large)
        memcpy(b->data, t->small->data, t->small->cap);
    *from = NULL;
    return b;
}

/* The next packet, or NULL: nothing there (*ret_more false), or it was dropped. */
static struct pbuf *read_one(struct tun *t, bool *ret_more)
{
    struct virtio_net_hdr header = {0};
    uint8_t waste[64];
    struct iovec to[] = {{&header, sizeof header}, {waste, sizeof waste}, {NULL, 0}};
    if (t->small == NULL)
        t->small = pbuf_get(t->pool, PBUF_SMALL);
    if (t->large == NULL)
        t->large = pbuf_get(t->pool, PBUF_LARGE);
    bool room = t->small != NULL && t->large != NULL;
    if (room) {
        to[1] = (struct iovec){t->small->data, t->small->cap};
        to[2] = (struct iovec){t->large->data + t->small->cap, t->large->cap - t->small->cap};
    }
    ssize_t n = readv(t->fd, to, 3);
    *ret_more = n >= 0;
    if (n <= (ssize_t)sizeof header)
        return NULL;
    struct offload offload;
    size_t len = (size_t)n - sizeof header;
    struct pbuf *b = room && vnet_get(&header, &offload) == 0 ? settle(t, len) : NULL;
    if (b == NULL) {
        t->drops++;
        return NULL;
    }
    b->len = (uint32_t)len;
    b->offload = offload;
    if (t->form == TUN_LARGE_FRAMES && offload.seg_len == 0 && offload.partial) {
        b->offload.partial = false;
        if (finish(&header, b->data, len) < 0) {
            t->drops++;
            pbuf_put(t->pool, b);
            return NULL;
        }
    }
    return b;
}

static void on_readable(void *ctx, int events)
{
    struct tun *t = ctx;
    size_t bytes = 0;
    (void)events;
    for (int i = 0; i < BATCH_PACKETS && bytes < BATCH_BYTES; i++) {
        bool more;
        struct pbuf *b = read_one(t, &more);
        if (!more)
            return;
        if (b == NULL)
            continue;
        bytes += b->len;
        t->cb(t->ctx, b);
    }
}

/*
 * The largest set of offloads this kernel has, and that is of use. Checksums are left to us for all protocols or none. A TAP that was there
 * before us may have been told otherwise, and one that outlives us keeps what it is told.
 */
static void take_offloads(struct tun *t)
{
    const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN;
    if (t->form != TUN_LARGE) {
        ioctl(t->fd, TUNSETOFFLOAD, t->form == TUN_FINISHED ? 0 : tcp);
        return;
    }
    t->takes_udp_many = ioctl(t->fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0;
    if (!t->takes_udp_many)
        ioctl(t->fd, TUNSETOFFLOAD, tcp); /* without it packets are small and finished: slower, not wrong */
}

int tun_new(struct io_loop *loop, int take_fd, enum tun_form form, struct pbuf_pool *pool, tun_packet_cb cb, void *ctx,
            struct tun **ret_tun)
{
    struct tun *t = calloc(1, sizeof *t);
    int failed = -ENOMEM;
    if (t != NULL) {
        t->fd = take_fd, t->pool = pool, t->cb = cb, t->ctx = ctx;
        t->form = form;
        take_offloads(t);
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

static int write_one(struct tun *t, const struct virtio_net_hdr *header, const uint8_t *packet, size_t len)
{
    struct iovec from[] = {{(void *)(uintptr_t)header, sizeof *header}, {(void *)(uintptr_t)packet, len}};
    return writev(t->fd, from, 2) < 0 ? -errno : 0;
}

static void write_finished(void *ctx, const uint8_t *packet, size_t len)
{
    write_one(ctx, &(struct virtio_net_hdr){0}, packet, len);
}

int tun_write(struct tun *tun, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct virtio_net_hdr header = {0};
    struct ip4_view v;
    uint16_t type = ETHER_IP4;
    if (offload == NULL || (offload->seg_len == 0 && !offload->partial))
        return write_one(tun, &header, packet, len);
    size_t at = tun->form == TUN_LARGE_FRAMES ? ether_flow_payload(packet, len, &type) : 0;
    if (type != ETHER_IP4 || ip4_parse(packet + at, len - at, &v) != DROP_NONE || ip4_view_offload(&v, offload) != DROP_NONE ||
        (at > 0 && v.proto != IP_PROTO_TCP))
        return -EINVAL;
    if (v.proto == IP_PROTO_UDP && offload->seg_len != 0 && !tun->takes_udp_many)
        return ip4_segment(&v, offload->seg_len, tun->scratch, sizeof tun->scratch, write_finished, tun) == 0 ? -EINVAL : 0;
    vnet_put(&header, &v, at, offload);
    return write_one(tun, &header, packet, at + v.len);
}

uint64_t tun_drops(const struct tun *tun)
{
    return tun->drops;
}

void tun_close(struct tun *tun)
{
    if (tun == NULL)
        return;
    pbuf_put(tun->pool, tun->small);
    pbuf_put(tun->pool, tun->large);
    io_poll_close(tun->poll);
    ioctl(tun->fd, TUNSETOFFLOAD, 0);
    close(tun->fd);
    free(tun);
}
