/* io/linux/desk.c - see desk.h */
#include "io/linux/desk.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/keeper.h"
#include "io/linux/host_priv.h"

struct file {
    char *path;      /* NULL: none */
    bool goes;       /* deleted at the end */
};

struct desk {
    pid_t owner;
    bool sealed;
    struct host_state *host[DESK_HOSTS_MAX]; /* in the order they were opened; NULL: closed */
    struct host_grants grants[DESK_HOSTS_MAX];
    uint32_t hosts;
    struct file file[DESK_FILES_MAX];
    uint32_t files;
};

int desk_new(pid_t owner, struct desk **ret_desk)
{
    struct desk *d = calloc(1, sizeof *d);
    if (d == NULL)
        return -ENOMEM;
    d->owner = owner;
    *ret_desk = d;
    return 0;
}

int desk_free(struct desk *d)
{
    int undone = 0;
    if (d == NULL)
        return 0;
    for (uint32_t i = d->hosts; i-- > 0;)
        undone += host_state_close(d->host[i]);
    for (uint32_t i = 0; i < d->files; i++) {
        if (d->file[i].goes)
            unlink(d->file[i].path);
        free(d->file[i].path);
    }
    free(d);
    return undone;
}

/* --- hosts --- */

static int open_host(struct desk *d, const struct host_request *r, struct err *err)
{
    if (d->hosts == DESK_HOSTS_MAX)
        return err_set(err, -ENOSPC, "state directory %s: more than %d roles in one process", r->text, DESK_HOSTS_MAX);
    int rc = host_state_open(r->text, r->ifname, d->owner, &d->host[d->hosts], err);
    return rc < 0 ? rc : (int)d->hosts++;
}

static int close_host(struct desk *d, uint32_t number)
{
    host_state_close(d->host[number]);
    d->host[number] = NULL;
    return 0;
}

/* Names of devices are remembered when making them went well, so they fit. */
static void grant(char to[IFNAMSIZ], const char *name)
{
    snprintf(to, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, name);
}

static int open_device(struct host_state *host, struct host_grants *grants, const struct host_request *r, int *ret_fd, struct err *err)
{
    const struct host_cidr cidr = {r->addr, (uint8_t)r->prefix_len};
    const int fd = r->op == HOST_OP_TUN_OPEN ? tun_make(host, r->ifname, cidr, (int)r->size, err)
                                             : tap_make(host, r->ifname, r->flag ? r->mac : NULL, (int)r->size, err);
    if (fd < 0)
        return fd;
    if (r->op == HOST_OP_TUN_OPEN)
        grant(grants->tun, r->ifname);
    *ret_fd = fd;
    return 0;
}

static int open_bridge(struct host_state *host, struct host_grants *grants, const struct host_request *r, struct err *err)
{
    int rc = bridge_make(host, r->bridge, err);
    if (rc == 0)
        grant(grants->bridge, r->bridge);
    return rc;
}

static int do_host(struct desk *d, const struct host_request *r, int *ret_fd, struct err *err)
{
    if (r->number >= d->hosts || d->host[r->number] == NULL)
        return -EBADF;
    struct host_state *host = d->host[r->number];
    struct host_grants *grants = &d->grants[r->number];
    const struct host_cidr cidr = {r->addr, (uint8_t)r->prefix_len};
    if (d->sealed && !host_request_granted(r, grants))
        return err_set(err, -EPERM, "not after set-up");
    switch (r->op) {
    case HOST_OP_CLOSE:
        return close_host(d, r->number);
    case HOST_OP_ADDR_ADD:
        return iface_addr_add(host, r->ifname, cidr, err);
    case HOST_OP_TUN_OPEN:
    case HOST_OP_TAP_OPEN:
        return open_device(host, grants, r, ret_fd, err);
    case HOST_OP_TAP_GRANT:
        grant(grants->tap, r->ifname);
        return 0;
    case HOST_OP_BRIDGE_OPEN:
        return open_bridge(host, grants, r, err);
    case HOST_OP_BRIDGE_JOIN:
        return bridge_join(host, r->bridge, r->ifname, r->flag, err);
    case HOST_OP_MASQUERADE:
        return bridge_masquerade(host, r->ifname, cidr, err);
    case HOST_OP_ONLY_ANSWERS:
        return bridge_only_answers(host, r->ifname, err);
    case HOST_OP_ROUTE_ADD:
        return iface_route_add(host, r->ifname, cidr, err);
    case HOST_OP_ROUTE_IPV6_ALL:
        return iface_route_ipv6_all(host, r->ifname, err);
    case HOST_OP_DNS_SET:
        return dns_set(host, r->ifname, r->dns, r->dns_count, err);
    case HOST_OP_RESERVE_PORTS:
        return ports_reserve(host, r->port_lo, r->port_hi, err);
    case HOST_OP_SILENCE_PORTS:
        return nft_silence_ports(host, r->addr, r->port_lo, r->port_hi, err);
    default:
        return -EBADMSG;
    }
}

