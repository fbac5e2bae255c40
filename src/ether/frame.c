/*
 * ether/frame.c - Ethernet headers and addresses
 *
 * What a tag says about a frame's network is its outermost number; a switch of ours never adds or takes a tag.
 */
#include "tether/ether.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

enum { TAGS_MAX = 2, VLAN_RESERVED = 4095, TYPE_AT = 12 };

static bool is_tag(uint16_t type)
{
    return type == ETHER_TYPE_VLAN || type == ETHER_TYPE_QINQ;
}

bool ether_parse(uint8_t *frame, size_t len, struct ether_view *ret_view)
{
    if (len < ETHER_HEADER_LEN || len > ETHER_MAX_LEN)
        return false;
    struct ether_view v = {.frame = frame, .len = len, .dst = ether_get_mac(frame), .src = ether_get_mac(frame + 6)};
    size_t at = TYPE_AT;
    v.type = get_be16(frame + at);
    for (int tags = 0; is_tag(v.type) && tags < TAGS_MAX; tags++) {
        if (len < at + ETHER_TAG_LEN + 2)
            return false;
        uint16_t vlan = get_be16(frame + at + 2) & 0x0fff;
        if (vlan == VLAN_RESERVED)
            return false;
        if (!v.tagged)
            v.vlan = vlan;
        v.tagged = true;
        at += ETHER_TAG_LEN;
        v.type = get_be16(frame + at);
    }
    v.payload = frame + at + 2;
    v.payload_len = len - at - 2;
    *ret_view = v;
    return true;
}

uint64_t ether_get_mac(const uint8_t *at)
{
    return (uint64_t)get_be16(at) << 32 | get_be32(at + 2);
}

void ether_put_mac(uint8_t *at, uint64_t mac)
{
    put_be16(at, (uint32_t)(mac >> 32) & 0xffff);
    put_be32(at + 2, (uint32_t)mac);
}

void ether_put_header(uint8_t *at, uint64_t dst, uint64_t src, uint16_t type)
{
    ether_put_mac(at, dst);
    ether_put_mac(at + 6, src);
    put_be16(at + TYPE_AT, type);
}

void ether_mac_text(uint64_t mac, char ret_text[ETHER_MAC_TEXT_LEN + 1])
{
    uint8_t b[6];
    ether_put_mac(b, mac);
    snprintf(ret_text, ETHER_MAC_TEXT_LEN + 1, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int ether_mac_parse(const char *text, uint64_t *ret_mac)
{
    uint64_t mac = 0;
    if (strlen(text) != ETHER_MAC_TEXT_LEN)
        return -EINVAL;
    for (size_t i = 0; i < ETHER_MAC_TEXT_LEN; i++) {
        if (i % 3 == 2) {
            if (text[i] != ':' && text[i] != '-')
                return -EINVAL;
            continue;
        }
        int digit = hex(text[i]);
        if (digit < 0)
            return -EINVAL;
        mac = mac << 4 | (uint64_t)digit;
    }
    *ret_mac = mac;
    return 0;
}
