/*
 * io/inject_raw.c - packets to the internet by a raw socket: the portable, reference injector
 *
 * One socket is bound to the external interface, so that a second uplink's routes never carry our address; one is not, for
 * packets to our own addresses, which the kernel routes over the loopback. A raw socket takes what fits the MTU, finished:
 * large packets are cut here, and their segments given to the kernel together.
 */
#include "io/link_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tether/packet.h"

enum { SEND_BUFFER = 4 * 1024 * 1024 };

struct inject_raw {
    struct inject base;
    int link, own;
    int failed;               /* of the packet being sent: the first failure of its pieces */
    struct sockaddr_in to;    /* of the packet being sent, for all its pieces */
    struct mmsghdr message[PACKET_SEGMENTS_MAX];
    struct iovec part[PACKET_SEGMENTS_MAX];
    uint8_t segment[IP4_SEGMENTS_ROOM], fragment[IP4_MAX_LEN];
};

static int raw_socket(void)
{
    int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0)
        return -errno;
    int buffer = SEND_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer); /* only a wish */
    return fd;
}

static void send_one(void *ctx, const uint8_t *packet, size_t len)
{
    struct inject_raw *j = ctx;
    uint32_t dst = get_be32(packet + 16);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(dst)};
    int fd = inject_is_own(&j->base, dst) ? j->own : j->link;
    if (sendto(fd, packet, len, 0, (struct sockaddr *)&to, sizeof to) >= 0)
        j->base.counts.raw++;
    else if (j->failed == 0)
        j->failed = -errno;
}

/* One system call for all segments of a packet: a sixth of the time is saved. @return how many there are; 0: it cannot be */
static size_t send_segments(struct inject_raw *j, const struct ip4_view *v, size_t seg_len)
{
    struct span piece[PACKET_SEGMENTS_MAX];
    const size_t count = ip4_segment_all(v, (uint16_t)seg_len, j->segment, sizeof j->segment, piece);
    const int fd = inject_is_own(&j->base, v->dst) ? j->own : j->link;
    j->to.sin_addr.s_addr = htonl(v->dst);
    for (size_t i = 0; i < count; i++)
        j->part[i] = (struct iovec){(void *)(uintptr_t)piece[i].data, piece[i].len};
    for (size_t done = 0; done < count;) {
        int sent = sendmmsg(fd, j->message + done, (unsigned)(count - done), 0);
        if (sent <= 0 && j->failed == 0)
            j->failed = -errno;
        j->base.counts.raw += sent > 0 ? (size_t)sent : 0;
        done += sent > 0 ? (size_t)sent : 1; /* the one that failed is left out, as it would be alone */
    }
    return count;
}

/* A finished packet, in fragments if it must be. */
static void send_fitting(void *ctx, const uint8_t *packet, size_t len)
{
    struct inject_raw *j = ctx;
    struct ip4_view v;
    if (len <= j->base.mtu)
        send_one(j, packet, len);
    else if (ip4_parse((uint8_t *)(uintptr_t)packet, len, &v) != DROP_NONE ||
             ip4_fragment(&v, j->base.mtu, j->fragment, sizeof j->fragment, send_one, j) == 0)
        j->failed = -EMSGSIZE;
}

static int send_packet(struct inject *base, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct inject_raw *inject = (struct inject_raw *)base;
    struct ip4_view v;
    size_t pieces = 0;
    inject->failed = 0;
    if (offload->seg_len == 0 && !offload->partial && len >= IP4_MIN_LEN && len <= base->mtu) {
        send_one(inject, packet, len);
        return inject->failed;
    }
    if (ip4_parse(packet, len, &v) != DROP_NONE)
        return -EINVAL;
    const size_t headers = v.header_len + v.l4_header_len, wire_len = offload->seg_len != 0 ? headers + offload->seg_len : v.len;
    /* Beyond the MTU because that fell after the connection began, or because a router reassembled it: its sender need not know. */
    const bool cut_anew = v.proto == IP_PROTO_TCP && wire_len > base->mtu && (offload->partial || ip4_l4_csum_ok(&v));
    if (cut_anew)
        pieces = base->mtu > headers ? send_segments(inject, &v, base->mtu - headers) : 0;
    else if (offload->seg_len != 0 && wire_len <= base->mtu)
        pieces = send_segments(inject, &v, offload->seg_len);
    else if (offload->seg_len != 0)
        pieces = ip4_segment(&v, offload->seg_len, inject->segment, sizeof inject->segment, send_fitting, inject);
    if (cut_anew && pieces == 0) /* more than go at once */
        pieces = tcp_segment(&v, base->mtu, inject->segment, sizeof inject->segment, send_one, inject);
    if (offload->seg_len == 0 && pieces == 0) {
        pieces = 1;
        if (offload->partial)
            ip4_set_l4_csum(&v);
        send_fitting(inject, packet, v.len);
    }
    return pieces == 0 ? -EMSGSIZE : inject->failed;
}

static void close_both(struct inject *base)
{
    struct inject_raw *j = (struct inject_raw *)base;
    if (j->link >= 0)
        close(j->link);
    if (j->own >= 0)
        close(j->own);
    free(j);
}

static const struct inject_ops ops = {.name = "raw", .send = send_packet, .close = close_both};

int inject_raw_open(const char *ifname, size_t mtu, struct inject **ret_inject, struct err *err)
{
    struct inject_raw *j = calloc(1, sizeof *j);
    if (j == NULL)
        return -ENOMEM;
    j->base = (struct inject){.ops = &ops, .mtu = mtu, .ifindex = (int)if_nametoindex(ifname)};
    j->link = raw_socket(), j->own = raw_socket();
    j->to.sin_family = AF_INET;
    for (size_t i = 0; i < PACKET_SEGMENTS_MAX; i++)
        j->message[i].msg_hdr = (struct msghdr){.msg_name = &j->to, .msg_namelen = sizeof j->to, .msg_iov = &j->part[i], .msg_iovlen = 1};
    int failed = j->link < 0 ? j->link : j->own < 0 ? j->own : 0;
    if (failed == 0 && setsockopt(j->link, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname) + 1) < 0)
        failed = -errno;
    if (failed) {
        close_both(&j->base);
        return failed == -EPERM || failed == -EACCES
                   ? err_set(err, failed, "raw socket on %s needs root (CAP_NET_RAW): run it with sudo", ifname)
                   : err_set(err, failed, "raw socket on %s: %s", ifname, strerror(-failed));
    }
    *ret_inject = &j->base;
    return 0;
}
