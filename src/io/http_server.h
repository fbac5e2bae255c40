/*
 * io/http_server.h - a small HTTP/1.1 server: the embedded page, a little JSON, and websocket upgrades
 *
 * Bounded everywhere: head size, connections, idle time. Bodies of requests are not read. GET and HEAD only.
 */
#ifndef TETHER_IO_HTTP_SERVER_H
#define TETHER_IO_HTTP_SERVER_H

#include "io/ws.h"

struct http_server;
struct stream_tls;

struct http_handlers {
    /** Does this path (query stripped) take websockets, now? If not, the peer gets 404. May be NULL: none does. */
    bool (*takes_websocket)(void *ctx, const char *path);
    /** Somebody upgraded there: call ws_listen() at once. */
    void (*websocket)(void *ctx, const char *path, struct ws *ws);
    /**
     * A GET for something that is not an embedded file: write a JSON document into buf.
     * @return its length, or -1: no such thing (404). May be NULL.
     */
    int (*json)(void *ctx, const char *path, char *buf, size_t cap);
    /** Serve the embedded page as well as the above. */
    bool page;
};

/**
 * @param addr  IPv4 or IPv6 address text @param port 0 lets the kernel choose
 * @param err   names the address and who may hold it ("port 8080 on 0.0.0.0 is in use; --port chooses another")
 */
int http_server_open(struct io_loop *loop, const char *addr, uint16_t port, const struct http_handlers *handlers,
                     void *ctx, struct http_server **ret_server, struct err *err);
/** Speak TLS with whom it accepts from now on. tls is borrowed until the loop is freed. */
void http_server_secure(struct http_server *server, struct stream_tls *tls);
/** The port it got. */
uint16_t http_server_port(const struct http_server *server);
/** Stop accepting and close what is open; websockets belong to whom they were given. NULL is fine. */
void http_server_close(struct http_server *server);

#endif
