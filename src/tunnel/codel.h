/*
 * tunnel/codel.h - when a queue is bad, by how long packets stay in it (RFC 8289)
 *
 * A queue that empties within an interval is good: it takes up bursts. One whose packets all waited longer than the target for a whole
 * interval is standing, and one packet is dropped (or marked) at its head, then more and more often until the sender slows down. Pure.
 */
#ifndef TETHER_TUNNEL_CODEL_H
#define TETHER_TUNNEL_CODEL_H

#include <stdbool.h>
#include <stdint.h>

struct codel_params {
    uint64_t target_us, interval_us;
};

/** One per flow; all zeros at first. */
struct codel {
    uint64_t first_above_us; /* when a packet too many will have been above the target for an interval; 0: below */
    uint64_t drop_next_us;
    uint32_t count, last_count; /* drops since the dropping state was entered, and when it was left last */
    bool dropping;
};

/**
 * Judge the packet at the head.
 *
 * @param sojourn_us how long it was queued @param backlog bytes of the flow, it included: the last packet's worth is never dropped
 * @return true: drop or mark it, and judge the next one if it was dropped
 */
bool codel_drops(struct codel *c, const struct codel_params *params, uint64_t sojourn_us, uint64_t backlog, uint64_t now_us);

#endif
