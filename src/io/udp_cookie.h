/*
 * io/udp_cookie.h - whether somebody is where he says, and nothing to remember of those who are not
 *
 * Who comes by UDP is sent a cookie first: an HMAC of his address, his port and the id he chose, under a secret of our own. Only who is
 * there can send it back; an address that somebody forged costs us no memory (as in RFC 9147 section 5.1). docs/PROTOCOL.md has the message.
 */
#ifndef TETHER_IO_UDP_COOKIE_H
#define TETHER_IO_UDP_COOKIE_H

#include "io/udp.h"
#include "tunnel/datagram.h"

enum { UDP_COOKIE_MS = 60000 }; /* a cookie lives for one to two of these */

struct udp_cookies {
    uint8_t secret[2][32]; /**< this time's and the one before's */
    uint64_t since_ms;     /**< of this time */
};

/** @param now_ms monotonic milliseconds @return 0 or -EIO without randomness */
int udp_cookies_init(struct udp_cookies *c, uint64_t now_ms);
/** Call now and then: after UDP_COOKIE_MS another secret's time begins. */
void udp_cookies_tick(struct udp_cookies *c, uint64_t now_ms);
void udp_cookie_make(const struct udp_cookies *c, const struct udp_peer *peer, uint64_t id, uint8_t ret_cookie[DATAGRAM_COOKIE_LEN]);
/** Was it made for this peer and id, not long ago? The time this takes tells nothing. */
bool udp_cookie_is_good(const struct udp_cookies *c, const struct udp_peer *peer, uint64_t id, const uint8_t cookie[DATAGRAM_COOKIE_LEN]);

#endif
