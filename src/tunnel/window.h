/*
 * tunnel/window.h - how much may be in flight on one path
 *
 * Without a bound a phone's browser buffers tens of seconds. The far end acknowledges the bytes it received; from the
 * acknowledgements the sender estimates the path's bandwidth (windowed maximum of the delivery rate) and its round-trip time
 * without queue (windowed minimum), and keeps twice their product in flight plus a small allowance, as BBR does
 * (draft-ietf-ccwg-bbr): twice, because a sender that fills its window then sees it grow by doubling until a queue
 * forms. What does not fit waits in the queue at the tunnel's entry, where TCP can see it.
 * Every ten seconds without a new minimum the window shrinks for a moment so that the path's own queue drains and the minimum can be
 * seen again (BBR's PROBE_RTT). Pure: time comes from the caller, in microseconds.
 */
#ifndef TETHER_TUNNEL_WINDOW_H
#define TETHER_TUNNEL_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WINDOW_INITIAL = 32 * 1024,
    WINDOW_MIN = 24 * 1024,
    WINDOW_MAX = 8 * 1024 * 1024,
    WINDOW_RECORDS = 256,
};

/* One flight of bytes, and what was known when it left (delivery-rate estimation, draft-cheng-iccrg-delivery-rate). */
struct window_record {
    uint64_t start, end;    /* total sent before it, and with it */
    uint64_t sent_us;
    uint64_t acked_then;    /* total acknowledged when it left */
    uint64_t acked_then_us; /* and when that acknowledgement came */
    bool app_limited;
    bool timed;             /* its first byte was acknowledged: the round trip is known */
};

struct window {
    uint64_t sent, acked, acked_us;
    uint64_t size;                 /**< bytes allowed in flight */
    uint64_t min_rtt_us, min_rtt_at_us;
    uint64_t srtt_us;              /**< smoothed, as acknowledgements show it; 0: unknown */
    uint64_t rate_now, rate_before; /* bytes/s: maximum of this and of the previous filter interval */
    uint64_t rate_since_us;
    bool probing;                  /* PROBE_RTT */
    uint64_t probe_until_us, probe_min_us; /* end, once in flight is what the small window allows; smallest seen */
    struct window_record record[WINDOW_RECORDS];
    uint32_t head, count;
};

void window_init(struct window *w, uint64_t now_us);
/** Bytes that may be sent now; one packet is always allowed when nothing is in flight. */
size_t window_room(const struct window *w);
/** Bytes left. @param app_limited nothing more was waiting, so the rate that follows says little about the path */
void window_on_sent(struct window *w, size_t bytes, bool app_limited, uint64_t now_us);
/**
 * The far end has received `total` bytes, the newest of which waited there for delay_us.
 * @return false when it acknowledges what was never sent: the peer is broken
 */
bool window_on_ack(struct window *w, uint64_t total, uint32_t delay_us, uint64_t now_us);
/** Estimated bandwidth, bytes/s; 0: unknown. */
uint64_t window_rate(const struct window *w);

#endif
