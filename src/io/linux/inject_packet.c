/*
 * io/linux/inject_packet.c - large packets to the internet by AF_PACKET with virtio_net_hdr
 *
 * One write hands the kernel a packet of 64 KB, which it or the network card cuts: measured, forty segments cost less than two by a raw
 * socket. Everything else goes by that raw socket: small packets, our own address, and whatever the next hop's address is not known for. Both pass
 * the interface's queueing discipline one after the other, so a flow's packets keep their order.
 */
#include <arpa/inet.h>
#include <net/if.h> /* before the kernel's own of the same things */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/link_priv.h"
#include "io/linux/nexthop.h"
#include "io/linux/vnet.h"

enum { SEND_BUFFER = 8 * 1024 * 1024 };

struct inject_packet {
    struct inject base;
    struct nexthop *nexthop;
    int fd;
    uint8_t mac[ETH_ALEN]; /* ours */
};

/* One that stands for many, and goes to somebody else. */
static bool is_large(const struct inject_packet *j, struct ip4_view *v, uint8_t *packet, size_t len, const struct offload *offload)
{
    return offload->seg_len != 0 && ip4_parse(packet, len, v) == DROP_NONE && ip4_view_offload(v, offload) == DROP_NONE &&
           v->len - v->header_len - v->l4_header_len > offload->seg_len && !inject_is_own(&j->base, v->dst);
}

static int send_whole(struct inject_packet *j, const struct ip4_view *v, const struct offload *offload, const uint8_t mac[ETH_ALEN])
{
    struct virtio_net_hdr header;
    struct ethhdr link = {.h_proto = htons(ETH_P_IP)};
    memcpy(link.h_dest, mac, ETH_ALEN);
    memcpy(link.h_source, j->mac, ETH_ALEN);
    vnet_put(&header, v, sizeof link, offload);
    struct iovec part[] = {{&header, sizeof header}, {&link, sizeof link}, {v->ip, v->len}};
    return writev(j->fd, part, 3) < 0 ? -errno : 0;
}

enum { LEFT = 0, TO_THE_RAW_SOCKET = 1 };

/* @return LEFT, TO_THE_RAW_SOCKET, or -errno: the queue is full */
static int try_whole(struct inject_packet *j, const struct ip4_view *v, const struct offload *offload)
{
    struct inject_counts *counts = &j->base.counts;
    uint8_t mac[ETH_ALEN];
    if (ip4_wire_len(v, offload->seg_len) > j->base.mtu) {
        counts->too_large++;
        return TO_THE_RAW_SOCKET;
    }
    if (!nexthop_get(j->nexthop, v->dst, io_now_us() / 1000, mac)) {
        counts->no_neighbour++;
        return TO_THE_RAW_SOCKET;
    }
    int failed = send_whole(j, v, offload, mac);
    if (failed == -ENOBUFS || failed == -EAGAIN)
        return failed;
    *(failed ? &counts->refused : &counts->whole) += 1;
    return failed ? TO_THE_RAW_SOCKET : LEFT;
}

static int send_packet(struct inject *base, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct inject_packet *j = (struct inject_packet *)base;
    struct ip4_view v;
    int done = is_large(j, &v, packet, len, offload) ? try_whole(j, &v, offload) : TO_THE_RAW_SOCKET;
    return done != TO_THE_RAW_SOCKET ? done : j->base.portable->ops->send(j->base.portable, packet, len, offload);
}

static void close_both(struct inject *base)
{
    struct inject_packet *j = (struct inject_packet *)base;
    if (j->base.portable != NULL)
        j->base.portable->ops->close(j->base.portable);
    nexthop_free(j->nexthop);
    if (j->fd >= 0)
        close(j->fd);
    free(j);
}

/* @return our address's kind, or -errno */
static int learn_mac(struct inject_packet *j)
{
    struct ifreq req = {0};
    if (if_indextoname((unsigned)j->base.ifindex, req.ifr_name) == NULL || ioctl(j->fd, SIOCGIFHWADDR, &req) < 0)
        return -errno;
    memcpy(j->mac, req.ifr_hwaddr.sa_data, ETH_ALEN);
    return req.ifr_hwaddr.sa_family;
}

static void follow(struct inject *base)
{
    learn_mac((struct inject_packet *)base);
}

static const struct inject_ops ops = {.name = "packet", .send = send_packet, .follow = follow, .close = close_both};

/* Bound with protocol 0, it sends and never receives. */
static int open_socket(struct inject_packet *j)
{
    int on = 1, buffer = SEND_BUFFER, kind;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = j->base.ifindex};
    j->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (j->fd < 0)
        return -errno;
    if ((kind = learn_mac(j)) < 0)
        return kind;
    if (kind != ARPHRD_ETHER || setsockopt(j->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0)
        return -ENOTSUP;
    setsockopt(j->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer); /* only a wish */
    return bind(j->fd, (struct sockaddr *)&at, sizeof at) < 0 ? -errno : 0;
}

int inject_packet_open(const char *ifname, uint32_t addr, size_t mtu, struct inject **ret_inject, struct err *err)
{
    struct inject_packet *j = calloc(1, sizeof *j);
    if (j == NULL)
        return -ENOMEM;
    j->base = (struct inject){.ops = &ops, .mtu = mtu, .ifindex = (int)if_nametoindex(ifname)};
    j->fd = -1;
    int failed = j->base.ifindex == 0 ? -errno : open_socket(j);
    if (!failed)
        failed = nexthop_new(j->base.ifindex, addr, &j->nexthop);
    if (failed == -EPERM || failed == -EACCES)
        err_set(err, failed, "sending on %s needs root (CAP_NET_RAW): run it with sudo", ifname);
    else if (failed == -ENOTSUP)
        err_set(err, failed, "--inject packet: %s is no Ethernet or this kernel does not offer it; use --inject raw", ifname);
    else if (failed)
        err_set(err, failed, "cannot send on %s: %s", ifname, strerror(-failed));
    else
        failed = inject_raw_open(ifname, mtu, &j->base.portable, err);
    if (failed) {
        close_both(&j->base);
        return failed;
    }
    *ret_inject = &j->base;
    return 0;
}
