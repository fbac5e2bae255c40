/*
 * role/session_status.h - how a session's queue and path are doing, as `tether status` shows it on both ends
 */
#ifndef TETHER_ROLE_SESSION_STATUS_H
#define TETHER_ROLE_SESSION_STATUS_H

#include "tunnel/session.h"

struct json_t;

/** A new JSON object, owned by the caller: "queue" with its counters, and "path" when there is one; NULL: out of memory. */
struct json_t *session_status_json(const struct session *s);

#endif
