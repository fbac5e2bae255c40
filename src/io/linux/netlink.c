/* io/linux/netlink.c - see netlink.h */
#include "io/linux/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <string.h>

/* libnl folds the kernel's errno into its own numbers; unfold the ones we act upon. */
static int errno_of(int nlerr)
{
    switch (nlerr < 0 ? -nlerr : nlerr) {
    case NLE_SUCCESS:
        return 0;
    case NLE_PERM:
    case NLE_NOACCESS:
        return -EPERM;
    case NLE_EXIST:
        return -EEXIST;
    case NLE_OBJ_NOTFOUND: /* ENOENT, ESRCH */
        return -ESRCH;
    case NLE_NODEV:
        return -ENODEV;
    case NLE_NOADDR:
        return -EADDRNOTAVAIL;
    case NLE_NOMEM:
        return -ENOMEM;
    case NLE_BUSY:
        return -EBUSY;
    case NLE_OPNOTSUPP:
    case NLE_AF_NOSUPPORT:
    case NLE_PROTO_MISMATCH:
        return -EOPNOTSUPP;
    case NLE_INVAL:
    case NLE_RANGE:
        return -EINVAL;
    case NLE_AGAIN:
        return -EAGAIN;
    default:
        return -EIO;
    }
}

/* @return 0 and a connected socket, or -errno */
static int connect_route(struct nl_sock **ret)
{
    struct nl_sock *sock = nl_socket_alloc();
    if (sock == NULL)
        return -ENOMEM;
    int rc = nl_connect(sock, NETLINK_ROUTE); /* libnl sets close-on-exec */
    if (rc < 0) {
        nl_socket_free(sock);
        return errno_of(rc);
    }
    *ret = sock;
    return 0;
}

struct netlink_prefix netlink_ipv4(uint32_t host_order, uint8_t len)
{
    struct netlink_prefix p = {.family = AF_INET, .len = len};
    uint32_t be = htonl(host_order);
    memcpy(p.addr, &be, sizeof be);
    return p;
}

static int link_get(int index, const char *name, struct netlink_link *ret)
{
    struct nl_sock *sock;
    struct rtnl_link *link = NULL;
    if (name != NULL && (name[0] == '\0' || strlen(name) >= IFNAMSIZ))
        return -ENODEV;
    int rc = connect_route(&sock);
    if (rc != 0)
        return rc;
    rc = errno_of(rtnl_link_get_kernel(sock, index, name, &link));
    nl_socket_free(sock);
    if (rc != 0)
        return rc == -ESRCH ? -ENODEV : rc;
    memset(ret, 0, sizeof *ret);
    ret->index = rtnl_link_get_ifindex(link);
    ret->mtu = (int)rtnl_link_get_mtu(link);
    ret->up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
    snprintf(ret->name, sizeof ret->name, "%s", rtnl_link_get_name(link));
    rtnl_link_put(link);
    return 0;
}

int netlink_link_by_name(const char *ifname, struct netlink_link *ret_link)
{
    return link_get(0, ifname, ret_link);
}

int netlink_link_by_index(int index, struct netlink_link *ret_link)
{
    return link_get(index, NULL, ret_link);
}

int netlink_link_names(char *ret_names, size_t cap)
{
    struct nl_sock *sock;
    struct nl_cache *cache = NULL;
    size_t len = 0;
    ret_names[0] = '\0';
    int rc = connect_route(&sock);
    if (rc != 0)
        return rc;
    rc = errno_of(rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache));
    nl_socket_free(sock);
    if (rc != 0)
        return rc;
    for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
        int n = snprintf(ret_names + len, cap - len, "%s%s", len > 0 ? ", " : "",
                         rtnl_link_get_name((struct rtnl_link *)o));
        if (n < 0 || (size_t)n >= cap - len) {
            ret_names[len] = '\0'; /* no half name */
            break;
        }
        len += (size_t)n;
    }
    nl_cache_free(cache);
    return 0;
}

/* Change what `change` has set; it is given up. */
static int link_change(int index, struct rtnl_link *change)
{
    struct nl_sock *sock;
    struct rtnl_link *orig = rtnl_link_alloc();
    int rc = orig == NULL || change == NULL ? -ENOMEM : connect_route(&sock);
    if (rc == 0) {
        rtnl_link_set_ifindex(orig, index);
        rc = errno_of(rtnl_link_change(sock, orig, change, 0));
        nl_socket_free(sock);
    }
    rtnl_link_put(orig);
    rtnl_link_put(change);
    return rc == -ESRCH ? -ENODEV : rc;
}

