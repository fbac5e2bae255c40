/*
 * test/unit/nat/odd_test.c - odd packets from both sides, each dropped with the reason that is right
 *
 * Each lies with its last byte against an inaccessible page, has a right header checksum unless that is what is odd, and belongs to a live
 * flow, so that nothing but the oddity can be why it is dropped. Afterwards the flow is as it was.
 */
#include "fixture.h"

#include <string.h>

#include "guard.h"

enum { OUTWARD, INWARD, SIDES };

struct odd {
    struct net *n;
    struct guard guard;
    uint16_t port[3]; /* external, of the TCP, UDP and echo flows */
    uint8_t packet[2048];
    size_t len;
};

static const uint8_t protos[3] = {6, 17, 1};

/* A right packet of a live flow. */
static struct build fine(const struct odd *o, int side, int proto)
{
    struct build b = {.proto = protos[proto], .payload_len = 24, .flags = TCP_ACK};
    if (side == OUTWARD) {
        b.src = INSIDE, b.src_port = 5000, b.dst = REMOTE, b.dst_port = 80, b.icmp_type = 8, b.icmp_id = 5000;
        b.seq = ISN_INSIDE + 1, b.ack = ISN_OUTSIDE + 1;
    } else {
        b.src = REMOTE, b.src_port = 80, b.dst = EXTERNAL, b.dst_port = o->port[proto], b.icmp_id = o->port[proto];
        b.seq = ISN_OUTSIDE + 1, b.ack = ISN_INSIDE + 1;
    }
    return b;
}

static void make(struct odd *o, int side, int proto)
{
    const struct build b = fine(o, side, proto);
    o->len = build_packet(o->packet, &b);
}

static enum nat_verdict give(struct odd *o, int side)
{
    uint8_t *at = guard_place(&o->guard, o->packet, o->len);
    if (side == OUTWARD)
        nat_in2out(o->n->nat, A, at, o->len, NULL, o->n->now_ms, &o->n->r);
    else
        nat_out2in(o->n->nat, at, o->len, NULL, o->n->now_ms, &o->n->r);
    return o->n->r.verdict;
}

static void header_sum(uint8_t *p)
{
    build_put16(p + 10, 0);
    build_put16(p + 10, (uint16_t)~build_sum(p, build_header_len(p), 0));
}

static void open_odd(struct odd *o)
{
    o->n = net_new();
    guard_init(&o->guard, sizeof o->packet);
    o->port[0] = net_tcp_open(o->n, A);
    for (int proto = 1; proto < 3; proto++) {
        const struct build b = fine(o, OUTWARD, proto);
        assert_int_equal(net_out(o->n, A, &b), NAT_FORWARD);
        o->port[proto] = build_get16(got_l4(o->n) + (proto == 2 ? 4 : 0));
    }
}

static void close_odd(struct odd *o)
{
    for (int side = 0; side < SIDES; side++)
        for (int proto = 0; proto < 3; proto++) {
            make(o, side, proto);
            assert_int_equal(give(o, side), NAT_FORWARD); /* all as before */
        }
    assert_int_equal(nat_stats(o->n->nat)->flows, 3);
    guard_done(&o->guard);
    net_done(o->n);
}

#define EACH(o, side, proto)                                                                                           \
    for (int side = 0; side < SIDES; side++)                                                                           \
        for (int proto = 0; proto < 3; proto++)

/* What is cut anywhere says in its header that more should be there. */
static void odd_truncated_at_every_offset(void **state)
{
    (void)state;
    struct odd o;
    open_odd(&o);
    EACH(&o, side, proto) {
        make(&o, side, proto);
        for (size_t whole = o.len; o.len-- > 0;) {
            assert_true(o.len < whole);
            assert_int_equal(give(&o, side), NAT_DROP);
            assert_drop(o.n, DROP_TRUNCATED);
        }
    }
    close_odd(&o);
}

/* The same with a header that agrees: then the transport's is too short, or UDP's length contradicts, or the checksum will tell the receiver. */
static void odd_truncated_with_a_header_that_agrees(void **state)
{
    (void)state;
    static const size_t least[3] = {20, 8, 8};
    struct odd o;
    open_odd(&o);
    EACH(&o, side, proto) {
        for (size_t cut = 20; cut < 20 + least[proto]; cut++) {
            make(&o, side, proto);
            o.len = cut;
            build_put16(o.packet + 2, (uint32_t)cut);
            header_sum(o.packet);
            assert_int_equal(give(&o, side), NAT_DROP);
            assert_drop(o.n, DROP_TRUNCATED);
        }
    }
    close_odd(&o);
}

