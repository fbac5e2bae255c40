/*
 * io/linux/capture_packet.c - answers from the internet by AF_PACKET with virtio_net_hdr
 *
 * The kernel tells what it merged and which checksums it left open, so large packets stay exact, UDP's included. The same kernel filter
 * as libpcap's is attached before the socket is bound to anything, so nothing else ever gets in, and locked.
 */
#include <arpa/inet.h>
#include <net/if.h> /* before the kernel's own of the same things */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/link_priv.h"
#include "io/linux/vnet.h"

enum {
    SOCKETS = 2,
    BATCH = 16,                          /* packets per system call */
    ROUNDS = 4,                          /* of them per wake-up; the loop then serves the others */
    SLOT = 65536 + ETH_HLEN + 32,
    RECEIVE_BUFFER = 16 * 1024 * 1024,   /* the kernel's, taken only while packets wait */
    FILTER_SNAP = 262144,
};

struct tap {
    int fd;
    size_t link_len;
    struct io_poll *poll;
    struct capture_packet *capture;
};

struct capture_packet {
    struct capture base;
    struct tap tap[SOCKETS];
    uint64_t dropped; /* counted so far: the kernel forgets what it told */
    struct virtio_net_hdr header[BATCH];
    uint8_t slot[BATCH][SLOT];
};

static void take(struct tap *t, struct virtio_net_hdr *header, uint8_t *frame, size_t len)
{
    struct capture_packet *c = t->capture;
    struct offload offload;
    struct ip4_view v;
    if (len <= t->link_len || vnet_get(header, &offload) < 0) {
        c->dropped++;
        return;
    }
    uint8_t *packet = frame + t->link_len;
    len -= t->link_len;
    if (offload.seg_len != 0 && !offload.partial && ip4_parse(packet, len, &v) == DROP_NONE) {
        ip4_set_partial(&v); /* the kernel verified each before it merged them */
        offload.partial = v.partial;
    }
    c->base.cb(c->base.ctx, packet, len, &offload);
}

/* The length is that of the whole message; who looks ahead looks at headers only. */
static void announce(struct tap *t, const struct mmsghdr *message, int got)
{
    struct capture_packet *c = t->capture;
    struct span ahead[BATCH];
    size_t count = 0;
    for (int i = 0; i < got; i++)
        if (message[i].msg_len > sizeof c->header[i] + t->link_len)
            ahead[count++] = (struct span){c->slot[i] + t->link_len, message[i].msg_len - sizeof c->header[i] - t->link_len};
    if (c->base.ahead != NULL && count > 1)
        c->base.ahead(c->base.ctx, ahead, count);
}

static void on_readable(void *ctx, int events)
{
    struct tap *t = ctx;
    struct capture_packet *c = t->capture;
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH][2];
    (void)events;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BATCH; i++) {
            part[i][0] = (struct iovec){&c->header[i], sizeof c->header[i]};
            part[i][1] = (struct iovec){c->slot[i], SLOT};
            message[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = part[i], .msg_iovlen = 2}};
        }
        int got = recvmmsg(t->fd, message, BATCH, MSG_DONTWAIT, NULL);
        announce(t, message, got);
        for (int i = 0; i < got; i++) {
            if (message[i].msg_len < sizeof c->header[i] || (message[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
                c->dropped++;
            else
                take(t, &c->header[i], c->slot[i], message[i].msg_len - sizeof c->header[i]);
        }
        if (got < BATCH)
            return;
    }
}

/* @return bytes of link header on a device, or -1: not supported */
static int link_header_len(int fd, const char *ifname)
{
    struct ifreq req = {0};
    memcpy(req.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
    if (ioctl(fd, SIOCGIFHWADDR, &req) < 0)
        return -1;
    switch (req.ifr_hwaddr.sa_family) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        return ETH_HLEN;
    case ARPHRD_NONE:
        return 0;
    default:
        return -1;
    }
}

/* libpcap compiles, the kernel runs: both call it BPF and lay it out alike. */
static int attach_filter(int fd, const struct capture_filter *filter, size_t link_len)
{
    char text[CAPTURE_FILTER_TEXT_MAX];
    struct bpf_program program;
    capture_filter_text(filter, text);
    pcap_t *dead = pcap_open_dead(link_len != 0 ? DLT_EN10MB : DLT_RAW, FILTER_SNAP);
    if (dead == NULL)
        return -ENOMEM;
    int failed = pcap_compile(dead, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0 ? -EINVAL : 0;
    if (!failed) {
        struct sock_fprog prog = {.len = (unsigned short)program.bf_len, .filter = (struct sock_filter *)program.bf_insns};
        _Static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn), "one layout");
        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &(int){1}, sizeof(int)) < 0)
            failed = -errno;
        pcap_freecode(&program);
    }
    pcap_close(dead);
    return failed;
}

