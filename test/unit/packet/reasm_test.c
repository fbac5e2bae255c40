/* packet/reasm_test.c - fragments in any order become the datagram; cheats, floods and latecomers do not */
#include "tether/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "build.h"

static const struct reasm_limits roomy = {
    .max_bytes = 1 << 20, .max_datagrams = 64, .max_per_scope = 32, .timeout_ms = 2000, .seed = 7};

static struct reasm *make(const struct reasm_limits *limits)
{
    struct reasm *r = NULL;
    assert_int_equal(reasm_new(limits, &r), 0);
    return r;
}

static size_t kept(const struct reasm *r)
{
    size_t datagrams, bytes;
    reasm_usage(r, &datagrams, &bytes);
    return datagrams;
}

static size_t kept_bytes(const struct reasm *r)
{
    size_t datagrams, bytes;
    reasm_usage(r, &datagrams, &bytes);
    return bytes;
}

/* The last datagram that became whole. */
static uint8_t whole[IP4_MAX_LEN];
static size_t whole_len;

static enum drop push_packet(struct reasm *r, uint64_t scope, uint8_t *packet, size_t len, uint64_t now_ms)
{
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    uint8_t *got;
    const enum drop why = reasm_push(r, scope, &v, now_ms, &got, &whole_len);
    assert_true(why == DROP_NONE || (!got && whole_len == 0));
    if (got)
        memcpy(whole, got, whole_len);
    return why;
}

/** Push one fragment: bytes start to end of the position's pattern. */
static enum drop push(struct reasm *r, uint64_t scope, uint16_t id, size_t start, size_t end, bool more,
                      uint64_t now_ms)
{
    static uint8_t packet[IP4_MAX_LEN], payload[IP4_MAX_LEN];
    for (size_t i = start; i < end; i++)
        payload[i - start] = (uint8_t)(i * 13 + i / 256);
    const struct build b = {.proto = 99,
                            .id = id,
                            .frag = (uint16_t)((more ? 0x2000 : 0) | start / 8),
                            .payload = payload,
                            .payload_len = end - start};
    return push_packet(r, scope, packet, build_packet(packet, &b), now_ms);
}

static void assert_whole(size_t payload_len)
{
    assert_int_equal(whole_len, 20 + payload_len);
    assert_int_equal(build_get16(whole + 2), whole_len);
    assert_int_equal(build_get16(whole + 6), 0);
    assert_int_equal(build_sum(whole, 20, 0), 0xffff);
    for (size_t i = 0; i < payload_len; i++)
        assert_int_equal(whole[20 + i], (uint8_t)(i * 13 + i / 256));
}

static void fragments_in_order_make_the_datagram(void **state)
{
    (void)state;
    struct reasm *r = make(&roomy);
    assert_int_equal(push(r, 0, 1, 0, 1480, true, 0), DROP_NONE);
    assert_int_equal(whole_len, 0);
    assert_int_equal(push(r, 0, 1, 1480, 2960, true, 0), DROP_NONE);
    assert_int_equal(whole_len, 0);
    assert_int_equal(push(r, 0, 1, 2960, 3001, false, 0), DROP_NONE);
    assert_whole(3001);
    assert_int_equal(kept(r), 0);
    assert_int_equal(kept_bytes(r), 0);
    reasm_free(r);
}

/* Cuts packets and remembers the pieces, to be pushed in another order. */
struct cut {
    uint8_t bytes[200][1600];
    size_t len[200], count;
};
static struct cut cut;

static void remember(void *ctx, const uint8_t *packet, size_t len)
{
    struct cut *c = ctx;
    assert_true(c->count < 200 && len <= sizeof(c->bytes[0]));
    memcpy(c->bytes[c->count], packet, len);
    c->len[c->count++] = len;
}

