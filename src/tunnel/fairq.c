/* tunnel/fairq.c - see fairq.h */
#include "tunnel/fairq.h"

#include <stdlib.h>
#include <string.h>

#include "tether/packet.h"
#include "tunnel/ether_flow.h"
#include "tunnel/ip_flow.h"

enum {
    TARGET_US = 5000, INTERVAL_US = 100000, /* RFC 8290 section 5.2 */
    SHED_PACKETS = 64,
    ACK_MAX = 52, ACK_JOINED_BYTES = 65536,
    TURN = offsetof(struct fairq_flow, turn),
};

void fairq_init(struct fairq *q, struct pbuf_pool *pool, size_t held_max, uint64_t max_age_us, struct siphash_key key)
{
    *q = (struct fairq){.pool = pool, .key = key, .held_max = held_max, .max_age_us = max_age_us, .quantum = FAIRQ_PACKET,
                        .codel = {TARGET_US, INTERVAL_US}};
}

void fairq_tune(struct fairq *q, uint32_t quantum, uint64_t target_us)
{
    q->quantum = quantum > FAIRQ_PACKET ? quantum : FAIRQ_PACKET;
    q->codel.target_us = target_us > TARGET_US ? target_us : TARGET_US;
    q->codel.interval_us = q->codel.target_us > INTERVAL_US / 2 ? 2 * q->codel.target_us : INTERVAL_US;
}

/* --- lists of flows --- */

static void append(struct fairq *q, struct list *list, struct fairq_flow *flow)
{
    list_append(list, &flow->turn);
    flow->listed = true;
    flow->is_old = list == &q->old;
}

static void take_out(struct list *list, struct fairq_flow *flow)
{
    list_remove(list, &flow->turn);
    flow->listed = false;
}

/*
 * A flow was given something to send. One that had nothing and has not used up its turn may send it at once: on a slow path a round of the
 * others takes longer than the packets of a call or a game are apart. It gets no more than its share by that: it keeps its place
 * among the old ones, and only there its turn is renewed.
 */
static void wake(struct fairq *q, struct fairq_flow *flow, uint32_t len)
{
    if (!flow->listed) {
        flow->deficit = (int32_t)q->quantum;
        append(q, &q->fresh, flow);
        q->flows_begun++;
    } else if (flow->is_old && flow->bytes == len && !flow->prompt && flow->deficit >= (int32_t)len) {
        flow->prompt = true;
        flow->next_prompt = NULL;
        if (q->prompt == NULL)
            q->prompt_end = &q->prompt;
        *q->prompt_end = flow;
        q->prompt_end = &flow->next_prompt;
    }
}

static void no_longer_prompt(struct fairq *q)
{
    q->prompt->prompt = false;
    q->prompt = q->prompt->next_prompt;
}

/* --- packets of a flow --- */

static uint32_t memory_of(const struct pbuf *b)
{
    return (uint32_t)sizeof *b + PBUF_HEADROOM + b->cap;
}

/* The first packet, or its first segments, left; b->data moves with what is left of a packet, and must not. */
static void pop(struct fairq *q, struct fairq_flow *flow)
{
    struct pbuf *b = flow->head;
    flow->head = b->next;
    if (flow->head == NULL)
        flow->tail = NULL;
    flow->held -= memory_of(b);
    flow->bytes -= b->len;
    q->held -= memory_of(b);
    q->bytes -= b->len;
    q->packets--;
    b->data = (uint8_t *)(b + 1) + PBUF_HEADROOM;
    pbuf_put(q->pool, b);
}

/* Cut the first segments off the first packet. @return false: it goes as one */
static bool cut(struct fairq *q, struct fairq_flow *flow, size_t max, uint8_t *out)
{
    struct pbuf *b = flow->head;
    size_t len = b->len;
    if ((q->ether ? ether_flow_cut : ip4_cut)(&b->data, &len, &b->offload, max, out) == 0)
        return false;
    flow->bytes -= b->len - (uint32_t)len;
    q->bytes -= b->len - len;
    b->len = (uint32_t)len;
    return true;
}

size_t fairq_shed(struct fairq *q)
{
    struct fairq_flow *fattest = q->flow;
    if (q->packets == 0)
        return 0;
    for (size_t i = 1; i < FAIRQ_FLOWS; i++)
        if (q->flow[i].held > fattest->held)
            fattest = &q->flow[i];
    size_t before = q->held, half = fattest->held / 2;
    for (int i = 0; i < SHED_PACKETS && fattest->held > half; i++) {
        q->dropped_full++;
        pop(q, fattest);
    }
    return before - q->held;
}

/*
 * The queue of this flow: the one it has, else one of its set that is free. All taken by others: it shares one. With plain hashing a
 * call would meet one of twenty full flows in every twenty-fifth case, and wait and lose with it.
 */
static struct fairq_flow *queue_of(struct fairq *q, uint32_t hash)
{
    struct fairq_flow *set = q->flow + hash % (FAIRQ_FLOWS / FAIRQ_WAYS) * FAIRQ_WAYS, *unused = NULL;
    for (int way = 0; way < FAIRQ_WAYS; way++) {
        if (set[way].hash == hash)
            return &set[way];
        if (!set[way].listed)
            unused = &set[way];
    }
    if (unused == NULL)
        return &set[hash / (FAIRQ_FLOWS / FAIRQ_WAYS) % FAIRQ_WAYS];
    *unused = (struct fairq_flow){.hash = hash};
    return unused;
}

