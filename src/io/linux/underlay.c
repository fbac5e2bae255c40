/* io/linux/underlay.c - see io/underlay.h */
#include "io/underlay.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "io/keeper.h"

/* The better of two routes to one address: the longer prefix, then the smaller metric. */
struct choice {
    struct rtnl_route *route;
    unsigned len;
    uint32_t metric;
    int oif;
};

static bool covers(struct nl_addr *dst, const uint8_t *addr)
{
    unsigned bits = nl_addr_get_prefixlen(dst);
    const uint8_t *prefix = nl_addr_get_binary_addr(dst);
    size_t have = nl_addr_get_len(dst); /* a default route has no bytes at all */
    for (unsigned i = 0; i < bits; i += 8) {
        uint8_t mask = bits - i >= 8 ? 0xff : (uint8_t)(0xff << (8 - (bits - i)));
        if (i / 8 >= have || ((prefix[i / 8] ^ addr[i / 8]) & mask) != 0)
            return false;
    }
    return true;
}

/* The device of its first next hop that is not known to be dead. 0: none */
static int device_of(struct rtnl_route *route)
{
    for (int i = 0; i < rtnl_route_get_nnexthops(route); i++) {
        struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, i);
        if ((rtnl_route_nh_get_flags(hop) & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0)
            return rtnl_route_nh_get_ifindex(hop);
    }
    return 0;
}

static void consider(struct choice *best, struct rtnl_route *route, int oif)
{
    unsigned len = nl_addr_get_prefixlen(rtnl_route_get_dst(route));
    uint32_t metric = rtnl_route_get_priority(route);
    if (best->route == NULL || len > best->len || (len == best->len && metric < best->metric))
        *best = (struct choice){route, len, metric, oif};
}

static int choose(struct nl_cache *cache, const uint8_t *addr, int tun, struct underlay *ret)
{
    struct choice any = {0}, other = {0};
    for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
        struct rtnl_route *route = (struct rtnl_route *)o;
        uint32_t table = rtnl_route_get_table(route);
        int oif = device_of(route);
        if (oif == 0 || rtnl_route_get_dst(route) == NULL || !covers(rtnl_route_get_dst(route), addr))
            continue;
        if (table == RT_TABLE_LOCAL) /* an address of this machine */
            return 0;
        if (table != RT_TABLE_MAIN || rtnl_route_get_type(route) != RTN_UNICAST)
            continue;
        consider(&any, route, oif);
        if (oif != tun)
            consider(&other, route, oif);
    }
    if (any.route != NULL && any.oif != tun)
        return 0;
    if (other.route == NULL || if_indextoname((unsigned)other.oif, ret->ifname) == NULL) {
        ret->ifname[0] = '\0';
        return -ENETUNREACH;
    }
    return 0;
}

int underlay_find(const struct sockaddr_storage *to, const char *around, struct underlay *ret)
{
    struct nl_cache *cache = NULL;
    const uint8_t *addr = to->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)to)->sin6_addr.s6_addr
                                                    : (const uint8_t *)&((const struct sockaddr_in *)to)->sin_addr;
    ret->ifname[0] = '\0';
    int tun = around != NULL ? (int)if_nametoindex(around) : 0;
    if (tun == 0)
        return 0;
    struct nl_sock *sock = nl_socket_alloc();
    if (sock == NULL)
        return -ENOMEM;
    int rc = nl_connect(sock, NETLINK_ROUTE) < 0 || rtnl_route_alloc_cache(sock, to->ss_family, 0, &cache) < 0
                 ? -EIO
                 : choose(cache, addr, tun, ret);
    if (cache != NULL)
        nl_cache_free(cache);
    nl_socket_free(sock);
    return rc;
}

int underlay_bind(int fd, const struct underlay *via)
{
    size_t len = strlen(via->ifname);
    int rc = setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, via->ifname, (socklen_t)len) < 0 ? -errno : 0;
    /* Without a privilege only the first time, and before Linux 5.7 not at all. */
    return rc == -EPERM && keeper_runs() ? keeper_socket_bind(fd, via->ifname) : rc;
}
