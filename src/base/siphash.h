/*
 * base/siphash.h - SipHash of one or two words and perhaps a byte: a short keyed function nobody can predict without the key
 *
 * Keys of hash tables come from the network, so whoever sends them may try to make them collide; a secret key takes that away.
 * SipHash-1-3 places table entries, SipHash-2-4 makes numbers that outsiders see (rng.h). Aumasson and Bernstein, 2012.
 * Words go in as little-endian 8-byte groups of the original's input.
 */
#ifndef TETHER_BASE_SIPHASH_H
#define TETHER_BASE_SIPHASH_H

#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

struct siphash_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void siphash_rounds(struct siphash_state *s, int count)
{
    while (count-- > 0) {
        s->v0 += s->v1;
        s->v1 = siphash_rotl(s->v1, 13) ^ s->v0;
        s->v0 = siphash_rotl(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = siphash_rotl(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = siphash_rotl(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = siphash_rotl(s->v1, 17) ^ s->v2;
        s->v2 = siphash_rotl(s->v2, 32);
    }
}

static inline struct siphash_state siphash_start(const struct siphash_key *key)
{
    return (struct siphash_state){key->k0 ^ 0x736f6d6570736575ULL, key->k1 ^ 0x646f72616e646f6dULL,
                                  key->k0 ^ 0x6c7967656e657261ULL, key->k1 ^ 0x7465646279746573ULL};
}

static inline void siphash_word(struct siphash_state *s, uint64_t word, int rounds)
{
    s->v3 ^= word;
    siphash_rounds(s, rounds);
    s->v0 ^= word;
}

static inline uint64_t siphash_end(struct siphash_state *s, int rounds)
{
    s->v2 ^= 0xff;
    siphash_rounds(s, rounds);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/** SipHash-2-4 of one word. */
static inline uint64_t siphash24_1(const struct siphash_key *key, uint64_t word)
{
    struct siphash_state s = siphash_start(key);
    siphash_word(&s, word, 2);
    siphash_word(&s, 8ULL << 56, 2); /* the last group carries the length */
    return siphash_end(&s, 4);
}

/** SipHash-1-3 of a word and a byte. */
static inline uint64_t siphash13_1b(const struct siphash_key *key, uint64_t word, uint8_t byte)
{
    struct siphash_state s = siphash_start(key);
    siphash_word(&s, word, 1);
    siphash_word(&s, 9ULL << 56 | byte, 1); /* the last group carries what is left over, and the length */
    return siphash_end(&s, 3);
}

/** SipHash-1-3 of two words and a byte. */
static inline uint64_t siphash13_2b(const struct siphash_key *key, uint64_t a, uint64_t b, uint8_t byte)
{
    struct siphash_state s = siphash_start(key);
    siphash_word(&s, a, 1);
    siphash_word(&s, b, 1);
    siphash_word(&s, 17ULL << 56 | byte, 1);
    return siphash_end(&s, 3);
}

/** SipHash-1-3 of two words. */
static inline uint64_t siphash13_2(const struct siphash_key *key, uint64_t a, uint64_t b)
{
    struct siphash_state s = siphash_start(key);
    siphash_word(&s, a, 1);
    siphash_word(&s, b, 1);
    siphash_word(&s, 16ULL << 56, 1);
    return siphash_end(&s, 3);
}

#endif
