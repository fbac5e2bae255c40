/*
 * io/ws_out.c - what a websocket sends
 *
 * Messages are framed here and go to the kernel straight from the caller's bytes; only what the kernel does not take is
 * copied, into blocks that are written one after the other. wslay's own queue would copy every message, and small messages
 * queued one by one would each cost a system call.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "io/ws_priv.h"

enum { BLOCK = 64 * 1024, MASK_STEP = 64 * 1024 };

struct ws_block {
    uv_write_t req;
    struct ws_out *out;
    struct ws_block *next;
    size_t len;
    uint8_t data[BLOCK];
};

size_t ws_out_backlog(const struct ws_out *out)
{
    return out->bytes + (out->stream != NULL ? stream_queued(out->stream) : 0);
}

size_t ws_backlog(const struct ws *ws)
{
    return ws_out_backlog(&ws->out) + ws_out_backlog(&ws->feed.out);
}

size_t ws_high_water(void)
{
    return WS_HIGH_WATER;
}

static void fly(struct ws_out *out);

/* What waits for this stream will not get there. */
static void broken(struct ws_out *out, int why)
{
    if (out == &out->ws->feed.out)
        ws_feed_broken(out->ws);
    else
        ws_finish(out->ws, WS_CLOSE_ABNORMAL, uv_strerror(why));
}

/* The kernel has taken something. */
static void after_write(struct ws_out *out)
{
    struct ws *ws = out->ws;
    fly(out);
    if (out->was_high && ws_out_backlog(out) <= WS_HIGH_WATER / 2) {
        out->was_high = false;
        if (ws->events->drained != NULL && ws->state == WS_OPEN)
            ws->events->drained(ws->ctx);
    }
    if (ws->state == WS_CLOSING)
        ws_feed_end(ws);
    ws_check_closed(ws);
}

static void on_written(uv_write_t *req, int status)
{
    struct ws_block *b = (struct ws_block *)req;
    struct ws_out *out = b->out;
    struct ws *ws = out->ws;
    free(b);
    out->flying = NULL;
    if (ws->state == WS_CLOSED)
        return;
    if (status < 0) {
        broken(out, status);
        return;
    }
    after_write(out);
}

static void on_stream_drained(struct stream *stream)
{
    struct ws *ws = stream->tcp.data;
    if (ws->state == WS_OPEN || ws->state == WS_CLOSING)
        after_write(stream == ws->stream ? &ws->out : &ws->feed.out);
}

void ws_out_use(struct ws *ws, struct ws_out *out, struct stream *stream)
{
    out->ws = ws;
    out->stream = stream;
    stream_on_drained(stream, on_stream_drained);
}

/* Give libuv the next block. */
static void fly(struct ws_out *out)
{
    struct ws_block *b = out->first;
    if (b == NULL || out->flying != NULL || out->ws->state == WS_CLOSED)
        return;
    out->first = b->next;
    if (out->first == NULL)
        out->last = NULL;
    out->bytes -= b->len;
    out->flying = b;
    uv_buf_t buf = uv_buf_init((char *)b->data, (unsigned)b->len);
    int failed = stream_write(out->stream, &b->req, &buf, 1, on_written);
    if (failed) {
        free(b);
        out->flying = NULL;
        broken(out, failed);
    }
}

/* Room at the end for len bytes in blocks, so that appending cannot fail half way. */
static int reserve(struct ws_out *out, size_t len)
{
    struct ws_block *tail = NULL, *chain = NULL;
    size_t room = out->last != NULL ? BLOCK - out->last->len : 0;
    for (; room < len; room += BLOCK) {
        struct ws_block *b = malloc(sizeof *b);
        if (b == NULL) {
            for (; chain != NULL; chain = b) {
                b = chain->next;
                free(chain);
            }
            return -ENOMEM;
        }
        b->out = out;
        b->next = NULL;
        b->len = 0;
        if (chain == NULL)
            chain = b;
        else
            tail->next = b;
        tail = b;
    }
    if (chain == NULL)
        return 0;
    if (out->last == NULL)
        out->first = out->last = chain;
    else
        out->last->next = chain; /* last stays where the next byte goes */
    return 0;
}

static void append(struct ws_out *out, const uint8_t *data, size_t len)
{
    out->bytes += len;
    while (len > 0) {
        if (out->last->len == BLOCK)
            out->last = out->last->next;
        struct ws_block *b = out->last;
        size_t n = len < BLOCK - b->len ? len : BLOCK - b->len;
        memcpy(b->data + b->len, data, n);
        b->len += n;
        data += n;
        len -= n;
    }
}

static void look_at_losses(struct ws_out *out, size_t more)
{
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&out->stream->tcp, &fd) == 0)
        congestion_sent(&out->congestion, fd, more);
}

