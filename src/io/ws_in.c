/*
 * io/ws_in.c - what a websocket receives
 *
 * wslay judges every frame: reserved bits, opcodes, masks, fragments, control frames, UTF-8 of text. But it unmasks byte by
 * byte through a 4 KB buffer of its own, which costs more than everything else on the way. So the payload of binary frames,
 * where nothing is left to judge, goes round it: wslay is shown the frame's header with a length of zero, and the bytes
 * are unmasked in place and handed on in pieces as large as they came.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/text.h"
#include "io/ws_priv.h"

static const char broke_protocol[] = "the peer broke the websocket protocol";

/* --- wslay's callbacks --- */

static ssize_t on_wslay_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user_data)
{
    struct ws_in *in = &((struct ws *)user_data)->in;
    (void)flags;
    if (in->fed_len == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = in->fed_len < len ? in->fed_len : len;
    memcpy(buf, in->fed, n);
    in->fed += n;
    in->fed_len -= n;
    return (ssize_t)n;
}

static ssize_t on_wslay_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user_data)
{
    (void)flags;
    if (ws_out_put(&((struct ws *)user_data)->out, data, len, NULL, 0) < 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)len;
}

static int on_wslay_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *user_data)
{
    (void)ctx, (void)user_data;
    return RAND_bytes(buf, (int)len) == 1 ? 0 : -1;
}

static void deliver(struct ws *ws, const uint8_t *data, size_t len, bool fin)
{
    if (ws->in.opcode == WS_TEXT && ws_feed_hear(ws, data, len, fin))
        return;
    if (ws->state == WS_OPEN && ws->events->data != NULL)
        ws->events->data(ws->ctx, ws->in.opcode, data, len, fin);
}

static void on_frame_start(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *arg,
                           void *user_data)
{
    struct ws_in *in = &((struct ws *)user_data)->in;
    (void)ctx;
    in->accepted = true;
    in->control = wslay_is_ctrl_frame(arg->opcode);
    if (in->control)
        return;
    in->fin = arg->fin;
    in->empty = arg->payload_length == 0;
    in->wslay_left = arg->payload_length;
    if (arg->opcode != WSLAY_CONTINUATION_FRAME)
        in->opcode = arg->opcode == WSLAY_TEXT_FRAME ? WS_TEXT : WS_BINARY;
}

static void on_frame_chunk(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *arg,
                           void *user_data)
{
    struct ws *ws = user_data;
    (void)ctx;
    if (ws->in.control || arg->data_length == 0)
        return;
    ws->in.wslay_left -= arg->data_length;
    deliver(ws, arg->data, arg->data_length, ws->in.fin && ws->in.wslay_left == 0);
}

/* A message whose last frame is empty has no piece that could say it is over. */
static void on_frame_end(wslay_event_context_ptr ctx, void *user_data)
{
    static const uint8_t nothing[1];
    struct ws *ws = user_data;
    (void)ctx;
    if (!ws->in.control && !ws->in.bypass && ws->in.empty && ws->in.fin)
        deliver(ws, nothing, 0, true);
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user_data)
{
    struct ws *ws = user_data;
    char reason[128];
    (void)ctx;
    if (arg->opcode != WSLAY_CONNECTION_CLOSE)
        return;
    size_t skip = arg->msg_length >= 2 ? 2 : arg->msg_length, len = arg->msg_length - skip;
    memcpy(reason, arg->msg + skip, len); /* at most 123 bytes: RFC 6455 section 5.5 */
    reason[len] = '\0';
    text_tame(reason);
    ws_set_cause(ws, arg->status_code != 0 ? arg->status_code : WS_CLOSE_NORMAL, reason);
}

int ws_in_init(struct ws *ws)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_wslay_recv,
        .send_callback = on_wslay_send,
        .genmask_callback = on_wslay_mask,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_frame_chunk,
        .on_frame_recv_end_callback = on_frame_end,
        .on_msg_recv_callback = on_message,
    };
    int failed = ws->server ? wslay_event_context_server_init(&ws->wslay, &callbacks, ws)
                            : wslay_event_context_client_init(&ws->wslay, &callbacks, ws);
    if (failed)
        return -ENOMEM;
    wslay_event_config_set_no_buffering(ws->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(ws->wslay, WS_FRAME_MAX);
    ws->in.heard_ms = io_now_ms(ws->loop);
    return 0;
}

/* --- frames --- */

static bool is_listening(struct ws *ws)
{
    return (ws->state == WS_OPEN || ws->state == WS_CLOSING) && wslay_event_get_read_enabled(ws->wslay);
}

