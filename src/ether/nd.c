/* ether/nd.c - see nd.h */
#include "ether/nd.h"

#include "base/bytes.h"
#include "tether/ether.h"

enum {
    IP6_LEN = 40, HEADERS_MAX = 8, UNIT = 8,
    NEXT_HOP = 0, NEXT_ROUTING = 43, NEXT_FRAGMENT = 44, NEXT_AUTH = 51, NEXT_ICMP = 58, NEXT_DEST = 60,
    ROUTER_SOLICIT = 133, ROUTER_ADVERT = 134, SOLICIT = 135, ADVERT = 136, REDIRECT = 137,
    TARGET_AT = 8, OPTIONS_AT = 24, ROUTER_OPTIONS_AT = 8, OPTION_SOURCE = 1, OPTION_TARGET = 2,
};

/* Who says that he has another's card would turn the others' frames to it. */
static bool names_another(const uint8_t *at, size_t len, uint8_t option, uint64_t mac)
{
    while (len >= UNIT) {
        size_t option_len = (size_t)at[1] * UNIT;
        if (option_len == 0 || option_len > len)
            return false; /* nobody reads such a message */
        if (at[0] == option && ether_get_mac(at + 2) != mac)
            return true;
        at += option_len;
        len -= option_len;
    }
    return false;
}

static void read_icmp(const uint8_t *at, size_t len, bool fragment, uint64_t mac, struct nd *nd)
{
    if (len == 0 || at[0] < ROUTER_SOLICIT || at[0] > REDIRECT)
        return;
    if (fragment) {
        nd->kind = ND_HIDDEN;
    } else if (at[0] == ROUTER_ADVERT || at[0] == REDIRECT) {
        nd->kind = ND_ROUTER;
    } else if (at[0] == ROUTER_SOLICIT) {
        nd->foreign = len > ROUTER_OPTIONS_AT && names_another(at + ROUTER_OPTIONS_AT, len - ROUTER_OPTIONS_AT, OPTION_SOURCE, mac);
    } else if (len >= OPTIONS_AT) {
        nd->kind = at[0] == SOLICIT ? ND_SOLICIT : ND_ADVERT;
        nd->target[0] = get_be64(at + TARGET_AT);
        nd->target[1] = get_be64(at + TARGET_AT + 8);
        nd->foreign = names_another(at + OPTIONS_AT, len - OPTIONS_AT, at[0] == SOLICIT ? OPTION_SOURCE : OPTION_TARGET, mac);
    }
}

/* The length of an extension header; 0: it is none. */
static size_t extension_len(uint8_t next, const uint8_t *at)
{
    if (next == NEXT_HOP || next == NEXT_ROUTING || next == NEXT_DEST)
        return UNIT + (size_t)at[1] * UNIT;
    if (next == NEXT_AUTH)
        return ((size_t)at[1] + 2) * 4;
    return next == NEXT_FRAGMENT ? UNIT : 0;
}

static bool is_extension(uint8_t next)
{
    return next == NEXT_HOP || next == NEXT_ROUTING || next == NEXT_DEST || next == NEXT_AUTH || next == NEXT_FRAGMENT;
}

bool nd_parse(const uint8_t *packet, size_t len, uint64_t mac, struct nd *ret_nd)
{
    if (len < IP6_LEN || packet[0] >> 4 != 6)
        return false;
    *ret_nd = (struct nd){.src = {get_be64(packet + 8), get_be64(packet + 16)}};
    const size_t said = get_be16(packet + 4);
    const size_t end = said != 0 && IP6_LEN + said < len ? IP6_LEN + said : len;
    size_t at = IP6_LEN;
    uint8_t next = packet[6];
    bool fragment = false;
    for (int i = 0; is_extension(next); i++) {
        if (i == HEADERS_MAX || end - at < UNIT || end - at < extension_len(next, packet + at)) {
            ret_nd->kind = ND_HIDDEN;
            return true;
        }
        if (next == NEXT_FRAGMENT && (get_be16(packet + at + 2) & 0xfff8) != 0) /* a later one: nothing to be seen, or to be read alone */
            return true;
        fragment = fragment || next == NEXT_FRAGMENT;
        size_t step = extension_len(next, packet + at);
        next = packet[at];
        at += step;
    }
    if (next == NEXT_ICMP)
        read_icmp(packet + at, end - at, fragment, mac, ret_nd);
    return true;
}
