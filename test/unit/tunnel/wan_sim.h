/*
 * test/unit/tunnel/wan_sim.h - two windows against each other over a simulated link, in steps of 100 µs
 *
 * Each direction is a FIFO queue in front of a rate, then a delay. Messages of one direction carry data and the acknowledgement of the other,
 * as on the real path; a relay hands on whole messages. Jitter keeps the order, a lost segment of a leg's TCP holds up everything
 * behind it for a round trip, a stall stops a link. A neighbour may fill the queue as Reno does. With datagrams each packet is a message of its
 * own, what is lost is lost, jitter changes the order, and a full buffer drops.
 */
#ifndef TETHER_TEST_WAN_SIM_H
#define TETHER_TEST_WAN_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/acker.h"
#include "tunnel/window.h"

enum {
    SIM_STEP_US = 100,
    SIM_PACKET = 1504,   /* a packet and its frame */
    SIM_AROUND = 90,     /* bytes around a message on the wire: TLS, websocket, TCP, IP */
    SIM_LITTLE = 60,     /* a small packet and its frame */
    SIM_DATAGRAM = 1500, /* on the wire, and as the window counts */
    SIM_RING = 1 << 15,
};

struct sim_message {
    uint32_t bytes; /* on the wire */
    uint32_t data;  /* bytes the window counts */
    bool ack, neighbour;
    uint32_t ack_clock;
    uint64_t position; /* datagrams */
    uint64_t ack_total, ack_newest, sent_us, due_us;
};
struct sim_ring {
    struct sim_message at[SIM_RING];
    uint32_t head, count;
};

struct sim_link { /* one direction, and the end that sends into it */
    uint64_t rate, delay_us, jitter_us; /* rate: bytes/s */
    double loss;
    uint64_t stall_from_us, stall_to_us;
    struct sim_ring queue, wire;
    double budget;
    uint64_t bucket_bytes; /* a shaper's tokens: so much goes at once after a pause */
    uint64_t queue_bytes, due_us, carried; /* carried: all bytes that passed the bottleneck */
    double carryable;
    struct window window;
    struct acker acker; /* of what this end receives */
    bool greedy;
    uint64_t little_every_us, little_us; /* a ping, an acknowledgement of TCP: a message of little, not held up by the pace; 0: never. The next one */
    bool datagrams;
    uint64_t dropped;
    uint64_t busy_us;           /* what a message of a greedy sender takes longer, without any queue: a phone that is busy */
    double source_rate, source; /* not greedy: bytes/s, and what is waiting */
    int64_t clock_offset;
    double clock_drift;
    /* the neighbour */
    bool has_neighbour;
    double reno_window;
    uint64_t reno_flight, reno_cut_us, neighbour_bytes, own_bytes, buffer_bytes;
};

struct sim {
    struct sim_link dir[2]; /* dir[i].window sends into dir[i]; dir[i].acker acknowledges what dir[1 - i] brought */
    uint64_t now_us;
    uint32_t random;
    /* The phone, which has other things to do: it stands in front of dir[0]'s bottleneck and behind dir[1]'s. */
    uint64_t stop_every_us, stop_us; /* on average; at most. 0: never */
    uint64_t stop_from_us, stop_to_us;
    struct sim_ring phone;
    uint64_t wander_every_us, wander_us; /* another rate; 0: never. The next one */
    double wander_least, wander_most;    /* bytes/s */
};

static inline uint32_t sim_random(struct sim *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 17;
    s->random ^= s->random << 5;
    return s->random;
}

static inline double sim_unit(struct sim *s)
{
    return sim_random(s) / 4294967296.0;
}

static inline struct sim_message *sim_push(struct sim_ring *r, const struct sim_message *m)
{
    if (r->count == SIM_RING)
        abort();
    struct sim_message *at = &r->at[(r->head + r->count++) % SIM_RING];
    *at = *m;
    return at;
}

static inline struct sim_message *sim_first(struct sim_ring *r)
{
    return r->count > 0 ? &r->at[r->head] : NULL;
}

