/* role/switch_config.c - see switch_config.h */
#include "role/switch_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "io/host.h"
#include "role/nat_link.h"

enum { TAP_NAME_MAX = IFNAMSIZ - 1 - 4 }; /* and a guest's number behind it */
#define AT(member) offsetof(struct switch_args, member)
const struct opt switch_options[] = {
    {"port", 0, OPT_NUMBER, AT(port), "N", "websocket port (default 8070)", 1, 65535},
    {"listen", 0, OPT_TEXTS, AT(listen), "ADDR", "accept websockets at this address only (default 0.0.0.0: all)", 0, 0},
    {"path", 0, OPT_TEXT, AT(path), "/WORD", "accept websockets at this path only, e.g. a secret one (default: any path)", 0, 0},
    {"uplink", 0, OPT_TEXT, AT(uplink), "HOW", "the way to the internet: nat (default), tap:NAME or none", 0, 0},
    {"iface", 0, OPT_TEXT, AT(iface), "IFACE", "interface to the internet for nat (default: the default route's)", 0, 0},
    {"tap-per-guest", 0, OPT_FLAG, AT(tap_per_guest), "", "for tap:NAME: a device for each guest, NAME0, NAME1, ..., on a kernel bridge", 0, 0},
    {"bridge", 0, OPT_TEXT, AT(bridge), "NAME", "kernel bridge the TAP devices join, made if there is none (default: NAMEbr with --tap-per-guest)", 0, 0},
    {"masquerade", 0, OPT_FLAG, AT(masquerade), "", "for tap:NAME: let the kernel be the gateway, and translate addresses", 0, 0},
    {"address", 0, OPT_TEXT, AT(address), "ADDR/LEN", "the gateway's address and the guests' network (default 192.168.86.1/24)", 0, 0},
    {"range", 0, OPT_TEXT, AT(range), "ADDR-ADDR", "addresses that are lent to guests (default: the whole network)", 0, 0},
    {"lease-time", 0, OPT_NUMBER, AT(lease_s), "S", "seconds that an address is lent for (default 86400)", 60, 4000000},
    {"dns", 0, OPT_TEXTS, AT(dns), "ADDR", "resolver that guests are told (default: this machine's)", 0, 0},
    {"domain", 0, OPT_TEXT, AT(domain), "NAME", "domain that guests are told", 0, 0},
    {"lease", 0, OPT_TEXTS, AT(lease), "MAC=ADDR", "always lend this address to this network card", 0, 0},
    {"no-dhcp", 0, OPT_FLAG, AT(no_dhcp), "", "lend no addresses", 0, 0},
    {"guests", 0, OPT_NUMBER, AT(guests), "N", "websockets at one time (default 64)", 1, SWITCH_GUESTS_MAX},
    {"macs", 0, OPT_NUMBER, AT(macs), "N", "network cards behind one websocket (default 8), and four times as many addresses", 1, 256},
    {"isolate", 0, OPT_FLAG, AT(isolate), "", "guests reach the internet, not each other", 0, 0},
    {"guard", 0, OPT_TEXT, AT(guard), "HOW",
     "believe addresses: off (all), on (default: none that is another's) or strict (only lent ones)", 0, 0},
    {"storm", 0, OPT_NUMBER, AT(storm), "N", "frames for everybody that a guest may send a second (default 200)", 1, 1000000},
    {"ping", 0, OPT_NUMBER, AT(ping_s), "S", "ask a guest silent for so long for a sign of life; it is gone after three times that (default 20)", 1, 3600},
    {"tls-cert", 0, OPT_TEXT, AT(tls_cert), "FILE", "speak wss:// with this certificate chain (PEM); needs --tls-key", 0, 0},
    {"tls-key", 0, OPT_TEXT, AT(tls_key), "FILE", "the certificate's private key (PEM)", 0, 0},
    {"capture", 0, OPT_TEXT, AT(capture), "HOW", "how answers are received: auto (default), packet (AF_PACKET) or pcap", 0, 0},
    {"inject", 0, OPT_TEXT, AT(inject), "HOW", "how large packets are sent: auto (default), packet (AF_PACKET) or raw", 0, 0},
    {0},
};

void switch_defaults(void *args)
{
    struct switch_args *a = args;
    *a = (struct switch_args){
        .uplink = "nat", .address = "192.168.86.1/24", .guard = "on", .capture = "auto", .inject = "auto",
        .port = 8070, .guests = 64, .macs = 8, .storm = 200, .ping_s = 20, .lease_s = 86400,
    };
    nat_options_defaults(&a->nat);
    a->nat.ports = "56000-60999"; /* not the server's: both may run here */
}

static int usage(struct err *err, const char *option, const char *value, const char *remedy)
{
    err_set(err, -EINVAL, "--%s %s: %s", option, value, remedy);
    return ROLE_BAD_USAGE;
}

static bool parse_addr(const char *text, size_t len, uint32_t *ret)
{
    char copy[INET_ADDRSTRLEN];
    struct in_addr in;
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, &in) != 1)
        return false;
    *ret = ntohl(in.s_addr);
    return true;
}

