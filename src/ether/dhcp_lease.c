/*
 * ether/dhcp_lease.c - see dhcp_lease.h
 *
 * Each state but free lasts equally long for all, so that a list per state, in the order of beginning, is also the order of ending. The one
 * exception, a lease read back from a file, has less time left: it goes to the list's place for that.
 */
#include "ether/dhcp_lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { VACANT_TRIES = 32, LINK = offsetof(struct dhcp_lease, link) };

struct state {
    struct list leases; /* the one that has been in it longest first */
    size_t count;
};

struct dhcp_leases {
    struct dhcp_leases_config config;
    size_t range, count; /* the range's records, then statics outside of it */
    struct dhcp_lease *all;
    struct state state[DHCP_STATES];
    uint32_t *held; /* by port: records not free */
};

/* --- lists by state --- */

static void leave_state(struct dhcp_leases *t, struct dhcp_lease *l)
{
    struct state *state = &t->state[l->state];
    list_remove(&state->leases, &l->link);
    state->count--;
}

static void enter_state(struct dhcp_leases *t, struct dhcp_lease *l)
{
    struct state *state = &t->state[l->state];
    struct dhcp_lease *before = list_last(&state->leases, LINK);
    while (l->state != DHCP_FREE && before != NULL && before->until_ms > l->until_ms)
        before = list_prev(&before->link, LINK);
    list_insert(&state->leases, before != NULL ? &before->link : NULL, &l->link);
    state->count++;
}

static uint32_t *held_by(struct dhcp_leases *t, uint32_t port)
{
    return port < t->config.max_ports ? &t->held[port] : NULL;
}

static void leave_port(struct dhcp_leases *t, struct dhcp_lease *l)
{
    uint32_t *held = held_by(t, l->port);
    if (held != NULL && l->state != DHCP_FREE)
        --*held;
    l->port = DHCP_NO_PORT;
}

/* --- life --- */

static int add_statics(struct dhcp_leases *t, const struct dhcp_static *statics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (dhcp_lease_static(t, statics[i].mac) != NULL)
            return -EINVAL;
        struct dhcp_lease *l = dhcp_lease_at(t, statics[i].addr);
        if (l == NULL) {
            l = &t->all[t->count++];
            *l = (struct dhcp_lease){.addr = statics[i].addr, .port = DHCP_NO_PORT};
            enter_state(t, l);
        }
        if (l->reserved_for != 0)
            return -EINVAL;
        l->reserved_for = statics[i].mac;
    }
    return 0;
}

int dhcp_leases_new(const struct dhcp_leases_config *config, struct dhcp_leases **ret_leases)
{
    if (config->lo > config->hi || config->hi - config->lo >= DHCP_RANGE_MAX || config->static_count > DHCP_STATICS_MAX ||
        config->max_per_port == 0)
        return -EINVAL;
    struct dhcp_leases *t = calloc(1, sizeof *t);
    if (t == NULL)
        return -ENOMEM;
    t->config = *config;
    t->all = calloc(config->hi - config->lo + 1 + config->static_count, sizeof *t->all);
    t->held = calloc(config->max_ports + 1, sizeof *t->held);
    int failed = t->all == NULL || t->held == NULL ? -ENOMEM : 0;
    for (uint32_t addr = config->lo; !failed && addr - config->lo <= config->hi - config->lo; addr++) {
        struct dhcp_lease *l = &t->all[t->count++];
        *l = (struct dhcp_lease){.addr = addr, .port = DHCP_NO_PORT};
        enter_state(t, l);
    }
    t->range = t->count;
    if (!failed)
        failed = add_statics(t, config->statics, config->static_count);
    if (failed) {
        dhcp_leases_free(t);
        return failed;
    }
    t->config.statics = NULL; /* the caller's */
    *ret_leases = t;
    return 0;
}

void dhcp_leases_free(struct dhcp_leases *leases)
{
    if (leases == NULL)
        return;
    free(leases->all);
    free(leases->held);
    free(leases);
}

/* --- finding: at most DHCP_RANGE_MAX records, asked a few times a second --- */

struct dhcp_lease *dhcp_lease_at(struct dhcp_leases *leases, uint32_t addr)
{
    if (addr == leases->config.except)
        return NULL;
    if (addr >= leases->config.lo && addr <= leases->config.hi)
        return &leases->all[addr - leases->config.lo];
    for (size_t i = leases->range; i < leases->count; i++)
        if (leases->all[i].addr == addr)
            return &leases->all[i];
    return NULL;
}

struct dhcp_lease *dhcp_lease_of(struct dhcp_leases *leases, const struct dhcp_client *client)
{
    for (size_t i = 0; i < leases->count; i++) {
        struct dhcp_lease *l = &leases->all[i];
        if (l->client.len == client->len && l->mac != 0 && memcmp(l->client.bytes, client->bytes, client->len) == 0)
            return l;
    }
    return NULL;
}

