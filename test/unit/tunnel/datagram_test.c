/* tunnel/datagram_test.c - heads of datagrams, there and back and cut off everywhere; packets made to fit */
#include "tunnel/datagram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "tether/packet.h"
#include "tunnel/path_datagram.h"

static void heads_there_and_back(void **state)
{
    static const uint8_t cookie[16] = "0123456789abcdef", proof[16] = "ABCDEFGHIJKLMNOP";
    static const uint8_t init[] = "\x01\x01\x02\x03\x04\x05\x06\x07\x08" "0123456789abcdefABCDEFGHIJKLMNOP";
    const uint64_t id = 0x0102030405060708;
    uint8_t out[DATAGRAM_INIT_LEN + 3];
    struct datagram d, head = {.type = DATAGRAM_INIT, .id = id, .cookie = cookie, .proof = proof};
    (void)state;
    assert_int_equal(datagram_put(out, &head), DATAGRAM_INIT_LEN);
    assert_memory_equal(out, init, DATAGRAM_INIT_LEN);
    memcpy(out + DATAGRAM_INIT_LEN, "xyz", 3);
    assert_int_equal(datagram_parse(out, sizeof out, &d), 0);
    assert_true(d.id == id);
    assert_memory_equal(d.cookie, cookie, 16);
    assert_memory_equal(d.proof, proof, 16);
    assert_int_equal(d.body_len, 3);
    assert_memory_equal(d.body, "xyz", 3);

    head = (struct datagram){.type = DATAGRAM_ANSWER, .id = id, .server_id = 9};
    assert_int_equal(datagram_put(out, &head), DATAGRAM_ANSWER_LEN);
    assert_int_equal(datagram_parse(out, DATAGRAM_ANSWER_LEN, &d), 0);
    assert_true(d.server_id == 9 && d.body_len == 0 && d.cookie == NULL);

    head = (struct datagram){.type = DATAGRAM_REFUSED, .id = id, .reason = DATAGRAM_BUSY};
    assert_int_equal(datagram_put(out, &head), DATAGRAM_REFUSED_LEN);
    assert_int_equal(datagram_parse(out, DATAGRAM_REFUSED_LEN, &d), 0);
    assert_int_equal(d.reason, DATAGRAM_BUSY);
    head = (struct datagram){.type = DATAGRAM_DATA, .id = id};
    assert_int_equal(datagram_put(out, &head), DATAGRAM_HEAD_LEN);
}

static void answers_to_strangers_are_shorter_than_questions(void **state)
{
    (void)state;
    assert_true(DATAGRAM_RETRY_LEN < DATAGRAM_INIT_LEN && DATAGRAM_REFUSED_LEN < DATAGRAM_INIT_LEN);
}

static void every_truncation_is_refused(void **state)
{
    static const size_t whole[] = {0, DATAGRAM_INIT_LEN, DATAGRAM_RETRY_LEN, DATAGRAM_ANSWER_LEN, DATAGRAM_HEAD_LEN, DATAGRAM_REFUSED_LEN};
    struct datagram d;
    uint8_t bytes[64] = {0};
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        bytes[0] = (uint8_t)type;
        for (size_t len = 0; len <= DATAGRAM_INIT_LEN; len++) {
            bool good = type >= 1 && type <= 5 && len >= whole[type];
            assert_int_equal(datagram_parse(bytes, len, &d), good ? 0 : -EBADMSG);
        }
    }
}

/* --- packets made to fit --- */

enum { WIRES = 32 }; /* datagrams and packets that are kept */

struct lab {
    struct path path;
    struct pbuf_pool *pool;
    struct fairq queue;
    size_t frames, bytes, largest;
    uint32_t next_seq;
    size_t too_big, too_big_mtu;
    size_t counted, acks_alone, acks_riding;
    struct frame_ack ack; /* the last one */
    uint8_t wire[WIRES][1500];
    size_t wire_len[WIRES];
    int refuse;           /* what packets that come are answered with */
    size_t received, got_len[WIRES];
    struct offload got[WIRES];
    uint8_t last[IP4_MAX_LEN];
};

