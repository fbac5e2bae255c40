/*
 * io/ws_alive.c - whether the other side of an open websocket is still there
 *
 * A phone that leaves the Wi-Fi says nothing, and TCP would wait for a quarter of an hour. Who is silent for long is pinged once (RFC 6455 section 5.5.2),
 * and given up when that brings nothing either.
 */
#include "io/ws_priv.h"

enum { PING_AFTER_MS = 20000, DEAD_AFTER_MS = 60000 };

static void on_keepalive(uv_timer_t *timer)
{
    struct ws *ws = timer->data;
    uint64_t silent = io_now_ms(ws->loop) - ws->in.heard_ms;
    if (ws->paused) /* we do not listen, so silence says nothing */
        return;
    if (silent > ws->dead_ms) {
        char why[64];
        snprintf(why, sizeof why, "nothing heard for %u s", ws->dead_ms / 1000);
        ws_finish(ws, WS_CLOSE_ABNORMAL, why);
    } else if (silent > ws->ping_ms && !ws->pinged) {
        struct wslay_event_msg ping = {.opcode = WSLAY_PING};
        ws->pinged = true;
        if (wslay_event_queue_msg(ws->wslay, &ping) == 0)
            ws_in_send_control(ws);
    }
}

void ws_alive_start(struct ws *ws)
{
    uv_timer_start(&ws->timer, on_keepalive, ws->ping_ms / 4, ws->ping_ms / 4);
}

void ws_alive_init(struct ws *ws)
{
    ws_keepalive(ws, PING_AFTER_MS, DEAD_AFTER_MS);
}

void ws_keepalive(struct ws *ws, uint32_t ping_ms, uint32_t dead_ms)
{
    ws->ping_ms = ping_ms;
    ws->dead_ms = dead_ms;
}
