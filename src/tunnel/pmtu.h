/*
 * tunnel/pmtu.h - what size of packet gets through, found out by trying (RFC 8899)
 *
 * Routers that drop what is too large are supposed to say so, and many do not ("black hole"); what they say could be forged besides. So
 * nothing is believed but answers of the far end: probes of the usual sizes leave together, and the largest one that is answered is the size to
 * use. The size in use is tried again every few seconds; when that goes unanswered for a second the base size is used at once and all are
 * tried again, which costs a round trip if it was ordinary loss. Each end does so for its own direction. Pure: time comes from the caller.
 */
#ifndef TETHER_TUNNEL_PMTU_H
#define TETHER_TUNNEL_PMTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PMTU_BASE = 1200,  /* of an IP packet: assumed to pass everywhere; what QUIC assumes (RFC 9000 section 14) */
    PMTU_FLOOR = 576,  /* when the base does not either */
    PMTU_MAX = 1500,
    PMTU_LADDER = 12,
};

struct pmtu {
    unsigned overhead;    /**< bytes of an IP packet around a message */
    unsigned size;        /**< of an IP packet, known or assumed to pass */
    unsigned round;       /* of probes: answers to older ones do not count */
    unsigned next;        /* of the ladder, still to be sent; PMTU_LADDER: none */
    uint64_t searched_us, check_us; /* when all were tried last; when the size in use was */
    bool settled;         /**< size is more than an assumption */
    bool checking;        /* and is not answered yet */
    uint64_t black_holes; /**< how often the size in use stopped passing */
};

/** @param overhead IP and everything else around a message */
void pmtu_init(struct pmtu *p, unsigned overhead);
/** Bytes a message may have. */
size_t pmtu_message(const struct pmtu *p);
/**
 * To be called until it returns 0, about once a second and at the beginning.
 *
 * @param ret_mark to be returned by the far end, given to pmtu_answered() then
 * @return bytes of the message to send as a probe; 0: none now
 */
size_t pmtu_probe(struct pmtu *p, uint64_t now_us, uint64_t *ret_mark);
/** Is this one of its marks? Those have the highest byte set to PMTU_MARK. */
enum { PMTU_MARK = 0xff };
void pmtu_answered(struct pmtu *p, uint64_t mark, uint64_t now_us);

#endif
