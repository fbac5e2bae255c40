/*
 * io/linux/host_request.h - the words between the process that handles packets and its keeper
 *
 * One request, one reply, both of one fixed size, on a socket that keeps messages apart; a descriptor may ride along. The keeper has root and the
 * process that asks has not, so a request is data from outside: host_request_check() bounds every field, and once set-up is over (sealed)
 * host_request_granted() leaves only what a role does at run time, with the devices it named during set-up. Pure.
 */
#ifndef TETHER_IO_LINUX_HOST_REQUEST_H
#define TETHER_IO_LINUX_HOST_REQUEST_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum host_op {
    /* of a host */
    HOST_OP_OPEN = 1, /* reply's result: its number */
    HOST_OP_CLOSE,
    HOST_OP_ADDR_ADD,
    HOST_OP_TUN_OPEN, /* a descriptor comes with the reply */
    HOST_OP_TAP_OPEN, /* the same */
    HOST_OP_TAP_GRANT,
    HOST_OP_BRIDGE_OPEN,
    HOST_OP_BRIDGE_JOIN,
    HOST_OP_MASQUERADE,
    HOST_OP_ONLY_ANSWERS,
    HOST_OP_ROUTE_ADD,
    HOST_OP_ROUTE_IPV6_ALL,
    HOST_OP_DNS_SET,
    HOST_OP_RESERVE_PORTS,
    HOST_OP_SILENCE_PORTS,
    /* of the process */
    HOST_OP_FILE_KEEP,    /* reply's result: its number */
    HOST_OP_FILE_FRESH,   /* a descriptor comes with the reply */
    HOST_OP_FILE_REPLACE,
    HOST_OP_SOCKET,       /* a descriptor comes with the request */
    HOST_OP_SEAL,
    HOST_OPS
};

enum {
    HOST_NAME_MAX = 64,  /* longer than any device's, so that a wrong one can be quoted in the error */
    HOST_TEXT_MAX = 512, /* of a path */
    HOST_DNS_MAX = 3,
    HOST_BUFFER_MAX = 16 * 1024 * 1024, /* bytes that a socket may ask for */
};

/** Numbers in host byte order; what an operation does not need is 0. */
struct host_request {
    uint32_t op;
    uint32_t number;              /**< which host, or which file */
    char ifname[HOST_NAME_MAX];   /**< a device; HOST_OP_OPEN: the role */
    char bridge[HOST_NAME_MAX];
    char text[HOST_TEXT_MAX];     /**< HOST_OP_OPEN: the state directory; HOST_OP_FILE_KEEP: the file */
    uint32_t addr;                /**< with prefix_len: an address or a network */
    uint32_t prefix_len;
    uint32_t dns[HOST_DNS_MAX];
    uint32_t dns_count;
    uint32_t size;                /**< an MTU; HOST_OP_SOCKET: bytes of its buffers, 0: as they are */
    uint16_t port_lo, port_hi;
    uint8_t mac[6];
    uint8_t flag;                 /**< TAP_OPEN: mac is given; BRIDGE_JOIN: isolated; FILE_KEEP: it goes at the end; SOCKET: size tells what is to steer it (enum keeper_congestion) */
    uint8_t zero;
};

struct host_reply {
    int32_t result; /**< 0 or more, or -errno */
    char text[sizeof((struct err *)0)->text]; /**< terminated; "": nothing to say */
};

/** What a host may still be asked for after set-up; names are "" where there is none. */
struct host_grants {
    char tun[IFNAMSIZ];    /**< whose name servers may change */
    char tap[IFNAMSIZ];    /**< TAPs called so, and a number behind it, may be made … */
    char bridge[IFNAMSIZ]; /**< … and put into this bridge */
};

/**
 * Take a request apart that anybody may have written.
 *
 * @param ret_request set only on success: of a known operation, its texts terminated, its numbers within their bounds
 * @return 0 or -EBADMSG
 */
int host_request_check(const void *bytes, size_t len, struct host_request *ret_request);
/** May a sealed host be asked this? @param r checked */
bool host_request_granted(const struct host_request *r, const struct host_grants *grants);

#endif
