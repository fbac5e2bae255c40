/* io/assets.c - see assets.h */
#include "io/assets.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if __has_include("assets.inc")
#define ASSET(name, symbol) extern const char symbol##_raw[], symbol##_raw_end[], symbol##_gz[], symbol##_gz_end[];
#include "assets.inc"
#undef ASSET
#endif

/* Filled once, at the first look: link-time addresses are no constant expressions for lengths. */
enum { ASSETS_MAX = 32 };
static struct asset assets[ASSETS_MAX];
static size_t asset_count;

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},   {".svg", "image/svg+xml"},
        {".mp4", "video/mp4"},                 {".webm", "video/webm"},
        {".png", "image/png"},                 {".json", "application/json"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static void add(const char *name, const char *raw, const char *raw_end, const char *gz, const char *gz_end)
{
    struct asset *a = &assets[asset_count];
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (asset_count == ASSETS_MAX)
        return;
    *a = (struct asset){.name = name, .type = type_of(name), .raw = raw, .gz = gz, .raw_len = (size_t)(raw_end - raw),
                        .gz_len = (size_t)(gz_end - gz)};
    EVP_Digest(raw, a->raw_len, digest, NULL, EVP_sha256(), NULL);
    int at = snprintf(a->etag, sizeof a->etag, "\"");
    for (int i = 0; i < 12; i++)
        at += snprintf(a->etag + at, sizeof a->etag - (size_t)at, "%02x", digest[i]);
    snprintf(a->etag + at, sizeof a->etag - (size_t)at, "\"");
    asset_count++;
}

static void fill(void)
{
    if (asset_count > 0)
        return;
#if __has_include("assets.inc")
#define ASSET(name, symbol) add(name, symbol##_raw, symbol##_raw_end, symbol##_gz, symbol##_gz_end);
#include "assets.inc"
#undef ASSET
#else
    (void)add;
#endif
}

const struct asset *asset_find(const char *path)
{
    fill();
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path[0] == '/' ? path + 1 : path;
    for (size_t i = 0; i < asset_count; i++)
        if (strcmp(assets[i].name, name) == 0)
            return &assets[i];
    return NULL;
}
