/*
 * role/switch_config.h - what the switch was told, and what that means on this machine
 */
#ifndef TETHER_ROLE_SWITCH_CONFIG_H
#define TETHER_ROLE_SWITCH_CONFIG_H

#include <net/if.h>

#include "ether/gateway.h"
#include "ether/switch.h"
#include "io/link.h"
#include "role/nat_options.h"
#include "role/role.h"

/** The command line. */
struct switch_args {
    const char *uplink, *iface, *address, *range, *domain, *guard, *bridge, *path, *tls_cert, *tls_key, *capture, *inject;
    struct opt_texts listen, dns, lease;
    long port, guests, macs, storm, ping_s, lease_s;
    bool isolate, no_dhcp, tap_per_guest, masquerade;
    struct nat_options nat;
};
extern const struct opt switch_options[];
void switch_defaults(void *args);

enum switch_uplink { UPLINK_NONE, UPLINK_NAT, UPLINK_TAP };
enum { SWITCH_GUESTS_MAX = 1024 };

/** The command line, checked and resolved. Addresses in host order. */
struct switch_setup {
    enum switch_uplink uplink;
    char iface[IFNAMSIZ];    /**< UPLINK_NAT */
    uint32_t external;       /**< its address */
    const char *tap;         /**< UPLINK_TAP: the device's name, or what those of all guests begin with */
    char bridge[IFNAMSIZ];   /**< that they join; "": none */
    bool tap_per_guest, masquerade;
    uint16_t link_mtu, port;
    struct nat_setup nat;
    enum link_kind capture, inject;

    uint64_t mac;            /**< the gateway's, the same at each start: guests remember it */
    uint32_t addr, mask;     /**< its address, and the network's */
    uint32_t range_lo, range_hi;
    struct dhcp_static statics[OPT_TEXTS_MAX];
    size_t static_count;
    uint32_t dns[DHCP_DNS_MAX];
    size_t dns_count;
    char domain[DHCP_DOMAIN_MAX + 1];
    uint32_t lease_s;
    bool dhcp;

    enum gateway_guard guard;
    uint32_t guests, macs, storm, ping_ms;
    bool isolate;
    const char *listen[OPT_TEXTS_MAX];
    size_t listen_count;
    const char *path;               /**< the only one that takes websockets; NULL: any */
    const char *tls_cert, *tls_key; /**< NULL: ws:// */
};
/** @param ret_setup not to be moved afterwards @return 0, -errno or ROLE_BAD_USAGE with err */
int switch_setup_check(const struct switch_args *args, struct switch_setup *ret_setup, struct err *err);

#endif
