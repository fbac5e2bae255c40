/*
 * packet/reasm.c - putting fragments together in bounded memory
 *
 * A datagram is a sorted list of the pieces that came; it is whole when they add up to the end that the last
 * piece told. That needs no holes list as in RFC 815, because pieces never overlap here: the first overlap
 * kills the datagram (RFC 5722's rule, right for IPv4 too, where overlaps are only ever attacks on filters),
 * and it stays in the table as dead until its time is up, so that its remaining pieces cannot start it anew.
 *
 * Against floods: memory grows only with bytes received, in preallocated slots; each scope has its share of
 * slots and bytes; what does not fit is the new datagram's loss. All wait equally long, so the list by age is
 * the order of expiry.
 */
#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/siphash.h"
#include "packet/wire.h"
#include "tether/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    REASM_TIMEOUT_MS = 2000,
    REASM_MAX_DATAGRAMS = 65536,
    REASM_MAX_PIECES =
        192, /* 64 KB in pieces of IPv4's smallest common MTU, 576, are 119; bounds the walk too */
    IP4_MAX_HEADER_LEN = 60,
};

struct piece {
    struct piece *next;
    uint32_t start, end; /* bytes of the payload */
    uint8_t data[];
};

/* How much of the table one scope holds. */
struct scope {
    uint64_t id;
    size_t datagrams, bytes;
};

struct key {
    uint64_t scope;
    uint32_t src, dst;
    uint16_t id;
    uint8_t proto;
};

struct datagram {
    struct list_link by_age;
    struct key key;
    struct scope *scope;
    uint64_t start_ms;
    struct piece *first, *last; /* by offset */
    size_t pieces, bytes;       /* bytes: what it is charged */
    uint32_t have, total;       /* payload bytes; total is 0 until the last piece came */
    uint8_t header[IP4_MAX_HEADER_LEN];
    uint8_t header_len; /* 0 until the first piece came */
    uint8_t ecn_seen;   /* bit per codepoint (RFC 3168 section 5.3) */
    bool dead;
};

enum { BY_AGE = offsetof(struct datagram, by_age) };

struct reasm {
    struct reasm_limits limits;
    size_t scope_max_bytes;
    struct siphash_key hash_key;
    struct pool datagram_pool, scope_pool;
    struct hash datagrams, scopes;
    struct list by_age; /* of datagrams, the oldest first */
    size_t bytes;
    uint8_t whole[IP4_MAX_LEN];
};

int reasm_new(const struct reasm_limits *limits, struct reasm **ret_reasm)
{
    const size_t n = limits->max_datagrams;
    if (n == 0 || n > REASM_MAX_DATAGRAMS || limits->max_per_scope == 0 || limits->max_bytes == 0)
        return -EINVAL;
    struct reasm *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->limits = *limits;
    if (r->limits.timeout_ms == 0)
        r->limits.timeout_ms = REASM_TIMEOUT_MS;
    if (r->limits.max_per_scope > n)
        r->limits.max_per_scope = n;
    r->scope_max_bytes = (size_t)((double)limits->max_bytes * (double)r->limits.max_per_scope / (double)n);
    r->hash_key = (struct siphash_key){limits->seed, ~limits->seed};
    /* As many scopes as datagrams: whoever gets a slot gets an account. */
    int rc = pool_init(&r->datagram_pool, sizeof(struct datagram), (uint32_t)n);
    rc = rc ? rc : pool_init(&r->scope_pool, sizeof(struct scope), (uint32_t)n);
    rc = rc ? rc : hash_init(&r->datagrams, &r->datagram_pool);
    rc = rc ? rc : hash_init(&r->scopes, &r->scope_pool);
    if (rc != 0) {
        reasm_free(r);
        return rc;
    }
    *ret_reasm = r;
    return 0;
}

static void free_pieces(struct reasm *r, struct datagram *d)
{
    struct piece *p = d->first;
    while (p) {
        struct piece *next = p->next;
        free(p);
        p = next;
    }
    r->bytes -= d->bytes;
    d->scope->bytes -= d->bytes;
    d->bytes = 0;
    d->first = d->last = NULL;
}

