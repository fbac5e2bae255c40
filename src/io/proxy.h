/*
 * io/proxy.h - an HTTP proxy on the way out: where it is, and who we are to it
 */
#ifndef TETHER_IO_PROXY_H
#define TETHER_IO_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { PROXY_USER_MAX = 128 };

struct proxy {
    char host[256];                     /**< "": no proxy */
    uint16_t port;
    char basic[PROXY_USER_MAX * 3];     /**< base64 of "name:password"; "": none */
};

/**
 * Parse http://[NAME:PASSWORD@]HOST[:PORT][/]; the scheme may be missing, %XX stands for a byte, the port is 8080 unless given.
 *
 * @param what names the source of the text in an error: "--proxy", "https_proxy" @return 0 or -EINVAL; the error never holds the password
 */
int proxy_parse(const char *what, const char *text, struct proxy *ret_proxy, struct err *err);
/**
 * The environment's proxy for a host, as curl reads it: https_proxy for wss, http_proxy for ws, then all_proxy, in small or capital
 * letters (HTTP_PROXY in small only), unless no_proxy names the host, a domain it is in, or "*".
 *
 * @return 0 with host "" when there is none; -EINVAL with err
 */
int proxy_from_environment(bool tls, const char *host, struct proxy *ret_proxy, struct err *err);

#endif
