/*
 * ether/dhcp_file.c - a lease as a line of text, for the file that outlives the process
 *
 * Lines are only ever added while the server runs, so a crash loses none; of several about one address the last counts.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ether/dhcp_server.h"
#include "tether/ether.h"

enum { FIELDS = 5 };

void dhcp_lease_print(const struct dhcp_lease *lease, uint64_t expires_s, char ret_line[DHCP_LINE_MAX])
{
    char addr[INET_ADDRSTRLEN], mac[ETHER_MAC_TEXT_LEN + 1], id[2 * DHCP_CLIENT_ID_MAX + 1] = "-";
    struct in_addr in = {htonl(lease->addr)};
    inet_ntop(AF_INET, &in, addr, sizeof addr);
    ether_mac_text(lease->mac, mac);
    for (size_t i = 0; i < lease->client.len; i++)
        snprintf(id + 2 * i, 3, "%02x", lease->client.bytes[i]);
    snprintf(ret_line, DHCP_LINE_MAX, "%s %s %" PRIu64 " %s %s\n", addr, mac, expires_s, id,
             lease->hostname[0] != '\0' ? lease->hostname : "-");
}

static bool take_client(const char *text, struct dhcp_client *ret)
{
    size_t len = strlen(text);
    if (len == 0 || len % 2 != 0 || len > sizeof ret->bytes * 2 || strspn(text, "0123456789abcdef") != len)
        return false;
    ret->len = (uint8_t)(len / 2);
    for (size_t i = 0; i < ret->len; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        ret->bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

/* Cut a line at its blanks. @return how many words, at most FIELDS + 1 */
static size_t split(char *line, char *ret_words[FIELDS])
{
    size_t count = 0;
    for (char *rest = line, *word; (word = strsep(&rest, " \n")) != NULL;) {
        if (*word == '\0')
            continue;
        if (count == FIELDS)
            return FIELDS + 1;
        ret_words[count++] = word;
    }
    return count;
}

bool dhcp_server_restore(struct dhcp_server *server, const char *line, uint64_t unix_s, uint64_t now_ms)
{
    char copy[DHCP_LINE_MAX], *word[FIELDS], *end;
    struct in_addr in;
    uint64_t mac;
    struct dhcp_client client;
    if (snprintf(copy, sizeof copy, "%s", line) >= (int)sizeof copy || split(copy, word) != FIELDS)
        return false;
    if (inet_pton(AF_INET, word[0], &in) != 1 || ether_mac_parse(word[1], &mac) != 0 || !ether_is_station(mac) ||
        *word[2] < '0' || *word[2] > '9' || !take_client(word[3], &client))
        return false;
    uint64_t expires_s = strtoull(word[2], &end, 10);
    if (*end != '\0')
        return false;
    struct dhcp_leases *leases = dhcp_server_leases(server);
    struct dhcp_lease *l = dhcp_lease_at(leases, ntohl(in.s_addr));
    if (l == NULL || (l->reserved_for != 0 && l->reserved_for != mac))
        return true;
    /* What ended is bound for a moment only, so that its client is remembered; a clock that jumped does not make a lease eternal. */
    uint64_t left_s = expires_s > unix_s ? expires_s - unix_s : 0, longest_s = UINT32_MAX / 1000;
    if (left_s > longest_s)
        left_s = longest_s;
    dhcp_lease_set(leases, l, DHCP_BOUND, &client, mac, DHCP_NO_PORT, now_ms, now_ms + left_s * 1000 + 1);
    if (strcmp(word[4], "-") != 0)
        snprintf(l->hostname, sizeof l->hostname, "%s", word[4]);
    if (left_s == 0)
        dhcp_lease_end(leases, l);
    return true;
}
