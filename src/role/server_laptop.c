/*
 * role/server_laptop.c - the server's laptops: a phone's websocket becomes a carrier, its HELLO finds or makes the session
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "role/server_priv.h"

static void attach(struct server *s, struct carrier *carrier, struct session *session, uint16_t mtu)
{
    struct path *path = carrier_path(carrier);
    path->up = true;
    session->mtu = mtu >= 576 && mtu < s->setup.link_mtu ? mtu : s->setup.link_mtu;
    snprintf(session->peer, sizeof session->peer, "%s", carrier_peer(carrier));
    carrier_set_owner(carrier, session);
    struct path *evicted = session_attach(session, path);
    if (evicted != NULL)
        carrier_close(carrier_of(evicted), WS_CLOSE_GOING_AWAY, "enough phones");
}

static void say_bye(struct carrier *carrier, enum frame_bye_code code, const char *text)
{
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    path_control(carrier_path(carrier), frame, frame_put_bye(frame, (uint16_t)code, text));
}

/* With the kernel's NAT: an address of its own, which the other laptops and the machine itself know it by. */
static uint32_t lend(struct server *s, struct session *session, uint32_t inside)
{
    char text[INET_ADDRSTRLEN];
    uint32_t lease = server_kernel_lease(s->kernel, session->id, inside);
    inet_ntop(AF_INET, &(struct in_addr){htonl(lease)}, text, sizeof text);
    log_info("server", session->peer, "lease", "session=%x address=%s", session->id, text);
    return lease;
}

static int say_welcome(struct server *s, struct carrier *carrier, const struct session *session, uint32_t lease, bool resumed)
{
    struct frame_welcome welcome = s->welcome;
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    welcome.session = session->id;
    welcome.flags = resumed ? WELCOME_RESUMED : 0;
    welcome.lease = lease;
    path_control(carrier_path(carrier), frame, frame_put_welcome(frame, &welcome));
    return 0;
}

static int on_hello(void *ctx, struct carrier *carrier, const struct frame_hello *hello)
{
    struct server *s = ctx;
    struct session *known = carrier_owner(carrier);
    bool resumed;
    if (known != NULL && !carrier_path(carrier)->datagrams)
        return -EPROTO;
    if (known != NULL) /* the answer was lost */
        return say_welcome(s, carrier, known, s->kernel != NULL ? server_kernel_lease(s->kernel, known->id, 0) : 0, true);
    if (hello->version != FRAME_VERSION) {
        say_bye(carrier, BYE_VERSION, "the server speaks version 1");
        return -EPROTONOSUPPORT;
    }
    struct session *session = session_table_open(s->sessions, hello->token, io_now_us(), &resumed);
    if (session == NULL) {
        say_bye(carrier, BYE_BUSY, "no room for another laptop");
        return -EUSERS;
    }
    attach(s, carrier, session, hello->mtu);
    say_welcome(s, carrier, session, s->kernel != NULL ? lend(s, session, hello->inside) : 0, resumed);
    if (hello->inside != 0)
        nat_set_lease(s->nat, session->id, (struct nat_prefix){hello->inside, 32}, io_now_ms(s->loop));
    log_info("server", carrier_peer(carrier), "laptop up", "session=%x %s", session->id,
             resumed ? "resumed=yes" : "resumed=no");
    return 0;
}

static int on_activate(void *ctx, struct carrier *carrier)
{
    struct session *session = carrier_owner(carrier);
    (void)ctx;
    if (session == NULL)
        return -EPROTO;
    session_activate(session, carrier_path(carrier));
    return 0;
}

static void on_bye(void *ctx, struct carrier *carrier, const struct frame_bye *bye)
{
    (void)ctx;
    log_info("server", carrier_peer(carrier), "laptop says goodbye", "code=%u reason=\"%s\"", bye->code, bye->text);
}

static void on_ready(void *ctx, struct carrier *carrier)
{
    (void)ctx;
    log_debug("server", carrier_peer(carrier), "key accepted", NULL);
}

