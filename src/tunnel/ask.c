/* tunnel/ask.c - see ask.h */
#include "tunnel/ask.h"

#include "tunnel/measure.h"
#include "tunnel/pace.h"

enum {
    ASK_RATE = 2000 * 1000,        /* bytes/s; below it a packet's time is more than what is no queue */
    ASK_GAIN_FIRST = 4, ASK_GAIN_MAX = 16, /* sixteenths */
    ASK_QUEUE_US = 4000, ASK_QUEUE_MOST_US = 100000, /* what the first question may add to the queue, and any later one */
    ASK_ROUNDS_MIN = 4, ASK_ROUNDS_MAX = 128,
};

void ask_init(struct ask *a)
{
    *a = (struct ask){.gain = ASK_GAIN_FIRST, .wait = ASK_ROUNDS_MIN};
}

/* What seemed a queue was none, or only half of it: the path carried more, and it did not grow. */
static void forget_queue(struct window *w)
{
    int64_t none = (int64_t)w->queue_us - (int64_t)(w->target_us / 2);
    measure_shift_base(w, none);
    w->queue_us = w->round_queue_us = w->target_us / 2;
}

/* Sent for a round trip, so much more makes a queue of so long a time, should the answer be no. */
static uint32_t gain_of_queue(const struct window *w, uint64_t queue_us, uint32_t most)
{
    uint64_t gain = queue_us * 16 / measure_min_rtt(w);
    return gain < 1 ? 1 : gain > most ? most : (uint32_t)gain;
}

static uint32_t first_gain(const struct window *w)
{
    return gain_of_queue(w, ASK_QUEUE_US, ASK_GAIN_FIRST);
}

/* Raise the pace for a round; where more was carried before, no further than to that. */
static void raise_question(struct window *w, uint64_t rate, uint64_t now_us)
{
    uint64_t best = measure_best(w), pace = rate + rate * w->ask.gain / 16;
    if (rate < best - best / 8 && pace > best)
        pace = best;
    w->ask.state = ASK_RAISED;
    w->ask.rate = rate;
    w->pace = w->ask.pace = pace;
    w->ask.sent = w->sent;
    w->ask.queue_us = w->queue_us + measure_min_rtt(w) * (pace - rate) / rate / 2;
    w->ask.since_us = now_us;
}

/* @return true: yes, it carries more */
static bool hear_answer(struct window *w)
{
    uint64_t half = (w->ask.rate + w->ask.pace) / 2;
    w->ask.state = ASK_NOT;
    w->ask.rounds = 0;
    if (w->rates[0] >= half && w->queue_us <= w->ask.queue_us) {
        uint32_t most = gain_of_queue(w, ASK_QUEUE_MOST_US, ASK_GAIN_MAX);
        w->ask.gain = 2 * w->ask.gain < most ? 2 * w->ask.gain : most;
        w->ask.wait = ASK_ROUNDS_MIN;
        return true;
    }
    w->ask.gain = first_gain(w);
    if (w->ask.sent_rate < half) /* nor was more sent */
        return false;
    w->ask.refused = w->ask.rate;
    w->ask.wait = 2 * w->ask.wait < ASK_ROUNDS_MAX ? 2 * w->ask.wait : ASK_ROUNDS_MAX;
    return false;
}

bool ask_choose(struct window *w, uint64_t now_us)
{
    uint64_t rate = w->rates[0] > w->rates[1] ? w->rates[0] : w->rates[1];
    if (!w->round_full || w->rates[0] < ASK_RATE || w->neighbour || w->dipping) {
        w->ask.state = ASK_NOT;
        return false;
    }
    if (w->ask.state == ASK_RAISED && w->queue_us > w->ask.queue_us + PACE_QUEUE_US) {
        w->ask.state = ASK_NOT;
        w->ask.rounds = 0;
        return false;
    }
    if (w->ask.state == ASK_RAISED) { /* what is known to have been carried before is not taken back at once */
        uint64_t more = w->ask.pace - w->ask.rate, took_us = now_us - w->ask.since_us;
        w->ask.state = ASK_SHOWS;
        w->ask.sent_rate = (w->sent - w->ask.sent) * 1000000 / (took_us > 0 ? took_us : 1);
        w->pace = w->ask.gain <= ASK_GAIN_FIRST ? w->ask.rate - more : w->ask.rate;
        return true;
    }
    if (w->ask.state == ASK_SHOWS) {
        if (!hear_answer(w))
            return false;
        if (w->queue_us > w->target_us)
            forget_queue(w);
        rate = w->rates[0];
        w->ask.rounds = ASK_ROUNDS_MIN;
    }
    if (rate < w->ask.refused - w->ask.refused / 4) {
        w->ask.wait = ASK_ROUNDS_MIN;
        w->ask.gain = rate < measure_best(w) / 2 ? ASK_GAIN_MAX : first_gain(w);
        w->ask.refused = rate;
    }
    if (w->ask.rounds++ < w->ask.wait || w->queue_us > w->target_us + PACE_QUEUE_US)
        return false;
    raise_question(w, rate, now_us);
    return true;
}
