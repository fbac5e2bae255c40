/*
 * role/server.c - tether server: the internet's end
 *
 *     websocket -> TLS -> path -> session -> NAT in2out -> cut to size -> raw socket
 *     capture -> NAT out2in -> session's queue -> path -> TLS -> websocket
 *
 * This file wires; who the laptops are is in server_laptop.c. The NAT decides about every packet; the kernel is kept silent about the
 * ports lent to it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "role/bridge.h"
#include "role/hosted.h"
#include "role/nat_link.h"
#include "role/outer.h"
#include "role/page_state.h"
#include "role/server_priv.h"

enum {
    SESSIONS_MAX = 256,
    POOL_BYTES = 24 * 1024 * 1024,
    TICK_MS = 1000,
    OWN_ADDRESSES_TICKS = 5,
};
static const uint64_t session_keep_us = UINT64_C(3600) * 1000000;

/* --- packets --- */

static void to_internet(struct server *s, const struct nat_result *r)
{
    link_count_sent(&s->counters.link, inject_send(s->inject, r->packet, r->len, &r->offload));
}

struct addressee {
    struct server *server;
    struct session *session;
};

void server_queue(struct server *s, struct session *to, const uint8_t *packet, size_t len, struct offload offload)
{
    struct pbuf *b = pbuf_get(s->pool, len);
    if (b == NULL && session_table_shed(s->sessions) > 0) /* one laptop's flood must not cost the others */
        b = pbuf_get(s->pool, len);
    if (b == NULL) {
        s->counters.pool_empty++;
        return;
    }
    memcpy(b->data, packet, len);
    b->len = (uint32_t)len;
    b->offload = offload;
    session_send(to, b, io_now_us());
}

static void queue_finished(void *ctx, const uint8_t *packet, size_t len)
{
    const struct addressee *to = ctx;
    server_queue(to->server, to->session, packet, len, (struct offload){0});
}

/* A plain laptop is told nothing beside its packets: they must be finished. */
static void to_plain_laptop(struct server *s, struct addressee *to, const struct nat_result *r)
{
    struct ip4_view v;
    if (ip4_parse(r->packet, r->len, &v) != DROP_NONE)
        return;
    if (r->offload.seg_len != 0)
        ip4_segment(&v, r->offload.seg_len, s->scratch, sizeof s->scratch, queue_finished, to);
    else {
        ip4_set_l4_csum(&v);
        queue_finished(to, v.ip, v.len);
    }
}

static void to_laptop(struct server *s, uint32_t id, const struct nat_result *r)
{
    struct addressee to = {s, session_table_by_id(s->sessions, id)};
    if (to.session == NULL)
        return;
    if (to.session->plain && (r->offload.seg_len != 0 || r->offload.partial))
        to_plain_laptop(s, &to, r);
    else
        server_queue(s, to.session, r->packet, r->len, r->offload);
}

void server_on_packet(void *ctx, struct carrier *carrier, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct server *s = ctx;
    struct session *session = carrier_owner(carrier);
    struct nat_result r;
    if (session == NULL)
        return;
    if (session->active != carrier_path(carrier)) /* the laptop changed its path; answers follow */
        session_activate(session, carrier_path(carrier));
    if (s->setup.kernel_nat) {
        if (s->kernel != NULL) /* else we are about to end */
            server_kernel_send(s->kernel, session, packet, len, offload);
        return;
    }
    nat_in2out(s->nat, session->id, packet, len, offload, io_now_ms(s->loop), &r);
    if (r.verdict == NAT_FORWARD)
        to_internet(s, &r);
    else if (r.verdict == NAT_REPLY)
        to_laptop(s, session->id, &r);
    else if (r.verdict == NAT_HAIRPIN)
        to_laptop(s, r.session, &r);
}

void server_on_ahead(void *ctx, struct carrier *carrier, const struct span *packets, size_t count)
{
    struct server *s = ctx;
    const struct session *session = carrier_owner(carrier);
    if (session != NULL && !s->setup.kernel_nat)
        nat_prefetch(s->nat, session->id, packets, count);
}

void server_on_too_big(void *ctx, struct carrier *carrier, uint8_t *packet, size_t len, size_t mtu)
{
    struct server *s = ctx;
    struct session *session = carrier_owner(carrier);
    struct ip4_view v;
    struct nat_result r;
    uint8_t error[576];
    s->counters.link.too_big++;
    if (session != NULL && s->kernel != NULL) {
        server_kernel_too_big(s->kernel, session->id, packet, len, mtu);
        return;
    }
    if (session == NULL || ip4_parse(packet, len, &v) != DROP_NONE)
        return;
    size_t error_len = icmp_make_error(error, sizeof error, v.dst, ICMP_UNREACHABLE, ICMP_NEED_FRAG, (uint16_t)mtu, &v);
    if (error_len == 0)
        return;
    nat_in2out(s->nat, session->id, error, error_len, NULL, io_now_ms(s->loop), &r); /* as if the laptop had said so */
    if (r.verdict == NAT_FORWARD)
        to_internet(s, &r);
}

