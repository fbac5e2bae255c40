/*
 * packet/tcp.c - the RST that tells a TCP sender that nobody listens, and acknowledgements that say what a later one says too
 */
#include "packet/make.h"
#include "packet/wire.h"

#include <string.h>

size_t tcp_make_rst(uint8_t *out, size_t cap, const struct ip4_view *about)
{
    const size_t len = IP4_MIN_LEN + TCP_MIN_LEN;
    if (about->proto != IP_PROTO_TCP || about->l4_header_len < TCP_MIN_LEN || ip4_is_fragment(about) ||
        (about->tcp_flags & TCP_RST) || !ip4_may_answer(about) || cap < len)
        return 0;

    uint8_t *tcp = out + IP4_MIN_LEN;
    ip4_make_header(out, len, 0, IP_PROTO_TCP, about->dst, about->src);
    memset(tcp, 0, TCP_MIN_LEN);
    wire_put16(tcp, about->dst_port);
    wire_put16(tcp + 2, about->src_port);
    tcp[TCP_OFFSET] = (TCP_MIN_LEN / 4) << 4;
    /* RFC 9293 section 3.10.7.1: with an ACK, <SEQ=SEG.ACK><CTL=RST>; without,
     * <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. */
    if (about->tcp_flags & TCP_ACK) {
        memcpy(tcp + TCP_SEQ, about->l4 + TCP_ACKNO, 4);
        tcp[TCP_FLAGS] = TCP_RST;
    } else {
        uint32_t seg_len = (uint32_t)(about->l4_len - about->l4_header_len);
        seg_len += (about->tcp_flags & TCP_SYN) ? 1 : 0;
        seg_len += (about->tcp_flags & TCP_FIN) ? 1 : 0;
        wire_put32(tcp + TCP_ACKNO, wire_get32(about->l4 + TCP_SEQ) + seg_len);
        tcp[TCP_FLAGS] = TCP_RST | TCP_ACK;
    }
    const uint16_t pseudo = csum_pseudo(about->dst, about->src, IP_PROTO_TCP, TCP_MIN_LEN);
    wire_put16(tcp + TCP_CHECK, (uint16_t)~csum_sum(tcp, TCP_MIN_LEN, pseudo));
    return len;
}

enum { ACK_LEN = IP4_MIN_LEN + TCP_MIN_LEN, TIMESTAMPS_LEN = 12 };

/* As kernels write them: bare, or with timestamps. The byte of the data offset holds a flag as well (accurate ECN's), which must not be set. */
static bool only_acknowledges(const uint8_t *p, size_t len)
{
    static const uint8_t timestamps[] = {1, 1, 8, 10}; /* RFC 7323 appendix A */
    if ((len != ACK_LEN && len != ACK_LEN + TIMESTAMPS_LEN) || p[0] != 0x45 || wire_get16(p + IP4_TOTAL_LEN) != len ||
        (wire_get16(p + IP4_FRAG) & 0x3fff) != 0 || p[IP4_PROTO] != IP_PROTO_TCP)
        return false;
    const uint8_t *tcp = p + IP4_MIN_LEN;
    return tcp[TCP_OFFSET] == (len - IP4_MIN_LEN) / 4 << 4 && tcp[TCP_FLAGS] == TCP_ACK &&
           (len == ACK_LEN || memcmp(tcp + TCP_MIN_LEN, timestamps, sizeof timestamps) == 0);
}

uint32_t tcp_ack_supersedes(const uint8_t *older, size_t older_len, const uint8_t *newer, size_t newer_len)
{
    if (older_len != newer_len || !only_acknowledges(newer, newer_len) || !only_acknowledges(older, older_len))
        return 0;
    const uint8_t *a = older + IP4_MIN_LEN, *b = newer + IP4_MIN_LEN;
    const uint32_t more = wire_get32(b + TCP_ACKNO) - wire_get32(a + TCP_ACKNO);
    const bool alike = older[IP4_TOS] == newer[IP4_TOS] && memcmp(older + IP4_SRC, newer + IP4_SRC, 8) == 0 &&
                       memcmp(a, b, TCP_ACKNO) == 0; /* ports and sequence number */
    const bool shrinks = wire_get16(b + TCP_WINDOW) < wire_get16(a + TCP_WINDOW);
    const bool late = newer_len > ACK_LEN && wire_get32(b + TCP_MIN_LEN + 4) - wire_get32(a + TCP_MIN_LEN + 4) > INT32_MAX;
    return alike && !shrinks && !late && more <= INT32_MAX ? more : 0;
}
