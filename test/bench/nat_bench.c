/*
 * test/bench/nat_bench.c - what the NAT costs per packet as flows grow
 *
 * UDP packets of 100 bytes, out and in in turn, over all flows in an order unlike that of their making, so that caches help the
 * tables as little as they will; and a new flow's price. Each packet is written into the same few buffers just before, as packets from the network
 * are; writing them is measured alone and subtracted. Once each packet by itself, once in batches of 16 that are announced (nat_prefetch). Then outward
 * only, as the tunnel gives them: in frames of one message, read one by one, and with the reader looking ahead.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "tether/nat.h"
#include "tunnel/frame.h"

#include "build.h"

enum { PACKET_LEN = 100, ROUNDS = 2000000, MAX_FLOWS = 60000, MAPS = 4000, BUFFERS = 16, FRAMES = 128, FRAME_LEN = FRAME_HEADER_LEN + PACKET_LEN };
#define EXTERNAL 0xc6336401u

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Flow i is from port 1024 + i % MAPS to an address of its own. */
static uint16_t inside_port(uint32_t i)
{
    return (uint16_t)(1024 + i % MAPS);
}

static uint32_t remote(uint32_t i)
{
    return 0xcb007100 + i / MAPS;
}

struct templates {
    uint8_t out[PACKET_LEN], in[PACKET_LEN];
    uint16_t lent[MAPS]; /* external ports */
    uint8_t buffer[BUFFERS][PACKET_LEN];
};

static void templates_make(struct templates *t)
{
    struct build b = {.proto = 17, .src = 0x0a000001, .dst_port = 4000, .payload_len = PACKET_LEN - 28, .dst = remote(0), .src_port = inside_port(0)};
    build_packet(t->out, &b);
    b = (struct build){.proto = 17, .src = remote(0), .src_port = 4000, .dst = EXTERNAL, .dst_port = inside_port(0), .payload_len = PACKET_LEN - 28};
    build_packet(t->in, &b);
}

/* A packet of flow i: the template with one address's low half and one port changed, and the checksums with them (RFC 1624). */
static uint8_t *packet_of(struct templates *t, uint32_t i, bool in, uint32_t turn)
{
    uint8_t *p = t->buffer[turn % BUFFERS];
    memcpy(p, in ? t->in : t->out, PACKET_LEN);
    uint8_t *addr = p + (in ? 14 : 18), *port = p + (in ? 22 : 20);
    uint16_t low = (uint16_t)remote(i), number = in ? t->lent[i % MAPS] : inside_port(i);
    uint16_t check = csum_update16(build_get16(p + 10), build_get16(addr), low);
    uint16_t udp = csum_update16(csum_update16(build_get16(p + 26), build_get16(addr), low), build_get16(port), number);
    build_put16(p + 10, check);
    build_put16(p + 26, udp == 0 ? 0xffff : udp);
    build_put16(addr, low);
    build_put16(port, number);
    return p;
}

static void must(const struct nat_result *r)
{
    if (r->verdict == NAT_FORWARD)
        return;
    fprintf(stderr, "nat_bench: a packet was dropped: %s\n", drop_name(r->reason));
    exit(1);
}

/* @return ns per new flow */
static double open_flows(struct nat *nat, struct templates *t, uint32_t count)
{
    struct nat_result r;
    double spent = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *packet = packet_of(t, i, false, 0);
        double start = now_ns();
        nat_in2out(nat, 1, packet, PACKET_LEN, NULL, 1000, &r);
        spent += now_ns() - start;
        must(&r);
        t->lent[i % MAPS] = build_get16(r.packet + 20);
    }
    return spent / count;
}

