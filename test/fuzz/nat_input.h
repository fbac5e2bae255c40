/*
 * test/fuzz/nat_input.h - any bytes as packets for a NAT that has a few flows
 *
 * Input: records of a flag byte, two bytes of length and the packet. Flags: 1 mend the checksums first, since mutation hardly ever hits
 * a right one; 2 mend the total length too; 4 the quoted packet's header as well; 8 let a second pass; 16.. choose the session.
 */
#ifndef TETHER_TEST_FUZZ_NAT_INPUT_H
#define TETHER_TEST_FUZZ_NAT_INPUT_H

#include "fuzz.h"
#include "tether/nat.h"

#include "build.h"

enum { INPUT_MEND = 1, INPUT_LENGTH = 2, INPUT_QUOTED = 4, INPUT_WAIT = 8 };
enum { INPUT_SESSIONS = 2, INPUT_MAX_FLOWS = 16 };
#define INPUT_EXTERNAL 0xc6336401u
#define INPUT_INSIDE 0x0a000001u
#define INPUT_REMOTE 0xc0000250u

struct nat_input {
    struct nat *nat;
    uint64_t now_ms;
};

/** One TCP, UDP and echo flow per session from INSIDE:5000 to REMOTE:80; with one port per flow the external ones are known. */
static inline void nat_input_open(struct nat_input *n)
{
    struct nat_config config;
    nat_config_defaults(&config, INPUT_EXTERNAL);
    config.port_lo = 61000;
    config.port_hi = 61000 + INPUT_SESSIONS + 1;
    config.max_flows = INPUT_MAX_FLOWS;
    config.port_rest_ms = 1000;
    n->now_ms = 1000;
    FUZZ_CHECK(nat_new(&config, &n->nat) == 0);
    static const uint8_t protos[] = {6, 17, 1};
    for (uint32_t session = 1; session <= INPUT_SESSIONS; session++)
        for (int i = 0; i < 3; i++) {
            uint8_t packet[64];
            struct nat_result r;
            struct build b = {.proto = protos[i], .src = INPUT_INSIDE, .dst = INPUT_REMOTE, .src_port = 5000, .dst_port = 80,
                              .flags = TCP_SYN, .icmp_type = ICMP_ECHO, .icmp_id = 5000};
            size_t len = build_packet(packet, &b);
            nat_in2out(n->nat, session, packet, len, NULL, n->now_ms, &r);
            FUZZ_CHECK(r.verdict == NAT_FORWARD);
        }
}

static inline void nat_input_mend_header(uint8_t *p, size_t len)
{
    if (len < 20 || build_header_len(p) < 20 || build_header_len(p) > len)
        return;
    build_put16(p + 10, 0);
    build_put16(p + 10, (uint16_t)~build_sum(p, build_header_len(p), 0));
}

static inline void nat_input_mend(uint8_t *p, size_t len, uint8_t flags)
{
    if (len < 20 || build_header_len(p) < 20 || build_header_len(p) > len)
        return;
    if (flags & INPUT_LENGTH)
        build_put16(p + 2, (uint32_t)len);
    const size_t hl = build_header_len(p);
    if ((flags & INPUT_QUOTED) && p[9] == 1 && len > hl + 8)
        nat_input_mend_header(p + hl + 8, len - hl - 8);
    nat_input_mend_header(p, len);
    if (p[9] == 1 && build_get16(p + 2) == len && len >= hl + 8) {
        build_put16(p + hl + 2, 0);
        build_put16(p + hl + 2, (uint16_t)~build_sum(p + hl, len - hl, 0));
    }
}

/** Next packet, a heap block of exactly its length, to be freed. @return NULL at the end */
static inline uint8_t *nat_input_next(struct nat_input *n, struct fuzz_input *in, uint8_t *ret_flags, size_t *ret_len)
{
    const uint8_t *bytes;
    if (in->size < 3)
        return NULL;
    *ret_flags = fuzz_u8(in);
    *ret_len = fuzz_take(in, fuzz_u16(in), &bytes);
    if (*ret_flags & INPUT_WAIT)
        n->now_ms += 1000;
    uint8_t *packet = fuzz_copy(bytes, *ret_len);
    if (*ret_flags & INPUT_MEND)
        nat_input_mend(packet, *ret_len, *ret_flags);
    return packet;
}

/** A result's bytes are a packet of that length with a right header checksum. */
static inline void nat_input_check(const struct nat_input *n, const struct nat_result *r)
{
    FUZZ_CHECK(nat_stats(n->nat)->flows <= INPUT_MAX_FLOWS);
    FUZZ_CHECK((r->verdict == NAT_DROP || r->verdict == NAT_REPLY) == (r->reason != DROP_NONE));
    if (r->verdict == NAT_DROP || r->verdict == NAT_HELD)
        return;
    FUZZ_CHECK(r->len >= 20 && r->len == build_get16(r->packet + 2));
    FUZZ_CHECK(build_sum(r->packet, build_header_len(r->packet), 0) == 0xffff);
}

/** Whether the transport checksum of a parsed packet is right; true where there is none to judge. */
static inline bool nat_input_valid(uint8_t *packet, size_t len)
{
    struct ip4_view v;
    return ip4_parse(packet, len, &v) == DROP_NONE && !ip4_is_fragment(&v) && ip4_l4_csum_ok(&v);
}

#endif
