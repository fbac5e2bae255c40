/* tunnel/pace.c - see pace.h */
#include "tunnel/pace.h"

#include "tunnel/measure.h"

enum {
    LEAST_SHARE = 16,              /* of the best rate, below which nothing drives us for some seconds */
    TARGET_MIN_US = 1000, TARGET_FAST_US = 700,
    TARGET_JITTER_MAX_US = 4000,
    SLOW_PACKET_US = 3000,         /* a packet's own time is queue enough */
    TARGET_PACKET_US = 12000,      /* what nothing but our own pace says of a packet's time is believed so far */
    GAIN_FIRST = 4, GAIN_MAX = 16, /* sixteenths */
    STEADY_MIN_US = 8000,
    PACE_MIN = 16000,              /* bytes/s; a path slower than this has a queue of WINDOW_MIN anyway */
    CALM_ROUNDS = 6,               /* after a leap that brought nothing */
    START_STALL_RATE = 500 * 1000, /* bytes/s from which a queue at the beginning may be a stall's: on slower paths it is that of the first flight */
    MOVED_ROUNDS = 3,
    MOVED_US = 1500000,
    OVER_ROUNDS = 3,
    NEIGHBOUR_ROUNDS = 8,
    NEIGHBOUR_US = 3000000,
    NEIGHBOUR_STAYS_US = 20000000,
};

/* What nothing drives us below for some seconds: a share of the best rate there was if it still arrives, beside a neighbour a quarter if it can be had. */
static uint64_t least_pace(const struct window *w)
{
    uint64_t best = measure_best(w), least = best / LEAST_SHARE;
    if (w->neighbour)
        least = best / 4 < 2 * w->rates[0] ? best / 4 : 2 * w->rates[0];
    else if (w->over >= OVER_ROUNDS && w->rates[0] - w->rates[0] / 4 < least)
        least = w->rates[0] - w->rates[0] / 4; /* the path became slower by more than that, and the queue may be our own */
    least = least > PACE_MIN ? least : PACE_MIN;
    return w->doubtful && w->flat_pace / 3 < least ? w->flat_pace / 3 : least;
}

