/* tunnel/window.c - see window.h: what may be sent, what was measured, and the rounds; the pace is chosen in pace.c */
#include "tunnel/window.h"

#include "tunnel/measure.h"
#include "tunnel/pace.h"

enum {
    BASE_OLD_US = 8000000,
    QUANTUM_MIN_US = 1000, QUANTUM_MAX_US = 2000,
    SINGLE_LEAST = 150 * 1000, SINGLE_MOST = 500 * 1000, /* bytes/s, between which a second packet in a message costs others more than the message */
    LATE_SENDER_US = 2000,         /* what waited goes at once up to so late: else a busy machine sends less than the pace, and the pace follows down */
    ROUND_MIN_US = 2000,
    ALARM_US = 5000,               /* so much above twice the target: do not wait for the round's end */
    LATE_MAX_US = 100000,
    LATE_MORE_US = 10000, LATE_PACKETS = 4, /* and twice that of the round before: what is later than this is no longer usual */
    TRIED_GROWTH = 4,              /* of the window, and of what may be sent for what arrived, when a train said that more is carried */
    RECORDS_A_TRIP = WINDOW_RECORDS / 2, /* a round trip of twice the usual still finds room */
    ACK_WAIT_US = 5000,            /* acker.h's */
    PROBE_FIRST_US = 250000,       /* of a lossy path, as long as its round trip is unknown */
    PROBE_MIN_US = 50000,          /* beyond two round trips */
    PROBE_MAX_US = 500000,
};

void window_init(struct window *w, uint64_t now_us)
{
    *w = (struct window){.size = WINDOW_INITIAL, .starting = true, .target_us = PACE_TARGET_MAX_US, .next_us = now_us,
                         .base_since_us = now_us, .base_seen_us = now_us};
    ask_init(&w->ask);
    train_init(&w->train);
}

void window_expect_loss(struct window *w)
{
    w->lossy = true;
    w->probe_wait_us = PROBE_FIRST_US;
}

void window_expect_stalls(struct window *w)
{
    w->stall.expected = true;
}

/* Pacing lets so much go at once: twice what lies between two messages (path.c), for timers are no finer than a millisecond. */
static uint64_t quantum_us(const struct window *w)
{
    uint64_t quantum = w->pace * QUANTUM_MAX_US / WINDOW_FAST;
    return quantum < QUANTUM_MIN_US ? QUANTUM_MIN_US : quantum > QUANTUM_MAX_US ? QUANTUM_MAX_US : quantum;
}

/* When the next byte was due; what was due earlier is gone, unless it waits for us, who wake too late. */
static uint64_t due_us(const struct window *w, uint64_t now_us)
{
    uint64_t earliest = w->full && now_us > LATE_SENDER_US ? now_us - LATE_SENDER_US : now_us;
    return w->next_us > earliest ? w->next_us : earliest;
}

size_t window_room(const struct window *w, uint64_t now_us)
{
    uint64_t in_flight = w->sent - w->acked, rate = w->pace;
    uint64_t train = train_room(w, now_us), most = w->size + train;
    if (in_flight >= most)
        return w->lossy && now_us >= w->probe_us;
    if (stall_lasts(w, now_us))
        return 0;
    uint64_t room = most - in_flight;
    if (rate == 0)
        return (size_t)room;
    uint64_t quantum = quantum_us(w), due = due_us(w, now_us);
    if (due > now_us + quantum)
        return train < room ? train : room;
    uint64_t paced = (now_us + quantum - due) * rate / 1000000 + train;
    bool single = rate > SINGLE_LEAST && rate < SINGLE_MOST && w->over == 0;
    uint64_t least = single ? 1 : WINDOW_PACKET;
    paced = paced < least ? least : paced;
    return (size_t)(paced < room ? paced : room);
}

size_t window_room_for_little(const struct window *w, uint64_t now_us)
{
    uint64_t in_flight = w->sent - w->acked, most = w->size + WINDOW_PACKET;
    uint64_t packet = w->pace > 0 ? WINDOW_PACKET * UINT64_C(1000000) / w->pace : 0;
    return in_flight < most && w->next_us <= now_us + quantum_us(w) + packet ? (size_t)(most - in_flight) : 0;
}

void window_is_full(struct window *w, uint64_t now_us)
{
    w->full = w->round_full = true;
    w->stall.held = stall_lasts(w, now_us);
}

