/* The fair queue's turns: each flow its own queue and its share, little before much (RFC 8290), by a fake clock. */
#include "fairq_lab.h"

enum { FLOWS = 20 };

/* However the hashes fall: among forty flows that always have something, a call has a queue of its own, so it goes first. */
static void a_call_shares_its_queue_with_nobody(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        static struct fix f;
        start(&f, 32 << 20);
        f.q.key.k0 = seed;
        for (uint16_t round = 0; round < 3; round++) {
            for (uint16_t flow = 0; flow < 40; flow++) {
                struct build b = large_tcp(1000 + flow, 1400);
                assert_true(push(&f, &b, 0, SECOND));
            }
        }
        for (int i = 0; i < 80; i++) /* each has had its turn as a new one */
            take(&f, 1514, SECOND);
        struct build call = udp(7, 160);
        assert_true(push(&f, &call, 0, SECOND));
        assert_true(take(&f, 1514, SECOND) > 0);
        assert_int_equal(port_of(&f), 7);
        finish(&f);
    }
}

/* More flows than queues: they share, nothing is lost or mixed up. */
static void more_flows_than_queues_share(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    for (uint32_t flow = 0; flow < 3 * FAIRQ_FLOWS; flow++) {
        struct build b = udp((uint16_t)(flow + 1), 10);
        push_as(&f, flow, &b, SECOND);
    }
    assert_int_equal(f.q.flows_begun, FAIRQ_FLOWS);
    static bool seen[3 * FAIRQ_FLOWS + 1];
    while (take(&f, 1514, SECOND) > 0) {
        assert_false(seen[port_of(&f)]);
        seen[port_of(&f)] = true;
    }
    for (uint32_t port = 1; port <= 3 * FAIRQ_FLOWS; port++)
        assert_true(seen[port]);
    uint32_t random = 1, waiting[24] = {0}, sum = 0; /* they come and go, all in one set */
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245 + 12345;
        uint32_t flow = random >> 16 & 31;
        if (flow < 24 && sum < 20) {
            struct build b = udp((uint16_t)flow, 10);
            push_as(&f, flow * FAIRQ_FLOWS / FAIRQ_WAYS, &b, SECOND);
            waiting[flow]++;
            sum++;
        } else if (sum > 0) {
            assert_true(take(&f, 1514, SECOND) > 0);
            assert_true(waiting[port_of(&f)]-- > 0);
            sum--;
        }
    }
    assert_int_equal(f.q.packets, sum);
    finish(&f);
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
    assert_true(late <= seen / 100); /* 39 % if it had to wait for its turn, 17 % if it lost its place by going at once */
    finish(&f);
}

/* What was looked at and could not go yet is overtaken by little that came since. */
static void little_overtakes_what_waits_for_room(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    struct build call = udp(7, 160);
    assert_true(push(&f, &call, 0, SECOND));
    assert_true(take(&f, 1514, SECOND) > 0);
    for (uint16_t i = 0; i < 40; i++) {
        struct build b = large_tcp(1000 + i % 4, 1448);
        push(&f, &b, 0, SECOND);
    }
    for (int i = 0; i < 8; i++)
        take(&f, 1514, SECOND);
    assert_true(fairq_next(&f.q, 1514, SECOND, &f.offload) > 1400);
    assert_false(fairq_goes_ahead(&f.q));
    assert_true(push(&f, &call, 0, SECOND));
    for (int again = 0; again < 2; again++) { /* and keeps its place while it waits itself */
        assert_int_equal(fairq_next(&f.q, 1514, SECOND, &f.offload), 188);
        assert_true(fairq_goes_ahead(&f.q));
    }
    struct build second = udp(8, 160);
    assert_true(push(&f, &second, 0, SECOND));
    for (uint16_t i = 0; i < 2; i++) {
        assert_int_equal(take(&f, 1514, SECOND), 188);
        assert_int_equal(port_of(&f), 7 + i);
    }
    assert_true(take(&f, 1514, SECOND) > 1400);
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

/* Who has always just one packet there, and so often goes at once, gets what those get who have many. */
static void who_goes_at_once_gets_no_more(void **state)
{
    static struct fix f;
    (void)state;
    start(&f, 32 << 20);
    size_t sent[4] = {0};
    for (int i = 0; i < 8000; i++) {
        if (i % 2 == 0 || f.q.packets < 12)
            for (uint16_t flow = 0; flow < 3; flow++) {
                struct build b = udp(flow, 1472);
                push(&f, &b, 0, SECOND);
            }
        bool there = false;
        for (const struct fairq_flow *flow = f.q.flow; flow < f.q.flow + FAIRQ_FLOWS; flow++)
            there |= flow->head != NULL && build_get16(flow->head->data + 20) == 3;
        struct build one = udp(3, 400);
        if (!there)
            push(&f, &one, 0, SECOND);
        size_t len = take(&f, 1514, SECOND);
        sent[port_of(&f)] += len;
    }
    assert_true(sent[3] <= sent[0] + 2 * FAIRQ_PACKET && sent[3] + 2 * FAIRQ_PACKET >= sent[0]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_shares_its_queue_with_nobody),
        cmocka_unit_test(more_flows_than_queues_share),
        cmocka_unit_test(flows_share_by_bytes_whatever_their_packets),
        cmocka_unit_test(a_sparse_flow_waits_for_one_piece_only),
        cmocka_unit_test(little_is_sent_at_once_on_a_slow_path),
        cmocka_unit_test(little_overtakes_what_waits_for_room),
        cmocka_unit_test(a_flow_cannot_buy_priority_by_sending_one_at_a_time),
        cmocka_unit_test(who_goes_at_once_gets_no_more),
        cmocka_unit_test(a_named_sender_has_one_turn_however_many_flows_it_invents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
