/*
 * test/unit/guard.h - bytes against an inaccessible page, so that reading one too far crashes the test
 *
 * guard_place() copies an input so that its last byte is the last byte of a page; the page behind is
 * PROT_NONE. Sanitizers find most overreads of heap blocks too, but this finds them in every build, vector
 * loads and libc included.
 */
#ifndef TETHER_TEST_GUARD_H
#define TETHER_TEST_GUARD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    uint8_t *map;
    size_t map_len, cap;
};

/** Aborts when memory is short: a test cannot go on without. @param cap largest input that will be placed */
static inline void guard_init(struct guard *guard, size_t cap)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guard->cap = (cap + page - 1) / page * page;
    guard->map_len = guard->cap + 2 * page; /* one in front for reads before the beginning */
    void *map = mmap(NULL, guard->map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect((uint8_t *)map + page, guard->cap, PROT_READ | PROT_WRITE) != 0)
        abort();
    guard->map = (uint8_t *)map + page;
}

static inline void guard_done(struct guard *guard)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(guard->map - page, guard->map_len);
    guard->map = NULL;
}

/** @return `len` writable bytes whose end is the inaccessible page; valid until the next call */
static inline uint8_t *guard_room(const struct guard *guard, size_t len)
{
    if (len > guard->cap)
        abort();
    return guard->map + guard->cap - len;
}

/** Copy data against the page behind. @return the copy, to be freed by nobody */
static inline uint8_t *guard_place(const struct guard *guard, const void *data, size_t len)
{
    uint8_t *at = guard_room(guard, len);
    if (len > 0)
        memcpy(at, data, len);
    return at;
}

/** Copy data against the page in front, to find reads before the beginning. */
static inline uint8_t *guard_place_first(const struct guard *guard, const void *data, size_t len)
{
    if (len > guard->cap)
        abort();
    if (len > 0)
        memcpy(guard->map, data, len);
    return guard->map;
}

#endif
