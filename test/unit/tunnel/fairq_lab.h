/*
 * test/unit/tunnel/fairq_lab.h - a fair queue with its pool, and packets to push and take
 *
 * What is taken is checked each time: as long as was promised, whole, its checksums right.
 */
#ifndef TETHER_TEST_FAIRQ_LAB_H
#define TETHER_TEST_FAIRQ_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "build.h"
#include "tether/packet.h"
#include "tunnel/fairq.h"

enum { SECOND = 1000000 };

struct fix {
    struct pbuf_pool *pool;
    struct fairq q;
    uint8_t out[70000];
    struct offload offload;
};

static inline void start(struct fix *f, size_t held_max)
{
    assert_int_equal(pbuf_pool_new(64 << 20, &f->pool), 0);
    fairq_init(&f->q, f->pool, held_max, 10 * SECOND, (struct siphash_key){3, 5});
}

static inline void finish(struct fix *f)
{
    fairq_done(&f->q);
    assert_int_equal(f->q.held, 0);
    assert_int_equal(f->q.bytes, 0);
    assert_int_equal(f->q.packets, 0);
    assert_int_equal(pbuf_pool_lent(f->pool), 0);
    pbuf_pool_free(f->pool);
}

/* @param seg_len 0: one packet */
static inline struct pbuf *packet_of(struct fix *f, const struct build *b, uint16_t seg_len)
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

static inline bool push(struct fix *f, const struct build *b, uint16_t seg_len, uint64_t now_us)
{
    return fairq_push(&f->q, packet_of(f, b, seg_len), now_us);
}

static inline void push_as(struct fix *f, uint32_t flow, const struct build *b, uint64_t now_us)
{
    assert_true(fairq_push_as(&f->q, flow, packet_of(f, b, 0), now_us));
}

static inline struct build udp(uint16_t port, size_t payload)
{
    return (struct build){.proto = 17, .src_port = port, .dst_port = 9, .payload_len = payload};
}

static inline struct build large_tcp(uint16_t port, size_t payload)
{
    return (struct build){.proto = 6, .src_port = port, .dst_port = 80, .flags = TCP_ACK, .payload_len = payload, .partial_csum = true};
}

static inline size_t take(struct fix *f, size_t piece_max, uint64_t now_us)
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

static inline uint16_t port_of(const struct fix *f)
{
    return build_get16(f->out + 20);
}

#endif
