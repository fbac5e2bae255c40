/*
 * io/linux/udp.c - see io/udp.h
 *
 * A datagram costs the kernel about as much as 64 KB do. So what is sent in a batch is gathered and cut by the kernel (UDP_SEGMENT), and what
 * came together is handed over together (UDP_GRO), where the kernel can do so.
 */
#include "io/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/keeper.h"

enum { BATCH = 16, DATAGRAM_MAX = 65536, BUFFER = 4 * 1024 * 1024, ROUNDS = 16, CONTROL = 128 };
enum { TOGETHER_MAX = 60 * 1024, TOGETHER_SEGMENTS = 64 }; /* of UDP_SEGMENT; Linux takes 64 */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

struct udp {
    int fd;
    struct io_poll *poll;
    const struct udp_events *events;
    void *ctx;
    bool congested, closed, receiving;
    bool batching, one_by_one; /* the latter: UDP_SEGMENT does not work here */
    struct udp_peer to;        /* of what is gathered */
    size_t gathered, segment, segments;
    uint8_t together[TOGETHER_MAX];
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_storage from[BATCH];
    uint8_t control[BATCH][CONTROL];
    uint8_t data[BATCH][DATAGRAM_MAX];
};

bool udp_same(const struct udp_peer *a, const struct udp_peer *b)
{
    if (a->addr.ss_family != b->addr.ss_family)
        return false;
    if (a->addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)&a->addr, *y = (const struct sockaddr_in6 *)&b->addr;
        return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
    }
    const struct sockaddr_in *x = (const struct sockaddr_in *)&a->addr, *y = (const struct sockaddr_in *)&b->addr;
    return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
}

/* --- receiving --- */

/* @return length of the datagrams that came as one, or 0 */
static size_t note_control(struct udp_peer *peer, struct msghdr *m)
{
    int segment = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            peer->local.four = info.ipi_spec_dst;
            peer->local_known = true;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            peer->local.six = info.ipi6_addr;
            peer->local_known = true;
        } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            memcpy(&segment, CMSG_DATA(c), sizeof segment);
        }
    }
    return segment > 0 ? (size_t)segment : 0;
}

static int receive(struct udp *u)
{
    for (int i = 0; i < BATCH; i++) {
        u->iov[i] = (struct iovec){u->data[i], DATAGRAM_MAX};
        u->msg[i].msg_hdr = (struct msghdr){.msg_name = &u->from[i], .msg_namelen = sizeof u->from[i], .msg_iov = &u->iov[i],
                                            .msg_iovlen = 1, .msg_control = u->control[i], .msg_controllen = CONTROL};
    }
    int n = recvmmsg(u->fd, u->msg, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n && !u->closed; i++) {
        struct udp_peer peer = {.addr = u->from[i]};
        size_t step = note_control(&peer, &u->msg[i].msg_hdr), len = u->msg[i].msg_len;
        if (step == 0 || step > len)
            step = len;
        for (size_t at = 0; (at < len || at == 0) && !u->closed; at += step > 0 ? step : 1)
            u->events->datagram(u->ctx, u->data[i] + at, len - at < step ? len - at : step, &peer);
    }
    if (n > 0 && !u->closed)
        u->events->rest(u->ctx);
    return n;
}

static void release(struct udp *u)
{
    io_poll_close(u->poll);
    close(u->fd);
    free(u);
}

static void on_event(void *ctx, int events)
{
    struct udp *u = ctx;
    if (events & IO_WRITABLE) {
        u->congested = false;
        io_poll_want(u->poll, IO_READABLE);
    }
    if ((events & (IO_READABLE | IO_FAILED)) == 0)
        return;
    u->receiving = true;
    for (int i = 0; i < ROUNDS && !u->closed && receive(u) == BATCH; i++)
        ;
    u->receiving = false;
    if (u->closed)
        release(u);
}

/* --- sending --- */

