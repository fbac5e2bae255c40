/* io/ws_url.c - ws:// and wss:// addresses (RFC 6455 section 3), and what people type instead */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "io/ws.h"

static const char good[] = "a good one looks like ws://203.0.113.5:8080/websocket";

static bool take(const char **at, const char *word)
{
    size_t len = strlen(word);
    if (strncasecmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

static int take_host(const char **at, char *host, size_t cap)
{
    bool bracket = **at == '[';
    *at += bracket;
    size_t len = strcspn(*at, bracket ? "]" : ":/?#");
    if (len == 0 || len >= cap || (bracket && (*at)[len] != ']'))
        return -EINVAL;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)(*at)[i] <= ' ' || strchr("@\"<>\\", (*at)[i]) != NULL)
            return -EINVAL;
    memcpy(host, *at, len);
    host[len] = '\0';
    *at += len + bracket;
    return 0;
}

static int take_port(const char **at, uint16_t *ret_port)
{
    long port;
    if (**at != ':')
        return 0;
    const char *end = text_number(*at + 1, 1, 65535, &port);
    if (end == NULL)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    *at = end;
    return 0;
}

int ws_url_parse(const char *text, struct ws_url *ret_url, struct err *err)
{
    const char *at = text;
    struct ws_url url = {.port = 8080};
    if (take(&at, "wss://"))
        url.tls = true;
    else if (!take(&at, "ws://"))
        return err_set(err, -EINVAL, "%s: not a websocket address; %s", text, good);
    if (url.tls)
        url.port = 443;
    if (take_host(&at, url.host, sizeof url.host) < 0 || take_port(&at, &url.port) < 0 ||
        (*at != '\0' && *at != '/') || strlen(at) >= sizeof url.path)
        return err_set(err, -EINVAL, "%s: not a websocket address; %s", text, good);
    for (const char *c = at; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == '#')
            return err_set(err, -EINVAL, "%s: not a websocket address; %s", text, good);
    snprintf(url.path, sizeof url.path, "%s", *at == '\0' || strcmp(at, "/") == 0 ? "/websocket" : at);
    *ret_url = url;
    return 0;
}
