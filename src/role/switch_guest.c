/*
 * role/switch_guest.c - guests: each websocket is a cable to a port of the switch
 *
 * One binary message is one frame. A guest that does not read loses frames once GUEST_BACKLOG bytes wait for it, as on a full cable:
 * nobody waits for him, and his share of memory is bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "role/switch_priv.h"

enum { GUEST_BACKLOG = 512 * 1024, FRAME_TOO_LONG = SWITCH_FRAME_MAX + 1 };

/* --- from a guest --- */

static void gather(struct switch_guest *g, const uint8_t *data, size_t len)
{
    if (g->gathered == NULL)
        g->gathered = malloc(SWITCH_FRAME_MAX);
    if (g->gathered == NULL || len > SWITCH_FRAME_MAX - g->gathered_len) {
        g->gathered_len = FRAME_TOO_LONG;
        return;
    }
    memcpy(g->gathered + g->gathered_len, data, len);
    g->gathered_len += len;
}

static void on_frame(struct switch_guest *g, const uint8_t *data, size_t len)
{
    struct switch_role *sw = g->sw;
    g->frames_in++;
    g->bytes_in += len;
    memcpy(sw->frame, data, len);
    switch_frame(sw, g->port, sw->frame, len);
}

static void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct switch_guest *g = ctx;
    if (opcode != WS_BINARY) { /* some clients say "ping" now and then */
        g->sw->texts += fin;
        return;
    }
    if (fin && g->gathered_len == 0 && len <= SWITCH_FRAME_MAX) {
        on_frame(g, data, len);
        return;
    }
    if (g->gathered_len != FRAME_TOO_LONG)
        gather(g, data, len);
    if (!fin)
        return;
    size_t whole = g->gathered_len;
    g->gathered_len = 0;
    if (whole != FRAME_TOO_LONG)
        on_frame(g, g->gathered, whole);
}

/* --- to a guest --- */

void switch_guest_send(struct switch_guest *guest, const uint8_t *frame, size_t len)
{
    struct switch_role *sw = guest->sw;
    if (!guest->corked) {
        ws_cork(guest->ws);
        guest->corked = true;
        sw->waiting[sw->waiting_count++] = guest;
    }
    if (ws_backlog(guest->ws) + len > GUEST_BACKLOG || ws_send(guest->ws, WS_BINARY, frame, len) < 0) {
        guest->dropped++;
        return;
    }
    guest->frames_out++;
    guest->bytes_out += len;
}

void switch_guests_flush(struct switch_role *sw)
{
    for (size_t i = 0; i < sw->waiting_count; i++) {
        struct switch_guest *g = sw->waiting[i];
        g->corked = false;
        ws_uncork(g->ws);
    }
    sw->waiting_count = 0;
}

/* --- coming and going --- */

static void forget_waiting(struct switch_role *sw, const struct switch_guest *g)
{
    for (size_t i = 0; i < sw->waiting_count; i++)
        if (sw->waiting[i] == g)
            sw->waiting[i--] = sw->waiting[--sw->waiting_count];
}

static void on_closed(void *ctx, int code, const char *reason)
{
    struct switch_guest *g = ctx;
    struct switch_role *sw = g->sw;
    (void)code;
    log_info("switch", ws_peer(g->ws), "guest gone", "port=%u frames_in=%llu frames_out=%llu dropped=%llu reason=\"%s\"", g->port,
             (unsigned long long)g->frames_in, (unsigned long long)g->frames_out, (unsigned long long)g->dropped, reason);
    forget_waiting(sw, g);
    sw->guest[g->port] = NULL;
    sw->guests--;
    switch_unplug(sw->ether, g->port);
    gateway_port_gone(sw->gateway, g->port);
    if (sw->dhcp != NULL)
        dhcp_server_port_gone(sw->dhcp, g->port);
    if (g->tap != NULL)
        tun_close(g->tap);
    free(g->gathered);
    free(g);
}

static const struct ws_events guest_events = {.data = on_data, .closed = on_closed};

/* wsnic and websockproxy take any path, and clients use many. One that is set may be a secret: the time to compare it tells nothing. */
static bool is_right_path(const struct switch_role *sw, const char *path)
{
    const char *want = sw->setup.path;
    size_t len = strlen(path);
    if (want == NULL)
        return true;
    unsigned char differs = len != strlen(want);
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)(path[i] ^ want[i % (strlen(want) + 1)]);
    return differs == 0;
}

static bool takes_websocket(void *ctx, const char *path)
{
    struct switch_role *sw = ctx;
    if (!is_right_path(sw, path))
        return false;
    if (sw->guests < sw->setup.guests)
        return true;
    sw->guests_refused++;
    return false;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct switch_role *sw = ctx;
    struct switch_guest *g = calloc(1, sizeof *g);
    uint32_t port = g != NULL ? switch_plug(sw->ether) : SWITCH_NO_PORT;
    (void)path;
    if (port == SWITCH_NO_PORT) {
        ws_close(ws, WS_CLOSE_BUSY, "no free port");
        free(g);
        return;
    }
    *g = (struct switch_guest){.sw = sw, .ws = ws, .port = port};
    if (sw->setup.tap_per_guest && switch_tap_plug(g) < 0) {
        if (g->tap != NULL)
            tun_close(g->tap);
        switch_unplug(sw->ether, port);
        ws_close(ws, WS_CLOSE_BUSY, "no TAP device");
        free(g);
        return;
    }
    sw->guest[port] = g;
    sw->guests++;
    ws_keepalive(ws, sw->setup.ping_ms, 3 * sw->setup.ping_ms);
    ws_listen(ws, &guest_events, g);
    log_info("switch", ws_peer(ws), "guest connected", "port=%u", port);
}

const struct http_handlers switch_guest_handlers = {.takes_websocket = takes_websocket, .websocket = on_websocket};