int ws_out_put(struct ws_out *out, const uint8_t *head, size_t head_len, const uint8_t *body, size_t body_len)
{
    struct ws *ws = out->ws;
    size_t total = head_len + body_len, sent = 0;
    if (ws->state == WS_CLOSED)
        return -EPIPE;
    if (ws_out_backlog(out) + total > WS_BACKLOG_MAX)
        return -ENOBUFS;
    look_at_losses(out, total);
    if (!out->corked && out->flying == NULL && out->first == NULL) {
        uv_buf_t bufs[2] = {uv_buf_init((char *)(uintptr_t)head, (unsigned)head_len),
                            uv_buf_init((char *)(uintptr_t)body, (unsigned)body_len)};
        int n = stream_try_write(out->stream, bufs, body_len > 0 ? 2 : 1);
        sent = n > 0 ? (size_t)n : 0; /* an error shows again below, where it has its callback */
    }
    if (sent == total)
        return 0;
    if (reserve(out, total - sent) < 0) {
        if (sent > 0) /* a cut frame cannot be mended */
            ws_finish(ws, WS_CLOSE_ABNORMAL, "out of memory");
        return -ENOMEM;
    }
    if (sent < head_len) {
        append(out, head + sent, head_len - sent);
        sent = head_len;
    }
    if (sent < total)
        append(out, body + (sent - head_len), total - sent);
    out->was_high = out->was_high || ws_out_backlog(out) > WS_HIGH_WATER;
    if (!out->corked)
        fly(out);
    return 0;
}

void ws_cork(struct ws *ws)
{
    ws->out.corked = true;
}

void ws_uncork(struct ws *ws)
{
    ws->out.corked = false;
    fly(&ws->out);
}

void ws_out_free(struct ws_out *out)
{
    for (struct ws_block *b = out->first, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    out->first = out->last = NULL;
    out->bytes = 0;
}

/* --- frames --- */

/* RFC 6455 section 5.2 */
static size_t put_header(uint8_t *out, enum ws_opcode opcode, size_t len, bool masked)
{
    size_t at = 2;
    uint8_t mask_bit = masked ? 0x80 : 0;
    out[0] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        out[1] = (uint8_t)(mask_bit | len);
    } else if (len < 65536) {
        out[1] = mask_bit | 126;
        out[2] = (uint8_t)(len >> 8);
        out[3] = (uint8_t)len;
        at = 4;
    } else {
        out[1] = mask_bit | 127;
        for (int i = 0; i < 8; i++)
            out[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        at = 10;
    }
    return at;
}

/*
 * A key for one frame, of strong randomness (RFC 6455 section 5.3). Drawn for many frames at once: to wake the generator for each
 * took a fifth of the time that a relay, woken for one small packet, needs to pass it on.
 */
static int next_mask(struct ws_masks *masks, uint8_t ret_mask[4])
{
    if (masks->left == 0) {
        if (RAND_bytes(masks->bytes, sizeof masks->bytes) != 1)
            return -EIO;
        masks->left = sizeof masks->bytes;
    }
    masks->left -= 4;
    memcpy(ret_mask, masks->bytes + masks->left, 4);
    return 0;
}

/* Masking has to copy anyway: step by step through a piece of stack, each step a multiple of the mask. */
static int send_masked(struct ws *ws, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    uint8_t step[WS_HEADER_MAX + MASK_STEP], mask[8];
    uint64_t wide, word;
    if (ws_backlog(ws) + WS_HEADER_MAX + len > WS_BACKLOG_MAX)
        return -ENOBUFS;
    if (next_mask(&ws->masks, mask) < 0)
        return -EIO;
    memcpy(mask + 4, mask, 4);
    memcpy(&wide, mask, 8);
    size_t at = put_header(step, opcode, len, true);
    memcpy(step + at, mask, 4);
    at += 4;
    do {
        size_t n = len < MASK_STEP ? len : MASK_STEP, i = 0;
        for (; i + 8 <= n; i += 8) {
            memcpy(&word, data + i, 8);
            word ^= wide;
            memcpy(step + at + i, &word, 8);
        }
        for (; i < n; i++)
            step[at + i] = data[i] ^ mask[i & 3];
        int failed = ws_out_put(&ws->out, step, at + n, NULL, 0);
        if (failed) {
            ws_finish(ws, WS_CLOSE_ABNORMAL, "out of memory"); /* a cut frame cannot be mended */
            return failed;
        }
        data += n;
        len -= n;
        at = 0;
    } while (len > 0 && ws->state != WS_CLOSED);
    return 0;
}

int ws_send(struct ws *ws, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    uint8_t header[WS_HEADER_MAX];
    if (ws->state != WS_OPEN)
        return -EPIPE;
    if (ws->feed.state >= WS_FEED_USED)
        return ws_feed_send(ws, data, len);
    if (!ws->server)
        return send_masked(ws, opcode, data, len);
    return ws_out_put(&ws->out, header, put_header(header, opcode, len, false), data, len);
}
