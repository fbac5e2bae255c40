/* test/unit/nat/tcp_window_test.c - segments that fit their connection and those that only look like it (RFC 5382, 5961, 7857) */
#include "fixture.h"

/* The window that build.h's segments tell. */
enum { WINDOW = 0xfaf0 };

static struct build in_at(uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack, size_t len)
{
    struct build b = tcp_segment_in(port, flags);
    b.seq = seq;
    b.ack = ack;
    b.payload_len = len;
    return b;
}

static enum nat_verdict out_at(struct net *n, uint8_t flags, uint32_t seq, uint32_t ack, size_t len)
{
    struct build b = tcp_segment_out(flags);
    b.seq = seq;
    b.ack = ack;
    b.payload_len = len;
    return net_out(n, A, &b);
}

static bool comes(struct net *n, uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack, size_t len)
{
    const struct build b = in_at(port, flags, seq, ack, len);
    if (net_in(n, &b) == NAT_FORWARD)
        return true;
    assert_drop(n, DROP_WINDOW);
    return false;
}

enum { I = ISN_INSIDE + 1, O = ISN_OUTSIDE + 1 }; /* the next numbers of a connection that is open */

/* Data beyond the window, from long ago, or acknowledging what was never sent, is forged; what a network delays or repeats is not. */
static void nat_drops_data_that_does_not_fit_the_window(void **state)
{
    (void)state;
    const uint8_t push = TCP_ACK | TCP_PSH;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    assert_true(comes(n, port, push, O, I, 1000));
    assert_true(comes(n, port, push, O, I, 1000));                 /* repeated */
    assert_true(comes(n, port, push, O + 5000, I, 1000));          /* one before it was lost */
    assert_true(comes(n, port, push, O + WINDOW, I, 1));           /* a probe of the full window */
    assert_false(comes(n, port, push, O + WINDOW + 1, I, 1));      /* nobody told such a window */
    assert_false(comes(n, port, push, O + 0x7ffffff, I, 10));
    assert_false(comes(n, port, push, O - 0x7ffffff, I, 10));
    assert_false(comes(n, port, push, O, I + 1, 10));              /* acknowledges what was not sent */
    assert_false(comes(n, port, push, O, I - 0x100000, 10));       /* more than a window ago */
    assert_false(comes(n, port, push, O, I + 0x7fff0000u, 10));
    assert_true(comes(n, port, TCP_ACK, O - 1, I, 0));             /* a keepalive */
    assert_int_equal(nat_stats(n->nat)->drops_out2in[DROP_WINDOW], 6);
    /* the laptop acknowledges, the window moves */
    assert_int_equal(out_at(n, TCP_ACK, I, O + 1000, 700), NAT_FORWARD);
    assert_true(comes(n, port, push, O + 1000 + WINDOW, I + 700, 1));
    assert_false(comes(n, port, push, O + 1001 + WINDOW, I + 700, 1));
    assert_false(comes(n, port, push, O + 1000, I + 701, 1));
    net_done(n);
}

/* RFC 5961 section 3, RFC 7857 section 2.3: an RST counts only between the last acknowledged byte and the window's edge */
static void nat_drops_resets_that_do_not_fit_the_window(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    assert_true(comes(n, port, TCP_ACK, O, I, 500));
    assert_int_equal(out_at(n, TCP_ACK, I, O + 500, 0), NAT_FORWARD);
    static const uint32_t bad[] = {0, O, O + 499, O + 501 + WINDOW, O + 0x40000000u, O - 0x40000000u};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(comes(n, port, TCP_RST, bad[i], 0, 0));
    assert_false(comes(n, port, TCP_RST | TCP_ACK, O + 500, I + 1, 0));
    net_wait(n, 7439999); /* none of them shortened anything */
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    assert_int_equal(out_at(n, TCP_ACK, I, O + 500, 0), NAT_FORWARD);
    assert_true(comes(n, port, TCP_RST, O + 500, 0, 0));
    net_wait(n, 240100);
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    net_done(n);
}

