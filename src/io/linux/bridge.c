/*
 * io/linux/bridge.c - a kernel bridge for guests' TAP devices, and the kernel as their router
 *
 * A bridge outlives its maker, so it is journaled with an address of our choice: one that somebody else made under that name in the
 * meantime is not deleted, and guests need not learn a new address when ports come and go. TAPs leave it by themselves. Forwarding is one switch for the whole machine; who of several
 * tether processes ends last turns it off again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/linux/host_priv.h"
#include "io/linux/netlink.h"

#define FORWARD "/proc/sys/net/ipv4/ip_forward"

/* --- the bridge --- */

int bridge_make(struct host_state *host, const char *name, struct err *err)
{
    struct netlink_link link;
    if (netlink_link_by_name(name, &link) == 0)
        return 0; /* somebody's own, to be used as it is; joining it tells when it is no bridge */
    if (strlen(name) == 0 || strlen(name) >= IFNAMSIZ || strpbrk(name, "/% \t\n") != NULL)
        return err_set(err, -EINVAL, "bridge \"%.40s\": 1 to %d characters without blanks, '/' or '%%'", name, IFNAMSIZ - 1);
    uint8_t mac[NETLINK_MAC_LEN] = {0x02, 0x74};
    uint32_t own = (uint32_t)host->journal.owner.pid * 2654435761u ^ (uint32_t)host->journal.owner.start;
    put_be32(mac + 2, own);
    int rc = host_journal(host, err, "bridge %s %08x", name, own);
    if (rc != 0)
        return rc;
    rc = netlink_bridge_add(name, mac);
    if (rc != 0) {
        journal_drop_last(&host->journal);
        return host_fail(err, rc, "make bridge %s", name);
    }
    rc = netlink_link_by_name(name, &link);
    if (rc == 0)
        rc = netlink_link_set_up(link.index, true);
    return rc != 0 ? host_fail(err, rc, "bring bridge %s up", name) : 0;
}

/* "NAME NUMBER", the number being the end of its address */
int bridge_undo(const struct undo *undo, char *args)
{
    uint8_t mac[NETLINK_MAC_LEN] = {0x02, 0x74};
    char *name = strsep(&args, " ");
    (void)undo;
    if (args == NULL || strlen(args) != 8 || strspn(args, "0123456789abcdef") != 8)
        return -EBADMSG;
    put_be32(mac + 2, (uint32_t)strtoul(args, NULL, 16));
    int rc = netlink_bridge_del(name, mac);
    return rc == -ENODEV ? 0 : rc == 0 ? 1 : rc;
}

int bridge_join(struct host_state *host, const char *bridge, const char *tap, bool isolated, struct err *err)
{
    struct netlink_link to, port;
    (void)host; /* the TAP leaves when it goes */
    int rc = netlink_link_by_name(bridge, &to);
    if (rc == 0)
        rc = netlink_link_by_name(tap, &port);
    if (rc == 0)
        rc = netlink_bridge_join(to.index, port.index);
    if (rc == 0 && isolated)
        rc = netlink_bridge_isolate(port.index);
    if (rc == -EOPNOTSUPP || rc == -EINVAL)
        return err_set(err, rc, "%s: is no bridge that %s could join; name another with --bridge", bridge, tap);
    return rc != 0 ? host_fail(err, rc, "make %s a port of bridge %s", tap, bridge) : 0;
}

/* --- forwarding --- */

static int forward_read(void)
{
    char digit = '\0';
    int fd = open(FORWARD, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, &digit, 1);
    close(fd);
    return n == 1 && (digit == '0' || digit == '1') ? digit - '0' : -EIO;
}

static int forward_write(const char *value)
{
    int fd = open(FORWARD, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = write(fd, value, 1) == 1 ? 0 : -errno;
    close(fd);
    return rc;
}

struct others {
    uint64_t net_ns;
    bool forward;
};

static void look_for_forward(void *ctx, struct journal *j, enum journal_state state)
{
    struct others *others = ctx;
    if (state != JOURNAL_ALIVE || j->owner.net_ns != others->net_ns)
        return;
    for (size_t i = 0; i < j->count; i++)
        others->forward |= strcmp(j->lines[i], "forward 0") == 0;
}

/* Does another living tether of this machine want it? */
static bool others_forward(int dir_fd, const struct journal *self)
{
    struct others others = {.net_ns = self->owner.net_ns};
    return journal_scan(dir_fd, self, look_for_forward, &others) == 0 && others.forward;
}

static int forward_on(struct host_state *host, struct err *err)
{
    int now = forward_read();
    if (now < 0)
        return host_fail(err, now, "read " FORWARD);
    if (now == 1 && !others_forward(host->dir_fd, &host->journal))
        return 0;
    int rc = host_journal(host, err, "forward 0");
    if (rc != 0)
        return rc;
    rc = forward_write("1");
    if (rc == 0)
        return 0;
    journal_drop_last(&host->journal);
    return host_fail(err, rc, "let the kernel forward (" FORWARD ")");
}

/* "0" */
int forward_undo(const struct undo *undo, char *args)
{
    if (strcmp(args, "0") != 0)
        return -EBADMSG;
    int now = forward_read();
    if (now <= 0 || others_forward(undo->dir_fd, undo->journal))
        return now < 0 ? now : 0;
    int rc = forward_write("0");
    return rc == 0 ? 1 : rc;
}

int bridge_masquerade(struct host_state *host, const char *ifname, struct host_cidr net, struct err *err)
{
    char addr[INET_ADDRSTRLEN], body[NFT_BODY_MAX];
    struct in_addr in = {htonl(net.addr)};
    if (strpbrk(ifname, "\"\\{};") != NULL)
        return err_set(err, -EINVAL, "device %s: a name that nft cannot quote", ifname);
    inet_ntop(AF_INET, &in, addr, sizeof addr);
    snprintf(body, sizeof body, "chain post { type nat hook postrouting priority 100; policy accept; "
             "ip saddr %s/%u oifname != \"%s\" masquerade; };", addr, net.len, ifname);
    int rc = journal_dir_lock(host->dir_fd);
    if (rc != 0)
        return err_set(err, rc, "state directory %s: another tether is working in it; try again", host->state_dir);
    rc = forward_on(host, err);
    journal_dir_unlock(host->dir_fd);
    return rc != 0 ? rc : nft_add(host, body, err);
}

int bridge_only_answers(struct host_state *host, const char *ifname, struct err *err)
{
    char body[NFT_BODY_MAX];
    if (strpbrk(ifname, "\"\\{};") != NULL)
        return err_set(err, -EINVAL, "device %s: a name that nft cannot quote", ifname);
    snprintf(body, sizeof body, "chain pass { type filter hook forward priority 0; policy accept; "
             "oifname \"%s\" ct state established,related accept; oifname \"%s\" drop; };", ifname, ifname);
    return nft_add(host, body, err);
}