/*
 * An acknowledgement takes the place of the last one that waits, where it says all that one says: of what comes in one batch, or waits on a
 * slow path, one goes (as in CAKE). It acknowledges no more at once than for segments that a network card joined, so bursts grow no larger.
 */
static bool joined(struct fairq *q, struct fairq_flow *flow, const struct pbuf *b)
{
    struct pbuf *last = flow->tail;
    if (b->len > ACK_MAX || last == NULL || last->len > ACK_MAX || q->ether)
        return false;
    const uint32_t more = tcp_ack_supersedes(last->data, last->len, b->data, b->len);
    if (more == 0 || more > ACK_JOINED_BYTES - flow->ack_more)
        return false;
    memcpy(last->data, b->data, b->len);
    last->offload = b->offload;
    flow->ack_more += more;
    q->acks_joined++;
    return true;
}

bool fairq_push_as(struct fairq *q, uint32_t hash, struct pbuf *take_b, uint64_t now_us)
{
    if (q->flow == NULL)
        q->flow = calloc(FAIRQ_FLOWS, sizeof *q->flow);
    if (q->flow == NULL) {
        q->dropped_memory++;
        pbuf_put(q->pool, take_b);
        return false;
    }
    struct fairq_flow *flow = queue_of(q, hash);
    if (joined(q, flow, take_b)) {
        pbuf_put(q->pool, take_b);
        return true;
    }
    flow->ack_more = 0;
    take_b->time_us = now_us;
    take_b->next = NULL;
    if (flow->tail != NULL)
        flow->tail->next = take_b;
    else
        flow->head = take_b;
    flow->tail = take_b;
    flow->held += memory_of(take_b);
    flow->bytes += take_b->len;
    q->held += memory_of(take_b);
    q->bytes += take_b->len;
    q->packets++;
    wake(q, flow, take_b->len);
    while (q->held > q->held_max)
        fairq_shed(q);
    return true;
}

bool fairq_push(struct fairq *q, struct pbuf *take_b, uint64_t now_us)
{
    q->urgent = q->urgent || (!q->ether && ip_flow_is_urgent(take_b->data, take_b->len));
    return fairq_push_as(q, (q->ether ? ether_flow_hash : ip_flow_hash)(&q->key, take_b->data, take_b->len), take_b, now_us);
}

/* --- what goes next --- */

/* Drop what is too old, and what CoDel says. @return false: the flow is empty */
static bool judge(struct fairq *q, struct fairq_flow *flow, uint64_t now_us)
{
    struct pbuf *b;
    while ((b = flow->head) != NULL) {
        uint64_t sojourn = now_us - b->time_us;
        if (sojourn > q->max_age_us) {
            q->dropped_old++;
            pop(q, flow);
            continue;
        }
        if (!codel_drops(&flow->codel, &q->codel, sojourn, flow->bytes, now_us))
            return true;
        if (q->ether ? ether_flow_mark(b->data, b->len) : ip_flow_mark(b->data, b->len)) {
            q->marked++;
            return true;
        }
        q->dropped_codel++;
        if (!cut(q, flow, 1, NULL))
            pop(q, flow);
    }
    return false;
}

/* The flow whose turn it is (RFC 8290 section 4.2). */
static struct fairq_flow *choose(struct fairq *q, uint64_t now_us)
{
    for (; q->prompt != NULL; no_longer_prompt(q))
        if (judge(q, q->prompt, now_us))
            return q->prompt;
    for (;;) {
        struct list *list = !list_is_empty(&q->fresh) ? &q->fresh : &q->old;
        struct fairq_flow *flow = list_first(list, TURN);
        if (flow == NULL)
            return NULL;
        if (flow->deficit <= 0) {
            flow->deficit += (int32_t)q->quantum;
            take_out(list, flow);
            append(q, &q->old, flow);
        } else if (judge(q, flow, now_us)) {
            return flow;
        } else {
            take_out(list, flow);
            if (list == &q->fresh) /* else it could come first again and again by sending one packet at a time */
                append(q, &q->old, flow);
        }
    }
}

size_t fairq_next(struct fairq *q, size_t piece_max, uint64_t now_us, struct offload *ret_offload)
{
    if (q->packets == 0)
        return 0;
    q->chosen = choose(q, now_us); /* anew each time: what could not go yet is overtaken by little that came since */
    if (q->chosen == NULL)
        return 0;
    struct pbuf *b = q->chosen->head;
    size_t segments = 0;
    *ret_offload = b->offload;
    q->piece = b->len > piece_max ? (q->ether ? ether_flow_cut_len : ip4_cut_len)(b->data, b->len, &b->offload, piece_max, &segments) : 0;
    q->cutting = q->piece != 0;
    if (q->cutting && segments == 1)
        ret_offload->seg_len = 0;
    if (!q->cutting)
        q->piece = b->len;
    return q->piece;
}

void fairq_take(struct fairq *q, uint8_t *out)
{
    struct fairq_flow *flow = q->chosen;
    flow->deficit -= (int32_t)q->piece;
    if (flow == q->prompt)
        no_longer_prompt(q);
    if (q->cutting) {
        cut(q, flow, q->piece, out);
    } else {
        memcpy(out, flow->head->data, flow->head->len);
        pop(q, flow);
    }
}

bool fairq_goes_ahead(const struct fairq *q)
{
    return q->chosen == q->prompt || !q->chosen->is_old;
}

void fairq_done(struct fairq *q)
{
    for (size_t i = 0; q->flow != NULL && i < FAIRQ_FLOWS; i++)
        while (q->flow[i].head != NULL)
            pop(q, &q->flow[i]);
    free(q->flow);
    q->flow = NULL;
}