static void on_capture(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct server *s = ctx;
    struct nat_result r;
    link_count_captured(&s->counters.link, len, offload, s->setup.link_mtu);
    nat_out2in(s->nat, packet, len, offload, io_now_ms(s->loop), &r);
    if (r.verdict == NAT_FORWARD)
        to_laptop(s, r.session, &r);
    else if (r.verdict == NAT_REPLY)
        to_internet(s, &r);
}

static void on_ahead(void *ctx, const struct span *packets, size_t count)
{
    struct server *s = ctx;
    nat_prefetch(s->nat, 0, packets, count);
}

static uint64_t on_flush(void *ctx)
{
    struct server *s = ctx;
    return session_table_flush(s->sessions, io_now_us());
}

/* --- what others see --- */

static int on_page_json(void *ctx, const char *path, char *buf, size_t cap)
{
    struct server *s = ctx;
    struct page_state state = {.role = "server", .server = "", .laptop = "ws://169.254.134.89:6354/websocket",
                               .plain = s->setup.plain, .state = "waiting", .detail = ""};
    return strcmp(path, "/tether.json") == 0 ? page_state_json(&state, buf, cap) : -1;
}

static int on_status(void *ctx, char *buf, size_t cap)
{
    struct server *s = ctx;
    s->counters.carriers = s->carriers;
    s->counters.link.has_pair = s->inject != NULL;
    if (s->inject != NULL)
        link_count(s->capture, s->inject, &s->counters.link.pair);
    else
        s->counters.link.pair.capture = s->counters.link.pair.inject = "kernel";
    s->counters.pool_lent = pbuf_pool_lent(s->pool);
    return server_status_json(&s->counters, s->sessions, nat_stats(s->nat), buf, cap);
}

static const struct http_handlers page_handlers = {.json = on_page_json, .page = true};

/* --- life --- */

/* The interface's MTU may change while laptops use it; the kernel's NAT sees to that by itself. */
static void follow_link(struct server *s)
{
    const uint16_t before = s->setup.link_mtu, now = s->inject != NULL ? server_setup_mtu(inject_follow(s->inject)) : before;
    if (now == before)
        return;
    s->setup.link_mtu = s->welcome.mtu = now;
    nat_set_link_mtu(s->nat, now);
    log_info("server", NULL, "mtu", "interface=%s mtu=%u before=%u", s->setup.iface, now, before);
}

static void on_tick(void *ctx)
{
    struct server *s = ctx;
    for (size_t i = 0; i < s->carriers; i++) /* what this closes leaves the list later, from the loop */
        carrier_tick(s->carrier[i]);
    follow_link(s);
    nat_tick(s->nat, io_now_ms(s->loop));
    if (s->ticks++ % OWN_ADDRESSES_TICKS == 0)
        nat_link_own_addresses(s->nat, s->inject);
    session_table_expire(s->sessions, io_now_us());
}

static int open_nat(struct server *s, struct err *err)
{
    struct nat_setup *u = &s->setup.nat;
    s->welcome.dns_count = nat_link_resolvers(s->welcome.dns, FRAME_DNS_MAX);
    nat_setup_open_resolvers(u, s->welcome.dns, s->welcome.dns_count);
    int failed = tls_random(&u->config.seed, sizeof u->config.seed);
    if (!failed)
        failed = nat_new(&u->config, &s->nat);
    if (failed)
        return err_set(err, failed, "NAT: %s", strerror(-failed));
    return session_table_new(SESSIONS_MAX, session_keep_us, s->pool, server_on_session_ended, s, &s->sessions);
}

static int open_link(struct server *s, struct err *err)
{
    const struct server_setup *u = &s->setup;
    if (u->kernel_nat)
        return server_kernel_open(s, err);
    int failed = host_open(s->common->state_dir, "server", &s->host, err);
    const struct nat_link link = {.loop = s->loop, .host = s->host, .iface = u->iface, .external = u->external, .mtu = u->link_mtu,
                                  .capture = u->capture, .inject = u->inject, .nat = &u->nat.config};
    if (!failed)
        failed = nat_link_open(&link, on_capture, s, &s->capture, &s->inject, err);
    if (!failed)
        capture_on_ahead(s->capture, on_ahead);
    return failed;
}

static int listen_all(struct server *s, struct err *err)
{
    int failed = 0;
    for (size_t i = 0; i < s->setup.listen_count && !failed; i++) {
        failed = http_server_open(s->loop, s->setup.listen[i], s->setup.port, &server_laptop_handlers, s,
                                  &s->listener[s->listeners], err);
        s->listeners += !failed;
        if (!failed && s->outer != NULL)
            http_server_secure(s->listener[s->listeners - 1], s->outer);
        if (failed || s->setup.web_port == 0)
            continue;
        failed = http_server_open(s->loop, s->setup.listen[i], s->setup.web_port, &page_handlers, s,
                                  &s->listener[s->listeners], err);
        s->listeners += !failed;
    }
    if (!failed && s->setup.udp_port != 0 && !s->setup.plain)
        failed = tls_context_new_datagrams(true, s->setup.key, &s->tls_udp, err);
    for (size_t i = 0; i < s->setup.listen_count && s->setup.udp_port != 0 && !failed; i++) {
        failed = udp_server_open(s->loop, s->setup.listen[i], s->setup.udp_port, s->tls_udp, server_take_wire, s, &s->udp[i], err);
        s->udps += !failed;
    }
    return failed;
}

