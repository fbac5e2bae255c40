/*
 * test/io/ws_lab.h - a websocket server under test with one accepted and one connected end, and what they heard
 */
#ifndef TETHER_TEST_WS_LAB_H
#define TETHER_TEST_WS_LAB_H

#include "net_lab.h"

struct end {
    struct ws *ws;
    int opened, closed, code, messages, drained;
    enum ws_opcode opcode;
    char reason[128];
    size_t have;
    uint8_t *got; /* LAB_BUF */
    bool echo, close_on_data, send_on_close;
};

struct lab {
    struct io_loop *loop;
    struct http_server *server;
    uint16_t port;
    struct end in; /* the accepted one */
    struct end out; /* the connected one */
    int listener;
};

static inline void on_open(void *ctx)
{
    ((struct end *)ctx)->opened++;
}

static inline void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct end *e = ctx;
    assert_int_equal(e->closed, 0);
    assert_true(e->have + len <= LAB_BUF);
    memcpy(e->got + e->have, data, len);
    e->have += len;
    e->opcode = opcode;
    if (e->close_on_data) {
        ws_close(e->ws, 4001, "enough");
        assert_int_equal(ws_send(e->ws, WS_BINARY, data, len), -EPIPE);
    }
    if (!fin)
        return;
    e->messages++;
    if (e->echo) {
        ws_send(e->ws, opcode, e->got, e->have);
        e->have = 0;
    }
}

static inline void on_drained(void *ctx)
{
    ((struct end *)ctx)->drained++;
}

static inline void on_closed(void *ctx, int code, const char *reason)
{
    struct end *e = ctx;
    e->closed++;
    e->code = code;
    snprintf(e->reason, sizeof e->reason, "%s", reason);
    assert_true(reason[0] != '\0'); /* in words, always */
    if (e->send_on_close)
        ws_close(e->ws, 1000, "again");
}

static const struct ws_events events = {.open = on_open, .data = on_data, .drained = on_drained, .closed = on_closed};

static inline bool takes_websocket(void *ctx, const char *path)
{
    (void)ctx, (void)path;
    return true;
}

static inline void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct lab *lab = ctx;
    (void)path;
    lab->in.ws = ws;
    ws_listen(ws, &events, &lab->in);
}

static const struct http_handlers handlers = {.takes_websocket = takes_websocket, .websocket = on_websocket};

static inline int set_up(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    lab->in.got = malloc(LAB_BUF);
    lab->out.got = malloc(LAB_BUF);
    lab->listener = -1;
    assert_int_equal(io_loop_new(&lab->loop), 0);
    assert_int_equal(http_server_open(lab->loop, "127.0.0.1", 0, &handlers, lab, &lab->server, NULL), 0);
    lab->port = http_server_port(lab->server);
    *state = lab;
    return 0;
}

static inline int tear_down(void **state)
{
    struct lab *lab = *state;
    http_server_close(lab->server);
    assert_int_equal(io_loop_free(lab->loop), 0);
    if (lab->listener >= 0)
        close(lab->listener);
    free(lab->in.got);
    free(lab->out.got);
    free(lab);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
