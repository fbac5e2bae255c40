/*
 * role/server_status.h - what `tether status` shows of a server
 */
#ifndef TETHER_ROLE_SERVER_STATUS_H
#define TETHER_ROLE_SERVER_STATUS_H

#include "role/link_status.h"
#include "tether/nat.h"
#include "tunnel/session.h"

struct server_counters {
    struct link_counters link;
    size_t carriers, pool_lent;
    uint64_t carriers_refused, wrong_keys, pool_empty, spoofed;
};

/** @return length of the JSON text, or -1 when it does not fit */
int server_status_json(const struct server_counters *counters, struct session_table *sessions,
                       const struct nat_stats *nat, char *buf, size_t cap);

#endif
