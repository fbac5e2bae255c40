/*
 * base/span.h - bytes of somebody else's
 */
#ifndef TETHER_BASE_SPAN_H
#define TETHER_BASE_SPAN_H

#include <stddef.h>
#include <stdint.h>

struct span {
    const uint8_t *data;
    size_t len;
};

#endif
