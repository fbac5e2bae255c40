/*
 * role/switch_guest.c - guests: each websocket is a cable to a port of the switch
 *
 * One binary message is one frame. Towards a guest WIRE_BYTES go to the websocket in the order they came; what finds no room there waits in a fair
 * queue, where the ports that send to him take turns by bytes. So who floods a guest loses his own frames, not those of others, and a guest
 * that does not read costs so much memory and no more. The internet counts as many: each of its flows takes turns like a port.
 *
 * From a guest TURN_BYTES are read in a turn of the loop, or a little more; then the others are heard.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "role/switch_priv.h"
#include "tunnel/ether_flow.h"

enum {
    WIRE_BYTES = 128 * 1024, TURN_BYTES = 256 * 1024, AGE_US = 10 * 1000 * 1000,
    PORT_FLOWS = FAIRQ_FLOWS / 2, /* of the queue; of more ports than that some share a turn */
};

/* There is something to do for it at the end of the loop's turn. */
static void list(struct switch_guest *g)
{
    if (!g->listed)
        g->sw->waiting[g->sw->waiting_count++] = g;
    g->listed = true;
}

/* --- from a guest --- */

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
    struct span frame;
    g->read += len;
    list(g);
    if (g->read >= TURN_BYTES && !g->paused) {
        g->paused = true;
        ws_pause(g->ws);
    }
    if (opcode != WS_BINARY) { /* some clients say "ping" now and then */
        g->sw->texts += fin;
        return;
    }
    int got = message_add(&g->message, data, len, fin, &frame);
    if (got > 0)
        on_frame(g, frame.data, frame.len);
    else if (got < 0) /* lost, as on a wire */
        switch_lost(g->sw->ether, g->port, got == -EMSGSIZE ? SWITCH_TOO_LONG : SWITCH_NO_MEMORY);
}

/* --- to a guest --- */

static void put(struct switch_guest *g, const uint8_t *frame, size_t len)
{
    if (ws_send(g->ws, WS_BINARY, frame, len) < 0) {
        g->dropped++;
        return;
    }
    g->frames_out++;
    g->bytes_out += len;
}

/* Whose turn a frame takes: that of the guest it is from, or that of its flow. */
static uint32_t flow_of(const struct switch_role *sw, uint32_t from, const uint8_t *frame, size_t len)
{
    if (from < sw->ports && sw->guest[from] != NULL)
        return from % PORT_FLOWS;
    return PORT_FLOWS + ether_flow_hash(&sw->queue_key, frame, len) % (FAIRQ_FLOWS - PORT_FLOWS);
}

void switch_guest_send(struct switch_guest *guest, uint32_t from, const uint8_t *frame, size_t len)
{
    struct switch_role *sw = guest->sw;
    list(guest);
    ws_cork(guest->ws);
    if (guest->queue.packets == 0 && ws_backlog(guest->ws) + len <= WIRE_BYTES) {
        put(guest, frame, len);
        return;
    }
    struct pbuf *b = pbuf_get(sw->pool, len);
    if (b == NULL) {
        guest->dropped++;
        return;
    }
    memcpy(b->data, frame, len);
    b->len = (uint32_t)len;
    fairq_push_as(&guest->queue, flow_of(sw, from, frame, len), b, io_now_us());
}

uint64_t switch_guest_dropped(const struct switch_guest *guest)
{
    const struct fairq *q = &guest->queue;
    return guest->dropped + q->dropped_codel + q->dropped_full + q->dropped_old + q->dropped_memory;
}

/* Hand the websocket what it has room for. What the kernel takes at once makes room again, and nobody would come to tell. */
static void refill(struct switch_guest *g)
{
    struct switch_role *sw = g->sw;
    struct offload none;
    size_t len;
    do {
        ws_cork(g->ws);
        while (ws_backlog(g->ws) < WIRE_BYTES && (len = fairq_next(&g->queue, SIZE_MAX, io_now_us(), &none)) > 0) {
            fairq_take(&g->queue, sw->frame);
            put(g, sw->frame, len);
        }
        ws_uncork(g->ws);
    } while (g->queue.packets > 0 && ws_backlog(g->ws) < WIRE_BYTES / 2);
}

void switch_guests_flush(struct switch_role *sw)
{
    size_t left = 0;
    for (size_t i = 0; i < sw->waiting_count; i++) {
        struct switch_guest *g = sw->waiting[i];
        refill(g);
        g->read = 0;
        if (g->paused)
            ws_resume(g->ws);
        g->paused = false;
        g->listed = g->queue.packets > 0;
        if (g->listed)
            sw->waiting[left++] = g;
    }
    sw->waiting_count = left;
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
             (unsigned long long)g->frames_in, (unsigned long long)g->frames_out, (unsigned long long)switch_guest_dropped(g), reason);
    forget_waiting(sw, g);
    sw->guest[g->port] = NULL;
    sw->guests--;
    switch_unplug(sw->ether, g->port);
    gateway_port_gone(sw->gateway, g->port);
    if (sw->dhcp != NULL)
        dhcp_server_port_gone(sw->dhcp, g->port);
    if (g->tap != NULL)
        tun_close(g->tap);
    fairq_done(&g->queue);
    message_done(&g->message);
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
    *g = (struct switch_guest){.sw = sw, .ws = ws, .port = port, .message = {.max = SWITCH_FRAME_MAX}};
    fairq_init(&g->queue, sw->pool, SWITCH_GUEST_ROOM, AGE_US, sw->queue_key);
    g->queue.ether = true;
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
