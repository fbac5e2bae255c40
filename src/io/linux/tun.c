/*
 * io/linux/tun.c - the laptop's tunnel device
 *
 * Not persistent: device, addresses and routes go when the last descriptor does, however the process ends. IFF_TUN_EXCL makes
 * the kernel refuse a name that exists, so a persistent device of somebody else is never taken over.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/host_priv.h"
#include "io/linux/netlink.h"

static int tun_create(const char *name, struct err *err)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int rc = -errno;
        if (rc == -ENOENT || rc == -ENODEV || rc == -ENXIO)
            return err_set(err, rc, "/dev/net/tun: missing; load it with \"modprobe tun\", or start the container with "
                                    "--device /dev/net/tun --cap-add NET_ADMIN");
        return host_fail(err, rc, "open /dev/net/tun");
    }
    struct ifreq req = {.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL)};
    memcpy(req.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, TUNSETIFF, &req) != 0) {
        int rc = -errno;
        close(fd);
        if (rc == -EBUSY || rc == -EEXIST)
            return err_set(err, -EBUSY, "device %s: there is one of that name already; name another with --tun NAME", name);
        return host_fail(err, rc, "make tunnel device %s", name);
    }
    return fd;
}

static int tun_set_up(const char *name, struct host_cidr cidr, int mtu, struct err *err)
{
    struct netlink_link link;
    struct netlink_prefix addr = netlink_ipv4(cidr.addr, cidr.len);
    int rc = netlink_link_by_name(name, &link);
    if (rc != 0)
        return host_fail(err, rc, "look up tunnel device %s", name);
    rc = netlink_link_set_mtu(link.index, mtu);
    if (rc != 0)
        return host_fail(err, rc, "set the MTU of %s to %d (--mtu)", name, mtu);
    /* Only spares the role a few packets, and fails where there is no IPv6. */
    if (netlink_link_quiet_ipv6(link.index) != 0)
        log_debug("host", NULL, "tun-ipv6-not-quiet", "interface=%s", name);
    rc = netlink_addr_add(link.index, &addr);
    if (rc == 0)
        rc = netlink_link_set_up(link.index, true);
    return rc != 0 ? host_fail(err, rc, "set up tunnel device %s", name) : 0;
}

int host_tun_open(struct host *host, const char *name, struct host_cidr cidr, int mtu, struct err *err)
{
    (void)host; /* nothing to journal */
    size_t len = strlen(name);
    /* '%' would make the kernel choose a number that we then do not know. */
    if (len == 0 || len >= IFNAMSIZ || strpbrk(name, "/% \t\n") != NULL)
        return err_set(err, -EINVAL, "device name \"%.40s\": 1 to %d characters without blanks, '/' or '%%'; see --tun NAME",
                       name, IFNAMSIZ - 1);
    int fd = tun_create(name, err);
    if (fd < 0)
        return fd;
    int rc = tun_set_up(name, cidr, mtu, err);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    return fd;
}
