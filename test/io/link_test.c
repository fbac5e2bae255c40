/*
 * io/link_test.c - both pairs of capture and injection, against each other over a veth of their own
 *
 *     inject -> v0 ==veth== v1 -> capture        in a network namespace that the test makes; the far address has a fixed neighbour entry
 *
 * What arrives must be the bytes that were sent, however the kernel cuts and merges them on the way: with offloads and without.
 */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "build.h"
#include "io/link.h"
#include "link_lab.h"
#include "tether/packet.h"

enum { SEGMENT = 1448, MANY = 40, TOTAL = MANY * SEGMENT };

struct got {
    size_t packets, bytes, largest, bad;
    uint32_t next_seq;
    uint8_t data[TOTAL * 4];
};

struct lab {
    struct io_loop *loop;
    struct capture *capture;
    struct inject *inject;
    struct got got;
};

static int setup(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    *state = lab;
    return lab == NULL || io_loop_new(&lab->loop) != 0 ? -1 : make_veth();
}

static int teardown(void **state)
{
    struct lab *lab = *state;
    inject_close(lab->inject);
    capture_close(lab->capture);
    int rc = io_loop_free(lab->loop);
    free(lab);
    return rc;
}

/* Check each packet as its receiver would, and keep its payload in order. */
static void on_packet(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct got *g = ctx;
    struct offload guess;
    struct ip4_view v;
    bool told = offload != NULL;
    g->packets++;
    g->largest = len > g->largest ? len : g->largest;
    if (ip4_parse(packet, len, &v) != DROP_NONE) {
        g->bad++;
        return;
    }
    if (offload == NULL) {
        ip4_guess_offload(&v, 1500, &guess);
        offload = &guess;
    }
    if (!build_right(packet, offload->partial) || (offload->seg_len != 0 && !offload->partial))
        g->bad++;
    size_t headers = v.header_len + v.l4_header_len, payload = v.len - headers;
    if (v.proto == IP_PROTO_TCP && build_get32(v.l4 + 4) != g->next_seq)
        g->bad++; /* out of order */
    if (told && v.proto == IP_PROTO_TCP && payload > SEGMENT && offload->seg_len != SEGMENT)
        g->bad++;
    g->next_seq += (uint32_t)payload;
    if (g->bytes + payload <= sizeof g->data)
        memcpy(g->data + g->bytes, packet + headers, payload);
    g->bytes += payload;
}

static void open_pair(struct lab *lab, enum link_kind kind)
{
    const struct capture_filter filter = {.addr = FAR, .port_lo = 5000, .port_hi = 5009};
    struct err err = {0};
    assert_int_equal(capture_open(lab->loop, "v1", &filter, kind, on_packet, &lab->got, &lab->capture, &err), 0);
    assert_int_equal(inject_open("v0", NEAR, 1500, kind, &lab->inject, &err), 0);
    assert_string_equal(capture_name(lab->capture), kind == LINK_PORTABLE ? "pcap" : "packet");
    assert_string_equal(inject_name(lab->inject), kind == LINK_PORTABLE ? "raw" : "packet");
}

