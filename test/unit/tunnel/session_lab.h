/* test/unit/tunnel/session_lab.h - paths and sessions with two ends, a fake clock and wires that are just function calls */
#ifndef TETHER_TEST_SESSION_LAB_H
#define TETHER_TEST_SESSION_LAB_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "build.h"
#include "tether/packet.h"
#include "tunnel/session.h"

enum { SECOND = 1000000 };

/* One end of a path: what it sends is kept until the test carries it over. */
struct end {
    struct path path;
    uint8_t wire[1 << 20];
    size_t wire_len, messages;
    bool congested;
    int send_fails;
    struct offload offload;      /* of the last packet */
    uint8_t packet[IP4_MAX_LEN];
    size_t packets, packet_bytes, hellos, welcomes, activates, byes, nodes;
};

static inline int end_send(void *ctx, const uint8_t *data, size_t len)
{
    struct end *e = ctx;
    if (e->send_fails)
        return e->send_fails;
    assert_true(len <= sizeof e->wire - e->wire_len);
    memcpy(e->wire + e->wire_len, data, len);
    e->wire_len += len;
    e->messages++;
    return 0;
}
static inline bool end_congested(void *ctx)
{
    return ((struct end *)ctx)->congested;
}
static inline int end_packet(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct end *e = ctx;
    e->packets++;
    if (offload != NULL)
        e->offload = *offload;
    memcpy(e->packet, packet, len);
    e->packet_bytes += len;
    return 0;
}
static inline int end_hello(void *ctx, const struct frame_hello *hello)
{
    struct end *e = ctx;
    (void)hello;
    e->hellos++;
    e->path.up = true;
    return 0;
}
static inline int end_welcome(void *ctx, const struct frame_welcome *welcome)
{
    (void)welcome;
    ((struct end *)ctx)->welcomes++;
    return 0;
}
static inline int end_activate(void *ctx)
{
    ((struct end *)ctx)->activates++;
    return 0;
}
static inline int end_bye(void *ctx, const struct frame_bye *bye)
{
    (void)bye;
    ((struct end *)ctx)->byes++;
    return 0;
}
static inline int end_node(void *ctx, const struct frame_node *node)
{
    (void)node;
    ((struct end *)ctx)->nodes++;
    return 0;
}
static const struct path_ops end_ops = {end_send,    end_congested, end_packet, end_hello,
                                        end_welcome, end_activate,  end_bye,    end_node,
                                        NULL,        NULL,         NULL,      NULL};

static inline struct end *end_new(bool plain, bool up)
{
    struct end *e = calloc(1, sizeof *e);
    if (e == NULL || path_init(&e->path, plain, &end_ops, e, SECOND) < 0)
        abort();
    e->path.up = up;
    return e;
}
static inline void end_free(struct end *e)
{
    path_done(&e->path);
    free(e);
}
static inline int carry(struct end *from, struct end *to, uint64_t now_us)
{
    size_t len = from->wire_len;
    from->wire_len = 0;
    return path_receive(&to->path, from->wire, len, now_us);
}

struct fixture {
    struct pbuf_pool *pool;
    struct session s;
};
static inline void fixture_init(struct fixture *f)
{
    uint8_t token[FRAME_TOKEN_LEN] = {1};
    if (pbuf_pool_new(8 << 20, &f->pool) < 0)
        abort();
    session_init(&f->s, 1, token, f->pool, SECOND);
}
static inline void fixture_done(struct fixture *f)
{
    session_done(&f->s);
    assert_int_equal(pbuf_pool_lent(f->pool), 0);
    pbuf_pool_free(f->pool);
}
static inline void give_one(struct fixture *f, size_t len, uint8_t protocol, uint64_t now_us)
{
    struct pbuf *b = pbuf_get(f->pool, len);
    assert_non_null(b);
    memset(b->data, 0x45, len); /* as TCP it has no SYN */
    b->data[9] = protocol;
    b->len = (uint32_t)len;
    session_send(&f->s, b, now_us);
}

static inline void give(struct fixture *f, size_t count, size_t len, uint64_t now_us)
{
    for (size_t i = 0; i < count; i++)
        give_one(f, len, 6, now_us);
}

#endif
