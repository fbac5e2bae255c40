/* base/pool.c - see pool.h */
#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64 };

int pool_init(struct pool *pool, size_t size, uint32_t max)
{
    *pool = (struct pool){.size = (size + LINE - 1) / LINE * LINE, .max = max};
    if (size == 0 || max == 0)
        return -EINVAL;
    pool->block = calloc((size_t)max + 1, pool->size); /* aligned_alloc() would have to be zeroed, so touched */
    if (pool->block == NULL)
        return -ENOMEM;
    pool->memory = pool->block + (LINE - (uintptr_t)pool->block % LINE) % LINE;
    return 0;
}

void pool_done(struct pool *pool)
{
    free(pool->block);
    *pool = (struct pool){0};
}

void *pool_lend(struct pool *pool)
{
    void *object = pool->returned;
    if (object != NULL) {
        memcpy(&pool->returned, object, sizeof pool->returned);
        memset(object, 0, pool->size);
    } else if (pool->fresh < pool->max) {
        object = pool->memory + pool->size * pool->fresh++;
    } else {
        return NULL;
    }
    pool->lent++;
    return object;
}

void pool_return(struct pool *pool, void *object)
{
    memcpy(object, &pool->returned, sizeof pool->returned);
    pool->returned = object;
    pool->lent--;
}
