/*
 * tunnel/fairq.h - packets waiting at the tunnel's entry: FQ-CoDel (RFC 8290)
 *
 * This is where everything waits that the window does not let into the tunnel, so here is decided who waits. Each flow has a queue of its own
 * (any of the eight its hash allows, so that two hardly ever share one while others are free, as in CAKE); they take turns by bytes (deficit round robin), flows that have just begun or that send little come first, and CoDel keeps each flow's own
 * queue short. A packet that stands for many is one packet here, but leaves in pieces as large as its owner says, and CoDel drops
 * one segment of it, not all. Of acknowledgements that wait one behind the other only the last is kept.
 *
 * Bounded in memory (by what its buffers hold, not only by their packets) and in age. Full: the flow that holds most loses packets from
 * its head, half of what it holds at once, so that a flood costs little and hits itself. Pure: time comes from the caller.
 */
#ifndef TETHER_TUNNEL_FAIRQ_H
#define TETHER_TUNNEL_FAIRQ_H

#include <stdbool.h>

#include "base/list.h"
#include "base/pbuf.h"
#include "base/siphash.h"
#include "tunnel/codel.h"

enum { FAIRQ_FLOWS = 512, FAIRQ_WAYS = 8, FAIRQ_PACKET = 1514 };

struct fairq_flow {
    uint32_t hash;           /* whose queue it is now, or was last */
    struct pbuf *head, *tail;
    struct list_link turn;   /* in the fresh or the old ones' list */
    struct fairq_flow *next_prompt;
    struct codel codel;
    uint32_t held;           /* bytes of memory */
    uint32_t bytes;          /* of packets */
    int32_t deficit;
    uint32_t ack_more;       /* bytes that the last packet acknowledges beyond those it took the place of */
    bool listed, is_old;     /* in a list; in the old ones' */
    bool prompt;             /* among those that need not wait for their turn */
};

struct fairq {
    struct pbuf_pool *pool;
    struct siphash_key key;
    struct fairq_flow *flow; /**< FAIRQ_FLOWS of them, made with the first packet */
    struct list fresh, old;  /**< flows, in the order of their turns */
    struct fairq_flow *prompt, **prompt_end;
    struct codel_params codel;
    bool ether;              /**< the packets are Ethernet frames */
    bool urgent;             /**< one of those that wait is (ip_flow.h); its owner puts it back */
    uint32_t quantum;        /**< bytes a flow may send in one turn */
    size_t held, held_max;   /**< bytes of memory */
    size_t bytes, packets;
    uint64_t max_age_us;
    struct fairq_flow *chosen; /* by fairq_next(), for fairq_take() */
    size_t piece;              /* its length */
    bool cutting;              /* it is less than the packet */
    uint64_t dropped_codel, dropped_full, dropped_old, dropped_memory, marked, flows_begun, acks_joined;
};

/** @param held_max bytes of buffers @param key of the flows' hash, random */
void fairq_init(struct fairq *q, struct pbuf_pool *pool, size_t held_max, uint64_t max_age_us, struct siphash_key key);
/** Give back what is left. */
void fairq_done(struct fairq *q);
/** For the path's rate: quantum in bytes (at least a packet), CoDel's target. */
void fairq_tune(struct fairq *q, uint32_t quantum, uint64_t target_us);
/** @param take_b owned by the queue from now on, also when it is refused. @return false: it was refused (no memory) */
bool fairq_push(struct fairq *q, struct pbuf *take_b, uint64_t now_us);
/** The same where not the packet says whose turn it takes, but the caller. @param flow any number; its lowest bits should differ most */
bool fairq_push_as(struct fairq *q, uint32_t flow, struct pbuf *take_b, uint64_t now_us);
/**
 * Choose what goes next. What CoDel or age dislikes is dropped on the way.
 *
 * @param piece_max  bytes: of a packet that stands for many only so much (but one segment at least) goes now
 * @param ret_offload the piece's @return its length; 0: nothing is waiting
 */
size_t fairq_next(struct fairq *q, size_t piece_max, uint64_t now_us, struct offload *ret_offload);
/** Whether what fairq_next() chose is of a flow that sends little, or has just begun, and so goes before the others. */
bool fairq_goes_ahead(const struct fairq *q);
/** Take out what fairq_next() chose; nothing may be pushed between them. @param out has room for it */
void fairq_take(struct fairq *q, uint8_t *out);
/** Drop from the flow that holds most, for an owner whose pool is used up. @return bytes of memory that were freed */
size_t fairq_shed(struct fairq *q);

#endif