static int open_all(struct server *s, struct err *err)
{
    int failed = pbuf_pool_new(POOL_BYTES, &s->pool);
    if (!failed && !s->setup.plain)
        failed = tls_context_new(true, s->setup.key, &s->tls, err);
    if (!failed)
        failed = outer_open("server", s->setup.tls_cert, s->setup.tls_key, &s->outer, err);
    if (!failed)
        failed = open_nat(s, err);
    if (!failed)
        failed = open_link(s, err);
    if (!failed)
        nat_link_own_addresses(s->nat, s->inject);
    if (!failed)
        failed = listen_all(s, err);
    if (!failed)
        failed = control_open(s->loop, s->common->state_dir, "server", on_status, s, &s->control, err);
    if (!failed)
        failed = io_hook_new(s->loop, on_flush, s, &s->flush);
    if (!failed)
        failed = io_timer_new(s->loop, on_tick, s, &s->tick);
    if (!failed)
        io_timer_start(s->tick, TICK_MS, TICK_MS);
    return failed;
}

static void on_leave(void *self)
{
    server_say_goodbye(self);
}

static void on_close(void *self)
{
    struct server *s = self;
    for (size_t i = 0; i < s->listeners; i++)
        http_server_close(s->listener[i]);
    for (size_t i = 0; i < s->udps; i++)
        udp_server_close(s->udp[i]);
    io_timer_close(s->tick);
    io_hook_close(s->flush);
    control_close(s->control);
    capture_close(s->capture);
    server_kernel_close(s->kernel);
    s->kernel = NULL;
}

/* The carriers have ended with the loop. */
static void on_done(void *self)
{
    struct server *s = self;
    s->loop = NULL;
    inject_close(s->inject);
    session_table_free(s->sessions);
    nat_free(s->nat);
    host_close(s->host);
    tls_context_free(s->tls);
    tls_context_free(s->tls_udp);
    stream_tls_free(s->outer);
    pbuf_pool_free(s->pool);
    free(s);
}

/* With --tap the server is a node of an Ethernet like the others: no NAT. */
static int run_bridge(const struct role_common *common, const struct server_setup *setup, struct err *err)
{
    struct bridge_setup u = {.role = "server", .state_dir = common->state_dir, .user = common->user, .tap = setup->tap, .mtu = 1500, .port = setup->port,
                             .web_port = setup->web_port, .tls_cert = setup->tls_cert, .tls_key = setup->tls_key, .server = "",
                             .plain = setup->plain, .listen_count = setup->listen_count,
                             .key_text = server_setup_shows_key(setup) ? setup->key_text : NULL};
    memcpy(u.key, setup->key, sizeof u.key);
    memcpy(u.listen, setup->listen, setup->listen_count * sizeof *u.listen);
    return bridge_run(&u, err);
}

static int on_open(const struct role_common *common, const void *config, struct io_loop *loop, void **ret_self, struct err *err)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *ret_self = s;
    s->common = common;
    s->loop = loop;
    int failed = server_setup_check(common, config, &s->setup, err);
    if (!failed && s->setup.tap != NULL) {
        err_set(err, -EINVAL, "--tap: a server of layer 2 runs by itself: tether server --tap NAME");
        failed = ROLE_BAD_USAGE;
    }
    if (failed)
        return failed;
    s->welcome = (struct frame_welcome){.version = FRAME_VERSION, .mtu = s->setup.link_mtu, .external = s->setup.external};
    return open_all(s, err);
}

static void on_ready(void *self)
{
    server_setup_announce(&((struct server *)self)->setup);
}

static const struct hosted hosted = {.open = on_open, .ready = on_ready, .leave = on_leave, .close = on_close, .done = on_done};

static int run(const struct role_common *common, const void *config, struct err *err)
{
    struct server_setup setup;
    if (((const struct server_config *)config)->tap == NULL)
        return hosted_run_alone(&role_server, common, config, err);
    int failed = server_setup_check(common, config, &setup, err);
    return failed ? failed : run_bridge(common, &setup, err);
}

const struct role role_server = {
    .name = "server",
    .summary = "the public end: sends the laptops' packets to the internet, through a NAT of its own",
    .example = "sudo tether server --iface eth0",
    .options = server_options,
    .more = nat_option_table,
    .more_title = "The NAT, see docs/NAT.md:",
    .more_offset = offsetof(struct server_config, nat),
    .config_size = sizeof(struct server_config),
    .defaults = server_defaults,
    .run = run,
    .changes_host = true,
    .goes_before = ROLE_GOES_BEFORE,
    .hosted = &hosted,
};
