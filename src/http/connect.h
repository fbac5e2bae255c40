/*
 * http/connect.h - asking a proxy for a connection (CONNECT, RFC 9110 section 9.3.6), and what it answers
 */
#ifndef TETHER_HTTP_CONNECT_H
#define TETHER_HTTP_CONNECT_H

#include "http/head.h"

enum http_connect {
    HTTP_CONNECT_OK,       /**< what follows belongs to the connection */
    HTTP_CONNECT_PASSWORD, /**< 407 or 401: it wants a name and password, or other ones */
    HTTP_CONNECT_REFUSED,  /**< any other status */
};

/**
 * @param host  bare name or address; IPv6 without brackets
 * @param basic base64 of "name:password" (RFC 7617); NULL: none
 * @return length, or -ENOBUFS
 */
int http_connect_request(char *buf, size_t cap, const char *host, unsigned port, const char *basic);
enum http_connect http_connect_answer(const struct http_head *response);

#endif
