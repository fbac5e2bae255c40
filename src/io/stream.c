/* io/stream.c - a byte stream's life, and its plain half; see stream.h */
#include "io/stream.h"

#include <stdlib.h>

#include "io/stream_priv.h"

struct stream *stream_new(uv_loop_t *loop)
{
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    uv_tcp_init(loop, &s->tcp);
    return s;
}

static void one_closed(struct stream *s)
{
    if (--s->open_handles > 0)
        return;
    if (s->closed != NULL)
        s->closed((uv_handle_t *)s);
    stream_sec_free(s->sec);
    free(s);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    one_closed((struct stream *)handle);
}

static void on_timer_closed(uv_handle_t *handle)
{
    one_closed(handle->data);
}

void stream_close(struct stream *s, uv_close_cb closed)
{
    if (uv_is_closing((uv_handle_t *)s))
        return;
    s->closed = closed;
    s->open_handles = 1 + (s->sec != NULL ? stream_sec_close(s, on_timer_closed) : 0);
    uv_close((uv_handle_t *)s, on_tcp_closed);
}

int stream_read_start(struct stream *s, uv_alloc_cb alloc, uv_read_cb read)
{
    return s->sec != NULL ? stream_sec_read_start(s, alloc, read) : uv_read_start((uv_stream_t *)s, alloc, read);
}

void stream_read_stop(struct stream *s)
{
    if (s->sec != NULL)
        stream_sec_read_stop(s);
    else
        uv_read_stop((uv_stream_t *)s);
}

int stream_try_write(struct stream *s, const uv_buf_t *bufs, unsigned count)
{
    return s->sec != NULL ? stream_seal_try_write(s, bufs, count) : uv_try_write((uv_stream_t *)s, bufs, count);
}

int stream_write(struct stream *s, uv_write_t *req, const uv_buf_t *bufs, unsigned count, uv_write_cb written)
{
    return s->sec != NULL ? stream_seal_write(s, req, bufs, count, written)
                          : uv_write(req, (uv_stream_t *)s, bufs, count, written);
}

static void on_shut_down(uv_shutdown_t *req, int status)
{
    (void)status;
    free(req);
}

int stream_shutdown(struct stream *s)
{
    uv_shutdown_t *req = malloc(sizeof *req);
    if (req == NULL)
        return UV_ENOMEM;
    if (s->sec != NULL)
        stream_seal_end(s);
    int failed = uv_shutdown(req, (uv_stream_t *)s, on_shut_down);
    if (failed)
        free(req);
    return failed;
}

void stream_on_drained(struct stream *s, void (*drained)(struct stream *s))
{
    if (s->sec != NULL)
        stream_sec_on_drained(s, drained);
}

size_t stream_queued(const struct stream *s)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)s);
}

const char *stream_why(const struct stream *s, int status)
{
    const char *why = s->sec != NULL ? stream_sec_why(s) : NULL;
    return why != NULL ? why : uv_strerror(status);
}
