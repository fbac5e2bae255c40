/*
 * test/unit/build.h - packets for tests, made and checked by a second, naive hand
 *
 * Nothing here uses the code under test: checksums are added byte by byte, so a mistake in src/packet cannot
 * confirm itself.
 *
 *     uint8_t packet[IP4_MAX_LEN];
 *     size_t len = build_packet(packet, &(struct build){.proto = 17, .src_port = 1234, .dst_port = 53,
 * .payload_len = 20});
 */
#ifndef TETHER_TEST_BUILD_H
#define TETHER_TEST_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What is 0 gets a usable default where one is named. */
struct build {
    uint8_t proto;     /* 6, 17, 1; anything else carries the payload alone */
    uint32_t src, dst; /* 10.0.0.1, 192.0.2.80 */
    uint8_t ttl;       /* 64 */
    uint8_t tos;
    uint16_t id;
    uint16_t frag; /* the whole word: 0x4000 DF, 0x2000 MF, offset in 8 bytes; with an offset there is no
                      transport header */
    const uint8_t *ip_options;
    size_t ip_options_len; /* multiple of 4 */
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t flags; /* TCP */
    const uint8_t *tcp_options;
    size_t tcp_options_len; /* multiple of 4 */
    uint8_t icmp_type, icmp_code;
    uint16_t icmp_id, icmp_seq;
    const uint8_t *payload; /* NULL: a pattern that depends on the position */
    size_t payload_len;
    bool no_csum;      /* UDP: 0 */
    bool partial_csum; /* TCP, UDP: only the pseudo-header's sum, as Linux leaves it to a NIC */
};

static inline uint16_t build_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t build_get32(const uint8_t *p)
{
    return (uint32_t)build_get16(p) << 16 | build_get16(p + 2);
}

static inline void build_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void build_put32(uint8_t *p, uint32_t v)
{
    build_put16(p, v >> 16);
    build_put16(p + 2, v);
}

