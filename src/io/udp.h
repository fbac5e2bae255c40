/*
 * io/udp.h - a UDP socket that says where each datagram came from and from which of our addresses to answer it
 *
 * What it sends has DF set and is not measured by the kernel's idea of the path: tunnel/pmtu.h finds that out. What the kernel does not take at
 * once is lost; the sender sees udp_congested() and waits.
 */
#ifndef TETHER_IO_UDP_H
#define TETHER_IO_UDP_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/err.h"
#include "io/loop.h"
#include "io/underlay.h"

/** The far end, and the address of ours it spoke to (family AF_UNSPEC: the kernel chooses). */
struct udp_peer {
    struct sockaddr_storage addr;
    union {
        struct in_addr four;
        struct in6_addr six;
    } local;
    bool local_known;
};
/** The same address and port? */
bool udp_same(const struct udp_peer *a, const struct udp_peer *b);

struct udp;
struct udp_events {
    /** @param data mutable, borrowed */
    void (*datagram)(void *ctx, uint8_t *data, size_t len, const struct udp_peer *from);
    /** Those that had come together have been told. */
    void (*rest)(void *ctx);
};

/**
 * @param addr "0.0.0.0", "::" or one of our addresses; @param port 0: any
 * @param may_fragment leave DF off (plain: one packet is one datagram, whatever its size) @param events, ctx borrowed
 * @return 0 or -errno with err naming address and port
 */
int udp_open(struct io_loop *loop, const char *addr, uint16_t port, bool may_fragment, const struct udp_events *events, void *ctx,
             struct udp **ret_udp, struct err *err);
/** Send through this device only; "" through any. @return 0 or -errno */
int udp_bind(struct udp *udp, const struct underlay *via);
/** @return 0, or -errno: it is lost */
int udp_send(struct udp *udp, const struct udp_peer *to, const uint8_t *data, size_t len);
/**
 * What is sent between true and false may wait for the latter: datagrams of one length to one peer leave as one large packet, which the kernel or the
 * card cuts (UDP_SEGMENT). Where that does not work they leave one by one.
 */
void udp_batch(struct udp *udp, bool on);
/** The kernel's queue is full. */
bool udp_congested(const struct udp *udp);
uint16_t udp_port(const struct udp *udp);
/** NULL is fine. No callback comes any more; its memory goes later, from the loop. */
void udp_close(struct udp *udp);

#endif
