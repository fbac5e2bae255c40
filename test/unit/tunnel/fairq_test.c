/* The fair queue: RFC 8290's behaviour by a fake clock, fairness, bounds, and a naive account of every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "build.h"
#include "tether/packet.h"
#include "tunnel/fairq.h"

enum { SECOND = 1000000, FLOWS = 20 };

struct fix {
    struct pbuf_pool *pool;
    struct fairq q;
    uint8_t out[70000];
    struct offload offload;
};

static void start(struct fix *f, size_t held_max)
{
    assert_int_equal(pbuf_pool_new(64 << 20, &f->pool), 0);
    fairq_init(&f->q, f->pool, held_max, 10 * SECOND, (struct siphash_key){3, 5});
}

static void finish(struct fix *f)
{
    fairq_done(&f->q);
    assert_int_equal(f->q.held, 0);
    assert_int_equal(f->q.bytes, 0);
    assert_int_equal(f->q.packets, 0);
    assert_int_equal(pbuf_pool_lent(f->pool), 0);
    pbuf_pool_free(f->pool);
}

/* @param seg_len 0: one packet */
static struct pbuf *packet_of(struct fix *f, const struct build *b, uint16_t seg_len)
{
    static uint8_t bytes[IP4_MAX_LEN];
    size_t len = build_packet(bytes, b);
    struct pbuf *p = pbuf_get(f->pool, len);
    assert_non_null(p);
    memcpy(p->data, bytes, len);
    p->len = (uint32_t)len;
    p->offload = (struct offload){seg_len, b->partial_csum};
    return p;
}

static bool push(struct fix *f, const struct build *b, uint16_t seg_len, uint64_t now_us)
{
    return fairq_push(&f->q, packet_of(f, b, seg_len), now_us);
}

static void push_as(struct fix *f, uint32_t flow, const struct build *b, uint64_t now_us)
{
    assert_true(fairq_push_as(&f->q, flow, packet_of(f, b, 0), now_us));
}

static struct build udp(uint16_t port, size_t payload)
{
    return (struct build){.proto = 17, .src_port = port, .dst_port = 9, .payload_len = payload};
}

static struct build large_tcp(uint16_t port, size_t payload)
{
    return (struct build){.proto = 6, .src_port = port, .dst_port = 80, .flags = TCP_ACK, .payload_len = payload, .partial_csum = true};
}

static size_t take(struct fix *f, size_t piece_max, uint64_t now_us)
{
    size_t len = fairq_next(&f->q, piece_max, now_us, &f->offload);
    if (len > 0) {
        memset(f->out, 0xee, len + 1);
        fairq_take(&f->q, f->out);
        assert_int_equal(f->out[len], 0xee); /* nothing beyond what was promised */
        assert_int_equal(build_get16(f->out + 2), len);
        assert_true(build_right(f->out, f->offload.partial));
    }
    return len;
}

static uint16_t port_of(const struct fix *f)
{
    return build_get16(f->out + 20);
}

static void packets_of_one_flow_keep_their_order(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 1 << 20);
    for (uint16_t i = 0; i < 50; i++) {
        struct build b = udp(5, 10);
        b.id = i;
        assert_true(push(&f, &b, 0, SECOND));
    }
    for (uint16_t i = 0; i < 50; i++) {
        assert_int_equal(take(&f, 1500, SECOND), 38);
        assert_int_equal(build_get16(f.out + 4), i);
    }
    assert_int_equal(take(&f, 1500, SECOND), 0);
    finish(&f);
}

static void fragments_stay_together_and_flows_apart(void **state)
{
    (void)state;
    static const struct siphash_key key = {1, 2};
    uint8_t a[1600], b[1600];
    struct build first = udp(5, 100), later = first, other = udp(6, 100);
    first.frag = 0x2000, later.frag = 0x0010;
    first.id = later.id = 77;
    size_t len = build_packet(a, &first), later_len = build_packet(b, &later);
    assert_int_equal(fairq_hash(&key, a, len), fairq_hash(&key, b, later_len));
    unsigned apart = 0;
    for (uint16_t port = 0; port < 1000; port++) {
        other.src_port = port;
        len = build_packet(a, &other);
        other.src_port = (uint16_t)(port + 1);
        later_len = build_packet(b, &other);
        apart += fairq_hash(&key, a, len) != fairq_hash(&key, b, later_len);
        for (size_t cut = 0; cut <= len; cut += 3)
            assert_true(fairq_hash(&key, a, cut) < FAIRQ_FLOWS);
    }
    assert_true(apart > 980);
}

