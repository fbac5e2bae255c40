/* base/pbuf.c - see pbuf.h */
#include "base/pbuf.h"

#include <errno.h>
#include <stdlib.h>

enum { KEEP_TINY = 8192, KEEP_SMALL = 4096, KEEP_LARGE = 32 }; /* freed buffers kept for the next packets: 2, 8 and 2 MB */

struct class_list {
    struct pbuf *free;
    size_t kept, keep_max, cap;
};

struct pbuf_pool {
    size_t max, lent;
    struct class_list tiny, small, large;
};

int pbuf_pool_new(size_t max_bytes, struct pbuf_pool **ret_pool)
{
    struct pbuf_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    pool->max = max_bytes;
    pool->tiny = (struct class_list){.keep_max = KEEP_TINY, .cap = PBUF_TINY};
    pool->small = (struct class_list){.keep_max = KEEP_SMALL, .cap = PBUF_SMALL};
    pool->large = (struct class_list){.keep_max = KEEP_LARGE, .cap = PBUF_LARGE};
    *ret_pool = pool;
    return 0;
}

static void empty(struct class_list *list)
{
    for (struct pbuf *b = list->free, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
}

void pbuf_pool_free(struct pbuf_pool *pool)
{
    if (pool == NULL)
        return;
    empty(&pool->tiny);
    empty(&pool->small);
    empty(&pool->large);
    free(pool);
}

static struct class_list *class_of(struct pbuf_pool *pool, size_t cap)
{
    return cap <= PBUF_TINY ? &pool->tiny : cap <= PBUF_SMALL ? &pool->small : &pool->large;
}

struct pbuf *pbuf_get(struct pbuf_pool *pool, size_t cap)
{
    struct class_list *list = class_of(pool, cap);
    if (cap > PBUF_LARGE || pool->lent + list->cap > pool->max)
        return NULL;
    struct pbuf *b = list->free;
    if (b != NULL) {
        list->free = b->next;
        list->kept--;
    } else {
        b = malloc(sizeof *b + PBUF_HEADROOM + list->cap);
        if (b == NULL)
            return NULL;
        b->cap = (uint32_t)list->cap;
        b->data = (uint8_t *)(b + 1) + PBUF_HEADROOM;
    }
    b->next = NULL;
    b->len = 0;
    b->offload = (struct offload){0};
    pool->lent += list->cap;
    return b;
}

void pbuf_put(struct pbuf_pool *pool, struct pbuf *b)
{
    if (b == NULL)
        return;
    struct class_list *list = class_of(pool, b->cap);
    pool->lent -= list->cap;
    if (list->kept == list->keep_max) {
        free(b);
        return;
    }
    b->next = list->free;
    list->free = b;
    list->kept++;
}

size_t pbuf_pool_lent(const struct pbuf_pool *pool)
{
    return pool->lent;
}
