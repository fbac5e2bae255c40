/* role/server_config.c - see server_config.h */
#include "role/server_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "io/host.h"
#include "role/nat_link.h"
#include "role/secret.h"

const struct opt server_options[] = {
    {"iface", 0, OPT_TEXT, offsetof(struct server_config, iface), "IFACE",
     "interface to the internet (needed, but with --tap)", 0, 0},
    {"tap", 0, OPT_TEXT, offsetof(struct server_config, tap), "NAME",
     "join Ethernets instead (layer 2): make this TAP device, for an address or a bridge; no NAT, no --iface", 0, 0},
    {"listen", 0, OPT_TEXTS, offsetof(struct server_config, listen), "ADDR",
     "accept websockets at this address only (default 0.0.0.0: all)", 0, 0},
    {"port", 0, OPT_NUMBER, offsetof(struct server_config, port), "N", "websocket port (default 8080)", 1, 65535},
    {"key", 0, OPT_TEXT, offsetof(struct server_config, key), "KEY|@FILE",
     "key shared with the laptops, or its file (default: made at the first start, kept)", 0, 0},
    {"plain", 0, OPT_FLAG, offsetof(struct server_config, plain), "",
     "no key, no encryption: whoever reaches the port may use this server", 0, 0},
    {"web", 0, OPT_NUMBER, offsetof(struct server_config, web_port), "PORT",
     "serve the page for phones too, at this port (default: no page)", 1, 65535},
    {"udp", 0, OPT_NUMBER, offsetof(struct server_config, udp_port), "PORT",
     "take laptops by UDP too, at this port, e.g. 3000 (default: no UDP)", 1, 65535},
    {"nat", 0, OPT_TEXT, offsetof(struct server_config, nat_kind), "WHO",
     "who translates: user (default), tether's own NAT; or kernel, by a TUN, forwarding and nftables", 0, 0},
    {"between", 0, OPT_FLAG, offsetof(struct server_config, between), "",
     "with --nat kernel: let laptops reach each other by their leases of 10.1.0.0/16", 0, 0},
    {"tls-cert", 0, OPT_TEXT, offsetof(struct server_config, tls_cert), "FILE",
     "speak wss:// with this certificate chain (PEM); needs --tls-key", 0, 0},
    {"tls-key", 0, OPT_TEXT, offsetof(struct server_config, tls_key), "FILE", "the certificate's private key (PEM)", 0, 0},
    {"capture", 0, OPT_TEXT, offsetof(struct server_config, capture), "HOW",
     "how answers are received: auto (default), packet (AF_PACKET) or pcap", 0, 0},
    {"inject", 0, OPT_TEXT, offsetof(struct server_config, inject), "HOW",
     "how large packets are sent: auto (default), packet (AF_PACKET) or raw", 0, 0},
    {0},
};

void server_defaults(void *config)
{
    struct server_config *c = config;
    *c = (struct server_config){.port = 8080, .capture = "auto", .inject = "auto", .nat_kind = "user"};
    nat_options_defaults(&c->nat);
}

static int check_ports(const struct server_config *c, struct server_setup *u, struct err *err)
{
    const struct nat_config *n = &u->nat.config;
    const uint16_t lo = n->port_lo, hi = n->port_hi;
    if (n->low_lo != 0 && ((c->port >= n->low_lo && c->port <= n->low_hi) || (c->web_port >= n->low_lo && c->web_port <= n->low_hi)))
        err_set(err, -EINVAL, "--low-ports %s: the server itself listens on one of them", c->nat.low_ports);
    else if (c->port >= lo && c->port <= hi)
        err_set(err, -EINVAL, "--port %ld: is inside --ports %s, which are lent to laptops", c->port, c->nat.ports);
    else if (c->web_port >= lo && c->web_port <= hi)
        err_set(err, -EINVAL, "--web %ld: is inside --ports %s, which are lent to laptops", c->web_port, c->nat.ports);
    else if (c->udp_port >= lo && c->udp_port <= hi)
        err_set(err, -EINVAL, "--udp %ld: is inside --ports %s, which are lent to laptops", c->udp_port, c->nat.ports);
    else
        return 0;
    return ROLE_BAD_USAGE;
}

uint16_t server_setup_mtu(size_t mtu)
{
    return (uint16_t)(mtu < 576 ? 576 : mtu > UINT16_MAX ? UINT16_MAX : mtu); /* RFC 791 section 3.2: every host takes that much */
}

