/*
 * io/plain.h - the wire form without a key: one message is one packet
 *
 * A binary message is the packet, a text message its base64 (RFC 4648), which peers older than binary messages speak, some of them with line
 * breaks. Answers go out in the form heard last, binary until then. What is no packet is nothing to forward: it is dropped, and no reason
 * to end.
 */
#ifndef TETHER_IO_PLAIN_H
#define TETHER_IO_PLAIN_H

#include <stdbool.h>

#include "base/span.h"
#include "io/ws.h"

struct plain;

/** @return NULL without memory */
struct plain *plain_new(void);
/** NULL is fine. */
void plain_free(struct plain *plain);
/**
 * A piece of a message came.
 *
 * @param fin it is the message's last @param ret_packet mutable, borrowed until the next call
 * @return bytes of the packet that is whole now; 0: there is none; -EMSGSIZE: the message is longer than any packet's
 */
int plain_receive(struct plain *plain, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin, uint8_t **ret_packet);
/** The message for a packet. @param len at most 65535 @return borrowed: the packet itself, or its base64 until the next call */
struct span plain_message(struct plain *plain, const uint8_t *packet, size_t len, enum ws_opcode *ret_opcode);

#endif
