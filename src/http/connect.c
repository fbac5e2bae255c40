/* http/connect.c - see connect.h */
#include "http/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int http_connect_request(char *buf, size_t cap, const char *host, unsigned port, const char *basic)
{
    bool six = strchr(host, ':') != NULL;
    const char *open = six ? "[" : "", *close = six ? "]" : "";
    int len = snprintf(buf, cap,
                       "CONNECT %s%s%s:%u HTTP/1.1\r\n"
                       "Host: %s%s%s:%u\r\n"
                       "%s%s%s\r\n",
                       open, host, close, port, open, host, close, port, basic != NULL ? "Proxy-Authorization: Basic " : "",
                       basic != NULL ? basic : "", basic != NULL ? "\r\n" : "");
    return len < 0 || (size_t)len >= cap ? -ENOBUFS : len;
}

enum http_connect http_connect_answer(const struct http_head *response)
{
    if (response->status >= 200 && response->status < 300)
        return HTTP_CONNECT_OK;
    /* 401 is what tinyproxy says of a wrong password. */
    return response->status == 407 || response->status == 401 ? HTTP_CONNECT_PASSWORD : HTTP_CONNECT_REFUSED;
}