static void any_order_and_duplicates_restore_the_packet(void **state)
{
    (void)state;
    static uint8_t packet[9000], scratch[1600];
    struct reasm *r = make(&roomy);
    uint64_t seed = 41;
    for (int i = 0; i < 3000; i++) {
        const size_t len = build_random(&seed, packet, 8000);
        struct ip4_view v;
        assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
        cut.count = 0;
        const size_t mtu = 150 + build_rand(&seed) % 1400;
        const size_t count = ip4_fragment(&v, mtu, scratch, sizeof(scratch), remember, &cut);
        assert_true(count >= 1);
        for (size_t k = count - 1; k > 0; k--) { /* shuffle */
            const size_t other = build_rand(&seed) % (k + 1);
            static uint8_t swap[1600];
            memcpy(swap, cut.bytes[k], sizeof(swap));
            memcpy(cut.bytes[k], cut.bytes[other], sizeof(swap));
            memcpy(cut.bytes[other], swap, sizeof(swap));
            const size_t swap_len = cut.len[k];
            cut.len[k] = cut.len[other];
            cut.len[other] = swap_len;
        }
        for (size_t k = 0; k < count; k++) {
            assert_int_equal(push_packet(r, 5, cut.bytes[k], cut.len[k], 0), DROP_NONE);
            assert_true((whole_len != 0) == (k == count - 1));
            if (k < count - 1 && build_rand(&seed) % 4 == 0) {
                const size_t again = build_rand(&seed) % (k + 1);
                assert_int_equal(push_packet(r, 5, cut.bytes[again], cut.len[again], 0), DROP_NONE);
                assert_int_equal(whole_len, 0);
            }
        }
        assert_int_equal(whole_len, len);
        assert_memory_equal(whole, packet, len);
        assert_int_equal(kept(r), 0);
    }
    reasm_free(r);
}

/* A naive twin of the rules: a byte map per datagram. */
struct naive {
    bool open, dead;
    bool have[1024];
    struct {
        size_t start, end;
    } piece[400];
    size_t pieces, total, furthest;
};

/** @return what reasm_push() must say; *ret_whole when the datagram is complete */
static enum drop naive_push(struct naive *n, size_t start, size_t end, bool more, bool *ret_whole)
{
    *ret_whole = false;
    n->open = true;
    if (n->dead)
        return DROP_FRAGMENT;
    n->dead = true; /* until it proves good */
    if (more ? n->total && end >= n->total : (n->total && n->total != end) || n->furthest > end)
        return DROP_FRAGMENT;
    for (size_t i = 0; i < n->pieces; i++)
        if (n->piece[i].start == start && n->piece[i].end == end) {
            n->dead = false;
            return DROP_NONE;
        }
    for (size_t i = start; i < end; i++) {
        if (n->have[i])
            return DROP_FRAGMENT;
        n->have[i] = true;
    }
    n->dead = false;
    n->piece[n->pieces].start = start;
    n->piece[n->pieces++].end = end;
    if (end > n->furthest)
        n->furthest = end;
    if (!more)
        n->total = end;
    bool complete = n->total > 0;
    for (size_t i = 0; i < n->total; i++)
        complete = complete && n->have[i];
    *ret_whole = complete;
    return DROP_NONE;
}

static void it_decides_like_a_naive_byte_map(void **state)
{
    (void)state;
    static struct naive naive[4];
    struct reasm *r = make(&roomy);
    uint64_t seed = 42, now = 0;
    int wholes = 0, kills = 0;
    for (int round = 0; round < 20000; round++) {
        memset(naive, 0, sizeof(naive));
        now += 10000; /* all that was kept expires */
        for (int k = 0; k < 14; k++) {
            const size_t which = build_rand(&seed) % 4;
            const size_t start = build_rand(&seed) % 6 * 8, len = (1 + build_rand(&seed) % 3) * 8;
            const bool more = build_rand(&seed) % 3 != 0;
            const size_t end = start + len - (more ? 0 : build_rand(&seed) % 8);
            if (start == 0 && !more)
                continue; /* that is no fragment */
            bool complete;
            const enum drop want = naive_push(&naive[which], start, end, more, &complete);
            assert_int_equal(push(r, which / 2, (uint16_t)(which % 2), start, end, more, now), want);
            kills += want != DROP_NONE;
            assert_int_equal(whole_len != 0, complete);
            if (complete) {
                assert_whole(naive[which].total);
                memset(&naive[which], 0, sizeof(naive[which]));
                wholes++;
            }
        }
        size_t open = 0;
        for (int i = 0; i < 4; i++)
            open += naive[i].open;
        assert_int_equal(kept(r), open);
    }
    assert_true(wholes > 1000 && kills > 1000);
    reasm_free(r);
}