static void flows_share_by_bytes_whatever_their_packets(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    size_t got[3] = {0};
    for (int i = 0; i < 40; i++) {
        struct build b = large_tcp(1, 60000);
        push(&f, &b, 1448, SECOND);
    }
    for (int i = 0; i < 2000; i++) {
        struct build small = udp(2, 172), usual = udp(3, 1472);
        push(&f, &small, 0, SECOND);
        push(&f, &usual, 0, SECOND);
    }
    for (size_t total = 0; total < 900000;) {
        size_t len = take(&f, 3000, SECOND);
        assert_true(len > 0 && len <= 3000);
        got[port_of(&f) - 1] += len;
        total += len;
    }
    for (int i = 0; i < 3; i++)
        assert_true(got[i] > 290000 && got[i] < 310000);
    finish(&f);
}

/* A link that carries 10 Mbit/s: twenty greedy flows of large packets, and one that sends a packet each 20 ms. */
static void a_sparse_flow_waits_for_one_piece_only(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    uint64_t now = SECOND, worst = 0, sent = 0;
    unsigned seen = 0;
    for (uint64_t next = SECOND; now < 11 * SECOND;) {
        for (uint16_t flow = 0; flow < FLOWS; flow++) /* each is topped up: TCP's window */
            if (f.q.bytes < FLOWS * 60000) {
                struct build b = large_tcp((uint16_t)(1000 + flow), 30000);
                push(&f, &b, 1448, now);
            }
        if (now >= next) {
            struct build b = udp(7, 50);
            push(&f, &b, 0, now);
            sent = now;
            next += 20000;
        }
        size_t len = take(&f, 1514, now);
        assert_true(len > 0);
        if (port_of(&f) == 7) {
            seen++;
            if (now > 2 * SECOND) /* all flows are new at the beginning */
                worst = now - sent > worst ? now - sent : worst;
        }
        now += len * 8 / 10; /* µs at 10 Mbit/s */
    }
    assert_true(seen >= 490);
    assert_true(worst <= 2500); /* a piece on the wire and hardly more */
    finish(&f);
}

/* At 2 Mbit/s a round of eight flows takes 48 ms, twice as long as a call waits for its next packet: that must not wait for that round. */
static void little_is_sent_at_once_on_a_slow_path(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    uint64_t now = SECOND, sent[4096];
    unsigned seen = 0, begun = 0, late = 0;
    for (uint16_t i = 0; i < 32; i++) {
        struct build b = large_tcp((uint16_t)(1000 + i % 8), 1448);
        push(&f, &b, 0, now);
    }
    for (uint64_t next = SECOND; now < 61 * SECOND;) {
        if (now >= next) {
            struct build b = udp(7, 50);
            push(&f, &b, 0, now);
            sent[begun++] = now;
            next += 20000;
        }
        size_t len = take(&f, 1514, now);
        uint16_t port = port_of(&f);
        if (port == 7) {
            late += now - sent[seen++] > 7000; /* a packet on the wire takes 6 */
        } else {
            struct build b = large_tcp(port, 1448);
            push(&f, &b, 0, now);
        }
        now += len * 8 / 2;
    }
    assert_true(seen > 2800);
    assert_true(late <= seen / 8); /* its turn is used up now and then; without that 39 % are late */
    finish(&f);
}

static void a_flow_cannot_buy_priority_by_sending_one_at_a_time(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    size_t greedy = 0, polite = 0;
    for (int i = 0; i < 4000; i++) {
        struct build b = udp(1, 1472), c = udp(2, 1472);
        push(&f, &b, 0, SECOND);
        push(&f, &b, 0, SECOND);
        if (i % 2 == 0)
            push(&f, &c, 0, SECOND); /* emptied and filled again each time */
        size_t len = take(&f, 1514, SECOND);
        if (port_of(&f) == 2)
            polite += len;
        else
            greedy += len;
    }
    assert_true(polite <= greedy * 11 / 10);
    finish(&f);
}

