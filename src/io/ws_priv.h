/*
 * io/ws_priv.h - inside of a websocket: its life (ws.c), whether the other side is there (ws_alive.c), what goes out (ws_out.c), what comes
 * in (ws_in.c), a second way out (ws_feed.c), becoming open (ws_dial.c, ws_client.c), and being handed over by the HTTP server (http_conn.c)
 *
 * One thing in seven files that call each other: each owns a part of struct ws, and any part may find that it ends.
 */
#ifndef TETHER_IO_WS_PRIV_H
#define TETHER_IO_WS_PRIV_H

#include <uv.h>
#include <wslay/wslay.h>

#include "base/list.h"
#include "http/feed.h"
#include "http/upgrade.h"
#include "io/congestion.h"
#include "io/names.h"
#include "io/proxy.h"
#include "io/stream.h"
#include "io/ws.h"

enum {
    WS_HEADER_MAX = 14,                    /* RFC 6455 section 5.2 */
    WS_FRAME_MAX = 16 * 1024 * 1024,       /* of one incoming frame; payload is handed on as it comes, so it costs no memory */
    WS_BACKLOG_MAX = 8 * 1024 * 1024,      /* ws_send() refuses above it */
    WS_HIGH_WATER = 512 * 1024,
    WS_FEEDS_MAX = 128, /* of one HTTP server, each a descriptor more; who comes later stays with messages */
};

enum ws_state { WS_CONNECTING, WS_OPEN, WS_CLOSING, WS_CLOSED };

struct ws_block;

/** Only while the websocket is being opened; freed when both requests are over. */
struct ws_connecting {
    struct ws *ws; /* NULL once it was given up */
    struct ws_url url;
    struct ws_way way;
    struct names_request *asking; /* NULL: answered, or given up */
    struct names found;
    size_t next;             /* of found: not tried yet */
    uv_connect_t connect[2]; /* of the address being tried, and of the one before while it is cancelled */
    unsigned tried;
    int pending; /* libuv requests that still refer to this */
    uint64_t give_up_ms;
    char key[HTTP_WS_KEY_LEN + 1];
    size_t have;
    char buf[HTTP_HEAD_MAX];
};

/** What goes out on one stream: bytes that wait for the kernel, in blocks; one is being written at a time. */
struct ws_out {
    struct ws *ws;
    struct stream *stream;         /* NULL: gone */
    struct ws_block *flying;       /* libuv has it */
    struct ws_block *first, *last; /* behind it; only the last has room */
    size_t bytes;                  /* in first..last */
    bool was_high;
    bool corked;                   /* wait for more */
    struct congestion congestion;
};

/** Randomness in stock: masking keys of frames to come. */
struct ws_masks {
    uint8_t bytes[128];
    size_t left; /* not used yet, from the front */
};

enum ws_feed_state {
    WS_FEED_NONE,
    WS_FEED_OFFERED,  /* its page may ask for it */
    WS_FEED_ANSWERED, /* and did; whether anything arrives is not known */
    WS_FEED_USED,     /* all that is sent goes there */
    WS_FEED_LOST,     /* it went there, and broke: the websocket ends, and nothing can be sent any more */
};

/** The body of an HTTP answer that takes what is sent. */
struct ws_feed {
    enum ws_feed_state state;
    char token[HTTP_FEED_TOKEN_LEN + 1];
    struct list *feeds; /* the HTTP server's; NULL: the peer gave no token */
    struct list_link link;
    bool listed;
    struct stream *stream; /* ours to close; NULL: none, or closed */
    struct ws_out out;
    size_t heard; /* of the page's word */
    bool shut;
};

/** Where in a frame the incoming stream is. */
struct ws_in {
    uint8_t head[WS_HEADER_MAX];
    size_t head_have;
    uint64_t left;       /* payload bytes of the frame still to come */
    bool bypass;         /* which do not go through wslay */
    uint8_t mask[4];     /* turned so that the next byte takes mask[0]; zero when unmasked */
    const uint8_t *fed;  /* what wslay may take now */
    size_t fed_len;
    bool accepted;       /* wslay has let the frame pass */
    bool control, fin, empty;
    uint64_t wslay_left; /* payload bytes that wslay has still to hand out */
    enum ws_opcode opcode; /* of the message */
    uint64_t heard_ms;
};

struct ws {
    struct io_loop *loop;
    struct stream *stream; /* ours to close */
    uv_timer_t timer; /* connecting and closing: the bound; open: keepalive */
    int open_handles;
    enum ws_state state;
    bool server, paused, pinged, shut;
    const struct ws_events *events;
    void *ctx;
    wslay_event_context_ptr wslay;
    struct ws_out out;
    struct ws_feed feed;
    struct ws_masks masks;
    struct ws_in in;
    uint32_t ping_ms, dead_ms; /* silence after which it is asked for a sign of life, and given up */
    int close_code; /* the first cause; 0: none yet */
    char close_reason[128];
    char peer[320];
    struct ws_connecting *connecting;
};