/* Behind what is due before it. */
static inline void sim_push_by_time(struct sim_ring *r, const struct sim_message *m, uint64_t due_us)
{
    struct sim_message *at = sim_push(r, m), moved = *m;
    moved.due_us = due_us;
    for (uint32_t i = r->count - 1; i > 0 && r->at[(r->head + i - 1) % SIM_RING].due_us > due_us; i--) {
        struct sim_message *before = &r->at[(r->head + i - 1) % SIM_RING];
        *at = *before;
        at = before;
    }
    *at = moved;
}

static inline void sim_pop(struct sim_ring *r)
{
    r->head = (r->head + 1) % SIM_RING;
    r->count--;
}

static inline struct sim *sim_new(uint32_t seed)
{
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    s->random = seed * 2654435761u + 1;
    s->now_us = 1000000;
    for (int i = 0; i < 2; i++) {
        window_init(&s->dir[i].window, s->now_us);
        s->dir[i].clock_offset = (int64_t)(sim_random(s) % 2000000000);
    }
    return s;
}

/* Both directions full; rate and round trip are others by up to a fifth from seed to seed. */
static inline struct sim *sim_full_links(uint32_t seed, double mbit, double rtt_ms, double jitter_ms, double loss)
{
    struct sim *s = sim_new(seed);
    double vary = 0.8 + 0.4 * sim_unit(s), vary_rtt = 0.8 + 0.4 * sim_unit(s);
    for (int i = 0; i < 2; i++) {
        struct sim_link *l = &s->dir[i];
        l->rate = (uint64_t)(mbit * vary * 1e6 / 8);
        l->delay_us = (uint64_t)(rtt_ms * vary_rtt * 1000 / 2);
        l->jitter_us = (uint64_t)(jitter_ms * 1000);
        l->loss = loss;
        l->greedy = true;
        l->clock_drift = (sim_unit(s) - 0.5) * 2e-4;
    }
    return s;
}

/* The clock of the end that receives what dir brings. */
static inline uint32_t sim_clock(const struct sim *s, const struct sim_link *end)
{
    return (uint32_t)((double)s->now_us * (1 + end->clock_drift) + (double)end->clock_offset);
}

static inline uint64_t sim_queue_us(const struct sim_link *l, uint64_t now_us)
{
    uint64_t stalled = now_us >= l->stall_from_us && now_us < l->stall_to_us ? l->stall_to_us - now_us : 0;
    return l->queue_bytes * 1000000 / l->rate + stalled;
}

static inline bool sim_stopped(const struct sim *s)
{
    return s->now_us >= s->stop_from_us && s->now_us < s->stop_to_us;
}

/* What a packet of a sparse flow would wait on its way there and back. */
static inline uint64_t sim_lag_us(const struct sim *s)
{
    uint64_t there = sim_queue_us(&s->dir[0], s->now_us), back = sim_queue_us(&s->dir[1], s->now_us);
    uint64_t stop = sim_stopped(s) ? s->stop_to_us - s->now_us : 0;
    there += stop;
    for (uint32_t i = 0; i < s->phone.count; i++)
        there += s->phone.at[(s->phone.head + i) % SIM_RING].bytes * UINT64_C(1000000) / s->dir[0].rate;
    return there + back;
}

/* Both directions carry datagrams; buffer_bytes of each bound its queue then. */
static inline void sim_use_datagrams(struct sim *s, uint64_t buffer_us)
{
    for (int i = 0; i < 2; i++) {
        s->dir[i].datagrams = true;
        s->dir[i].buffer_bytes = s->dir[i].rate * buffer_us / 1000000;
        window_expect_loss(&s->dir[i].window);
    }
}

static inline void sim_put_ack(struct sim_link *l, struct sim_message *m)
{
    m->ack = true;
    m->ack_total = l->acker.received;
    m->ack_newest = l->acker.newest;
    m->ack_clock = (uint32_t)((double)l->acker.newest_us * (1 + l->clock_drift) + (double)l->clock_offset);
    acker_sent(&l->acker);
}

