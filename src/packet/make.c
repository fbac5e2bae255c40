/*
 * packet/make.c - headers of packets that tether itself sends, and whom it may answer at all
 *
 * What is made here is small and never fragmented, so the ID means nothing (RFC 6864 section 4.1) and is 0
 * beside DF.
 */
#include "packet/make.h"
#include "packet/wire.h"

enum { MAKE_TTL = 64 };

void ip4_make_header(uint8_t *out, size_t len, uint8_t tos, uint8_t proto, uint32_t src, uint32_t dst)
{
    out[0] = 0x45;
    out[IP4_TOS] = tos;
    wire_put16(out + IP4_TOTAL_LEN, (uint16_t)len);
    wire_put16(out + IP4_ID, 0);
    wire_put16(out + IP4_FRAG, IP4_DF);
    out[IP4_TTL] = MAKE_TTL;
    out[IP4_PROTO] = proto;
    wire_put32(out + IP4_SRC, src);
    wire_put32(out + IP4_DST, dst);
    ip4_set_header_csum(out, IP4_MIN_LEN);
}

/** Neither "this network", loopback, multicast nor the reserved and broadcast end of the range (RFC 6890). */
static bool single_host(uint32_t addr)
{
    const uint32_t top = addr >> 24;
    return top != 0 && top != 127 && top < 224;
}

bool ip4_may_answer(const struct ip4_view *about)
{
    return single_host(about->src) && (single_host(about->dst) || about->dst >> 24 == 127); /* loopback is a host, if a strange one */
}
