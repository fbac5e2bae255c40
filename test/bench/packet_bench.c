/*
 * test/bench/packet_bench.c - what the packet layer costs per operation
 *
 * No test: it prints nanoseconds, best of several rounds, so that other work on the machine disturbs little.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tether/packet.h"

#include "build.h"

enum { ROUNDS = 7, ROUND_NS = 30000000 };

static uint8_t packet[IP4_MAX_LEN + 200], scratch[2048];
static size_t len;
static volatile uint32_t sink; /* keeps results alive */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct ip4_view parse(void)
{
    struct ip4_view v;
    const enum drop why = ip4_parse(packet, len, &v);
    if (why != DROP_NONE) {
        fprintf(stderr, "packet_bench: %s\n", drop_name(why));
        exit(1);
    }
    return v;
}

static void do_parse(uint32_t i)
{
    (void)i;
    sink += parse().dst_port;
}

static void do_rewrite(uint32_t i)
{
    struct ip4_view v = parse();
    ip4_set_src(&v, i);
    ip4_set_src_port(&v, (uint16_t)i);
    sink += (uint32_t)ip4_dec_ttl(&v);
    packet[8] = 64; /* not to run out of it; the sum is mended by the next line */
    ip4_set_header_csum(packet, 20);
}

static void do_csum(uint32_t i)
{
    sink += csum_sum(packet, len, i & 1);
}

static void count_piece(void *ctx, const uint8_t *bytes, size_t piece_len)
{
    (void)bytes;
    *(size_t *)ctx += piece_len;
}

static void do_segment(uint32_t i)
{
    (void)i;
    const struct ip4_view v = parse();
    size_t bytes = 0;
    tcp_segment(&v, 1500, scratch, sizeof(scratch), count_piece, &bytes);
    sink += (uint32_t)bytes;
}

static void push(void *ctx, const uint8_t *bytes, size_t piece_len)
{
    struct ip4_view v;
    uint8_t *whole;
    size_t whole_len;
    memcpy(scratch, bytes, piece_len);
    if (ip4_parse(scratch, piece_len, &v) == DROP_NONE)
        reasm_push(ctx, 1, &v, 0, &whole, &whole_len);
}

static struct reasm *reasm;

static void do_fragment_and_reassemble(uint32_t i)
{
    (void)i;
    static uint8_t room[1500];
    const struct ip4_view v = parse();
    ip4_fragment(&v, 1500, room, sizeof(room), push, reasm);
}

/** @return ns per call, of the best round */
static double measure(void (*operation)(uint32_t))
{
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t count = 0;
        const double start = now_ns();
        double taken = 0;
        while (taken < ROUND_NS) {
            for (int k = 0; k < 64; k++)
                operation(count++);
            taken = now_ns() - start;
        }
        if (taken / count < best)
            best = taken / count;
    }
    return best;
}

static void print(const char *what, double ns, double bytes)
{
    printf("%-40s %10.1f ns", what, ns);
    if (bytes > 0)
        printf(" %8.2f GB/s", bytes / ns);
    printf("\n");
}

int main(void)
{
    const struct reasm_limits limits = {.max_bytes = 1 << 20, .max_datagrams = 64, .max_per_scope = 64};
    if (reasm_new(&limits, &reasm) != 0)
        return 1;
    len = build_packet(packet, &(struct build){.proto = 6, .flags = TCP_ACK, .payload_len = 1460});
    print("parse", measure(do_parse), 0);
    print("parse, rewrite source and TTL, header sum", measure(do_rewrite), 0);
    print("checksum of 1,500 bytes", measure(do_csum), (double)len);
    len = 60;
    print("checksum of 60 bytes", measure(do_csum), (double)len);
    len = build_packet(packet, &(struct build){.proto = 6, .flags = TCP_ACK, .payload_len = 65000});
    print("checksum of 64 KB", measure(do_csum), (double)len);
    print("segment 64 KB to 1,500, sums complete", measure(do_segment), (double)len);
    len = build_packet(packet, &(struct build){.proto = 17, .payload_len = 8000});
    print("fragment 8 KB to 1,500 and reassemble", measure(do_fragment_and_reassemble), (double)len);
    reasm_free(reasm);
    return 0;
}
