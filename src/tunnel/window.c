/* tunnel/window.c - see window.h */
#include "tunnel/window.h"

enum {
    PACKET = 1540,                 /* one of a usual link, with what is around it */
    BASE_INTERVAL_US = 2000000,
    BASE_OLD_US = 8000000,
    TARGET_MIN_US = 1000,
    TARGET_MAX_US = 2500,
    TARGET_JITTER_MAX_US = 4000,
    QUANTUM_MIN_US = 1000, QUANTUM_MAX_US = 2000,
    GAIN_FIRST = 4, GAIN_MAX = 16, /* sixteenths */
    STEADY_MIN_US = 8000,
    ROUND_MIN_US = 2000,
    ALARM_US = 5000,               /* so much above twice the target: do not wait for the round's end */
    PACE_MIN = 16000,              /* bytes/s; a path slower than this has a queue of WINDOW_MIN anyway */
    BEST_US = 5000000,
    LATE_MAX_US = 100000,
    ACK_WAIT_US = 5000,            /* acker.h's */
    LOSS_SHARE = 32,
    PROBE_FIRST_US = 250000,       /* of a lossy path, as long as its round trip is unknown */
    PROBE_MIN_US = 50000,          /* beyond two round trips */
    PROBE_MAX_US = 500000,
    CALM_ROUNDS = 6,               /* after a leap that brought nothing */
    QUIET_ROUNDS = 3,              /* without a queue before the pace leaps: by then its usual growth would have made one */
    START_QUEUE_US = 4000,
    LOOK_MIN_US = 4000, LOOK_MAX_US = 50000,
    MOVED_ROUNDS = 3,
    MOVED_US = 1500000,
    NEIGHBOUR_ROUNDS = 8,
    NEIGHBOUR_US = 3000000,
    NEIGHBOUR_STAYS_US = 20000000,
    TARGET_PACKETS_MAX_US = 12000,
};

void window_init(struct window *w, uint64_t now_us)
{
    *w = (struct window){.size = WINDOW_INITIAL, .starting = true, .target_us = TARGET_MAX_US, .next_us = now_us,
                         .base_since_us = now_us, .base_seen_us = now_us};
}

void window_expect_loss(struct window *w)
{
    w->lossy = true;
    w->probe_wait_us = PROBE_FIRST_US;
}

/* Pacing lets so much go at once: twice what lies between two messages (path.c), for timers are no finer than a millisecond, and what is not used is gone. */
static uint64_t quantum_us(const struct window *w)
{
    uint64_t quantum = w->pace * QUANTUM_MAX_US / WINDOW_FAST;
    return quantum < QUANTUM_MIN_US ? QUANTUM_MIN_US : quantum > QUANTUM_MAX_US ? QUANTUM_MAX_US : quantum;
}

size_t window_room(const struct window *w, uint64_t now_us)
{
    uint64_t in_flight = w->sent - w->acked, rate = w->pace;
    if (in_flight >= w->size)
        return w->lossy && now_us >= w->probe_us;
    uint64_t room = w->size - in_flight;
    if (rate == 0)
        return (size_t)room;
    uint64_t quantum = quantum_us(w);
    if (w->next_us > now_us + quantum)
        return 0;
    uint64_t paced = (now_us + quantum - w->next_us) * rate / 1000000;
    if (w->next_us < now_us) /* what was not used earlier is gone */
        paced = quantum * rate / 1000000;
    if (paced < PACKET)
        paced = PACKET;
    return (size_t)(paced < room ? paced : room);
}

size_t window_room_for_little(const struct window *w, uint64_t now_us)
{
    uint64_t in_flight = w->sent - w->acked, most = w->size + PACKET;
    uint64_t packet = w->pace > 0 ? PACKET * UINT64_C(1000000) / w->pace : 0;
    return in_flight < most && w->next_us <= now_us + quantum_us(w) + packet ? (size_t)(most - in_flight) : 0;
}

void window_is_full(struct window *w)
{
    w->full = w->round_full = true;
}

uint64_t window_due_us(const struct window *w)
{
    if (w->sent - w->acked >= w->size)
        return w->lossy ? w->probe_us : UINT64_MAX;
    return w->next_us > quantum_us(w) ? w->next_us - quantum_us(w) : 0;
}

static void begin_round(struct window *w, uint64_t now_us)
{
    w->round_since_us = now_us;
    w->round_end = w->sent;
    w->round_any = false;
    w->round_full = w->full;
    w->round_queue_us = 0;
}