/* --- the guests' network --- */

static int check_address(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    const char *slash = strchr(a->address, '/');
    long len;
    const char *end = slash != NULL ? text_number(slash + 1, 8, 30, &len) : NULL;
    if (end == NULL || *end != '\0' ||
        !parse_addr(a->address, (size_t)(slash - a->address), &u->addr))
        return usage(err, "address", a->address, "say the gateway's address and the network's length, such as 192.168.86.1/24");
    u->mask = UINT32_MAX << (32 - len);
    u->mac = UINT64_C(0x027400000000) | u->addr;
    if ((u->addr & ~u->mask) == 0 || (u->addr | u->mask) == UINT32_MAX || u->addr >> 24 == 0 || u->addr >> 24 == 127 || u->addr >> 28 >= 14)
        return usage(err, "address", a->address, "is no host's address in its network");
    return 0;
}

static bool is_host(const struct switch_setup *u, uint32_t addr)
{
    return ((addr ^ u->addr) & u->mask) == 0 && (addr & ~u->mask) != 0 && (addr | u->mask) != UINT32_MAX;
}

static int check_range(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    u->range_lo = (u->addr & u->mask) + 1;
    u->range_hi = (u->addr | ~u->mask) - 1;
    if (a->range == NULL) {
        if (u->range_lo == u->addr)
            u->range_lo++;
        if (u->range_hi - u->range_lo >= DHCP_RANGE_MAX)
            u->range_hi = u->range_lo + DHCP_RANGE_MAX - 1;
        return 0;
    }
    const char *dash = strchr(a->range, '-');
    if (dash == NULL || !parse_addr(a->range, (size_t)(dash - a->range), &u->range_lo) ||
        !parse_addr(dash + 1, strlen(dash + 1), &u->range_hi) || u->range_lo > u->range_hi)
        return usage(err, "range", a->range, "say the first and the last address, such as 192.168.86.100-192.168.86.199");
    if (!is_host(u, u->range_lo) || !is_host(u, u->range_hi))
        return usage(err, "range", a->range, "lies outside of the network that --address names");
    if (u->range_hi - u->range_lo >= DHCP_RANGE_MAX)
        return usage(err, "range", a->range, "is too long: at most 4096 addresses");
    return 0;
}

static int check_leases(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    for (size_t i = 0; i < a->lease.count; i++) {
        const char *text = a->lease.item[i], *equals = strchr(text, '=');
        char mac[ETHER_MAC_TEXT_LEN + 1] = "";
        struct dhcp_static *s = &u->statics[u->static_count++];
        if (equals != NULL && equals - text == ETHER_MAC_TEXT_LEN)
            memcpy(mac, text, ETHER_MAC_TEXT_LEN);
        if (ether_mac_parse(mac, &s->mac) != 0 || !ether_is_station(s->mac) || !parse_addr(equals + 1, strlen(equals + 1), &s->addr))
            return usage(err, "lease", text, "say card and address, such as 02:00:00:00:00:01=192.168.86.50");
        if (!is_host(u, s->addr) || s->addr == u->addr)
            return usage(err, "lease", text, "the address is no guest's in the network that --address names");
        for (size_t k = 0; k + 1 < u->static_count; k++)
            if (u->statics[k].mac == s->mac || u->statics[k].addr == s->addr)
                return usage(err, "lease", text, "the card or the address is named twice");
    }
    return 0;
}

static int check_dhcp(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    u->dhcp = !a->no_dhcp;
    u->lease_s = (uint32_t)a->lease_s;
    if (a->domain != NULL && strlen(a->domain) > DHCP_DOMAIN_MAX)
        return usage(err, "domain", a->domain, "is too long: at most 64 characters");
    memcpy(u->domain, a->domain != NULL ? a->domain : "", a->domain != NULL ? strlen(a->domain) + 1 : 1);
    for (size_t i = 0; i < a->dns.count; i++)
        if (u->dns_count == DHCP_DNS_MAX || !parse_addr(a->dns.item[i], strlen(a->dns.item[i]), &u->dns[u->dns_count++]))
            return usage(err, "dns", a->dns.item[i], "say an IPv4 address; at most four");
    if (u->dns_count == 0 && u->uplink != UPLINK_NONE)
        u->dns_count = nat_link_resolvers(u->dns, DHCP_DNS_MAX);
    return 0;
}

/* --- the uplink --- */