static void odd_header_lengths(void **state)
{
    (void)state;
    struct odd o;
    open_odd(&o);
    EACH(&o, side, proto) {
        for (uint8_t words = 0; words < 16; words++) {
            make(&o, side, proto);
            o.packet[0] = (uint8_t)(0x40 | words);
            size_t claimed = (size_t)words * 4;
            if (claimed >= 20 && claimed <= o.len)
                header_sum(o.packet);
            if (words == 5)
                continue;
            assert_int_equal(give(&o, side), NAT_DROP);
            if (words < 5)
                assert_drop(o.n, DROP_BAD_HEADER);
        }
        for (uint8_t version = 0; version < 16; version++) {
            make(&o, side, proto);
            o.packet[0] = (uint8_t)(version << 4 | 5);
            header_sum(o.packet);
            if (version == 4)
                continue;
            assert_int_equal(give(&o, side), NAT_DROP);
            assert_drop(o.n, DROP_NOT_IP4);
        }
        make(&o, side, proto);
        o.packet[11] ^= 1;
        assert_int_equal(give(&o, side), NAT_DROP);
        assert_drop(o.n, DROP_BAD_CHECKSUM);
        if (proto != 0)
            continue;
        for (uint8_t words = 0; words < 16; words++) { /* TCP's */
            make(&o, side, proto);
            o.packet[32] = (uint8_t)(words << 4);
            build_fix(o.packet);
            give(&o, side);
            if (words < 5 || 20u + words * 4u > o.len)
                assert_drop(o.n, DROP_BAD_HEADER);
            else
                assert_int_equal(o.n->r.verdict, NAT_FORWARD);
        }
    }
    close_odd(&o);
}

/* Total lengths: more than there is, less than the headers, 0; UDP's own: more than the packet, less than its header. */
static void odd_lengths(void **state)
{
    (void)state;
    struct odd o;
    open_odd(&o);
    EACH(&o, side, proto) {
        make(&o, side, proto);
        const struct {
            size_t total;
            enum drop why;
        } cases[] = {{0, DROP_TRUNCATED}, {19, DROP_BAD_HEADER}, {20, DROP_TRUNCATED}, {o.len + 1, DROP_TRUNCATED}, {65535, DROP_TRUNCATED}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            make(&o, side, proto);
            build_put16(o.packet + 2, (uint32_t)cases[i].total);
            header_sum(o.packet);
            assert_int_equal(give(&o, side), NAT_DROP);
            if (cases[i].total >= 20)
                assert_drop(o.n, cases[i].why);
        }
        if (proto != 1)
            continue;
        static const uint16_t udp[] = {0, 1, 7, 33, 34, 65535};
        for (size_t i = 0; i < sizeof udp / sizeof *udp; i++) {
            make(&o, side, proto);
            build_put16(o.packet + 24, udp[i]);
            assert_int_equal(give(&o, side), NAT_DROP);
            assert_true(o.n->r.reason == DROP_BAD_HEADER || o.n->r.reason == DROP_TRUNCATED);
        }
    }
    close_odd(&o);
}

/* Bytes behind the packet, a link's padding or another packet's secret, are not carried on, read or counted into a checksum. */
static void odd_slack_never_leaks(void **state)
{
    (void)state;
    struct odd o;
    open_odd(&o);
    EACH(&o, side, proto) {
        for (size_t slack = 1; slack <= 26; slack++) {
            make(&o, side, proto);
            const size_t len = o.len;
            memset(o.packet + len, 0xa5, slack);
            o.len += slack;
            assert_int_equal(give(&o, side), NAT_FORWARD);
            assert_int_equal(o.n->r.len, len);
            assert_true(build_right(o.n->r.packet, o.n->r.offload.partial));
        }
    }
    /* an answer quotes the packet, not what lies behind it */
    struct build b = fine(&o, OUTWARD, 1);
    b.dst = 0x0a000009;
    o.len = build_packet(o.packet, &b);
    const size_t len = o.len;
    memset(o.packet + len, 0xa5, 64);
    o.len += 64;
    assert_int_equal(give(&o, OUTWARD), NAT_REPLY);
    assert_int_equal(o.n->r.len, 28 + len);
    close_odd(&o);
}

