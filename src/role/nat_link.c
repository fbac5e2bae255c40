/* role/nat_link.c - see nat_link.h */
#include "role/nat_link.h"

#include <errno.h>
#include <string.h>

#include "role/role.h"

static const uint32_t public_resolvers[] = {0x09090909, 0x01010101}; /* Quad9 and Cloudflare */

int nat_link_kind(const char *option, const char *text, const char *portable, enum link_kind *ret_kind, struct err *err)
{
    if (strcmp(text, "auto") == 0)
        *ret_kind = LINK_AUTO;
    else if (strcmp(text, "packet") == 0)
        *ret_kind = LINK_PACKET;
    else if (strcmp(text, portable) == 0)
        *ret_kind = LINK_PORTABLE;
    else {
        err_set(err, -EINVAL, "--%s %s: say auto, packet or %s", option, text, portable);
        return ROLE_BAD_USAGE;
    }
    return 0;
}

int nat_link_open(const struct nat_link *link, capture_cb cb, void *ctx, struct capture **ret_capture, struct inject **ret_inject, struct err *err)
{
    const struct nat_config *nat = link->nat;
    const struct capture_filter filter = {.addr = link->external, .port_lo = nat->port_lo, .port_hi = nat->port_hi, .low_lo = nat->low_lo,
                                          .low_hi = nat->low_hi};
    int failed = host_reserve_ports(link->host, nat->port_lo, nat->port_hi, err);
    if (!failed)
        failed = host_silence_ports(link->host, link->external, nat->port_lo, nat->port_hi, err);
    if (!failed && nat->low_lo != 0) /* the kernel lends none of these by itself: nothing to reserve */
        failed = host_silence_ports(link->host, link->external, nat->low_lo, nat->low_hi, err);
    if (!failed)
        failed = inject_open(link->iface, link->external, link->mtu, link->inject, ret_inject, err);
    if (!failed)
        failed = capture_open(link->loop, link->iface, &filter, link->capture, cb, ctx, ret_capture, err);
    return failed;
}

void nat_link_own_addresses(struct nat *nat, struct inject *inject)
{
    uint32_t own[NAT_OWN_MAX];
    int count = host_own_addresses(own, NAT_OWN_MAX - 1);
    if (count < 0)
        return;
    nat_set_own(nat, own, (size_t)count);
    inject_set_own(inject, own, (size_t)count);
}

size_t nat_link_resolvers(uint32_t *ret_addrs, size_t cap)
{
    const size_t public = sizeof public_resolvers / sizeof *public_resolvers;
    size_t count = host_resolvers(ret_addrs, cap);
    if (count > 0)
        return count;
    for (; count < cap && count < public; count++)
        ret_addrs[count] = public_resolvers[count];
    return count;
}
