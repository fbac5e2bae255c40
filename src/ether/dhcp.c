/*
 * ether/dhcp.c - see dhcp.h
 *
 * Options may go on in the fields `file` and `sname` (RFC 2131 section 4.1, option overload). Of an option that is there twice the
 * first counts: none of those read here is long enough to be split (RFC 3396).
 */
#include "ether/dhcp.h"

#include <string.h>

#include "base/bytes.h"
#include "tether/ether.h"

/* RFC 2131 section 2, figure 1 */
enum { AT_OP = 0, AT_HTYPE = 1, AT_HLEN = 2, AT_XID = 4, AT_FLAGS = 10, AT_CIADDR = 12, AT_YIADDR = 16, AT_SIADDR = 20, AT_GIADDR = 24,
       AT_CHADDR = 28, AT_SNAME = 44, AT_FILE = 108, AT_COOKIE = 236, AT_OPTIONS = 240 };
enum { SNAME_LEN = 64, FILE_LEN = 128, CHADDR_LEN = 16, COOKIE = 0x63825363, FLAG_BROADCAST = 0x8000 };
enum { BOOTREQUEST = 1, BOOTREPLY = 2, HTYPE_ETHERNET = 1, MAC_LEN = 6 };
/* RFC 2132 */
enum { OPT_PAD = 0, OPT_MASK = 1, OPT_ROUTER = 3, OPT_DNS = 6, OPT_HOSTNAME = 12, OPT_DOMAIN = 15, OPT_MTU = 26, OPT_BROADCAST = 28,
       OPT_REQUESTED = 50, OPT_LEASE = 51, OPT_OVERLOAD = 52, OPT_TYPE = 53, OPT_SERVER_ID = 54, OPT_T1 = 58, OPT_T2 = 59,
       OPT_CLIENT_ID = 61, OPT_END = 255 };

/* --- reading --- */

struct reading {
    struct dhcp_message *m;
    uint8_t overload;
    bool has_hostname;
};

/* A name for logs and status: what is no letter or digit of a host name ends it (RFC 1123 section 2.1, and the common '_'). */
static void take_hostname(struct reading *r, const uint8_t *data, size_t len)
{
    size_t n = 0;
    for (; n < len && n < DHCP_HOSTNAME_MAX; n++) {
        uint8_t c = data[n];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (!good)
            break;
        r->m->hostname[n] = (char)c;
    }
    r->m->hostname[n] = '\0';
    r->has_hostname = true;
}

static void take_option(struct reading *r, uint8_t code, const uint8_t *data, size_t len)
{
    struct dhcp_message *m = r->m;
    if (code == OPT_TYPE && len == 1 && m->type == 0)
        m->type = (enum dhcp_type)data[0];
    else if (code == OPT_REQUESTED && len == 4 && m->requested == 0)
        m->requested = get_be32(data);
    else if (code == OPT_SERVER_ID && len == 4 && m->server_id == 0)
        m->server_id = get_be32(data);
    else if (code == OPT_OVERLOAD && len == 1 && r->overload == 0)
        r->overload = data[0] & 3;
    else if (code == OPT_HOSTNAME && !r->has_hostname)
        take_hostname(r, data, len);
    else if (code == OPT_CLIENT_ID && len >= 2 && !m->has_client_id) {
        m->client.len = (uint8_t)(len < DHCP_CLIENT_ID_MAX ? len : DHCP_CLIENT_ID_MAX);
        memcpy(m->client.bytes, data, m->client.len);
        m->has_client_id = true;
    }
}

/* @return false when an option runs over the end */
static bool read_options(struct reading *r, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (at < len && data[at] != OPT_END) {
        if (data[at] == OPT_PAD) {
            at++;
            continue;
        }
        if (len - at < 2 || len - at - 2 < data[at + 1])
            return false;
        take_option(r, data[at], data + at + 2, data[at + 1]);
        at += 2u + data[at + 1];
    }
    return true;
}