uint64_t window_due_us(const struct window *w)
{
    if (w->sent - w->acked >= w->size)
        return w->lossy ? w->probe_us : UINT64_MAX;
    if (w->stall.held)
        return UINT64_MAX;
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
    w->next_us = due_us(w, now_us);
    uint64_t beyond = train_take(w, bytes, now_us);
    w->sent += bytes;
    w->full = false;
    if (idle) {
        w->full = false;
        begin_round(w, now_us);
        w->round_timed = false; /* the time before this does not count */
    }
    if (rate > 0)
        w->next_us += (bytes - beyond) * 1000000 / rate;
    struct window_record *newest = &w->record[(w->head + w->count - 1) % WINDOW_RECORDS];
    if (w->count == WINDOW_RECORDS || (w->count > 0 && now_us < newest->sent_us + w->srtt_us / RECORDS_A_TRIP)) {
        newest->end = w->sent; /* it stands for this flight too, whose delay is only overestimated */
        return;
    }
    w->record[(w->head + w->count++) % WINDOW_RECORDS] = (struct window_record){.end = w->sent, .sent_us = now_us};
}

/*
 * Acknowledgements may be late, behind the other direction's data, and what the pace needs meanwhile must be allowed. Not when they suddenly
 * become late: both directions may have become slower, and what is sent until that is known waits for seconds.
 */
static uint64_t usual_late_us(const struct window *w)
{
    uint64_t usual = 2 * w->last_late_us + LATE_PACKETS * measure_packet_us(w->rate) + LATE_MORE_US;
    uint64_t late = w->round_late_us < usual ? w->round_late_us : usual;
    return late > LATE_MAX_US ? LATE_MAX_US : late;
}

/* What the pace needs with acknowledgements as late as they are, and a quarter more: the pace decides, this only bounds what a stall costs. */
static void choose_size(struct window *w)
{
    uint64_t around = measure_min_rtt(w) + w->target_us + ACK_WAIT_US + usual_late_us(w) + (w->neighbour ? w->queue_us : 0);
    uint64_t pace = w->ask.state != ASK_NOT && w->ask.pace > w->pace ? w->ask.pace : w->pace;
    uint64_t grows = train_is_tried(w) ? TRIED_GROWTH : 2;
    if (train_is_tried(w) && pace > grows * w->rate)
        pace = grows * w->rate;
    uint64_t size = pace * 5 / 4 * around / 1000000 + WINDOW_PACKET;
    if (size > grows * w->size)
        size = grows * w->size;
    w->size = size < WINDOW_MIN ? WINDOW_MIN : size > WINDOW_MAX ? WINDOW_MAX : size;
}

static void end_round(struct window *w, uint64_t now_us)
{
    w->queue_us = measure_queue(w);
    measure_rate(w, now_us);
    pace_choose(w, now_us);
    if (w->pace != 0)
        choose_size(w);
    w->last_late_us = w->round_late_us;
    if (w->dipping) {
        w->dipping = false;
        w->base_seen_us = now_us; /* what was seen is the base: older ones fall out of the intervals */
    } else if (w->round_full && now_us - w->base_seen_us > BASE_OLD_US) {
        w->dipping = true;
        w->calm_rounds = WINDOW_QUIET_ROUNDS;
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
    stall_hear(w, now_us);
    if (w->pace > WINDOW_FAST && w->sent - w->acked >= w->size && w->next_us < now_us)
        w->next_us = now_us; /* it was not we who were late */
    uint64_t newly = total - w->acked, sent_us = 0, newest = 0;
    while (w->count > 0 && w->record[w->head].end <= total) {
        sent_us = w->record[w->head].sent_us;
        newest = w->record[w->head].end - w->passed;
        w->passed = w->record[w->head].end;
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
    if (sent_us != 0 && sent_us >= w->stall.over_us) { /* what a stall held up says nothing about the path */
        measure_delay(w, newest, (int64_t)(w->clock_us - sent_us), now_us > sent_us ? now_us - sent_us : 1, now_us);
        if (w->stall.unmeasured)
            begin_round(w, now_us);
        if (!w->round_timed || w->stall.unmeasured)
            time_round(w);
        w->round_any = true;
        w->stall.unmeasured = false;
        if (train_hear(w, newest, now_us)) {
            choose_size(w);
            begin_round(w, now_us);
            time_round(w);
            return true;
        }
    }
    if (w->round_any && !w->stall.unmeasured) {
        uint64_t queue = measure_queue(w);
        if (queue > w->round_queue_us)
            w->round_queue_us = queue;
        uint64_t half = measure_min_rtt(w) / 2, since = now_us - w->round_since_us;
        bool alarm = queue > 2 * w->target_us + ALARM_US && since >= half;
        if (since >= ROUND_MIN_US && (total >= w->round_end || alarm))
            end_round(w, now_us);
    }
    return true;
}
