/* io/udp_cookie.c - see udp_cookie.h */
#include "io/udp_cookie.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "io/tls_psk.h"

int udp_cookies_init(struct udp_cookies *c, uint64_t now_ms)
{
    c->since_ms = now_ms;
    return tls_random(c->secret, sizeof c->secret);
}

void udp_cookies_tick(struct udp_cookies *c, uint64_t now_ms)
{
    if (now_ms <= c->since_ms + UDP_COOKIE_MS)
        return;
    memcpy(c->secret[1], c->secret[0], sizeof c->secret[0]);
    tls_random(c->secret[0], sizeof c->secret[0]);
    c->since_ms = now_ms;
}

static void make(const uint8_t secret[32], const struct udp_peer *peer, uint64_t id, uint8_t ret_cookie[DATAGRAM_COOKIE_LEN])
{
    uint8_t text[27] = {0}, digest[EVP_MAX_MD_SIZE];
    memcpy(text, &id, 8);
    if (peer->addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&peer->addr;
        memcpy(text + 8, &six->sin6_addr, 16);
        memcpy(text + 24, &six->sin6_port, 2);
        text[26] = 6;
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&peer->addr;
        memcpy(text + 8, &four->sin_addr, 4);
        memcpy(text + 24, &four->sin_port, 2);
        text[26] = 4;
    }
    HMAC(EVP_sha256(), secret, 32, text, sizeof text, digest, NULL);
    memcpy(ret_cookie, digest, DATAGRAM_COOKIE_LEN);
}

void udp_cookie_make(const struct udp_cookies *c, const struct udp_peer *peer, uint64_t id, uint8_t ret_cookie[DATAGRAM_COOKIE_LEN])
{
    make(c->secret[0], peer, id, ret_cookie);
}

bool udp_cookie_is_good(const struct udp_cookies *c, const struct udp_peer *peer, uint64_t id, const uint8_t cookie[DATAGRAM_COOKIE_LEN])
{
    uint8_t good[DATAGRAM_COOKIE_LEN];
    for (int which = 0; which < 2; which++) {
        make(c->secret[which], peer, id, good);
        if (CRYPTO_memcmp(good, cookie, sizeof good) == 0)
            return true;
    }
    return false;
}
