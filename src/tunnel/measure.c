/* tunnel/measure.c - see measure.h */
#include "tunnel/measure.h"

enum {
    BASE_INTERVAL_US = 2000000,
    LOOK_MIN_US = 4000, LOOK_MAX_US = 50000,
    BEST_US = 5000000,
    LOSS_SHARE = 32,
    WHOLE = WINDOW_PACKET * 3 / 4, /* bytes from which it is a packet or more */
    PACKET_UNKNOWN_US = 12000, PACKET_MOST_US = 100000,
};

int64_t measure_base(const struct window *w)
{
    int64_t least = w->base[0];
    for (uint32_t i = 1; i < w->bases; i++)
        if (w->base[i] < least)
            least = w->base[i];
    return least;
}

uint64_t measure_packet_us(uint64_t rate)
{
    uint64_t took = rate > 0 ? WINDOW_PACKET * UINT64_C(1000000) / rate : PACKET_UNKNOWN_US;
    return took < PACKET_MOST_US ? took : PACKET_MOST_US;
}

/* Of what was a packet or more. @return INT64_MAX: nothing was */
static int64_t base_of_whole(const struct window *w)
{
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < w->bases; i++)
        if (w->base_whole[i] < least)
            least = w->base_whole[i];
    return least;
}

/*
 * Where little and packets share a slow path, a packet arrives later by its own time, which is no queue; and there may be times in which only packets
 * are measured. So they have their own base, but not later than by that time: they may all have met a queue.
 */
static int64_t base_of(const struct window *w, uint64_t bytes)
{
    int64_t base = measure_base(w), whole = base_of_whole(w), most = base + (int64_t)measure_packet_us(w->rate);
    return bytes < WHOLE ? base : whole < most ? whole : most;
}

uint64_t measure_packet_seen_us(const struct window *w)
{
    return base_of_whole(w) == INT64_MAX ? 0 : (uint64_t)(base_of(w, WHOLE) - measure_base(w));
}

void measure_shift_base(struct window *w, int64_t later_us)
{
    for (uint32_t i = 0; i < w->bases; i++) {
        w->base[i] += later_us;
        w->base_whole[i] += w->base_whole[i] == INT64_MAX ? 0 : later_us;
    }
    for (int i = 0; i < 2; i++)
        w->look[i] = (int64_t)w->look[i] > later_us ? (uint64_t)((int64_t)w->look[i] - later_us) : 0;
}

void measure_forget_base(struct window *w, uint64_t now_us)
{
    w->bases = 0;
    w->look[0] = w->look[1] = 0;
    w->base_seen_us = now_us;
}

uint64_t measure_min_rtt(const struct window *w)
{
    uint64_t least = w->min_rtt[0];
    for (uint32_t i = 1; i < w->bases; i++)
        if (w->min_rtt[i] < least)
            least = w->min_rtt[i];
    return least;
}

/* The standing queue is the smallest of so long a time, and of up to as much before it. */
static uint64_t rtt_half(const struct window *w)
{
    uint64_t half = measure_min_rtt(w) / 4;
    return half < LOOK_MIN_US ? LOOK_MIN_US : half > LOOK_MAX_US ? LOOK_MAX_US : half;
}

/* Bases of two seconds each, of which the oldest is forgotten. */
static void note_base(struct window *w, uint64_t bytes, int64_t delay_us, uint64_t rtt_us, uint64_t now_us)
{
    if (w->bases == 0 || now_us - w->base_since_us > BASE_INTERVAL_US) {
        for (uint32_t i = WINDOW_BASES - 1; i > 0; i--) {
            w->base[i] = w->base[i - 1];
            w->base_whole[i] = w->base_whole[i - 1];
            w->min_rtt[i] = w->min_rtt[i - 1];
        }
        w->base[0] = delay_us;
        w->base_whole[0] = INT64_MAX;
        w->min_rtt[0] = rtt_us;
        w->bases += w->bases < WINDOW_BASES;
        w->base_since_us = now_us;
    }
    if (delay_us < w->base[0])
        w->base[0] = delay_us;
    if (bytes >= WHOLE && delay_us < w->base_whole[0])
        w->base_whole[0] = delay_us;
    if (rtt_us < w->min_rtt[0])
        w->min_rtt[0] = rtt_us;
}

