/*
 * base/pbuf.h - packet buffers with headroom, from a bounded pool
 *
 * A buffer is taken when a packet is read and given back when it was sent; freed buffers are kept in lists (for what is little: acknowledgements,
 * calls, names; for packets of a usual link; for the largest), so that nothing is allocated per packet once traffic flows. The
 * headroom lets a frame header be put in front without moving the packet.
 */
#ifndef TETHER_BASE_PBUF_H
#define TETHER_BASE_PBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/offload.h"

enum { PBUF_HEADROOM = 64, PBUF_TINY = 256, PBUF_SMALL = 2048, PBUF_LARGE = 66048 };

struct pbuf {
    struct pbuf *next; /**< for the list that holds it */
    uint32_t cap;      /**< bytes at data, without headroom */
    uint32_t len;
    uint64_t time_us;  /**< when it was queued; the queue's */
    struct offload offload; /**< of a packet; none after pbuf_get() */
    uint8_t *data;     /**< PBUF_HEADROOM bytes in front of it are free too */
};

struct pbuf_pool;

/** @param max_bytes of memory lent at one time; beyond it pbuf_get() gives NULL */
int pbuf_pool_new(size_t max_bytes, struct pbuf_pool **ret_pool);
/** All buffers must be back; NULL is fine. */
void pbuf_pool_free(struct pbuf_pool *pool);
/** A buffer for at least `cap` bytes (at most PBUF_LARGE), len 0; NULL when the pool is used up. */
struct pbuf *pbuf_get(struct pbuf_pool *pool, size_t cap);
/** Give back; NULL is fine. */
void pbuf_put(struct pbuf_pool *pool, struct pbuf *b);
/** Bytes lent now. */
size_t pbuf_pool_lent(const struct pbuf_pool *pool);

#endif