static void show_wslay(struct ws *ws, const uint8_t *data, size_t len)
{
    ws->in.fed = data;
    ws->in.fed_len = len;
    if (wslay_event_recv(ws->wslay) == 0)
        return;
    /* A broken header is a failure, too, but one for which wslay has a close frame ready (without a code); it wants to be sent. */
    ws_set_cause(ws, WS_CLOSE_PROTOCOL, broke_protocol);
    if (!wslay_event_want_write(ws->wslay))
        ws_finish(ws, WS_CLOSE_ABNORMAL, "not a websocket");
}

/* Length of the header whose first bytes are here; 2 while that is not known. */
static size_t header_len(const struct ws_in *in)
{
    if (in->head_have < 2)
        return 2;
    unsigned len7 = in->head[1] & 0x7f;
    return 2 + (len7 == 127 ? 8 : len7 == 126 ? 2 : 0) + (in->head[1] & 0x80 ? 4 : 0);
}

static uint64_t payload_len(const uint8_t *head)
{
    unsigned len7 = head[1] & 0x7f;
    size_t more = len7 == 127 ? 8 : len7 == 126 ? 2 : 0;
    uint64_t len = more > 0 ? 0 : len7;
    for (size_t i = 0; i < more; i++)
        len = len << 8 | head[2 + i];
    return len;
}

/* May the payload go round wslay? Not where it has to look at it, nor where the length itself is at fault. */
static bool may_bypass(const struct ws_in *in)
{
    unsigned opcode = in->head[0] & 0x0f, len7 = in->head[1] & 0x7f;
    bool binary = opcode == WSLAY_BINARY_FRAME || (opcode == WSLAY_CONTINUATION_FRAME && in->opcode == WS_BINARY);
    bool minimal = len7 < 126 || (len7 == 126 ? in->left >= 126 : in->left >= 65536);
    return binary && minimal && in->left > 0 && in->left <= WS_FRAME_MAX;
}

static void begin_frame(struct ws *ws)
{
    struct ws_in *in = &ws->in;
    bool masked = in->head[1] & 0x80;
    in->left = payload_len(in->head);
    in->bypass = may_bypass(in);
    in->accepted = false;
    if (in->bypass) {
        uint8_t shown[6] = {in->head[0], masked ? 0x80 : 0};
        memset(in->mask, 0, sizeof in->mask);
        if (masked)
            memcpy(in->mask, in->head + in->head_have - 4, 4);
        show_wslay(ws, shown, masked ? 6 : 2);
    } else {
        show_wslay(ws, in->head, in->head_have);
    }
    in->head_have = 0;
}

static size_t take_header(struct ws *ws, const uint8_t *data, size_t len)
{
    struct ws_in *in = &ws->in;
    size_t used = 0;
    while (used < len && in->head_have < header_len(in))
        in->head[in->head_have++] = data[used++];
    if (in->head_have >= 2 && in->head_have == header_len(in))
        begin_frame(ws);
    return used;
}

/* XOR is its own inverse: eight bytes at a time, then the mask is turned to where the next piece begins. */
static void unmask(uint8_t *data, size_t len, uint8_t mask[4])
{
    uint8_t twice[8];
    uint64_t wide, word;
    size_t i = 0;
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    memcpy(&wide, twice, 8);
    for (; wide != 0 && i + 8 <= len; i += 8) {
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    for (; wide != 0 && i < len; i++)
        data[i] ^= mask[i & 3];
    for (size_t k = 0; k < 4; k++)
        mask[k] = twice[(len & 3) + k];
}

static size_t take_payload(struct ws *ws, uint8_t *data, size_t len)
{
    struct ws_in *in = &ws->in;
    size_t n = in->left < len ? (size_t)in->left : len;
    in->left -= n;
    if (!in->bypass) {
        show_wslay(ws, data, n);
    } else if (in->accepted) {
        unmask(data, n, in->mask);
        deliver(ws, data, n, in->fin && in->left == 0);
    }
    return n;
}

void ws_in_send_control(struct ws *ws)
{
    if (ws->state != WS_CLOSED && wslay_event_want_write(ws->wslay) && wslay_event_send(ws->wslay) != 0)
        ws_finish(ws, WS_CLOSE_ABNORMAL, "cannot send");
}

void ws_in_feed(struct ws *ws, uint8_t *data, size_t len)
{
    ws->in.heard_ms = io_now_ms(ws->loop);
    ws->pinged = false;
    while (len > 0 && is_listening(ws)) { /* once wslay is through with the peer, the rest is thrown away */
        size_t used = ws->in.left == 0 ? take_header(ws, data, len) : take_payload(ws, data, len);
        data += used;
        len -= used;
    }
    ws_in_send_control(ws);
    if (ws->state == WS_OPEN && !wslay_event_get_read_enabled(ws->wslay)) {
        if (!wslay_event_get_close_received(ws->wslay)) /* what wslay has told the peer: 1002, 1007, 1009 */
            ws_set_cause(ws, wslay_event_get_status_code_sent(ws->wslay), broke_protocol);
        ws_begin_closing(ws);
    }
    ws_check_closed(ws);
}
