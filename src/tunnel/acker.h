/*
 * tunnel/acker.h - when to acknowledge what arrived on a path
 *
 * Acknowledgements ride for nothing with data that goes back. Alone, each costs about 90 bytes on the wire and a wake-up of the phone, so they
 * wait until a share of what arrives was gathered: at most 5 ms, at least two packets, and no more than 64 KB. Pure.
 */
#ifndef TETHER_TUNNEL_ACKER_H
#define TETHER_TUNNEL_ACKER_H

#include <stdbool.h>
#include <stdint.h>

enum { ACKER_WAIT_US = 5000, ACKER_BYTES_MIN = 2 * 1500, ACKER_BYTES_MAX = 64 * 1024 };

struct acker {
    uint64_t received, acked; /**< bytes in all */
    uint64_t newest;          /**< datagrams: bytes the far end had sent with the newest one */
    uint64_t newest_us;       /**< when the newest arrived */
    uint64_t oldest_us;       /**< when the oldest unacknowledged one did */
    uint64_t rate;            /* bytes/s that arrive, roughly */
    uint64_t rate_us, rate_bytes;
};

void acker_on_data(struct acker *a, uint64_t bytes, uint64_t now_us);
/** A datagram. @param position bytes the far end had sent with it, modulo 2^32 */
void acker_on_datagram(struct acker *a, uint32_t position, uint64_t bytes, uint64_t now_us);
/** When an acknowledgement is due: 0 at once, UINT64_MAX never (nothing is unacknowledged). */
uint64_t acker_due_us(const struct acker *a);
/** An acknowledgement of everything goes out. */
void acker_sent(struct acker *a);

#endif
