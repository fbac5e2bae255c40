/*
 * packet/fragment.c - cutting any IPv4 packet without DF to a link's size (RFC 791 section 3.2)
 *
 * The first piece keeps the header with all options. Later ones get a header with only those options whose
 * copied flag is set, which is made once and may be shorter.
 */
#include "packet/wire.h"
#include "tether/packet.h"

#include <string.h>

enum { OPT_END = 0, OPT_NOP = 1, OPT_COPIED = 0x80, IP4_MAX_HEADER_LEN = 60 };

/** Make the header of the later fragments. @param out of IP4_MAX_HEADER_LEN bytes @return its length */
static size_t make_later_header(const struct ip4_view *v, uint8_t *out)
{
    size_t len = IP4_MIN_LEN;
    memcpy(out, v->ip, IP4_MIN_LEN);
    for (size_t at = IP4_MIN_LEN; at < v->header_len;) {
        const uint8_t *option = v->ip + at;
        if (option[0] == OPT_END)
            break;
        if (option[0] == OPT_NOP) {
            at++;
            continue;
        }
        if (v->header_len - at < 2 || option[1] < 2 || option[1] > v->header_len - at)
            break; /* malformed: what follows means nothing */
        if (option[0] & OPT_COPIED) {
            memcpy(out + len, option, option[1]);
            len += option[1];
        }
        at += option[1];
    }
    while (len % 4 != 0)
        out[len++] = OPT_END;
    out[0] = (uint8_t)(0x40 | len / 4);
    return len;
}

size_t ip4_fragment(const struct ip4_view *v, size_t mtu, uint8_t *scratch, size_t cap, packet_cb cb,
                    void *ctx)
{
    if (v->len <= mtu) {
        cb(ctx, v->ip, v->len);
        return 1;
    }
    uint8_t later[IP4_MAX_HEADER_LEN];
    const size_t later_len = make_later_header(v, later);
    if (v->dont_frag || cap < mtu || mtu < v->header_len + 8) /* later headers are never longer */
        return 0;

    const uint8_t *header = v->ip;
    size_t header_len = v->header_len;
    const size_t payload =
        v->len - v->header_len; /* not l4_len: a UDP surplus area belongs to the datagram */
    size_t count = 0;
    for (size_t at = 0; at < payload; count++) {
        const bool last = header_len + payload - at <= mtu;
        const size_t piece = last ? payload - at : (mtu - header_len) / 8 * 8;
        memcpy(scratch, header, header_len);
        memcpy(scratch + header_len, v->l4 + at, piece);
        wire_put16(scratch + IP4_TOTAL_LEN, (uint16_t)(header_len + piece));
        const uint16_t more = !last || v->more_frags ? IP4_MF : 0;
        wire_put16(scratch + IP4_FRAG, (uint16_t)(more | (v->frag_off + at) / 8));
        ip4_set_header_csum(scratch, header_len);
        cb(ctx, scratch, header_len + piece);
        at += piece;
        header = later;
        header_len = later_len;
    }
    return count;
}
