/*
 * tunnel/window.h - how much may be in flight on one path
 *
 * Without a bound a phone's browser buffers tens of seconds. What does not fit the window waits in the fair queue at the tunnel's entry,
 * where TCP can see it; so the window alone decides the lag, and it has to be just large enough.
 *
 * Delay tells how large that is, as in LEDBAT (RFC 6817) and Copa (Arun and Balakrishnan, NSDI 2018): a window that only fills the pipe leaves
 * no queue. Loss tells nothing here: both legs are TCP, which hides it. Of the delay it is the one-way part, for the other direction is often full
 * too, and its queue must not slow this one: acknowledgements carry the receiver's clock. Its offset and drift do not matter, as only the
 * difference to the smallest one-way delay of the last ten seconds counts (of what is a packet or more to the smallest of such, for on a slow
 * path a packet's own time is no queue); and of the samples of half a round trip the smallest ("standing queue"), so jitter, bundling by the browser and late acknowledgements look like no queue.
 *
 * What is controlled is the pace, not the bytes in flight: those include what waits to be acknowledged behind the other direction's
 * data, and two windows that steer by them swing against each other. Once a round trip
 *
 *     pace = rate that arrived * (1 + (target - queue) / steady)        steady = 2 round trips, so that queue' = pace / rate - 1 settles
 *
 * with a target of a sixteenth of the round trip, 1 to 2.5 ms (0.7 ms beyond WINDOW_FAST, 1 ms where a packet takes more than 3), one packet's
 * time (a third of it, or all but 4 ms, where little shows what that is), and a third of the jitter. The pace doubles each round at the beginning, and leaps when three rounds saw no queue at all, as long as the rate follows (pace.h); when a queue goes
 * without our doing, a packet train shows how fast the path has become (train.h); where the queue seems near its target the path is asked now and then whether it carries more (ask.h). The window is what the pace needs and a quarter more; it bounds what a stall costs.
 * While a phone close by carries nothing it is given nothing (stall.h).
 * When the smallest delay gets old the pace dips for a round, so that our own queue does not become the base (BBR's PROBE_RTT). A queue that stays the same although only half is sent is none: the path became longer. One that stays
 * and swings is a neighbour's; beside a sender that fills queues a quarter of the path is insisted on.
 *
 * Datagrams get lost (window_expect_loss()). What was sent before the newest one that arrived is no longer in flight, but only what arrived
 * counts for the rate; so losses are neither waited for nor taken for speed. When the last ones of a flight, or their acknowledgement, are lost, one
 * packet more may go after a while: what comes back for it tells of all before. Pure: time comes from the caller, in microseconds.
 * test/unit/tunnel/window_sim_test.c holds all of this.
 */
#ifndef TETHER_TUNNEL_WINDOW_H
#define TETHER_TUNNEL_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel/ask.h"
#include "tunnel/stall.h"
#include "tunnel/train.h"

enum {
    WINDOW_INITIAL = 16 * 1024,
    WINDOW_MIN = 6 * 1024,
    WINDOW_MAX = 8 * 1024 * 1024,
    WINDOW_PACKET = 1540, /* bytes: one of a usual link, with what is around it */
    WINDOW_FAST = 8 * 1000 * 1000, /* bytes/s, beyond which messages cost more than they bring */
    WINDOW_RECORDS = 256,
    WINDOW_BASES = 5, /* the base delay is the smallest of so many intervals of two seconds */
};

/* One flight of bytes: when its last byte left. */
struct window_record {
    uint64_t end; /* total sent with it */
    uint64_t sent_us;
};

