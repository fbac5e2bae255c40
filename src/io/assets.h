/*
 * io/assets.h - the page, embedded at build time: one copy for all roles (cmake/web.cmake)
 */
#ifndef TETHER_IO_ASSETS_H
#define TETHER_IO_ASSETS_H

#include <stddef.h>

struct asset {
    const char *name; /**< "index.html" */
    const char *type; /**< Content-Type */
    const char *raw, *gz;
    size_t raw_len, gz_len;
    char etag[40]; /**< quoted, of the raw form; the compressed one has "-gz" before the closing quote */
};

/** @param path "/" or "/name" @return NULL: no such file */
const struct asset *asset_find(const char *path);

#endif