static void a_large_packet_leaves_in_pieces_that_are_right(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 1 << 20);
    struct build b = large_tcp(1, 14480);
    b.seq = 1000;
    push(&f, &b, 1448, SECOND);
    assert_int_equal(take(&f, 100, SECOND), 40 + 1448); /* one segment at least */
    assert_true(f.offload.seg_len == 0 && f.offload.partial);
    assert_int_equal(take(&f, 40 + 3 * 1448 + 1447, SECOND), 40 + 3 * 1448);
    assert_int_equal(f.offload.seg_len, 1448);
    assert_int_equal(build_get32(f.out + 24), 1000 + 1448);
    assert_int_equal(f.q.bytes, 40 + 6 * 1448);
    assert_int_equal(take(&f, 65535, SECOND), 40 + 6 * 1448);
    assert_int_equal(f.q.packets, 0);
    finish(&f);
}

/* One flow over 8 Mbit/s that halves its rate per drop and rises slowly: the delay comes to the target's order. */
static void codel_holds_a_flow_that_listens_near_its_target(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    double rate = 3e6, credit = 0; /* bytes/s */
    uint64_t dropped = 0, late_delay = 0, samples = 0;
    for (uint64_t now = SECOND; now < 31 * SECOND; now += 1000) {
        credit += rate / 1000;
        rate += 300; /* a second: 300 kB/s more */
        for (; credit >= 1500; credit -= 1500) {
            struct build b = large_tcp(1, 1460);
            push(&f, &b, 0, now);
        }
        struct pbuf *head = f.q.bytes > 0 ? f.q.flow[fairq_hash(&f.q.key, (build_packet(f.out, &(struct build){.proto = 6, .src_port = 1, .dst_port = 80, .flags = TCP_ACK}), f.out), 40)].head : NULL;
        if (now > 11 * SECOND && head != NULL) {
            late_delay += now - head->time_us;
            samples++;
        }
        take(&f, 1514, now); /* 1.5 MB/s */
        if (f.q.dropped_codel != dropped) {
            dropped = f.q.dropped_codel;
            rate = rate * 0.7 > 1e5 ? rate * 0.7 : 1e5;
        }
    }
    assert_true(dropped > 5);
    assert_true(samples > 5000 && late_delay / samples < 40000);
    finish(&f);
}

static void standing_queue(struct fix *f, struct build b, uint16_t seg_len, int packets)
{
    for (int i = 0; i < packets; i++)
        push(f, &b, seg_len, SECOND);
    take(f, 1514, SECOND + 50000);  /* above the target from here */
    take(f, 1514, SECOND + 151000); /* for an interval */
}

static void who_understands_marks_is_marked_and_who_does_not_is_dropped(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 1 << 20);
    struct build b = udp(1, 1000);
    b.tos = 2; /* ECT(0) */
    standing_queue(&f, b, 0, 20);
    assert_int_equal(f.q.marked, 1);
    assert_int_equal(f.q.dropped_codel, 0);
    assert_int_equal(f.out[1], 3);
    assert_true(build_valid(f.out));
    finish(&f);
    start(&f, 1 << 20);
    standing_queue(&f, udp(1, 1000), 0, 20);
    assert_int_equal(f.q.dropped_codel, 1);
    assert_int_equal(f.q.marked, 0);
    finish(&f);
}

static void of_a_large_packet_one_segment_is_dropped(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 1 << 20);
    struct build b = large_tcp(1, 14480);
    b.seq = 1000;
    standing_queue(&f, b, 1448, 1);
    assert_int_equal(f.q.dropped_codel, 1);
    assert_int_equal(build_get32(f.out + 24), 1000 + 2 * 1448); /* the second was dropped */
    assert_int_equal(f.q.bytes, 40 + 7 * 1448);
    finish(&f);
}

static void what_waited_too_long_is_dropped(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 1 << 20);
    struct build b = udp(1, 100), c = udp(2, 100);
    push(&f, &b, 0, SECOND);
    push(&f, &c, 0, 2 * SECOND);
    assert_int_equal(take(&f, 1514, 11 * SECOND + 1), 128);
    assert_int_equal(port_of(&f), 2);
    assert_int_equal(f.q.dropped_old, 1);
    assert_int_equal(take(&f, 1514, 11 * SECOND + 1), 0);
    finish(&f);
}

static void a_flood_hits_itself(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 1 << 20);
    for (uint16_t port = 100; port < 110; port++) {
        struct build b = udp(port, 100);
        push(&f, &b, 0, SECOND);
    }
    for (int i = 0; i < 20000; i++) {
        struct build b = udp(1, 1400);
        push(&f, &b, 0, SECOND);
        assert_true(f.q.held <= 1 << 20);
    }
    assert_true(f.q.dropped_full > 19000 && f.q.bytes > 100000);
    unsigned others = 0;
    while (take(&f, 1514, SECOND + 1) > 0)
        others += port_of(&f) >= 100;
    assert_int_equal(others, 10);
    finish(&f);
}