/* The first answer to a SYN must acknowledge it: nobody else can end or open the connection. */
static void nat_believes_only_answers_to_the_syn_that_was_sent(void **state)
{
    (void)state;
    struct net *n = net_new();
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD);
    uint16_t port = got_src_port(n);
    assert_false(comes(n, port, TCP_SYN | TCP_ACK, 77, I + 1, 0));
    assert_false(comes(n, port, TCP_SYN | TCP_ACK, 77, I - 1, 0));
    assert_false(comes(n, port, TCP_RST | TCP_ACK, 0, I + 1, 0));
    assert_false(comes(n, port, TCP_RST, 0, I, 0));
    assert_false(comes(n, port, TCP_ACK, 77, 88, 10));
    assert_true(comes(n, port, TCP_ACK, 77, 88, 0)); /* a connection before this one challenges; the laptop resets it and tries again */
    assert_true(comes(n, port, TCP_SYN | TCP_ACK, ISN_OUTSIDE, I, 0));
    assert_true(comes(n, port, TCP_SYN | TCP_ACK, ISN_OUTSIDE + 9, I, 0)); /* a server that answers the repeated SYN anew */
    assert_int_equal(out_at(n, TCP_ACK, I, O + 9, 0), NAT_FORWARD);
    assert_false(comes(n, port, TCP_SYN | TCP_ACK, ISN_OUTSIDE + 0x100000, I, 0)); /* now it is settled */
    assert_true(comes(n, port, TCP_ACK, O + 9, I, 10));
    net_done(n);

    n = net_new();
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD);
    assert_true(comes(n, got_src_port(n), TCP_RST | TCP_ACK, 0, I, 0)); /* refused */
    net_done(n);
}

/* RFC 7323: windows are scaled only when both sides said so, and never in SYNs */
static void nat_knows_scaled_windows(void **state)
{
    (void)state;
    static const uint8_t scale[8] = {1, 1, 1, 3, 3, 7, 1, 1}, none[4] = {2, 4, 5, 0xb4}, broken[4] = {8, 1, 3, 3};
    const struct {
        const uint8_t *inside, *outside;
        size_t inside_len, outside_len;
        uint32_t window;
    } cases[] = {
        {scale, scale, 8, 8, WINDOW << 7}, {scale, none, 8, 4, WINDOW}, {none, scale, 4, 8, WINDOW}, {broken, scale, 4, 8, WINDOW}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net *n = net_new();
        struct build syn = tcp_segment_out(TCP_SYN);
        syn.tcp_options = cases[i].inside;
        syn.tcp_options_len = cases[i].inside_len;
        assert_int_equal(net_out(n, A, &syn), NAT_FORWARD);
        uint16_t port = got_src_port(n);
        struct build answer = tcp_segment_in(port, TCP_SYN | TCP_ACK);
        answer.tcp_options = cases[i].outside;
        answer.tcp_options_len = cases[i].outside_len;
        assert_int_equal(net_in(n, &answer), NAT_FORWARD);
        assert_true(comes(n, port, TCP_ACK, O + WINDOW, I, 1)); /* sent before the laptop's first ACK arrived (RFC 7413) */
        assert_false(comes(n, port, TCP_ACK, O + WINDOW + 1, I, 1));
        assert_int_equal(net_tcp(n, A, TCP_ACK), NAT_FORWARD);
        assert_true(comes(n, port, TCP_ACK, O + cases[i].window, I, 1));
        assert_false(comes(n, port, TCP_ACK, O + cases[i].window + 1, I, 1));
        net_done(n);
    }
}

/* Sequence numbers go round. */
static void nat_counts_past_the_end_of_sequence_numbers(void **state)
{
    (void)state;
    struct net *n = net_new();
    assert_int_equal(out_at(n, TCP_SYN, 0xfffffff0u, 0, 0), NAT_FORWARD);
    uint16_t port = got_src_port(n);
    assert_true(comes(n, port, TCP_SYN | TCP_ACK, 0xffffff00u, 0xfffffff1u, 0));
    assert_int_equal(out_at(n, TCP_ACK, 0xfffffff1u, 0xffffff01u, 100), NAT_FORWARD);
    assert_true(comes(n, port, TCP_ACK, 0xffffff01u, 0x55, 1000));
    assert_false(comes(n, port, TCP_ACK, 0xffffff01u, 0x56, 1000));
    assert_int_equal(out_at(n, TCP_ACK, 0x55, 0x2e9, 0), NAT_FORWARD);
    assert_true(comes(n, port, TCP_ACK, 0x2e9u + WINDOW, 0x55, 0));
    assert_false(comes(n, port, TCP_ACK, 0x2eau + WINDOW, 0x55, 0));
    assert_true(comes(n, port, TCP_ACK, 0x2e9u - 65535, 0x55, 0)); /* an old one, from below zero */
    assert_false(comes(n, port, TCP_ACK, 0x2e9u - 65536, 0x55, 0));
    assert_false(comes(n, port, TCP_RST, 0x2e8, 0, 0));
    assert_true(comes(n, port, TCP_RST, 0x2e9, 0, 0));
    net_done(n);
}

