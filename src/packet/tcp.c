/*
 * packet/tcp.c - the RST that tells a TCP sender that nobody listens
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
