/*
 * role/nat_options.c - see nat_options.h
 *
 * The defaults are the NAT's own (nat_config_defaults); here they are only turned into seconds and back. A timer may be set
 * below what its RFC asks for, because tests and odd networks want that, but not in silence.
 */
#include "role/nat_options.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "io/host.h"
#include "role/role.h"

enum { MS = 1000, MB = 1 << 20, DAY = 86400, PORT_DNS = 53, PORT_DNS_TLS = 853, FLOWS_MAX = 4 << 20, RATE_MAX = 1000000 };

#define TIMER(name, field, help) {name, 0, OPT_NUMBER, offsetof(struct nat_options, field), "SEC", help, 1, DAY}
#define TEXT(name, field, arg, help) {name, 0, OPT_TEXT, offsetof(struct nat_options, field), arg, help, 0, 0}
#define NUMBER(name, field, arg, min, max, help) {name, 0, OPT_NUMBER, offsetof(struct nat_options, field), arg, help, min, max}

const struct opt nat_option_table[] = {
    TEXT("ports", ports, "LO-HI", "source ports for the laptops' connections (default 61000-65535)"),
    TEXT("low-ports", low_ports, "LO-HI", "below 1024, for the laptops' sockets below 1024 (default none: they get one of --ports)"),
    {"allow", 0, OPT_TEXTS, offsetof(struct nat_options, allow), "CIDR[:PORT]",
     "let laptops reach this, refused otherwise: private networks, the server itself, mail by 0.0.0.0/0:25", 0, 0},
    TEXT("filter", filter, "WHOM", "who may send to a laptop's port: address (it sent to; default), address-port or endpoint-independent"),
    TIMER("udp-timeout", udp_timeout, "a UDP flow ends when nothing was sent for so long (default 300)"),
    TIMER("dns-timeout", dns_timeout, "the same for one that only asked port 53 (default 30)"),
    TIMER("tcp-timeout", tcp_timeout, "an idle TCP connection is forgotten (default 7440)"),
    TIMER("tcp-opening-timeout", tcp_opening_timeout, "one that never got established is (default 240)"),
    TIMER("tcp-closing-timeout", tcp_closing_timeout, "one that was closed or reset is (default 240)"),
    TIMER("icmp-timeout", icmp_timeout, "a ping's identifier is (default 60)"),
    NUMBER("port-rest", port_rest, "SEC", 0, DAY, "a freed UDP port is not lent again for so long (default 120)"),
    NUMBER("client-ports", client_ports, "N", 0, 65535, "source ports of one laptop, for each protocol; 0: no limit (default 2048)"),
    NUMBER("client-flows", client_flows, "N", 0, FLOWS_MAX, "flows of one laptop; 0: no limit (default 16384)"),
    NUMBER("client-rate", client_rate, "N", 0, RATE_MAX, "new flows of one laptop a second; 0: no limit (default 1000)"),
    NUMBER("answer-rate", answer_rate, "N", 0, RATE_MAX, "ICMP errors and resets to one laptop a second; 0: no limit (default 100)"),
    NUMBER("max-flows", max_flows, "N", 1, FLOWS_MAX, "flows of all laptops together; beyond it new ones are refused (default 65536)"),
    TIMER("fragment-timeout", fragment_timeout, "fragments wait for the rest of their datagram (default 2)"),
    NUMBER("fragment-memory", fragment_memory, "MB", 1, 1024, "room for waiting fragments, each side (default 8)"),
    {0},
};

void nat_options_defaults(struct nat_options *options)
{
    struct nat_config c;
    nat_config_defaults(&c, 0);
    *options = (struct nat_options){
        .ports = "61000-65535",
        .filter = "address",
        .udp_timeout = c.udp_idle_ms / MS,
        .dns_timeout = c.udp_dns_idle_ms / MS,
        .tcp_timeout = c.tcp_established_ms / MS,
        .tcp_opening_timeout = c.tcp_opening_ms / MS,
        .tcp_closing_timeout = c.tcp_closing_ms / MS,
        .icmp_timeout = c.icmp_idle_ms / MS,
        .port_rest = c.port_rest_ms / MS,
        .client_ports = c.client_ports,
        .client_flows = c.client_flows,
        .client_rate = c.client_rate,
        .answer_rate = c.answer_rate,
        .max_flows = c.max_flows,
        .fragment_timeout = c.fragment_ms / MS,
        .fragment_memory = c.fragment_bytes / MB,
    };
}

static int parse_range(const char *text, long least, long most, uint16_t *ret_lo, uint16_t *ret_hi)
{
    long lo, hi;
    const char *end = text_number(text, least, most, &lo);
    if (end != NULL)
        end = *end == '-' ? text_number(end + 1, lo, most, &hi) : NULL;
    if (end == NULL || *end != '\0')
        return -EINVAL;
    *ret_lo = (uint16_t)lo;
    *ret_hi = (uint16_t)hi;
    return 0;
}

