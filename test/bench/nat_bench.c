/*
 * test/bench/nat_bench.c - what the NAT costs per packet as flows grow
 *
 * UDP packets of 100 bytes, out and in in turn, over all flows in an order unlike that of their making, so that caches help the
 * tables as little as they will; and a new flow's price. The packets themselves lie in the order of their use, as fresh from
 * the network; copying them is measured alone and subtracted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "tether/nat.h"

#include "build.h"

enum { PACKET_LEN = 100, ROUNDS = 2000000, MAX_FLOWS = 60000, MAPS = 4000 };
#define EXTERNAL 0xc6336401u

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct flow {
    uint8_t out[PACKET_LEN], in[PACKET_LEN];
};

static void must(const struct nat_result *r)
{
    if (r->verdict == NAT_FORWARD)
        return;
    fprintf(stderr, "nat_bench: a packet was dropped: %s\n", drop_name(r->reason));
    exit(1);
}

/* @return ns per new flow */
static double open_flows(struct nat *nat, struct flow *flows, const uint32_t *place, uint32_t count)
{
    struct nat_result r;
    uint8_t packet[PACKET_LEN];
    double spent = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct build b = {.proto = 17, .src = 0x0a000001, .src_port = (uint16_t)(1024 + i % MAPS), .dst = 0xcb007100 + i / MAPS,
                          .dst_port = 4000, .payload_len = PACKET_LEN - 28};
        struct flow *f = &flows[place[i]];
        build_packet(f->out, &b);
        memcpy(packet, f->out, PACKET_LEN);
        double start = now_ns();
        nat_in2out(nat, 1, packet, PACKET_LEN, NULL, 1000, &r);
        spent += now_ns() - start;
        must(&r);
        b = (struct build){.proto = 17, .src = b.dst, .src_port = 4000, .dst = EXTERNAL, .dst_port = build_get16(r.packet + 20),
                           .payload_len = PACKET_LEN - 28};
        build_packet(f->in, &b);
    }
    return spent / count;
}

static double run(struct nat *nat, const struct flow *flows, uint32_t count)
{
    struct nat_result r = {.verdict = NAT_FORWARD};
    uint8_t packet[PACKET_LEN];
    volatile uint8_t sink = 0;
    double start = now_ns();
    for (uint32_t i = 0, at = 0; i < ROUNDS; i++, at = at + 1 == count ? 0 : at + 1) {
        const struct flow *f = &flows[at];
        memcpy(packet, i / count & 1 ? f->in : f->out, PACKET_LEN);
        if (nat == NULL)
            sink ^= packet[PACKET_LEN - 1];
        else if (i / count & 1)
            nat_out2in(nat, packet, PACKET_LEN, NULL, 2000, &r);
        else
            nat_in2out(nat, 1, packet, PACKET_LEN, NULL, 2000, &r);
        must(&r);
    }
    return (now_ns() - start) / ROUNDS;
}

int main(void)
{
    static const uint32_t counts[] = {10, 100, 1000, 10000, 30000, 60000};
    struct flow *flows = calloc(MAX_FLOWS, sizeof *flows);
    uint32_t *place = calloc(MAX_FLOWS, sizeof *place);
    if (flows == NULL || place == NULL)
        return 1;
    printf("%8s %14s %14s %14s\n", "flows", "ns/packet", "of it copying", "ns/new flow");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct nat_config config;
        struct nat *nat;
        struct rng rng;
        nat_config_defaults(&config, EXTERNAL);
        config.seed = 42;
        if (nat_new(&config, &nat) != 0)
            return 1;
        rng_init(&rng, 1);
        for (uint32_t j = 0; j < counts[i]; j++) { /* Fisher and Yates, from the inside */
            uint32_t k = rng_below(&rng, j + 1);
            place[j] = place[k];
            place[k] = j;
        }
        double fresh = open_flows(nat, flows, place, counts[i]);
        run(nat, flows, counts[i]); /* warm */
        double copying = run(NULL, flows, counts[i]), both = run(nat, flows, counts[i]);
        printf("%8u %14.0f %14.0f %14.0f\n", counts[i], both - copying, copying, fresh);
        nat_free(nat);
    }
    free(place);
    free(flows);
    return 0;
}