struct window {
    uint64_t sent, acked;        /* acked: all up to there arrived, or got lost */
    uint64_t arrived;            /* without what got lost */
    bool lossy;
    uint64_t probe_us, probe_wait_us; /* lossy: when one packet more may go; how long that is without an acknowledgement */
    uint64_t size;               /**< bytes allowed in flight */
    uint64_t srtt_us;            /**< smoothed, as acknowledgements show it; 0: unknown */
    uint64_t rate;               /**< bytes/s that arrived, of the best of the last rounds; 0: unknown */
    int64_t delay_us;            /* newest one-way delay */
    uint64_t jitter_us;          /* mean change from one delay to the next (RFC 3550 section 6.4.1) */
    uint64_t queue_us;           /**< standing queue of the last round */
    uint64_t target_us;
    uint64_t pace;               /**< bytes/s to send at; 0: no limit yet */
    uint64_t next_us;            /* when the next byte is due */
    uint64_t clock_us;           /* the receiver's, unwrapped */
    bool clock_known;
    int64_t base[WINDOW_BASES];  /* smallest one-way delays, newest first; between two clocks, so of any sign */
    int64_t base_whole[WINDOW_BASES]; /* the same of what was a packet or more; INT64_MAX: nothing was */
    uint64_t min_rtt[WINDOW_BASES];
    uint32_t bases;
    uint64_t base_since_us, base_seen_us; /* newest interval's begin; when the base, or nearly it, was seen last */
    uint64_t round_end;          /* the round is over when so much is acknowledged */
    uint64_t round_acked, round_arrived, round_clock_us; /* where its rate is measured from */
    uint64_t excess_us;          /* of the newest delay above its base */
    uint64_t look[2];            /* smallest of these of the current interval and the one before */
    uint64_t look_since_us;
    uint64_t round_queue_us;     /* longest standing queue in the round */
    uint64_t round_since_us;
    uint64_t round_late_us;      /* least delay of an acknowledgement on its way back, beyond the base */
    uint64_t last_late_us;       /* the same of the round before */
    bool round_timed, round_any, round_full;  /* measured from something; something was acknowledged; the window was full and more was waiting */
    bool full;
    uint32_t gain;               /* sixteenths by which the pace leapt last; 0: it did not */
    uint32_t calm_rounds;        /* before the pace may leap again */
    bool starting;
    bool start_queue, start_again; /* there was one in the last round; there was one already */
    uint32_t start_misses;       /* rounds in which the rate did not follow */
    bool leapt;                  /* in the last round: what it brought does not show yet */
    uint64_t leap_rate;          /* before the last leap */
    struct ask ask;              /* whether the path carries more */
    struct stall stall;          /* whether the phone carries anything now */
    struct train train;          /* how fast the path has become */
    uint64_t rates[4];
    uint64_t best[2], best_since_us; /* highest rates of this and the last five seconds */
    uint32_t over;               /* rounds in a row above the target */
    uint64_t over_since_us, neighbour_until_us;
    uint64_t flat_since_us, flat_least_us, flat_most_us; /* since when that queue stays between these */
    uint64_t flat_pace, flat_target_us; /* then */
    uint32_t flat_rounds;
    bool doubtful;               /* is it a queue at all? */
    uint32_t neighbour_misses;   /* rounds in a row in which much less arrived than was insisted on */
    bool neighbour;              /* somebody else fills the path's queue */
    bool dipping;
    struct window_record record[WINDOW_RECORDS];
    uint64_t passed;             /* where the newest flight that was acknowledged ended */
    uint32_t head, count;
};

void window_init(struct window *w, uint64_t now_us);
/** The path carries datagrams: some get lost, some overtake others. Before anything is sent. */
void window_expect_loss(struct window *w);
/** What is sent passes a phone close by, which stops now and then (stall.h). Before anything is sent. */
void window_expect_stalls(struct window *w);
/** Bytes that may be sent now; a packet may exceed them if they are not 0. */
size_t window_room(const struct window *w, uint64_t now_us);
/**
 * The same for little, for which the others' place in the pace is no reason to wait: up to one packet's bytes and time beyond it. It counts as
 * any other, so what follows waits so much longer.
 */
size_t window_room_for_little(const struct window *w, uint64_t now_us);
/** More is waiting than window_room() allowed. */
void window_is_full(struct window *w, uint64_t now_us);
/** When time allows more; UINT64_MAX when only an acknowledgement does. */
uint64_t window_due_us(const struct window *w);
/** Bytes left. */
void window_on_sent(struct window *w, size_t bytes, uint64_t now_us);
/**
 * The far end has received `total` bytes, the newest of which arrived when its own clock, which wraps around, stood at clock_us.
 *
 * @return false when it acknowledges what was never sent, or less than before: the peer is broken
 */
bool window_on_ack(struct window *w, uint64_t total, uint32_t clock_us, uint64_t now_us);
/**
 * The same of datagrams: of the first `newest` bytes sent, so many arrived; the last of them did at clock_us. One that was overtaken by
 * a later one changes nothing.
 *
 * @return false when it acknowledges what was never sent
 */
bool window_on_report(struct window *w, uint64_t newest, uint64_t arrived, uint32_t clock_us, uint64_t now_us);

#endif
