/*
 * io/link_priv.h - what the captures and injectors behind link.h share; link.c stands above them and chooses
 */
#ifndef TETHER_IO_LINK_PRIV_H
#define TETHER_IO_LINK_PRIV_H

#include <stdbool.h>

#include "io/link.h"

enum { CAPTURE_FILTER_TEXT_MAX = 512 };

struct capture_ops {
    const char *name;
    uint64_t (*drops)(struct capture *capture);
    void (*close)(struct capture *capture);
};
/** The beginning of each kind of capture. */
struct capture {
    const struct capture_ops *ops;
    capture_cb cb;
    capture_ahead_cb ahead; /**< NULL: nobody wants to know */
    void *ctx;
};

struct inject_ops {
    const char *name;
    int (*send)(struct inject *inject, uint8_t *packet, size_t len, const struct offload *offload);
    void (*follow)(struct inject *inject); /**< the interface, beyond its MTU; NULL: there is nothing more */
    void (*close)(struct inject *inject);
};
/** The beginning of each kind of injector. */
struct inject {
    const struct inject_ops *ops;
    int ifindex;
    size_t mtu;              /**< of the interface, followed */
    struct inject_counts counts;
    struct inject *portable; /**< what an injector gives the packets to that it cannot send itself; NULL: there is none */
    uint32_t own[INJECT_OWN_MAX];
    size_t own_count;
};
/** Does the kernel deliver packets to this address on this machine? */
static inline bool inject_is_own(const struct inject *inject, uint32_t dst)
{
    for (size_t i = 0; i < inject->own_count; i++)
        if (inject->own[i] == dst)
            return true;
    return dst >> 24 == 127;
}

/** libpcap's language for what passes. */
void capture_filter_text(const struct capture_filter *filter, char ret_text[CAPTURE_FILTER_TEXT_MAX]);

/* The kinds. Each fills err when it fails; an AF_PACKET one that this machine does not offer returns -ENOTSUP. */
int capture_pcap_open(struct io_loop *loop, const char *ifname, const struct capture_filter *filter, capture_cb cb, void *ctx,
                      struct capture **ret_capture, struct err *err);
int capture_packet_open(struct io_loop *loop, const char *ifname, const struct capture_filter *filter, capture_cb cb, void *ctx,
                        struct capture **ret_capture, struct err *err);
int inject_raw_open(const char *ifname, size_t mtu, struct inject **ret_inject, struct err *err);
int inject_packet_open(const char *ifname, uint32_t addr, size_t mtu, struct inject **ret_inject, struct err *err);

#endif
