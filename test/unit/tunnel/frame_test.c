/* Frames: what is written is read back, however the stream is cut, and nothing outside the rules gets through. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "tunnel/frame.h"

struct seen {
    uint8_t type[64];
    size_t len[64];
    uint32_t sum[64];
    size_t count;
    int stop_at; /* return an error at this frame; -1: never */
};

static uint32_t sum_of(const uint8_t *p, size_t len)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + p[i];
    return sum;
}

static int note(void *ctx, uint8_t type, uint8_t *body, size_t len)
{
    struct seen *s = ctx;
    if ((int)s->count == s->stop_at)
        return -ECANCELED;
    s->type[s->count] = type;
    s->len[s->count] = len;
    s->sum[s->count++] = sum_of(body, len);
    return 0;
}

static size_t sample_stream(uint8_t *out)
{
    struct frame_hello hello = {.version = 1, .mtu = 1500, .inside = 0x0a000001};
    size_t at = frame_put_hello(out, &hello);
    for (size_t i = 0; i < 5; i++) {
        size_t len = i * 700;
        frame_put_header(out + at, FRAME_PACKET, len);
        for (size_t k = 0; k < len; k++)
            out[at + FRAME_HEADER_LEN + k] = (uint8_t)(k * 7 + i);
        at += FRAME_HEADER_LEN + len;
        at += frame_put_ping(out + at, FRAME_PING, i);
    }
    return at;
}

static void frames_survive_any_cutting(void **state)
{
    static uint8_t stream[16384], copy[16384];
    struct seen whole = {.stop_at = -1};
    struct frame_reader reader = {0};
    size_t len = sample_stream(stream);
    (void)state;
    memcpy(copy, stream, len);
    assert_int_equal(frame_reader_feed(&reader, copy, len, note, NULL, &whole), 0);
    assert_int_equal(whole.count, 11);
    assert_int_equal(whole.len[9], 2800);
    for (size_t piece = 1; piece < 900; piece += piece < 20 ? 1 : 37) {
        struct seen cut = {.stop_at = -1};
        memcpy(copy, stream, len);
        for (size_t at = 0; at < len; at += piece)
            assert_int_equal(frame_reader_feed(&reader, copy + at, len - at < piece ? len - at : piece, note, NULL, &cut), 0);
        assert_memory_equal(&cut, &whole, sizeof cut);
    }
    frame_reader_done(&reader);
}

static void impossible_lengths_end_the_stream(void **state)
{
    struct frame_reader reader = {0};
    struct seen seen = {.stop_at = -1};
    uint8_t packet[4], control[4];
    (void)state;
    frame_put_header(packet, FRAME_PACKET, FRAME_DATA_MAX + 1);
    frame_put_header(control, FRAME_PING, FRAME_CONTROL_MAX + 1);
    assert_int_equal(frame_reader_feed(&reader, packet, 4, note, NULL, &seen), -EPROTO);
    assert_int_equal(frame_reader_feed(&reader, control, 2, note, NULL, &seen), 0);
    assert_int_equal(frame_reader_feed(&reader, control + 2, 2, note, NULL, &seen), -EPROTO);
    assert_int_equal(seen.count, 0);
    frame_reader_done(&reader);
}

static void an_error_from_the_callback_stops_reading(void **state)
{
    static uint8_t stream[16384];
    struct seen seen = {.stop_at = 3};
    struct frame_reader reader = {0};
    size_t len = sample_stream(stream);
    (void)state;
    assert_int_equal(frame_reader_feed(&reader, stream, len, note, NULL, &seen), -ECANCELED);
    assert_int_equal(seen.count, 3);
    frame_reader_done(&reader);
}

/* What was announced and then came, in order. */
struct expected {
    const uint8_t *packet[64];
    size_t len[64];
    size_t announced, came, calls, groups_of_one;
};

static void note_ahead(void *ctx, const struct span *packets, size_t count)
{
    struct expected *e = ctx;
    assert_int_equal(e->came, e->announced); /* not before the last group is through */
    assert_in_range(count, 2, FRAME_AHEAD);
    e->calls++;
    for (size_t i = 0; i < count; i++, e->announced++) {
        e->packet[e->announced] = packets[i].data;
        e->len[e->announced] = packets[i].len;
    }
}

