/*
 * role/nat_link.h - what our own NAT stands on, in every role that has one: capture and injection on an interface, and what this machine tells it
 */
#ifndef TETHER_ROLE_NAT_LINK_H
#define TETHER_ROLE_NAT_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/host.h"
#include "io/link.h"
#include "tether/nat.h"

/** Where. All of it is borrowed; loop and host for as long as what is opened. */
struct nat_link {
    struct io_loop *loop;
    struct host *host;
    const char *iface;
    uint32_t external; /**< its address, host order */
    uint16_t mtu;
    enum link_kind capture, inject;
    const struct nat_config *nat; /**< whose ports are to be lent */
};

/** What --capture or --inject says. @param portable the word for LINK_PORTABLE @return 0 or ROLE_BAD_USAGE with err */
int nat_link_kind(const char *option, const char *text, const char *portable, enum link_kind *ret_kind, struct err *err);
/**
 * Keep the kernel away from the NAT's ports, and open both directions.
 *
 * @param ret_capture, ret_inject the caller's to close, set also where only one of them was opened
 * @return 0 or -errno with err
 */
int nat_link_open(const struct nat_link *link, capture_cb cb, void *ctx, struct capture **ret_capture, struct inject **ret_inject, struct err *err);
/** This machine's addresses, which those inside do not reach. They come and go with interfaces: to be asked for again and again. @param inject NULL: none */
void nat_link_own_addresses(struct nat *nat, struct inject *inject);
/** The resolvers that those inside are told: this machine's, but for one on its loopback, where none of them gets to; then public ones. @return how many */
size_t nat_link_resolvers(uint32_t *ret_addrs, size_t cap);

#endif