static inline void sim_send_datagram(struct sim *s, struct sim_link *l, struct sim_message *m)
{
    if (l->queue_bytes + m->bytes > l->buffer_bytes || (l->loss > 0 && sim_unit(s) < l->loss)) {
        l->dropped++;
        return;
    }
    l->queue_bytes += m->bytes;
    sim_push(&l->queue, m);
}

static inline void sim_send_datagrams(struct sim *s, struct sim_link *l)
{
    uint32_t data = 0;
    while (data < 64 * 1024) {
        if (window_room(&l->window, s->now_us) <= data) {
            window_is_full(&l->window, s->now_us);
            break;
        }
        data += SIM_DATAGRAM;
        sim_send_datagram(s, l, &(struct sim_message){.bytes = SIM_DATAGRAM, .data = SIM_DATAGRAM, .position = l->window.sent + data});
    }
    if (data > 0)
        window_on_sent(&l->window, data, s->now_us);
    if (acker_due_us(&l->acker) <= s->now_us) {
        struct sim_message m = {.bytes = SIM_AROUND};
        sim_put_ack(l, &m);
        sim_send_datagram(s, l, &m);
    }
}

static inline void sim_send(struct sim *s, int i)
{
    struct sim_link *l = &s->dir[i];
    struct sim_message m = {.sent_us = s->now_us};
    if (l->datagrams) {
        sim_send_datagrams(s, l);
        return;
    }
    if (!l->greedy)
        l->source += l->source_rate * SIM_STEP_US / 1e6;
    if (l->little_every_us > 0 && s->now_us >= l->little_us && window_room_for_little(&l->window, s->now_us) > 0) {
        l->little_us = s->now_us + l->little_every_us;
        m.data = SIM_LITTLE;
    }
    double waiting = l->greedy && m.data == 0 ? 1e9 : l->source;
    while (waiting >= SIM_PACKET && m.data < 64 * 1024) {
        if (window_room(&l->window, s->now_us) <= m.data) {
            window_is_full(&l->window, s->now_us);
            break;
        }
        m.data += SIM_PACKET;
        waiting -= SIM_PACKET;
    }
    if (!l->greedy)
        l->source -= m.data;
    if (m.data > 0 || acker_due_us(&l->acker) <= s->now_us) {
        if (l->acker.received != l->acker.acked)
            sim_put_ack(l, &m);
        if (m.data > 0)
            window_on_sent(&l->window, m.data, s->now_us);
        m.bytes = m.data + m.data / 25 + SIM_AROUND;
        if (i == 0) {
            sim_push(&s->phone, &m);
            return;
        }
        l->queue_bytes += m.bytes;
        sim_push(&l->queue, &m);
    }
}

static inline void sim_neighbour(struct sim *s, struct sim_link *l)
{
    if (!l->has_neighbour)
        return;
    if (l->reno_window < 2 * SIM_PACKET)
        l->reno_window = 2 * SIM_PACKET;
    while (l->reno_flight + SIM_PACKET <= (uint64_t)l->reno_window) {
        if (l->queue_bytes > l->buffer_bytes) { /* tail drop; one cut a round trip */
            if (s->now_us > l->reno_cut_us) {
                l->reno_window = l->reno_window * 0.7;
                l->reno_cut_us = s->now_us + 2 * l->delay_us + l->queue_bytes * 1000000 / l->rate;
            }
            return;
        }
        l->reno_flight += SIM_PACKET;
        l->queue_bytes += SIM_PACKET;
        sim_push(&l->queue, &(struct sim_message){.bytes = SIM_PACKET, .neighbour = true});
    }
}

/* What dir[0] brings passes the phone. */
static inline void sim_phone(struct sim *s)
{
    struct sim_link *l = &s->dir[0];
    struct sim_message *m;
    if (s->stop_every_us > 0 && s->now_us >= s->stop_to_us) {
        s->stop_from_us = s->now_us + (uint64_t)(2 * sim_unit(s) * (double)s->stop_every_us);
        s->stop_to_us = s->stop_from_us + (uint64_t)(sim_unit(s) * (double)s->stop_us);
    }
    for (; !sim_stopped(s) && (m = sim_first(&s->phone)) != NULL; sim_pop(&s->phone)) {
        l->queue_bytes += m->bytes;
        sim_push(&l->queue, m);
    }
}

