/*
 * tunnel/path.h - one way to the far end: a websocket through one phone
 *
 * A path cuts the incoming stream into frames, answers pings, acknowledges data (acker.h), measures the round trip, and sends
 * queued packets in batches as far as its window allows. What carries it is behind path_ops; time comes from the caller. A plain
 * path (the assignment's wire form) has no frames: one message is one packet, nothing is acknowledged.
 */
#ifndef TETHER_TUNNEL_PATH_H
#define TETHER_TUNNEL_PATH_H

#include "tether/packet.h"
#include "tunnel/acker.h"
#include "tunnel/fairq.h"
#include "tunnel/frame.h"
#include "tunnel/pmtu.h"
#include "tunnel/window.h"

enum {
    PATH_BATCH_MAX = 256 * 1024, /* frames of one message; beyond it browsers gain little */
    PATH_MESSAGE_MAX = PATH_BATCH_MAX + FRAME_HEADER_LEN + FRAME_DATA_MAX + 256, /* with one packet more, and a control frame */
    PATH_LITTLE_MAX = 256,       /* bytes of a packet that need not wait for the pace: a ping, a name, a call's 20 ms, the start of a connection */
    PATH_BATCH_US = 1000,        /* on a fast path one message in so long a time, unless it is full */
    PATH_URGENT_US = 4000,       /* or holds something urgent, as often as this */
    PATH_PING_BUSY_US = 2000000,
    PATH_PING_IDLE_US = 5000000,
    PATH_STALE_US = 3000000,  /* a ping unanswered for so long: use another path if there is one */
    PATH_DEAD_US = 20000000,  /* give it up */
    PATH_MARK = 0xfe,         /* highest byte of a ping that belongs to the carrier */
};

struct path_ops {
    /** Send bytes (frames, or on a plain path one packet) as one message. @return 0 or -errno: the carrier is closing */
    int (*send)(void *ctx, const uint8_t *data, size_t len);
    /** True while the carrier's own backlog is high: sending waits. */
    bool (*congested)(void *ctx);
    /* What came in; each returns 0, or -errno to end the path. Packets are mutable and borrowed; offload is NULL on a plain path. */
    int (*packet)(void *ctx, uint8_t *packet, size_t len, const struct offload *offload);
    int (*hello)(void *ctx, const struct frame_hello *hello);
    int (*welcome)(void *ctx, const struct frame_welcome *welcome);
    int (*activate)(void *ctx);
    int (*bye)(void *ctx, const struct frame_bye *bye);
    int (*node)(void *ctx, const struct frame_node *node); /* NULL: not layer 2 */
    /** The far end returned a ping that is not the path's own: its highest byte is PATH_MARK. May be NULL. */
    void (*pong)(void *ctx, uint64_t mark);
    /** Datagrams only: what is sent between true and false may leave together. May be NULL. */
    void (*batch)(void *ctx, bool on);
    /** Datagrams only: this packet has DF set and does not fit; mtu would. May be NULL. */
    void (*too_big)(void *ctx, uint8_t *packet, size_t len, size_t mtu);
    /** Packets that packet() will be given next, borrowed, on a keyed path. May be NULL. */
    void (*ahead)(void *ctx, const struct span *packets, size_t count);
};

struct path {
    const struct path_ops *ops;
    void *ctx;
    bool plain;
    bool datagrams;       /**< path_datagram.h */
    bool ether;           /**< Ethernet frames instead of IP packets; its session's */
    bool up;              /**< HELLO and WELCOME (layer 2: NODEs) were exchanged: packets may be sent */
    bool failed;          /**< a send failed: nothing more is sent */
    struct window window;
    struct frame_reader reader;
    uint8_t *out;         /**< the batch being gathered */
    size_t out_len, out_data;
    size_t last_at, last_len;   /**< the packet gathered last, in the batch; 0: there is none */
    struct offload last;
    struct acker acker;         /**< of PACKET, LARGE, ETHER and NUMBERED frames, headers included */
    uint64_t batch_us;          /* when the last batch was begun */
    uint64_t urgent_us;         /* when one was last begun before its time */
    struct pmtu pmtu;           /**< datagrams */
    struct ip4_row *row;        /**< datagrams: what came and may go on; NULL: nothing is held */
    uint64_t now_us;            /**< during path_receive() */
    uint64_t heard_us, ping_us, ping_answered_us; /**< when anything came; last ping sent; last ping that was answered */
    uint64_t rtt_us;            /**< of pings, smoothed; 0: unknown */
    uint64_t sent_packets, sent_bytes, received_packets, received_bytes; /**< packets only */
};

int path_init(struct path *p, bool plain, const struct path_ops *ops, void *ctx, uint64_t now_us);
void path_done(struct path *p);

/** What the window allows now for what fairq_next() chose, of len bytes; for path_datagram.c, too. */
size_t path_room(const struct path *p, const struct fairq *q, size_t len, uint64_t now_us);
/** Decrypted bytes of a keyed path. @param data mutable @return 0, -EPROTO, or what an op returned */
int path_receive(struct path *p, uint8_t *data, size_t len, uint64_t now_us);
/** One packet of a plain path. */
int path_receive_packet(struct path *p, uint8_t *packet, size_t len, uint64_t now_us);

/** Send what the queue holds, as far as window and carrier allow, and the acknowledgement that is due. @param q NULL: only that */
void path_flush(struct path *p, struct fairq *q, uint64_t now_us);
/** When path_flush() has something to do though nothing comes in; UINT64_MAX: not by itself. @param q as for path_flush() */
uint64_t path_due_us(const struct path *p, const struct fairq *q);
/** Tell the queue the path's rate. @return bytes that may go at once of a packet that stands for many */
size_t path_tune(const struct path *p, struct fairq *q);
/** Send one control frame at once (what frame_put_…() made). */
void path_control(struct path *p, const uint8_t *frame, size_t len);
/** About once a second: pings. @return false when the path is dead */
bool path_tick(struct path *p, uint64_t now_us);
/** Datagrams: what leads to the far end changed; ask at once, and give it time. */
void path_moved(struct path *p, uint64_t now_us);
/** A ping has gone unanswered for too long to trust the path. */
bool path_is_stale(const struct path *p, uint64_t now_us);

#endif
