/*
 * base/wheel.h - many timers: a hierarchical timing wheel (Varghese and Lauck 1987, scheme 7)
 *
 * Six levels of 64 slots; a slot of level n spans 64^n ticks. Setting and cancelling are O(1); a timer moves down at most five
 * times before it fires. A timer never fires early and at most one tick late. Empty stretches of time are skipped, however long,
 * by each level's bitmap of occupied slots, so a machine that slept for a week wakes without a stall. Where many timers are due together the caller's budget
 * cuts the work into slices. Time comes from the caller.
 */
#ifndef TETHER_BASE_WHEEL_H
#define TETHER_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum { WHEEL_LEVELS = 6, WHEEL_SLOTS = 64 };

/** Lives inside the caller's object; zeroed means not set. */
struct wheel_timer {
    struct list_link link; /**< of the slot's */
    uint64_t due; /**< ticks */
    uint16_t slot; /**< level * WHEEL_SLOTS + index: whose bit to clear when the slot empties */
    bool is_set;
};

struct wheel {
    uint32_t tick_ms;
    uint64_t now; /**< ticks, all fired before this one, and with it unless a budget ran out */
    size_t count;
    uint64_t occupied[WHEEL_LEVELS];
    struct list slots[WHEEL_LEVELS * WHEEL_SLOTS]; /**< timers */
};

/** The timer's owner may set and cancel any timers from inside. */
typedef void (*wheel_cb)(void *ctx, struct wheel_timer *timer);

/** @param tick_ms resolution, at least 1. */
void wheel_init(struct wheel *wheel, uint64_t now_ms, uint32_t tick_ms);
/** Set or set anew; a due time already past fires with the next advance that reaches a new tick. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms);
/** Harmless when not set. */
void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer);
static inline bool wheel_is_set(const struct wheel_timer *timer)
{
    return timer->is_set;
}
/**
 * Fire what is due, earliest tick first; each timer is unset before its callback. Time going backwards does nothing.
 *
 * @param budget timers to fire or move down at most, at least 1 @return false: it was used up, and what is left goes on with the next call
 */
bool wheel_advance(struct wheel *wheel, uint64_t now_ms, size_t budget, wheel_cb fire, void *ctx);

#endif
