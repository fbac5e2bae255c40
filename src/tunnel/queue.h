/*
 * tunnel/queue.h - packets waiting at the tunnel's entry
 *
 * First in, first out, bounded in bytes and in age: a packet that waited longer than its sender's patience is dropped from the
 * head, so a path that comes back carries fresh packets. Full: the new packet is refused.
 */
#ifndef TETHER_TUNNEL_QUEUE_H
#define TETHER_TUNNEL_QUEUE_H

#include <stdbool.h>

#include "base/pbuf.h"

struct queue {
    struct pbuf_pool *pool;
    struct pbuf *head, *tail;
    size_t bytes, max_bytes;
    uint64_t max_age_us;
    uint64_t dropped_full, dropped_old;
};

void queue_init(struct queue *q, struct pbuf_pool *pool, size_t max_bytes, uint64_t max_age_us);
/** Give back what is left. */
void queue_done(struct queue *q);
/** @param take_b owned by the queue from now on, also when it is refused. @return false: dropped */
bool queue_push(struct queue *q, struct pbuf *take_b, uint64_t now_us);
/** The oldest packet that is not too old, still in the queue; NULL when there is none. */
struct pbuf *queue_peek(struct queue *q, uint64_t now_us);
/** Take out what queue_peek() showed; the caller gives it back to the pool. */
struct pbuf *queue_pop(struct queue *q);

#endif
