/*
 * io/ws.h - one websocket (RFC 6455), either end
 *
 * Payload is handed on in pieces as it arrives, never gathered: a browser may cut one message into many frames, and the
 * tunnel treats all of it as a stream of records anyway. Who needs whole messages gathers them (message.h).
 * An accepted socket sends unmasked and requires masked; a connected one the reverse.
 */
#ifndef TETHER_IO_WS_H
#define TETHER_IO_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct ws;
struct stream_tls;
struct proxy;
struct names;

enum ws_opcode { WS_TEXT = 1, WS_BINARY = 2 };

/** Close codes of our own (4000-4999 is for applications, RFC 6455 section 7.4.2); docs/PROTOCOL.md lists them. */
enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL = 1002,
    WS_CLOSE_ABNORMAL = 1006, /* never on the wire */
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_BUSY = 4001,       /* no room for another session */
    WS_CLOSE_WRONG_KEY = 4003,  /* the two ends do not share a key */
    WS_CLOSE_OTHER_LEG = 4004,  /* the relay's other websocket went away */
    WS_CLOSE_VERSION = 4005,    /* the ends speak different versions */
    WS_CLOSE_NO_KEY_SPOKEN = 4006, /* one side is --plain, the other is not */
    WS_CLOSE_LAYER = 4007,      /* one side runs with --tap, the other does not */
    WS_CLOSE_SAME_NODE = 4008,  /* a hub has this node behind another websocket already */
};

struct ws_events {
    /** The handshake is done (connected sockets only). */
    void (*open)(void *ctx);
    /** A piece of a message. fin: the last one. The bytes are borrowed. */
    void (*data)(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin);
    /** The backlog fell to half of ws_high_water() or less after having been above it; may be NULL. */
    void (*drained)(void *ctx);
    /** Always the last call, exactly once; ws is gone afterwards. reason is never NULL and borrowed. */
    void (*closed)(void *ctx, int code, const char *reason);
};

/** ws://host[:port][/path] or wss://…, split. */
struct ws_url {
    bool tls;
    char host[256];
    uint16_t port;
    char path[512];
};
/** @return 0, or -EINVAL with err naming the url and an example of a good one */
int ws_url_parse(const char *text, struct ws_url *ret_url, struct err *err);

/** How to get there, beside the address. All borrowed until closed(). */
struct ws_way {
    struct stream_tls *tls;    /**< whom to believe; NULL: only ws:// is possible */
    const struct proxy *proxy; /**< NULL or without a host: straight */
    const char *around;        /**< a device of ours that must not be used, or NULL */
    struct names *known;       /**< addresses as learnt last time, of the proxy if there is one; brought up to date; NULL: none */
};
/**
 * Connect. Failure to resolve or connect is reported through events->closed (code 1006 and a reason in words).
 *
 * @param way    NULL: the plain way
 * @param events borrowed until closed() @param ret_ws borrowed until closed()
 */
int ws_connect(struct io_loop *loop, const struct ws_url *url, const struct ws_way *way, const struct ws_events *events,
               void *ctx, struct ws **ret_ws, struct err *err);
/** Take over a socket that http_server accepted: set who hears of it. Must happen within the http callback. */
void ws_listen(struct ws *ws, const struct ws_events *events, void *ctx);

/**
 * Queue one message. The bytes are copied unless they leave at once.
 *
 * @return 0; -EPIPE after close; -ENOBUFS when the backlog is at its hard limit (the message is not sent, never cut)
 */
int ws_send(struct ws *ws, enum ws_opcode opcode, const uint8_t *data, size_t len);
/** Collect what is sent until ws_uncork(): many small messages then cost few system calls. */
void ws_cork(struct ws *ws);
void ws_uncork(struct ws *ws);
/**
 * What is sent may come to the peer as a stream of bytes without the messages' bounds, if the peer is a page that asks for it (ws_feed.c). Within
 * the http callback.
 */
void ws_allow_feed(struct ws *ws);
/** It does. */
bool ws_is_fed(const struct ws *ws);
/** How soon a silent peer is asked for a sign of life, and when it is given up; before ws_listen(). Default 20 s, 60 s. */
void ws_keepalive(struct ws *ws, uint32_t ping_ms, uint32_t dead_ms);
/** Bytes queued here that the kernel has not taken. */
size_t ws_backlog(const struct ws *ws);
/** Above this a well-behaved sender waits for drained(). */
size_t ws_high_water(void);
/** Stop and go on reading: a relay whose other leg is behind. What is already being handed out still comes. */
void ws_pause(struct ws *ws);
void ws_resume(struct ws *ws);
/** Start the closing handshake, bounded by a timer; closed() follows. Twice is harmless. */
void ws_close(struct ws *ws, int code, const char *reason);
/** "address:port" of the other side. */
const char *ws_peer(const struct ws *ws);

#endif