static void note_excess(struct window *w, uint64_t excess, uint64_t now_us)
{
    if (excess <= w->target_us / 4)
        w->base_seen_us = now_us;
    uint64_t look_us = rtt_half(w);
    if (!w->round_any || now_us - w->look_since_us > look_us) {
        w->look[1] = w->round_any && now_us - w->look_since_us < 2 * look_us ? w->look[0] : excess;
        w->look[0] = excess;
        w->look_since_us = now_us;
    }
    if (excess < w->look[0])
        w->look[0] = excess;
    uint64_t change = excess > w->excess_us ? excess - w->excess_us : w->excess_us - excess;
    if (w->srtt_us != 0)
        w->jitter_us = w->jitter_us - w->jitter_us / 16 + change / 16;
    w->excess_us = excess;
}

void measure_delay(struct window *w, uint64_t bytes, int64_t delay_us, uint64_t rtt_us, uint64_t now_us)
{
    note_base(w, bytes, delay_us, rtt_us, now_us);
    int64_t excess = delay_us - base_of(w, bytes);
    note_excess(w, excess > 0 ? (uint64_t)excess : 0, now_us);
    w->delay_us = delay_us;
    int64_t late = (int64_t)(rtt_us - measure_min_rtt(w)) - (delay_us - measure_base(w)); /* the way back's share */
    if (late < 0)
        late = 0;
    if (!w->round_any || (uint64_t)late < w->round_late_us)
        w->round_late_us = (uint64_t)late;
    w->srtt_us = w->srtt_us == 0 ? rtt_us : w->srtt_us - w->srtt_us / 8 + rtt_us / 8;
}

uint64_t measure_queue(const struct window *w)
{
    return w->look[0] < w->look[1] ? w->look[0] : w->look[1];
}

/*
 * What the last round brought. A few losses are the path's way (Wi-Fi, radio), not its limit, and count as if they had arrived: else the
 * pace would fall a little each round.
 */
static uint64_t round_bytes(const struct window *w)
{
    uint64_t bytes = w->arrived - w->round_arrived, passed = w->acked - w->round_acked;
    uint64_t lost = passed > bytes ? passed - bytes : 0;
    return bytes + (lost < bytes / LOSS_SHARE ? lost : bytes / LOSS_SHARE);
}

/* Bytes that arrived since the last round's end (after idleness: since its first acknowledgement), by the receiver's clock. */
static void note_rate(struct window *w)
{
    uint64_t span = w->clock_us - w->round_clock_us, rate = 0;
    for (int i = 3; i > 0; i--)
        w->rates[i] = w->rates[i - 1];
    if (span > 0)
        w->rates[0] = round_bytes(w) * 1000000 / span;
    if (!w->round_full && w->rates[0] < w->rates[1]) /* the sender had no more: that says nothing about the path */
        w->rates[0] = w->rates[1];
    for (int i = 0; i < 4; i++)
        rate = w->rates[i] > rate ? w->rates[i] : rate;
    w->rate = rate;
}

uint64_t measure_best(const struct window *w)
{
    return w->best[0] > w->best[1] ? w->best[0] : w->best[1];
}

void measure_cap_best(struct window *w, uint64_t most)
{
    for (int i = 0; i < 2; i++)
        if (w->best[i] > most)
            w->best[i] = most;
}

static void note_best(struct window *w, uint64_t now_us)
{
    if (now_us - w->best_since_us > BEST_US && !w->neighbour) {
        w->best[1] = w->best[0];
        w->best[0] = 0;
        w->best_since_us = now_us;
    }
    uint64_t steady = w->rates[0] < w->rates[1] ? w->rates[0] : w->rates[1]; /* what was held up arrives in bursts */
    if (steady > w->best[0])
        w->best[0] = steady;
}

void measure_rate(struct window *w, uint64_t now_us)
{
    note_rate(w);
    note_best(w, now_us);
}