void reasm_free(struct reasm *r)
{
    if (!r)
        return;
    for (struct datagram *d = list_first(&r->by_age, BY_AGE); d; d = list_next(&d->by_age, BY_AGE))
        free_pieces(r, d);
    hash_done(&r->datagrams);
    hash_done(&r->scopes);
    pool_done(&r->datagram_pool);
    pool_done(&r->scope_pool);
    free(r);
}

static uint32_t hash_of_key(const struct reasm *r, const struct key *k)
{
    struct siphash_state s = siphash_start(&r->hash_key);
    siphash_word(&s, k->scope, 1);
    siphash_word(&s, (uint64_t)k->src << 32 | k->dst, 1);
    siphash_word(&s, (uint64_t)k->id << 8 | k->proto, 1);
    return (uint32_t)siphash_end(&s, 3);
}

static struct datagram *find(const struct reasm *r, const struct key *k, uint32_t hash)
{
    struct hash_walk w;
    for (struct datagram *d = hash_first(&r->datagrams, hash, &w); d; d = hash_next(&r->datagrams, &w))
        if (d->key.id == k->id && d->key.src == k->src && d->key.dst == k->dst && d->key.proto == k->proto &&
            d->key.scope == k->scope)
            return d;
    return NULL;
}

static uint32_t hash_of_scope(const struct reasm *r, uint64_t id)
{
    return (uint32_t)siphash13_2(&r->hash_key, id, 0);
}

/** The scope's account, opened when it has none. @return NULL when the table is full */
static struct scope *scope_get(struct reasm *r, uint64_t id)
{
    const uint32_t hash = hash_of_scope(r, id);
    struct hash_walk w;
    struct scope *s;
    for (s = hash_first(&r->scopes, hash, &w); s; s = hash_next(&r->scopes, &w))
        if (s->id == id)
            return s;
    s = pool_lend(&r->scope_pool);
    if (!s)
        return NULL;
    s->id = id;
    hash_add(&r->scopes, s, hash);
    return s;
}

static void scope_put(struct reasm *r, struct scope *scope)
{
    if (scope->datagrams > 0)
        return;
    hash_remove(&r->scopes, scope, hash_of_scope(r, scope->id));
    pool_return(&r->scope_pool, scope);
}

/** Take a slot for a new datagram. @return NULL when the table or the scope's share of it is full */
static struct datagram *open_datagram(struct reasm *r, const struct key *k, uint32_t hash, uint64_t now_ms)
{
    struct scope *scope = scope_get(r, k->scope);
    if (!scope)
        return NULL;
    struct datagram *d = scope->datagrams < r->limits.max_per_scope ? pool_lend(&r->datagram_pool) : NULL;
    if (!d) {
        scope_put(r, scope);
        return NULL;
    }
    d->key = *k;
    d->scope = scope;
    d->start_ms = now_ms;
    hash_add(&r->datagrams, d, hash);
    list_append(&r->by_age, &d->by_age);
    scope->datagrams++;
    return d;
}

static void close_datagram(struct reasm *r, struct datagram *d)
{
    free_pieces(r, d);
    hash_remove(&r->datagrams, d, hash_of_key(r, &d->key));
    list_remove(&r->by_age, &d->by_age);
    d->scope->datagrams--;
    scope_put(r, d->scope);
    pool_return(&r->datagram_pool, d);
}

static enum drop kill_datagram(struct reasm *r, struct datagram *d)
{
    free_pieces(r, d);
    d->dead = true;
    return DROP_FRAGMENT;
}

void reasm_expire(struct reasm *r, uint64_t now_ms)
{
    for (struct datagram *d;
         (d = list_first(&r->by_age, BY_AGE)) && now_ms >= d->start_ms && now_ms - d->start_ms >= r->limits.timeout_ms;)
        close_datagram(r, d);
}

void reasm_usage(const struct reasm *r, size_t *ret_datagrams, size_t *ret_bytes)
{
    *ret_datagrams = r->datagrams.count;
    *ret_bytes = r->bytes;
}

/** The end of a datagram is told once: nothing may lie behind it, nor another last piece end elsewhere. */
static bool end_agrees(const struct datagram *d, uint32_t end, bool more)
{
    if (more)
        return d->total == 0 || end < d->total;
    return (d->total == 0 || d->total == end) && (!d->last || d->last->end <= end);
}

