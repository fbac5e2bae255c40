/* io/proxy.c - see proxy.h */
#include "io/proxy.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "name:password" with %XX, up to `len`, as base64. @return false: too long or malformed */
static bool take_user(const char *text, size_t len, char *ret_basic)
{
    unsigned char user[PROXY_USER_MAX];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return false;
            c = hex(text[i + 1]) << 4 | hex(text[i + 2]);
            i += 2;
        }
        if (n == sizeof user)
            return false;
        user[n++] = (unsigned char)c;
    }
    if (memchr(user, ':', n) == NULL) { /* a name without a password: an empty one */
        if (n == sizeof user)
            return false;
        user[n++] = ':';
    }
    EVP_EncodeBlock((unsigned char *)ret_basic, user, (int)n);
    return true;
}

/* HOST[:PORT][/], IPv6 in brackets */
static bool take_place(const char *at, struct proxy *p)
{
    bool bracket = *at == '[';
    at += bracket;
    size_t len = strcspn(at, bracket ? "]" : ":/");
    if (len == 0 || len >= sizeof p->host || (bracket && at[len] != ']'))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)at[i] <= ' ' || strchr("\"<>\\", at[i]) != NULL)
            return false;
    memcpy(p->host, at, len);
    p->host[len] = '\0';
    at += len + bracket;
    if (*at == ':') {
        long port;
        at = text_number(at + 1, 1, 65535, &port);
        if (at == NULL)
            return false;
        p->port = (uint16_t)port;
    }
    return *at == '\0' || strcmp(at, "/") == 0;
}

int proxy_parse(const char *what, const char *text, struct proxy *ret_proxy, struct err *err)
{
    struct proxy p = {.port = 8080};
    const char *at = text, *scheme = strstr(text, "://");
    if (scheme != NULL && strncasecmp(text, "http://", 7) != 0)
        return err_set(err, -EINVAL, "%s %.*s://…: only HTTP proxies are spoken to; give http://[NAME:PASSWORD@]HOST:PORT", what,
                       scheme - text > 16 ? 16 : (int)(scheme - text), text);
    if (scheme != NULL)
        at = scheme + 3;
    const char *user_end = strrchr(at, '@');
    if ((user_end != NULL && !take_user(at, (size_t)(user_end - at), p.basic)) ||
        !take_place(user_end != NULL ? user_end + 1 : at, &p))
        return err_set(err, -EINVAL, "%s: not a proxy's address; a good one looks like http://NAME:PASSWORD@proxy.example:3128", what);
    *ret_proxy = p;
    return 0;
}

/* A list of names, with or without a dot in front, separated by commas or blanks. */
static bool is_exempt(const char *host)
{
    const char *list = getenv("no_proxy");
    size_t host_len = strlen(host);
    if (list == NULL)
        list = getenv("NO_PROXY");
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ", ");
        const char *name = list;
        list += len + (list[len] != '\0');
        if (len == 1 && *name == '*')
            return true;
        if (len > 0 && *name == '.')
            name++, len--;
        if (len > 0 && len <= host_len && strncasecmp(host + host_len - len, name, len) == 0 &&
            (len == host_len || host[host_len - len - 1] == '.'))
            return true;
    }
    return false;
}

int proxy_from_environment(bool tls, const char *host, struct proxy *ret_proxy, struct err *err)
{
    static const char *const of_tls[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
    static const char *const of_plain[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    *ret_proxy = (struct proxy){0};
    if (is_exempt(host))
        return 0;
    for (const char *const *name = tls ? of_tls : of_plain; *name != NULL; name++) {
        const char *text = getenv(*name);
        if (text != NULL && *text != '\0')
            return proxy_parse(*name, text, ret_proxy, err);
    }
    return 0;
}
