/* tunnel/session.c - one session; see session.h */
#include "tunnel/session.h"

#include <string.h>

void session_init(struct session *s, uint32_t id, const uint8_t token[FRAME_TOKEN_LEN], struct pbuf_pool *pool,
                  uint64_t now_us)
{
    *s = (struct session){.id = id, .detached_us = now_us};
    memcpy(s->token, token, FRAME_TOKEN_LEN);
    struct siphash_key key; /* the token is random and secret, which is all a hash needs */
    memcpy(&key, token, sizeof key);
    fairq_init(&s->queue, pool, SESSION_QUEUE_BYTES, SESSION_QUEUE_AGE_US, key);
}

void session_carry_ether(struct session *s)
{
    s->queue.ether = true;
}

void session_done(struct session *s)
{
    fairq_done(&s->queue);
}

struct path *session_attach(struct session *s, struct path *path)
{
    struct path *evicted = NULL;
    if (s->path_count == SESSION_PATHS_MAX) {
        evicted = s->path[0];
        for (size_t i = 1; i < SESSION_PATHS_MAX; i++)
            if (s->path[i] != s->active && (evicted == s->active || s->path[i]->heard_us < evicted->heard_us))
                evicted = s->path[i];
        session_detach(s, evicted, path->heard_us);
    }
    path->ether = s->queue.ether;
    s->path[s->path_count++] = path;
    s->active = path;
    return evicted;
}

void session_detach(struct session *s, struct path *path, uint64_t now_us)
{
    size_t i = 0;
    while (i < s->path_count && s->path[i] != path)
        i++;
    if (i == s->path_count)
        return;
    s->path[i] = s->path[--s->path_count];
    s->sent_packets += path->sent_packets;
    s->sent_bytes += path->sent_bytes;
    s->received_packets += path->received_packets;
    s->received_bytes += path->received_bytes;
    if (s->path_count == 0)
        s->detached_us = now_us;
    if (s->active != path)
        return;
    s->active = NULL;
    for (i = 0; i < s->path_count; i++)
        if (s->active == NULL || s->path[i]->heard_us > s->active->heard_us)
            s->active = s->path[i];
}

void session_activate(struct session *s, struct path *path)
{
    s->active = path;
}

bool session_choose(struct session *s, uint64_t now_us)
{
    if (s->active == NULL || !path_is_stale(s->active, now_us))
        return false;
    for (size_t i = 0; i < s->path_count; i++) {
        if (s->path[i] == s->active || path_is_stale(s->path[i], now_us))
            continue;
        uint8_t frame[FRAME_HEADER_LEN];
        s->active = s->path[i];
        path_control(s->active, frame, frame_put_activate(frame));
        return true;
    }
    return false;
}

bool session_send(struct session *s, struct pbuf *take_b, uint64_t now_us)
{
    return fairq_push(&s->queue, take_b, now_us);
}

void session_flush(struct session *s, uint64_t now_us)
{
    for (size_t i = 0; i < s->path_count; i++)
        path_flush(s->path[i], s->path[i] == s->active ? &s->queue : NULL, now_us);
}

uint64_t session_due_us(const struct session *s)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < s->path_count; i++) {
        uint64_t of_path = path_due_us(s->path[i], s->path[i] == s->active ? &s->queue : NULL);
        due = of_path < due ? of_path : due;
    }
    return due;
}

void session_totals(const struct session *s, uint64_t *ret_sent_bytes, uint64_t *ret_received_bytes)
{
    *ret_sent_bytes = s->sent_bytes;
    *ret_received_bytes = s->received_bytes;
    for (size_t i = 0; i < s->path_count; i++) {
        *ret_sent_bytes += s->path[i]->sent_bytes;
        *ret_received_bytes += s->path[i]->received_bytes;
    }
}
