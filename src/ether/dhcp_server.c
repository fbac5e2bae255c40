/*
 * ether/dhcp_server.c - what the server answers to each message; see dhcp_server.h
 *
 * A client is known by its identifier. But machines that were copied share one, so a second card with the identifier of a client
 * that is there is known by its address instead; otherwise two copies, or a liar, would get one address together.
 */
#include "ether/dhcp_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tether/ether.h"

#define TO_ALL UINT32_MAX

struct dhcp_server {
    struct dhcp_server_config config;
    struct dhcp_leases *leases;
    struct dhcp_stats stats;
};

/* A message being answered. */
struct asking {
    struct dhcp_server *s;
    const struct dhcp_message *m;
    uint32_t port;
    uint64_t now_ms;
    struct dhcp_client client;
    uint8_t *out;
    struct dhcp_answer answer;
};

int dhcp_server_new(const struct dhcp_server_config *config, struct dhcp_server **ret_server)
{
    struct dhcp_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->config = *config;
    s->config.leases.except = config->network.server;
    s->config.leases.lease_ms = config->lease_s < UINT32_MAX / 1000 ? config->lease_s * 1000 : UINT32_MAX;
    int failed = dhcp_leases_new(&s->config.leases, &s->leases);
    if (failed) {
        free(s);
        return failed;
    }
    *ret_server = s;
    return 0;
}

void dhcp_server_free(struct dhcp_server *server)
{
    if (server == NULL)
        return;
    dhcp_leases_free(server->leases);
    free(server);
}

/* --- who asks, and for what --- */

static struct dhcp_client card_of(uint64_t mac)
{
    struct dhcp_client c = {.len = 7, .bytes = {1}}; /* RFC 2131 section 2: hardware type and address */
    ether_put_mac(c.bytes + 1, mac);
    return c;
}

static struct dhcp_client client_of(struct dhcp_server *s, const struct dhcp_message *m)
{
    struct dhcp_client card = card_of(m->mac);
    const struct dhcp_lease *known = dhcp_lease_of(s->leases, &card);
    if (known != NULL && known->state != DHCP_FREE)
        return card;
    known = dhcp_lease_of(s->leases, &m->client);
    return known != NULL && known->mac != m->mac && known->port != DHCP_NO_PORT ? card : m->client;
}

static bool is_vacant(void *ctx, uint32_t addr)
{
    struct asking *a = ctx;
    return a->s->config.vacant(a->s->config.ctx, addr, a->m->mac);
}

static bool is_own(const struct asking *a, const struct dhcp_lease *l)
{
    return l != NULL && l->mac != 0 && l->client.len == a->client.len && memcmp(l->client.bytes, a->client.bytes, a->client.len) == 0;
}

/* May it hold this address, now or again? */
static bool may_have(struct asking *a, const struct dhcp_lease *l)
{
    if (l == NULL || l->state == DHCP_DECLINED || (l->reserved_for != 0 && l->reserved_for != a->m->mac))
        return false;
    return is_own(a, l) ? is_vacant(a, l->addr) : l->state == DHCP_FREE && is_vacant(a, l->addr);
}

/* --- answers --- */

static void answer(struct asking *a, enum dhcp_type type, uint32_t yiaddr)
{
    const struct dhcp_message *m = a->m;
    bool lent = type == DHCP_OFFER || (type == DHCP_ACK && m->type == DHCP_REQUEST);
    a->answer.len = dhcp_make(a->out, type, m, &a->s->config.network, yiaddr, lent ? a->s->config.lease_s : 0);
    a->answer.dst_mac = m->mac;
    if (type == DHCP_NAK || (m->ciaddr == 0 && m->wants_broadcast)) { /* RFC 2131 section 4.1 */
        a->answer.dst = TO_ALL;
        a->answer.dst_mac = ETHER_BROADCAST;
    } else {
        a->answer.dst = m->ciaddr != 0 ? m->ciaddr : yiaddr;
    }
}

static void refuse(struct asking *a)
{
    a->s->stats.naks++;
    answer(a, DHCP_NAK, 0);
}

static bool hold(struct asking *a, struct dhcp_lease *l, enum dhcp_state state, uint64_t until_ms)
{
    if (dhcp_lease_set(a->s->leases, l, state, &a->client, a->m->mac, a->port, a->now_ms, until_ms) == 0)
        return true;
    a->s->stats.over_quota++;
    return false;
}

static void grant(struct asking *a, struct dhcp_lease *l)
{
    if (!hold(a, l, DHCP_BOUND, 0))
        return;
    if (a->m->hostname[0] != '\0')
        snprintf(l->hostname, sizeof l->hostname, "%s", a->m->hostname);
    a->s->config.changed(a->s->config.ctx, l);
    a->s->stats.acks++;
    answer(a, DHCP_ACK, l->addr);
}

/* --- each kind of message (RFC 2131 section 4.3) --- */

static void on_discover(struct asking *a)
{
    struct dhcp_leases *t = a->s->leases;
    struct dhcp_lease *l = dhcp_lease_static(t, a->m->mac);
    if (l == NULL) {
        l = dhcp_lease_of(t, &a->client);
        if (!may_have(a, l))
            l = dhcp_lease_at(t, a->m->requested);
        if (!may_have(a, l))
            l = dhcp_lease_find_free(t, a->now_ms, is_vacant, a);
    } else if (l->state == DHCP_DECLINED) {
        l = NULL;
    }
    if (l == NULL) {
        a->s->stats.no_address++;
        return;
    }
    bool bound = l->state == DHCP_BOUND && is_own(a, l);
    if (!hold(a, l, bound ? DHCP_BOUND : DHCP_OFFERED, bound ? l->until_ms : 0))
        return;
    a->s->stats.offers++;
    answer(a, DHCP_OFFER, l->addr);
}