/* IPv4 options: a length of 0 or 1 would never end, one beyond the header reads too far; the same in TCP, where nothing is blanked. */
static void odd_options(void **state)
{
    (void)state;
    static const uint8_t bad[][8] = {{7, 0, 4, 1, 1, 1, 1, 1}, {7, 1, 4, 1, 1, 1, 1, 1}, {7, 9, 4, 1, 1, 1, 1, 1}, {7, 255, 4, 1, 1, 1, 1, 1},
                                     {1, 1, 1, 1, 1, 1, 1, 7}, {68, 1, 5, 0, 1, 1, 1, 1}, {0x99, 0, 1, 1, 1, 1, 1, 1}};
    static const uint8_t end[8] = {0, 7, 0, 255, 1, 1, 1, 1}, tcp[][8] = {{2, 0, 1, 1, 3, 0, 1, 1}, {2, 1, 1, 1, 3, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 2},
                                                                          {3, 255, 9, 1, 1, 1, 1, 3}, {0, 2, 0, 3, 0, 0, 0, 0}};
    struct odd o;
    open_odd(&o);
    EACH(&o, side, proto) {
        struct build b = fine(&o, side, proto);
        b.ip_options_len = 8;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            b.ip_options = bad[i];
            o.len = build_packet(o.packet, &b);
            assert_int_equal(give(&o, side), NAT_DROP);
            assert_drop(o.n, DROP_BAD_HEADER);
        }
        b.ip_options = end; /* what follows the end of the list is padding */
        o.len = build_packet(o.packet, &b);
        assert_int_equal(give(&o, side), NAT_FORWARD);
        if (proto != 0)
            continue;
        b = fine(&o, side, proto);
        b.tcp_options_len = 8;
        for (size_t i = 0; i < sizeof tcp / sizeof *tcp; i++) { /* no reason to drop: they are the receiver's to judge, and only looked at in SYNs */
            b.tcp_options = tcp[i];
            o.len = build_packet(o.packet, &b);
            assert_int_equal(give(&o, side), NAT_FORWARD);
            assert_memory_equal(got_l4(o.n) + 20, tcp[i], 8);
        }
    }
    for (size_t i = 0; i < sizeof tcp / sizeof *tcp; i++) { /* a SYN with them, whose MSS and window scale are looked for */
        struct build syn = tcp_segment_out(TCP_SYN);
        syn.src_port = (uint16_t)(6000 + i);
        syn.tcp_options = tcp[i];
        syn.tcp_options_len = 8;
        o.len = build_packet(o.packet, &syn);
        assert_int_equal(give(&o, OUTWARD), NAT_FORWARD);
    }
    o.n->now_ms += 240100;
    nat_tick(o.n->nat, o.n->now_ms);
    nat_end_session(o.n->nat, A, o.n->now_ms);
    guard_done(&o.guard);
    net_done(o.n);
}

/* Fragments: too tiny to hold the transport header (RFC 1858), beginning inside it (RFC 3128), overlapping (RFC 5722), past the end. */
static void odd_fragments(void **state)
{
    (void)state;
    struct odd o;
    open_odd(&o);
    EACH(&o, side, proto) {
        struct build b = fine(&o, side, proto);
        const uint16_t id = (uint16_t)(side * 1000 + proto * 100);
        make(&o, side, proto); /* a first one of 8 bytes, which is all of a UDP or ICMP header */
        o.len = 28;
        build_put16(o.packet + 2, 28);
        build_put16(o.packet + 4, id);
        build_put16(o.packet + 6, 0x2000);
        header_sum(o.packet);
        give(&o, side);
        if (proto == 0)
            assert_drop(o.n, DROP_BAD_HEADER);
        else
            assert_int_equal(o.n->r.verdict, NAT_HELD);
        b.id = id;
        b.frag = 0x2001; /* begins at byte 8 */
        o.len = build_packet(o.packet, &b);
        give(&o, side);
        if (proto == 0)
            assert_drop(o.n, DROP_BAD_HEADER);
        b.id = (uint16_t)(id + 1);
        b.frag = 0x2000 | 1024 / 8; /* 24 bytes at 1024, and then some that overlap them */
        o.len = build_packet(o.packet, &b);
        assert_int_equal(give(&o, side), NAT_HELD);
        b.frag = 0x2000 | 1032 / 8;
        o.len = build_packet(o.packet, &b);
        assert_int_equal(give(&o, side), NAT_DROP);
        assert_drop(o.n, DROP_FRAGMENT);
        b.frag = 0; /* the whole datagram is another matter, with the same number */
        o.len = build_packet(o.packet, &b);
        assert_int_equal(give(&o, side), NAT_FORWARD);
        b.id = (uint16_t)(id + 2);
        b.frag = 0x1fff; /* would end behind byte 65,535 */
        o.len = build_packet(o.packet, &b);
        assert_int_equal(give(&o, side), NAT_DROP);
        b.frag = 0x2000 | 2000 / 8; /* one that is not the last must end at a multiple of 8 */
        b.payload_len = 23;
        o.len = build_packet(o.packet, &b);
        assert_int_equal(give(&o, side), NAT_DROP);
    }
    close_odd(&o);
}

