/*
 * packet/csum.c - the internet checksum: whole (RFC 1071) and after a change (RFC 1624)
 *
 * The sum of 16-bit words modulo 65535 does not care how wide the words are that are added, as long as no
 * carry is lost, nor in which byte order they are read, as long as the result is swapped in the end (RFC 1071
 * section 2). So the bulk is read as vectors of 64-bit lanes whose 32-bit halves are added into 64-bit sums,
 * which cannot overflow below 16 GB. Every captured packet with a partial checksum passes through here in
 * full: this loop is on the data path.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <arpa/inet.h>
#include <string.h>

/* GCC's and clang's portable vectors: SSE2 or NEON registers where there are any, plain 64-bit arithmetic
 * elsewhere. */
typedef uint64_t lanes __attribute__((vector_size(32)));
enum { LANES = sizeof(lanes) / sizeof(uint64_t) };

static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/** Add the leading multiple of 64 bytes in the machine's byte order. */
static uint64_t sum_blocks(const uint8_t *data, size_t blocks)
{
    lanes low = {0}, high = {0};
    for (; blocks > 0; blocks--, data += 2 * sizeof(lanes)) {
        lanes a, b;
        memcpy(&a, data, sizeof(a));
        memcpy(&b, data + sizeof(a), sizeof(b));
        low += (a & 0xffffffff) + (b & 0xffffffff);
        high += (a >> 32) + (b >> 32);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < LANES; i++)
        sum += low[i] + high[i];
    return sum;
}

uint16_t csum_sum(const uint8_t *data, size_t len, uint32_t start)
{
    const size_t blocks = len / (2 * sizeof(lanes));
    uint64_t sum = blocks ? sum_blocks(data, blocks) : 0;
    data += blocks * 2 * sizeof(lanes);
    len -= blocks * 2 * sizeof(lanes);

    for (; len >= 4; len -= 4, data += 4) {
        uint32_t word;
        memcpy(&word, data, sizeof(word));
        sum += word;
    }
    uint8_t tail[4] = {0}; /* an odd last byte counts as the high half of a word: zeros follow it */
    for (size_t i = 0; i < len; i++)
        tail[i] = data[i];
    uint32_t word;
    memcpy(&word, tail, sizeof(word));
    sum += word;
    return fold((uint64_t)ntohs(fold(sum)) + start);
}

uint16_t csum_pseudo(uint32_t src, uint32_t dst, uint8_t proto, size_t l4_len)
{
    return fold((uint64_t)src + dst + proto + l4_len);
}

uint16_t csum_update16(uint16_t check, uint16_t old_word, uint16_t new_word)
{
    return (uint16_t)~fold((uint64_t)(uint16_t)~check + (uint16_t)~old_word + new_word);
}

uint16_t csum_update32(uint16_t check, uint32_t old_word, uint32_t new_word)
{
    return (uint16_t)~fold((uint64_t)(uint16_t)~check + (uint32_t)~old_word + new_word);
}

void ip4_set_header_csum(uint8_t *ip, size_t header_len)
{
    wire_put16(ip + IP4_CHECK, 0);
    wire_put16(ip + IP4_CHECK, (uint16_t)~csum_sum(ip, header_len, 0));
}

/** Where the transport checksum stands, or 0 (never its place) when there is none: other protocols, pieces,
 * quotations. */
static size_t check_offset(const struct ip4_view *v)
{
    size_t at = 0;
    if (v->proto == IP_PROTO_TCP)
        at = TCP_CHECK;
    else if (v->proto == IP_PROTO_UDP)
        at = UDP_CHECK;
    else if (v->proto == IP_PROTO_ICMP)
        at = ICMP_CHECK;
    return ip4_is_fragment(v) || at + 2 > v->l4_len ? 0 : at;
}

/** The sum with which the transport's own starts: ICMP has no pseudo-header. */
static uint16_t pseudo_of(const struct ip4_view *v)
{
    return v->proto == IP_PROTO_ICMP ? 0 : csum_pseudo(v->src, v->dst, v->proto, v->l4_len);
}

void ip4_set_l4_csum(struct ip4_view *v)
{
    const size_t at = check_offset(v);
    if (at == 0)
        return;
    wire_put16(v->l4 + at, 0);
    uint16_t check = (uint16_t)~csum_sum(v->l4, v->l4_len, pseudo_of(v));
    if (check == 0 && v->proto == IP_PROTO_UDP)
        check = 0xffff; /* RFC 768: 0 means that there is none */
    wire_put16(v->l4 + at, check);
    v->partial = false;
}

bool ip4_l4_csum_ok(const struct ip4_view *v)
{
    const size_t at = check_offset(v);
    if (at == 0 || v->partial)
        return true;
    if (v->proto == IP_PROTO_UDP && wire_get16(v->l4 + at) == 0)
        return true;
    return csum_sum(v->l4, v->l4_len, pseudo_of(v)) == 0xffff;
}

bool ip4_l4_csum_partial(const struct ip4_view *v)
{
    const size_t at = check_offset(v);
    return at != 0 && v->proto != IP_PROTO_ICMP && wire_get16(v->l4 + at) == pseudo_of(v);
}