static int note_expected(void *ctx, uint8_t type, uint8_t *body, size_t len)
{
    struct expected *e = ctx;
    const size_t skip = type == FRAME_LARGE ? FRAME_OFFLOAD_LEN : 0;
    if ((type != FRAME_PACKET && type != FRAME_LARGE) || len <= skip)
        return 0;
    if (e->came == e->announced) { /* alone: nobody said it would come */
        e->groups_of_one++;
        return 0;
    }
    assert_ptr_equal(e->packet[e->came], body + skip);
    assert_int_equal(e->len[e->came++], len - skip);
    return 0;
}

/* Packets that lie whole in the input are announced in groups, where they lie, each once and before it comes; what is cut or no packet is not. */
static void packets_are_announced_before_they_come(void **state)
{
    enum { PACKETS = 40, LEN = 60 };
    static uint8_t stream[PACKETS * (FRAME_HEADER_LEN + LEN) + 64];
    struct frame_reader reader = {0};
    struct expected e = {.calls = 0};
    struct guard guard;
    size_t at = 0;
    (void)state;
    for (size_t i = 0; i < PACKETS; i++) {
        const size_t len = LEN - i % 3;
        frame_put_header(stream + at, i % 5 == 4 ? FRAME_LARGE : FRAME_PACKET, i == 7 ? 0 : len);
        at += FRAME_HEADER_LEN + (i == 7 ? 0 : len);
        if (i % 20 == 0)
            at += frame_put_ping(stream + at, FRAME_PING, i);
    }
    guard_init(&guard, sizeof stream);
    uint8_t *copy = guard_place(&guard, stream, at);
    assert_int_equal(frame_reader_feed(&reader, copy, at - 1, note_expected, note_ahead, &e), 0);
    assert_int_equal(e.came, PACKETS - 2); /* not the empty one, nor the last, which is cut */
    assert_int_equal(e.came, e.announced);
    assert_int_equal(e.calls, 3); /* 42 frames, FRAME_AHEAD at a time */
    assert_int_equal(frame_reader_feed(&reader, copy + at - 1, 1, note_expected, note_ahead, &e), 0);
    assert_int_equal(e.groups_of_one, 1);
    for (size_t cut = 0; cut < 300; cut++) { /* wherever the input ends, nothing behind it is read */
        memset(&e, 0, sizeof e);
        frame_reader_done(&reader);
        copy = guard_place(&guard, stream, cut);
        assert_int_equal(frame_reader_feed(&reader, copy, cut, note_expected, note_ahead, &e), 0);
        assert_int_equal(e.came, e.announced);
    }
    frame_reader_done(&reader);
    guard_done(&guard);
}

