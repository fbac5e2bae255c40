/*
 * base/pool.h - a fixed number of equal objects, lent and given back
 *
 * One allocation at the start; pages are touched only once their objects are lent, so a high limit costs address space, not
 * memory. Lending the most recently returned first keeps the working set small. Objects begin at cache lines.
 */
#ifndef TETHER_BASE_POOL_H
#define TETHER_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
    uint8_t *block;  /**< as allocated */
    uint8_t *memory; /**< the first object */
    size_t size;         /**< of an object with padding */
    uint32_t max, fresh; /**< objects from `fresh` on were never lent */
    uint32_t lent;
    void *returned; /**< list through the objects' first bytes */
};

/** @param size of an object; rounded up to cache lines @return 0, -EINVAL, -ENOMEM */
int pool_init(struct pool *pool, size_t size, uint32_t max);
/** Fine on a zeroed or done pool. */
void pool_done(struct pool *pool);
/** @return an object, zeroed, or NULL when all are lent */
void *pool_lend(struct pool *pool);
void pool_return(struct pool *pool, void *object);

/** Objects are numbered from 0 to max - 1. */
static inline void *pool_at(const struct pool *pool, uint32_t number)
{
    return pool->memory + pool->size * number;
}
static inline uint32_t pool_number(const struct pool *pool, const void *object)
{
    return (uint32_t)((size_t)((const uint8_t *)object - pool->memory) / pool->size);
}

#endif
