/*
 * role/server_status.h - what `tether status` shows of a server
 */
#ifndef TETHER_ROLE_SERVER_STATUS_H
#define TETHER_ROLE_SERVER_STATUS_H

#include "io/link.h"
#include "tether/nat.h"
#include "tunnel/session.h"

struct server_counters {
    const char *capture, *inject; /**< which kind runs */
    size_t carriers, pool_lent;
    uint64_t carriers_refused, wrong_keys, inject_failed, too_big, pool_empty, capture_drops, spoofed;
    uint64_t captured_merged, captured_single; /**< packets that stand for many, and others */
    bool has_pair; /**< capture and injection are ours, not the kernel's */
    struct inject_counts injected;
};

/** @return length of the JSON text, or -1 when it does not fit */
int server_status_json(const struct server_counters *counters, struct session_table *sessions,
                       const struct nat_stats *nat, char *buf, size_t cap);

#endif
