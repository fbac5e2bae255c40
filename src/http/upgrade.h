/*
 * http/upgrade.h - the opening handshake of a websocket (RFC 6455 section 4), both ends, without the hash
 *
 * The accept value needs SHA-1; whoever has a library for it passes the result in.
 */
#ifndef TETHER_HTTP_UPGRADE_H
#define TETHER_HTTP_UPGRADE_H

#include "http/head.h"

enum {
    HTTP_WS_KEY_LEN = 24,    /**< base64 of 16 bytes */
    HTTP_WS_ACCEPT_LEN = 28, /**< base64 of 20 bytes */
};
#define HTTP_WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* appended to the key before SHA-1: RFC 6455 section 1.3 */

enum http_upgrade {
    HTTP_UPGRADE_NONE,    /**< an ordinary request */
    HTTP_UPGRADE_OK,      /**< a valid websocket handshake */
    HTTP_UPGRADE_BAD,     /**< wants a websocket but is malformed: 400 */
    HTTP_UPGRADE_VERSION, /**< another version than 13: 426 */
};

/** @param ret_key the client's key, set for HTTP_UPGRADE_OK; borrowed from the head's bytes */
enum http_upgrade http_upgrade_check(const struct http_head *head, struct http_span *ret_key);

/** The reply that opens the websocket. @param accept HTTP_WS_ACCEPT_LEN characters @return length, or -ENOBUFS */
int http_upgrade_reply(char *buf, size_t cap, const char *accept);

/**
 * The request of a connecting side.
 *
 * @param host bare name or address; IPv6 without brackets @param port 0: leave out (the scheme's own)
 * @param key  HTTP_WS_KEY_LEN characters
 * @return length, or -ENOBUFS
 */
int http_upgrade_request(char *buf, size_t cap, const char *host, unsigned port, const char *path, const char *key);

/** Does this response open the websocket (RFC 6455 section 4.1)? @return 0; -EPROTO when it does not */
int http_upgrade_accepted(const struct http_head *response, const char *accept);

#endif
