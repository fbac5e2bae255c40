/*
 * ether/addr_book.c - see addr_book.h
 *
 * Entries do not age: as long as its port is there, an address is somebody's until he is replaced. Each port has its entries in a list
 * in the order in which they were last heard, to the second.
 */
#include "ether/addr_book.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rng.h"

struct known {
    struct list_link link;
    struct addr_entry entry;
};

enum { TOUCH_MS = 1000, LINK = offsetof(struct known, link) };

struct book_port {
    struct list known; /* the one heard longest ago first */
    uint32_t count;
};

struct addr_book {
    struct addr_book_config config;
    struct siphash_key secret;
    struct hash hash;
    struct pool pool;
    struct book_port *ports;
};

int addr_book_new(const struct addr_book_config *config, struct addr_book **ret_book)
{
    uint64_t max = (uint64_t)config->max_ports * config->max_per_port;
    struct rng rng;
    if (max == 0 || max > UINT32_MAX)
        return -EINVAL;
    struct addr_book *b = calloc(1, sizeof *b);
    if (b == NULL)
        return -ENOMEM;
    b->config = *config;
    rng_init(&rng, config->seed);
    b->secret = (struct siphash_key){rng_next(&rng), rng_next(&rng)};
    b->ports = calloc(config->max_ports, sizeof *b->ports);
    if (b->ports == NULL || pool_init(&b->pool, sizeof(struct known), (uint32_t)max) != 0 || hash_init(&b->hash, &b->pool) != 0) {
        addr_book_free(b);
        return -ENOMEM;
    }
    *ret_book = b;
    return 0;
}

void addr_book_free(struct addr_book *book)
{
    if (book == NULL)
        return;
    pool_done(&book->pool);
    hash_done(&book->hash);
    free(book->ports);
    free(book);
}

static uint32_t hash_of(const struct addr_book *b, const struct addr_key *key)
{
    uint64_t value = siphash13_2(&b->secret, key->hi, key->lo);
    return (uint32_t)siphash13_2(&b->secret, value, (uint64_t)key->version << 16 | key->vlan);
}

static bool equal(const struct addr_key *a, const struct addr_key *b)
{
    return a->lo == b->lo && a->hi == b->hi && a->vlan == b->vlan && a->version == b->version;
}

static struct known *find(const struct addr_book *b, const struct addr_key *key, uint32_t value)
{
    struct hash_walk w;
    for (struct known *k = hash_first(&b->hash, value, &w); k != NULL; k = hash_next(&b->hash, &w))
        if (equal(&k->entry.key, key))
            return k;
    return NULL;
}

static void port_remove(struct addr_book *b, struct known *k)
{
    struct book_port *port = &b->ports[k->entry.port];
    list_remove(&port->known, &k->link);
    port->count--;
}

static void port_append(struct addr_book *b, struct known *k)
{
    struct book_port *port = &b->ports[k->entry.port];
    list_append(&port->known, &k->link);
    port->count++;
}

static void forget(struct addr_book *b, struct known *k)
{
    hash_remove(&b->hash, k, hash_of(b, &k->entry.key));
    port_remove(b, k);
    pool_return(&b->pool, k);
}

static void write_down(struct addr_book *b, struct known *k, uint64_t mac, uint32_t port, uint64_t now_ms)
{
    k->entry.mac = mac;
    k->entry.port = port;
    k->entry.heard_ms = now_ms;
    port_append(b, k);
}

bool addr_book_hear(struct addr_book *book, const struct addr_key *key, uint64_t mac, uint32_t port, uint64_t now_ms)
{
    if (port >= book->config.max_ports)
        return false;
    uint32_t value = hash_of(book, key);
    struct known *k = find(book, key, value);
    bool same = k != NULL && k->entry.mac == mac && k->entry.port == port;
    if (same && now_ms < k->entry.heard_ms + TOUCH_MS)
        return true;
    if (k != NULL && !same && now_ms < k->entry.heard_ms + book->config.hold_ms)
        return false;
    if ((k == NULL || k->entry.port != port) && book->ports[port].count >= book->config.max_per_port)
        forget(book, list_first(&book->ports[port].known, LINK));
    if (k != NULL) {
        port_remove(book, k);
    } else {
        k = pool_lend(&book->pool); /* never fails: the ports' shares are the pool */
        if (k == NULL)
            return false;
        k->entry.key = *key;
        hash_add(&book->hash, k, value);
    }
    write_down(book, k, mac, port, now_ms);
    return true;
}

bool addr_book_find(const struct addr_book *book, const struct addr_key *key, struct addr_entry *ret_entry)
{
    const struct known *k = find(book, key, hash_of(book, key));
    if (k == NULL)
        return false;
    *ret_entry = k->entry;
    return true;
}

bool addr_book_is_others(const struct addr_book *book, const struct addr_key *key, uint64_t mac, uint64_t since_ms)
{
    const struct known *k = find(book, key, hash_of(book, key));
    return k != NULL && k->entry.mac != mac && k->entry.heard_ms >= since_ms;
}

void addr_book_forget_port(struct addr_book *book, uint32_t port)
{
    while (port < book->config.max_ports && !list_is_empty(&book->ports[port].known))
        forget(book, list_first(&book->ports[port].known, LINK));
}

uint32_t addr_book_count(const struct addr_book *book, uint32_t port)
{
    return port < book->config.max_ports ? book->ports[port].count : 0;
}
