/* role/server_kernel.c - see server_kernel.h */
#include "role/server_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/tun.h"
#include "role/server_priv.h"
#include "tether/packet.h"

enum {
    NET = 0x0a010000, NET_LEN = 16, /* 10.1.0.0/16 */
    OWN = NET + 1,                  /* ours, the next hop that laptops see */
    FIRST = 2, LAST = 0xfffe,       /* of what is lent */
    NAMES = 8,                      /* tether0, tether1 … are tried */
    SLOTS = 4096,                   /* of session ids: their low bits (tunnel/session_table.c) */
};

struct lease {
    uint32_t session, addr, inside; /* session 0: none */
};

struct server_kernel {
    struct server *server;
    struct tun *tun;
    struct lease lease[SLOTS];
    uint16_t slot[LAST + 1]; /* of whom an address is lent to, plus 1; 0: nobody */
    uint32_t next;
    char name[16];
};

static struct lease *lease_of(struct server_kernel *k, uint32_t session)
{
    struct lease *l = &k->lease[session % SLOTS];
    return l->session == session ? l : NULL;
}

static struct lease *lease_at(struct server_kernel *k, uint32_t addr)
{
    uint32_t host = addr - NET;
    return host <= LAST && k->slot[host] != 0 ? &k->lease[k->slot[host] - 1] : NULL;
}

uint32_t server_kernel_lease(struct server_kernel *k, uint32_t session, uint32_t inside)
{
    struct lease *l = lease_of(k, session);
    if (l != NULL) {
        l->inside = inside != 0 ? inside : l->inside;
        return l->addr;
    }
    /* In turn: what the kernel still remembers of the last one to have it shall be forgotten by then. */
    for (uint32_t tried = FIRST; tried <= LAST; tried++) {
        uint32_t host = k->next;
        k->next = host == LAST ? FIRST : host + 1;
        if (k->slot[host] != 0)
            continue;
        k->lease[session % SLOTS] = (struct lease){session, NET + host, inside};
        k->slot[host] = (uint16_t)(session % SLOTS + 1);
        return NET + host;
    }
    return 0;
}

void server_kernel_forget(struct server_kernel *k, uint32_t session)
{
    struct lease *l = lease_of(k, session);
    if (l == NULL)
        return;
    k->slot[l->addr - NET] = 0;
    *l = (struct lease){0};
}

/* An error quotes the packet it is about: its address is exchanged as well. */
static void exchange_quoted(struct ip4_view *v, uint32_t from, uint32_t to)
{
    struct ip4_view inner;
    bool error = v->icmp_type == ICMP_UNREACHABLE || v->icmp_type == ICMP_TIME_EXCEEDED || v->icmp_type == ICMP_PARAMETER;
    if (v->proto != IP_PROTO_ICMP || !error || ip4_is_fragment(v) || v->l4_len <= 8 || !ip4_l4_csum_ok(v) ||
        ip4_parse_embedded(v->l4 + 8, v->l4_len - 8, &inner) != DROP_NONE)
        return;
    if (inner.src == from)
        ip4_set_src(&inner, to);
    if (inner.dst == from)
        ip4_set_dst(&inner, to);
    ip4_set_l4_csum(v);
}

/* --- from laptops --- */

static void refuse(struct server_kernel *k, struct session *session, const struct ip4_view *v)
{
    uint8_t error[576];
    size_t len = icmp_make_error(error, sizeof error, OWN, ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED, 0, v);
    if (len > 0)
        server_queue(k->server, session, error, len, (struct offload){0});
}

/* To another laptop, if that was allowed. */
static void across(struct server_kernel *k, struct session *from, struct ip4_view *v, const struct lease *l, struct offload offload)
{
    struct lease *other = lease_at(k, v->dst);
    struct session *to = other != NULL ? session_table_by_id(k->server->sessions, other->session) : NULL;
    if (!k->server->setup.between || to == NULL || to == from || other->inside == 0) {
        refuse(k, from, v);
        return;
    }
    exchange_quoted(v, l->inside, l->addr);
    exchange_quoted(v, other->addr, other->inside);
    ip4_set_src(v, l->addr);
    ip4_set_dst(v, other->inside);
    server_queue(k->server, to, v->ip, v->len, offload);
}

