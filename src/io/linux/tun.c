/*
 * io/linux/tun.c - the laptop's tunnel device, and the one for Ethernet
 *
 * Not persistent: device, addresses and routes go when the last descriptor does, however the process ends. IFF_TUN_EXCL makes
 * the kernel refuse a name that exists, so a persistent device of somebody else is never taken over. A TAP may be one: who made it, enslaved it
 * to a bridge and named it to us wants exactly that; then it is left as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/host_priv.h"
#include "io/linux/netlink.h"

/* @param flags IFF_TUN or IFF_TAP, IFF_TUN_EXCL @return descriptor, or -EBUSY without words when the name is taken, or -errno */
static int tun_create(const char *name, int flags, struct err *err)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int rc = -errno;
        if (rc == -ENOENT || rc == -ENODEV || rc == -ENXIO)
            return err_set(err, rc, "/dev/net/tun: missing; load it with \"modprobe tun\", or start the container with "
                                    "--device /dev/net/tun --cap-add NET_ADMIN");
        return host_fail(err, rc, "open /dev/net/tun");
    }
    struct ifreq req = {.ifr_flags = (short)(flags | IFF_NO_PI | IFF_VNET_HDR)};
    memcpy(req.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, TUNSETIFF, &req) != 0) {
        int rc = -errno;
        close(fd);
        if (rc == -EBUSY || rc == -EEXIST)
            return -EBUSY;
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

static int check_name(const char *name, const char *option, struct err *err)
{
    size_t len = strlen(name);
    /* '%' would make the kernel choose a number that we then do not know. */
    if (len == 0 || len >= IFNAMSIZ || strpbrk(name, "/% \t\n") != NULL)
        return err_set(err, -EINVAL, "device name \"%.40s\": 1 to %d characters without blanks, '/' or '%%'; see --%s NAME",
                       name, IFNAMSIZ - 1, option);
    return 0;
}

int tun_make(struct host_state *host, const char *name, struct host_cidr cidr, int mtu, struct err *err)
{
    (void)host; /* nothing to journal */
    int fd = check_name(name, "tun", err);
    if (fd == 0)
        fd = tun_create(name, IFF_TUN | IFF_TUN_EXCL, err);
    if (fd == -EBUSY)
        return err_set(err, -EBUSY, "device %s: there is one of that name already; name another with --tun NAME", name);
    if (fd < 0)
        return fd;
    int rc = tun_set_up(name, cidr, mtu, err);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    return fd;
}

static int tap_set_up(int fd, const char *name, const uint8_t mac[ETH_ALEN], int mtu, struct err *err)
{
    struct ifreq req = {.ifr_hwaddr = {.sa_family = ARPHRD_ETHER}};
    if (mac != NULL)
        memcpy(req.ifr_hwaddr.sa_data, mac, ETH_ALEN);
    if (mac != NULL && ioctl(fd, SIOCSIFHWADDR, &req) != 0)
        return host_fail(err, -errno, "set the address of %s", name);
    struct netlink_link link;
    int rc = netlink_link_by_name(name, &link);
    if (rc == 0 && link.mtu != mtu) /* not else: it would keep the device from following its bridge's */
        rc = netlink_link_set_mtu(link.index, mtu);
    if (rc == 0)
        rc = netlink_link_set_up(link.index, true);
    return rc != 0 ? host_fail(err, rc, "set up tunnel device %s with MTU %d", name, mtu) : 0;
}

int tap_make(struct host_state *host, const char *name, const uint8_t mac[ETH_ALEN], int mtu, struct err *err)
{
    (void)host; /* nothing to journal */
    int fd = check_name(name, "tap", err);
    if (fd == 0)
        fd = tun_create(name, IFF_TAP | IFF_TUN_EXCL, err);
    if (fd == -EBUSY) {
        fd = tun_create(name, IFF_TAP, err);
        return fd == -EBUSY || fd == -EINVAL
                   ? err_set(err, -EBUSY, "device %s: it is in use, or no TAP; name another with --tap NAME", name) : fd;
    }
    int rc = fd < 0 ? fd : tap_set_up(fd, name, mac, mtu, err);
    if (rc != 0 && fd >= 0)
        close(fd);
    return rc != 0 ? rc : fd;
}
