/*
 * http/feed.h - the word by which a page pairs a websocket with an ordinary request to the same address
 *
 * Both targets carry `feed=` and 32 hexadecimal digits in their query; the page draws them at random for each websocket, so that nobody else can ask for
 * what belongs to it. See docs/PROTOCOL.md, Feeds. Pure.
 */
#ifndef TETHER_HTTP_FEED_H
#define TETHER_HTTP_FEED_H

#include "http/head.h"

enum { HTTP_FEED_TOKEN_LEN = 32 /**< digits: 128 bits */ };

/**
 * The token in a request's target.
 *
 * @param ret_token its digits, as they stand, and NUL; set only on success
 * @return false: there is none, or it is malformed
 */
bool http_feed_token(struct http_span target, char ret_token[HTTP_FEED_TOKEN_LEN + 1]);

#endif
