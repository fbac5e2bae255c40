/*
 * io/linux/netlink.h - interfaces, addresses and routes, by libnl
 *
 * Each call opens its own rtnetlink socket and waits for the kernel's answer: set-up happens once, and nothing is cached that
 * could grow stale. Errors are the kernel's -errno.
 */
#ifndef TETHER_IO_LINUX_NETLINK_H
#define TETHER_IO_LINUX_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink_link {
    int index;
    int mtu;
    bool up; /**< administratively */
    char name[IFNAMSIZ];
};

/** An address or prefix of either family, in network byte order. */
struct netlink_prefix {
    int family; /**< AF_INET or AF_INET6 */
    uint8_t addr[16];
    uint8_t len;
};

/** @param host_order IPv4 */
struct netlink_prefix netlink_ipv4(uint32_t host_order, uint8_t len);

/** @return 0 or -ENODEV */
int netlink_link_by_name(const char *ifname, struct netlink_link *ret_link);
int netlink_link_by_index(int index, struct netlink_link *ret_link);
/** Write "lo, eth0, ..." */
int netlink_link_names(char *ret_names, size_t cap);
int netlink_link_set_up(int index, bool up);
int netlink_link_set_mtu(int index, int mtu);
/** No automatic link-local IPv6 address, hence no router solicitations. To be called while the link is down. */
int netlink_link_quiet_ipv6(int index);

enum { NETLINK_MAC_LEN = 6 };
/** Make a bridge of a given address, which stays as ports come and go. @return -EEXIST when the name is taken */
int netlink_bridge_add(const char *name, const uint8_t mac[NETLINK_MAC_LEN]);
/** @return -ENODEV when there is none of that name and address */
int netlink_bridge_del(const char *name, const uint8_t mac[NETLINK_MAC_LEN]);
/** Make a device a port of a bridge. */
int netlink_bridge_join(int bridge, int port);
/** The port reaches only ports that are not isolated. */
int netlink_bridge_isolate(int port);

/** First IPv4 address of global scope, host order; 0 when there is none. */
int netlink_addr_first(int index, uint32_t *ret_addr);
/** @return 1, 0 or -errno */
int netlink_addr_has(int index, const struct netlink_prefix *addr);
/** A link-local IPv4 address gets link scope, so that nothing outside the link is reached from it (RFC 3927 section 2.6.2). */
int netlink_addr_add(int index, const struct netlink_prefix *addr);
/** @return -EADDRNOTAVAIL when it is not there, -ENODEV when the interface is not */
int netlink_addr_del(int index, const struct netlink_prefix *addr);

/** Route a prefix into a device, main table. @return -EEXIST when there is such a route already */
int netlink_route_add(int index, const struct netlink_prefix *to);
int netlink_route_del(int index, const struct netlink_prefix *to);

#endif