static int on_send(void *ctx, const uint8_t *data, size_t len)
{
    struct lab *lab = ctx;
    struct ip4_view v;
    uint8_t copy[1500];
    assert_true(len <= pmtu_message(&lab->path.pmtu));
    if (data[0] == FRAME_ACK) {
        assert_int_equal(len, FRAME_HEADER_LEN + 20);
        assert_true(frame_get_ack(data + FRAME_HEADER_LEN, 20, &lab->ack));
        lab->acks_alone++;
        return 0;
    }
    assert_int_equal(data[0], FRAME_NUMBERED);
    size_t frame_len = FRAME_HEADER_LEN + get_be24(data + 1);
    assert_true(frame_len <= len);
    if (frame_len < len) {
        assert_int_equal(len - frame_len, FRAME_HEADER_LEN + 20);
        assert_true(frame_get_ack(data + frame_len + FRAME_HEADER_LEN, 20, &lab->ack));
        lab->acks_riding++;
    }
    lab->counted += frame_len + FRAME_AROUND;
    assert_int_equal(get_be32(data + 4), lab->counted);
    memcpy(copy, data + 8, frame_len - 8);
    assert_int_equal(ip4_parse(copy, frame_len - 8, &v), DROP_NONE);
    if (!ip4_is_fragment(&v))
        assert_true(ip4_l4_csum_ok(&v));
    if (v.proto == IP_PROTO_TCP) {
        assert_int_equal(get_be32(v.l4 + 4), lab->next_seq);
        lab->next_seq += (uint32_t)(v.l4_len - v.l4_header_len);
    }
    lab->bytes += v.l4_len - (v.proto == IP_PROTO_TCP ? v.l4_header_len : 0);
    if (lab->frames < WIRES) {
        memcpy(lab->wire[lab->frames], data, len);
        lab->wire_len[lab->frames] = len;
    }
    lab->frames++;
    lab->largest = len > lab->largest ? len : lab->largest;
    return 0;
}

static bool on_congested(void *ctx)
{
    (void)ctx;
    return false;
}

static void on_too_big(void *ctx, uint8_t *packet, size_t len, size_t mtu)
{
    struct lab *lab = ctx;
    (void)packet, (void)len;
    lab->too_big++;
    lab->too_big_mtu = mtu;
}

static int on_packet(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct lab *lab = ctx;
    if (lab->received < WIRES) {
        lab->got_len[lab->received] = len;
        lab->got[lab->received] = *offload;
    }
    memcpy(lab->last, packet, len);
    lab->received++;
    return lab->refuse;
}

static const struct path_ops ops = {.send = on_send, .congested = on_congested, .too_big = on_too_big, .packet = on_packet};

static void begin(struct lab *lab)
{
    *lab = (struct lab){.next_seq = 1000};
    assert_int_equal(pbuf_pool_new(1 << 20, &lab->pool), 0);
    fairq_init(&lab->queue, lab->pool, 1 << 20, 1000000, (struct siphash_key){0});
    assert_int_equal(path_init(&lab->path, false, &ops, lab, 1), 0);
    path_datagram_init(&lab->path, 66);
    lab->path.up = true;
    lab->path.pmtu.round = 1;
    lab->path.pmtu.settled = true;
}

static void end(struct lab *lab)
{
    fairq_done(&lab->queue);
    path_done(&lab->path);
    pbuf_pool_free(lab->pool);
}

static void send_one(struct lab *lab, uint8_t proto, size_t payload, bool dont_frag, struct offload offload)
{
    size_t header = proto == IP_PROTO_TCP ? 20 : 8, len = 20 + header + payload;
    struct pbuf *b = pbuf_get(lab->pool, len);
    struct ip4_view v;
    memset(b->data, 0, 20 + header);
    for (size_t i = 20 + header; i < len; i++)
        b->data[i] = (uint8_t)(7 * i);
    b->data[0] = 0x45;
    put_be16(b->data + 2, (uint32_t)len);
    put_be16(b->data + 6, dont_frag ? 0x4000 : 0);
    b->data[8] = 64;
    b->data[9] = proto;
    put_be32(b->data + 12, 0x0a000001);
    put_be32(b->data + 16, 0xc0000201);
    if (proto == IP_PROTO_TCP) {
        put_be32(b->data + 24, 1000);
        b->data[32] = 0x50;
        b->data[33] = TCP_ACK;
    } else {
        put_be16(b->data + 24, (uint32_t)(8 + payload));
    }
    b->len = (uint32_t)len;
    b->offload = offload;
    ip4_set_header_csum(b->data, 20);
    assert_int_equal(ip4_parse(b->data, len, &v), DROP_NONE);
    if (offload.partial)
        ip4_set_partial(&v);
    else
        ip4_set_l4_csum(&v);
    fairq_push(&lab->queue, b, 2);
    path_flush(&lab->path, &lab->queue, 3);
}

