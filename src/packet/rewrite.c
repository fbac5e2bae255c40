/*
 * packet/rewrite.c - changing addresses, ports, TTL, MSS and options of a packet in place
 *
 * Each change mends the checksums that cover it by the difference alone (RFC 1624 equation 3), so a packet
 * that arrived damaged leaves damaged and its receiver notices. All functions also take views of packets
 * quoted in ICMP errors, where the transport checksum may lie behind the end: what is out of reach stays
 * unmended, nobody checks it there.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

enum { OPT_END = 0, OPT_NOP = 1 };
enum { IP_OPT_RECORD_ROUTE = 7, IP_OPT_TIMESTAMP = 68, IP_OPT_LOOSE_ROUTE = 131, IP_OPT_STRICT_ROUTE = 137 };
enum { TCP_OPT_MSS = 2, TCP_OPT_MSS_LEN = 4 };

/** The transport checksum, or NULL when this packet or quotation does not hold it. */
static uint8_t *check_field(const struct ip4_view *v)
{
    size_t at;
    if (v->frag_off != 0)
        return NULL;
    if (v->proto == IP_PROTO_TCP)
        at = TCP_CHECK;
    else if (v->proto == IP_PROTO_UDP)
        at = UDP_CHECK;
    else if (v->proto == IP_PROTO_ICMP)
        at = ICMP_CHECK;
    else
        return NULL;
    return at + 2 <= v->l4_len ? v->l4 + at : NULL;
}

/** Mend the transport checksum after old_word became new_word; 16-bit words come with a high half of zeros.
 */
static void mend_l4(const struct ip4_view *v, uint32_t old_word, uint32_t new_word)
{
    uint8_t *field = check_field(v);
    if (!field)
        return;
    uint16_t check = wire_get16(field);
    const bool udp = v->proto == IP_PROTO_UDP;
    if (v->partial) /* ports and options are not in it yet */
        return;
    if (udp && check == 0)
        return; /* the sender made none */
    check = csum_update32(check, old_word, new_word);
    if (udp && check == 0)
        check = 0xffff;
    wire_put16(field, check);
    /* An echo reply may be zeros throughout, the one message whose sum is 0 rather than 0xffff (RFC 1624
     * section 3). */
    if (check == 0 && v->proto == IP_PROTO_ICMP && csum_sum(v->l4, v->l4_len, 0) == 0)
        wire_put16(field, 0xffff);
}

/** A partial checksum after an address changed: it is a sum, not its complement (and over the pseudo-header only). */
static void mend_partial(const struct ip4_view *v, uint32_t old_addr, uint32_t new_addr)
{
    uint8_t *field = check_field(v);
    if (field)
        wire_put16(field, (uint16_t)~csum_update32((uint16_t)~wire_get16(field), old_addr, new_addr));
}

static void set_addr(struct ip4_view *v, size_t at, uint32_t addr)
{
    uint8_t *field = v->ip + at;
    const uint32_t old = wire_get32(field);
    if (old == addr)
        return;
    wire_put32(field, addr);
    uint8_t *check = v->ip + IP4_CHECK;
    wire_put16(check, csum_update32(wire_get16(check), old, addr));
    if (v->partial)
        mend_partial(v, old, addr);
    else if (v->proto != IP_PROTO_ICMP) /* no pseudo-header there */
        mend_l4(v, old, addr);
}

void ip4_set_src(struct ip4_view *v, uint32_t addr)
{
    set_addr(v, IP4_SRC, addr);
    v->src = addr;
}

void ip4_set_dst(struct ip4_view *v, uint32_t addr)
{
    set_addr(v, IP4_DST, addr);
    v->dst = addr;
}

static void set_word(const struct ip4_view *v, size_t at, uint16_t value)
{
    uint8_t *field = v->l4 + at;
    const uint16_t old = wire_get16(field);
    if (old == value)
        return;
    wire_put16(field, value);
    mend_l4(v, old, value);
}

static bool set_echo_id(struct ip4_view *v, uint16_t id)
{
    if (v->proto != IP_PROTO_ICMP)
        return false;
    if (v->frag_off == 0 && (v->icmp_type == ICMP_ECHO || v->icmp_type == ICMP_ECHO_REPLY)) {
        set_word(v, ICMP_IDENT, id);
        v->src_port = v->dst_port = id;
    }
    return true;
}