/* From here the round's bytes are counted, by the receiver's clock. */
static void time_round(struct window *w)
{
    w->round_timed = true;
    w->round_acked = w->acked;
    w->round_arrived = w->arrived;
    w->round_clock_us = w->clock_us;
}

/* The acknowledgement may be long in coming: longer each time it does not come. */
static void await_ack(struct window *w, uint64_t now_us)
{
    bool probe = w->sent - w->acked >= w->size;
    if (probe || w->sent == w->acked)
        w->probe_us = now_us + w->probe_wait_us;
    if (probe)
        w->probe_wait_us = 2 * w->probe_wait_us < PROBE_MAX_US ? 2 * w->probe_wait_us : PROBE_MAX_US;
}

void window_on_sent(struct window *w, size_t bytes, uint64_t now_us)
{
    uint64_t rate = w->pace;
    bool idle = w->sent == w->acked && !w->full;
    await_ack(w, now_us);
    w->sent += bytes;
    w->full = false;
    if (idle) {
        w->full = false;
        begin_round(w, now_us);
        w->round_timed = false; /* the time before this does not count */
    }
    if (w->next_us < now_us)
        w->next_us = now_us;
    if (rate > 0)
        w->next_us += bytes * 1000000 / rate;
    if (w->count == WINDOW_RECORDS) { /* full: the newest record stands for this flight too, and its delay is only overestimated */
        w->record[(w->head + w->count - 1) % WINDOW_RECORDS].end = w->sent;
        return;
    }
    w->record[(w->head + w->count++) % WINDOW_RECORDS] = (struct window_record){.end = w->sent, .sent_us = now_us};
}

/* --- what is measured --- */

static int64_t base_of(const struct window *w)
{
    int64_t least = w->base[0];
    for (uint32_t i = 1; i < w->bases; i++)
        if (w->base[i] < least)
            least = w->base[i];
    return least;
}

static uint64_t min_rtt_of(const struct window *w)
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
    uint64_t half = min_rtt_of(w) / 4;
    return half < LOOK_MIN_US ? LOOK_MIN_US : half > LOOK_MAX_US ? LOOK_MAX_US : half;
}

