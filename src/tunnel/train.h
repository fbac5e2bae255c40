/*
 * tunnel/train.h - a packet train, which shows at once how fast a path has become
 *
 * When a path becomes faster its queue disappears, and delay says no more than that: the pace would have to be raised bit by bit, and each time
 * watched for a round trip. A train says more: many bytes sent at once arrive so much later than few as they need at the slowest place (packet
 * dispersion: Dovrolis, Ramanathan and Moore, 2004; but of the end's delay, for a phone hands on whole messages). So one goes when a queue that stood has
 * gone for half a round trip without our doing, though more is waiting; or when packets that took milliseconds take less than half of that: a quarter of
 * a round trip's bytes. If the path seems more than twice as fast, a second one of a whole round trip's asks again, more exactly. Each makes the queue
 * longer by its own time should the path be no faster.
 *
 * It is not simply believed: a shaper with a token bucket lets any train pass that fits the bucket. So the second train is as long as the harm it may do;
 * for three round trips the window is at most four times what arrives; and when there is a queue meanwhile, no train goes for eight seconds. A path ten
 * times faster is known and used about two round trips after the first news of it, which themselves take one; what it still costs behind a token bucket
 * is in docs/PERFORMANCE.md (test/unit/tunnel/window_step_test.c measures both). Part of window.h; pure.
 */
#ifndef TETHER_TUNNEL_TRAIN_H
#define TETHER_TUNNEL_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct window;

struct train {
    enum train_state { TRAIN_NOT, TRAIN_WAITS, TRAIN_SENT } state; /* waits for the sender; for its answer */
    bool second;
    uint64_t bytes, left;            /* of the train; of it still to be sent */
    uint64_t since_us;               /* when it was called for, and then, when its first byte left */
    uint64_t end;                    /* position of its last byte */
    bool more;                       /* it may be faster still, but the jitter hides it */
    uint64_t tried_until_us;         /* what it said is being proved; 0: it is not */
    uint64_t not_before_us, wait_us; /* the next one; the pause after one that brought nothing */
    uint64_t stood_until_us;         /* that a queue stood counts so long */
    uint64_t calm_us;                /* before it a queue may have gone by our own doing */
    uint64_t clear_us, clear;        /* since when no delay shows a queue; delays since then */
    uint64_t little_us;              /* when a small packet showed the base */
    uint32_t quick;                  /* packets in a row that took less time than one takes at the pace */
};

void train_init(struct train *t);
/** Bytes that may go beyond pace and window. */
uint64_t train_room(const struct window *w, uint64_t now_us);
/** So many bytes go. @return those of them that are the train's, which the pace does not count */
uint64_t train_take(struct window *w, uint64_t bytes, uint64_t now_us);
/** Something was acknowledged, and its delay measured. @param bytes of the newest flight of it @return true: the pace is what the train said */
bool train_hear(struct window *w, uint64_t bytes, uint64_t now_us);
/** What it said is the pace, but not proved yet. */
bool train_is_tried(const struct window *w);

#endif