bool dhcp_parse(const uint8_t *data, size_t len, struct dhcp_message *ret_message)
{
    struct dhcp_message m = {0};
    struct reading r = {.m = &m};
    if (len < AT_OPTIONS || data[AT_OP] != BOOTREQUEST || data[AT_HTYPE] != HTYPE_ETHERNET || data[AT_HLEN] != MAC_LEN ||
        get_be32(data + AT_COOKIE) != COOKIE)
        return false;
    m.xid = get_be32(data + AT_XID);
    m.flags = get_be16(data + AT_FLAGS);
    m.wants_broadcast = m.flags & FLAG_BROADCAST;
    m.mac = ether_get_mac(data + AT_CHADDR);
    m.ciaddr = get_be32(data + AT_CIADDR);
    m.giaddr = get_be32(data + AT_GIADDR);
    if (!read_options(&r, data + AT_OPTIONS, len - AT_OPTIONS) ||
        ((r.overload & 1) && !read_options(&r, data + AT_FILE, FILE_LEN)) ||
        ((r.overload & 2) && !read_options(&r, data + AT_SNAME, SNAME_LEN)))
        return false;
    if (m.type < DHCP_DISCOVER || m.type > DHCP_INFORM || !ether_is_station(m.mac))
        return false;
    if (!m.has_client_id) { /* RFC 2131 section 2 */
        m.client.len = 1 + MAC_LEN;
        m.client.bytes[0] = HTYPE_ETHERNET;
        memcpy(m.client.bytes + 1, data + AT_CHADDR, MAC_LEN);
    }
    *ret_message = m;
    return true;
}

/* --- writing: all options together are shorter than the room for them --- */

static uint8_t *put_option(uint8_t *at, uint8_t code, const void *data, size_t len)
{
    at[0] = code;
    at[1] = (uint8_t)len;
    memcpy(at + 2, data, len);
    return at + 2 + len;
}

static uint8_t *put_number(uint8_t *at, uint8_t code, uint32_t number)
{
    uint8_t bytes[4];
    put_be32(bytes, number);
    return put_option(at, code, bytes, sizeof bytes);
}

static uint8_t *put_network(uint8_t *at, const struct dhcp_network *n, uint32_t addr)
{
    uint8_t list[4 * DHCP_DNS_MAX];
    at = put_number(at, OPT_MASK, n->mask);
    at = put_number(at, OPT_BROADCAST, (addr & n->mask) | ~n->mask);
    if (n->router != 0)
        at = put_number(at, OPT_ROUTER, n->router);
    for (size_t i = 0; i < n->dns_count; i++)
        put_be32(list + 4 * i, n->dns[i]);
    if (n->dns_count > 0)
        at = put_option(at, OPT_DNS, list, 4 * n->dns_count);
    if (n->domain[0] != '\0')
        at = put_option(at, OPT_DOMAIN, n->domain, strlen(n->domain));
    if (n->mtu != 0) {
        put_be16(list, n->mtu);
        at = put_option(at, OPT_MTU, list, 2);
    }
    return at;
}

size_t dhcp_make(uint8_t ret_data[DHCP_REPLY_MAX], enum dhcp_type type, const struct dhcp_message *asked,
                 const struct dhcp_network *network, uint32_t yiaddr, uint32_t lease_s)
{
    uint8_t *d = ret_data, *at = d + AT_OPTIONS, kind = (uint8_t)type;
    memset(d, 0, DHCP_REPLY_MAX);
    d[AT_OP] = BOOTREPLY;
    d[AT_HTYPE] = HTYPE_ETHERNET;
    d[AT_HLEN] = MAC_LEN;
    put_be32(d + AT_XID, asked->xid);
    put_be16(d + AT_FLAGS, asked->flags);
    if (type != DHCP_NAK)
        put_be32(d + AT_CIADDR, asked->type == DHCP_DISCOVER ? 0 : asked->ciaddr); /* RFC 2131 section 4.3.1, table 3 */
    put_be32(d + AT_YIADDR, yiaddr);
    put_be32(d + AT_GIADDR, asked->giaddr);
    ether_put_mac(d + AT_CHADDR, asked->mac);
    put_be32(d + AT_COOKIE, COOKIE);
    at = put_option(at, OPT_TYPE, &kind, 1);
    at = put_number(at, OPT_SERVER_ID, network->server);
    if (lease_s != 0) {
        at = put_number(at, OPT_LEASE, lease_s);
        at = put_number(at, OPT_T1, lease_s / 2); /* RFC 2131 section 4.4.5 */
        at = put_number(at, OPT_T2, (uint32_t)((uint64_t)lease_s * 7 / 8));
    }
    if (type != DHCP_NAK)
        at = put_network(at, network, yiaddr != 0 ? yiaddr : asked->ciaddr);
    if (asked->has_client_id) /* RFC 6842 */
        at = put_option(at, OPT_CLIENT_ID, asked->client.bytes, asked->client.len);
    *at++ = OPT_END;
    size_t len = (size_t)(at - d);
    return len < DHCP_MIN_LEN ? DHCP_MIN_LEN : len;
}