static void note_delay(struct window *w, int64_t delay_us, uint64_t rtt_us, uint64_t now_us)
{
    if (w->bases == 0 || now_us - w->base_since_us > BASE_INTERVAL_US) {
        for (uint32_t i = WINDOW_BASES - 1; i > 0; i--) {
            w->base[i] = w->base[i - 1];
            w->min_rtt[i] = w->min_rtt[i - 1];
        }
        w->base[0] = delay_us;
        w->min_rtt[0] = rtt_us;
        w->bases += w->bases < WINDOW_BASES;
        w->base_since_us = now_us;
    }
    if (delay_us < w->base[0])
        w->base[0] = delay_us;
    if (rtt_us < w->min_rtt[0])
        w->min_rtt[0] = rtt_us;
    if (delay_us <= base_of(w) + (int64_t)(w->target_us / 4))
        w->base_seen_us = now_us;
    uint64_t look_us = rtt_half(w);
    if (!w->round_any || now_us - w->look_since_us > look_us) {
        w->look[1] = w->round_any && now_us - w->look_since_us < 2 * look_us ? w->look[0] : delay_us;
        w->look[0] = delay_us;
        w->look_since_us = now_us;
    }
    if (delay_us < w->look[0])
        w->look[0] = delay_us;
    uint64_t change = (uint64_t)(delay_us > w->delay_us ? delay_us - w->delay_us : w->delay_us - delay_us);
    if (w->srtt_us != 0)
        w->jitter_us = w->jitter_us - w->jitter_us / 16 + change / 16;
    w->delay_us = delay_us;
    int64_t late = (int64_t)(rtt_us - min_rtt_of(w)) - (delay_us - base_of(w)); /* the way back's share */
    if (late < 0)
        late = 0;
    if (!w->round_any || (uint64_t)late < w->round_late_us)
        w->round_late_us = (uint64_t)late;
    w->srtt_us = w->srtt_us == 0 ? rtt_us : w->srtt_us - w->srtt_us / 8 + rtt_us / 8;
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

static uint64_t best_of(const struct window *w)
{
    return w->best[0] > w->best[1] ? w->best[0] : w->best[1];
}

/* What nothing drives us below for some seconds: a sixteenth of the best rate there was, or a quarter if it can be had. */
static uint64_t least_pace(const struct window *w)
{
    uint64_t best = best_of(w), least = best / 16;
    if (w->neighbour)
        least = best / 4 < 2 * w->rates[0] ? best / 4 : 2 * w->rates[0];
    least = least > PACE_MIN ? least : PACE_MIN;
    return w->doubtful && w->flat_pace / 3 < least ? w->flat_pace / 3 : least;
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

/* The time of one packet, as far as it is worth waiting for. */
static uint64_t packet_us(uint64_t rate)
{
    uint64_t took = rate > 0 ? PACKET * UINT64_C(1000000) / rate : TARGET_PACKETS_MAX_US;
    return took < TARGET_PACKETS_MAX_US ? took : TARGET_PACKETS_MAX_US;
}

static void choose_target(struct window *w)
{
    uint64_t target = min_rtt_of(w) / 16;
    target = target < TARGET_MIN_US ? TARGET_MIN_US : target > TARGET_MAX_US ? TARGET_MAX_US : target;
    target += w->jitter_us / 3 < TARGET_JITTER_MAX_US ? w->jitter_us / 3 : TARGET_JITTER_MAX_US;
    if (w->rate > 0) {
        target += packet_us(w->rate > least_pace(w) ? w->rate : least_pace(w));
    }
    w->target_us = target;
}


/* --- what is decided --- */

static uint64_t standing_queue(const struct window *w)
{
    int64_t base = base_of(w), least = w->look[0] < w->look[1] ? w->look[0] : w->look[1];
    return least > base ? (uint64_t)(least - base) : 0;
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
    if (!w->round_full && w->queue_us <= w->target_us + START_QUEUE_US)
        return true; /* a sender of little says nothing about the path, and must not be held to that little later */
    bool followed = w->rates[0] > w->leap_rate + w->leap_rate / 4;
    if (followed) {
        w->leap_rate = w->rates[0];
        w->start_misses = 0;
    } else {
        w->start_misses += w->round_full;
    }
    if (w->queue_us > w->target_us + START_QUEUE_US || w->start_misses > 2) {
        w->starting = false;
        w->calm_rounds = CALM_ROUNDS;
        return false;
    }
    if (followed)
        w->pace = 2 * w->rates[0];
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
    if (w->over < MOVED_ROUNDS || most - least > TARGET_MIN_US + packet_us(best_of(w))) {
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
 * A queue that stays although we hardly send is somebody else's. For some seconds we insist on a share then: who gets how much, the
 * congestion control of the legs' TCP decides. The target stays, so the lag is short again as soon as the other one leaves.
 */
static void suspect_neighbour(struct window *w, uint64_t now_us)
{
    if (w->flat_rounds == 0) /* later it grows with a packet's time at our own, smaller pace */
        w->flat_target_us = w->target_us;
    if (w->queue_us <= w->flat_target_us + w->flat_target_us / 2)
        w->over = w->flat_rounds = 0;
    else if (w->over++ == 0)
        w->over_since_us = now_us;
    if (has_moved(w, now_us)) {
        w->bases = 0;
        w->base_seen_us = now_us;
        w->queue_us = w->round_queue_us = 0;
        w->over = 0;
        w->doubtful = false;
        w->starting = true;
        w->start_misses = 0;
        w->leap_rate = 0;
        w->pace = w->pace > best_of(w) / 4 ? w->pace : best_of(w) / 4;
    }
    if (w->over >= NEIGHBOUR_ROUNDS && now_us - w->over_since_us > NEIGHBOUR_US)
        w->neighbour_until_us = now_us + NEIGHBOUR_STAYS_US;
    w->neighbour = now_us < w->neighbour_until_us;
}

/* The rate to send at, so that the queue nears its target with the time constant `steady`: queue' = pace / rate - 1. */
static void choose_pace(struct window *w)
{
    uint64_t steady = 2 * min_rtt_of(w) > STEADY_MIN_US ? 2 * min_rtt_of(w) : STEADY_MIN_US;
    uint64_t rate = w->rates[0] > w->rates[1] ? w->rates[0] : w->rates[1];
    int64_t lack = (int64_t)w->target_us - (int64_t)w->queue_us, most = (int64_t)steady / 4, least = -(int64_t)steady / 2;
    lack = lack > most ? most : lack < least ? least : lack;
    if (w->starting && start(w))
        return;
    if (!w->round_full && w->calm_rounds < QUIET_ROUNDS) /* a pause empties the queue, too */
        w->calm_rounds = QUIET_ROUNDS;
    if (w->round_queue_us >= w->target_us / 2) {
        w->gain = 0;
        w->calm_rounds = w->calm_rounds > QUIET_ROUNDS ? w->calm_rounds : QUIET_ROUNDS;
    } else if (w->round_full && leap(w)) {
        return;
    }
    if (!w->round_full && lack > 0) /* the rate is the sender's, not the path's */
        return;
    if (lack > 0 && rate < w->pace * 7 / 8 && w->queue_us < w->target_us)
        rate = w->pace * 7 / 8;
    w->pace = rate + (uint64_t)((int64_t)rate * lack / (int64_t)steady);
    if (w->pace < least_pace(w))
        w->pace = least_pace(w);
}

/* What the pace needs with acknowledgements as late as they are, and a quarter more: the pace decides, this only bounds what a stall costs. */
static void choose_size(struct window *w)
{
    uint64_t late = w->round_late_us > LATE_MAX_US ? LATE_MAX_US : w->round_late_us;
    uint64_t around = min_rtt_of(w) + w->target_us + ACK_WAIT_US + late + (w->neighbour ? w->queue_us : 0);
    uint64_t size = w->pace * 5 / 4 * around / 1000000 + PACKET;
    if (size > 2 * w->size)
        size = 2 * w->size;
    w->size = size < WINDOW_MIN ? WINDOW_MIN : size > WINDOW_MAX ? WINDOW_MAX : size;
}

static void end_round(struct window *w, uint64_t now_us)
{
    w->queue_us = standing_queue(w);
    note_rate(w);
    note_best(w, now_us);
    choose_target(w);
    suspect_neighbour(w, now_us);
    if (w->rates[0] != 0)
        choose_pace(w);
    if (w->pace != 0)
        choose_size(w);
    if (w->dipping) {
        w->dipping = false;
        w->base_seen_us = now_us; /* what was seen is the base: older ones fall out of the intervals */
    } else if (w->round_full && now_us - w->base_seen_us > BASE_OLD_US) {
        w->dipping = true;
        w->calm_rounds = QUIET_ROUNDS;
        w->pace = w->pace * 3 / 4;
    }
    begin_round(w, now_us);
    time_round(w);
}

bool window_on_ack(struct window *w, uint64_t total, uint32_t clock_us, uint64_t now_us)
{
    return total >= w->acked && window_on_report(w, total, total, clock_us, now_us);
}

bool window_on_report(struct window *w, uint64_t total, uint64_t arrived, uint32_t clock_us, uint64_t now_us)
{
    if (total > w->sent)
        return false;
    if (total < w->acked)
        return true;
    if (arrived > w->arrived)
        w->arrived = arrived < total ? arrived : total;
    uint64_t newly = total - w->acked, sent_us = 0;
    while (w->count > 0 && w->record[w->head].end <= total) {
        sent_us = w->record[w->head].sent_us;
        w->head = (w->head + 1) % WINDOW_RECORDS;
        w->count--;
    }
    w->acked = total;
    if (newly == 0)
        return true;
    uint64_t wait_us = 2 * w->srtt_us + PROBE_MIN_US;
    w->probe_wait_us = wait_us < PROBE_MAX_US ? wait_us : PROBE_MAX_US;
    w->probe_us = now_us + w->probe_wait_us;
    /* The clock goes forward; a step back of less than half its range is a broken peer's, and counts as none. */
    uint32_t step = clock_us - (uint32_t)w->clock_us;
    w->clock_us = !w->clock_known ? clock_us : step < UINT32_MAX / 2 ? w->clock_us + step : w->clock_us;
    w->clock_known = true;
    if (sent_us != 0) {
        note_delay(w, (int64_t)(w->clock_us - sent_us), now_us > sent_us ? now_us - sent_us : 1, now_us);
        w->round_any = true;
        if (!w->round_timed)
            time_round(w);
    }
    if (w->round_any) {
        uint64_t queue = standing_queue(w);
        if (queue > w->round_queue_us)
            w->round_queue_us = queue;
        uint64_t half = min_rtt_of(w) / 2, since = now_us - w->round_since_us;
        bool alarm = queue > 2 * w->target_us + ALARM_US && since >= half;
        if (since >= ROUND_MIN_US && (total >= w->round_end || alarm))
            end_round(w, now_us);
    }
    return true;
}