static void tcp_is_cut_to_what_fits(void **state)
{
    static const struct {
        size_t payload;
        struct offload offload;
        size_t frames;
    } cases[] = {{1, {0}, 1}, {1086, {0}, 1}, {1087, {0}, 2}, {1460, {0}, 2}, {14600, {.seg_len = 1460, .partial = true}, 15},
                 {5000, {.seg_len = 500, .partial = true}, 10}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab lab;
        begin(&lab);
        send_one(&lab, IP_PROTO_TCP, cases[i].payload, true, cases[i].offload);
        assert_int_equal(lab.bytes, cases[i].payload);
        assert_int_equal(lab.frames, cases[i].frames);
        end(&lab);
    }
}

static void udp_is_fragmented_or_refused(void **state)
{
    struct lab lab;
    (void)state;
    begin(&lab);
    send_one(&lab, IP_PROTO_UDP, 1400, false, (struct offload){.partial = true});
    assert_int_equal(lab.frames, 2);
    assert_int_equal(lab.bytes, 1408);
    send_one(&lab, IP_PROTO_UDP, 1400, true, (struct offload){0});
    assert_int_equal(lab.frames, 2);
    assert_int_equal(lab.too_big, 1);
    assert_int_equal(lab.too_big_mtu, 1200 - 66 - FRAME_HEADER_LEN - FRAME_NUMBER_LEN);
    end(&lab);
}

/* What a datagram of the far end brings. @return path_receive()'s */
static int receive(struct lab *lab, enum frame_type type, uint32_t position, uint64_t now_us)
{
    uint8_t datagram[FRAME_HEADER_LEN + 104] = {0};
    frame_put_header(datagram, type, 104);
    put_be32(datagram + 4, position);
    return path_receive(&lab->path, datagram, sizeof datagram, now_us);
}

static void what_arrives_is_acknowledged_with_data_or_in_time(void **state)
{
    const uint32_t each = FRAME_HEADER_LEN + 104 + FRAME_AROUND;
    struct lab lab;
    (void)state;
    begin(&lab);
    assert_int_equal(receive(&lab, FRAME_NUMBERED, each, 1000), 0);
    assert_int_equal(receive(&lab, FRAME_NUMBERED, 3 * each, 1100), 0); /* the second one is lost */
    path_flush(&lab.path, NULL, 1200);
    assert_int_equal(lab.acks_alone, 0);
    assert_true(path_due_us(&lab.path, NULL) == 1000 + ACKER_WAIT_US);
    send_one(&lab, IP_PROTO_UDP, 100, false, (struct offload){0});
    assert_int_equal(lab.acks_riding, 1);
    assert_true(lab.ack.bytes == 2 * each && lab.ack.newest == 3 * each && lab.ack.clock_us == 1100);
    assert_true(path_due_us(&lab.path, NULL) == UINT64_MAX);

    assert_int_equal(receive(&lab, FRAME_NUMBERED, 4 * each, 2000), 0);
    send_one(&lab, IP_PROTO_UDP, 1094, false, (struct offload){0}); /* no room behind it */
    assert_int_equal(lab.acks_riding, 1);
    path_flush(&lab.path, NULL, 2000 + ACKER_WAIT_US);
    assert_int_equal(lab.acks_alone, 1);
    assert_true(lab.ack.bytes == 3 * each && lab.ack.newest == 4 * each);
    assert_int_equal(path_datagram_settle(&lab.path), 0);
    assert_int_equal(lab.received, 3);
    end(&lab);
}

/* What one end sent comes to the other. @return the first answer that is not 0 */
static int carry(struct lab *from, struct lab *to)
{
    int stop = 0;
    for (size_t i = 0; i < from->frames && stop == 0; i++)
        stop = path_receive(&to->path, from->wire[i], from->wire_len[i], 1000 + i);
    return stop;
}

/* The queue gives it in three pieces, each of which is cut to fit: into six, six and three. */
static void what_was_cut_to_fit_arrives_as_one(void **state)
{
    struct lab a, b;
    struct ip4_view v;
    (void)state;
    begin(&a);
    begin(&b);
    send_one(&a, IP_PROTO_TCP, 14600, true, (struct offload){.seg_len = 1460, .partial = true});
    assert_int_equal(a.frames, 15);
    assert_int_equal(carry(&a, &b), 0);
    assert_int_equal(b.received, 2); /* the third may go on */
    assert_int_equal(path_datagram_settle(&b.path), 0);
    assert_int_equal(b.received, 3);
    assert_true(b.got_len[0] == 40 + 4 * 1460 && b.got_len[1] == 40 + 4 * 1460 && b.got_len[2] == 40 + 2 * 1460);
    for (size_t i = 0; i < 3; i++)
        assert_true(b.got[i].seg_len == 1086 && b.got[i].partial);
    assert_int_equal(ip4_parse(b.last, b.got_len[2], &v), DROP_NONE);
    assert_int_equal(get_be32(v.l4 + 4), 1000 + 8 * 1460);
    v.partial = true;
    assert_true(ip4_l4_csum_ok(&v));
    for (size_t i = 0; i < 2 * 1460; i++)
        assert_int_equal(v.l4[20 + i], (uint8_t)(7 * (40 + 8 * 1460 + i)));
    assert_true(b.path.received_packets == 15);
    assert_int_equal(path_datagram_settle(&b.path), 0);
    assert_int_equal(b.received, 3); /* nothing is handed on twice */
    end(&a);
    end(&b);
}

