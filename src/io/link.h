/*
 * io/link.h - packets to and from the internet, below the NAT
 *
 * Two pairs stand behind this. libpcap with a raw socket is portable and the reference: it sees what the kernel merged without being told
 * how, and sends packet by packet. AF_PACKET with virtio_net_hdr (Linux) is told everything and hands whole large packets to the kernel.
 * Both see and send IPv4 packets without a link header.
 */
#ifndef TETHER_IO_LINK_H
#define TETHER_IO_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/offload.h"
#include "base/span.h"
#include "io/loop.h"

enum link_kind {
    LINK_AUTO,     /* AF_PACKET where it works */
    LINK_PACKET,   /* AF_PACKET or an error */
    LINK_PORTABLE, /* libpcap, raw socket */
};

/** What the NAT may own: the kernel filter passes exactly this. Addresses in host order. */
struct capture_filter {
    uint32_t addr;
    uint16_t port_lo, port_hi;
    uint16_t low_lo, low_hi; /**< a second range; 0: none */
};

/**
 * A captured packet: mutable, borrowed until return, from the IPv4 header on; `len` may exceed the MTU (GRO).
 *
 * @param offload what the kernel told beside it; NULL when this capture is not told
 */
typedef void (*capture_cb)(void *ctx, uint8_t *packet, size_t len, const struct offload *offload);

/** Packets that the capture will give next. @param packets as captured, borrowed until return */
typedef void (*capture_ahead_cb)(void *ctx, const struct span *packets, size_t count);

struct capture;
/** Captures on an interface, and on lo, over which packets to the server's own address travel. */
int capture_open(struct io_loop *loop, const char *ifname, const struct capture_filter *filter, enum link_kind kind,
                 capture_cb cb, void *ctx, struct capture **ret_capture, struct err *err);
/** Be told of packets that came together before they are given one by one; AF_PACKET does so. */
void capture_on_ahead(struct capture *capture, capture_ahead_cb cb);
/** "packet" or "pcap" */
const char *capture_name(const struct capture *capture);
/** Packets the kernel dropped because we were too slow. */
uint64_t capture_drops(struct capture *capture);
void capture_close(struct capture *capture);

struct inject;
enum { INJECT_OWN_MAX = 64 };
/** @param ifname bound to it; addr: packets to our own address, and to 127/8, go by the loopback instead @param mtu of the interface */
int inject_open(const char *ifname, uint32_t addr, size_t mtu, enum link_kind kind, struct inject **ret_inject,
                struct err *err);
/** "packet" or "raw" */
const char *inject_name(const struct inject *inject);
/**
 * Send a packet, finished on the way: its checksum completed, cut into segments, and fragmented where one is still above the MTU.
 *
 * @param packet mutable, borrowed
 * @return 0; -EMSGSIZE when it cannot be cut; -ENOBUFS/-EAGAIN when the queue is full; other -errno from the kernel's
 *         routing; of a packet that became many, the first failure
 */
int inject_send(struct inject *inject, uint8_t *packet, size_t len, const struct offload *offload);
/** What left since it was opened. */
struct inject_counts {
    uint64_t whole;        /**< large packets, in one piece */
    uint64_t raw;          /**< packets by raw socket, as they are on the wire: small ones, and what large ones were cut into */
    uint64_t no_neighbour; /**< large ones that were cut though the AF_PACKET pair runs: whom they go to was unknown, or just asked */
    uint64_t too_large;    /**< the same: their segments exceed the MTU */
    uint64_t refused;      /**< the same: the kernel did not take them */
};
void inject_count(const struct inject *inject, struct inject_counts *ret_counts);
/**
 * Follow the interface, whose MTU and link-layer address may change while it is in use. To be called once a second.
 *
 * @return its MTU; as it was when the interface is gone
 */
size_t inject_follow(struct inject *inject);
/** What a pair did since it was opened. */
struct link_counts {
    const char *capture, *inject; /**< capture_name(), inject_name() */
    uint64_t capture_drops;
    struct inject_counts injected;
};
void link_count(struct capture *capture, const struct inject *inject, struct link_counts *ret_counts);
/** Our further addresses, those beyond INJECT_OWN_MAX are left out: packets to them go by the loopback too. */
void inject_set_own(struct inject *inject, const uint32_t *addrs, size_t count);
void inject_close(struct inject *inject);

#endif
