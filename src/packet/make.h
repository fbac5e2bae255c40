/*
 * packet/make.h - what the makers of new packets share
 */
#ifndef TETHER_PACKET_MAKE_H
#define TETHER_PACKET_MAKE_H

#include "tether/packet.h"

/** Write a 20-byte IPv4 header: DF, TTL 64, no options, checksum complete. @param len total length in bytes
 */
void ip4_make_header(uint8_t *out, size_t len, uint8_t tos, uint8_t proto, uint32_t src, uint32_t dst);
/** True when both addresses may each be one host's, so that an answer goes to one place (RFC 1122
 * section 3.2.2). */
bool ip4_may_answer(const struct ip4_view *about);

#endif
