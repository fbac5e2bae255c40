/* test/unit/nat/icmp_error_test.c - ICMP errors and the packets they quote (RFC 5508 section 4, RFC 4787 REQ-12) */
#include "fixture.h"

#include <string.h>

#include "guard.h"

#define ROUTER 0xcb007101u

/** An ICMP error from `from` to `to` that quotes `len` bytes of `about`. */
static struct build error_about(uint8_t type, uint8_t code, uint32_t from, uint32_t to, const uint8_t *about, size_t len)
{
    return (struct build){.proto = 1, .src = from, .dst = to, .icmp_type = type, .icmp_code = code, .icmp_seq = 1234,
                          .payload = about, .payload_len = len};
}

static const uint8_t *quoted(const struct net *n)
{
    return got_l4(n) + 8;
}

/** Send `b` out and keep what left. @return its length */
static size_t sent(struct net *n, uint32_t session, const struct build *b, uint8_t *ret_packet)
{
    assert_int_equal(net_out(n, session, b), NAT_FORWARD);
    memcpy(ret_packet, n->r.packet, n->r.len);
    return n->r.len;
}

static const struct build to_remote[3] = {
    {.proto = 6, .src = INSIDE, .src_port = 5000, .dst = REMOTE, .dst_port = 80, .flags = TCP_SYN, .payload_len = 32},
    {.proto = 17, .src = INSIDE, .src_port = 5000, .dst = REMOTE, .dst_port = 80, .payload_len = 32},
    {.proto = 1, .src = INSIDE, .dst = REMOTE, .icmp_type = 8, .icmp_id = 5000, .payload_len = 32},
};

/* REQ-4: outer and quoted addresses, ports, identifiers and all checksums within reach; 8 bytes of transport header suffice */
static void nat_carries_errors_inwards_with_the_quotation_translated(void **state)
{
    (void)state;
    static const uint8_t types[] = {ICMP_UNREACHABLE, ICMP_TIME_EXCEEDED, ICMP_PARAMETER};
    uint8_t out[256], original[256];
    struct net *n = net_new();
    for (int proto = 0; proto < 3; proto++) {
        for (size_t cut = 28; cut <= 60; cut += 4) {
            size_t len = sent(n, A, &to_remote[proto], out);
            struct build b = error_about(types[cut % 3], 4, ROUTER, EXTERNAL, out, cut < len ? cut : len);
            assert_int_equal(net_in(n, &b), NAT_FORWARD);
            assert_int_equal(n->r.session, A);
            assert_int_equal(got_src(n), ROUTER);
            assert_int_equal(got_dst(n), INSIDE);
            assert_int_equal(build_get16(got_l4(n) + 6), 1234); /* the next hop's MTU */
            /* the laptop reads its own packet, one hop older and numbered anew (nat/ident.c) */
            build_packet(original, &to_remote[proto]);
            original[8]--;
            build_put16(original + 4, build_get16(out + 4));
            build_fix(original);
            assert_memory_equal(quoted(n), original, b.payload_len);
        }
    }
    net_done(n);
}

/* REQ-5, REQ-4: e.g. port unreachable about a packet the laptop received */
static void nat_carries_errors_outwards_with_the_quotation_translated(void **state)
{
    (void)state;
    uint8_t out[256], in[256], answer[256];
    struct net *n = net_new();
    for (int proto = 0; proto < 3; proto++) {
        sent(n, A, &to_remote[proto], out);
        struct build back = {.proto = to_remote[proto].proto, .src = REMOTE, .src_port = 80, .dst = EXTERNAL,
                             .dst_port = build_get16(out + 20), .icmp_id = build_get16(out + 24), .payload_len = 32,
                             .flags = TCP_SYN | TCP_ACK, .ack = 1, .icmp_type = 0};
        assert_int_equal(net_in(n, &back), NAT_FORWARD);
        memcpy(in, n->r.packet, n->r.len);
        struct build b = error_about(ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0x0a000009, REMOTE, in, n->r.len);
        assert_int_equal(net_out(n, A, &b), NAT_FORWARD);
        assert_int_equal(got_src(n), EXTERNAL); /* also when another inside host speaks */
        assert_int_equal(got_dst(n), REMOTE);
        build_packet(answer, &back);
        answer[8]--;
        build_fix(answer);
        assert_memory_equal(quoted(n), answer, b.payload_len);
        net_out(n, B, &b); /* another laptop cannot speak for it */
        assert_drop(n, DROP_NO_FLOW);
        b.dst = OTHER; /* nor may it go elsewhere than to the sender */
        net_out(n, A, &b);
        assert_drop(n, DROP_NO_FLOW);
    }
    net_done(n);
}

