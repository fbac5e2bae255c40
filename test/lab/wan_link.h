/*
 * lab/wan_link.h - one direction of an emulated link, as a pure model
 *
 * A frame first waits in a bounded drop-tail queue for the transmitter, which sends one frame after the other at the
 * link's rate; then it may be lost on the way; then it travels for the delay and arrives. Times are absolute
 * nanoseconds of one clock and come from the caller, and what the transmitter does is computed from those times, not from the
 * moments at which somebody looked: a caller that wakes late sends late, but the rate stays exact.
 */
#ifndef LAB_WAN_LINK_H
#define LAB_WAN_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAN_FRAME_MAX 65600
#define WAN_FRAMES 65536 /* of each of the two stages; a power of two */
#define WAN_STEPS 16
#define WAN_NEVER INT64_MAX

struct wan_step {
    int64_t at_ns; /* on the caller's clock */
    double rate;   /* bit/s; 0 is no limit */
};

struct wan_config {
    double rate;           /* bit/s of frame bytes (Ethernet header to end of payload); 0 is no limit */
    int64_t delay_ns;      /* one way, after the last bit was sent */
    int64_t jitter_ns;     /* up to so much more, uniform */
    bool reorder;          /* jitter may change the order of frames */
    double loss;           /* share of sent frames that vanish, 0 to 1 */
    int64_t stall_every_ns; /* the transmitter rests at the start of each such period ... */
    int64_t stall_ns;       /* ... for this long; 0 is never */
    size_t queue_bytes;    /* drop-tail limit, when queue_ns is 0 */
    int64_t queue_ns;      /* the limit as time at the current rate */
    struct wan_step steps[WAN_STEPS]; /* rates to come, by time */
    unsigned step_count;
};

struct wan_counters {
    uint64_t in_packets, in_bytes;       /* offered */
    uint64_t sent_packets, sent_bytes;   /* put on the wire: what used the rate */
    uint64_t out_packets, out_bytes;     /* arrived */
    uint64_t dropped, lost;              /* at the full queue; on the way */
    double capacity_bytes;               /* what the rate would have allowed since the last reset */
    int64_t wait_max_ns, wait_sum_ns;    /* from arrival to the last bit sent */
    size_t queue_max;                    /* bytes */
};

struct wan_frame {
    int64_t arrived_ns, due_ns;
    size_t len;
    uint8_t data[];
};

struct wan_ring {
    struct wan_frame **frames;
    uint32_t head, tail;
};

struct wan_way {
    struct wan_config config;
    struct wan_counters counters;
    struct wan_ring queue, air;
    size_t queued;       /* bytes in queue, the one being sent included */
    int64_t start_ns;    /* when the frame at the head began to be sent, or WAN_NEVER */
    double left_bits;    /* of that frame, at clock_ns */
    int64_t free_ns;     /* the transmitter's last end */
    int64_t clock_ns;    /* advanced so far */
    int64_t epoch_ns;    /* stalls are counted from here */
    int64_t last_due_ns; /* keeps the order */
    uint64_t random;
};

/** @return 0, or -ENOMEM; wan_way_done() either way. */
int wan_way_init(struct wan_way *way, int64_t now_ns, uint64_t seed);
void wan_way_done(struct wan_way *way);

/** Replace the configuration from now on; what waits is sent at the new rate. */
void wan_way_set(struct wan_way *way, const struct wan_config *config, int64_t now_ns);

/** Counters start from zero. */
void wan_way_reset(struct wan_way *way, int64_t now_ns);

/** Offer a frame; a full queue drops it and counts. The bytes are copied. */
void wan_way_offer(struct wan_way *way, const uint8_t *data, size_t len, int64_t now_ns);

/** Let the model run until now. */
void wan_way_advance(struct wan_way *way, int64_t now_ns);

/** The next frame that has arrived by now, or NULL. The caller frees it with free(). */
struct wan_frame *wan_way_take(struct wan_way *way, int64_t now_ns);

/** When something next happens: a frame to deliver or to send; WAN_NEVER when idle. */
int64_t wan_way_next(const struct wan_way *way);

/**
 * Apply one setting, `NAME=VALUE` without a direction, to a configuration:
 * rate=10M (k, M, G bit/s; 0 no limit) or rate=20M@0,2M@10 (seconds from now), delay=20 jitter=5 (ms), loss=2 (percent),
 * queue=100ms or queue=256k (bytes; k, M), stall=5/0.5 (every 5 s for half a second; 0 never), reorder=0|1.
 *
 * @return 0, or -EINVAL with nothing changed
 */
int wan_config_word(struct wan_config *config, const char *word, int64_t now_ns);

#endif
