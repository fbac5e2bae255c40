/*
 * tunnel/session_table.c - the server's sessions; see session.h
 *
 * A few hundred laptops at most: an array searched in order when a laptop says hello. Packets find their session by id, which is the slot plus
 * a generation, so a NAT flow of an ended session can never reach its slot's next owner.
 */
#include "tunnel/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_BITS = 12, SLOT_MASK = (1 << SLOT_BITS) - 1 };

struct session_table {
    size_t max, count;
    uint64_t keep_us;
    struct pbuf_pool *pool;
    void (*ended)(void *ctx, struct session *s);
    void *ctx;
    uint32_t generation;
    struct session **slot; /* max of them */
    size_t used;           /* none from here on holds a session: a round of the loop costs what there is, not what there might be */
    size_t flush_first;    /* whose turn it is to go first */
};

int session_table_new(size_t max, uint64_t keep_us, struct pbuf_pool *pool, void (*ended)(void *ctx, struct session *s),
                      void *ctx, struct session_table **ret_table)
{
    if (max == 0 || max > SLOT_MASK)
        return -EINVAL;
    struct session_table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return -ENOMEM;
    *t = (struct session_table){.max = max, .keep_us = keep_us, .pool = pool, .ended = ended, .ctx = ctx};
    t->slot = calloc(max, sizeof *t->slot);
    if (t->slot == NULL) {
        free(t);
        return -ENOMEM;
    }
    *ret_table = t;
    return 0;
}

static void end(struct session_table *t, size_t i)
{
    struct session *s = t->slot[i];
    t->ended(t->ctx, s);
    session_done(s);
    free(s);
    t->slot[i] = NULL;
    t->count--;
    while (t->used > 0 && t->slot[t->used - 1] == NULL)
        t->used--;
}

void session_table_free(struct session_table *t)
{
    if (t == NULL)
        return;
    while (t->used > 0)
        end(t, t->used - 1);
    free(t->slot);
    free(t);
}

struct session *session_table_open(struct session_table *t, const uint8_t token[FRAME_TOKEN_LEN], uint64_t now_us,
                                   bool *ret_resumed)
{
    size_t vacant = t->used;
    for (size_t i = 0; i < t->used; i++) {
        if (t->slot[i] == NULL) {
            vacant = vacant == t->used ? i : vacant;
        } else if (memcmp(t->slot[i]->token, token, FRAME_TOKEN_LEN) == 0) {
            *ret_resumed = true;
            return t->slot[i];
        }
    }
    struct session *s = vacant < t->max ? malloc(sizeof *s) : NULL;
    if (s == NULL)
        return NULL;
    t->generation++;
    session_init(s, (t->generation << SLOT_BITS) | (uint32_t)(vacant + 1), token, t->pool, now_us);
    t->slot[vacant] = s;
    t->used = vacant == t->used ? vacant + 1 : t->used;
    t->count++;
    *ret_resumed = false;
    return s;
}

struct session *session_table_by_id(struct session_table *t, uint32_t id)
{
    size_t slot = (id & SLOT_MASK) - 1;
    return slot < t->max && t->slot[slot] != NULL && t->slot[slot]->id == id ? t->slot[slot] : NULL;
}

void session_table_expire(struct session_table *t, uint64_t now_us)
{
    for (size_t i = 0; i < t->used; i++) {
        struct session *s = t->slot[i];
        if (s != NULL && s->path_count == 0 && now_us > s->detached_us + t->keep_us)
            end(t, i);
    }
}

uint64_t session_table_flush(struct session_table *t, uint64_t now_us)
{
    uint64_t due = UINT64_MAX;
    if (t->flush_first >= t->used)
        t->flush_first = 0;
    for (size_t i = 0; i < t->used; i++) {
        size_t at = t->flush_first + i;
        struct session *s = t->slot[at < t->used ? at : at - t->used];
        if (s == NULL)
            continue;
        session_flush(s, now_us);
        uint64_t of_session = session_due_us(s);
        due = of_session < due ? of_session : due;
    }
    t->flush_first++;
    return due;
}

size_t session_table_shed(struct session_table *t)
{
    struct session *fattest = NULL;
    for (size_t i = 0; i < t->used; i++)
        if (t->slot[i] != NULL && (fattest == NULL || t->slot[i]->queue.held > fattest->queue.held))
            fattest = t->slot[i];
    return fattest != NULL ? fairq_shed(&fattest->queue) : 0;
}

size_t session_table_count(const struct session_table *t)
{
    return t->count;
}

struct session *session_table_at(struct session_table *t, size_t i)
{
    for (size_t slot = 0; slot < t->used; slot++)
        if (t->slot[slot] != NULL && i-- == 0)
            return t->slot[slot];
    return NULL;
}
