/* tunnel/train.c - see train.h */
#include "tunnel/train.h"

#include "tunnel/measure.h"
#include "tunnel/pace.h"

enum {
    SPAN_MIN_US = 10000, SPAN_MAX_US = 15000, /* a train is what the pace brings in so long a time */
    SECOND_SPAN_MAX_US = 40000,
    TOGETHER_US = 1000,                       /* what goes so much later does not belong to it */
    PACKETS_MIN = 3,
    PACE_MIN = 100 * 1000,                    /* bytes/s, below which three packets are too much at once */
    GAIN_MAX = 12,
    DOUBT_US = 500,                           /* delays are not known better */
    CLEAR_MIN_US = 10000, CLEAR_SAMPLES = 4,
    SLOW_PACKET_US = 3000,                    /* a queue of such packets comes and goes by itself */
    LITTLE = 300, LITTLE_US = 8000000, QUICK_PACKETS = 2,
    BELOW_US = 700,                           /* and a third of a packet's time: so much less than ever before is no chance */
    STOOD_TRIPS = 8, CALM_TRIPS = 4, NEXT_TRIPS = 2, PROOF_TRIPS = 3,
    WAIT_FIRST_US = 500000, WAIT_MAX_US = 2000000, LIED_US = 8000000,
};

void train_init(struct train *t)
{
    *t = (struct train){.wait_us = WAIT_FIRST_US};
}

uint64_t train_room(const struct window *w, uint64_t now_us)
{
    const struct train *t = &w->train;
    return t->state == TRAIN_WAITS && now_us <= t->since_us + TOGETHER_US ? t->left : 0;
}

bool train_is_tried(const struct window *w)
{
    return w->train.tried_until_us != 0;
}

uint64_t train_take(struct window *w, uint64_t bytes, uint64_t now_us)
{
    struct train *t = &w->train;
    uint64_t room = train_room(w, now_us), taken = bytes < room ? bytes : room;
    if (taken == 0)
        return 0;
    if (t->left == t->bytes)
        t->since_us = now_us;
    t->left -= taken;
    t->end = w->sent + bytes;
    if (t->left == 0)
        t->state = TRAIN_SENT;
    return taken;
}

static void call(struct window *w, bool second, uint64_t most_us, uint64_t now_us)
{
    struct train *t = &w->train;
    uint64_t span = measure_min_rtt(w) / (second ? 1 : 4);
    span = span < SPAN_MIN_US ? SPAN_MIN_US : span > most_us ? most_us : span;
    uint64_t bytes = w->pace * span / 1000000;
    t->bytes = t->left = bytes > PACKETS_MIN * WINDOW_PACKET ? bytes : PACKETS_MIN * WINDOW_PACKET;
    t->second = second;
    t->since_us = now_us;
    t->state = TRAIN_WAITS;
}

/* There was no more to send, or nothing at all. */
static void finish(struct train *t)
{
    t->bytes -= t->left;
    t->left = 0;
    t->state = t->bytes >= PACKETS_MIN * WINDOW_PACKET ? TRAIN_SENT : TRAIN_NOT;
}

static void deny(struct window *w, uint64_t took_us, uint64_t now_us)
{
    struct train *t = &w->train;
    uint64_t lent_us = t->bytes * 1000000 / w->pace;
    w->next_us += took_us < lent_us ? took_us : lent_us;
    t->not_before_us = now_us + t->wait_us;
    t->wait_us = 2 * t->wait_us < WAIT_MAX_US ? 2 * t->wait_us : WAIT_MAX_US;
}

static void believe(struct window *w, uint64_t rate, uint64_t now_us)
{
    struct train *t = &w->train;
    w->pace = rate < GAIN_MAX * w->pace ? rate : GAIN_MAX * w->pace;
    w->gain = 0;
    w->leapt = false;
    w->ask.state = ASK_NOT;
    t->not_before_us = now_us + NEXT_TRIPS * measure_min_rtt(w);
    t->tried_until_us = now_us + PROOF_TRIPS * measure_min_rtt(w);
}

