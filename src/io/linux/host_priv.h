/*
 * io/linux/host_priv.h - what was changed on this machine, shared by the files that each own one kind of change
 *
 * A kind of change has two halves: one that journals and makes it, and one that undoes it from the words of its journal
 * line alone, because after a crash there is nothing else. Undoing what is already gone is success. host.c stands above the kinds and
 * knows their order, host_change.c below them.
 */
#ifndef TETHER_IO_LINUX_HOST_PRIV_H
#define TETHER_IO_LINUX_HOST_PRIV_H

#include <net/if.h>
#include <stdbool.h>

#include "io/host.h"
#include "io/linux/child.h"
#include "io/linux/journal.h"

enum dns_means { DNS_NONE, DNS_RESOLVED, DNS_RESOLVCONF, DNS_FILE };

struct host_state {
    char *state_dir;
    int dir_fd;
    struct journal journal;
    struct child nft; /**< holds the owner tables; its input is our life line to it */
    unsigned int nft_tables;
    enum dns_means dns;
    char resolved_ifname[IFNAMSIZ]; /**< link whose settings systemd-resolved has from us; "" */
};

/* What host_ask.c asks for, each in the file of its kind; see host.h. */

int iface_addr_add(struct host_state *host, const char *ifname, struct host_cidr cidr, struct err *err);
int iface_route_add(struct host_state *host, const char *ifname, struct host_cidr cidr, struct err *err);
int iface_route_ipv6_all(struct host_state *host, const char *ifname, struct err *err);
int tun_make(struct host_state *host, const char *name, struct host_cidr cidr, int mtu, struct err *err);
int tap_make(struct host_state *host, const char *name, const uint8_t mac[6], int mtu, struct err *err);
int bridge_make(struct host_state *host, const char *name, struct err *err);
int bridge_join(struct host_state *host, const char *bridge, const char *tap, bool isolated, struct err *err);
int bridge_masquerade(struct host_state *host, const char *ifname, struct host_cidr net, struct err *err);
int bridge_only_answers(struct host_state *host, const char *ifname, struct err *err);
int dns_set(struct host_state *host, const char *ifname, const uint32_t *addrs, size_t count, struct err *err);
int ports_reserve(struct host_state *host, uint16_t lo, uint16_t hi, struct err *err);
int nft_silence_ports(struct host_state *host, uint32_t addr, uint16_t lo, uint16_t hi, struct err *err);

/**
 * Start a journal for the changes of a process. First mends what dead ones of this network namespace left in state_dir.
 *
 * @param role names the journal @param owner whose journal it is
 */
int host_state_open(const char *state_dir, const char *role, pid_t owner, struct host_state **ret_host, struct err *err);
/** Undo everything, newest first; remove the journal; NULL is fine. Failures are logged. @return how many changes were undone */
int host_state_close(struct host_state *host);

/** The change behind a journal line, and how it is undone. */
struct undo {
    int dir_fd;
    struct journal *journal; /**< the one the line is from */
};
/**
 * @param args what follows the first word of the line; may be cut up
 * @return 1 undone, 0 it was gone already, -EBADMSG when args make no sense, else -errno
 */
typedef int (*undo_fn)(const struct undo *undo, char *args);

int iface_addr_undo(const struct undo *undo, char *args);
int iface_down_undo(const struct undo *undo, char *args);
int ports_undo(const struct undo *undo, char *args);
int nft_undo(const struct undo *undo, char *args);
int bridge_undo(const struct undo *undo, char *args);
int forward_undo(const struct undo *undo, char *args);
int dns_resolvconf_undo(const struct undo *undo, char *args);
int resolv_undo(const struct undo *undo, char *args);

enum { NFT_BODY_MAX = 896 };
/** Add a table of family ip that goes with us. @param body its chains, in nft's language, on one line */
int nft_add(struct host_state *host, const char *body, struct err *err);

/** Take back what systemd-resolved was told about our link. */
void dns_resolved_revert(struct host_state *host);

/**
 * Put name servers into /etc/resolv.conf, the original saved in the state directory. Again: replaces the name servers.
 * Caller holds the directory's lock.
 */
int resolv_set(struct host_state *host, const uint32_t *addrs, size_t count, struct err *err);
/** Read /etc/resolv.conf, terminated. @return length (0: missing or empty; bytes past cap are left out) */
size_t resolv_read(char *ret_text, size_t cap);
/** The IPv4 addresses of its nameserver lines, host order. @return how many */
size_t resolv_nameservers(const char *text, uint32_t *ret_addrs, size_t cap);

/* host_change.c */

/** Journal a change that is about to be made; fills err. @return 0 or -errno */
int host_journal(struct host_state *host, struct err *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Say what could not be done, and for want of a privilege how to get it. @param rc -errno, returned */
int host_fail(struct err *err, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
