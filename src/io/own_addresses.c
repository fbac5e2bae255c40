/* io/own_addresses.c - which IPv4 addresses this machine answers at, for the NAT to refuse them */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "io/host.h"

int host_own_addresses(uint32_t *ret_addrs, size_t cap)
{
    struct ifaddrs *list;
    size_t count = 0;
    if (getifaddrs(&list) != 0)
        return -errno;
    for (const struct ifaddrs *i = list; i != NULL && count < cap; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
            continue;
        uint32_t addr = ntohl(((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr);
        if (addr >> 24 != IN_LOOPBACKNET)
            ret_addrs[count++] = addr;
    }
    freeifaddrs(list);
    return (int)count;
}
