/* tunnel/pmtu.c - see pmtu.h */
#include "tunnel/pmtu.h"

enum { CHECK_US = 3000000, ANSWER_US = 900000 };
static const uint64_t search_us = UINT64_C(600) * 1000000;

/* Ethernet, PPPoE, and what tunnels leave of them; ends below the base. */
static const uint16_t ladder[PMTU_LADDER] = {1500, 1492, 1480, 1460, 1440, 1420, 1400, 1380, 1350, 1320, 1280, PMTU_BASE};

void pmtu_init(struct pmtu *p, unsigned overhead)
{
    *p = (struct pmtu){.overhead = overhead, .size = PMTU_BASE};
}

size_t pmtu_message(const struct pmtu *p)
{
    return p->size > p->overhead ? p->size - p->overhead : 0;
}

static void search(struct pmtu *p, uint64_t now_us)
{
    p->round++;
    p->next = 0;
    p->searched_us = now_us;
    p->settled = p->checking = false;
}

/* mark: what it is, which round, which size */
static size_t send(const struct pmtu *p, unsigned size, uint64_t *ret_mark)
{
    *ret_mark = (uint64_t)PMTU_MARK << 56 | (uint64_t)(p->round & 0xffffff) << 16 | size;
    return size - p->overhead;
}

size_t pmtu_probe(struct pmtu *p, uint64_t now_us, uint64_t *ret_mark)
{
    if (p->round == 0) {
        search(p, now_us);
        p->check_us = now_us;
    } else if (p->checking && now_us > p->check_us + ANSWER_US) {
        p->black_holes++;
        p->size = p->size > PMTU_BASE ? PMTU_BASE : PMTU_FLOOR;
        p->check_us = now_us;
        search(p, now_us);
    } else if (p->size < PMTU_MAX && now_us > p->searched_us + search_us) {
        search(p, now_us);
    }
    p->settled = p->settled || now_us > p->searched_us + ANSWER_US;
    if (p->next < PMTU_LADDER && ladder[p->next] > p->size)
        return send(p, ladder[p->next++], ret_mark);
    p->next = PMTU_LADDER;
    if (p->checking || now_us < p->check_us + CHECK_US)
        return 0;
    p->checking = true;
    p->check_us = now_us;
    return send(p, p->size, ret_mark);
}

void pmtu_answered(struct pmtu *p, uint64_t mark, uint64_t now_us)
{
    unsigned size = mark & 0xffff, round = mark >> 16 & 0xffffff;
    (void)now_us;
    if (round != (p->round & 0xffffff) || size > PMTU_MAX)
        return;
    p->settled = true;
    if (size >= p->size)
        p->checking = false;
    if (size > p->size)
        p->size = size;
}
