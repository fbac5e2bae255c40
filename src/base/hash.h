/*
 * base/hash.h - finds a pool's objects by their keys: open addressing, made for cache lines
 *
 * A slot is the hash value and the object's number in its pool, so eight share a cache line, and a look-up costs one line of slots and the
 * object itself, however many there are: an object whose value differs is never touched. Collisions go to the next slot (linear probing);
 * removing closes the gap, so there are no tombstones and nothing is ever to be cleaned up.
 *
 * Made once with at least two slots for each object the pool can lend, so it never fills and never grows: no packet waits for a
 * rehash. Memory is touched only where slots are used. An object may be in several tables. The caller computes the values, keyed where strangers
 * choose the keys (siphash.h), and compares keys himself:
 *
 *     struct hash_walk w;
 *     for (struct thing *t = hash_first(h, value, &w); t != NULL; t = hash_next(h, &w))
 *         if (equal(t, key)) ...
 */
#ifndef TETHER_BASE_HASH_H
#define TETHER_BASE_HASH_H

#include "base/pool.h"

struct hash_slot {
    uint32_t value;
    uint32_t object; /**< its number in the pool, plus 1; 0: empty */
};

struct hash {
    struct hash_slot *slots;
    const struct pool *pool;
    uint32_t mask;
    uint32_t count;
};

/** A look-up under way. The table must not change meanwhile. */
struct hash_walk {
    uint32_t value, at;
};

/** @param pool borrowed until hash_done(); must not be moved @return 0, -EINVAL for a pool above 2^30 objects, -ENOMEM */
int hash_init(struct hash *hash, const struct pool *pool);
/** Objects still inside are forgotten. Fine on a zeroed or done table. */
void hash_done(struct hash *hash);
/** @param object of the pool, not in this table yet */
void hash_add(struct hash *hash, const void *object, uint32_t value);
/** @param object in this table under this value */
void hash_remove(struct hash *hash, const void *object, uint32_t value);

/** Next object with the same value, or NULL. */
static inline void *hash_next(const struct hash *hash, struct hash_walk *walk)
{
    for (const struct hash_slot *slot; (slot = &hash->slots[walk->at & hash->mask])->object != 0;) {
        walk->at++;
        if (slot->value == walk->value)
            return pool_at(hash->pool, slot->object - 1);
    }
    return NULL;
}
/** First object with this value, or NULL. */
static inline void *hash_first(const struct hash *hash, uint32_t value, struct hash_walk *walk)
{
    *walk = (struct hash_walk){.value = value, .at = value};
    return hash_next(hash, walk);
}

/** Begin to fetch the slots of a value, for a look-up that comes soon. */
static inline void hash_prefetch(const struct hash *hash, uint32_t value)
{
    __builtin_prefetch(&hash->slots[value & hash->mask]);
}
/** Once the slots came: begin to fetch the first object's first line. */
static inline void hash_prefetch_object(const struct hash *hash, uint32_t value)
{
    struct hash_walk w;
    const void *object = hash_first(hash, value, &w);
    if (object != NULL)
        __builtin_prefetch(object, 1);
}

#endif
