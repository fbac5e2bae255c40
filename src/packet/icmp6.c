/*
 * packet/icmp6.c - telling IPv6 applications at once that there is no way
 *
 * tether carries IPv4. A silent drop would cost every dual-stack connection its timeout, so an IPv6 packet
 * gets the ICMPv6 error that makes connect() fail and the application turn to IPv4. Only what RFC 4443
 * section 2.4 (e) needs to know is parsed.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

enum {
    IP6_LEN = 40,
    IP6_PAYLOAD_LEN = 4,
    IP6_NEXT = 6,
    IP6_HOPS = 7,
    IP6_SRC = 8,
    IP6_DST = 24,
    IP6_ADDR_LEN = 16
};
enum { IP6_MIN_MTU = 1280 };
enum {
    NEXT_HOP_BY_HOP = 0,
    NEXT_ROUTING = 43,
    NEXT_FRAGMENT = 44,
    NEXT_AUTH = 51,
    NEXT_ICMP6 = 58,
    NEXT_DEST = 60
};
enum { ICMP6_UNREACHABLE = 1, ICMP6_FIRST_INFO = 128, ICMP6_REDIRECT = 137 };

static bool is_unspecified(const uint8_t *addr)
{
    static const uint8_t zero[IP6_ADDR_LEN];
    return memcmp(addr, zero, IP6_ADDR_LEN) == 0;
}

/** Walk the extension headers: an error is allowed unless it would be about an error or a redirect, or nobody
 * can tell. */
static bool payload_may_be_answered(const uint8_t *packet, size_t total)
{
    uint8_t next = packet[IP6_NEXT];
    size_t at = IP6_LEN;
    for (;;) {
        if (next == NEXT_ICMP6)
            return at < total && packet[at] >= ICMP6_FIRST_INFO && packet[at] != ICMP6_REDIRECT;
        if (next != NEXT_HOP_BY_HOP && next != NEXT_ROUTING && next != NEXT_DEST && next != NEXT_FRAGMENT &&
            next != NEXT_AUTH)
            return true;
        if (total - at < 8)
            return false;
        const uint8_t *header = packet + at;
        size_t step = ((size_t)header[1] + 1) * 8;
        if (next == NEXT_AUTH)
            step = ((size_t)header[1] + 2) * 4;
        if (next == NEXT_FRAGMENT) {
            if (wire_get16(header + 2) & 0xfff8) /* no first fragment: the ICMPv6 type is elsewhere */
                return header[0] != NEXT_ICMP6;
            step = 8;
        }
        next = header[0];
        if (step > total - at)
            return false;
        at += step;
    }
}

size_t icmp6_make_unreachable(uint8_t *out, size_t cap, const uint8_t *packet, size_t len)
{
    if (len < IP6_LEN || packet[0] >> 4 != 6)
        return 0;
    const size_t total = IP6_LEN + (size_t)wire_get16(packet + IP6_PAYLOAD_LEN);
    const uint8_t *src = packet + IP6_SRC, *dst = packet + IP6_DST;
    if (total > len || src[0] == 0xff || dst[0] == 0xff || is_unspecified(src) || is_unspecified(dst) ||
        !payload_may_be_answered(packet, total))
        return 0;

    const size_t room = IP6_MIN_MTU - IP6_LEN - ICMP_HEADER_LEN;
    const size_t quoted = total < room ? total : room;
    const size_t icmp_len = ICMP_HEADER_LEN + quoted;
    if (IP6_LEN + icmp_len > cap)
        return 0;
    memset(out, 0, IP6_LEN + ICMP_HEADER_LEN);
    out[0] = 0x60;
    wire_put16(out + IP6_PAYLOAD_LEN, (uint16_t)icmp_len);
    out[IP6_NEXT] = NEXT_ICMP6;
    out[IP6_HOPS] = 64;
    memcpy(out + IP6_SRC, dst, IP6_ADDR_LEN);
    memcpy(out + IP6_DST, src, IP6_ADDR_LEN);
    uint8_t *icmp = out + IP6_LEN;
    icmp[0] = ICMP6_UNREACHABLE; /* code 0: no route to destination */
    memcpy(icmp + ICMP_HEADER_LEN, packet, quoted);
    /* RFC 8200 section 8.1: the pseudo-header is both addresses, the length and the next header. */
    const uint32_t pseudo = csum_sum(out + IP6_SRC, 2 * IP6_ADDR_LEN, (uint32_t)icmp_len + NEXT_ICMP6);
    wire_put16(icmp + ICMP_CHECK, (uint16_t)~csum_sum(icmp, icmp_len, pseudo));
    return IP6_LEN + icmp_len;
}