/* --- files --- */

static int keep_file(struct desk *d, const struct host_request *r)
{
    if (d->sealed)
        return -EPERM;
    if (d->files == DESK_FILES_MAX)
        return -ENOSPC;
    char *path = strdup(r->text);
    if (path == NULL)
        return -ENOMEM;
    d->file[d->files] = (struct file){.path = path, .goes = r->flag};
    return (int)d->files++;
}

/* A successor beside a file that was named during set-up: made, and later put in its place. */
static int renew_file(struct desk *d, const struct host_request *r, int *ret_fd)
{
    char fresh[HOST_TEXT_MAX + 8];
    if (r->number >= d->files || d->file[r->number].goes)
        return -EBADF;
    const char *path = d->file[r->number].path;
    snprintf(fresh, sizeof fresh, "%s.new", path);
    if (r->op == HOST_OP_FILE_REPLACE)
        return rename(fresh, path) < 0 ? -errno : 0;
    unlink(fresh); /* one that a crash left behind */
    *ret_fd = open(fresh, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return *ret_fd < 0 ? -errno : 0;
}

/* --- sockets --- */

static bool is_one_of_ours(int fd)
{
    int domain = 0, type = 0;
    socklen_t len = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return false;
    return (domain == AF_INET || domain == AF_INET6) && (type == SOCK_STREAM || type == SOCK_DGRAM);
}

static int steer_socket(int fd, uint32_t which)
{
    if (which >= KEEPER_CONGESTIONS)
        return -EBADMSG;
    const char *name = keeper_congestion_name(which);
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) < 0 ? -errno : 0;
}

/* A congestion control, longer buffers where there is a size, or a device to be bound to ("": none any more). */
static int prepare_socket(const struct host_request *r, int fd)
{
    if (fd < 0 || !is_one_of_ours(fd))
        return -EBADF;
    if (r->flag)
        return steer_socket(fd, r->size);
    if (r->size == 0)
        return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, r->ifname, (socklen_t)strlen(r->ifname)) < 0 ? -errno : 0;
    const int size = (int)r->size;
    int rc = setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0 ? -errno : 0;
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0 ? -errno : rc;
}

void desk_do(struct desk *d, const void *bytes, size_t len, int fd, struct host_reply *ret_reply, int *ret_fd)
{
    struct host_request r;
    struct err err = {0};
    *ret_fd = -1;
    int rc = host_request_check(bytes, len, &r);
    if (rc < 0)
        err_set(&err, rc, "not a request");
    else if (r.op == HOST_OP_OPEN)
        rc = d->sealed ? -EPERM : open_host(d, &r, &err);
    else if (r.op == HOST_OP_FILE_KEEP)
        rc = keep_file(d, &r);
    else if (r.op == HOST_OP_FILE_FRESH || r.op == HOST_OP_FILE_REPLACE)
        rc = renew_file(d, &r, ret_fd);
    else if (r.op == HOST_OP_SOCKET)
        rc = prepare_socket(&r, fd);
    else if (r.op == HOST_OP_SEAL)
        d->sealed = true;
    else
        rc = do_host(d, &r, ret_fd, &err);
    *ret_reply = (struct host_reply){.result = rc};
    snprintf(ret_reply->text, sizeof ret_reply->text, "%s", rc < 0 ? err.text : "");
}
