/*
 * tunnel/ask.h - whether a path carries more than what is sent
 *
 * The queue is told by delay, and a delay may come with the load and be no queue: a phone whose processor is busy, messages that take their time. Then
 * the queue seems to be near its target at any pace, and the pace stays where it happens to be, after a stall for instance. So every now and then
 * the pace is up to a quarter more for a round and as much less for the next (BBR does so all the time; here less on long paths, where it would make a
 * longer queue), and if the rate followed while the queue did not grow, that is the pace, and more is asked for at once. Each refusal makes the next
 * question wait twice as long, up to 128 rounds; when much less is carried than at the last refusal it is asked soon. Part of window.h; pure.
 */
#ifndef TETHER_TUNNEL_ASK_H
#define TETHER_TUNNEL_ASK_H

#include <stdbool.h>
#include <stdint.h>

struct window;

struct ask {
    enum ask_state { ASK_NOT, ASK_RAISED, ASK_SHOWS } state; /* its answer shows in the rate one round later */
    uint32_t gain;            /* sixteenths */
    uint32_t rounds, wait;    /* since the last answer; before the next question */
    uint64_t rate, pace;      /* before the question; to ask it */
    uint64_t sent, since_us, sent_rate; /* what was sent meanwhile */
    uint64_t queue_us;        /* a longer queue later means no */
    uint64_t refused;         /* what was carried when the answer was no */
};

void ask_init(struct ask *a);
/** At the end of a round. @return true: the pace was chosen */
bool ask_choose(struct window *w, uint64_t now_us);

#endif