/* Through the bottleneck and onto the wire. */
static inline void sim_transmit(struct sim *s, struct sim_link *l)
{
    struct sim_message *m;
    if (s->now_us >= l->stall_from_us && s->now_us < l->stall_to_us)
        return;
    double quantum = (double)l->rate * SIM_STEP_US / 1e6;
    l->carryable += quantum;
    l->budget += quantum;
    while ((m = sim_first(&l->queue)) != NULL && l->budget >= m->bytes) {
        uint64_t due = s->now_us + l->delay_us + (l->jitter_us ? sim_random(s) % l->jitter_us : 0);
        due += l->greedy ? l->busy_us : 0;
        l->budget -= m->bytes;
        l->carried += m->bytes;
        l->queue_bytes -= m->bytes;
        if (m->neighbour)
            l->neighbour_bytes += m->bytes;
        else
            l->own_bytes += m->bytes;
        if (!m->neighbour && !l->datagrams && l->loss > 0 && sim_unit(s) < l->loss * (m->bytes / 1500.0))
            due += 2 * l->delay_us + 10000; /* noticed, sent again */
        if (!m->neighbour && !l->datagrams) /* the leg's TCP keeps the order */
            l->due_us = due = due > l->due_us ? due : l->due_us;
        sim_push_by_time(&l->wire, m, due);
        sim_pop(&l->queue);
    }
    if (l->queue.count == 0 && l->budget > quantum + (double)l->bucket_bytes)
        l->budget = quantum + (double)l->bucket_bytes;
}

/* @return false: the window found an acknowledgement impossible */
static inline bool sim_receive(struct sim *s, int i)
{
    struct sim_link *l = &s->dir[i], *far = &s->dir[1 - i];
    struct sim_message *m;
    bool good = true;
    while ((m = sim_first(&l->wire)) != NULL && m->due_us <= s->now_us && !(i == 1 && sim_stopped(s))) {
        if (m->neighbour) {
            l->reno_flight -= m->bytes;
            l->reno_window += (double)SIM_PACKET * SIM_PACKET / l->reno_window;
        }
        if (l->datagrams && m->data > 0)
            acker_on_datagram(&far->acker, (uint32_t)m->position, m->data, s->now_us);
        else if (m->data > 0)
            acker_on_data(&far->acker, m->data, s->now_us);
        if (m->ack && l->datagrams)
            good = good && window_on_report(&far->window, m->ack_newest, m->ack_total, m->ack_clock, s->now_us);
        else if (m->ack)
            good = good && window_on_ack(&far->window, m->ack_total, m->ack_clock, s->now_us);
        sim_pop(&l->wire);
    }
    return good;
}

/* From now on each direction's rate is another one each `every_us`. */
static inline void sim_let_rates_wander(struct sim *s, uint64_t every_us, double least, double most)
{
    s->wander_every_us = every_us;
    s->wander_us = s->now_us + every_us;
    s->wander_least = least;
    s->wander_most = most;
}

static inline void sim_wander(struct sim *s)
{
    if (s->wander_every_us == 0 || s->now_us < s->wander_us)
        return;
    s->wander_us = s->now_us + s->wander_every_us;
    for (int i = 0; i < 2; i++) {
        double factor = 1 + 2 * sim_unit(s), rate = (double)s->dir[i].rate * (sim_random(s) & 1 ? factor : 1 / factor);
        s->dir[i].rate = (uint64_t)(rate < s->wander_least ? s->wander_least : rate > s->wander_most ? s->wander_most : rate);
    }
}

/* One step of both directions. */
static inline bool sim_step(struct sim *s)
{
    bool good = true;
    sim_wander(s);
    for (int i = 0; i < 2; i++) {
        sim_send(s, i);
        if (i == 0)
            sim_phone(s);
        sim_neighbour(s, &s->dir[i]);
        sim_transmit(s, &s->dir[i]);
        good = sim_receive(s, i) && good;
    }
    s->now_us += SIM_STEP_US;
    return good;
}

#endif
