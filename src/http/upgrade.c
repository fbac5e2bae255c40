/* http/upgrade.c - see upgrade.h */
#include "http/upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 bytes in base64 are 22 characters and two signs of padding. */
static bool is_key(const struct http_span *key)
{
    if (key == NULL || key->len != HTTP_WS_KEY_LEN || memcmp(key->at + 22, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!is_base64(key->at[i]))
            return false;
    return true;
}

enum http_upgrade http_upgrade_check(const struct http_head *head, struct http_span *ret_key)
{
    if (!http_field_has_token(head, "upgrade", "websocket"))
        return HTTP_UPGRADE_NONE;
    if (head->method.len != 3 || memcmp(head->method.at, "GET", 3) != 0 || head->minor < 1 ||
        !http_field_has_token(head, "connection", "upgrade"))
        return HTTP_UPGRADE_BAD;
    const struct http_span *version = http_field_find(head, "sec-websocket-version");
    if (version == NULL || !http_span_is(*version, "13"))
        return HTTP_UPGRADE_VERSION; /* RFC 6455 section 4.4: answer with the version we speak */
    const struct http_span *key = http_field_find(head, "sec-websocket-key");
    if (!is_key(key))
        return HTTP_UPGRADE_BAD;
    *ret_key = *key;
    return HTTP_UPGRADE_OK;
}

static int checked(int len, size_t cap)
{
    return len < 0 || (size_t)len >= cap ? -ENOBUFS : len;
}

int http_upgrade_reply(char *buf, size_t cap, const char *accept)
{
    return checked(snprintf(buf, cap,
                            "HTTP/1.1 101 Switching Protocols\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %.*s\r\n\r\n",
                            HTTP_WS_ACCEPT_LEN, accept),
                   cap);
}

int http_upgrade_request(char *buf, size_t cap, const char *host, unsigned port, const char *path, const char *key)
{
    bool brackets = strchr(host, ':') != NULL;
    char port_text[16] = "";
    if (port != 0)
        snprintf(port_text, sizeof port_text, ":%u", port);
    return checked(snprintf(buf, cap,
                            "GET %s HTTP/1.1\r\n"
                            "Host: %s%s%s%s\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Key: %.*s\r\n"
                            "Sec-WebSocket-Version: 13\r\n\r\n",
                            path, brackets ? "[" : "", host, brackets ? "]" : "", port_text, HTTP_WS_KEY_LEN, key),
                   cap);
}

int http_upgrade_accepted(const struct http_head *response, const char *accept)
{
    const struct http_span *value = http_field_find(response, "sec-websocket-accept");
    bool ok = response->status == 101 && http_field_has_token(response, "upgrade", "websocket") &&
              http_field_has_token(response, "connection", "upgrade") && value != NULL &&
              value->len == HTTP_WS_ACCEPT_LEN && memcmp(value->at, accept, HTTP_WS_ACCEPT_LEN) == 0 &&
              /* nothing was offered, so nothing may have been agreed */
              http_field_find(response, "sec-websocket-extensions") == NULL &&
              http_field_find(response, "sec-websocket-protocol") == NULL;
    return ok ? 0 : -EPROTO;
}