/** The checksum's sum (RFC 1071), as slow and plain as can be; folded, not complemented. */
static inline uint16_t build_sum(const uint8_t *data, size_t len, uint64_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static inline size_t build_header_len(const uint8_t *packet)
{
    return (size_t)(packet[0] & 15) * 4;
}

/** Length the transport checksum covers. */
static inline size_t build_l4_len(const uint8_t *packet)
{
    const size_t hl = build_header_len(packet);
    return packet[9] == 17 ? build_get16(packet + hl + 4) : build_get16(packet + 2) - hl;
}

static inline uint16_t build_pseudo(const uint8_t *packet)
{
    return packet[9] == 1 ? 0 : build_sum(packet + 12, 8, (uint64_t)packet[9] + build_l4_len(packet));
}

static inline uint8_t *build_check_field(uint8_t *packet)
{
    static const uint8_t at[18] = {[1] = 2, [6] = 16, [17] = 6};
    const uint8_t proto = packet[9];
    return proto < sizeof(at) && at[proto] ? packet + build_header_len(packet) + at[proto] : NULL;
}

/** Write both checksums of a packet that was changed by hand; the transport's not in fragments. */
static inline void build_fix(uint8_t *packet)
{
    build_put16(packet + 10, 0);
    build_put16(packet + 10, (uint16_t)~build_sum(packet, build_header_len(packet), 0));
    uint8_t *check = build_check_field(packet);
    if (!check || (build_get16(packet + 6) & 0x3fff))
        return;
    build_put16(check, 0);
    uint16_t sum =
        (uint16_t)~build_sum(packet + build_header_len(packet), build_l4_len(packet), build_pseudo(packet));
    build_put16(check, sum == 0 && packet[9] == 17 ? 0xffff : sum);
}

/** True when both checksums are right (the transport's: in whole packets). */
static inline bool build_valid(const uint8_t *packet)
{
    if (build_sum(packet, build_header_len(packet), 0) != 0xffff)
        return false;
    const uint8_t *check = build_check_field((uint8_t *)(uintptr_t)packet);
    if (!check || (build_get16(packet + 6) & 0x3fff) || (packet[9] == 17 && build_get16(check) == 0))
        return true;
    return build_sum(packet + build_header_len(packet), build_l4_len(packet), build_pseudo(packet)) == 0xffff;
}

/** The same for a packet whose checksum may be unfinished: the plain sum of the pseudo-header then. */
static inline bool build_right(const uint8_t *packet, bool partial)
{
    if (!partial)
        return build_valid(packet);
    return build_sum(packet, build_header_len(packet), 0) == 0xffff &&
           build_get16(build_check_field((uint8_t *)(uintptr_t)packet)) == build_pseudo(packet);
}

/** Write the transport header. @return its length */
static inline size_t build_transport(uint8_t *l4, const struct build *b)
{
    if (b->frag & 0x1fff)
        return 0;
    if (b->proto == 6) {
        memset(l4, 0, 20);
        build_put32(l4 + 4, b->seq);
        build_put32(l4 + 8, b->ack);
        l4[12] = (uint8_t)((20 + b->tcp_options_len) / 4 << 4);
        l4[13] = b->flags;
        build_put16(l4 + 14, 0xfaf0);
        if (b->tcp_options_len)
            memcpy(l4 + 20, b->tcp_options, b->tcp_options_len);
    } else if (b->proto == 17) {
        build_put16(l4 + 4, (uint32_t)(8 + b->payload_len));
        build_put16(l4 + 6, 0);
    } else if (b->proto == 1) {
        l4[0] = b->icmp_type;
        l4[1] = b->icmp_code;
        build_put16(l4 + 2, 0);
        build_put16(l4 + 4, b->icmp_id);
        build_put16(l4 + 6, b->icmp_seq);
        return 8;
    } else {
        return 0;
    }
    build_put16(l4, b->src_port);
    build_put16(l4 + 2, b->dst_port);
    return b->proto == 6 ? 20 + b->tcp_options_len : 8;
}

/**
 * Write a packet with right checksums (but see no_csum, partial_csum); of a first fragment the transport's
 * stays 0.
 *
 * @param out large enough: 120 + payload_len @return its length
 */
static inline size_t build_packet(uint8_t *out, const struct build *b)
{
    const size_t header_len = 20 + b->ip_options_len;
    const size_t l4_header_len = build_transport(out + header_len, b);
    const size_t len = header_len + l4_header_len + b->payload_len;
    out[0] = (uint8_t)(0x40 | header_len / 4);
    out[1] = b->tos;
    build_put16(out + 2, (uint32_t)len);
    build_put16(out + 4, b->id);
    build_put16(out + 6, b->frag);
    out[8] = b->ttl ? b->ttl : 64;
    out[9] = b->proto;
    build_put32(out + 12, b->src ? b->src : 0x0a000001);
    build_put32(out + 16, b->dst ? b->dst : 0xc0000250);
    if (b->ip_options_len)
        memcpy(out + 20, b->ip_options, b->ip_options_len);
    for (size_t i = 0; i < b->payload_len; i++)
        out[header_len + l4_header_len + i] = b->payload ? b->payload[i] : (uint8_t)(i * 7 + i / 251);
    build_fix(out);
    if (b->proto == 17 && b->no_csum)
        build_put16(build_check_field(out), 0);
    if (b->partial_csum)
        build_put16(build_check_field(out), build_pseudo(out));
    return len;
}

/** xorshift64*: the same numbers on every run. @param state not 0 */
static inline uint32_t build_rand(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545f4914f6cdd1dULL) >> 32);
}

static inline void build_rand_bytes(uint64_t *state, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)build_rand(state);
}

/** A random whole TCP, UDP or ICMP echo packet with right checksums; out holds at least max_payload + 120
 * bytes. */
static inline size_t build_random(uint64_t *state, uint8_t *out, size_t max_payload)
{
    static const uint8_t protos[] = {6, 17, 1};
    uint8_t options[40] = {1, 1, 1, 1};
    memset(options, 1, sizeof(options)); /* no-operations */
    uint8_t *payload = malloc(max_payload + 1);
    if (!payload)
        abort();
    build_rand_bytes(state, payload, max_payload);
    const struct build b = {
        .proto = protos[build_rand(state) % 3],
        .src = build_rand(state),
        .dst = build_rand(state),
        .ttl = (uint8_t)build_rand(state),
        .tos = (uint8_t)build_rand(state),
        .id = (uint16_t)build_rand(state),
        .ip_options = options,
        .ip_options_len = build_rand(state) % 4 ? 0 : build_rand(state) % 11 * 4,
        .src_port = (uint16_t)build_rand(state),
        .dst_port = (uint16_t)build_rand(state),
        .seq = build_rand(state),
        .ack = build_rand(state),
        .flags = (uint8_t)build_rand(state),
        .tcp_options = options,
        .tcp_options_len = build_rand(state) % 11 * 4,
        .icmp_type = build_rand(state) % 2 ? 8 : 0,
        .icmp_id = (uint16_t)build_rand(state),
        .payload = payload,
        .payload_len = build_rand(state) % (max_payload + 1),
        .no_csum = build_rand(state) % 8 == 0,
    };
    const size_t len = build_packet(out, &b);
    free(payload);
    return len;
}

#endif
