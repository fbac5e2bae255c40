/* base/wheel.c - see wheel.h */
#include "base/wheel.h"

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1 };

static void list_init(struct wheel_timer *head)
{
    head->next = head->prev = head;
}

static bool list_empty(const struct wheel_timer *head)
{
    return head->next == head;
}

void wheel_init(struct wheel *wheel, uint64_t now_ms, uint32_t tick_ms)
{
    wheel->tick_ms = tick_ms;
    wheel->now = now_ms / tick_ms;
    wheel->count = 0;
    for (size_t i = 0; i < WHEEL_LEVELS; i++)
        wheel->occupied[i] = 0;
    for (size_t i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
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
    struct wheel_timer *head = &wheel->slots[level * WHEEL_SLOTS + index];
    timer->slot = (uint16_t)(level * WHEEL_SLOTS + index);
    timer->next = head;
    timer->prev = head->prev;
    head->prev->next = timer;
    head->prev = timer;
    wheel->occupied[level] |= (uint64_t)1 << index;
}

static void unlink_timer(struct wheel *wheel, struct wheel_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
    if (list_empty(&wheel->slots[timer->slot]))
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

/* Take a slot's whole list, so that callbacks may refill the slot. */
static void take_slot(struct wheel *wheel, unsigned level, unsigned index, struct wheel_timer *ret_list)
{
    struct wheel_timer *head = &wheel->slots[level * WHEEL_SLOTS + index];
    list_init(ret_list);
    if (!list_empty(head)) {
        *ret_list = *head;
        ret_list->next->prev = ret_list->prev->next = ret_list;
        list_init(head);
    }
    wheel->occupied[level] &= ~((uint64_t)1 << index);
}

/* At a tick where a higher level's slot begins, deal its timers out to the levels below. */
static void cascade(struct wheel *wheel, unsigned level)
{
    struct wheel_timer list;
    take_slot(wheel, level, (unsigned)(wheel->now >> (SLOT_BITS * level)) & SLOT_MASK, &list);
    while (!list_empty(&list)) {
        struct wheel_timer *timer = list.next;
        list.next = timer->next;
        timer->next->prev = &list;
        place(wheel, timer);
    }
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

void wheel_advance(struct wheel *wheel, uint64_t now_ms, wheel_cb fire, void *ctx)
{
    uint64_t target = now_ms / wheel->tick_ms;
    while (wheel->now < target) {
        wheel->now = next_tick(wheel, target);
        /* place() goes by the time left, so nothing is dealt into a slot of these that already began */
        for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
            if ((wheel->now & (((uint64_t)1 << (SLOT_BITS * level)) - 1)) != 0)
                break;
            cascade(wheel, level);
        }
        struct wheel_timer list;
        take_slot(wheel, 0, (unsigned)wheel->now & SLOT_MASK, &list);
        while (!list_empty(&list)) {
            struct wheel_timer *timer = list.next;
            wheel_cancel(wheel, timer);
            fire(ctx, timer);
        }
    }
}
