/*
 * test/bench/link_bench.c - what a packet costs below the NAT, by either pair
 *
 *     inject -> v0 ==veth== v1 -> capture        in a network namespace that vanishes with the process
 *
 * Everything happens in the sender's system calls, veth's receiving side included, so elapsed time is what a packet costs. The kernel drops what arrives
 * where it drops the NAT's ports. A capture's cost is that of sending and receiving with it less that of sending alone. Needs root.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <uv.h>

#include "build.h"
#include "io/link.h"
#include "tether/packet.h"

#include "link_lab.h"

enum { SEGMENT = 1460, MANY = 44, LARGE = MANY * SEGMENT, BURST = 256, BURST_LARGE = 8, ROUNDS = 7 };
static const double round_ns = 2e8;

struct bench {
    struct io_loop *loop;
    struct inject *inject;
    int fd; /* AF_PACKET, for what the product never sends so */
    size_t got; /* bytes of payload */
    uint8_t small[1500], large[IP4_MAX_LEN];
    size_t small_len, large_len;
};

typedef void (*send_cb)(struct bench *b);

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(int failed, const char *what)
{
    if (failed == 0)
        return;
    fprintf(stderr, "link_bench: %s: %s\n", what, strerror(failed < 0 ? -failed : failed));
    exit(1);
}

/* --- ways to send --- */

static void small_by_inject(struct bench *b)
{
    must(inject_send(b->inject, b->small, b->small_len, &(struct offload){0}), "send");
}

static void large_by_inject(struct bench *b)
{
    must(inject_send(b->inject, b->large, b->large_len, &(struct offload){SEGMENT, true}), "send");
}

static void small_by_packet(struct bench *b)
{
    static const struct virtio_net_hdr header;
    static const struct ethhdr link = {.h_dest = {2, 0, 0, 0, 0, 1}, .h_source = {2}, .h_proto = 8};
    const struct iovec part[] = {{(void *)(uintptr_t)&header, sizeof header}, {(void *)(uintptr_t)&link, sizeof link}, {b->small, b->small_len}};
    must(writev(b->fd, part, 3) < 0, "AF_PACKET");
}

/* --- measuring --- */

static void on_packet(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct bench *b = ctx;
    (void)packet, (void)offload;
    b->got += len - 20 - 20;
}

/* Bursts, each received before the next. @param bytes of payload in a burst, waited for; 0: nobody listens @return ns per burst */
static double bursts(struct bench *b, send_cb send, int burst, size_t bytes)
{
    const double begin = now_ns();
    double end = begin;
    unsigned count = 0;
    for (; end - begin < round_ns; end = now_ns(), count++) {
        b->got = 0;
        for (int i = 0; i < burst; i++)
            send(b);
        while (b->got < bytes) {
            uv_run(io_loop_uv(b->loop), UV_RUN_NOWAIT);
            if (now_ns() - begin > 10 * round_ns) {
                fprintf(stderr, "link_bench: %zu of %zu bytes were captured\n", b->got, bytes);
                exit(1);
            }
        }
    }
    return (end - begin) / count;
}

static double best(struct bench *b, send_cb send, int burst, size_t bytes)
{
    double least = bursts(b, send, burst, bytes);
    for (int i = 1; i < ROUNDS; i++) {
        double now = bursts(b, send, burst, bytes);
        least = now < least ? now : least;
    }
    return least;
}

static void open_inject(struct bench *b, enum link_kind kind)
{
    struct err err = {0};
    inject_close(b->inject);
    must(inject_open("v0", NEAR, 1500, kind, &b->inject, &err), err.text);
    large_by_inject(b); /* asks for the next hop */
}

static void injections(struct bench *b)
{
    printf("%-52s %10s\n", "injection", "ns/packet");
    open_inject(b, LINK_PORTABLE);
    printf("%-52s %10.0f\n", "raw socket, 1,500 bytes", best(b, small_by_inject, BURST, 0) / BURST);
    printf("%-52s %10.0f\n", "raw socket, 64 KB cut and finished first", best(b, large_by_inject, BURST_LARGE, 0) / BURST_LARGE / MANY);
    open_inject(b, LINK_PACKET);
    printf("%-52s %10.0f\n", "AF_PACKET, 1,500 bytes", best(b, small_by_packet, BURST, 0) / BURST);
    printf("%-52s %10.0f\n", "AF_PACKET, 64 KB whole", best(b, large_by_inject, BURST_LARGE, 0) / BURST_LARGE / MANY);
}

static void capture(struct bench *b, enum link_kind kind, const char *name)
{
    const struct capture_filter filter = {.addr = FAR, .port_lo = 5000, .port_hi = 5009};
    struct capture *capture;
    struct err err = {0};
    const double small = best(b, small_by_packet, BURST, 0), large = best(b, large_by_inject, BURST_LARGE, 0);
    must(capture_open(b->loop, "v1", &filter, kind, on_packet, b, &capture, &err), err.text);
    const double small_too = best(b, small_by_packet, BURST, (size_t)BURST * SEGMENT);
    const double large_too = best(b, large_by_inject, BURST_LARGE, (size_t)BURST_LARGE * LARGE);
    if (capture_drops(capture) > 0)
        printf("%s: some were dropped\n", name);
    capture_close(capture);
    uv_run(io_loop_uv(b->loop), UV_RUN_NOWAIT);
    printf("%-30s %-21s %10.0f\n", name, "1,500 bytes", (small_too - small) / BURST);
    printf("%-30s %-21s %10.0f\n", "", "64 KB whole", (large_too - large) / BURST_LARGE / MANY);
}

static void prepare(struct bench *b)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("v0")};
    struct build packet = {.proto = 6, .src = NEAR, .dst = FAR, .src_port = 61000, .dst_port = 5001, .flags = TCP_ACK, .payload_len = SEGMENT};
    b->small_len = build_packet(b->small, &packet);
    packet.payload_len = LARGE;
    packet.partial_csum = true;
    b->large_len = build_packet(b->large, &packet);
    b->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    must(b->fd < 0 || setsockopt(b->fd, SOL_PACKET, PACKET_VNET_HDR, &(int){1}, sizeof(int)) < 0 ||
         bind(b->fd, (struct sockaddr *)&at, sizeof at) < 0 ? -errno : 0, "AF_PACKET");
}

int main(void)
{
    static struct bench b;
    if (!may_make_veth())
        return 77;
    if (make_veth() != 0 || run("nft 'table ip t { chain c { type filter hook prerouting priority -300; drop; }; }'") != 0)
        return 1;
    must(io_loop_new(&b.loop), "loop");
    prepare(&b);
    injections(&b);
    printf("\n%-52s %10s\n", "capture", "ns/packet");
    capture(&b, LINK_PORTABLE, "libpcap");
    capture(&b, LINK_PACKET, "AF_PACKET, recvmmsg");
    inject_close(b.inject);
    return io_loop_free(b.loop) == 0 ? 0 : 1;
}