/* @return true: the pace is what it said */
static bool arrived(struct window *w, uint64_t now_us)
{
    struct train *t = &w->train;
    int64_t later = (int64_t)(w->clock_us - t->since_us) - measure_base(w);
    uint64_t took = (later > 0 ? (uint64_t)later : 0) + DOUBT_US, rate = t->bytes * 1000000 / took;
    uint64_t least = took > 2 * w->jitter_us + DOUBT_US ? took - 2 * w->jitter_us : DOUBT_US, most = t->bytes * 1000000 / least;
    t->state = TRAIN_NOT;
    t->clear_us = now_us;
    t->clear = 0;
    if (rate < w->pace * 5 / 4) {
        deny(w, took, now_us);
        return false;
    }
    if (!t->second && most > 2 * w->pace) {
        call(w, true, SECOND_SPAN_MAX_US, now_us);
        return false;
    }
    t->more = most > rate * 5 / 4;
    believe(w, rate, now_us);
    return true;
}

/* A queue soon afterwards says that it was not true. */
static void prove(struct window *w, uint64_t now_us)
{
    struct train *t = &w->train;
    if (t->tried_until_us == 0)
        return;
    bool lie = measure_queue(w) > 2 * w->target_us + PACE_QUEUE_US;
    if (!lie && now_us < t->tried_until_us)
        return;
    t->tried_until_us = 0;
    t->wait_us = WAIT_FIRST_US;
    if (lie)
        t->not_before_us = now_us + LIED_US;
    else if (t->more && t->state == TRAIN_NOT)
        call(w, false, SPAN_MAX_US, now_us);
}

/* The least delay but for what was seen last. */
static int64_t older_base(const struct window *w)
{
    int64_t least = w->base[1];
    for (uint32_t i = 2; i < w->bases; i++)
        least = w->base[i] < least ? w->base[i] : least;
    return least;
}

/*
 * Where a packet takes milliseconds, its own time shows what the path carries, if the base is that of small packets.
 * @return true: some in a row took less than half of what they would at the pace
 */
static bool packets_are_quick(struct window *w, uint64_t bytes, uint64_t now_us)
{
    struct train *t = &w->train;
    int64_t later = w->delay_us - measure_base(w);
    if (bytes <= LITTLE && later < DOUBT_US)
        t->little_us = now_us;
    if (bytes >= WINDOW_PACKET * 3 / 4)
        t->quick = (uint64_t)later < bytes * 1000000 / w->pace / 2 ? t->quick + 1 : 0;
    return t->quick >= QUICK_PACKETS && t->little_us != 0 && now_us < t->little_us + LITTLE_US;
}

/* @return true: a queue stood and has gone, so the path became faster; or a single packet takes less than ever */
static bool queue_has_gone(struct window *w, uint64_t bytes, uint64_t now_us)
{
    struct train *t = &w->train;
    uint64_t queue = measure_queue(w), rtt = measure_min_rtt(w), packet = WINDOW_PACKET * UINT64_C(1000000) / w->pace;
    if (!w->round_full || w->starting || w->neighbour || w->pace > WINDOW_FAST)
        t->stood_until_us = 0;
    else if (w->dipping || w->ask.state != ASK_NOT || w->pace < w->rate - w->rate / 8)
        t->calm_us = now_us + CALM_TRIPS * rtt;
    else if (queue > w->target_us / 2)
        t->stood_until_us = now_us + STOOD_TRIPS * rtt;
    if (queue > w->target_us / 4) {
        t->clear_us = now_us;
        t->clear = 0;
    }
    t->clear++;
    uint64_t evidence = rtt / 2 < CLEAR_MIN_US ? CLEAR_MIN_US : rtt / 2;
    bool clear = packet < SLOW_PACKET_US && now_us >= t->calm_us && now_us - t->clear_us > evidence && t->clear > CLEAR_SAMPLES;
    bool below = w->bases > 1 && w->delay_us + (int64_t)(packet / 3) + BELOW_US < older_base(w);
    bool quick = packets_are_quick(w, bytes, now_us);
    return now_us < t->stood_until_us && (clear || below || quick);
}

bool train_hear(struct window *w, uint64_t bytes, uint64_t now_us)
{
    struct train *t = &w->train;
    if (w->pace == 0)
        return false;
    bool gone = queue_has_gone(w, bytes, now_us);
    prove(w, now_us);
    if (t->state == TRAIN_WAITS && now_us > t->since_us + TOGETHER_US)
        finish(t);
    if (t->state == TRAIN_SENT)
        return w->acked >= t->end && arrived(w, now_us);
    if (t->state == TRAIN_NOT && gone && now_us >= t->not_before_us && w->pace >= PACE_MIN)
        call(w, false, SPAN_MAX_US, now_us);
    return false;
}
