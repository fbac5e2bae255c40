/*
 * test/bench/fairq_bench.c - what the fair queue costs per packet as flows grow, and when CoDel drops
 *
 * Packets are pushed and taken in turn while some wait, of all flows in an order of chance. The clock is the bench's own: it runs so
 * slowly that nothing waits for CoDel's target, or so fast that each flow's packets wait twenty times as long, and CoDel drops more and more often. A packet's way is
 * buffer, push, choice and copy out; what the buffer and its writing cost is measured alone and subtracted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "tunnel/fairq.h"

#include "build.h"

enum { ROUNDS = 2000000, BEST_OF = 3, MAX_FLOWS = 1000, WAITING_MIN = 64, WAITING_EACH = 8, PACKET_MAX = 1500, ORDER = 1 << 14 };
enum { POOL_BYTES = 64 << 20, TARGET_US = 5000 };

struct bench {
    struct pbuf_pool *pool;
    struct fairq q;
    uint8_t template[PACKET_MAX], out[PACKET_MAX];
    size_t len;
    uint16_t order[ORDER]; /* flows */
    uint64_t clock_ns;
    uint32_t step_ns; /* the clock's, for each packet pushed */
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The port tells the flow; checksums are nobody's business here. */
static struct pbuf *packet_of(struct bench *b, uint32_t turn)
{
    struct pbuf *p = pbuf_get(b->pool, b->len);
    if (p == NULL) {
        fprintf(stderr, "fairq_bench: out of buffers\n");
        exit(1);
    }
    memcpy(p->data, b->template, b->len);
    build_put16(p->data + 20, b->order[turn % ORDER]);
    p->len = (uint32_t)b->len;
    return p;
}

static void push_one(struct bench *b, uint32_t turn)
{
    b->clock_ns += b->step_ns;
    fairq_push(&b->q, packet_of(b, turn), b->clock_ns / 1000);
}

/* @return ns per packet pushed */
static double run(struct bench *b, size_t waiting)
{
    struct offload offload;
    uint32_t pushed = 0;
    double start = now_ns();
    while (pushed < ROUNDS) {
        while (b->q.packets < waiting)
            push_one(b, pushed++);
        if (fairq_next(&b->q, PACKET_MAX, b->clock_ns / 1000, &offload) > 0)
            fairq_take(&b->q, b->out);
    }
    return (now_ns() - start) / pushed;
}

static double run_empty(struct bench *b)
{
    double start = now_ns();
    for (uint32_t i = 0; i < ROUNDS; i++)
        pbuf_put(b->pool, packet_of(b, i));
    return (now_ns() - start) / ROUNDS;
}

/* @param ret_dropped share of the packets that CoDel dropped @return ns per packet, the best of several runs */
static double measure(struct bench *b, uint32_t flows, size_t payload, bool codel, double *ret_dropped)
{
    const size_t each = flows * WAITING_EACH, waiting = each > WAITING_MIN ? each : WAITING_MIN;
    struct rng rng;
    double best = 0;
    rng_init(&rng, 1);
    b->len = build_packet(b->template, &(struct build){.proto = 17, .dst_port = 9, .payload_len = payload});
    b->step_ns = codel ? (uint32_t)(20u * TARGET_US * 1000u / waiting) : 1;
    for (size_t i = 0; i < ORDER; i++)
        b->order[i] = (uint16_t)(1024 + rng_below(&rng, flows));
    for (int i = 0; i < BEST_OF; i++) {
        fairq_init(&b->q, b->pool, POOL_BYTES, UINT64_C(1000000) * 1000, (struct siphash_key){3, 5});
        const double whole = run(b, waiting), cost = whole - run_empty(b);
        best = i == 0 || cost < best ? cost : best;
        *ret_dropped = (double)b->q.dropped_codel / ROUNDS;
        fairq_done(&b->q);
    }
    return best;
}

int main(void)
{
    static const uint32_t counts[] = {1, 10, 100, MAX_FLOWS};
    static const size_t payload = PACKET_MAX - 28;
    static struct bench b;
    if (pbuf_pool_new(POOL_BYTES, &b.pool) != 0)
        return 1;
    printf("%8s %12s %18s %9s\n", "flows", "ns/packet", "CoDel drops, ns", "dropped");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        double none, dropped;
        const double calm = measure(&b, counts[i], payload, false, &none), full = measure(&b, counts[i], payload, true, &dropped);
        printf("%8u %12.0f %18.0f %8.0f%%\n", counts[i], calm, full, 100 * dropped);
        if (none > 0)
            printf("CoDel dropped where it should not\n");
    }
    pbuf_pool_free(b.pool);
    return 0;
}