static void settle(struct lab *lab, size_t bytes)
{
    for (int i = 0; i < 2000 && lab->got.bytes < bytes; i++) {
        uv_run(io_loop_uv(lab->loop), UV_RUN_NOWAIT);
        usleep(1000);
    }
    for (int i = 0; i < 30; i++) { /* and nothing more */
        uv_run(io_loop_uv(lab->loop), UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static int send_build(struct lab *lab, const struct build *b, uint16_t seg_len)
{
    static uint8_t packet[IP4_MAX_LEN];
    size_t len = build_packet(packet, b);
    return inject_send(lab->inject, packet, len, &(struct offload){seg_len, b->partial_csum});
}

static struct build tcp_of(uint32_t seq, size_t payload)
{
    return (struct build){.proto = 6, .src = NEAR, .dst = FAR, .src_port = 61000, .dst_port = 5001, .flags = TCP_ACK, .seq = seq,
                          .payload_len = payload, .partial_csum = true};
}

/* Four large packets with a small one between them: whole, right, in order. */
static void large_tcp(struct lab *lab, enum link_kind kind)
{
    open_pair(lab, kind);
    uint32_t seq = 0;
    for (int i = 0; i < 3; i++) {
        struct build large = tcp_of(seq, TOTAL), small = tcp_of(seq + TOTAL, 100);
        assert_int_equal(send_build(lab, &large, SEGMENT), 0);
        assert_int_equal(send_build(lab, &small, 0), 0);
        seq += TOTAL + 100;
    }
    settle(lab, seq);
    assert_int_equal(lab->got.bytes, seq);
    assert_int_equal(lab->got.bad, 0);
    for (size_t at = 0; at < TOTAL; at++) /* build's pattern, the same in each */
        assert_int_equal(lab->got.data[at], lab->got.data[TOTAL + 100 + at]);
}

static void large_tcp_by_packet(void **state)
{
    struct lab *lab = *state;
    large_tcp(lab, LINK_PACKET);
    struct inject_counts counts;
    assert_true(lab->got.largest > 40000); /* the second and third went whole: the first had the next hop asked for */
    inject_count(lab->inject, &counts);
    assert_int_equal(counts.whole, 2);
    assert_int_equal(counts.no_neighbour, 1);
    assert_int_equal(counts.raw, MANY + 3);
    assert_int_equal(counts.too_large + counts.refused, 0);
}

static void large_tcp_by_the_portable_pair(void **state)
{
    struct lab *lab = *state;
    struct inject_counts counts;
    large_tcp(lab, LINK_PORTABLE);
    inject_count(lab->inject, &counts);
    assert_int_equal(counts.raw, 3 * MANY + 3);
    assert_int_equal(counts.whole + counts.no_neighbour + counts.too_large + counts.refused, 0);
}

static void no_offloads(void)
{
    assert_int_equal(run("for d in v0 v1; do ethtool -K $d tx off rx off tso off gso off gro off sg off >/dev/null 2>&1; done; true"), 0);
}

static void without_offloads_by_packet(void **state)
{
    struct lab *lab = *state;
    no_offloads();
    large_tcp(lab, LINK_PACKET);
    assert_true(lab->got.largest <= 1500 && lab->got.packets == 3 * MANY + 3);
}

static void without_offloads_by_the_portable_pair(void **state)
{
    struct lab *lab = *state;
    no_offloads();
    large_tcp(lab, LINK_PORTABLE);
    assert_true(lab->got.largest <= 1500 && lab->got.packets == 3 * MANY + 3);
}

/* Datagrams that travel together arrive each by itself, or together and told apart. */
static void many_datagrams(struct lab *lab, enum link_kind kind)
{
    open_pair(lab, kind);
    struct build b = {.proto = 17, .src = NEAR, .dst = FAR, .src_port = 61000, .dst_port = 5001, .payload_len = 10000, .partial_csum = true};
    assert_int_equal(send_build(lab, &b, 1000), 0);
    assert_int_equal(send_build(lab, &b, 1000), 0);
    b.payload_len = 7;
    assert_int_equal(send_build(lab, &b, 0), 0); /* small and unfinished */
    settle(lab, 20007);
    assert_int_equal(lab->got.bytes, 20007);
    assert_int_equal(lab->got.bad, 0);
}

static void datagrams_by_packet(void **state)
{
    many_datagrams(*state, LINK_PACKET);
}

static void datagrams_by_the_portable_pair(void **state)
{
    struct lab *lab = *state;
    many_datagrams(lab, LINK_PORTABLE);
    assert_int_equal(lab->got.packets, 21);
}

/* What exceeds the link without being segments goes in fragments; what may not is refused. */
static void only_what_fits_leaves_whole(void **state)
{
    struct lab *lab = *state;
    open_pair(lab, LINK_PACKET);
    struct build b = {.proto = 17, .src = NEAR, .dst = FAR, .src_port = 61000, .dst_port = 5001, .payload_len = 3000};
    assert_int_equal(send_build(lab, &b, 0), 0);
    settle(lab, 3000);
    assert_true(lab->got.packets >= 3);
    b.frag = 0x4000;
    assert_int_equal(send_build(lab, &b, 0), -EMSGSIZE);
}

/* An MTU that falls under connections which know the former one. */
static void the_mtu_is_followed(struct lab *lab, enum link_kind kind)
{
    open_pair(lab, kind);
    struct build large = tcp_of(0, TOTAL), one = tcp_of(TOTAL, SEGMENT), finished = tcp_of(TOTAL + SEGMENT, SEGMENT);
    one.frag = finished.frag = 0x4000;
    finished.partial_csum = false;
    assert_int_equal(run("ip link set v0 mtu 1300 && ip link set v1 mtu 1300"), 0);
    assert_int_equal(inject_follow(lab->inject), 1300);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send_build(lab, &large, SEGMENT), 0);
        assert_int_equal(send_build(lab, &one, 0), 0);
        assert_int_equal(send_build(lab, &finished, 0), 0);
        settle(lab, TOTAL + 2 * SEGMENT);
        assert_int_equal(lab->got.bytes, TOTAL + 2 * SEGMENT);
        assert_int_equal(lab->got.bad, 0);
        assert_in_range(lab->got.largest, 1280, 1300);
        lab->got = (struct got){0};
    }
    assert_int_equal(run("ip link del v0"), 0);
    assert_int_equal(inject_follow(lab->inject), 1300);
}

static void mtu_followed_by_packet(void **state)
{
    struct lab *lab = *state;
    struct inject_counts counts;
    no_offloads();
    the_mtu_is_followed(lab, LINK_PACKET);
    inject_count(lab->inject, &counts);
    assert_int_equal(counts.too_large, 2);
    assert_int_equal(counts.whole, 0);
}

static void mtu_followed_by_the_portable_pair(void **state)
{
    no_offloads();
    the_mtu_is_followed(*state, LINK_PORTABLE);
}

static void the_filter_passes_its_own_and_nothing_else(struct lab *lab, enum link_kind kind)
{
    open_pair(lab, kind);
    static const uint16_t ports[] = {4999, 5000, 5009, 5010, 80};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        struct build b = {.proto = 17, .src = NEAR, .dst = FAR, .src_port = 9, .dst_port = ports[i], .payload_len = 10};
        assert_int_equal(send_build(lab, &b, 0), 0);
    }
    static const uint8_t types[] = {0, 3, 11, 12, 8, 13, 5};
    for (size_t i = 0; i < sizeof types; i++) {
        struct build b = {.proto = 1, .src = NEAR, .dst = FAR, .icmp_type = types[i], .payload_len = 2};
        assert_int_equal(send_build(lab, &b, 0), 0);
    }
    settle(lab, 2 * 10 + 4 * 2);
    assert_int_equal(lab->got.packets, 6);
    assert_int_equal(capture_drops(lab->capture), 0);
}

