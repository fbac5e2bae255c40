/* tunnel/queue.c - see queue.h */
#include "tunnel/queue.h"

void queue_init(struct queue *q, struct pbuf_pool *pool, size_t max_bytes, uint64_t max_age_us)
{
    *q = (struct queue){.pool = pool, .max_bytes = max_bytes, .max_age_us = max_age_us};
}

void queue_done(struct queue *q)
{
    while (q->head != NULL)
        pbuf_put(q->pool, queue_pop(q));
}

bool queue_push(struct queue *q, struct pbuf *take_b, uint64_t now_us)
{
    if (q->bytes + take_b->len > q->max_bytes) {
        q->dropped_full++;
        pbuf_put(q->pool, take_b);
        return false;
    }
    take_b->time_us = now_us;
    take_b->next = NULL;
    if (q->tail != NULL)
        q->tail->next = take_b;
    else
        q->head = take_b;
    q->tail = take_b;
    q->bytes += take_b->len;
    return true;
}

struct pbuf *queue_peek(struct queue *q, uint64_t now_us)
{
    while (q->head != NULL && now_us > q->head->time_us + q->max_age_us) {
        q->dropped_old++;
        pbuf_put(q->pool, queue_pop(q));
    }
    return q->head;
}

struct pbuf *queue_pop(struct queue *q)
{
    struct pbuf *b = q->head;
    if (b == NULL)
        return NULL;
    q->head = b->next;
    if (q->head == NULL)
        q->tail = NULL;
    q->bytes -= b->len;
    b->next = NULL;
    return b;
}