void server_kernel_send(struct server_kernel *k, struct session *session, uint8_t *packet, size_t len, const struct offload *offload)
{
    static const struct offload none;
    struct lease *l = lease_of(k, session->id);
    struct ip4_view v;
    if (offload == NULL)
        offload = &none;
    if (l == NULL || ip4_parse(packet, len, &v) != DROP_NONE || ip4_view_offload(&v, offload) != DROP_NONE)
        return;
    if (l->inside == 0)
        l->inside = v.src;
    if (v.src != l->inside) {
        k->server->counters.spoofed++;
        return;
    }
    if (v.dst >> (32 - NET_LEN) == NET >> (32 - NET_LEN)) {
        across(k, session, &v, l, *offload);
        return;
    }
    if (!nat_allows(k->server->nat, v.proto, v.dst, v.dst_port)) {
        refuse(k, session, &v);
        return;
    }
    exchange_quoted(&v, l->inside, l->addr);
    ip4_set_src(&v, l->addr);
    if (tun_write(k->tun, packet, v.len, offload) < 0)
        k->server->counters.link.failed++;
}

/* --- from the kernel --- */

static void on_tun_packet(void *ctx, struct pbuf *take_b)
{
    struct server_kernel *k = ctx;
    struct session *session = NULL;
    struct lease *l = NULL;
    struct ip4_view v;
    if (ip4_parse(take_b->data, take_b->len, &v) == DROP_NONE && ip4_view_offload(&v, &take_b->offload) == DROP_NONE)
        l = lease_at(k, v.dst);
    if (l != NULL && l->inside != 0)
        session = session_table_by_id(k->server->sessions, l->session);
    if (session == NULL) {
        pbuf_put(k->server->pool, take_b);
        return;
    }
    exchange_quoted(&v, l->addr, l->inside);
    ip4_set_dst(&v, l->inside);
    if (session->plain && v.partial) { /* a plain laptop is told nothing beside its packets; this TUN makes no large ones for it */
        ip4_set_l4_csum(&v);
        take_b->offload = (struct offload){0};
    }
    session_send(session, take_b, io_now_us());
}

void server_kernel_too_big(struct server_kernel *k, uint32_t session, uint8_t *packet, size_t len, size_t mtu)
{
    struct lease *l = lease_of(k, session);
    struct ip4_view v;
    uint8_t error[576];
    if (l == NULL || ip4_parse(packet, len, &v) != DROP_NONE)
        return;
    ip4_set_dst(&v, l->addr); /* as its sender's kernel, ours, knows it */
    size_t error_len = icmp_make_error(error, sizeof error, l->addr, ICMP_UNREACHABLE, ICMP_NEED_FRAG, (uint16_t)mtu, &v);
    if (error_len > 0)
        tun_write(k->tun, error, error_len, NULL);
}

/* --- life --- */

/* The first name that is free: another server on this machine may have one. @return descriptor or -errno */
static int open_tun(struct server_kernel *k, struct err *err)
{
    int fd = -EBUSY;
    for (int i = 0; i < NAMES && fd == -EBUSY; i++) {
        snprintf(k->name, sizeof k->name, "tether%hhu", (unsigned char)i);
        fd = host_tun_open(k->server->host, k->name, (struct host_cidr){OWN, NET_LEN}, k->server->setup.link_mtu, err);
    }
    return fd == -EBUSY ? err_set(err, fd, "devices tether0 to tether%d: all taken; end the servers that have them", NAMES - 1) : fd;
}

int server_kernel_open(struct server *s, struct err *err)
{
    struct server_kernel *k = calloc(1, sizeof *k);
    if (k == NULL)
        return -ENOMEM;
    s->kernel = k;
    k->server = s;
    k->next = FIRST;
    int failed = host_open(s->common->state_dir, "server", &s->host, err);
    int fd = failed ? failed : open_tun(k, err);
    failed = fd < 0 ? fd : tun_new(s->loop, fd, s->setup.plain ? TUN_FINISHED : TUN_LARGE, s->pool, on_tun_packet, k, &k->tun);
    if (!failed)
        failed = host_masquerade(s->host, k->name, (struct host_cidr){NET, NET_LEN}, err);
    if (!failed)
        failed = host_only_answers(s->host, k->name, err);
    return failed;
}

void server_kernel_close(struct server_kernel *k)
{
    if (k == NULL)
        return;
    tun_close(k->tun);
    free(k);
}
