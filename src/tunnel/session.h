/*
 * tunnel/session.h - one laptop's tunnel, which outlives its paths
 *
 * A session has a fair queue of packets for the far end and up to SESSION_PATHS_MAX paths, of which one is active: packets leave there
 * and are accepted from all. The laptop decides which: the newest path, and another one when that goes stale or
 * away. The server follows (HELLO, ACTIVATE, or packets on a path make it active). With no path at all packets wait, bounded, so a page that
 * reloads loses little and a second phone takes over.
 */
#ifndef TETHER_TUNNEL_SESSION_H
#define TETHER_TUNNEL_SESSION_H

#include "tunnel/path.h"

enum {
    SESSION_PATHS_MAX = 4,
    SESSION_QUEUE_BYTES = 4 * 1024 * 1024,
    SESSION_QUEUE_AGE_US = 10 * 1000 * 1000, /* TCP has retransmitted by then anyway */
};

struct session {
    uint32_t id;
    uint8_t token[FRAME_TOKEN_LEN];
    struct fairq queue;
    struct path *path[SESSION_PATHS_MAX];
    size_t path_count;
    struct path *active;
    uint16_t mtu;      /**< of the laptop's TUN; the server cuts larger TCP packets to it */
    bool plain;        /**< no token: recognised by where it comes from */
    char peer[64];     /**< address of its newest path */
    uint64_t detached_us; /**< when the last path left; meaningful while path_count is 0 */
    uint64_t sent_packets, sent_bytes, received_packets, received_bytes; /**< of paths that are gone */
};

void session_init(struct session *s, uint32_t id, const uint8_t token[FRAME_TOKEN_LEN], struct pbuf_pool *pool,
                  uint64_t now_us);
/** Before anything else: this session's packets are Ethernet frames. */
void session_carry_ether(struct session *s);
void session_done(struct session *s);
/** Add a path and make it active. @return the path that must be closed to make room, or NULL */
struct path *session_attach(struct session *s, struct path *path);
/** Remove a path (not attached: nothing happens); if it was active, the one heard last takes over. */
void session_detach(struct session *s, struct path *path, uint64_t now_us);
void session_activate(struct session *s, struct path *path);
/** Laptop only, about once a second: leave a stale path for a better one and tell the server. @return true: changed */
bool session_choose(struct session *s, uint64_t now_us);
/** Queue a packet. @param take_b consumed @return false: dropped */
bool session_send(struct session *s, struct pbuf *take_b, uint64_t now_us);
/** Send what may go now on the active path, and acknowledgements on all. */
void session_flush(struct session *s, uint64_t now_us);
/** When session_flush() has something to do by itself; UINT64_MAX: never. */
uint64_t session_due_us(const struct session *s);
/** Packets and bytes over all paths, past and present. */
void session_totals(const struct session *s, uint64_t *ret_sent_bytes, uint64_t *ret_received_bytes);

/** The server's sessions by token. */
struct session_table;
/**
 * @param max      sessions; when full, hellos are refused
 * @param keep_us  how long a session without a path is remembered
 * @param ended    called before a session is freed (its NAT flows must go)
 */
int session_table_new(size_t max, uint64_t keep_us, struct pbuf_pool *pool, void (*ended)(void *ctx, struct session *s),
                      void *ctx, struct session_table **ret_table);
void session_table_free(struct session_table *t);
/** Find by token or make. @return NULL: full. *ret_resumed tells whether it was there */
struct session *session_table_open(struct session_table *t, const uint8_t token[FRAME_TOKEN_LEN], uint64_t now_us,
                                   bool *ret_resumed);
/** @return NULL: no such session */
struct session *session_table_by_id(struct session_table *t, uint32_t id);
/** End those without a path for too long. */
void session_table_expire(struct session_table *t, uint64_t now_us);
/** Flush all, each time beginning with another. @return when it has something to do by itself; UINT64_MAX: never */
uint64_t session_table_flush(struct session_table *t, uint64_t now_us);
/** The pool is used up: the session whose queue holds most gives some back. @return bytes */
size_t session_table_shed(struct session_table *t);
size_t session_table_count(const struct session_table *t);
/** The i-th of session_table_count(), in no order. */
struct session *session_table_at(struct session_table *t, size_t i);

#endif