struct dhcp_lease *dhcp_lease_static(struct dhcp_leases *leases, uint64_t mac)
{
    for (size_t i = 0; i < leases->count; i++)
        if (mac != 0 && leases->all[i].reserved_for == mac)
            return &leases->all[i];
    return NULL;
}

static struct dhcp_lease *find_of_nobody(struct dhcp_leases *t, enum dhcp_state state)
{
    for (struct dhcp_lease *l = list_first(&t->state[state].leases, LINK); l != NULL; l = list_next(&l->link, LINK))
        if (l->port == DHCP_NO_PORT && l->reserved_for == 0)
            return l;
    return NULL;
}

struct dhcp_lease *dhcp_lease_find_free(struct dhcp_leases *leases, uint64_t now_ms, dhcp_vacant_cb vacant, void *ctx)
{
    size_t tries = 0;
    dhcp_leases_expire(leases, now_ms);
    struct list *free_ones = &leases->state[DHCP_FREE].leases;
    for (struct dhcp_lease *l = list_first(free_ones, LINK), *next; l != NULL && tries < VACANT_TRIES; l = next) {
        next = list_next(&l->link, LINK);
        if (l->reserved_for != 0 || l->addr == leases->config.except)
            continue;
        tries++;
        if (vacant(ctx, l->addr))
            return l;
        leave_state(leases, l); /* not soon again */
        enter_state(leases, l);
    }
    struct dhcp_lease *l = find_of_nobody(leases, DHCP_BOUND);
    return l != NULL ? l : find_of_nobody(leases, DHCP_DECLINED);
}

/* --- changing --- */

static void forget_client(struct dhcp_lease *l)
{
    l->mac = 0;
    l->client.len = 0;
    l->hostname[0] = '\0';
}

int dhcp_lease_set(struct dhcp_leases *leases, struct dhcp_lease *lease, enum dhcp_state state, const struct dhcp_client *client,
                   uint64_t mac, uint32_t port, uint64_t now_ms, uint64_t until_ms)
{
    const uint64_t lasts_ms[DHCP_STATES] = {0, DHCP_OFFER_MS, leases->config.lease_ms, DHCP_DECLINE_MS};
    struct dhcp_lease *former = dhcp_lease_of(leases, client);
    uint32_t *held = held_by(leases, port);
    bool counts = lease->port != port || lease->state == DHCP_FREE;
    if (former != NULL && former != lease && former->port == port && former->state == DHCP_OFFERED)
        dhcp_lease_end(leases, former); /* before counting: it asks for another one instead */
    if (counts && held != NULL && *held >= leases->config.max_per_port)
        return -EDQUOT;
    if (former != NULL && former != lease) {
        if (former->state != DHCP_DECLINED)
            dhcp_lease_end(leases, former);
        forget_client(former);
    }
    leave_port(leases, lease);
    leave_state(leases, lease);
    lease->state = state;
    lease->until_ms = until_ms != 0 ? until_ms : now_ms + lasts_ms[state];
    if (lease->mac != mac)
        lease->hostname[0] = '\0';
    lease->client = *client;
    lease->mac = mac;
    lease->port = port;
    if (held != NULL)
        ++*held;
    enter_state(leases, lease);
    return 0;
}

void dhcp_lease_end(struct dhcp_leases *leases, struct dhcp_lease *lease)
{
    if (lease->state == DHCP_FREE)
        return;
    leave_port(leases, lease);
    leave_state(leases, lease);
    lease->state = DHCP_FREE;
    enter_state(leases, lease);
}

void dhcp_leases_expire(struct dhcp_leases *leases, uint64_t now_ms)
{
    for (int state = DHCP_OFFERED; state < DHCP_STATES; state++) {
        for (struct dhcp_lease *l; (l = list_first(&leases->state[state].leases, LINK)) != NULL && now_ms >= l->until_ms;) {
            bool declined = state == DHCP_DECLINED;
            dhcp_lease_end(leases, l);
            if (declined)
                forget_client(l);
        }
    }
}

void dhcp_leases_port_gone(struct dhcp_leases *leases, uint32_t port)
{
    for (size_t i = 0; i < leases->count; i++) {
        struct dhcp_lease *l = &leases->all[i];
        if (l->port != port)
            continue;
        if (l->state == DHCP_OFFERED)
            dhcp_lease_end(leases, l);
        else
            leave_port(leases, l);
    }
}

size_t dhcp_leases_count(const struct dhcp_leases *leases)
{
    return leases->count;
}

struct dhcp_lease *dhcp_leases_at(struct dhcp_leases *leases, size_t index)
{
    return index < leases->count ? &leases->all[index] : NULL;
}

size_t dhcp_leases_in(const struct dhcp_leases *leases, enum dhcp_state state)
{
    return leases->state[state].count;
}
