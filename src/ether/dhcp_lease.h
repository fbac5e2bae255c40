/*
 * ether/dhcp_lease.h - whose each address is
 *
 * One record for each address of the range, made at the start. An address that is given back remembers its last client, who gets it
 * again as long as nobody else needed it. Free addresses are lent in the order in which they became free (RFC 2131 section 4.3.1).
 * A port of the switch may hold so many addresses; when none is free, those of ports that are gone are lent anew.
 */
#ifndef TETHER_ETHER_DHCP_LEASE_H
#define TETHER_ETHER_DHCP_LEASE_H

#include "base/list.h"
#include "ether/dhcp.h"

enum { DHCP_RANGE_MAX = 4096, DHCP_STATICS_MAX = 64 };
/** The port of a lease whose holder is not there now. */
#define DHCP_NO_PORT UINT32_MAX

enum dhcp_state {
    DHCP_FREE,
    DHCP_OFFERED,  /* for DHCP_OFFER_MS */
    DHCP_BOUND,    /* for the lease time */
    DHCP_DECLINED, /* somebody else seems to use it: not lent for DHCP_DECLINE_MS */
    DHCP_STATES
};
enum { DHCP_OFFER_MS = 60000, DHCP_DECLINE_MS = 600000 };

/** An address; owned by the table. */
struct dhcp_lease {
    struct list_link link; /* the table's: of the same state, by when it began */
    uint32_t addr;
    enum dhcp_state state;
    uint32_t port;
    uint64_t until_ms;         /**< when the state ends; of free ones nothing */
    uint64_t mac;              /**< of the client, 0: nobody's yet */
    uint64_t reserved_for;     /**< a static lease: the only card that gets it; 0: none */
    struct dhcp_client client; /**< present or last */
    char hostname[DHCP_HOSTNAME_MAX + 1];
};

/** An address that belongs to a card. */
struct dhcp_static {
    uint64_t mac;
    uint32_t addr;
};

struct dhcp_leases;
struct dhcp_leases_config {
    uint32_t lo, hi; /**< the range, both included */
    uint32_t except; /**< an address inside that is never lent, the server's own */
    const struct dhcp_static *statics; /**< copied; inside the range or not */
    size_t static_count;
    uint32_t lease_ms;
    uint32_t max_ports, max_per_port;
};

/** @return 0; -EINVAL for an empty or too large range, too many statics, or two statics of one address or card; -ENOMEM */
int dhcp_leases_new(const struct dhcp_leases_config *config, struct dhcp_leases **ret_leases);
void dhcp_leases_free(struct dhcp_leases *leases);

/** The record of an address, or NULL: not ours to lend. */
struct dhcp_lease *dhcp_lease_at(struct dhcp_leases *leases, uint32_t addr);
/** What the client holds or held last, or NULL. */
struct dhcp_lease *dhcp_lease_of(struct dhcp_leases *leases, const struct dhcp_client *client);
/** What is kept for a card, or NULL. */
struct dhcp_lease *dhcp_lease_static(struct dhcp_leases *leases, uint64_t mac);
/**
 * Change hands and state: the client's former record forgets it.
 *
 * @param until_ms 0: as long as the state lasts @return 0, or -EDQUOT when the port holds as many as it may; then nothing is changed
 */
int dhcp_lease_set(struct dhcp_leases *leases, struct dhcp_lease *lease, enum dhcp_state state, const struct dhcp_client *client,
                   uint64_t mac, uint32_t port, uint64_t now_ms, uint64_t until_ms);
/** Give back; the client is remembered. */
void dhcp_lease_end(struct dhcp_leases *leases, struct dhcp_lease *lease);

/** May an address be offered? For one that is in use although nobody was lent it. */
typedef bool (*dhcp_vacant_cb)(void *ctx, uint32_t addr);
/** A free address: the oldest that is vacant; else one whose port is gone. NULL: none. */
struct dhcp_lease *dhcp_lease_find_free(struct dhcp_leases *leases, uint64_t now_ms, dhcp_vacant_cb vacant, void *ctx);
/** End what has run out. */
void dhcp_leases_expire(struct dhcp_leases *leases, uint64_t now_ms);
/** A port's cable was pulled. Its leases run on. */
void dhcp_leases_port_gone(struct dhcp_leases *leases, uint32_t port);

/** For walking over all: index below dhcp_leases_count(). */
size_t dhcp_leases_count(const struct dhcp_leases *leases);
struct dhcp_lease *dhcp_leases_at(struct dhcp_leases *leases, size_t index);
/** How many are in a state. */
size_t dhcp_leases_in(const struct dhcp_leases *leases, enum dhcp_state state);

#endif
