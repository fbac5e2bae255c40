/* tunnel/window.c - see window.h */
#include "tunnel/window.h"

enum {
    RATE_FILTER_US = 2000000,    /* the maximum is over one to two such intervals */
    MIN_RTT_LIFE_US = 10000000,
    PROBE_US = 200000,
    ALLOWANCE_MIN = 16 * 1024,
    ALLOWANCE_MAX = 96 * 1024,   /* bursts of one loop iteration; about 10 ms of a slow path at most */
};

void window_init(struct window *w, uint64_t now_us)
{
    *w = (struct window){.size = WINDOW_INITIAL, .acked_us = now_us, .min_rtt_at_us = now_us, .rate_since_us = now_us};
}

size_t window_room(const struct window *w)
{
    uint64_t in_flight = w->sent - w->acked;
    return in_flight >= w->size ? 0 : (size_t)(w->size - in_flight);
}

uint64_t window_rate(const struct window *w)
{
    return w->rate_now > w->rate_before ? w->rate_now : w->rate_before;
}

void window_on_sent(struct window *w, size_t bytes, bool app_limited, uint64_t now_us)
{
    if (w->sent == w->acked) /* after idleness the clock of the rate starts anew */
        w->acked_us = now_us;
    uint64_t start = w->sent;
    w->sent += bytes;
    struct window_record *last = w->count > 0 ? &w->record[(w->head + w->count - 1) % WINDOW_RECORDS] : 0;
    if (w->count == WINDOW_RECORDS) { /* full: the newest record stands for this flight too */
        last->end = w->sent;
        return;
    }
    w->record[(w->head + w->count++) % WINDOW_RECORDS] = (struct window_record){
        .start = start,
        .end = w->sent,
        .sent_us = now_us,
        .acked_then = w->acked,
        .acked_then_us = w->acked_us,
        .app_limited = app_limited,
    };
}

static void note_rate(struct window *w, uint64_t rate, bool app_limited, uint64_t now_us)
{
    if (now_us - w->rate_since_us > RATE_FILTER_US) {
        if (app_limited && w->rate_now == 0)
            w->rate_now = w->rate_before; /* nothing learned: keep what was known */
        w->rate_before = w->rate_now;
        w->rate_now = 0;
        w->rate_since_us = now_us;
    }
    if (rate > w->rate_now && (!app_limited || rate > window_rate(w)))
        w->rate_now = rate;
}

static void note_rtt(struct window *w, uint64_t rtt_us, uint64_t now_us)
{
    if (rtt_us == 0)
        rtt_us = 1;
    w->srtt_us = w->srtt_us == 0 ? rtt_us : w->srtt_us - w->srtt_us / 8 + rtt_us / 8;
    if (w->min_rtt_us == 0 || rtt_us <= w->min_rtt_us) {
        w->min_rtt_us = rtt_us;
        w->min_rtt_at_us = now_us;
    }
    if (w->probing && (w->probe_min_us == 0 || rtt_us < w->probe_min_us))
        w->probe_min_us = rtt_us;
}

/* PROBE_RTT: begin when the minimum is old; end when the small window has been in effect for a while. */
static void probe(struct window *w, uint64_t now_us)
{
    if (!w->probing) {
        if (now_us - w->min_rtt_at_us > MIN_RTT_LIFE_US) {
            w->probing = true;
            w->probe_until_us = w->probe_min_us = 0;
        }
    } else if (w->probe_until_us == 0) {
        if (w->sent - w->acked <= WINDOW_MIN) {
            w->probe_until_us = now_us + PROBE_US;
            w->probe_min_us = 0; /* what was seen while the queue drained is no minimum */
        }
    } else if (now_us > w->probe_until_us) {
        if (w->probe_min_us != 0)
            w->min_rtt_us = w->probe_min_us;
        w->min_rtt_at_us = now_us;
        w->probing = false;
    }
}

static void resize(struct window *w)
{
    uint64_t rate = window_rate(w);
    if (rate == 0 || w->min_rtt_us == 0)
        return;
    uint64_t bdp = rate * w->min_rtt_us / 1000000;
    uint64_t allowance = rate / 100; /* 10 ms */
    if (allowance < ALLOWANCE_MIN)
        allowance = ALLOWANCE_MIN;
    if (allowance > ALLOWANCE_MAX)
        allowance = ALLOWANCE_MAX;
    uint64_t size = w->probing ? WINDOW_MIN : 2 * bdp + allowance;
    if (size < WINDOW_MIN)
        size = WINDOW_MIN;
    w->size = size > WINDOW_MAX ? WINDOW_MAX : size;
}

/* A flight's round trip is that of its first byte: the last one also waited for the others. */
static void note_round_trips(struct window *w, uint64_t total, uint32_t delay_us, uint64_t now_us)
{
    for (uint32_t i = 0; i < w->count; i++) {
        struct window_record *r = &w->record[(w->head + i) % WINDOW_RECORDS];
        if (r->start >= total)
            break;
        if (r->timed)
            continue;
        r->timed = true;
        uint64_t rtt = now_us - r->sent_us;
        note_rtt(w, rtt > delay_us ? rtt - delay_us : 1, now_us);
    }
}

bool window_on_ack(struct window *w, uint64_t total, uint32_t delay_us, uint64_t now_us)
{
    if (total > w->sent || total < w->acked)
        return false;
    struct window_record done = {0};
    note_round_trips(w, total, delay_us, now_us);
    while (w->count > 0 && w->record[w->head].end <= total) {
        done = w->record[w->head];
        w->head = (w->head + 1) % WINDOW_RECORDS;
        w->count--;
    }
    w->acked = total;
    w->acked_us = now_us;
    if (done.end == 0)
        return true;
    uint64_t span = now_us - done.acked_then_us;
    if (span > 0 && span >= w->min_rtt_us)
        note_rate(w, (total - done.acked_then) * 1000000 / span, done.app_limited, now_us);
    probe(w, now_us);
    resize(w);
    return true;
}
