/*
 * ether/mac_table.c - which port a station lives behind
 *
 * Each port has a list of its stations, so that pulling a cable costs what was behind it. Another list holds all stations by when they
 * were last heard, so that forgetting the silent costs what is forgotten. A station that talks all the time moves to the
 * end of that list once a second, not with each frame.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rng.h"
#include "tether/ether.h"

struct station {
    struct list_link by_age;  /* of all, by when heard */
    struct list_link at_port; /* of the port's */
    uint64_t key;             /* VLAN number above the address */
    uint64_t heard_ms;
    uint32_t port;
};

enum { TOUCH_MS = 1000, BY_AGE = offsetof(struct station, by_age), AT_PORT = offsetof(struct station, at_port) };

struct mac_port {
    struct list stations;
    uint32_t count;
};

struct mac_table {
    struct mac_table_config config;
    struct siphash_key secret;
    struct hash hash;
    struct pool pool;
    struct list stations; /* all, the one heard longest ago first */
    struct mac_port *ports;
};

int mac_table_new(const struct mac_table_config *config, struct mac_table **ret_table)
{
    uint64_t max = (uint64_t)config->max_ports * config->max_per_port;
    if (max == 0 || max > UINT32_MAX || config->idle_ms == 0)
        return -EINVAL;
    struct mac_table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return -ENOMEM;
    t->config = *config;
    struct rng rng;
    rng_init(&rng, config->seed);
    t->secret = (struct siphash_key){rng_next(&rng), rng_next(&rng)};
    t->ports = calloc(config->max_ports, sizeof *t->ports);
    if (t->ports == NULL || pool_init(&t->pool, sizeof(struct station), (uint32_t)max) != 0 || hash_init(&t->hash, &t->pool) != 0) {
        mac_table_free(t);
        return -ENOMEM;
    }
    *ret_table = t;
    return 0;
}

void mac_table_free(struct mac_table *table)
{
    if (table == NULL)
        return;
    pool_done(&table->pool);
    hash_done(&table->hash);
    free(table->ports);
    free(table);
}

static uint64_t key_of(uint16_t vlan, uint64_t mac)
{
    return (uint64_t)vlan << 48 | mac;
}

static uint32_t hash_of(const struct mac_table *t, uint64_t key)
{
    return (uint32_t)siphash13_2(&t->secret, key, 0);
}

static struct station *find(const struct mac_table *t, uint64_t key, uint32_t value)
{
    struct hash_walk w;
    for (struct station *s = hash_first(&t->hash, value, &w); s != NULL; s = hash_next(&t->hash, &w))
        if (s->key == key)
            return s;
    return NULL;
}

static void port_remove(struct mac_table *t, struct station *s)
{
    struct mac_port *port = &t->ports[s->port];
    list_remove(&port->stations, &s->at_port);
    port->count--;
}

static void port_add(struct mac_table *t, struct station *s, uint32_t number)
{
    struct mac_port *port = &t->ports[number];
    s->port = number;
    list_prepend(&port->stations, &s->at_port);
    port->count++;
}

static void forget(struct mac_table *t, struct station *s)
{
    hash_remove(&t->hash, s, hash_of(t, s->key));
    list_remove(&t->stations, &s->by_age);
    port_remove(t, s);
    pool_return(&t->pool, s);
}

static void touch(struct mac_table *t, struct station *s, uint64_t now_ms)
{
    if (now_ms < s->heard_ms + TOUCH_MS)
        return;
    s->heard_ms = now_ms;
    list_remove(&t->stations, &s->by_age);
    list_append(&t->stations, &s->by_age);
}

static bool is_silent(const struct mac_table *t, const struct station *s, uint64_t now_ms)
{
    return now_ms >= s->heard_ms + t->config.idle_ms;
}

static enum mac_learned add(struct mac_table *t, uint64_t key, uint32_t value, uint32_t port, uint64_t now_ms)
{
    mac_table_expire(t, now_ms);
    struct station *s = t->ports[port].count < t->config.max_per_port ? pool_lend(&t->pool) : NULL;
    if (s == NULL)
        return MAC_FULL;
    s->key = key;
    s->heard_ms = now_ms;
    hash_add(&t->hash, s, value);
    list_append(&t->stations, &s->by_age);
    port_add(t, s, port);
    return MAC_NEW;
}

enum mac_learned mac_table_learn(struct mac_table *table, uint16_t vlan, uint64_t mac, uint32_t port, uint64_t now_ms)
{
    if (!ether_is_station(mac) || port >= table->config.max_ports)
        return MAC_INVALID;
    uint64_t key = key_of(vlan, mac);
    uint32_t value = hash_of(table, key);
    struct station *s = find(table, key, value);
    if (s == NULL)
        return add(table, key, value, port, now_ms);
    if (s->port == port) {
        touch(table, s, now_ms);
        return MAC_KNOWN;
    }
    if (now_ms < s->heard_ms + table->config.hold_ms)
        return MAC_HELD;
    if (table->ports[port].count >= table->config.max_per_port)
        return MAC_FULL;
    port_remove(table, s);
    port_add(table, s, port);
    touch(table, s, now_ms);
    return MAC_MOVED;
}

bool mac_table_find(const struct mac_table *table, uint16_t vlan, uint64_t mac, uint64_t now_ms, uint32_t *ret_port)
{
    uint64_t key = key_of(vlan, mac);
    const struct station *s = find(table, key, hash_of(table, key));
    if (s == NULL || is_silent(table, s, now_ms))
        return false;
    *ret_port = s->port;
    return true;
}

void mac_table_forget_port(struct mac_table *table, uint32_t port)
{
    if (port >= table->config.max_ports)
        return;
    for (struct station *s; (s = list_first(&table->ports[port].stations, AT_PORT)) != NULL;)
        forget(table, s);
}

void mac_table_expire(struct mac_table *table, uint64_t now_ms)
{
    for (struct station *s; (s = list_first(&table->stations, BY_AGE)) != NULL && is_silent(table, s, now_ms);)
        forget(table, s);
}

uint32_t mac_table_count(const struct mac_table *table, uint32_t port)
{
    return port < table->config.max_ports ? table->ports[port].count : 0;
}

uint64_t mac_table_any(const struct mac_table *table, uint32_t port)
{
    const struct station *s = port < table->config.max_ports ? list_first(&table->ports[port].stations, AT_PORT) : NULL;
    return s != NULL ? s->key & ETHER_BROADCAST : 0;
}