static void on_closed(void *ctx, struct carrier *carrier, int failure, const char *reason)
{
    struct server *s = ctx;
    struct session *session = carrier_owner(carrier);
    if (session != NULL)
        session_detach(session, carrier_path(carrier), io_now_us());
    for (size_t i = 0; i < s->carriers; i++)
        if (s->carrier[i] == carrier)
            s->carrier[i] = s->carrier[--s->carriers];
    if (failure == -EKEYREJECTED)
        s->counters.wrong_keys++;
    if (failure)
        log_warn("server", carrier_peer(carrier), "connection refused", "why=\"%s\"", carrier_failure_text(failure));
    else
        log_info("server", carrier_peer(carrier), "connection closed", "reason=\"%s\"", reason);
}

/* A plain laptop has no token. One that comes back from the same phone gets its old flows; otherwise it is new. */
static bool attach_plain(struct server *s, struct carrier *carrier)
{
    uint8_t token[FRAME_TOKEN_LEN];
    const char *peer = carrier_peer(carrier);
    size_t host_len = strcspn(peer, "]") < strlen(peer) ? strcspn(peer, "]") : strcspn(peer, ":");
    bool resumed;
    for (size_t i = 0; i < session_table_count(s->sessions); i++) {
        struct session *old = session_table_at(s->sessions, i);
        if (old->plain && old->path_count == 0 && strncmp(old->peer, peer, host_len) == 0 &&
            (old->peer[host_len] == ':' || old->peer[host_len] == ']')) {
            attach(s, carrier, old, s->setup.link_mtu);
            return true;
        }
    }
    struct session *session =
        tls_random(token, sizeof token) < 0 ? NULL : session_table_open(s->sessions, token, io_now_us(), &resumed);
    if (session == NULL)
        return false;
    session->plain = true;
    attach(s, carrier, session, s->setup.link_mtu);
    if (s->kernel != NULL)
        lend(s, session, 0);
    return true;
}

static const struct carrier_events carrier_events = {
    .ready = on_ready,
    .hello = on_hello,
    .activate = on_activate,
    .bye = on_bye,
    .packet = server_on_packet,
    .ahead = server_on_ahead,
    .too_big = server_on_too_big,
    .closed = on_closed,
};

static void add_carrier(struct server *s, struct carrier *carrier, const char *event)
{
    s->carrier[s->carriers++] = carrier;
    log_info("server", carrier_peer(carrier), event, NULL);
    if (s->tls == NULL && !attach_plain(s, carrier))
        carrier_close(carrier, WS_CLOSE_BUSY, "no room for another laptop");
}

static bool takes_websocket(void *ctx, const char *path)
{
    struct server *s = ctx;
    if (strcmp(path, "/websocket") != 0 && strcmp(path, "/websocket/") != 0)
        return false;
    if (s->carriers < SERVER_CARRIERS_MAX)
        return true;
    s->counters.carriers_refused++;
    return false;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct server *s = ctx;
    (void)path;
    struct carrier *carrier = carrier_open(s->loop, ws, s->tls, false, &carrier_events, s);
    if (carrier != NULL)
        add_carrier(s, carrier, "phone connected");
}

struct carrier *server_take_wire(void *ctx, const struct carrier_wire *ops, void *wire)
{
    struct server *s = ctx;
    struct carrier *carrier = NULL;
    if (s->carriers < SERVER_CARRIERS_MAX)
        carrier = carrier_open_wire(s->loop, ops, wire, s->tls_udp, false, &carrier_events, s);
    if (carrier == NULL)
        s->counters.carriers_refused++;
    else
        add_carrier(s, carrier, "laptop connected by UDP");
    return carrier;
}

void server_on_session_ended(void *ctx, struct session *session)
{
    struct server *s = ctx;
    for (size_t i = 0; i < s->carriers; i++)
        if (carrier_owner(s->carrier[i]) == session)
            carrier_set_owner(s->carrier[i], NULL);
    if (s->kernel != NULL)
        server_kernel_forget(s->kernel, session->id);
    if (s->loop != NULL) /* else the NAT itself is about to go */
        nat_end_session(s->nat, session->id, io_now_ms(s->loop));
}

const struct http_handlers server_laptop_handlers = {.takes_websocket = takes_websocket, .websocket = on_websocket};

void server_say_goodbye(struct server *s)
{
    for (size_t i = 0; i < s->carriers; i++)
        if (carrier_owner(s->carrier[i]) != NULL)
            say_bye(s->carrier[i], BYE_DONE, "server stopped");
}
