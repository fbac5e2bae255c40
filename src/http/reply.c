/* http/reply.c - see reply.h */
#include "http/reply.h"

#include <errno.h>
#include <stdio.h>

struct status {
    unsigned code;
    const char *reason, *text;
};

static const struct status statuses[] = {
    {200, "OK", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", "This request is malformed.\n"},
    {404, "Not Found", "Nothing is at this address.\n"},
    {405, "Method Not Allowed", "Only GET and HEAD are answered here.\n"},
    {408, "Request Timeout", "The request took too long to arrive.\n"},
    {413, "Content Too Large", "Requests with a body are not taken.\n"},
    {414, "URI Too Long", "This address is too long.\n"},
    {426, "Upgrade Required", "This address speaks WebSocket, version 13, only.\n"},
    {431, "Request Header Fields Too Large", "The head of this request is too large.\n"},
    {500, "Internal Server Error", "This failed on our side.\n"},
    {501, "Not Implemented", "This method is unknown here.\n"},
    {503, "Service Unavailable", "Too many connections are open; try again shortly.\n"},
    {505, "HTTP Version Not Supported", "Only HTTP/1.0 and HTTP/1.1 are spoken here.\n"},
};

static const struct status *find(unsigned code)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].code == code)
            return &statuses[i];
    return find(500);
}

const char *http_reason(unsigned code)
{
    return find(code)->reason;
}

const char *http_status_text(unsigned code)
{
    return find(code)->text;
}

/*
 * The page loads nothing from elsewhere and may not be framed; connect-src is open because the websocket's two ends are
 * whatever the user names.
 */
static const char page_policy[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data:; media-src 'self' data:; connect-src *; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n";

/* The last is nginx's: it holds back the bodies of others otherwise. */
static const char endless_fields[] = "Access-Control-Allow-Origin: *\r\nX-Accel-Buffering: no\r\n";

static const char *cache_control(const struct http_reply *r)
{
    return r->endless ? "no-store, no-transform" : r->no_store ? "no-store" : "no-cache";
}

int http_reply_head(const struct http_reply *r, char *buf, size_t cap)
{
    char type[128] = "", etag[96] = "";
    if (r->endless)
        snprintf(type, sizeof type, "Content-Type: %s\r\n", r->type);
    else if (r->type != NULL)
        snprintf(type, sizeof type, "Content-Type: %s\r\nContent-Length: %zu\r\n", r->type, r->body_len);
    if (r->etag != NULL)
        snprintf(etag, sizeof etag, "ETag: %s\r\n", r->etag);
    int len = snprintf(buf, cap,
                       "HTTP/1.1 %u %s\r\n"
                       "%s%s%s%s"
                       "Cache-Control: %s\r\n"
                       "%s%s%s%s%s"
                       "X-Content-Type-Options: nosniff\r\n"
                       "Referrer-Policy: no-referrer\r\n\r\n",
                       r->status, http_reason(r->status), type, r->gzip ? "Content-Encoding: gzip\r\n" : "",
                       r->varies ? "Vary: Accept-Encoding\r\n" : "", etag, cache_control(r),
                       r->page ? page_policy : "", r->endless ? endless_fields : "", r->status == 405 ? "Allow: GET, HEAD\r\n" : "",
                       r->status != 426  ? ""
                       : r->keep_alive   ? "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                         : "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n",
                       r->status == 426             ? ""
                       : !r->keep_alive             ? "Connection: close\r\n"
                       : r->minor == 0              ? "Connection: keep-alive\r\n"
                                                    : "");
    return len < 0 || (size_t)len >= cap ? -ENOBUFS : len;
}