static int prepare(struct tap *t, const char *ifname, const struct capture_filter *filter)
{
    int on = 1, buffer = RECEIVE_BUFFER, link_len;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)if_nametoindex(ifname)};
    if (at.sll_ifindex == 0)
        return -errno;
    t->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); /* receives nothing until it is bound */
    if (t->fd < 0)
        return -errno;
    if ((link_len = link_header_len(t->fd, ifname)) < 0)
        return -ENOTSUP;
    t->link_len = (size_t)link_len;
    if (setsockopt(t->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0 ||
        setsockopt(t->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0)
        return -ENOTSUP;
    setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer); /* only a wish */
    int failed = attach_filter(t->fd, filter, t->link_len);
    if (!failed && bind(t->fd, (struct sockaddr *)&at, sizeof at) < 0)
        failed = -errno;
    return failed;
}

static int open_tap(struct io_loop *loop, struct tap *t, const char *ifname, const struct capture_filter *filter, struct err *err)
{
    int failed = prepare(t, ifname, filter);
    if (failed == -EPERM || failed == -EACCES)
        return err_set(err, failed, "capture on %s needs root (CAP_NET_RAW): run it with sudo", ifname);
    if (failed == -ENOTSUP)
        return err_set(err, failed, "--capture packet: %s or this kernel does not offer it; use --capture pcap", ifname);
    if (!failed)
        failed = io_poll_new(loop, t->fd, IO_READABLE, on_readable, t, &t->poll);
    return failed ? err_set(err, failed, "cannot capture on %s: %s", ifname, strerror(-failed)) : 0;
}

static uint64_t drops(struct capture *base)
{
    struct capture_packet *c = (struct capture_packet *)base;
    for (int i = 0; i < SOCKETS; i++) {
        struct tpacket_stats stats;
        socklen_t len = sizeof stats;
        if (getsockopt(c->tap[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
            c->dropped += stats.tp_drops;
    }
    return c->dropped;
}

static void close_all(struct capture *base)
{
    struct capture_packet *c = (struct capture_packet *)base;
    for (int i = 0; i < SOCKETS; i++) {
        if (c->tap[i].poll != NULL)
            io_poll_close(c->tap[i].poll);
        if (c->tap[i].fd >= 0)
            close(c->tap[i].fd);
    }
    free(c);
}

static const struct capture_ops ops = {.name = "packet", .drops = drops, .close = close_all};

int capture_packet_open(struct io_loop *loop, const char *ifname, const struct capture_filter *filter, capture_cb cb, void *ctx,
                        struct capture **ret_capture, struct err *err)
{
    struct capture_packet *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->base = (struct capture){.ops = &ops, .cb = cb, .ctx = ctx};
    for (int i = 0; i < SOCKETS; i++)
        c->tap[i] = (struct tap){.fd = -1, .capture = c};
    int failed = open_tap(loop, &c->tap[0], ifname, filter, err);
    if (!failed)
        failed = open_tap(loop, &c->tap[1], "lo", filter, err);
    if (failed) {
        close_all(&c->base);
        return failed;
    }
    *ret_capture = &c->base;
    return 0;
}
