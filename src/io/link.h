/*
 * io/link.h - packets to and from the internet, below the NAT
 *
 * Two pairs will sit behind this: libpcap capture with raw-socket injection (portable, the reference, here), and
 * AF_PACKET with vnet headers (Linux fast path). Both see and send IPv4 packets without a link header.
 */
#ifndef TETHER_IO_LINK_H
#define TETHER_IO_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/offload.h"
#include "io/loop.h"

/** What the NAT may own: the kernel filter passes exactly this. Addresses in host order. */
struct capture_filter {
    uint32_t addr;
    uint16_t port_lo, port_hi;
};

/**
 * A captured packet: mutable, borrowed until return, from the IPv4 header on; `len` may exceed the MTU (GRO).
 *
 * @param offload what the kernel told beside it; NULL when this capture is not told
 */
typedef void (*capture_cb)(void *ctx, uint8_t *packet, size_t len, const struct offload *offload);

struct capture;
/** @param ifname "lo" is captured too when the server's own address must be reachable */
int capture_open(struct io_loop *loop, const char *ifname, const struct capture_filter *filter, capture_cb cb, void *ctx,
                 struct capture **ret_capture, struct err *err);
/** Packets the kernel dropped because we were too slow. */
uint64_t capture_drops(struct capture *capture);
void capture_close(struct capture *capture);

struct inject;
/** @param ifname bound to it; addr: packets to our own address go by the loopback instead @param mtu of the interface */
int inject_open(const char *ifname, uint32_t addr, size_t mtu, struct inject **ret_inject, struct err *err);
/**
 * Send a packet, finished on the way: its checksum completed, cut into segments, and fragmented where one is still above the MTU.
 *
 * @param packet mutable, borrowed
 * @return 0; -EMSGSIZE when it cannot be cut; -ENOBUFS/-EAGAIN when the queue is full; other -errno from the kernel's
 *         routing; of a packet that became many, the first failure
 */
int inject_send(struct inject *inject, uint8_t *packet, size_t len, const struct offload *offload);
void inject_close(struct inject *inject);

#endif