/* A queue of so long a time keeps the path busy, besides a packet's own time and what jitter hides. */
static uint64_t plain_target(const struct window *w)
{
    uint64_t target = measure_min_rtt(w) / 16;
    if (w->rate > WINDOW_FAST)
        return TARGET_FAST_US;
    if (target < TARGET_MIN_US || (w->rate > 0 && measure_packet_us(w->rate) > SLOW_PACKET_US))
        return TARGET_MIN_US;
    return target > PACE_TARGET_MAX_US ? PACE_TARGET_MAX_US : target;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * So that the path is busy while the next packet comes: one packet's time. One that seems to take very long may rather be our own little pace, unless
 * little arrives earlier by as much; then a part of it does. What a packet takes longer than when the path was at its best the base does not know yet.
 */
static uint64_t packets_target(const struct window *w)
{
    uint64_t then = measure_packet_us(measure_best(w)), now = measure_packet_us(w->rate > least_pace(w) ? w->rate : least_pace(w));
    uint64_t seen = measure_packet_seen_us(w), packet = at_most(then, TARGET_PACKET_US);
    uint64_t slower = at_most(now, TARGET_PACKET_US) - at_most(packet, now);
    if (seen > then / 2) {
        slower = at_most(now > then ? now - then : 0, TARGET_PACKET_US);
        packet = seen < 2 * SLOW_PACKET_US ? seen / 3 : seen - SLOW_PACKET_US * 4 / 3;
    }
    return packet + slower * 5 / 4;
}

static void choose_target(struct window *w)
{
    uint64_t target = plain_target(w);
    target += w->jitter_us / 3 < TARGET_JITTER_MAX_US ? w->jitter_us / 3 : TARGET_JITTER_MAX_US;
    w->target_us = target + (w->rate > 0 ? packets_target(w) : 0);
}

/* Above it there is a queue, though it may be less than wanted. On a slow path it comes and goes by itself. */
static uint64_t no_queue_us(const struct window *w)
{
    return w->target_us / (measure_packet_us(w->rate) > SLOW_PACKET_US ? 4 : 2);
}

/*
 * There was no queue although more was waiting: the path may have become much faster, or it is not what holds us up. The pace rises by
 * leaps as long as the rate follows, which shows one round later. @return true: the pace was chosen
 */
static bool leap(struct window *w)
{
    if (w->calm_rounds > 0) {
        w->calm_rounds--;
        return false;
    }
    if (w->leapt) {
        w->leapt = false;
        return true;
    }
    if (w->gain > 0 && w->rates[0] < w->leap_rate + w->leap_rate / 8) {
        w->gain = 0;
        w->calm_rounds = CALM_ROUNDS;
        return false;
    }
    w->leap_rate = w->rates[0];
    w->gain = w->gain == 0 ? GAIN_FIRST : w->gain * 2 < GAIN_MAX ? w->gain * 2 : GAIN_MAX;
    w->pace = (w->pace > w->rates[0] ? w->pace : w->rates[0]) * (16 + w->gain) / 16;
    w->leapt = true;
    return true;
}

/*
 * The beginning: the pace doubles each round, until a queue forms, or the rate has not followed twice. @return true: the pace was chosen
 */
static bool start(struct window *w)
{
    if (!w->round_full && w->queue_us <= w->target_us + PACE_QUEUE_US)
        return true; /* a sender of little says nothing about the path, and must not be held to that little later */
    bool followed = w->rates[0] > w->leap_rate + w->leap_rate / 4, queue = w->queue_us > w->target_us + PACE_QUEUE_US;
    if (followed) {
        w->leap_rate = w->rates[0];
        w->start_misses = 0;
    } else {
        w->start_misses += w->round_full;
    }
    if (queue && !w->start_again && w->rates[0] > START_STALL_RATE) { /* the first one may be a stall's: slower, and then once more */
        w->start_queue = true;
        w->start_misses = 0;
        w->leap_rate = 0;
        return false;
    }
    w->start_again = w->start_queue;
    if (queue || w->start_misses > 2) {
        w->starting = false;
        w->calm_rounds = CALM_ROUNDS;
        return false;
    }
    if (followed) {
        /* What was little so far may have been the sender's: never less than the first window in each round trip. */
        uint64_t first = w->start_again ? 0 : WINDOW_INITIAL * UINT64_C(1000000) / measure_min_rtt(w);
        w->pace = 2 * w->rates[0] > first ? 2 * w->rates[0] : first;
    }
    return true;
}

/*
 * A queue that neither grows nor shrinks while we send only half is none: the path became longer, as when a phone changes its cell. Then
 * the base is forgotten. Our own would shrink, a neighbour's swings. After a while the usual least pace does not keep us from that half.
 */
static bool has_moved(struct window *w, uint64_t now_us)
{
    uint64_t least = w->queue_us < w->flat_least_us ? w->queue_us : w->flat_least_us;
    uint64_t most = w->queue_us > w->flat_most_us ? w->queue_us : w->flat_most_us;
    if (w->over < MOVED_ROUNDS || most - least > TARGET_MIN_US + measure_packet_us(measure_best(w))) {
        w->flat_least_us = w->flat_most_us = w->queue_us;
        w->flat_since_us = now_us;
        w->flat_rounds = 0;
        w->flat_pace = w->pace;
        w->doubtful = false;
        return false;
    }
    w->flat_least_us = least;
    w->flat_most_us = most;
    w->flat_rounds++;
    w->doubtful = now_us - w->flat_since_us > MOVED_US / 2;
    return w->flat_rounds >= MOVED_ROUNDS && now_us - w->flat_since_us > MOVED_US && w->pace <= w->flat_pace / 2;
}

/*
 * There is none: what arrives is what the path carries. If it carried very much more some seconds ago, that must not be insisted on, for it would bring
 * the queue back, and again, until it is forgotten.
 */
static void queue_is_over(struct window *w)
{
    measure_cap_best(w, w->rate * LEAST_SHARE * 3 / 4);
    w->over = w->flat_rounds = 0;
}

/*
 * A queue that stays although we hardly send is somebody else's. For some seconds we insist on a share then: who gets how much, the
 * congestion control of the legs' TCP decides. The target stays, so the lag is short again as soon as the other one leaves. Our own queue is told
 * by what arrives: more than is sent while it shrinks, less while it grows.
 */
static void suspect_neighbour(struct window *w, uint64_t now_us)
{
    if (w->flat_rounds == 0) /* later it grows with a packet's time at our own, smaller pace */
        w->flat_target_us = w->target_us;
    if (w->queue_us <= w->flat_target_us + w->flat_target_us / 2)
        queue_is_over(w);
    else if (w->over++ == 0)
        w->over_since_us = now_us;
    if (has_moved(w, now_us)) {
        measure_forget_base(w, now_us);
        w->queue_us = w->round_queue_us = 0;
        w->over = 0;
        w->doubtful = false;
        w->starting = true;
        w->start_misses = 0;
        w->leap_rate = 0;
        w->pace = w->pace > measure_best(w) / 4 ? w->pace : measure_best(w) / 4;
    }
    bool through = w->rates[0] >= w->pace - w->pace / 8 && w->rates[0] <= w->pace + w->pace / 8;
    if (w->over >= NEIGHBOUR_ROUNDS && now_us - w->over_since_us > NEIGHBOUR_US && through)
        w->neighbour_until_us = now_us + NEIGHBOUR_STAYS_US;
    w->neighbour_misses = w->neighbour && w->rates[0] < w->pace * 3 / 4 ? w->neighbour_misses + 1 : 0;
    if (w->neighbour_misses > NEIGHBOUR_ROUNDS) /* the share cannot be had: the queue is what we insist on */
        w->neighbour_until_us = now_us;
    w->neighbour = now_us < w->neighbour_until_us;
}

/* The rate to send at, so that the queue nears its target with the time constant `steady`: queue' = pace / rate - 1. */
static void choose_pace(struct window *w, uint64_t now_us)
{
    uint64_t steady = 2 * measure_min_rtt(w) > STEADY_MIN_US ? 2 * measure_min_rtt(w) : STEADY_MIN_US;
    uint64_t rate = w->rates[0] > w->rates[1] ? w->rates[0] : w->rates[1];
    int64_t lack = (int64_t)w->target_us - (int64_t)w->queue_us, most = (int64_t)steady / 4, least = -(int64_t)steady / 2;
    lack = lack > most ? most : lack < least ? least : lack;
    if ((w->starting && start(w)) || ask_choose(w, now_us))
        return;
    if (!w->round_full && w->calm_rounds < WINDOW_QUIET_ROUNDS) /* a pause empties the queue, too */
        w->calm_rounds = WINDOW_QUIET_ROUNDS;
    if (w->round_queue_us >= no_queue_us(w)) {
        w->gain = 0;
        w->calm_rounds = w->calm_rounds > WINDOW_QUIET_ROUNDS ? w->calm_rounds : WINDOW_QUIET_ROUNDS;
    } else if (w->round_full && leap(w)) {
        return;
    }
    if (!w->round_full && lack > 0) /* the rate is the sender's, not the path's */
        return;
    if (lack > 0 && w->rate > WINDOW_FAST) /* what was carried four rounds ago is carried still, as long as there is no queue */
        rate = w->rate;
    if (lack > 0 && rate < w->pace * 7 / 8 && w->queue_us < w->target_us)
        rate = w->pace * 7 / 8;
    w->pace = rate + (uint64_t)((int64_t)rate * lack / (int64_t)steady);
    if (w->pace < least_pace(w))
        w->pace = least_pace(w);
}

void pace_choose(struct window *w, uint64_t now_us)
{
    choose_target(w);
    suspect_neighbour(w, now_us);
    if (w->rates[0] != 0)
        choose_pace(w, now_us);
}
