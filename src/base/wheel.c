/* base/wheel.c - see wheel.h */
#include "base/wheel.h"

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1, LINK = offsetof(struct wheel_timer, link) };

void wheel_init(struct wheel *wheel, uint64_t now_ms, uint32_t tick_ms)
{
    *wheel = (struct wheel){.tick_ms = tick_ms, .now = now_ms / tick_ms};
}

/* Put a timer, due after now, where it belongs. */
static void place(struct wheel *wheel, struct wheel_timer *timer)
{
    uint64_t wait = timer->due - wheel->now;
    unsigned level = 0;
    while (level < WHEEL_LEVELS - 1 && wait >> (SLOT_BITS * (level + 1)) != 0)
        level++;
    /* beyond the wheel's reach it is dealt out again each time its top slot comes round */
    unsigned index = (unsigned)(timer->due >> (SLOT_BITS * level)) & SLOT_MASK;
    timer->slot = (uint16_t)(level * WHEEL_SLOTS + index);
    timer->is_set = true;
    list_append(&wheel->slots[timer->slot], &timer->link);
    wheel->occupied[level] |= (uint64_t)1 << index;
}

static void unlink_timer(struct wheel *wheel, struct wheel_timer *timer)
{
    timer->is_set = false;
    list_remove(&wheel->slots[timer->slot], &timer->link);
    if (list_is_empty(&wheel->slots[timer->slot]))
        wheel->occupied[timer->slot / WHEEL_SLOTS] &= ~((uint64_t)1 << timer->slot % WHEEL_SLOTS);
}

void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer)
{
    if (!wheel_is_set(timer))
        return;
    unlink_timer(wheel, timer);
    wheel->count--;
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms)
{
    wheel_cancel(wheel, timer);
    timer->due = due_ms / wheel->tick_ms + (due_ms % wheel->tick_ms != 0); /* rounded up: never early */
    if (timer->due <= wheel->now)
        timer->due = wheel->now + 1;
    place(wheel, timer);
    wheel->count++;
}

/* The slot of a level that the present tick lies in. */
static struct list *present_slot(struct wheel *wheel, unsigned level)
{
    return &wheel->slots[level * WHEEL_SLOTS + ((unsigned)(wheel->now >> (SLOT_BITS * level)) & SLOT_MASK)];
}

/* At a tick where a higher level's slot begins, deal its timers out to the levels below. None comes back into this slot but from beyond the wheel's
   reach, hence the look at the last. @return false when the budget ran out before */
static bool cascade(struct wheel *wheel, unsigned level, size_t *budget)
{
    struct list *slot = present_slot(wheel, level);
    const struct list_link *last = slot->last;
    for (struct wheel_timer *timer; (timer = list_first(slot, LINK)) != NULL;) {
        if (*budget == 0)
            return false;
        --*budget;
        unlink_timer(wheel, timer);
        place(wheel, timer);
        if (&timer->link == last)
            break;
    }
    return true;
}

/* All that the present tick asks for, or what is left of it. @return false when the budget ran out before */
static bool finish_tick(struct wheel *wheel, size_t *budget, wheel_cb fire, void *ctx)
{
    /* place() goes by the time left, so nothing is dealt into a slot of these that already began */
    for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
        if ((wheel->now & (((uint64_t)1 << (SLOT_BITS * level)) - 1)) != 0)
            break;
        if (!cascade(wheel, level, budget))
            return false;
    }
    struct list *slot = present_slot(wheel, 0);
    for (struct wheel_timer *timer; (timer = list_first(slot, LINK)) != NULL;) {
        if (*budget == 0)
            return false;
        --*budget;
        wheel_cancel(wheel, timer);
        fire(ctx, timer);
    }
    return true;
}

/* The next tick at which something may have to be done, at most `limit`. */
static uint64_t next_tick(const struct wheel *wheel, uint64_t limit)
{
    uint64_t next = limit;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] == 0)
            continue;
        unsigned shift = SLOT_BITS * level;
        uint64_t unit = wheel->now >> shift; /* this level's clock */
        unsigned from = (unsigned)(unit + 1) & SLOT_MASK;
        uint64_t bits = wheel->occupied[level];
        uint64_t turned = from == 0 ? bits : bits >> from | bits << (WHEEL_SLOTS - from);
        uint64_t tick = (unit + 1 + (unsigned)__builtin_ctzll(turned)) << shift;
        if (tick < next)
            next = tick;
    }
    return next;
}

bool wheel_advance(struct wheel *wheel, uint64_t now_ms, size_t budget, wheel_cb fire, void *ctx)
{
    uint64_t target = now_ms / wheel->tick_ms;
    while (finish_tick(wheel, &budget, fire, ctx)) {
        if (wheel->now >= target)
            return true;
        wheel->now = next_tick(wheel, target);
    }
    return false;
}