/* 100 MB each way in large packets, acknowledged late and in part: nothing legitimate is refused */
static void nat_refuses_nothing_of_a_long_transfer(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    uint32_t inside = I, outside = O;
    for (int i = 0; i < 3000; i++) {
        assert_true(comes(n, port, TCP_ACK | TCP_PSH, outside, inside, 32000));
        assert_true(comes(n, port, TCP_ACK | TCP_PSH, outside + 32000, inside, 32000));
        if (i % 3 == 0)
            assert_true(comes(n, port, TCP_ACK | TCP_PSH, outside, inside, 32000)); /* lost behind the NAT */
        assert_int_equal(out_at(n, TCP_ACK, inside, outside + 32000, 30000), NAT_FORWARD);
        assert_int_equal(out_at(n, TCP_ACK, inside + 30000, outside + 64000, 30000), NAT_FORWARD);
        assert_true(comes(n, port, TCP_ACK, outside + 64000, inside + 30000, 0));
        inside += 60000, outside += 64000;
    }
    assert_int_equal(nat_stats(n->nat)->drops_out2in[DROP_WINDOW], 0);
    net_done(n);
}

/* What the laptop itself sends always passes; a reset of its that nobody would heed ends nothing here either. */
static void nat_heeds_only_resets_of_the_laptop_that_count(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    assert_int_equal(out_at(n, TCP_ACK, I - 0x1000000, 99, 10), NAT_FORWARD);
    assert_int_equal(out_at(n, TCP_RST, I + 0x1000000, 0, 0), NAT_FORWARD); /* and nothing more from there that would revive it */
    net_wait(n, 7439999);
    assert_true(comes(n, port, TCP_ACK, O, I, 10));
    assert_int_equal(out_at(n, TCP_RST, I, 0, 0), NAT_FORWARD);
    net_wait(n, 240100);
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    net_done(n);
}

/* TIME-WAIT (RFC 9293 section 3.6.1): late segments pass and renew nothing, a SYN begins anew, the outside's only where it may begin */
static void nat_handles_time_wait(void **state)
{
    (void)state;
    for (int open_filter = 0; open_filter < 2; open_filter++) {
        struct net *n = net_defaults();
        n->config.filter = open_filter ? NAT_FILTER_ENDPOINT : NAT_FILTER_ADDRESS;
        net_start(n);
        uint16_t port = net_tcp_open(n, A);
        assert_int_equal(net_tcp(n, A, TCP_FIN | TCP_ACK), NAT_FORWARD);
        assert_true(comes(n, port, TCP_FIN | TCP_ACK, O, I + 1, 0));
        assert_int_equal(out_at(n, TCP_ACK, I + 1, O + 1, 0), NAT_FORWARD);
        net_wait(n, 200000);
        assert_true(comes(n, port, TCP_FIN | TCP_ACK, O, I + 1, 0)); /* the last ACK was lost */
        assert_int_equal(out_at(n, TCP_ACK, I + 1, O + 1, 0), NAT_FORWARD);
        assert_false(comes(n, port, TCP_SYN, O - 0x100000, 0, 0)); /* an old one */
        if (open_filter) {
            assert_true(comes(n, port, TCP_SYN, O + 0x100000, 0, 0));
            assert_int_equal(out_at(n, TCP_SYN | TCP_ACK, 5, O + 0x100001, 0), NAT_FORWARD);
            assert_true(comes(n, port, TCP_ACK, O + 0x100001, 6, 0));
            net_wait(n, 7439999);
            assert_int_equal(nat_stats(n->nat)->flows, 1);
        } else {
            assert_false(comes(n, port, TCP_SYN, O + 0x100000, 0, 0));
            net_wait(n, 40100);
            assert_int_equal(nat_stats(n->nat)->flows, 0);
        }
        net_done(n);
    }
}