static int check_iface(const struct server_config *c, struct server_setup *u, struct err *err)
{
    struct host_iface iface;
    u->tap = c->tap;
    if (c->tap != NULL)
        return 0;
    if (c->iface == NULL) {
        err_set(err, -EINVAL, "--iface IFACE is needed: the interface to the internet (ip route show default names it)");
        return ROLE_BAD_USAGE;
    }
    int failed = host_iface_find(c->iface, &iface, err);
    if (failed)
        return failed;
    if (iface.addr == 0)
        return err_set(err, -EADDRNOTAVAIL, "%s has no IPv4 address; give it one, or name another with --iface", c->iface);
    u->iface = c->iface;
    u->external = u->nat.config.external = iface.addr;
    u->link_mtu = u->nat.config.link_mtu = server_setup_mtu(iface.mtu > 0 ? (size_t)iface.mtu : 0);
    return 0;
}

static int check_nat_kind(const struct server_config *c, struct server_setup *u, struct err *err)
{
    u->kernel_nat = strcmp(c->nat_kind, "kernel") == 0;
    u->between = c->between;
    if (!u->kernel_nat && strcmp(c->nat_kind, "user") != 0)
        err_set(err, -EINVAL, "--nat %s: say user or kernel", c->nat_kind);
    else if (c->between && !u->kernel_nat)
        err_set(err, -EINVAL, "--between: needs --nat kernel, which gives each laptop an address of its own");
    else
        return 0;
    return ROLE_BAD_USAGE;
}

static int check_tls(const struct server_config *c, struct server_setup *u, struct err *err)
{
    if ((c->tls_cert == NULL) != (c->tls_key == NULL)) {
        err_set(err, -EINVAL, "%s is needed as well: a certificate and its key go together",
                c->tls_cert == NULL ? "--tls-cert FILE" : "--tls-key FILE");
        return ROLE_BAD_USAGE;
    }
    u->tls_cert = c->tls_cert;
    u->tls_key = c->tls_key;
    return 0;
}

int server_setup_check(const struct role_common *common, const struct server_config *config,
                       struct server_setup *ret_setup, struct err *err)
{
    struct server_setup *u = ret_setup;
    *u = (struct server_setup){
        .port = (uint16_t)config->port, .web_port = (uint16_t)config->web_port, .udp_port = (uint16_t)config->udp_port, .plain = config->plain};
    int failed = nat_options_check(&config->nat, &u->nat, err);
    if (!failed)
        failed = check_ports(config, u, err);
    if (!failed)
        failed = nat_link_kind("capture", config->capture, "pcap", &u->capture, err);
    if (!failed)
        failed = nat_link_kind("inject", config->inject, "raw", &u->inject, err);
    if (!failed)
        failed = check_tls(config, u, err);
    if (!failed)
        failed = check_nat_kind(config, u, err);
    if (!failed)
        failed = check_iface(config, u, err);
    if (failed)
        return failed;
    u->listen_count = config->listen.count > 0 ? config->listen.count : 1;
    u->listen[0] = "0.0.0.0";
    for (size_t i = 0; i < config->listen.count; i++)
        u->listen[i] = config->listen.item[i];
    if (u->plain)
        return 0;
    failed = secret_of_server(common, config->key, u->key_text, u->key, err);
    u->key_is_fresh = failed == SECRET_SERVER_KEY_FRESH;
    return u->key_is_fresh ? 0 : failed;
}

bool server_setup_shows_key(const struct server_setup *setup)
{
    return !setup->plain && (setup->key_is_fresh || isatty(STDOUT_FILENO));
}

void server_setup_announce(const struct server_setup *setup)
{
    nat_setup_warn(&setup->nat);
    char addr[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(setup->external)};
    inet_ntop(AF_INET, &in, addr, sizeof addr);
    log_info("server", NULL, "server ready", "iface=%s address=%s port=%u ports=%u-%u%s", setup->iface, addr, setup->port,
             setup->nat.config.port_lo, setup->nat.config.port_hi, setup->plain ? " plain=yes" : "");
    if (!server_setup_shows_key(setup))
        return;
    printf("On the laptop run:\n  sudo tether client --wifi IFACE --server %s://%s:%u --key %s\n", setup->tls_cert != NULL ? "wss" : "ws",
           setup->tls_cert != NULL ? "NAME-IN-THE-CERTIFICATE" : addr, setup->port, setup->key_text);
    fflush(stdout);
}
