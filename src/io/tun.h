/*
 * io/tun.h - reading and writing packets of a TUN device
 *
 * The device is drained whenever it has something, whether or not there is a path: packets wait in tether's own queue, where age and size are
 * bounded, not in the device's (500 packets of up to 64 KB).
 */
#ifndef TETHER_IO_TUN_H
#define TETHER_IO_TUN_H

#include "base/pbuf.h"
#include "io/loop.h"

struct tun;

/** @param take_b a packet and its offload; the callee's */
typedef void (*tun_packet_cb)(void *ctx, struct pbuf *take_b);

/**
 * @param take_fd non-blocking descriptor, closed by tun_close(), also when this fails
 * @param large   let the kernel hand over packets that stand for many, with checksums unfinished; it takes them in any case
 * @param pool    where packets' buffers come from; when it is used up, packets are dropped and counted
 */
int tun_new(struct io_loop *loop, int take_fd, bool large, struct pbuf_pool *pool, tun_packet_cb cb, void *ctx,
            struct tun **ret_tun);
/**
 * @param offload from an untrusted source; NULL: none
 * @return 0 or -errno (-EAGAIN, -EINVAL for what is no packet, or contradicts its offload)
 */
int tun_write(struct tun *tun, uint8_t *packet, size_t len, const struct offload *offload);
uint64_t tun_drops(const struct tun *tun);
void tun_close(struct tun *tun);

#endif
