/*
 * io/host.h - the changes tether makes to the machine, and their undoing
 *
 * Whatever the kernel does not take back by itself when the process dies (an alias address, /etc/resolv.conf, a
 * sysctl) is written to a journal in the state directory, synced, *before* it is done. host_close() undoes in reverse
 * order; so does the keeper (io/keeper.h), who makes the changes where there is one, as soon as we are gone; `tether cleanup` and the next start
 * undo the journals of those who are both gone. What vanishes with a descriptor (the TUN with its addresses and routes, the owner nft table) needs no entry.
 */
#ifndef TETHER_IO_HOST_H
#define TETHER_IO_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct host;

/** An IPv4 prefix; address in host byte order. */
struct host_cidr {
    uint32_t addr;
    uint8_t len;
};
/** Parse "a.b.c.d" or "a.b.c.d/n"; bits beyond the prefix must be 0. @return 0 or -EINVAL */
int host_cidr_parse(const char *text, struct host_cidr *ret_cidr);

/**
 * Start a journal. First mends what dead processes of this network namespace left in state_dir.
 *
 * @param state_dir made (0700) when missing @param role names the journal: ROLE-PID.journal
 */
int host_open(const char *state_dir, const char *role, struct host **ret_host, struct err *err);
/** Undo everything, newest first; remove the journal; NULL is fine. Failures are logged, never fatal. */
void host_close(struct host *host);
/** `tether cleanup`: undo the journals of dead processes. @return how many changes were undone, or -errno */
int host_cleanup(const char *state_dir, struct err *err);

struct host_iface {
    int index;
    uint32_t addr; /**< first global IPv4 address, host order; 0: none */
    int mtu;
    bool up;
};
/** This machine's IPv4 addresses, of all interfaces but loopback's 127/8, host order. @return how many, the rest left out; or -errno */
int host_own_addresses(uint32_t *ret_addrs, size_t cap);
/** @param err on -ENODEV lists the interfaces there are */
int host_iface_find(const char *ifname, struct host_iface *ret_iface, struct err *err);
/** The interface of the default route. @param ret_ifname IFNAMSIZ bytes @return 0, or -ENETUNREACH without one */
int host_iface_default(char *ret_ifname, struct err *err);

/** Put an address on an interface (and bring it up, if down; undone too). Nothing to undo when it is already there. */
int host_addr_add(struct host *host, const char *ifname, struct host_cidr cidr, struct err *err);

/**
 * Open a TUN that vanishes with its descriptor, give it an address, bring it up.
 *
 * @param name wanted, e.g. "tun0"; when taken by someone else, -EBUSY and the remedy (--tun)
 * @return descriptor (non-blocking, close on exec) or -errno; on Linux a virtio_net_hdr (10 bytes) stands in front of each packet
 */
int host_tun_open(struct host *host, const char *name, struct host_cidr cidr, int mtu, struct err *err);
/**
 * Open a TAP that vanishes with its descriptor and bring it up; a persistent one of that name that nobody uses is taken as it is.
 *
 * @param mac its address, where it is made; NULL: any @return as host_tun_open(); Ethernet frames without their checksum
 */
int host_tap_open(struct host *host, const char *name, const uint8_t mac[6], int mtu, struct err *err);
/** TAPs named PREFIX and a number will be opened, and put into the bridge, while packets are handled already (keeper_seal()). */
int host_tap_grant(struct host *host, const char *prefix, struct err *err);
/** A bridge of that name: the one there is, or one that we make, bring up, and delete at the end. */
int host_bridge_open(struct host *host, const char *name, struct err *err);
/** Make a TAP of ours a port of it. @param isolated it reaches only ports that are not, such as the bridge itself */
int host_bridge_join(struct host *host, const char *bridge, const char *tap, bool isolated, struct err *err);
/** Let the kernel forward packets of a network that come by a device, under the address of the interface they leave by. */
int host_masquerade(struct host *host, const char *ifname, struct host_cidr net, struct err *err);
/** Of what the kernel forwards into a device, only answers pass, and what belongs to them. */
int host_only_answers(struct host *host, const char *ifname, struct err *err);
/** Route a prefix into a device of ours (goes with the device). 0.0.0.0/0 becomes 0/1 and 128/1. */
int host_route_add(struct host *host, const char *ifname, struct host_cidr cidr, struct err *err);
/** Route all IPv6 (::/1, 8000::/1) into our TUN so the role can refuse it; 0 also when the machine has no IPv6. */
int host_route_ipv6_all(struct host *host, const char *ifname, struct err *err);

/** Send names through the tunnel: resolvectl, else resolvconf, else /etc/resolv.conf. Again: replaces. */
int host_dns_set(struct host *host, const char *ifname, const uint32_t *addrs, size_t count, struct err *err);

/** Add a port range to net.ipv4.ip_local_reserved_ports, keeping what is there. */
int host_reserve_ports(struct host *host, uint16_t lo, uint16_t hi, struct err *err);
/**
 * Keep the kernel from answering for our ports: an nft table with `flags owner`, made by an `nft -i` fed from a pipe that we hold, so
 * that it vanishes with us. Drops tcp and udp to addr:lo-hi in raw prerouting on every interface, and keeps our own raw packets out of connection tracking.
 */
int host_silence_ports(struct host *host, uint32_t addr, uint16_t lo, uint16_t hi, struct err *err);

/** IPv4 resolvers of this machine that are not loopback, host order. @return how many (0 is possible) */
size_t host_resolvers(uint32_t *ret_addrs, size_t cap);

#endif
