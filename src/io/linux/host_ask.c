/*
 * io/linux/host_ask.c - see io/host.h: each change to the machine becomes a request, to the keeper or, without one, to a desk of our own
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/host.h"
#include "io/keeper.h"
#include "io/linux/desk.h"

struct host {
    struct desk *own; /* NULL: the keeper's */
    uint32_t number;
};

static int ask(struct host *host, struct host_request *r, int *ret_fd, struct err *err)
{
    int fd = -1;
    struct host_reply reply;
    r->number = host->number;
    if (host->own == NULL)
        return keeper_ask(r, -1, ret_fd, err);
    desk_do(host->own, r, sizeof *r, -1, &reply, &fd);
    if (reply.result < 0 && reply.text[0] != '\0')
        err_set(err, reply.result, "%s", reply.text);
    if (ret_fd != NULL)
        *ret_fd = fd;
    return reply.result;
}

/* What is too long is cut: still longer than any device's name, it is refused with the others that cannot be. */
static void put_name(char to[HOST_NAME_MAX], const char *name)
{
    size_t len = strlen(name);
    len = len < HOST_NAME_MAX ? len : HOST_NAME_MAX - 1;
    memcpy(to, name, len);
    to[len] = '\0';
}

static int ask_about(struct host *host, enum host_op op, const char *ifname, struct host_cidr cidr, struct err *err)
{
    struct host_request r = {.op = op, .addr = cidr.addr, .prefix_len = cidr.len};
    put_name(r.ifname, ifname);
    return ask(host, &r, NULL, err);
}

/* --- life --- */

int host_open(const char *state_dir, const char *role, struct host **ret_host, struct err *err)
{
    struct host_request r = {.op = HOST_OP_OPEN};
    size_t len = strlen(state_dir);
    if (len >= sizeof r.text)
        return err_set(err, -ENAMETOOLONG, "state directory %.40s…: its name is too long; name another with --state-dir DIR", state_dir);
    struct host *host = calloc(1, sizeof *host);
    if (host == NULL)
        return err_set(err, -ENOMEM, "out of memory");
    memcpy(r.text, state_dir, len + 1);
    put_name(r.ifname, role);
    int rc = keeper_runs() ? 0 : desk_new(getpid(), &host->own);
    if (rc == 0)
        rc = ask(host, &r, NULL, err);
    if (rc < 0) {
        desk_free(host->own);
        free(host);
        return rc;
    }
    host->number = (uint32_t)rc;
    *ret_host = host;
    return 0;
}

void host_close(struct host *host)
{
    struct host_request r = {.op = HOST_OP_CLOSE};
    if (host == NULL)
        return;
    ask(host, &r, NULL, NULL); /* a keeper that cannot be asked undoes by itself */
    desk_free(host->own);
    free(host);
}

/* --- changes --- */

int host_addr_add(struct host *host, const char *ifname, struct host_cidr cidr, struct err *err)
{
    return ask_about(host, HOST_OP_ADDR_ADD, ifname, cidr, err);
}

int host_tun_open(struct host *host, const char *name, struct host_cidr cidr, int mtu, struct err *err)
{
    struct host_request r = {.op = HOST_OP_TUN_OPEN, .addr = cidr.addr, .prefix_len = cidr.len, .size = (uint32_t)mtu};
    int fd = -1;
    put_name(r.ifname, name);
    int rc = ask(host, &r, &fd, err);
    return rc < 0 ? rc : fd;
}

int host_tap_open(struct host *host, const char *name, const uint8_t mac[6], int mtu, struct err *err)
{
    struct host_request r = {.op = HOST_OP_TAP_OPEN, .size = (uint32_t)mtu, .flag = mac != NULL};
    int fd = -1;
    if (mac != NULL)
        memcpy(r.mac, mac, sizeof r.mac);
    put_name(r.ifname, name);
    int rc = ask(host, &r, &fd, err);
    return rc < 0 ? rc : fd;
}

int host_tap_grant(struct host *host, const char *prefix, struct err *err)
{
    return ask_about(host, HOST_OP_TAP_GRANT, prefix, (struct host_cidr){0, 0}, err);
}

int host_bridge_open(struct host *host, const char *name, struct err *err)
{
    struct host_request r = {.op = HOST_OP_BRIDGE_OPEN};
    put_name(r.bridge, name);
    return ask(host, &r, NULL, err);
}

int host_bridge_join(struct host *host, const char *bridge, const char *tap, bool isolated, struct err *err)
{
    struct host_request r = {.op = HOST_OP_BRIDGE_JOIN, .flag = isolated};
    put_name(r.ifname, tap);
    put_name(r.bridge, bridge);
    return ask(host, &r, NULL, err);
}

int host_masquerade(struct host *host, const char *ifname, struct host_cidr net, struct err *err)
{
    return ask_about(host, HOST_OP_MASQUERADE, ifname, net, err);
}

int host_only_answers(struct host *host, const char *ifname, struct err *err)
{
    return ask_about(host, HOST_OP_ONLY_ANSWERS, ifname, (struct host_cidr){0, 0}, err);
}

int host_route_add(struct host *host, const char *ifname, struct host_cidr cidr, struct err *err)
{
    return ask_about(host, HOST_OP_ROUTE_ADD, ifname, cidr, err);
}

int host_route_ipv6_all(struct host *host, const char *ifname, struct err *err)
{
    return ask_about(host, HOST_OP_ROUTE_IPV6_ALL, ifname, (struct host_cidr){0, 0}, err);
}

int host_dns_set(struct host *host, const char *ifname, const uint32_t *addrs, size_t count, struct err *err)
{
    struct host_request r = {.op = HOST_OP_DNS_SET, .dns_count = count < HOST_DNS_MAX ? (uint32_t)count : HOST_DNS_MAX};
    put_name(r.ifname, ifname);
    memcpy(r.dns, addrs, r.dns_count * sizeof *addrs);
    return ask(host, &r, NULL, err);
}

int host_reserve_ports(struct host *host, uint16_t lo, uint16_t hi, struct err *err)
{
    struct host_request r = {.op = HOST_OP_RESERVE_PORTS, .port_lo = lo, .port_hi = hi};
    return ask(host, &r, NULL, err);
}

int host_silence_ports(struct host *host, uint32_t addr, uint16_t lo, uint16_t hi, struct err *err)
{
    struct host_request r = {.op = HOST_OP_SILENCE_PORTS, .addr = addr, .port_lo = lo, .port_hi = hi};
    return ask(host, &r, NULL, err);
}