static int check_uplink(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    u->tap = strncmp(a->uplink, "tap:", 4) == 0 ? a->uplink + 4 : NULL;
    if (strcmp(a->uplink, "nat") == 0)
        u->uplink = UPLINK_NAT;
    else if (strcmp(a->uplink, "none") == 0)
        u->uplink = UPLINK_NONE;
    else if (u->tap != NULL)
        u->uplink = UPLINK_TAP;
    else
        return usage(err, "uplink", a->uplink, "say nat, tap:NAME or none");
    if (u->uplink != UPLINK_TAP && (a->tap_per_guest || a->bridge != NULL || a->masquerade))
        return usage(err, "uplink", a->uplink, "--tap-per-guest, --bridge and --masquerade need tap:NAME");
    if (u->tap != NULL && (u->tap[0] == '\0' || strlen(u->tap) > TAP_NAME_MAX))
        return usage(err, "uplink", a->uplink, "the device's name has 1 to 11 characters");
    u->tap_per_guest = a->tap_per_guest;
    u->masquerade = a->masquerade;
    if (a->bridge != NULL && strlen(a->bridge) >= sizeof u->bridge)
        return usage(err, "bridge", a->bridge, "is longer than any interface's name");
    if (a->bridge != NULL)
        memcpy(u->bridge, a->bridge, strlen(a->bridge) + 1);
    else if (u->tap_per_guest)
        snprintf(u->bridge, sizeof u->bridge, "%sbr", u->tap);
    return 0;
}

static int check_nat(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    int failed = nat_options_check(&a->nat, &u->nat, err);
    if (failed || u->uplink != UPLINK_NAT)
        return failed;
    if (a->port >= u->nat.config.port_lo && a->port <= u->nat.config.port_hi)
        return usage(err, "ports", a->nat.ports, "holds --port, which is no guest's");
    nat_setup_open_resolvers(&u->nat, u->dns, u->dns_count);
    nat_setup_warn(&u->nat);
    return 0;
}

static int check_iface(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    struct host_iface iface;
    int failed = 0;
    if (u->uplink != UPLINK_NAT)
        return 0;
    if (a->iface == NULL)
        failed = host_iface_default(u->iface, err);
    else if (strlen(a->iface) >= sizeof u->iface)
        return usage(err, "iface", a->iface, "is longer than any interface's name");
    else
        memcpy(u->iface, a->iface, strlen(a->iface) + 1);
    if (!failed)
        failed = host_iface_find(u->iface, &iface, err);
    if (failed)
        return failed;
    if (iface.addr == 0)
        return err_set(err, -EADDRNOTAVAIL, "%s has no IPv4 address; give it one, or name another with --iface", u->iface);
    if (((iface.addr ^ u->addr) & u->mask) == 0)
        return err_set(err, -EADDRINUSE, "%s is in the guests' network; choose another with --address", u->iface);
    u->external = iface.addr;
    u->link_mtu = (uint16_t)(iface.mtu < 576 ? 576 : iface.mtu > 65535 ? 65535 : iface.mtu);
    return 0;
}

/* --- the rest --- */

static int check_others(const struct switch_args *a, struct switch_setup *u, struct err *err)
{
    if (strcmp(a->guard, "off") == 0)
        u->guard = GATEWAY_GUARD_OFF;
    else if (strcmp(a->guard, "on") == 0)
        u->guard = GATEWAY_GUARD_ON;
    else if (strcmp(a->guard, "strict") == 0)
        u->guard = GATEWAY_GUARD_STRICT;
    else
        return usage(err, "guard", a->guard, "say off, on or strict");
    if (u->guard == GATEWAY_GUARD_STRICT && a->no_dhcp)
        return usage(err, "guard", a->guard, "believes lent addresses only, and --no-dhcp lends none");
    if ((a->tls_cert == NULL) != (a->tls_key == NULL)) {
        err_set(err, -EINVAL, "%s is needed as well: a certificate and its key go together",
                a->tls_cert == NULL ? "--tls-cert FILE" : "--tls-key FILE");
        return ROLE_BAD_USAGE;
    }
    if (a->path != NULL && a->path[0] != '/')
        return usage(err, "path", a->path, "begin it with a slash");
    u->path = a->path;
    u->listen_count = a->listen.count > 0 ? a->listen.count : 1;
    u->listen[0] = "0.0.0.0";
    for (size_t i = 0; i < a->listen.count; i++)
        u->listen[i] = a->listen.item[i];
    return 0;
}

int switch_setup_check(const struct switch_args *args, struct switch_setup *ret_setup, struct err *err)
{
    struct switch_setup *u = ret_setup;
    *u = (struct switch_setup){
        .port = (uint16_t)args->port, .guests = (uint32_t)args->guests, .macs = (uint32_t)args->macs, .storm = (uint32_t)args->storm,
        .ping_ms = (uint32_t)args->ping_s * 1000, .isolate = args->isolate, .tls_cert = args->tls_cert, .tls_key = args->tls_key,
    };
    static int (*const checks[])(const struct switch_args *, struct switch_setup *, struct err *) = {
        check_uplink, check_address, check_range, check_leases, check_dhcp, check_nat, check_others, check_iface};
    int failed = 0;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && !failed; i++)
        failed = checks[i](args, u, err);
    if (!failed)
        failed = nat_link_kind("capture", args->capture, "pcap", &u->capture, err);
    if (!failed)
        failed = nat_link_kind("inject", args->inject, "raw", &u->inject, err);
    return failed;
}
