/*
 * io/carrier.h - a websocket through one phone, with TLS inside its messages and a tunnel path inside that
 *
 *     keyed:  ws message = piece of a TLS 1.3 stream = frames      plain:  ws message = one packet (text: base64 of it)
 *
 * Both roles use it; what differs (who starts, what a HELLO means) is in the callbacks. A plain carrier answers in the form
 * it heard last, binary until then.
 */
#ifndef TETHER_IO_CARRIER_H
#define TETHER_IO_CARRIER_H

#include "io/tls_psk.h"
#include "io/ws.h"
#include "tunnel/session.h"

struct carrier;

struct carrier_events {
    /** TLS is up (keyed only): the laptop says HELLO now. */
    void (*ready)(void *ctx, struct carrier *c);
    /* Each returns 0, or -errno to close the carrier. */
    int (*hello)(void *ctx, struct carrier *c, const struct frame_hello *hello);
    int (*welcome)(void *ctx, struct carrier *c, const struct frame_welcome *welcome);
    int (*activate)(void *ctx, struct carrier *c);
    void (*bye)(void *ctx, struct carrier *c, const struct frame_bye *bye);
    /** A packet came. Mutable, borrowed. @param offload NULL: a plain carrier, which is not told */
    void (*packet)(void *ctx, struct carrier *c, uint8_t *packet, size_t len, const struct offload *offload);
    /** The last call. failure: 0, or why (-EKEYREJECTED, -EPROTOTYPE: one side is plain, -EPROTO, -ETIMEDOUT …) */
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
/** Words for a failure as given to closed(). */
const char *carrier_failure_text(int failure);

#endif
