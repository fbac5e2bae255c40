/*
 * ether/nd.h - what an IPv6 packet says of who has which address: its source, and neighbour discovery inside (RFC 4861)
 *
 * For a switch that believes whoever had an address first (RFC 6620). Extension headers are followed, for a liar would hide behind them;
 * neighbour discovery in fragments, or behind headers without end, is no honest host's (RFC 6980, RFC 7113).
 */
#ifndef TETHER_ETHER_ND_H
#define TETHER_ETHER_ND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nd_kind {
    ND_NONE,     /* no word about addresses but the source */
    ND_SOLICIT,  /* who has `target`? From nobody: may I have it (RFC 4862 section 5.4) */
    ND_ADVERT,   /* I have `target` */
    ND_ROUTER,   /* a router speaks: an advertisement, a redirect */
    ND_HIDDEN,   /* what it says cannot be seen */
};

struct nd {
    enum nd_kind kind;
    uint64_t src[2], target[2]; /**< high half first; all zeros: nobody */
    bool foreign;               /**< it names another card than its sender's as his own */
};

/** @param mac the frame's sender @return false: shorter than an IPv6 header, or no such packet */
bool nd_parse(const uint8_t *packet, size_t len, uint64_t mac, struct nd *ret_nd);

#endif