/* From the address we were spoken to: a host with several would else answer from one that the far end, or its router, does not know. @return bytes of control */
static size_t set_local(struct msghdr *m, const struct udp_peer *to)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (to->addr.ss_family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_addr = to->local.six};
        *c = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    struct in_pktinfo info = {.ipi_spec_dst = to->local.four};
    *c = (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
    memcpy(CMSG_DATA(c), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

/* segment 0: one datagram */
static int transmit(struct udp *u, const struct udp_peer *to, const uint8_t *data, size_t len, size_t segment)
{
    _Alignas(struct cmsghdr) uint8_t control[CONTROL] = {0};
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr m = {.msg_name = (void *)(uintptr_t)&to->addr, .msg_iov = &iov, .msg_iovlen = 1,
                       .msg_namelen = to->addr.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)};
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    size_t used = to->local_known ? set_local(&m, to) : 0;
    if (segment > 0) {
        struct cmsghdr *c = (struct cmsghdr *)(control + used);
        uint16_t size = (uint16_t)segment;
        *c = (struct cmsghdr){.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof size)};
        memcpy(CMSG_DATA(c), &size, sizeof size);
        used += CMSG_SPACE(sizeof size);
    }
    m.msg_controllen = used;
    if (used == 0)
        m.msg_control = NULL;
    if (sendmsg(u->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    int failed = -errno;
    if (failed == -EAGAIN) {
        u->congested = true;
        io_poll_want(u->poll, IO_READABLE | IO_WRITABLE);
    }
    return failed;
}

static void flush(struct udp *u)
{
    size_t len = u->gathered;
    u->gathered = 0;
    if (len == 0)
        return;
    int failed = transmit(u, &u->to, u->together, len, u->segments > 1 ? u->segment : 0);
    if (failed == 0 || failed == -EAGAIN || u->segments == 1)
        return;
    u->one_by_one = failed == -EIO || failed == -EINVAL || failed == -ENOPROTOOPT; /* no checksums by the device; an old kernel */
    for (size_t at = 0; at < len; at += u->segment)
        transmit(u, &u->to, u->together + at, len - at < u->segment ? len - at : u->segment, 0);
}

static void gather(struct udp *u, const struct udp_peer *to, const uint8_t *data, size_t len)
{
    /* Only the last one may be shorter. */
    bool fits = u->gathered > 0 && u->gathered % u->segment == 0 && len <= u->segment && u->segments < TOGETHER_SEGMENTS &&
                u->gathered + len <= TOGETHER_MAX && udp_same(&u->to, to);
    if (!fits) {
        flush(u);
        u->to = *to;
        u->segment = len;
        u->segments = 0;
    }
    memcpy(u->together + u->gathered, data, len);
    u->gathered += len;
    u->segments++;
}

int udp_send(struct udp *u, const struct udp_peer *to, const uint8_t *data, size_t len)
{
    if (u->batching && !u->one_by_one && len > 0 && len <= TOGETHER_MAX / 2) {
        gather(u, to, data, len);
        return 0;
    }
    return transmit(u, to, data, len, 0);
}

void udp_batch(struct udp *u, bool on)
{
    u->batching = on;
    if (!on)
        flush(u);
}

bool udp_congested(const struct udp *u)
{
    return u->congested;
}

/* --- life --- */

/* Long ones, by right or by the keeper's; else as long as the machine allows everybody. */
static void set_buffers(int fd)
{
    const int size = BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) == 0)
        return;
    if (keeper_socket_buffers(fd, BUFFER) == 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static int set_up(int fd, int family, bool may_fragment)
{
    const int on = 1;
    const int discover = may_fragment ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE;
    if (!may_fragment)
        setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on); /* an old kernel hands them over one by one */
    set_buffers(fd);
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
        return setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof discover) < 0 ? -errno : 0;
    }
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    return setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover) < 0 ? -errno : 0;
}

static int parse_addr(const char *addr, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, addr, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        *ret_len = sizeof *four;
    } else if (inet_pton(AF_INET6, addr, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        *ret_len = sizeof *six;
    } else {
        return -EINVAL;
    }
    return 0;
}

int udp_open(struct io_loop *loop, const char *addr, uint16_t port, bool may_fragment, const struct udp_events *events, void *ctx,
             struct udp **ret_udp, struct err *err)
{
    struct sockaddr_storage local;
    socklen_t len;
    if (parse_addr(addr, port, &local, &len) < 0)
        return err_set(err, -EINVAL, "%s: not an address of this machine; ip address lists them", addr);
    struct udp *u = calloc(1, sizeof *u);
    if (u == NULL)
        return -ENOMEM;
    u->events = events;
    u->ctx = ctx;
    u->fd = socket(local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed = u->fd < 0 ? -errno : set_up(u->fd, local.ss_family, may_fragment);
    if (!failed && bind(u->fd, (struct sockaddr *)&local, len) < 0)
        failed = -errno;
    if (!failed)
        failed = io_poll_new(loop, u->fd, IO_READABLE, on_event, u, &u->poll);
    if (!failed) {
        *ret_udp = u;
        return 0;
    }
    if (u->fd >= 0)
        close(u->fd);
    free(u);
    return err_set(err, failed, "UDP %s port %u: %s; is another program there (ss -lup)?", addr, port, strerror(-failed));
}

int udp_bind(struct udp *u, const struct underlay *via)
{
    return underlay_bind(u->fd, via);
}

uint16_t udp_port(const struct udp *u)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    if (getsockname(u->fd, (struct sockaddr *)&local, &len) < 0)
        return 0;
    return ntohs(local.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&local)->sin6_port : ((struct sockaddr_in *)&local)->sin_port);
}

void udp_close(struct udp *u)
{
    if (u == NULL || u->closed)
        return;
    u->closed = true;
    if (!u->receiving) /* else when that is over */
        release(u);
}
