/*
 * io/linux/iface.c - addresses, link state and routes
 *
 * Two processes may want the same alias address: the second finds it there, journals nothing, and loses it when the first
 * ends. Knowing better would take a count shared by processes, for a case (two clients on one Wi-Fi device) that the port
 * clash already forbids. Entries name interfaces by index, so a new interface of an old name is never touched.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/host_priv.h"
#include "io/linux/netlink.h"

/*
 * The TUN's IPv6 source address ("tether" in ASCII within fd00::/8). Without one, a socket on a machine whose other
 * interfaces have only link-local addresses sends from such an address, and the role's "unreachable" to it is not delivered to
 * another link: connect() would hang. RFC 6724 also makes programs prefer IPv4 while the best IPv6 source is this one.
 */
static const struct netlink_prefix tun_ipv6 = {
    .family = AF_INET6, .len = 128, .addr = {0xfd, 0x74, 0x65, 0x74, 0x68, 0x65, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static int find_link(const char *ifname, struct netlink_link *ret, struct err *err)
{
    int rc = netlink_link_by_name(ifname, ret);
    if (rc == -ENODEV) {
        char names[200];
        if (netlink_link_names(names, sizeof names) != 0 || names[0] == '\0')
            snprintf(names, sizeof names, "none");
        return err_set(err, rc, "interface %.40s: there is none of that name; there are: %s", ifname, names);
    }
    if (rc != 0)
        return host_fail(err, rc, "look up interface %s", ifname);
    return 0;
}

int host_iface_find(const char *ifname, struct host_iface *ret_iface, struct err *err)
{
    struct netlink_link link;
    uint32_t addr = 0;
    int rc = find_link(ifname, &link, err);
    if (rc != 0)
        return rc;
    rc = netlink_addr_first(link.index, &addr);
    if (rc != 0)
        return host_fail(err, rc, "read the addresses of interface %s", ifname);
    *ret_iface = (struct host_iface){.index = link.index, .addr = addr, .mtu = link.mtu, .up = link.up};
    return 0;
}

int host_iface_default(char *ret_ifname, struct err *err)
{
    char line[256], name[IFNAMSIZ];
    unsigned long to, gateway, mask, best = 0, metric;
    unsigned int flags;
    bool found = false;
    FILE *f = fopen("/proc/net/route", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%15s %lx %lx %x %*s %*s %lu %lx", name, &to, &gateway, &flags, &metric, &mask) != 6)
            continue;
        if (to != 0 || mask != 0 || (found && metric >= best))
            continue;
        found = true;
        best = metric;
        memcpy(ret_ifname, name, sizeof name);
    }
    if (f != NULL)
        fclose(f);
    if (!found)
        return err_set(err, -ENETUNREACH, "this machine has no default route; name the interface to the internet with --iface");
    return 0;
}

static void cidr_text(struct host_cidr cidr, char ret[32])
{
    char addr[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(cidr.addr)};
    inet_ntop(AF_INET, &in, addr, sizeof addr);
    snprintf(ret, 32, "%s/%u", addr, cidr.len);
}

static int bring_up(struct host_state *host, const struct netlink_link *link, struct err *err)
{
    int rc = host_journal(host, err, "link-down %d %s", link->index, link->name);
    if (rc != 0)
        return rc;
    rc = netlink_link_set_up(link->index, true);
    if (rc != 0) {
        journal_drop_last(&host->journal);
        return host_fail(err, rc, "bring interface %s up", link->name);
    }
    return 0;
}

int iface_addr_add(struct host_state *host, const char *ifname, struct host_cidr cidr, struct err *err)
{
    char text[32];
    struct netlink_link link;
    struct netlink_prefix addr = netlink_ipv4(cidr.addr, cidr.len);
    cidr_text(cidr, text);
    int rc = find_link(ifname, &link, err);
    if (rc == 0 && !link.up)
        rc = bring_up(host, &link, err);
    if (rc != 0)
        return rc;
    rc = netlink_addr_has(link.index, &addr);
    if (rc == 1)
        return 0;
    if (rc < 0)
        return host_fail(err, rc, "read the addresses of interface %s", ifname);
    rc = host_journal(host, err, "addr %d %s %s", link.index, link.name, text);
    if (rc != 0)
        return rc;
    rc = netlink_addr_add(link.index, &addr);
    if (rc != 0)
        journal_drop_last(&host->journal);
    if (rc == -EEXIST) /* somebody was quicker: then it is theirs */
        return 0;
    return rc != 0 ? host_fail(err, rc, "add address %s to interface %s", text, ifname) : 0;
}

/* @return interface index and the rest of the words, or -EBADMSG */
static int take_index(char **args)
{
    char *word = strsep(args, " "), *end;
    errno = 0;
    long index = strtol(word, &end, 10);
    if (*word < '0' || *word > '9' || *end != '\0' || errno != 0 || index <= 0 || index > INT32_MAX || *args == NULL)
        return -EBADMSG;
    return (int)index;
}

/* "INDEX NAME ADDRESS/LENGTH" */
int iface_addr_undo(const struct undo *undo, char *args)
{
    (void)undo;
    int index = take_index(&args);
    if (index < 0 || strsep(&args, " ") == NULL || args == NULL)
        return -EBADMSG;
    char *slash = strchr(args, '/');
    struct in_addr in;
    if (slash == NULL || slash[1] < '0' || slash[1] > '9')
        return -EBADMSG;
    *slash = '\0';
    char *end;
    long len = strtol(slash + 1, &end, 10);
    if (inet_pton(AF_INET, args, &in) != 1 || *end != '\0' || len > 32)
        return -EBADMSG;
    struct netlink_prefix addr = netlink_ipv4(ntohl(in.s_addr), (uint8_t)len);
    int rc = netlink_addr_del(index, &addr);
    if (rc == -EADDRNOTAVAIL || rc == -ENODEV || rc == -ESRCH)
        return 0;
    return rc == 0 ? 1 : rc;
}

/* "INDEX NAME" */
int iface_down_undo(const struct undo *undo, char *args)
{
    (void)undo;
    struct netlink_link link;
    int index = take_index(&args);
    if (index < 0 || *args == '\0' || strchr(args, ' ') != NULL)
        return -EBADMSG;
    int rc = netlink_link_by_index(index, &link);
    if (rc == -ENODEV || (rc == 0 && !link.up))
        return 0;
    if (rc == 0)
        rc = netlink_link_set_up(index, false);
    return rc == -ENODEV ? 0 : rc == 0 ? 1 : rc;
}

/* A default route is two halves, more specific than the one that is there, which therefore can stay. */
static int route_halves(int index, struct netlink_prefix low)
{
    struct netlink_prefix high = low;
    low.len = high.len = 1;
    high.addr[0] = 0x80;
    int rc = netlink_route_add(index, &low);
    if (rc != 0)
        return rc;
    rc = netlink_route_add(index, &high);
    if (rc != 0)
        netlink_route_del(index, &low);
    return rc;
}

int iface_route_add(struct host_state *host, const char *ifname, struct host_cidr cidr, struct err *err)
{
    (void)host; /* goes with the device */
    char text[32];
    struct netlink_link link;
    struct netlink_prefix to = netlink_ipv4(cidr.addr, cidr.len);
    cidr_text(cidr, text);
    int rc = find_link(ifname, &link, err);
    if (rc != 0)
        return rc;
    rc = cidr.len == 0 ? route_halves(link.index, to) : netlink_route_add(link.index, &to);
    if (rc == -EEXIST)
        return err_set(err, rc, "route to %s: there is one already (another VPN?); end that one, or name what to route with --route CIDR",
                       text);
    return rc != 0 ? host_fail(err, rc, "route %s into %s", text, ifname) : 0;
}

/* @return what the file of that name says, 0 or 1, or -errno */
static int ipv6_disabled(const char *ifname, char *ret_path, size_t cap)
{
    char digit = '\0';
    snprintf(ret_path, cap, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
    int fd = open(ret_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, &digit, 1);
    close(fd);
    return n == 1 && digit >= '0' && digit <= '9' ? digit - '0' : -EIO;
}

/* Switch IPv6 on for our own device only. @return 1, 0 where the machine has no IPv6, -errno */
static int ipv6_on(const char *ifname)
{
    char path[96], all[96];
    int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return errno == EAFNOSUPPORT ? 0 : -errno;
    close(probe);
    int off = ipv6_disabled(ifname, path, sizeof path);
    if (off == -ENOENT)
        return 0;
    if (off <= 0)
        return off < 0 ? off : 1;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : write(fd, "0\n", 2) == 2 ? 1 : -errno;
    if (fd >= 0)
        close(fd);
    /* A container without IPv6 has it disabled everywhere and /proc/sys read-only: nothing can leak there. */
    if (rc < 0 && ipv6_disabled("all", all, sizeof all) == 1)
        return 0;
    return rc;
}

int iface_route_ipv6_all(struct host_state *host, const char *ifname, struct err *err)
{
    (void)host;
    struct netlink_link link;
    struct netlink_prefix to = {.family = AF_INET6};
    int rc = find_link(ifname, &link, err);
    if (rc != 0)
        return rc;
    rc = ipv6_on(ifname);
    if (rc == 0) {
        log_debug("host", NULL, "no-ipv6", "interface=%s", ifname);
        return 0;
    }
    if (rc < 0)
        return host_fail(err, rc, "switch IPv6 on for %s", ifname);
    rc = netlink_addr_add(link.index, &tun_ipv6);
    if (rc == 0 || rc == -EEXIST)
        rc = route_halves(link.index, to);
    if (rc == -EEXIST)
        return err_set(err, rc, "route to ::/1: there is one already; another VPN is running: end that one");
    return rc != 0 ? host_fail(err, rc, "route IPv6 into %s", ifname) : 0;
}
