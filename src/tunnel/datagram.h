/*
 * tunnel/datagram.h - what stands in clear in front of each datagram of a keyed UDP carrier (docs/PROTOCOL.md section 7)
 *
 *     INIT     1 | laptop's id 8 | cookie 16 | proof 16 | DTLS     laptop, until it knows the server's id; first without cookie and DTLS
 *     RETRY    2 | laptop's id 8 | cookie 16                       server, which keeps nothing: is the laptop where it says?
 *     ANSWER   3 | laptop's id 8 | server's id 8 | DTLS            server, until the laptop uses its id
 *     DATA     4 | receiver's id 8 | DTLS                          both
 *     REFUSED  5 | laptop's id 8 | reason 1                        server, to who has shown a cookie
 *
 * An id finds the connection, wherever the datagram comes from: a laptop that changes its address stays the same one. What an id leads to
 * is decided by DTLS alone. The cookie binds an address, the proof shows the key: without both the server makes no connection, and its
 * answers are shorter than what caused them.
 */
#ifndef TETHER_TUNNEL_DATAGRAM_H
#define TETHER_TUNNEL_DATAGRAM_H

#include <stddef.h>
#include <stdint.h>

enum datagram_type { DATAGRAM_INIT = 1, DATAGRAM_RETRY = 2, DATAGRAM_ANSWER = 3, DATAGRAM_DATA = 4, DATAGRAM_REFUSED = 5 };
enum datagram_reason { DATAGRAM_WRONG_KEY = 1, DATAGRAM_BUSY = 2, DATAGRAM_PLAIN = 3 };

enum {
    DATAGRAM_COOKIE_LEN = 16,
    DATAGRAM_HEAD_LEN = 9,     /* of a DATA */
    DATAGRAM_ANSWER_LEN = 17,
    DATAGRAM_RETRY_LEN = 25,
    DATAGRAM_REFUSED_LEN = 10,
    DATAGRAM_INIT_LEN = 41,
};

/** The head of a datagram; members that its type lacks are 0. The pointers borrow. */
struct datagram {
    uint8_t type;
    uint64_t id, server_id;
    const uint8_t *cookie, *proof; /**< DATAGRAM_COOKIE_LEN bytes each, or NULL */
    uint8_t reason;
    const uint8_t *body;
    size_t body_len;
};

/** @return 0, or -EBADMSG */
int datagram_parse(const uint8_t *data, size_t len, struct datagram *ret);
/** Write a head. @param out DATAGRAM_INIT_LEN bytes @return its length */
size_t datagram_put(uint8_t *out, const struct datagram *head);

#endif