/** Copy the piece into the list behind `after` (NULL: in front). @return false when there is no room */
static bool insert(struct reasm *r, struct datagram *d, struct piece *after, const struct ip4_view *v)
{
    const size_t charge = sizeof(struct piece) + v->l4_len;
    if (d->pieces >= REASM_MAX_PIECES || charge > r->limits.max_bytes - r->bytes ||
        charge > r->scope_max_bytes - d->scope->bytes)
        return false;
    struct piece *p = malloc(charge);
    if (!p)
        return false;
    p->start = v->frag_off;
    p->end = (uint32_t)(v->frag_off + v->l4_len);
    memcpy(p->data, v->l4, v->l4_len);
    struct piece **link = after ? &after->next : &d->first;
    p->next = *link;
    *link = p;
    if (!p->next)
        d->last = p;
    d->pieces++;
    d->have += p->end - p->start;
    d->bytes += charge;
    d->scope->bytes += charge;
    r->bytes += charge;
    if (v->frag_off == 0) {
        memcpy(d->header, v->ip, v->header_len);
        d->header_len = (uint8_t)v->header_len;
    }
    return true;
}

/** The congestion mark of the whole: one marked piece marks it, a mark beside "not capable" is a lie (RFC
 * 3168 section 5.3). */
static bool mend_ecn(struct datagram *d)
{
    enum { NOT_CAPABLE = 1 << 0, MARKED = 1 << 3 };
    if (!(d->ecn_seen & MARKED))
        return true;
    d->header[IP4_TOS] |= 3;
    return !(d->ecn_seen & NOT_CAPABLE);
}

static size_t assemble(struct reasm *r, const struct datagram *d)
{
    const size_t len = d->header_len + d->total;
    memcpy(r->whole, d->header, d->header_len);
    uint8_t *to = r->whole + d->header_len;
    for (const struct piece *p = d->first; p; p = p->next)
        memcpy(to + p->start, p->data, p->end - p->start);
    wire_put16(r->whole + IP4_TOTAL_LEN, (uint16_t)len);
    wire_put16(r->whole + IP4_FRAG, 0);
    ip4_set_header_csum(r->whole, d->header_len);
    return len;
}

/** Add a piece to a living datagram. */
static enum drop add(struct reasm *r, struct datagram *d, const struct ip4_view *v)
{
    const uint32_t start = v->frag_off, end = (uint32_t)(v->frag_off + v->l4_len);
    if (!end_agrees(d, end, v->more_frags))
        return kill_datagram(r, d);

    struct piece *after = NULL, *next = d->first;
    if (d->last && d->last->end <= start) { /* in order, as nearly always */
        after = d->last;
        next = NULL;
    }
    while (next && next->end <= start) {
        after = next;
        next = next->next;
    }
    if (next && next->start < end) {
        if (next->start == start && next->end == end && memcmp(next->data, v->l4, v->l4_len) == 0)
            return DROP_NONE; /* the network duplicated it */
        return kill_datagram(r, d);
    }
    if (!insert(r, d, after, v))
        return kill_datagram(r, d); /* it can never become whole */
    d->ecn_seen |= (uint8_t)(1 << (v->ip[IP4_TOS] & 3));
    if (!v->more_frags)
        d->total = end;
    return DROP_NONE;
}

enum drop reasm_push(struct reasm *r, uint64_t scope, const struct ip4_view *v, uint64_t now_ms,
                     uint8_t **ret_packet, size_t *ret_len)
{
    *ret_packet = NULL;
    *ret_len = 0;
    reasm_expire(r, now_ms);
    if (!ip4_is_fragment(v)) {
        *ret_packet = v->ip;
        *ret_len = v->len;
        return DROP_NONE;
    }
    const struct key key = {scope, v->src, v->dst, wire_get16(v->ip + IP4_ID), v->proto};
    const uint32_t hash = hash_of_key(r, &key);
    struct datagram *d = find(r, &key, hash);
    if (!d)
        d = open_datagram(r, &key, hash, now_ms);
    if (!d || d->dead)
        return DROP_FRAGMENT;
    const enum drop why = add(r, d, v);
    if (why != DROP_NONE || d->total == 0 || d->have < d->total)
        return why;
    if (d->header_len + d->total > IP4_MAX_LEN || !mend_ecn(d))
        return kill_datagram(r, d);
    *ret_len = assemble(r, d);
    *ret_packet = r->whole;
    close_datagram(r, d);
    return DROP_NONE;
}
