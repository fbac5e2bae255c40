/*
 * test/fuzz/fuzz.h - what fuzz targets share: reading parameters from the input, and checks that no build
 * leaves out
 */
#ifndef TETHER_TEST_FUZZ_H
#define TETHER_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() is gone from optimised builds, which are the ones that fuzz. */
#define FUZZ_CHECK(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/** A cursor over the input; reads behind the end give zeros. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
    const unsigned high = fuzz_u8(in);
    return (uint16_t)(high << 8 | fuzz_u8(in));
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
    const uint32_t high = fuzz_u16(in);
    return high << 16 | fuzz_u16(in);
}

/** Take up to len bytes. @return how many there were */
static inline size_t fuzz_take(struct fuzz_input *in, size_t len, const uint8_t **ret_data)
{
    if (len > in->size)
        len = in->size;
    *ret_data = in->data;
    in->data += len;
    in->size -= len;
    return len;
}

/** A heap copy of exactly len bytes, so that a sanitizer sees the first byte too far. @return to be freed,
 * never NULL */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy)
        abort();
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

#endif
