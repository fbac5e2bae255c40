/*
 * io/ws_priv.h - inside of a websocket, shared by ws.c (open ones), ws_client.c (becoming open) and the http server (handing one over)
 */
#ifndef TETHER_IO_WS_PRIV_H
#define TETHER_IO_WS_PRIV_H

#include <uv.h>
#include <wslay/wslay.h>

#include "io/ws.h"

enum ws_state { WS_CONNECTING, WS_OPEN, WS_CLOSING, WS_CLOSED };

struct ws {
    struct io_loop *loop;
    uv_tcp_t *tcp;    /* ours to close */
    uv_timer_t timer; /* connecting and closing: the bound; open: keepalive */
    int open_handles;
    enum ws_state state;
    bool server;
    const struct ws_events *events;
    void *ctx;

    wslay_event_context_ptr wslay;
    const uint8_t *in; /* bytes not yet taken by wslay */
    size_t in_len;
    enum ws_opcode opcode; /* of the message being received */
    bool control, frame_fin, frame_empty;
    uint64_t frame_left;
    bool was_high, paused, pinged;
    uint64_t heard_ms;
    uint8_t *masked; /* client side: scratch for one outgoing frame */
    size_t masked_cap;

    int close_code;
    char close_reason[128];
    char peer[64];
    struct ws_connecting *connecting;
};

/** Take over an accepted TCP connection whose 101 was sent. @param take_tcp heap memory, consumed also on failure */
struct ws *ws_adopt(struct io_loop *loop, uv_tcp_t *take_tcp);
/** Begin to read; first what came together with the request. */
void ws_start(struct ws *ws, const char *early, size_t early_len);
/** Close at once and report (code, reason) by closed(). */
void ws_finish(struct ws *ws, int code, const char *reason);
/** Allocate and initialise; tcp handle made too when NULL is given. */
struct ws *ws_alloc(struct io_loop *loop, uv_tcp_t *take_tcp, bool server);
/** TCP_NODELAY and a short queue in the kernel, so that waiting data stays with us, where it can be counted. */
void ws_tune_tcp(uv_tcp_t *tcp);
/** Let go of what only connecting needs; requests still under way are freed when they end. */
void ws_connecting_abandon(struct ws *ws);
/** "address:port" of the peer. */
void ws_name_peer(const uv_tcp_t *tcp, char *buf, size_t cap);
/** Sec-WebSocket-Accept for a key: 28 characters and NUL (RFC 6455 section 4.2.2). */
void ws_accept_value(const char *key, size_t key_len, char ret_value[29]);
/** libuv allocation callback: the shared read buffer. */
void ws_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf);

#endif
