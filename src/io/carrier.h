/*
 * io/carrier.h - a websocket through one phone, with TLS inside its messages and a tunnel path inside that
 *
 *     keyed:  ws message = piece of a TLS 1.3 stream = frames      plain:  ws message = one packet (text: base64 of it)
 *
 * What carries it need not be a websocket of its own: carrier_open_wire() takes anything that carries messages in order.
 *
 * Both roles use it; what differs (who starts, what a HELLO means) is in the callbacks. A plain carrier answers in the form
 * it heard last, binary until then.
 */
#ifndef TETHER_IO_CARRIER_H
#define TETHER_IO_CARRIER_H

#include "io/carrier_failure.h"
#include "io/tls_psk.h"
#include "io/ws.h"
#include "tunnel/session.h"

struct carrier;

_Static_assert((int)PATH_MESSAGE_MAX <= (int)TLS_MESSAGE_MAX, "what a path sends at once is sealed at once");

struct carrier_events {
    /** TLS is up (keyed only): the laptop says HELLO now. Over datagrams again each second until it is answered. */
    void (*ready)(void *ctx, struct carrier *c);
    /* Each returns 0, or -errno to close the carrier. */
    int (*hello)(void *ctx, struct carrier *c, const struct frame_hello *hello);
    int (*welcome)(void *ctx, struct carrier *c, const struct frame_welcome *welcome);
    int (*activate)(void *ctx, struct carrier *c);
    void (*bye)(void *ctx, struct carrier *c, const struct frame_bye *bye);
    int (*node)(void *ctx, struct carrier *c, const struct frame_node *node);
    /** A packet came. Mutable, borrowed. @param offload NULL: a plain carrier, which is not told */
    void (*packet)(void *ctx, struct carrier *c, uint8_t *packet, size_t len, const struct offload *offload);
    /** Packets that packet() will be given next, borrowed (keyed only). May be NULL. */
    void (*ahead)(void *ctx, struct carrier *c, const struct span *packets, size_t count);
    /** This packet for the far end has DF set and does not fit its datagrams; mtu would. May be NULL. */
    void (*too_big)(void *ctx, struct carrier *c, uint8_t *packet, size_t len, size_t mtu);
    /** The last call. failure: 0, or why (carrier_failure.h) */
    void (*closed)(void *ctx, struct carrier *c, int failure, const char *reason);
};

/**
 * Put a carrier on an open websocket.
 *
 * @param tls    NULL: plain @param client starts TLS @param events, ctx borrowed until closed()
 * @return the carrier, freed after closed(); NULL when memory is out (the websocket is closed then)
 */
struct carrier *carrier_open(struct io_loop *loop, struct ws *ws, struct tls_context *tls, bool client,
                             const struct carrier_events *events, void *ctx);
/** What carries a carrier. */
struct carrier_wire {
    int (*send)(void *wire, enum ws_opcode opcode, const uint8_t *data, size_t len);
    bool (*congested)(void *wire);
    /** Close, and tell carrier_closed() later, from the loop. */
    void (*close)(void *wire, int ws_code, const char *reason);
    const char *(*peer)(void *wire);
    /** Fill the head of the next message: head_len bytes that the wire wants in front of each (keyed only). */
    void (*head)(void *wire, uint8_t *out);
    size_t head_len;
    /** Bytes of an IP packet around a message, if messages are datagrams, which get lost (keyed only); else 0. */
    unsigned datagram_overhead;
    /** What is sent between true and false may leave together. May be NULL. */
    void (*batch)(void *wire, bool on);
    /** A ping of the wire's own was answered (tunnel/path.h: PATH_MARK). May be NULL. */
    void (*pong)(void *wire, uint64_t mark);
    /** What is sent goes by a feed (ws.h). May be NULL: there is none. */
    bool (*fed)(void *wire);
};
/** The same on another wire. What it receives is handed to carrier_receive(). @return NULL when memory is out */
struct carrier *carrier_open_wire(struct io_loop *loop, const struct carrier_wire *ops, void *wire, struct tls_context *tls,
                                  bool client, const struct carrier_events *events, void *ctx);
/** A piece of a message came. fin: its last one. */
void carrier_receive(struct carrier *c, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin);
/** Nothing more has come (datagrams only): packets held to be joined are handed on. */
void carrier_settle(struct carrier *c);
/** Messages so far that came from the far end for certain: they passed TLS. */
uint64_t carrier_heard(const struct carrier *c);
/** What is sent goes by a feed, not by messages (ws.h). */
bool carrier_is_fed(const struct carrier *c);
/** The wire it was opened on. */
void *carrier_wire_ctx(const struct carrier *c);
/** The wire is gone: the carrier ends here. */
void carrier_closed(struct carrier *c, int ws_code, const char *reason);
/** Say goodbye and close; closed() follows. */
void carrier_close(struct carrier *c, int ws_code, const char *reason);
/** About once a second: pings, handshake and dead-path timeouts. */
void carrier_tick(struct carrier *c);
struct path *carrier_path(struct carrier *c);
/** Which carrier a path belongs to. */
struct carrier *carrier_of(struct path *path);
const char *carrier_peer(const struct carrier *c);
/** For the role: whatever belongs to this carrier (the server's session). */
void carrier_set_owner(struct carrier *c, void *owner);
void *carrier_owner(const struct carrier *c);

#endif