static void order_is_kept_and_a_refusal_ends_the_path(void **state)
{
    struct lab a, b;
    (void)state;
    begin(&a);
    begin(&b);
    send_one(&a, IP_PROTO_TCP, 1000, true, (struct offload){0});
    send_one(&a, IP_PROTO_UDP, 200, true, (struct offload){0});
    send_one(&a, IP_PROTO_UDP, 200, true, (struct offload){0});
    send_one(&a, IP_PROTO_UDP, 300, true, (struct offload){0});
    assert_int_equal(a.frames, 4);
    assert_int_equal(carry(&a, &b), 0);
    assert_int_equal(path_datagram_settle(&b.path), 0);
    assert_int_equal(b.received, 3);
    assert_true(b.got_len[0] == 1040 && b.got[0].seg_len == 0);
    assert_true(b.got_len[1] == 428 && b.got[1].seg_len == 200 && b.got[1].partial);
    assert_true(b.got_len[2] == 328 && b.got[2].seg_len == 0 && !b.got[2].partial);
    b.refuse = -EPROTO;
    assert_int_equal(carry(&a, &b), -EPROTO); /* the first is handed on when the second comes, */
    assert_int_equal(b.received, 4);          /* which then goes nowhere */
    end(&a);
    end(&b);
}

static void without_memory_each_is_handed_on_by_itself(void **state)
{
    struct lab a, b;
    (void)state;
    begin(&a);
    begin(&b);
    free(b.path.row);
    b.path.row = NULL;
    send_one(&a, IP_PROTO_TCP, 5000, true, (struct offload){.seg_len = 500, .partial = true});
    assert_int_equal(carry(&a, &b), 0);
    assert_int_equal(b.received, 10);
    assert_true(b.got[9].seg_len == 0 && b.got_len[9] == 540);
    end(&a);
    end(&b);
}

static void a_full_window_holds_datagrams_back(void **state)
{
    uint8_t ack[FRAME_HEADER_LEN + 20];
    struct lab lab;
    (void)state;
    begin(&lab);
    for (int i = 0; i < 30; i++)
        send_one(&lab, IP_PROTO_UDP, 972, false, (struct offload){0});
    assert_in_range(lab.counted, WINDOW_INITIAL, WINDOW_INITIAL + 1200);
    size_t before = lab.frames;
    size_t len = frame_put_ack(ack, &(struct frame_ack){.bytes = lab.counted / 2, .clock_us = 77, .newest = lab.counted});
    assert_int_equal(path_receive(&lab.path, ack, len, 50000), 0);
    path_flush(&lab.path, &lab.queue, 50000);
    assert_true(lab.frames > before && lab.queue.packets < 30 - before);
    end(&lab);
}

static void what_has_no_place_in_datagrams_ends_the_path(void **state)
{
    static const enum frame_type none[] = {FRAME_PACKET, FRAME_LARGE, FRAME_ETHER};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct lab lab;
        begin(&lab);
        assert_int_equal(receive(&lab, none[i], 0, 1000), -EPROTO);
        end(&lab);
    }
    struct lab lab;
    begin(&lab);
    lab.path.datagrams = false;
    assert_int_equal(receive(&lab, FRAME_NUMBERED, 0, 1000), -EPROTO);
    end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_there_and_back),
        cmocka_unit_test(answers_to_strangers_are_shorter_than_questions),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(tcp_is_cut_to_what_fits),
        cmocka_unit_test(udp_is_fragmented_or_refused),
        cmocka_unit_test(what_arrives_is_acknowledged_with_data_or_in_time),
        cmocka_unit_test(what_was_cut_to_fit_arrives_as_one),
        cmocka_unit_test(order_is_kept_and_a_refusal_ends_the_path),
        cmocka_unit_test(without_memory_each_is_handed_on_by_itself),
        cmocka_unit_test(a_full_window_holds_datagrams_back),
        cmocka_unit_test(what_has_no_place_in_datagrams_ends_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