/* By its caller's word a sender of a thousand flows is one, and takes its turn with one that sends little. */
static void a_named_sender_has_one_turn_however_many_flows_it_invents(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 1 << 20);
    unsigned honest = 0, round = 0;
    for (uint16_t i = 0; i < 2000; i++) {
        struct build flood = udp((uint16_t)(1000 + i), 1400), word = udp(7, 1400);
        push_as(&f, 3, &flood, SECOND);
        if (i % 200 == 199)
            push_as(&f, 4, &word, SECOND);
        assert_true(f.q.held <= 1 << 20);
    }
    assert_true(f.q.dropped_full > 1000);
    while (take(&f, SIZE_MAX, SECOND) > 0) {
        round++;
        honest += port_of(&f) == 7;
        if (round == 21)
            assert_true(honest >= 9); /* turn by turn */
    }
    assert_int_equal(honest, 10);
    finish(&f);
}

static void shedding_gives_memory_back(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    assert_int_equal(fairq_shed(&f.q), 0);
    for (int i = 0; i < 100; i++) {
        struct build b = large_tcp(1, 50000), c = udp((uint16_t)(2 + i), 100);
        push(&f, &b, 1448, SECOND);
        push(&f, &c, 0, SECOND);
    }
    size_t lent = pbuf_pool_lent(f.pool), len = fairq_next(&f.q, 1514, SECOND, &f.offload);
    assert_true(len > 0);
    assert_true(fairq_shed(&f.q) > 3000000);
    assert_true(pbuf_pool_lent(f.pool) < lent);
    while (take(&f, 65535, SECOND) > 0)
        ;
    assert_int_equal(f.q.dropped_full, 50);
    finish(&f);
}

/* Anything in, in any order: every byte is taken, dropped or held, and nothing is read or written where it should not. */
static void any_bytes_are_accounted_for(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 600000);
    uint32_t random = 99;
    uint64_t now = SECOND, pushed = 0, taken = 0;
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        now += random >> 22;
        if (random & 0x80000) {
            struct pbuf *b = pbuf_get(f.pool, 3000);
            b->len = 1 + (random >> 8) % 2990;
            for (uint32_t k = 0; k < b->len && k < 64; k++)
                b->data[k] = (uint8_t)(random >> (k % 24)) ^ (uint8_t)(k * 37);
            b->data[0] = random & 1 ? 0x45 : b->data[0];
            b->offload = (struct offload){random & 2 ? (uint16_t)(random >> 16) : 0, random & 4};
            pushed += fairq_push(&f.q, b, now);
        } else {
            size_t len = fairq_next(&f.q, random % 4000, now, &f.offload);
            if (len > 0) {
                assert_true(len <= 3000);
                fairq_take(&f.q, f.out);
                taken++;
            }
        }
        assert_true(f.q.held <= 600000 && f.q.bytes <= f.q.held);
    }
    assert_true(taken > 50000);
    assert_int_equal(pushed, taken + f.q.packets + f.q.dropped_codel + f.q.dropped_full + f.q.dropped_old);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_one_flow_keep_their_order),
        cmocka_unit_test(fragments_stay_together_and_flows_apart),
        cmocka_unit_test(flows_share_by_bytes_whatever_their_packets),
        cmocka_unit_test(a_sparse_flow_waits_for_one_piece_only),
        cmocka_unit_test(little_is_sent_at_once_on_a_slow_path),
        cmocka_unit_test(a_flow_cannot_buy_priority_by_sending_one_at_a_time),
        cmocka_unit_test(a_large_packet_leaves_in_pieces_that_are_right),
        cmocka_unit_test(codel_holds_a_flow_that_listens_near_its_target),
        cmocka_unit_test(who_understands_marks_is_marked_and_who_does_not_is_dropped),
        cmocka_unit_test(of_a_large_packet_one_segment_is_dropped),
        cmocka_unit_test(what_waited_too_long_is_dropped),
        cmocka_unit_test(a_flood_hits_itself),
        cmocka_unit_test(a_named_sender_has_one_turn_however_many_flows_it_invents),
        cmocka_unit_test(shedding_gives_memory_back),
        cmocka_unit_test(any_bytes_are_accounted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