/* CIDR or CIDR:PORT */
static int parse_allow(const char *text, struct nat_allow *ret)
{
    char network[32];
    size_t len = strcspn(text, ":");
    struct host_cidr cidr;
    long port = 0;
    if (len >= sizeof network)
        return -EINVAL;
    memcpy(network, text, len);
    network[len] = '\0';
    if (text[len] == ':') {
        const char *end = text_number(text + len + 1, 1, 65535, &port);
        if (end == NULL || *end != '\0')
            return -EINVAL;
    }
    if (host_cidr_parse(network, &cidr) < 0)
        return -EINVAL;
    *ret = (struct nat_allow){.prefix = {.addr = cidr.addr, .len = cidr.len}, .port = (uint16_t)port};
    return 0;
}

static int check_allow(const struct nat_options *o, struct nat_setup *u, struct err *err)
{
    u->config.allow = u->allow;
    for (size_t i = 0; i < o->allow.count; i++) {
        if (parse_allow(o->allow.item[i], &u->allow[u->config.allow_count++]) < 0) {
            err_set(err, -EINVAL, "--allow %s: not an IPv4 network such as 192.168.1.0/24, or 192.168.1.0/24:443 for one port",
                    o->allow.item[i]);
            return ROLE_BAD_USAGE;
        }
    }
    return 0;
}

static int check_filter(const char *text, enum nat_filter *ret_filter, struct err *err)
{
    static const char *const names[] = {
        [NAT_FILTER_ADDRESS] = "address",
        [NAT_FILTER_ADDRESS_PORT] = "address-port",
        [NAT_FILTER_ENDPOINT] = "endpoint-independent",
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret_filter = (enum nat_filter)i;
            return 0;
        }
    err_set(err, -EINVAL, "--filter %s: say address, address-port or endpoint-independent", text);
    return ROLE_BAD_USAGE;
}

int nat_options_check(const struct nat_options *o, struct nat_setup *ret_setup, struct err *err)
{
    struct nat_setup *u = ret_setup;
    struct nat_config *c = &u->config;
    nat_config_defaults(c, 0);
    c->udp_idle_ms = (uint32_t)o->udp_timeout * MS;
    c->udp_dns_idle_ms = (uint32_t)o->dns_timeout * MS;
    c->tcp_established_ms = (uint32_t)o->tcp_timeout * MS;
    c->tcp_opening_ms = (uint32_t)o->tcp_opening_timeout * MS;
    c->tcp_closing_ms = (uint32_t)o->tcp_closing_timeout * MS;
    c->icmp_idle_ms = (uint32_t)o->icmp_timeout * MS;
    c->port_rest_ms = (uint32_t)o->port_rest * MS;
    c->client_ports = (uint32_t)o->client_ports;
    c->client_flows = (uint32_t)o->client_flows;
    c->client_rate = (uint32_t)o->client_rate;
    c->answer_rate = (uint32_t)o->answer_rate;
    c->max_flows = (uint32_t)o->max_flows;
    c->fragment_ms = (uint32_t)o->fragment_timeout * MS;
    c->fragment_bytes = (uint32_t)o->fragment_memory * MB;
    if (parse_range(o->ports, 1024, 65535, &c->port_lo, &c->port_hi) < 0) {
        err_set(err, -EINVAL, "--ports %s: not a range LO-HI within 1024-65535", o->ports);
        return ROLE_BAD_USAGE;
    }
    if (o->low_ports != NULL && parse_range(o->low_ports, 1, 1023, &c->low_lo, &c->low_hi) < 0) {
        err_set(err, -EINVAL, "--low-ports %s: not a range LO-HI within 1-1023", o->low_ports);
        return ROLE_BAD_USAGE;
    }
    int failed = check_filter(o->filter, &c->filter, err);
    return failed ? failed : check_allow(o, u, err);
}

void nat_setup_open_resolvers(struct nat_setup *setup, const uint32_t *resolvers, size_t count)
{
    static const uint16_t ports[] = {PORT_DNS, PORT_DNS_TLS};
    for (size_t i = 0; i < count && i < NAT_RESOLVERS_MAX; i++)
        for (size_t k = 0; k < sizeof ports / sizeof *ports; k++)
            setup->allow[setup->config.allow_count++] = (struct nat_allow){{resolvers[i], 32}, ports[k]};
}

void nat_setup_warn(const struct nat_setup *setup)
{
    const struct nat_config *c = &setup->config;
    const struct {
        const char *option, *rule;
        uint32_t is_ms, least_s;
    } timers[] = {
        {"udp-timeout", "RFC 4787 REQ-5", c->udp_idle_ms, 120},
        {"tcp-timeout", "RFC 5382 REQ-5", c->tcp_established_ms, 7440},
        {"tcp-opening-timeout", "RFC 5382 REQ-5", c->tcp_opening_ms, 240},
        {"tcp-closing-timeout", "RFC 5382 REQ-5", c->tcp_closing_ms, 240},
        {"icmp-timeout", "RFC 5508 REQ-2", c->icmp_idle_ms, 60},
        {"port-rest", "RFC 6888 REQ-8", c->port_rest_ms, 120},
    };
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
        if (timers[i].is_ms < timers[i].least_s * MS)
            log_warn("server", NULL, "timer below its RFC", "option=%s seconds=%u least=%u rule=\"%s\"", timers[i].option,
                     timers[i].is_ms / MS, timers[i].least_s, timers[i].rule);
}
