/* The fair queue: order, pieces, CoDel by a fake clock, bounds, and a naive account of every byte. */
#include "fairq_lab.h"
#include "guard.h"
#include "tunnel/ip_flow.h"

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
    struct guard guard; /* a packet that ends early is not read beyond its end */
    guard_init(&guard, sizeof a);
    struct build first = udp(5, 100), later = first, other = udp(6, 100);
    first.frag = 0x2000, later.frag = 0x0010;
    first.id = later.id = 77;
    size_t len = build_packet(a, &first), later_len = build_packet(b, &later);
    assert_int_equal(ip_flow_hash(&key, a, len), ip_flow_hash(&key, b, later_len));
    unsigned apart = 0;
    for (uint16_t port = 0; port < 1000; port++) {
        other.src_port = port;
        len = build_packet(a, &other);
        other.src_port = (uint16_t)(port + 1);
        later_len = build_packet(b, &other);
        apart += ip_flow_hash(&key, a, len) != ip_flow_hash(&key, b, later_len);
        for (size_t cut = 0; cut <= len; cut += 3)
            ip_flow_hash(&key, guard_place(&guard, a, cut), cut);
    }
    assert_int_equal(apart, 1000);
    guard_done(&guard);
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
        const struct fairq_flow *only = list_first(!list_is_empty(&f.q.fresh) ? &f.q.fresh : &f.q.old, offsetof(struct fairq_flow, turn));
        const struct pbuf *head = only != NULL ? only->head : NULL;
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
        cmocka_unit_test(a_large_packet_leaves_in_pieces_that_are_right),
        cmocka_unit_test(codel_holds_a_flow_that_listens_near_its_target),
        cmocka_unit_test(who_understands_marks_is_marked_and_who_does_not_is_dropped),
        cmocka_unit_test(of_a_large_packet_one_segment_is_dropped),
        cmocka_unit_test(what_waited_too_long_is_dropped),
        cmocka_unit_test(a_flood_hits_itself),
        cmocka_unit_test(shedding_gives_memory_back),
        cmocka_unit_test(any_bytes_are_accounted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
