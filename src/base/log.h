/*
 * base/log.h - lines for the person who runs tether
 *
 * A line is `time level role[peer] event key=value ...`, or the same as one JSON object per line. Roles log
 * outcomes at info, io logs at debug; the pure layers (base, packet, nat, tunnel, http) never log. Port tuples may appear
 * at debug, destinations not by default, payloads never.
 */
#ifndef TETHER_BASE_LOG_H
#define TETHER_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/** Set once at start: the lowest level written, and whether lines are JSON. */
void log_setup(enum log_level lowest, bool json);
/** True when lines of this level are written; guards costly arguments. */
bool log_enabled(enum log_level level);

/**
 * Write one line to stderr.
 *
 * @param role   "client", "server", ...
 * @param peer   who it is about, or NULL
 * @param event  short words, no '='
 * @param format printf format of space-separated key=value pairs, values with blanks in double quotes; or NULL
 */
void log_event(enum log_level level, const char *role, const char *peer, const char *event, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
