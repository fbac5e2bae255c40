/*
 * role/page_state.h - how the tunnel is doing, in one word and a sentence, as the page and `tether status` show it
 */
#ifndef TETHER_ROLE_PAGE_STATE_H
#define TETHER_ROLE_PAGE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

/** What /tether.json says; strings are borrowed. */
struct page_state {
    const char *role;    /**< "client", "server", "web" */
    const char *server;  /**< websocket URL the phone should open, or "" */
    const char *laptop;
    bool plain;
    const char *state;   /**< "waiting", "handshake", "up", "wrong-key", "plain-mismatch", "layer-mismatch", "version", "busy" */
    const char *detail;  /**< a sentence for a person */
    uint64_t rtt_us;     /**< 0: unknown */
    uint64_t up_bytes, down_bytes;
    uint32_t lease;      /**< shown with the session: its address among the server's laptops; 0: none */
    const struct session *session; /**< shown in detail; NULL: not */
};

/** @return length of the JSON text, or -1 when it does not fit */
int page_state_json(const struct page_state *s, char *buf, size_t cap);
/** The word for a carrier's failure. */
const char *page_state_of_failure(int failure);

#endif
