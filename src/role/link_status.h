/*
 * role/link_status.h - what `tether status` shows of capture and injection, of every role whose packets pass our own NAT
 */
#ifndef TETHER_ROLE_LINK_STATUS_H
#define TETHER_ROLE_LINK_STATUS_H

#include "io/link.h"

struct json_t;

struct link_counters {
    struct link_counts pair;                   /**< what the two count themselves */
    bool has_pair;                             /**< they are ours, not the kernel's */
    uint64_t captured_merged, captured_single; /**< packets that stand for many, and others */
    uint64_t too_big, failed;                  /**< not injected: they cannot be cut; whatever else was wrong */
};

/** Count a captured packet. @param offload as a capture_cb is given it @param link_mtu of the interface */
void link_count_captured(struct link_counters *c, size_t len, const struct offload *offload, size_t link_mtu);
/** Count what inject_send() returned. */
void link_count_sent(struct link_counters *c, int result);
/** Add the members to an object. */
void link_status_put(struct json_t *json, const struct link_counters *c);

#endif