int netlink_link_set_up(int index, bool up)
{
    struct rtnl_link *change = rtnl_link_alloc();
    if (change != NULL && up)
        rtnl_link_set_flags(change, IFF_UP);
    else if (change != NULL)
        rtnl_link_unset_flags(change, IFF_UP);
    return link_change(index, change);
}

int netlink_link_set_mtu(int index, int mtu)
{
    struct rtnl_link *change = rtnl_link_alloc();
    if (change != NULL)
        rtnl_link_set_mtu(change, (unsigned int)mtu);
    return link_change(index, change);
}

int netlink_link_quiet_ipv6(int index)
{
    struct rtnl_link *change = rtnl_link_alloc();
    if (change != NULL)
        rtnl_link_inet6_set_addr_gen_mode(change, IN6_ADDR_GEN_MODE_NONE);
    return link_change(index, change);
}

int netlink_bridge_add(const char *name, const uint8_t mac[NETLINK_MAC_LEN])
{
    struct nl_sock *sock;
    struct rtnl_link *link = rtnl_link_alloc();
    struct nl_addr *addr = nl_addr_build(AF_LLC, mac, NETLINK_MAC_LEN);
    int rc = link == NULL || addr == NULL ? -ENOMEM : connect_route(&sock);
    if (rc == 0) {
        rtnl_link_set_name(link, name);
        rtnl_link_set_addr(link, addr);
        rc = errno_of(rtnl_link_set_type(link, "bridge"));
        if (rc == 0)
            rc = errno_of(rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL));
        nl_socket_free(sock);
    }
    nl_addr_put(addr);
    rtnl_link_put(link);
    return rc;
}

int netlink_bridge_del(const char *name, const uint8_t mac[NETLINK_MAC_LEN])
{
    struct nl_sock *sock;
    struct rtnl_link *link = NULL;
    int rc = connect_route(&sock);
    if (rc != 0)
        return rc;
    rc = errno_of(rtnl_link_get_kernel(sock, 0, name, &link));
    struct nl_addr *is = rc == 0 ? rtnl_link_get_addr(link) : NULL;
    if (rc == 0 && (is == NULL || nl_addr_get_len(is) != NETLINK_MAC_LEN || memcmp(nl_addr_get_binary_addr(is), mac, NETLINK_MAC_LEN) != 0))
        rc = -ENODEV;
    if (rc == 0)
        rc = errno_of(rtnl_link_delete(sock, link));
    rtnl_link_put(link);
    nl_socket_free(sock);
    return rc == -ESRCH ? -ENODEV : rc;
}

int netlink_bridge_join(int bridge, int port)
{
    struct nl_sock *sock;
    int rc = connect_route(&sock);
    if (rc != 0)
        return rc;
    rc = errno_of(rtnl_link_enslave_ifindex(sock, bridge, port));
    nl_socket_free(sock);
    return rc;
}

/* libnl has no word for it (Linux 4.18). */
int netlink_bridge_isolate(int port)
{
    struct ifinfomsg about = {.ifi_family = AF_BRIDGE, .ifi_index = port};
    struct nl_sock *sock;
    int rc = connect_route(&sock);
    if (rc != 0)
        return rc;
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
    struct nlattr *nest = msg != NULL && nlmsg_append(msg, &about, sizeof about, NLMSG_ALIGNTO) == 0
                              ? nla_nest_start(msg, IFLA_PROTINFO | NLA_F_NESTED) : NULL;
    rc = nest == NULL || nla_put_u8(msg, IFLA_BRPORT_ISOLATED, 1) != 0 ? -ENOMEM : 0;
    if (rc == 0) {
        nla_nest_end(msg, nest);
        rc = errno_of(nl_send_sync(sock, msg)); /* frees msg */
    } else {
        nlmsg_free(msg);
    }
    nl_socket_free(sock);
    return rc;
}

/* @return addresses of every interface, or NULL with *ret_rc set */
static struct nl_cache *addresses(int *ret_rc)
{
    struct nl_sock *sock;
    struct nl_cache *cache = NULL;
    *ret_rc = connect_route(&sock);
    if (*ret_rc != 0)
        return NULL;
    *ret_rc = errno_of(rtnl_addr_alloc_cache(sock, &cache));
    nl_socket_free(sock);
    return *ret_rc == 0 ? cache : NULL;
}

