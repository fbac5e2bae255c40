/*
 * nat/ident.c - identifications of packets that may be fragmented on their way
 *
 * Two laptops behind one address may both send datagram 7 to the same host at the same time; were they fragmented, the host could put the
 * wrong halves together. So the NAT numbers them anew (RFC 6864 section 5.3.1, RFC 7857 section 9): for each destination and protocol counting up,
 * which repeats a number as late as can be, after 65,536 packets. The counters are found by a keyed hash and begin anywhere, so that
 * nobody reads from his own numbers how much the others send (RFC 7739 section 5 for the same with IPv6). Packets that must not be fragmented are
 * never put together, and keep theirs.
 */
#include "nat/internal.h"

void nat_ident_init(struct nat *nat)
{
    for (size_t i = 0; i < NAT_IDENTS; i++)
        nat->ident[i] = (uint16_t)rng_next(&nat->rng);
}

void nat_ident_renew(struct nat *nat, struct ip4_view *v, uint16_t seg_len)
{
    if (v->dont_frag)
        return;
    const uint64_t hash = siphash13_2(&nat->map_key, v->dst, (uint64_t)v->proto << 32);
    uint16_t *next = &nat->ident[hash % NAT_IDENTS];
    const size_t payload = v->l4_len - v->l4_header_len;
    if (*next == 0) /* in a raw socket it means: choose one */
        *next = 1;
    ip4_set_id(v, *next);
    *next = (uint16_t)(*next + (seg_len != 0 && payload != 0 ? (payload + seg_len - 1) / seg_len : 1)); /* each segment will have its own */
}