static void control_frames_round_trip(void **state)
{
    uint8_t out[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    struct frame_hello hello = {.version = 1, .mtu = 1400, .inside = 0x0a000002}, hello2 = {0};
    struct frame_welcome welcome = {.version = 1, .flags = WELCOME_RESUMED, .session = 77, .mtu = 1500,
                                    .external = 0xc6336401, .dns = {0x09090909, 0x01010101}, .dns_count = 2};
    struct frame_welcome welcome2;
    struct frame_ack ack = {.bytes = UINT64_C(0x123456789abc), .clock_us = 4711}, ack2;
    struct frame_bye bye;
    uint64_t opaque;
    (void)state;
    memset(hello.token, 0xa5, sizeof hello.token);
    memset(&welcome2, 0, sizeof welcome2);
    size_t len = frame_put_hello(out, &hello);
    assert_true(frame_get_hello(out + 4, len - 4, &hello2));
    assert_memory_equal(&hello, &hello2, sizeof hello);
    len = frame_put_welcome(out, &welcome);
    assert_true(frame_get_welcome(out + 4, len - 4, &welcome2));
    assert_int_equal(welcome2.session, 77);
    assert_int_equal(welcome2.external, 0xc6336401);
    assert_int_equal(welcome2.dns_count, 2);
    assert_int_equal(welcome2.dns[1], 0x01010101);
    len = frame_put_ack(out, &ack);
    assert_true(frame_get_ack(out + 4, len - 4, &ack2));
    assert_true(ack2.bytes == ack.bytes && ack2.clock_us == 4711);
    len = frame_put_ping(out, FRAME_PONG, UINT64_C(0xfedcba9876543210));
    assert_int_equal(out[0], FRAME_PONG);
    assert_true(frame_get_ping(out + 4, len - 4, &opaque));
    assert_true(opaque == UINT64_C(0xfedcba9876543210));
    len = frame_put_bye(out, BYE_BUSY, "no room");
    assert_true(frame_get_bye(out + 4, len - 4, &bye));
    assert_int_equal(bye.code, BYE_BUSY);
    assert_string_equal(bye.text, "no room");
}

/* The bytes on the wire as docs/PROTOCOL.md draws them. */
static void what_datagrams_add_looks_as_documented(void **state)
{
    static const uint8_t ack[] = {4, 0, 0, 20, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 5, 6, 7};
    static const uint8_t numbered[] = {13, 0, 0x05, 0xe0, 1, 2, 3, 4};
    uint8_t out[64];
    struct frame_ack back;
    (void)state;
    assert_int_equal(frame_put_ack(out, &(struct frame_ack){.bytes = 0x10203, .clock_us = 0x1234, .newest = 0x50607}), sizeof ack);
    assert_memory_equal(out, ack, sizeof ack);
    assert_true(frame_get_ack(out + 4, 20, &back) && back.newest == 0x50607);
    assert_true(frame_get_ack(out + 4, 19, &back) && back.newest == 0);
    frame_put_numbered(out, 1500, 0x01020304);
    assert_memory_equal(out, numbered, sizeof numbered);
}

static void an_ack_looks_as_documented(void **state)
{
    static const uint8_t want[] = {4, 0, 0, 12, 0, 0, 0, 0, 0, 1, 0x02, 0x03, 0, 0, 0x12, 0x34};
    uint8_t out[32];
    (void)state;
    assert_int_equal(frame_put_ack(out, &(struct frame_ack){.bytes = 0x10203, .clock_us = 0x1234}), sizeof want);
    assert_memory_equal(out, want, sizeof want);
}

static void every_truncation_is_refused_without_overreading(void **state)
{
    uint8_t out[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    struct guard guard;
    (void)state;
    guard_init(&guard, sizeof out);
    size_t len = frame_put_welcome(out, &(struct frame_welcome){.version = 1, .dns_count = 4, .lease = 0x0a010002});
    for (size_t cut = 0; cut <= len - FRAME_HEADER_LEN; cut++) {
        struct frame_welcome w;
        bool whole = cut >= len - FRAME_HEADER_LEN - 4; /* older servers say nothing of a lease */
        assert_true(frame_get_welcome(guard_place(&guard, out + 4, cut), cut, &w) == whole);
        if (whole)
            assert_int_equal(w.lease, cut == len - FRAME_HEADER_LEN ? 0x0a010002 : 0);
    }
    len = frame_put_hello(out, &(struct frame_hello){.version = 1});
    for (size_t cut = 0; cut < len - FRAME_HEADER_LEN; cut++) {
        struct frame_hello h;
        assert_false(frame_get_hello(guard_place(&guard, out + 4, cut), cut, &h));
    }
    len = frame_put_node(out, &(struct frame_node){.version = 1, .from = 2, .to = 3, .name = "attic"});
    for (size_t cut = 0; cut <= len - FRAME_HEADER_LEN; cut++) {
        struct frame_node n;
        assert_true(frame_get_node(guard_place(&guard, out + 4, cut), cut, &n) == (cut == len - FRAME_HEADER_LEN));
    }
    for (size_t cut = 0; cut < 12; cut++) {
        struct frame_ack a;
        uint64_t opaque;
        struct frame_bye b;
        uint8_t *p = guard_place(&guard, out, cut);
        assert_false(frame_get_ack(p, cut, &a));
        assert_true(frame_get_ping(p, cut, &opaque) == (cut >= 8));
        assert_true(frame_get_bye(p, cut, &b) == (cut >= 2));
    }
    guard_done(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_survive_any_cutting),
        cmocka_unit_test(impossible_lengths_end_the_stream),
        cmocka_unit_test(an_error_from_the_callback_stops_reading),
        cmocka_unit_test(packets_are_announced_before_they_come),
        cmocka_unit_test(control_frames_round_trip),
        cmocka_unit_test(what_datagrams_add_looks_as_documented),
        cmocka_unit_test(an_ack_looks_as_documented),
        cmocka_unit_test(every_truncation_is_refused_without_overreading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