static void an_overlap_kills_until_the_timeout(void **state)
{
    (void)state;
    struct reasm *r = make(&roomy);
    assert_int_equal(push(r, 0, 1, 0, 64, true, 100), DROP_NONE);
    assert_int_equal(push(r, 0, 1, 56, 128, true, 200), DROP_FRAGMENT);
    assert_int_equal(kept(r), 1);
    assert_int_equal(kept_bytes(r), 0);
    assert_int_equal(push(r, 0, 1, 64, 100, false, 300), DROP_FRAGMENT);
    assert_int_equal(push(r, 0, 1, 0, 64, true, 2099), DROP_FRAGMENT);
    assert_int_equal(push(r, 0, 1, 0, 64, true, 2100), DROP_NONE);
    assert_int_equal(push(r, 0, 1, 64, 100, false, 2100), DROP_NONE);
    assert_whole(100);
    reasm_free(r);
}

static void a_duplicate_with_other_bytes_is_an_overlap(void **state)
{
    (void)state;
    struct reasm *r = make(&roomy);
    uint8_t packet[128];
    const size_t len = build_packet(packet, &(struct build){.proto = 99, .frag = 0x2000, .payload_len = 64});
    assert_int_equal(push_packet(r, 0, packet, len, 0), DROP_NONE);
    assert_int_equal(push_packet(r, 0, packet, len, 0), DROP_NONE);
    packet[60] ^= 1;
    assert_int_equal(push_packet(r, 0, packet, len, 0), DROP_FRAGMENT);
    reasm_free(r);
}

static void time_runs_from_the_first_fragment(void **state)
{
    (void)state;
    struct reasm *r = make(&roomy);
    assert_int_equal(push(r, 0, 1, 0, 64, true, 1000), DROP_NONE);
    assert_int_equal(push(r, 0, 1, 64, 128, true, 2900), DROP_NONE);
    reasm_expire(r, 2999);
    assert_int_equal(kept(r), 1);
    reasm_expire(r, 3000);
    assert_int_equal(kept(r), 0);
    assert_int_equal(kept_bytes(r), 0);
    /* 0 stands for 2,000. */
    reasm_free(r);
    struct reasm_limits limits = roomy;
    limits.timeout_ms = 0;
    r = make(&limits);
    assert_int_equal(push(r, 0, 1, 0, 64, true, 0), DROP_NONE);
    reasm_expire(r, 1999);
    assert_int_equal(kept(r), 1);
    reasm_expire(r, 2000);
    assert_int_equal(kept(r), 0);
    reasm_free(r);
}

static void equal_ids_stay_apart_by_scope_addresses_and_protocol(void **state)
{
    (void)state;
    struct reasm *r = make(&roomy);
    const struct build keys[] = {
        {.proto = 99},
        {.proto = 98},
        {.proto = 99, .src = 0x0a000002},
        {.proto = 99, .dst = 0x0a000003},
        {.proto = 99, .id = 1},
    };
    uint8_t packet[128];
    for (size_t i = 0; i < 5; i++) {
        struct build b = keys[i];
        b.frag = 0x2000;
        b.payload_len = 32;
        assert_int_equal(push_packet(r, 3, packet, build_packet(packet, &b), 0), DROP_NONE);
    }
    assert_int_equal(kept(r), 5);
    struct build b = {.proto = 99, .frag = 0x0004, .payload_len = 4};
    assert_int_equal(push_packet(r, 4, packet, build_packet(packet, &b), 0), DROP_NONE);
    assert_int_equal(whole_len, 0); /* another scope's */
    assert_int_equal(push_packet(r, 3, packet, build_packet(packet, &b), 0), DROP_NONE);
    assert_int_equal(whole_len, 56);
    assert_int_equal(kept(r), 5);
    reasm_free(r);
}

/** Of 65,536 values of 32 bits two are equal every other time: among twelve rounds there are some. */
static void push_colliding(bool by_scope)
{
    const struct reasm_limits limits = {
        .max_bytes = 1 << 27, .max_datagrams = 65536, .max_per_scope = by_scope ? 1 : 65536, .seed = 1};
    struct reasm *r = make(&limits);
    uint8_t packet[64];
    for (uint32_t round = 0; round < 12; round++) {
        for (uint32_t i = 0; i < 65536; i++) {
            const uint32_t key = round * 65536 + i;
            const struct build b = {
                .proto = 99, .frag = 0x2000, .payload_len = 8, .src = by_scope ? 0 : 0x0a000000 + key};
            const size_t len = build_packet(packet, &b);
            assert_int_equal(push_packet(r, by_scope ? key : 1, packet, len, (uint64_t)round * 2000),
                             DROP_NONE);
        }
        assert_int_equal(kept(r), 65536);
    }
    reasm_free(r);
}

