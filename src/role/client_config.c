/* role/client_config.c - what the client was told, and what that means */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "io/ws.h"
#include "role/client_priv.h"

const struct opt client_options[] = {
    {"wifi", 0, OPT_TEXT, offsetof(struct client_config, wifi), "IFACE",
     "Wi-Fi device shared with the phone; gets " CLIENT_LAPTOP_ADDR "/16 (this, --listen or --direct)", 0, 0},
    {"server", 0, OPT_TEXT, offsetof(struct client_config, server), "URL",
     "the server, e.g. ws://203.0.113.5:8080 (default: as last time; else the page asks)", 0, 0},
    {"key", 0, OPT_TEXT, offsetof(struct client_config, key), "KEY|@FILE",
     "the server's key, or its file (default: as last time; else it is asked for)", 0, 0},
    {"listen", 0, OPT_TEXTS, offsetof(struct client_config, listen), "ADDR",
     "serve the page at this address of the laptop too", 0, 0},
    {"port", 0, OPT_NUMBER, offsetof(struct client_config, port), "N",
     "port of the page and its websocket (default 6354)", 1, 65535},
    {"tun", 0, OPT_TEXT, offsetof(struct client_config, tun), "NAME", "name of the TUN device (default tun0)", 0, 0},
    {"tap", 0, OPT_TEXT, offsetof(struct client_config, tap), "NAME",
     "join Ethernets instead (layer 2): make this TAP device, for an address or a bridge; the other nodes need --tap too", 0, 0},
    {"address", 0, OPT_TEXT, offsetof(struct client_config, address), "ADDR",
     "IPv4 address of the TUN device (default 10.0.0.1)", 0, 0},
    {"mtu", 0, OPT_NUMBER, offsetof(struct client_config, mtu), "N", "MTU of the TUN device (default 1500)", 576, 1500},
    {"route", 0, OPT_TEXTS, offsetof(struct client_config, routes), "CIDR",
     "send only this network through the tunnel, instead of everything", 0, 0},
    {"dns", 0, OPT_TEXT, offsetof(struct client_config, dns), "ADDR|none",
     "DNS server to use; none: leave DNS alone (default: the one the server names)", 0, 0},
    {"direct", 0, OPT_TEXTS, offsetof(struct client_config, direct), "URL",
     "reach the server without a phone: ws://…, wss://… or udp://HOST:3000; several are tried in order", 0, 0},
    {"proxy", 0, OPT_TEXT, offsetof(struct client_config, proxy), "URL|none",
     "HTTP proxy for --direct, http://NAME:PASSWORD@HOST:PORT (default: as the environment says)", 0, 0},
    {"ca", 0, OPT_TEXT, offsetof(struct client_config, ca), "FILE",
     "for --direct wss://…, also believe the certificates in this PEM file", 0, 0},
    {"plain", 0, OPT_FLAG, offsetof(struct client_config, plain), "",
     "no key, no encryption, as other implementations speak; the server needs it too", 0, 0},
    {0},
};

void client_defaults(void *config)
{
    *(struct client_config *)config = (struct client_config){.tun = "tun0", .address = "10.0.0.1", .port = 6354, .mtu = 1500};
}

static int check_server_url(struct client *c, struct err *err)
{
    static const char remembered[] = "client.server";
    struct ws_url url;
    if (c->config->server == NULL) {
        if (state_read(c->common->state_dir, remembered, c->server_url, sizeof c->server_url) < 0)
            c->server_url[0] = '\0'; /* the page asks for it */
        return 0;
    }
    if (ws_url_parse(c->config->server, &url, err) < 0)
        return ROLE_BAD_USAGE;
    snprintf(c->server_url, sizeof c->server_url, "%s://%s%s%s:%u%s", url.tls ? "wss" : "ws",
             strchr(url.host, ':') ? "[" : "", url.host, strchr(url.host, ':') ? "]" : "", url.port, url.path);
    return state_write(c->common->state_dir, remembered, c->server_url, err);
}

int client_direct_url(const struct client_config *config, const char *text, struct ws_url *ret_url, struct proxy *ret_proxy, struct err *err)
{
    *ret_proxy = (struct proxy){0};
    int failed = ws_url_parse(text, ret_url, err);
    if (!failed && config->proxy == NULL)
        failed = proxy_from_environment(ret_url->tls, ret_url->host, ret_proxy, err);
    else if (!failed && strcmp(config->proxy, "none") != 0)
        failed = proxy_parse("--proxy", config->proxy, ret_proxy, err);
    return failed ? ROLE_BAD_USAGE : 0;
}

int client_check(struct client *c, struct err *err)
{
    const struct client_config *config = c->config;
    struct host_cidr cidr;
    uint32_t dns;
    if (config->wifi == NULL && config->listen.count == 0 && config->direct.count == 0) {
        err_set(err, -EINVAL, "--wifi IFACE is needed: the device the phone is on (ip link lists them), or --listen ADDR, or --direct URL");
        return ROLE_BAD_USAGE;
    }
    for (size_t i = 0; i < config->direct.count && config->tap != NULL; i++) {
        if (strncasecmp(config->direct.item[i], "udp:", 4) == 0) {
            err_set(err, -EINVAL, "--direct %s: UDP carries IP packets only; with --tap give ws:// or wss://", config->direct.item[i]);
            return ROLE_BAD_USAGE;
        }
    }
    if (host_cidr_parse(config->address, &c->inside) < 0 || c->inside.len != 32) {
        err_set(err, -EINVAL, "--address %s: not an IPv4 address", config->address);
        return ROLE_BAD_USAGE;
    }
    for (size_t i = 0; i < config->routes.count; i++) {
        if (host_cidr_parse(config->routes.item[i], &cidr) < 0) {
            err_set(err, -EINVAL, "--route %s: not an IPv4 network such as 203.0.113.0/24", config->routes.item[i]);
            return ROLE_BAD_USAGE;
        }
    }
    if (config->dns != NULL && strcmp(config->dns, "none") != 0 && inet_pton(AF_INET, config->dns, &dns) != 1) {
        err_set(err, -EINVAL, "--dns %s: neither an IPv4 address nor \"none\"", config->dns);
        return ROLE_BAD_USAGE;
    }
    int failed = config->plain ? 0 : secret_of_client(c->common, config->key, c->key, err);
    return failed ? failed : check_server_url(c, err);
}
