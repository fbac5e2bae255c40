/*
 * packet/wire.h - network byte order in and out of unaligned bytes
 *
 * Packets lie at any address, so every access goes through memcpy or single bytes; compilers make one load
 * and a swap of it.
 */
#ifndef TETHER_PACKET_WIRE_H
#define TETHER_PACKET_WIRE_H

#include <stdint.h>

static inline uint16_t wire_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void wire_put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void wire_put32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

/* Where the fields of the IPv4 header stand (RFC 791 section 3.1) ... */
enum {
    IP4_TOS = 1,
    IP4_TOTAL_LEN = 2,
    IP4_ID = 4,
    IP4_FRAG = 6,
    IP4_TTL = 8,
    IP4_PROTO = 9,
    IP4_CHECK = 10,
    IP4_SRC = 12,
    IP4_DST = 16
};
/* ... its flags beside the fragment offset, ... */
enum { IP4_DF = 0x4000, IP4_MF = 0x2000, IP4_OFFSET_MASK = 0x1fff };
/* ... and those of what it carries. */
enum { TCP_SEQ = 4, TCP_ACKNO = 8, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_CHECK = 16, TCP_MIN_LEN = 20 };
enum { UDP_LENGTH = 4, UDP_CHECK = 6, UDP_HEADER_LEN = 8 };
enum { ICMP_CHECK = 2, ICMP_IDENT = 4, ICMP_HEADER_LEN = 8 };

#endif
