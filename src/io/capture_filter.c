/* io/capture_filter.c - what the kernel lets pass to a capture, in libpcap's language, for every kind of capture */
#include <arpa/inet.h>
#include <stdio.h>

#include "io/link_priv.h"

void capture_filter_text(const struct capture_filter *filter, char ret_text[CAPTURE_FILTER_TEXT_MAX])
{
    char addr[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(filter->addr)};
    inet_ntop(AF_INET, &in, addr, sizeof addr);
    const uint16_t low_lo = filter->low_lo != 0 ? filter->low_lo : filter->port_lo, low_hi = filter->low_lo != 0 ? filter->low_hi : filter->port_hi;
    snprintf(ret_text, CAPTURE_FILTER_TEXT_MAX,
             "ip dst %s and (ip[6:2] & 0x1fff != 0 or ((tcp or udp) and (dst portrange %u-%u or dst portrange %u-%u)) or "
             "(icmp and (icmp[0] = 0 or icmp[0] = 3 or icmp[0] = 11 or icmp[0] = 12)))",
             addr, filter->port_lo, filter->port_hi, low_lo, low_hi);
}
