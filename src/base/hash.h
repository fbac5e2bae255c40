/*
 * base/hash.h - a hash table whose nodes live inside the caller's objects
 *
 * Made once for the largest number of nodes the caller's limits allow, so that it never grows: no packet waits for a rehash.
 * The memory is touched only where buckets are used. The caller computes the hash values, keyed where strangers
 * choose the keys (siphash.h), and compares keys himself:
 *
 *     for (struct hash_node *n = hash_first(h, value); n != NULL; n = hash_next(n))
 *         if (equal(container(n), key)) ...
 */
#ifndef TETHER_BASE_HASH_H
#define TETHER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
    struct hash_node *next;
    uint32_t value;
};

struct hash {
    struct hash_node **buckets;
    uint32_t mask;
    size_t count;
};

/** @param max nodes expected at most; more work, but slower @return 0, -ENOMEM */
int hash_init(struct hash *hash, size_t max);
/** Nodes still inside are forgotten. Fine on a zeroed or done table. */
void hash_done(struct hash *hash);
void hash_add(struct hash *hash, struct hash_node *node, uint32_t value);
/** The node must be inside. */
void hash_remove(struct hash *hash, struct hash_node *node);

static inline struct hash_node *hash_skip(struct hash_node *node, uint32_t value)
{
    while (node != NULL && node->value != value)
        node = node->next;
    return node;
}
/** First node with this value, or NULL. */
static inline struct hash_node *hash_first(const struct hash *hash, uint32_t value)
{
    return hash_skip(hash->buckets[value & hash->mask], value);
}
/** Next node with the same value, or NULL. */
static inline struct hash_node *hash_next(const struct hash_node *node)
{
    return hash_skip(node->next, node->value);
}

#endif
