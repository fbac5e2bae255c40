/*
 * io/tun.h - reading and writing packets of a TUN device, or frames of a TAP
 *
 * The device is drained whenever it has something, whether or not there is a path: packets wait in tether's own queue, where age and size are
 * bounded, not in the device's (500 packets of up to 64 KB).
 */
#ifndef TETHER_IO_TUN_H
#define TETHER_IO_TUN_H

#include "base/pbuf.h"
#include "io/loop.h"

struct tun;

/** What the kernel may hand over. */
enum tun_form {
    TUN_FINISHED,     /* each packet or frame by itself, checksums complete */
    TUN_LARGE,        /* packets that stand for many, with checksums unfinished, too; it takes them in any case */
    TUN_LARGE_FRAMES, /* a TAP's frames with large IPv4 TCP packets inside; all others come finished */
};

/** @param take_b a packet and its offload; the callee's */
typedef void (*tun_packet_cb)(void *ctx, struct pbuf *take_b);

/**
 * @param take_fd non-blocking descriptor, closed by tun_close(), also when this fails
 * @param pool    where packets' buffers come from; when it is used up, packets are dropped and counted
 */
int tun_new(struct io_loop *loop, int take_fd, enum tun_form form, struct pbuf_pool *pool, tun_packet_cb cb, void *ctx,
            struct tun **ret_tun);
/**
 * @param offload from an untrusted source; NULL: none
 * @return 0 or -errno (-EAGAIN, -EINVAL for what is no packet, or contradicts its offload)
 */
int tun_write(struct tun *tun, uint8_t *packet, size_t len, const struct offload *offload);
uint64_t tun_drops(const struct tun *tun);
void tun_close(struct tun *tun);

#endif