/* A laptop that lost its memory uses the port again: the old connection here must not stand in its way. */
static void nat_lets_a_restarted_laptop_use_the_port_again(void **state)
{
    (void)state;
    struct net *n = net_new();
    uint16_t port = net_tcp_open(n, A);
    assert_true(comes(n, port, TCP_ACK, O, I, 100));
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD); /* only its first SYN once more, which the path delayed */
    assert_true(comes(n, port, TCP_ACK, O + 100, I, 100));
    assert_int_equal(out_at(n, TCP_SYN, 0x50000000, 0, 0), NAT_FORWARD);
    assert_true(comes(n, port, TCP_ACK, O + 200, I, 0)); /* the server remembers, and challenges */
    assert_int_equal(out_at(n, TCP_RST, I, 0, 0), NAT_FORWARD);
    assert_int_equal(out_at(n, TCP_SYN, 0x50000000, 0, 0), NAT_FORWARD);
    assert_true(comes(n, port, TCP_SYN | TCP_ACK, 0x60000000, 0x50000001, 0));
    assert_int_equal(out_at(n, TCP_ACK, 0x50000001, 0x60000001, 0), NAT_FORWARD);
    assert_true(comes(n, port, TCP_ACK, 0x60000001, 0x50000001, 100));
    net_wait(n, 7439999);
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    assert_int_equal(out_at(n, TCP_SYN, 0x10000000, 0, 0), NAT_FORWARD); /* restarted again, and so was the server, which answers at once */
    assert_true(comes(n, port, TCP_SYN | TCP_ACK, 0x20000000, 0x10000001, 0));
    assert_int_equal(out_at(n, TCP_ACK, 0x10000001, 0x20000001, 0), NAT_FORWARD);
    assert_true(comes(n, port, TCP_ACK, 0x20000001, 0x10000001, 100));
    net_done(n);
}

/* Half-open connections are cheap to make: they live as such, whoever's half it is (RFC 5382 REQ-5). */
static void nat_keeps_a_connection_opening_until_both_syns_are_acknowledged(void **state)
{
    (void)state;
    struct net *n = net_new();
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD);
    uint16_t port = got_src_port(n);
    assert_true(comes(n, port, TCP_SYN | TCP_ACK, ISN_OUTSIDE, I, 0));
    net_wait(n, 240100);
    assert_int_equal(nat_stats(n->nat)->flows, 0);
    net_done(n);
}

/* Simultaneous open with its crossing SYNs, and their acknowledgements as both RFCs' figures have them (RFC 9293 figure 7) */
static void nat_establishes_simultaneous_open(void **state)
{
    (void)state;
    struct net *n = net_new();
    assert_int_equal(net_tcp(n, A, TCP_SYN), NAT_FORWARD);
    uint16_t port = got_src_port(n);
    assert_true(comes(n, port, TCP_SYN, ISN_OUTSIDE, 0, 0));
    assert_int_equal(out_at(n, TCP_SYN | TCP_ACK, ISN_INSIDE, O, 0), NAT_FORWARD);
    assert_true(comes(n, port, TCP_SYN | TCP_ACK, ISN_OUTSIDE, I, 0));
    assert_true(comes(n, port, TCP_ACK, O, I, 10));
    assert_int_equal(out_at(n, TCP_ACK, I, O + 10, 10), NAT_FORWARD);
    net_wait(n, 7439999);
    assert_int_equal(nat_stats(n->nat)->flows, 1);
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_drops_data_that_does_not_fit_the_window),
        T(nat_drops_resets_that_do_not_fit_the_window),
        T(nat_believes_only_answers_to_the_syn_that_was_sent),
        T(nat_knows_scaled_windows),
        T(nat_counts_past_the_end_of_sequence_numbers),
        T(nat_refuses_nothing_of_a_long_transfer),
        T(nat_heeds_only_resets_of_the_laptop_that_count),
        T(nat_handles_time_wait),
        T(nat_lets_a_restarted_laptop_use_the_port_again),
        T(nat_keeps_a_connection_opening_until_both_syns_are_acknowledged),
        T(nat_establishes_simultaneous_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
