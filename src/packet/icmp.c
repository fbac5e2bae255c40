/*
 * packet/icmp.c - ICMP errors about packets that go no further
 *
 * An error must never cause another error, nor be multiplied by a broadcast (RFC 1122 section 3.2.2);
 * everything else is quoting: senders find their socket by the header and the first bytes of what they sent.
 */
#include "packet/make.h"
#include "packet/wire.h"

#include <string.h>

enum { ICMP_ERROR_MAX = 576, ICMP_MTU = 6 };
/* RFC 1812 section 4.3.2.5: errors are sent with precedence 6, internetwork control. */
enum { TOS_INTERNET_CONTROL = 0xc0 };

/** Queries and their answers; whatever is unknown may be an error one day (Linux decides alike). */
static bool is_query(uint8_t type)
{
    return type == ICMP_ECHO || type == ICMP_ECHO_REPLY || type == 9 || type == 10 ||
           (type >= 13 && type <= 18);
}

size_t icmp_make_error(uint8_t *out, size_t cap, uint32_t src, uint8_t type, uint8_t code, uint16_t mtu,
                       const struct ip4_view *about)
{
    const size_t room = ICMP_ERROR_MAX - IP4_MIN_LEN - ICMP_HEADER_LEN;
    const size_t quoted = about->len < room ? about->len : room;
    const size_t len = IP4_MIN_LEN + ICMP_HEADER_LEN + quoted;
    if (about->frag_off != 0 || !ip4_may_answer(about) || len > cap)
        return 0;
    if (about->proto == IP_PROTO_ICMP && !is_query(about->icmp_type))
        return 0;

    ip4_make_header(out, len, TOS_INTERNET_CONTROL, IP_PROTO_ICMP, src, about->src);
    uint8_t *icmp = out + IP4_MIN_LEN;
    memset(icmp, 0, ICMP_HEADER_LEN);
    icmp[0] = type;
    icmp[1] = code;
    if (type == ICMP_UNREACHABLE && code == ICMP_NEED_FRAG)
        wire_put16(icmp + ICMP_MTU, mtu);
    memcpy(icmp + ICMP_HEADER_LEN, about->ip, quoted);
    wire_put16(icmp + ICMP_CHECK, (uint16_t)~csum_sum(icmp, ICMP_HEADER_LEN + quoted, 0));
    return len;
}
