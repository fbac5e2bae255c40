/* base/hash.c - see hash.h */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>

int hash_init(struct hash *hash, size_t max)
{
    size_t buckets = 16;
    while (buckets < max && buckets < (size_t)1 << 31)
        buckets *= 2;
    hash->buckets = calloc(buckets, sizeof(struct hash_node *));
    if (hash->buckets == NULL)
        return -ENOMEM;
    hash->mask = (uint32_t)(buckets - 1);
    hash->count = 0;
    return 0;
}

void hash_done(struct hash *hash)
{
    free(hash->buckets);
    *hash = (struct hash){0};
}

void hash_add(struct hash *hash, struct hash_node *node, uint32_t value)
{
    struct hash_node **bucket = &hash->buckets[value & hash->mask];
    node->value = value;
    node->next = *bucket;
    *bucket = node;
    hash->count++;
}

void hash_remove(struct hash *hash, struct hash_node *node)
{
    struct hash_node **link = &hash->buckets[node->value & hash->mask];
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->next = NULL;
    hash->count--;
}
