/*
 * tunnel/measure.h - what acknowledgements tell of a path: its queue, its round trip, its rate
 *
 * The part of window.h that looks; pure.
 */
#ifndef TETHER_TUNNEL_MEASURE_H
#define TETHER_TUNNEL_MEASURE_H

#include "tunnel/window.h"

/** Something arrived. @param bytes of it that left together @param delay_us one way, between two clocks @param rtt_us until this acknowledgement came, 1 at least */
void measure_delay(struct window *w, uint64_t bytes, int64_t delay_us, uint64_t rtt_us, uint64_t now_us);
/** What met no queue arrives so much later than it seemed. @param later_us negative: earlier */
void measure_shift_base(struct window *w, int64_t later_us);
/** Nothing is known of its length any more. */
void measure_forget_base(struct window *w, uint64_t now_us);
/** Smallest one-way delay of the last ten seconds, between two clocks. */
int64_t measure_base(const struct window *w);
/** Shortest round trip of the last ten seconds, microseconds; 1 at least. */
uint64_t measure_min_rtt(const struct window *w);
/** What one packet takes at this rate (bytes/s; 0: unknown), microseconds. */
uint64_t measure_packet_us(uint64_t rate);
/** So much later than little arrived what was a packet or more, microseconds; 0 while only one of both is known. */
uint64_t measure_packet_seen_us(const struct window *w);
/** Standing queue, microseconds: the least by which a delay of the last half to whole round trip lay above its base. */
uint64_t measure_queue(const struct window *w);
/** A round is over: its rate, and the best one. */
void measure_rate(struct window *w, uint64_t now_us);
/** Highest rate of the last five to ten seconds that was held for two rounds, bytes/s. */
uint64_t measure_best(const struct window *w);
/** The path has become slower: nothing above this (bytes/s) is remembered as its best. */
void measure_cap_best(struct window *w, uint64_t most);

#endif
