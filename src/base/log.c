/* base/log.c - see log.h. The level and form are the process's only mutable globals. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

static enum log_level lowest_level = LOG_LEVEL_INFO;
static bool as_json;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level lowest, bool json)
{
    lowest_level = lowest;
    as_json = json;
}

bool log_enabled(enum log_level level)
{
    return level >= lowest_level;
}

/* Append text as the inside of a JSON string. */
static void put_json(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
}

/* Turn `key=value key="a b"` into JSON members; values stay strings, so no reader has to guess. */
static void put_pairs(FILE *out, const char *pairs)
{
    while (*pairs != '\0') {
        pairs += strspn(pairs, " ");
        size_t key_len = strcspn(pairs, "= ");
        if (key_len == 0 || pairs[key_len] != '=')
            break;
        fputs(",\"", out);
        put_json(out, pairs, key_len);
        fputs("\":\"", out);
        pairs += key_len + 1;
        size_t value_len;
        if (*pairs == '"') {
            pairs++;
            value_len = strcspn(pairs, "\"");
        } else {
            value_len = strcspn(pairs, " ");
        }
        put_json(out, pairs, value_len);
        fputc('"', out);
        pairs += value_len;
        pairs += *pairs == '"';
    }
}

void log_event(enum log_level level, const char *role, const char *peer, const char *event, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char pairs[768] = "", stamp[40];
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(pairs, sizeof pairs, format, args);
        va_end(args);
        text_printable(pairs); /* neither to a terminal nor into JSON */
    }
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    if (as_json) {
        fprintf(stderr, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"role\":\"%s\",\"event\":\"", stamp,
                now.tv_nsec / 1000000, level_names[level], role);
        put_json(stderr, event, strlen(event));
        fputc('"', stderr);
        if (peer != NULL) {
            fputs(",\"peer\":\"", stderr);
            put_json(stderr, peer, strlen(peer));
            fputc('"', stderr);
        }
        put_pairs(stderr, pairs);
        fputs("}\n", stderr);
    } else {
        fprintf(stderr, "%s.%03ldZ %s %s%s%s%s %s%s%s\n", stamp, now.tv_nsec / 1000000, level_names[level], role,
                peer ? "[" : "", peer ? peer : "", peer ? "]" : "", event, *pairs ? " " : "", pairs);
    }
}