/* ws.c */

/** Allocate. @return NULL without memory; then the stream stays the caller's */
struct ws *ws_alloc(struct io_loop *loop, struct stream *take_stream, bool server);
/** Take over an accepted connection whose 101 was sent. @return NULL without memory; then the stream stays the caller's */
struct ws *ws_adopt(struct io_loop *loop, struct stream *take_stream);
/** Begin to read; first what came together with the handshake (unmasked in place). */
void ws_start(struct ws *ws, char *early, size_t early_len);
/** Close at once and report by closed(): this code and reason, or those of the first cause. */
void ws_finish(struct ws *ws, int code, const char *reason);
/** Remember why it ends, unless that is known already. */
void ws_set_cause(struct ws *ws, int code, const char *reason);
/** Neither side will say more: wait, not for long, until everything is written and the peer is gone. */
void ws_begin_closing(struct ws *ws);
/** Finish when both close frames are exchanged and ours is written. */
void ws_check_closed(struct ws *ws);
/** TCP_NODELAY and a short queue in the kernel, so that waiting data stays with us, where it can be counted. */
void ws_tune_tcp(uv_tcp_t *tcp);
/** "address:port" of the peer. */
void ws_name_peer(const uv_tcp_t *tcp, char *buf, size_t cap);
/** One of its handles is closed; with the last one it goes. */
void ws_handle_closed_cb(uv_handle_t *handle);
/** libuv allocation callback: the loop's shared read buffer. */
void ws_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf);

/* ws_alive.c */

/** Times that fit most; ws_keepalive() sets others. */
void ws_alive_init(struct ws *ws);
/** It is open: watch over it with its timer. */
void ws_alive_start(struct ws *ws);

/* ws_out.c */

/** Send bytes as they are: now what the kernel takes, the rest later. @return 0; -ENOBUFS, -ENOMEM: nothing was sent */
int ws_out_put(struct ws_out *out, const uint8_t *head, size_t head_len, const uint8_t *body, size_t body_len);
/** Bytes put there that the kernel has not taken. */
size_t ws_out_backlog(const struct ws_out *out);
void ws_out_free(struct ws_out *out);
/** Go out on this stream from now on, and hear of what it took but could not pass on. */
void ws_out_use(struct ws *ws, struct ws_out *out, struct stream *stream);

/* ws_feed.c */

/** The peer gave a token; whether it may have a feed is ws_allow_feed()'s to say. @param feeds where it is found then */
void ws_feed_offer(struct ws *ws, const char *token, struct list *feeds);
/** @return who waits to be asked with this token; NULL: nobody, or there are too many feeds */
struct ws *ws_feed_find(const struct list *feeds, const char *token);
/** The list goes: nobody may ask any more. */
void ws_feed_forget_all(struct list *feeds);
/** The page asked: the head of the answer and the first bytes go there now. */
void ws_feed_answer(struct ws *ws, struct stream *take_stream);
/** A piece of a text message. @return true: it was the word that the first bytes came */
bool ws_feed_hear(struct ws *ws, const uint8_t *data, size_t len, bool fin);
/** As ws_send(), while it is used or lost. */
int ws_feed_send(struct ws *ws, const uint8_t *data, size_t len);
/** The stream cannot go on. */
void ws_feed_broken(struct ws *ws);
/** Nothing more will be sent: end it when all is written. */
void ws_feed_end(struct ws *ws);
/** The websocket is closed. */
void ws_feed_close(struct ws *ws);

/* ws_in.c */

/** @return 0 or -ENOMEM */
int ws_in_init(struct ws *ws);
/** Take bytes from the network; they are unmasked in place. */
void ws_in_feed(struct ws *ws, uint8_t *data, size_t len);
/** Send the control frames that wslay has ready. */
void ws_in_send_control(struct ws *ws);

/* ws_dial.c */

/** Begin to connect; ws_client_ready() or ws_finish() follows. */
void ws_dial(struct ws *ws);
/** Let go of what only connecting needs; requests still under way are freed when they end. */
void ws_connecting_abandon(struct ws *ws);
/** Reads into ws_connecting.buf. */
void ws_connecting_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf);

/* ws_client.c */

/** The stream to the server is there: begin the handshake. */
void ws_client_ready(struct ws *ws);
/** Sec-WebSocket-Accept for a key, by either side: 28 characters and NUL (RFC 6455 section 4.2.2). */
void ws_accept_value(const char *key, size_t key_len, char ret_value[HTTP_WS_ACCEPT_LEN + 1]);

#endif