static void keys_whose_hashes_collide_stay_apart(void **state)
{
    (void)state;
    push_colliding(true);
    push_colliding(false);
}

static void a_full_table_refuses_the_newest_and_serves_the_old(void **state)
{
    (void)state;
    const struct reasm_limits limits = {.max_bytes = 1 << 20, .max_datagrams = 8, .max_per_scope = 6};
    struct reasm *r = make(&limits);
    for (uint16_t id = 0; id < 6; id++)
        assert_int_equal(push(r, 1, id, 0, 64, true, 0), DROP_NONE);
    for (uint16_t id = 6; id < 1000; id++)
        assert_int_equal(push(r, 1, id, 0, 64, true, 1), DROP_FRAGMENT); /* the scope's share */
    assert_int_equal(push(r, 2, 0, 0, 64, true, 1), DROP_NONE);
    assert_int_equal(push(r, 3, 0, 0, 64, true, 1), DROP_NONE);
    assert_int_equal(push(r, 4, 0, 0, 64, true, 1), DROP_FRAGMENT); /* the table */
    assert_int_equal(kept(r), 8);
    assert_int_equal(push(r, 1, 3, 64, 99, false, 2), DROP_NONE);
    assert_whole(99);
    assert_int_equal(push(r, 4, 0, 0, 64, true, 3), DROP_NONE);
    reasm_expire(r, 5000);
    assert_int_equal(kept(r), 0);
    reasm_free(r);
}

static void bytes_are_bounded_and_shared_by_scopes(void **state)
{
    (void)state;
    const struct reasm_limits limits = {.max_bytes = 100000, .max_datagrams = 10, .max_per_scope = 5};
    struct reasm *r = make(&limits);
    int refused = 0;
    for (uint16_t id = 0; id < 4; id++)
        for (size_t at = 0; at < 60000; at += 1000)
            refused += push(r, 1, id, at, at + 1000, true, 0) != DROP_NONE;
    assert_true(refused > 0);
    assert_true(kept_bytes(r) <= 50000);
    /* Another scope finds its own half free. */
    for (size_t at = 0; at < 40000; at += 1000)
        assert_int_equal(push(r, 2, 0, at, at + 1000, at < 39000, 0), DROP_NONE);
    assert_whole(40000);
    /* Three scopes, each within its share, find the table's bytes used up. */
    refused = 0;
    for (size_t at = 0; at < 40000; at += 1000)
        for (uint64_t scope = 3; scope < 6; scope++)
            refused += push(r, scope, 1, at, at + 1000, true, 0) != DROP_NONE;
    assert_true(refused > 0);
    assert_true(kept_bytes(r) <= 100000);
    reasm_free(r);
}

static void too_many_pieces_kill(void **state)
{
    (void)state;
    struct reasm *r = make(&roomy);
    int refused = 0;
    for (size_t at = 0; at < 8000; at += 8)
        refused += push(r, 0, 1, at, at + 8, true, 0) != DROP_NONE;
    assert_true(refused > 500);
    assert_int_equal(kept_bytes(r), 0);
    reasm_free(r);
}

static void a_datagram_beyond_65535_bytes_is_refused(void **state)
{
    (void)state;
    static const uint8_t options[40] = {[0 ... 39] = 1};
    static uint8_t packet[IP4_MAX_LEN];
    struct reasm *r = make(&roomy);
    /* Its pieces are fine each, but the first one's header is 60 bytes long. */
    assert_int_equal(push(r, 0, 0, 1024, 65512, true, 0), DROP_NONE);
    assert_int_equal(push(r, 0, 0, 65512, 65515, false, 0), DROP_NONE);
    const size_t len = build_packet(
        packet,
        &(struct build){
            .proto = 99, .frag = 0x2000, .ip_options = options, .ip_options_len = 40, .payload_len = 1024});
    assert_int_equal(push_packet(r, 0, packet, len, 0), DROP_FRAGMENT);
    assert_int_equal(push(r, 0, 1, 1024, 65512, true, 0), DROP_NONE);
    assert_int_equal(push(r, 0, 1, 65512, 65515, false, 0), DROP_NONE);
    assert_int_equal(push(r, 0, 1, 0, 1024, true, 0), DROP_NONE);
    assert_whole(65515);
    reasm_free(r);
}

