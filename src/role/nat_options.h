/*
 * role/nat_options.h - the NAT's timers, limits and rules as options of tether server
 */
#ifndef TETHER_ROLE_NAT_OPTIONS_H
#define TETHER_ROLE_NAT_OPTIONS_H

#include "base/err.h"
#include "base/opt.h"
#include "tether/nat.h"

/** The command line. Times in seconds. */
struct nat_options {
    const char *ports, *low_ports, *filter;
    struct opt_texts allow;
    long udp_timeout, dns_timeout, tcp_timeout, tcp_opening_timeout, tcp_closing_timeout, icmp_timeout;
    long port_rest, client_ports, client_flows, client_rate, answer_rate, max_flows, fragment_timeout, fragment_memory;
};
extern const struct opt nat_option_table[];
void nat_options_defaults(struct nat_options *options);

enum { NAT_RESOLVERS_MAX = 8, NAT_ALLOW_MAX = OPT_TEXTS_MAX + 2 * NAT_RESOLVERS_MAX };
/** The same, checked. `config` borrows `allow`: it must not be moved. */
struct nat_setup {
    struct nat_config config;
    struct nat_allow allow[NAT_ALLOW_MAX];
};
/**
 * Everything but what the machine tells: the external address, the link's MTU, the seed.
 *
 * @return 0 or ROLE_BAD_USAGE with err
 */
int nat_options_check(const struct nat_options *options, struct nat_setup *ret_setup, struct err *err);
/** The resolvers that laptops are told can be reached, for names only, whatever their address is. */
void nat_setup_open_resolvers(struct nat_setup *setup, const uint32_t *resolvers, size_t count);
/** Say in the log which timers are shorter than the RFCs ask for. */
void nat_setup_warn(const struct nat_setup *setup);

#endif