/* ICMP errors whose quotation is cut anywhere, lies about its header, or quotes an error. */
static void odd_quotations(void **state)
{
    (void)state;
    struct odd o;
    uint8_t about[128], nested[256];
    open_odd(&o);
    EACH(&o, side, proto) {
        /* what a sender of the error on this side received: it was translated to its side */
        struct build b = fine(&o, side == OUTWARD ? INWARD : OUTWARD, proto);
        if (side == OUTWARD)
            b.dst = INSIDE, b.dst_port = 5000, b.icmp_id = 5000;
        else
            b.src = EXTERNAL, b.src_port = o.port[proto], b.icmp_id = o.port[proto];
        const size_t about_len = build_packet(about, &b);
        struct build e = {.proto = 1, .src = side == OUTWARD ? INSIDE : 0xcb007101, .dst = side == OUTWARD ? REMOTE : EXTERNAL,
                          .icmp_type = ICMP_UNREACHABLE, .icmp_code = 1, .payload = about};
        for (size_t cut = 0; cut <= about_len; cut++) {
            e.payload_len = cut;
            o.len = build_packet(o.packet, &e);
            give(&o, side);
            if (cut < 28)
                assert_drop(o.n, DROP_TRUNCATED);
            else
                assert_int_equal(o.n->r.verdict, NAT_FORWARD);
        }
        e.payload_len = about_len;
        for (uint8_t words = 0; words < 16; words++) {
            about[0] = (uint8_t)(0x40 | words);
            o.len = build_packet(o.packet, &e);
            give(&o, side);
            if (words != 5)
                assert_int_equal(o.n->r.verdict, NAT_DROP);
        }
        about[0] = 0x45;
        e.payload = nested; /* an error about the error */
        struct build inner = e;
        inner.payload = about;
        inner.src = b.src, inner.dst = b.dst;
        e.payload_len = build_packet(nested, &inner);
        o.len = build_packet(o.packet, &e);
        assert_int_equal(give(&o, side), NAT_DROP);
        assert_drop(o.n, DROP_NO_FLOW);
    }
    close_odd(&o);
}

/* Flags no TCP sends; urgent pointers behind the data where none can follow. Where some can, the pointer is valid (RFC 6093 section 3.1). */
static void odd_tcp_flags_and_urgent_pointers(void **state)
{
    (void)state;
    struct odd o;
    open_odd(&o);
    for (int side = 0; side < SIDES; side++) {
        for (unsigned flags = 0; flags < 64; flags++) {
            const unsigned kind = flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK);
            bool sane = kind == TCP_ACK || kind == TCP_SYN || kind == (TCP_SYN | TCP_ACK) || kind == TCP_RST || kind == (TCP_RST | TCP_ACK) ||
                        kind == (TCP_FIN | TCP_ACK);
            if (sane)
                continue;
            struct build b = fine(&o, side, 0);
            b.flags = (uint8_t)flags;
            o.len = build_packet(o.packet, &b);
            assert_int_equal(give(&o, side), NAT_DROP);
            assert_drop(o.n, DROP_BAD_HEADER);
        }
        static const uint8_t last[] = {TCP_FIN | TCP_ACK | TCP_URG, TCP_RST | TCP_ACK | TCP_URG, TCP_RST | TCP_URG};
        for (size_t i = 0; i < sizeof last; i++) {
            struct build b = fine(&o, side, 0);
            b.flags = last[i];
            o.len = build_packet(o.packet, &b);
            build_put16(o.packet + 38, 25);
            build_fix(o.packet);
            assert_int_equal(give(&o, side), NAT_DROP);
            assert_drop(o.n, DROP_BAD_HEADER);
        }
        static const uint16_t pointers[] = {0, 24, 25, 65535};
        for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
            struct build b = fine(&o, side, 0);
            b.flags = TCP_ACK | TCP_URG;
            o.len = build_packet(o.packet, &b);
            build_put16(o.packet + 38, pointers[i]);
            build_fix(o.packet);
            assert_int_equal(give(&o, side), NAT_FORWARD);
            assert_int_equal(build_get16(got_l4(o.n) + 18), pointers[i]);
        }
    }
    close_odd(&o);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(odd_truncated_at_every_offset),
        T(odd_truncated_with_a_header_that_agrees),
        T(odd_header_lengths),
        T(odd_lengths),
        T(odd_slack_never_leaks),
        T(odd_options),
        T(odd_fragments),
        T(odd_quotations),
        T(odd_tcp_flags_and_urgent_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