static void congestion_marks_survive_reassembly(void **state)
{
    (void)state;
    static const struct {
        uint8_t first, second;
        enum drop why;
        uint8_t tos;
    } cases[] = {
        {0x28, 0x28, DROP_NONE, 0x28}, {0x2a, 0x2a, DROP_NONE, 0x2a},  {0x2a, 0x2b, DROP_NONE, 0x2b},
        {0x2b, 0x2a, DROP_NONE, 0x2b}, {0x28, 0x2b, DROP_FRAGMENT, 0}, {0x2b, 0x28, DROP_FRAGMENT, 0},
    };
    struct reasm *r = make(&roomy);
    for (uint16_t i = 0; i < 6; i++) {
        uint8_t packet[128];
        size_t len = build_packet(
            packet,
            &(struct build){.proto = 99, .id = i, .tos = cases[i].first, .frag = 0x2000, .payload_len = 8});
        assert_int_equal(push_packet(r, 0, packet, len, 0), DROP_NONE);
        len = build_packet(
            packet,
            &(struct build){.proto = 99, .id = i, .tos = cases[i].second, .frag = 0x0001, .payload_len = 8});
        assert_int_equal(push_packet(r, 0, packet, len, 0), cases[i].why);
        if (cases[i].why == DROP_NONE)
            assert_int_equal(whole[1], cases[i].tos);
    }
    reasm_free(r);
}

static void whole_packets_come_straight_back(void **state)
{
    (void)state;
    struct reasm *r = make(&roomy);
    uint8_t packet[128], *got;
    const size_t len = build_packet(packet, &(struct build){.proto = 17, .payload_len = 8});
    struct ip4_view v;
    assert_int_equal(ip4_parse(packet, len, &v), DROP_NONE);
    assert_int_equal(reasm_push(r, 0, &v, 0, &got, &whole_len), DROP_NONE);
    assert_ptr_equal(got, packet);
    assert_int_equal(whole_len, len);
    reasm_free(r);
}

static void senseless_limits_are_refused(void **state)
{
    (void)state;
    struct reasm *r = NULL;
    struct reasm_limits limits = roomy;
    limits.max_datagrams = 0;
    assert_int_equal(reasm_new(&limits, &r), -EINVAL);
    limits.max_datagrams = 65537;
    assert_int_equal(reasm_new(&limits, &r), -EINVAL);
    limits = roomy;
    limits.max_bytes = 0;
    assert_int_equal(reasm_new(&limits, &r), -EINVAL);
    limits = roomy;
    limits.max_per_scope = 0;
    assert_int_equal(reasm_new(&limits, &r), -EINVAL);
    assert_null(r);
    reasm_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_in_order_make_the_datagram),
        cmocka_unit_test(any_order_and_duplicates_restore_the_packet),
        cmocka_unit_test(it_decides_like_a_naive_byte_map),
        cmocka_unit_test(an_overlap_kills_until_the_timeout),
        cmocka_unit_test(a_duplicate_with_other_bytes_is_an_overlap),
        cmocka_unit_test(time_runs_from_the_first_fragment),
        cmocka_unit_test(equal_ids_stay_apart_by_scope_addresses_and_protocol),
        cmocka_unit_test(keys_whose_hashes_collide_stay_apart),
        cmocka_unit_test(a_full_table_refuses_the_newest_and_serves_the_old),
        cmocka_unit_test(bytes_are_bounded_and_shared_by_scopes),
        cmocka_unit_test(too_many_pieces_kill),
        cmocka_unit_test(a_datagram_beyond_65535_bytes_is_refused),
        cmocka_unit_test(congestion_marks_survive_reassembly),
        cmocka_unit_test(whole_packets_come_straight_back),
        cmocka_unit_test(senseless_limits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
