/* base/hash.c - see hash.h */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>

enum { OBJECTS_MAX = 1 << 30 };

int hash_init(struct hash *hash, const struct pool *pool)
{
    *hash = (struct hash){.pool = pool};
    if (pool->max > OBJECTS_MAX)
        return -EINVAL;
    uint32_t slots = 16;
    while (slots / 2 < pool->max)
        slots *= 2;
    hash->slots = calloc(slots, sizeof *hash->slots);
    if (hash->slots == NULL)
        return -ENOMEM;
    hash->mask = slots - 1;
    return 0;
}

void hash_done(struct hash *hash)
{
    free(hash->slots);
    *hash = (struct hash){0};
}

void hash_add(struct hash *hash, const void *object, uint32_t value)
{
    uint32_t at = value;
    while (hash->slots[at & hash->mask].object != 0)
        at++;
    hash->slots[at & hash->mask] = (struct hash_slot){.value = value, .object = pool_number(hash->pool, object) + 1};
    hash->count++;
}

void hash_remove(struct hash *hash, const void *object, uint32_t value)
{
    const uint32_t wanted = pool_number(hash->pool, object) + 1;
    uint32_t gap = value & hash->mask;
    while (hash->slots[gap].object != wanted)
        gap = (gap + 1) & hash->mask;
    /* what comes behind the gap moves into it, unless that would put it before where its search begins */
    for (uint32_t at = (gap + 1) & hash->mask; hash->slots[at].object != 0; at = (at + 1) & hash->mask) {
        uint32_t home = hash->slots[at].value;
        if (((at - home) & hash->mask) < ((at - gap) & hash->mask))
            continue;
        hash->slots[gap] = hash->slots[at];
        gap = at;
    }
    hash->slots[gap] = (struct hash_slot){0};
    hash->count--;
}