/* RFC 4787 REQ-12, RFC 5382 REQ-9 */
static void nat_errors_neither_end_nor_renew_a_flow(void **state)
{
    (void)state;
    uint8_t out[256];
    struct net *n = net_new();
    size_t len = sent(n, A, &to_remote[1], out);
    struct build b = error_about(ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, REMOTE, EXTERNAL, out, len);
    assert_int_equal(net_in(n, &b), NAT_FORWARD);
    assert_int_equal(net_udp_in(n, REMOTE, 80, build_get16(out + 20)), NAT_FORWARD);
    net_wait(n, 299999);
    assert_int_equal(net_in(n, &b), NAT_FORWARD);
    net_wait(n, 101);
    net_in(n, &b);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

/* REQ-3, REQ-7 */
static void nat_drops_errors_that_do_not_fit(void **state)
{
    (void)state;
    uint8_t out[256], bad[256];
    struct net *n = net_new();
    size_t len = sent(n, A, &to_remote[1], out);
    struct build b = error_about(ICMP_UNREACHABLE, 3, ROUTER, EXTERNAL, bad, len);

    memcpy(bad, out, len);
    size_t total = build_packet(n->packet, &b);
    n->packet[total - 1] ^= 1; /* outer ICMP checksum */
    nat_out2in(n->nat, n->packet, total, NULL, n->now_ms, &n->r);
    assert_drop(n, DROP_BAD_CHECKSUM);

    bad[10] ^= 1; /* quoted header's checksum */
    net_in(n, &b);
    assert_drop(n, DROP_BAD_CHECKSUM);

    memcpy(bad, out, len);
    bad[15] ^= 2; /* not from us */
    build_fix(bad);
    net_in(n, &b);
    assert_drop(n, DROP_NO_FLOW);

    memcpy(bad, out, len);
    bad[19] ^= 2; /* to somebody the laptop did not send to */
    build_fix(bad);
    net_in(n, &b);
    assert_drop(n, DROP_NO_FLOW);

    memcpy(bad, out, len);
    build_put16(bad + 6, 100); /* a later fragment: no ports */
    build_fix(bad);
    net_in(n, &b);
    assert_drop(n, DROP_NO_FLOW);

    memcpy(bad, out, len);
    b.payload_len = 27; /* quotes too little */
    net_in(n, &b);
    assert_drop(n, DROP_TRUNCATED);
    b.payload_len = 0;
    net_in(n, &b);
    assert_drop(n, DROP_TRUNCATED);

    /* an error about an error, and an echo reply quoted as if it had left */
    struct build inner = error_about(ICMP_UNREACHABLE, 3, EXTERNAL, REMOTE, out, len);
    b.payload_len = build_packet(bad, &inner);
    net_in(n, &b);
    assert_drop(n, DROP_NO_FLOW);
    sent(n, A, &to_remote[2], out);
    inner = (struct build){.proto = 1, .src = EXTERNAL, .dst = REMOTE, .icmp_type = 0, .icmp_id = build_get16(out + 24)};
    b.payload_len = build_packet(bad, &inner);
    net_in(n, &b);
    assert_drop(n, DROP_NO_FLOW);
    net_done(n);
}

/* RFC 4787 REQ-9 with REQ-12: an error about a hairpinned packet finds its way back to the other laptop */
static void nat_hairpins_errors(void **state)
{
    (void)state;
    uint8_t in[256];
    struct net *n = net_new();
    uint16_t a = net_udp(n, A, 5000, REMOTE, 1000), b = net_udp(n, B, 6000, REMOTE, 1000);
    struct build to_a = {.proto = 17, .src = INSIDE, .src_port = 6000, .dst = EXTERNAL, .dst_port = a, .payload_len = 20};
    struct build to_b = {.proto = 17, .src = INSIDE, .src_port = 5000, .dst = EXTERNAL, .dst_port = b, .payload_len = 20};
    net_out(n, A, &to_b);
    assert_int_equal(net_out(n, B, &to_a), NAT_HAIRPIN);
    memcpy(in, n->r.packet, n->r.len);
    struct build e = error_about(ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, INSIDE, EXTERNAL, in, n->r.len);
    assert_int_equal(net_out(n, A, &e), NAT_HAIRPIN);
    assert_int_equal(n->r.session, B);
    assert_int_equal(got_src(n), EXTERNAL);
    assert_int_equal(got_dst(n), INSIDE);
    assert_int_equal(build_get32(quoted(n) + 12), INSIDE);
    assert_int_equal(build_get16(quoted(n) + 20), 6000);
    assert_int_equal(build_get32(quoted(n) + 16), EXTERNAL);
    assert_int_equal(build_get16(quoted(n) + 22), a);
    net_done(n);
}

/* Every truncation, both directions, the last byte against an inaccessible page. */
static void nat_reads_no_byte_behind_any_truncation(void **state)
{
    (void)state;
    uint8_t out[256], whole[512];
    struct guard guard;
    struct net *n = net_new();
    guard_init(&guard, 4096);
    for (int proto = 0; proto < 3; proto++) {
        size_t len = sent(n, A, &to_remote[proto], out);
        struct build in_error = error_about(ICMP_TIME_EXCEEDED, 0, ROUTER, EXTERNAL, out, len);
        struct build out_error = error_about(ICMP_UNREACHABLE, 3, INSIDE, REMOTE, out, len);
        const struct build *inputs[] = {&to_remote[proto], &in_error, &out_error};
        for (int i = 0; i < 3; i++) {
            size_t total = build_packet(whole, inputs[i]);
            for (size_t cut = 0; cut <= total; cut++) {
                for (int fix = 0; fix < 2; fix++) { /* as it is, and with a header that agrees with what is there */
                    uint8_t *p = guard_place(&guard, whole, cut);
                    if (fix && cut >= 20) {
                        build_put16(p + 2, (uint32_t)cut);
                        build_put16(p + 10, 0);
                        build_put16(p + 10, (uint16_t)~build_sum(p, 20, 0));
                        if (p[9] == 1 && cut >= 28)
                            build_fix(p);
                    }
                    nat_prefetch(n->nat, A, &(struct span){p, cut}, 1);
                    nat_in2out(n->nat, A, p, cut, NULL, n->now_ms, &n->r);
                    p = guard_place(&guard, whole, cut);
                    if (fix && cut >= 28 && p[9] == 1) {
                        build_put16(p + 2, (uint32_t)cut);
                        build_fix(p);
                    }
                    nat_out2in(n->nat, p, cut, NULL, n->now_ms, &n->r);
                }
            }
        }
    }
    guard_done(&guard);
    net_done(n);
}

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nat_carries_errors_inwards_with_the_quotation_translated),
        T(nat_carries_errors_outwards_with_the_quotation_translated),
        T(nat_errors_neither_end_nor_renew_a_flow),
        T(nat_drops_errors_that_do_not_fit),
        T(nat_hairpins_errors),
        T(nat_reads_no_byte_behind_any_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