static void filter_of_packet(void **state)
{
    the_filter_passes_its_own_and_nothing_else(*state, LINK_PACKET);
}

static void filter_of_pcap(void **state)
{
    the_filter_passes_its_own_and_nothing_else(*state, LINK_PORTABLE);
}

static void what_is_not_there_is_named(void **state)
{
    struct lab *lab = *state;
    const struct capture_filter filter = {.addr = FAR, .port_lo = 5000, .port_hi = 5009};
    struct err err = {0};
    assert_true(capture_open(lab->loop, "nope0", &filter, LINK_PACKET, on_packet, NULL, &lab->capture, &err) < 0);
    assert_non_null(strstr(err.text, "nope0"));
    assert_true(inject_open("nope0", NEAR, 1500, LINK_PACKET, &lab->inject, &err) < 0);
    assert_non_null(strstr(err.text, "nope0"));
    assert_int_equal(run("ip tuntap add mode tun name t0 2>/dev/null && ip link set t0 up"), 0);
    assert_int_equal(inject_open("t0", NEAR, 1500, LINK_PACKET, &lab->inject, &err), -ENOTSUP);
    assert_non_null(strstr(err.text, "--inject raw"));
    assert_int_equal(inject_open("t0", NEAR, 1500, LINK_AUTO, &lab->inject, &err), 0);
    assert_string_equal(inject_name(lab->inject), "raw");
}

int main(void)
{
    if (!may_make_veth())
        return 77;
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(large_tcp_by_packet),
        T(large_tcp_by_the_portable_pair),
        T(without_offloads_by_packet),
        T(without_offloads_by_the_portable_pair),
        T(datagrams_by_packet),
        T(datagrams_by_the_portable_pair),
        T(only_what_fits_leaves_whole),
        T(mtu_followed_by_packet),
        T(mtu_followed_by_the_portable_pair),
        T(filter_of_packet),
        T(filter_of_pcap),
        T(what_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