/* The answer to an offer of ours, or of another server's. */
static void on_selecting(struct asking *a)
{
    struct dhcp_lease *l = dhcp_lease_at(a->s->leases, a->m->requested);
    if (a->m->server_id != a->s->config.network.server) {
        l = dhcp_lease_of(a->s->leases, &a->client);
        if (l != NULL && l->state == DHCP_OFFERED)
            dhcp_lease_end(a->s->leases, l);
        a->s->stats.ignored++;
    } else if (is_own(a, l) && may_have(a, l)) {
        grant(a, l);
    } else {
        refuse(a);
    }
}

/* A client that had an address before it was restarted. */
static void on_reboot(struct asking *a)
{
    const struct dhcp_network *n = &a->s->config.network;
    struct dhcp_lease *known = dhcp_lease_of(a->s->leases, &a->client), *kept = dhcp_lease_static(a->s->leases, a->m->mac);
    struct dhcp_lease *l = dhcp_lease_at(a->s->leases, a->m->requested);
    if (a->m->requested == 0)
        a->s->stats.ignored++;
    else if (((a->m->requested ^ n->server) & n->mask) != 0 || (kept != NULL && kept != l))
        refuse(a);
    else if (known == NULL) /* "MUST remain silent" */
        a->s->stats.ignored++;
    else if (known == l && may_have(a, l))
        grant(a, l);
    else
        refuse(a);
}

/* Renewing, or rebinding: there is no other server that could know better, so a wrong address is refused in either case. */
static void on_renew(struct asking *a)
{
    struct dhcp_lease *l = dhcp_lease_at(a->s->leases, a->m->ciaddr);
    if (is_own(a, l) && may_have(a, l))
        grant(a, l);
    else
        refuse(a);
}

static void on_request(struct asking *a)
{
    if (a->m->server_id != 0)
        on_selecting(a);
    else if (a->m->ciaddr != 0)
        on_renew(a);
    else
        on_reboot(a);
}

static void on_decline(struct asking *a)
{
    struct dhcp_lease *l = dhcp_lease_at(a->s->leases, a->m->requested);
    if (a->m->server_id != a->s->config.network.server || !is_own(a, l) ||
        (l->state != DHCP_OFFERED && l->state != DHCP_BOUND) || l->port != a->port) {
        a->s->stats.ignored++;
        return;
    }
    a->s->stats.declines++;
    if (hold(a, l, DHCP_DECLINED, 0))
        a->s->config.changed(a->s->config.ctx, l);
}

static void on_release(struct asking *a)
{
    struct dhcp_lease *l = dhcp_lease_at(a->s->leases, a->m->ciaddr);
    if (!is_own(a, l) || l->state != DHCP_BOUND || l->port != a->port) {
        a->s->stats.ignored++;
        return;
    }
    a->s->stats.releases++;
    dhcp_lease_end(a->s->leases, l);
    a->s->config.changed(a->s->config.ctx, l);
}

static void on_inform(struct asking *a)
{
    if (a->m->ciaddr == 0) {
        a->s->stats.ignored++;
        return;
    }
    a->s->stats.informs++;
    answer(a, DHCP_ACK, 0);
}

struct dhcp_answer dhcp_server_ask(struct dhcp_server *server, uint32_t port, const struct dhcp_message *message, uint64_t now_ms,
                                   uint8_t ret_data[DHCP_REPLY_MAX])
{
    static void (*const on[])(struct asking *) = {
        [DHCP_DISCOVER] = on_discover, [DHCP_REQUEST] = on_request, [DHCP_DECLINE] = on_decline,
        [DHCP_RELEASE] = on_release,   [DHCP_INFORM] = on_inform,
    };
    struct asking a = {.s = server, .m = message, .port = port, .now_ms = now_ms, .out = ret_data};
    dhcp_leases_expire(server->leases, now_ms);
    a.client = client_of(server, message);
    if (message->giaddr != 0 || message->type >= sizeof on / sizeof on[0] || on[message->type] == NULL)
        server->stats.ignored++;
    else
        on[message->type](&a);
    return a.answer;
}

/* --- the rest --- */

void dhcp_server_port_gone(struct dhcp_server *server, uint32_t port)
{
    dhcp_leases_port_gone(server->leases, port);
}

void dhcp_server_tick(struct dhcp_server *server, uint64_t now_ms)
{
    dhcp_leases_expire(server->leases, now_ms);
}

const struct dhcp_lease *dhcp_server_holder(struct dhcp_server *server, uint32_t addr)
{
    const struct dhcp_lease *l = dhcp_lease_at(server->leases, addr);
    return l != NULL && l->state == DHCP_BOUND ? l : NULL;
}

const struct dhcp_stats *dhcp_server_stats(const struct dhcp_server *server)
{
    return &server->stats;
}

struct dhcp_leases *dhcp_server_leases(struct dhcp_server *server)
{
    return server->leases;
}
