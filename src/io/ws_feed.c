/*
 * io/ws_feed.c - a second way for what a websocket sends: the endless body of an HTTP answer
 *
 * A browser pays for each message and for its bytes; a body that it reads into the same buffer again and again costs it less (docs/PERFORMANCE.md).
 * So a page that can do so gives its websocket a token and asks for the same address by an ordinary GET with that token too. Nothing depends on
 * it: what is sent stays with the websocket until the page has said that the body's first bytes came, since somebody on the way may hold back
 * bodies that do not end. docs/PROTOCOL.md, "Feeds", has the words that are exchanged.
 */
#include <string.h>

#include "http/reply.h"
#include "io/ws_priv.h"

enum { LINK = offsetof(struct ws, feed.link), WORD_LEN = 4, LOST_MS = 1000 };
static const char word[WORD_LEN + 1] = "feed";

/* --- who may ask for it --- */

void ws_feed_offer(struct ws *ws, const char *token, struct list *feeds)
{
    snprintf(ws->feed.token, sizeof ws->feed.token, "%s", token);
    ws->feed.feeds = feeds;
}

void ws_allow_feed(struct ws *ws)
{
    struct ws_feed *feed = &ws->feed;
    if (feed->feeds == NULL || feed->listed)
        return;
    list_append(feed->feeds, &feed->link);
    feed->listed = true;
    feed->state = WS_FEED_OFFERED;
}

static void forget(struct ws_feed *feed)
{
    if (feed->listed)
        list_remove(feed->feeds, &feed->link);
    feed->listed = false;
    if (feed->state == WS_FEED_OFFERED)
        feed->state = WS_FEED_NONE;
}

void ws_feed_forget_all(struct list *feeds)
{
    for (struct ws *ws; (ws = list_first(feeds, LINK)) != NULL;)
        forget(&ws->feed);
}

struct ws *ws_feed_find(const struct list *feeds, const char *token)
{
    struct ws *found = NULL;
    unsigned open = 0;
    for (struct ws *ws = list_first(feeds, LINK); ws != NULL; ws = list_next(&ws->feed.link, LINK)) {
        open += ws->feed.stream != NULL;
        if (ws->feed.state == WS_FEED_OFFERED && strcmp(ws->feed.token, token) == 0)
            found = ws;
    }
    return open < WS_FEEDS_MAX ? found : NULL;
}

/* --- its stream --- */

/* The page closes both ways when it is through, and its close frame, which says why, may come a moment later. */
static void on_lost(uv_timer_t *timer)
{
    ws_finish(timer->data, WS_CLOSE_ABNORMAL, "the feed ended");
}

void ws_feed_broken(struct ws *ws)
{
    struct ws_feed *feed = &ws->feed;
    if (feed->state == WS_FEED_ANSWERED) { /* never used: the websocket goes on as before */
        feed->state = WS_FEED_NONE;
        stream_close(feed->stream, ws_handle_closed_cb);
    } else if (feed->state == WS_FEED_USED) {
        feed->state = WS_FEED_LOST;
        stream_read_stop(feed->stream);
        ws_out_free(&feed->out);
        if (ws->state == WS_OPEN)
            uv_timer_start(&ws->timer, on_lost, LOST_MS, 0);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf; /* nothing is expected from there but its end */
    if (n < 0)
        ws_feed_broken(stream->data);
}

void ws_feed_answer(struct ws *ws, struct stream *take_stream)
{
    static const struct http_reply reply = {.status = 200, .type = "application/octet-stream", .endless = true, .minor = 1};
    struct ws_feed *feed = &ws->feed;
    char head[1024];
    int len = http_reply_head(&reply, head, sizeof head - WORD_LEN);
    uv_buf_t bufs[2] = {uv_buf_init(head, len > 0 ? (unsigned)len : 0), uv_buf_init((char *)(uintptr_t)word, WORD_LEN)};
    /* A fresh connection's buffer is empty, so this always fits; if it did not, the connection is useless. */
    if (len < 0 || ws->state != WS_OPEN || stream_try_write(take_stream, bufs, 2) != len + WORD_LEN) {
        feed->state = WS_FEED_NONE;
        stream_close(take_stream, NULL);
        return;
    }
    feed->state = WS_FEED_ANSWERED;
    feed->heard = 0;
    feed->stream = take_stream;
    feed->stream->tcp.data = ws;
    ws->open_handles++;
    ws_tune_tcp(&feed->stream->tcp);
    ws_out_use(ws, &feed->out, feed->stream);
    stream_read_start(feed->stream, ws_alloc_cb, on_read);
}

/* --- what goes there --- */

bool ws_feed_hear(struct ws *ws, const uint8_t *data, size_t len, bool fin)
{
    struct ws_feed *feed = &ws->feed;
    if (ws->state != WS_OPEN || feed->state != WS_FEED_ANSWERED || len > WORD_LEN - feed->heard || memcmp(word + feed->heard, data, len) != 0)
        return false;
    feed->heard += len;
    if (!fin)
        return true;
    if (feed->heard < WORD_LEN) {
        feed->heard = 0;
        return false;
    }
    /* The last message: all that follows comes by the feed. Where it finds no room the page waits for it, and messages go on. */
    if (ws_send(ws, WS_TEXT, (const uint8_t *)word, WORD_LEN) == 0 && feed->state == WS_FEED_ANSWERED)
        feed->state = WS_FEED_USED;
    return true;
}

int ws_feed_send(struct ws *ws, const uint8_t *data, size_t len)
{
    return ws->feed.state == WS_FEED_LOST ? 0 : ws_out_put(&ws->feed.out, data, len, NULL, 0);
}

bool ws_is_fed(const struct ws *ws)
{
    return ws->feed.state == WS_FEED_USED;
}

void ws_feed_end(struct ws *ws)
{
    struct ws_feed *feed = &ws->feed;
    if (feed->state != WS_FEED_USED || feed->shut || ws_out_backlog(&feed->out) > 0)
        return;
    feed->shut = true;
    if (stream_shutdown(feed->stream) < 0)
        ws_feed_broken(ws);
}

void ws_feed_close(struct ws *ws)
{
    forget(&ws->feed);
    if (ws->feed.stream != NULL)
        stream_close(ws->feed.stream, ws_handle_closed_cb);
}