/* @param batch that many packets are made and announced before they are given; 0: each by itself, unannounced */
static double run(struct nat *nat, struct templates *t, const uint32_t *order, uint32_t count, uint32_t batch)
{
    struct nat_result r = {.verdict = NAT_FORWARD};
    struct span ahead[BUFFERS];
    volatile uint8_t sink = 0;
    double start = now_ns();
    bool in = false;
    for (uint32_t done = 0, at = 0; done < ROUNDS;) {
        uint32_t n = batch == 0 ? 1 : batch < count - at ? batch : count - at;
        for (uint32_t i = 0; i < n; i++)
            ahead[i] = (struct span){packet_of(t, order[at + i], in, i), PACKET_LEN};
        if (nat != NULL && batch != 0)
            nat_prefetch(nat, in ? 0 : 1, ahead, n);
        for (uint32_t i = 0; i < n; i++) {
            if (nat == NULL)
                sink ^= t->buffer[i][PACKET_LEN - 1];
            else if (in)
                nat_out2in(nat, t->buffer[i], PACKET_LEN, NULL, 2000, &r);
            else
                nat_in2out(nat, 1, t->buffer[i], PACKET_LEN, NULL, 2000, &r);
            must(&r);
        }
        done += n;
        at += n;
        if (at == count) {
            at = 0;
            in = !in;
        }
    }
    return (now_ns() - start) / ROUNDS;
}

static int give_frame(void *ctx, uint8_t type, uint8_t *body, size_t len)
{
    struct nat_result r = {.verdict = NAT_FORWARD};
    (void)type;
    if (ctx != NULL)
        nat_in2out(ctx, 1, body, len, NULL, 2000, &r);
    must(&r);
    return 0;
}

static void frames_ahead(void *ctx, const struct span *packets, size_t count)
{
    nat_prefetch(ctx, 1, packets, count);
}

/* @param nat NULL: the messages are only written and read */
static double run_frames(struct nat *nat, struct templates *t, const uint32_t *order, uint32_t count, frame_ahead_cb ahead)
{
    static uint8_t message[FRAMES * FRAME_LEN];
    struct frame_reader reader = {0};
    double start = now_ns();
    for (uint32_t done = 0, at = 0; done < ROUNDS; at = at == count ? 0 : at) {
        const uint32_t n = count - at < FRAMES ? count - at : FRAMES;
        for (uint32_t i = 0; i < n; i++) {
            frame_put_header(message + i * FRAME_LEN, FRAME_PACKET, PACKET_LEN);
            memcpy(message + i * FRAME_LEN + FRAME_HEADER_LEN, packet_of(t, order[at + i], false, i), PACKET_LEN);
        }
        frame_reader_feed(&reader, message, n * FRAME_LEN, give_frame, ahead, nat);
        done += n;
        at += n;
    }
    frame_reader_done(&reader);
    return (now_ns() - start) / ROUNDS;
}

int main(void)
{
    static const uint32_t counts[] = {10, 100, 1000, 10000, 30000, 60000};
    static struct templates t;
    static uint32_t order[MAX_FLOWS];
    templates_make(&t);
    printf("%8s %14s %14s %14s %14s %14s %14s\n", "flows", "ns/packet", "in batches", "frames", "looked ahead", "their writing", "ns/new flow");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct nat_config config;
        struct nat *nat;
        struct rng rng;
        nat_config_defaults(&config, EXTERNAL);
        config.seed = 42;
        config.client_ports = config.client_flows = config.client_rate = 0; /* one laptop has them all */
        if (nat_new(&config, &nat) != 0)
            return 1;
        rng_init(&rng, 1);
        for (uint32_t j = 0; j < counts[i]; j++) { /* Fisher and Yates, from the inside */
            uint32_t k = rng_below(&rng, j + 1);
            order[j] = order[k];
            order[k] = j;
        }
        double fresh = open_flows(nat, &t, counts[i]);
        run(nat, &t, order, counts[i], 0); /* warm */
        double writing = run(NULL, &t, order, counts[i], 0), single = run(nat, &t, order, counts[i], 0);
        double batched = run(nat, &t, order, counts[i], BUFFERS);
        double unread = run_frames(NULL, &t, order, counts[i], NULL), frames = run_frames(nat, &t, order, counts[i], NULL);
        double looked = run_frames(nat, &t, order, counts[i], frames_ahead);
        printf("%8u %14.0f %14.0f %14.0f %14.0f %14.0f %14.0f\n", counts[i], single - writing, batched - writing, frames - unread, looked - unread,
               writing, fresh);
        nat_free(nat);
    }
    return 0;
}