static bool has_ports(const struct ip4_view *v)
{
    return v->frag_off == 0 && (v->proto == IP_PROTO_TCP || v->proto == IP_PROTO_UDP);
}

void ip4_set_src_port(struct ip4_view *v, uint16_t port)
{
    if (set_echo_id(v, port) || !has_ports(v))
        return;
    set_word(v, 0, port);
    v->src_port = port;
}

void ip4_set_dst_port(struct ip4_view *v, uint16_t port)
{
    if (set_echo_id(v, port) || !has_ports(v))
        return;
    set_word(v, 2, port);
    v->dst_port = port;
}

void ip4_set_id(struct ip4_view *v, uint16_t id)
{
    const uint16_t old = wire_get16(v->ip + IP4_ID);
    uint8_t *check = v->ip + IP4_CHECK;
    wire_put16(v->ip + IP4_ID, id);
    wire_put16(check, csum_update16(wire_get16(check), old, id));
}

bool ip4_dec_ttl(struct ip4_view *v)
{
    if (v->ttl <= 1)
        return false;
    const uint16_t old = wire_get16(v->ip + IP4_TTL); /* the word is TTL and protocol */
    const uint16_t now = (uint16_t)(old - 0x0100);
    wire_put16(v->ip + IP4_TTL, now);
    uint8_t *check = v->ip + IP4_CHECK;
    wire_put16(check, csum_update16(wire_get16(check), old, now));
    v->ttl--;
    return true;
}

/**
 * Step over one IPv4 or TCP option; both are coded alike.
 *
 * @return its length, or 0 at the end of the list and where the list is malformed
 */
static size_t option_len(const uint8_t *options, size_t at, size_t len)
{
    if (at >= len || options[at] == OPT_END)
        return 0;
    if (options[at] == OPT_NOP)
        return 1;
    if (at + 2 > len || options[at + 1] < 2 || options[at + 1] > len - at)
        return 0;
    return options[at + 1];
}

bool tcp_clamp_mss(struct ip4_view *v, uint16_t mss)
{
    if (v->proto != IP_PROTO_TCP || v->frag_off != 0 || !(v->tcp_flags & TCP_SYN))
        return false;
    const uint8_t *options = v->l4 + TCP_MIN_LEN;
    const size_t len = v->l4_header_len > TCP_MIN_LEN ? v->l4_header_len - TCP_MIN_LEN : 0;
    size_t step;
    for (size_t at = 0; (step = option_len(options, at, len)) != 0; at += step) {
        if (options[at] != TCP_OPT_MSS || step != TCP_OPT_MSS_LEN)
            continue;
        uint8_t *field = v->l4 + TCP_MIN_LEN + at + 2;
        const uint16_t old = wire_get16(field);
        if (old <= mss)
            return false;
        wire_put16(field, mss);
        if (at % 2 == 0)
            mend_l4(v, old, mss);
        else /* it straddles two words of the sum, which is the sum of the swapped ones (RFC 1071 section 2)
              */
            mend_l4(v, (uint16_t)(old << 8 | old >> 8), (uint16_t)(mss << 8 | mss >> 8));
        return true;
    }
    return false;
}

/** True when the option list can be walked to its end and routes nothing. */
static bool options_acceptable(const uint8_t *options, size_t len)
{
    size_t at = 0, step;
    for (; (step = option_len(options, at, len)) != 0; at += step)
        if (options[at] == IP_OPT_LOOSE_ROUTE || options[at] == IP_OPT_STRICT_ROUTE)
            return false;
    return at >= len || options[at] == OPT_END;
}

bool ip4_blank_options(struct ip4_view *v)
{
    uint8_t *options = v->ip + IP4_MIN_LEN;
    const size_t len = v->header_len - IP4_MIN_LEN;
    if (!options_acceptable(options, len))
        return false; /* unchanged, so that an ICMP error can quote it */
    bool changed = false;
    size_t step;
    for (size_t at = 0; (step = option_len(options, at, len)) != 0; at += step) {
        if (options[at] != IP_OPT_RECORD_ROUTE && options[at] != IP_OPT_TIMESTAMP)
            continue;
        memset(options + at, OPT_NOP, step);
        changed = true;
    }
    if (changed)
        ip4_set_header_csum(v->ip, v->header_len);
    return true;
}