int netlink_addr_first(int index, uint32_t *ret_addr)
{
    int rc;
    struct nl_cache *cache = addresses(&rc);
    if (cache == NULL)
        return rc;
    uint32_t found = 0;
    for (struct nl_object *o = nl_cache_get_first(cache); o != NULL && found == 0; o = nl_cache_get_next(o)) {
        struct rtnl_addr *a = (struct rtnl_addr *)o;
        struct nl_addr *local = rtnl_addr_get_local(a);
        if (rtnl_addr_get_ifindex(a) != index || rtnl_addr_get_family(a) != AF_INET || local == NULL ||
            rtnl_addr_get_scope(a) != RT_SCOPE_UNIVERSE)
            continue;
        memcpy(&found, nl_addr_get_binary_addr(local), sizeof found);
    }
    nl_cache_free(cache);
    *ret_addr = ntohl(found);
    return 0;
}

static size_t addr_size(int family)
{
    return family == AF_INET ? 4 : 16;
}

int netlink_addr_has(int index, const struct netlink_prefix *addr)
{
    int rc, found = 0;
    struct nl_cache *cache = addresses(&rc);
    if (cache == NULL)
        return rc;
    for (struct nl_object *o = nl_cache_get_first(cache); o != NULL && !found; o = nl_cache_get_next(o)) {
        struct rtnl_addr *a = (struct rtnl_addr *)o;
        struct nl_addr *local = rtnl_addr_get_local(a);
        found = rtnl_addr_get_ifindex(a) == index && rtnl_addr_get_family(a) == addr->family && local != NULL &&
                rtnl_addr_get_prefixlen(a) == addr->len &&
                memcmp(nl_addr_get_binary_addr(local), addr->addr, addr_size(addr->family)) == 0;
    }
    nl_cache_free(cache);
    return found;
}

static int addr_change(int index, const struct netlink_prefix *p, bool add)
{
    struct nl_sock *sock;
    int rc = connect_route(&sock);
    if (rc != 0)
        return rc;
    struct rtnl_addr *addr = rtnl_addr_alloc();
    struct nl_addr *local = nl_addr_build(p->family, p->addr, addr_size(p->family));
    if (addr == NULL || local == NULL) {
        rc = -ENOMEM;
    } else {
        nl_addr_set_prefixlen(local, p->len);
        rtnl_addr_set_ifindex(addr, index);
        rtnl_addr_set_local(addr, local);
        if (p->family == AF_INET && p->addr[0] == 169 && p->addr[1] == 254)
            rtnl_addr_set_scope(addr, RT_SCOPE_LINK);
        if (p->family == AF_INET6)
            rtnl_addr_set_flags(addr, IFA_F_NODAD); /* no neighbour to collide with on a TUN */
        rc = errno_of(add ? rtnl_addr_add(sock, addr, NLM_F_EXCL) : rtnl_addr_delete(sock, addr, 0));
    }
    rtnl_addr_put(addr);
    nl_addr_put(local);
    nl_socket_free(sock);
    return rc;
}

int netlink_addr_add(int index, const struct netlink_prefix *addr)
{
    return addr_change(index, addr, true);
}

int netlink_addr_del(int index, const struct netlink_prefix *addr)
{
    return addr_change(index, addr, false);
}

static int route_change(int index, const struct netlink_prefix *to, bool add)
{
    struct nl_sock *sock;
    int rc = connect_route(&sock);
    if (rc != 0)
        return rc;
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *dst = nl_addr_build(to->family, to->addr, addr_size(to->family));
    if (route == NULL || hop == NULL || dst == NULL) {
        if (hop != NULL)
            rtnl_route_nh_free(hop);
        rc = -ENOMEM;
    } else {
        nl_addr_set_prefixlen(dst, to->len);
        rtnl_route_set_family(route, (uint8_t)to->family);
        rtnl_route_set_dst(route, dst);
        rtnl_route_set_table(route, RT_TABLE_MAIN);
        rtnl_route_set_type(route, RTN_UNICAST);
        rtnl_route_set_protocol(route, RTPROT_STATIC);
        rtnl_route_set_scope(route, to->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
        rtnl_route_nh_set_ifindex(hop, index);
        rtnl_route_add_nexthop(route, hop); /* hop moves in */
        rc = errno_of(add ? rtnl_route_add(sock, route, NLM_F_EXCL) : rtnl_route_delete(sock, route, 0));
    }
    rtnl_route_put(route);
    nl_addr_put(dst);
    nl_socket_free(sock);
    return rc;
}

int netlink_route_add(int index, const struct netlink_prefix *to)
{
    return route_change(index, to, true);
}

int netlink_route_del(int index, const struct netlink_prefix *to)
{
    return route_change(index, to, false);
}
