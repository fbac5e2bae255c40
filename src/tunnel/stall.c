/* tunnel/stall.c - see stall.h */
#include "tunnel/stall.h"

#include "tunnel/window.h"

enum {
    SILENCE_US = 2000, SILENCE_GAPS = 2, /* longer than this, and so many mean gaps, is a stall */
    GAP_MAX_US = 16000,                  /* more was no gap but a pause */
};

bool stall_lasts(const struct window *w, uint64_t now_us)
{
    const struct stall *s = &w->stall;
    return s->expected && !s->unmeasured && w->pace > WINDOW_FAST && w->sent != w->acked &&
           now_us > s->heard_us + SILENCE_US + SILENCE_GAPS * s->gap_us;
}

void stall_hear(struct window *w, uint64_t now_us)
{
    struct stall *s = &w->stall;
    uint64_t gap = now_us - s->heard_us;
    if (stall_lasts(w, now_us)) {
        uint64_t behind = (w->sent - s->heard_sent) * 1000000 / w->pace;
        behind = behind < gap ? behind : gap;
        if (w->next_us < now_us + behind)
            w->next_us = now_us + behind;
        s->over_us = now_us;
        s->unmeasured = true;
    }
    gap = gap < GAP_MAX_US ? gap : GAP_MAX_US;
    s->gap_us = s->gap_us - s->gap_us / 16 + gap / 16;
    s->heard_us = now_us;
    s->heard_sent = w->sent;
    s->held = false;
}
