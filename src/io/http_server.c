/* io/http_server.c - the listener; see http_server.h */
#include "io/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "io/http_priv.h"
#include "io/ws_priv.h"

enum { BACKLOG = 128 };

static void refuse(struct stream *stream)
{
    struct http_answer answer = {.close = true, .minor = 1};
    http_answer_error(&answer, 503, false);
    uv_buf_t bufs[2] = {uv_buf_init(answer.head, (unsigned)answer.head_len),
                        uv_buf_init((char *)(uintptr_t)answer.body, (unsigned)answer.body_len)};
    stream_try_write(stream, bufs, 2);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *s = listener->data;
    if (status < 0 || s->closing)
        return;
    struct stream *stream = stream_new(io_loop_uv(s->loop));
    if (stream == NULL)
        return;
    if (uv_accept(listener, (uv_stream_t *)stream) < 0) {
        stream_close(stream, NULL);
    } else if (s->conn_count < HTTP_CONNS_MAX || http_conn_evict(s)) {
        http_conn_open(s, stream);
    } else { /* everybody is in the middle of a request: who comes now is told so, unheard */
        if (s->tls == NULL)
            refuse(stream);
        stream_close(stream, NULL);
    }
}

static int parse_addr(const char *addr, uint16_t port, struct sockaddr_storage *ret)
{
    return uv_ip4_addr(addr, port, (struct sockaddr_in *)ret) == 0
               ? 0
               : uv_ip6_addr(addr, port, (struct sockaddr_in6 *)ret);
}

static int why(int failed, const char *addr, uint16_t port, struct err *err)
{
    switch (failed) {
    case UV_EADDRINUSE:
        return err_set(err, failed, "port %u on %s is in use; --port chooses another, `ss -ltnp sport = :%u` names who has it",
                       port, addr, port);
    case UV_EADDRNOTAVAIL:
        return err_set(err, failed, "%s is no address of this machine; `ip address` lists them", addr);
    case UV_EACCES:
        return err_set(err, failed, "port %u on %s needs root: run it with sudo, or choose one from 1024 with --port", port,
                       addr);
    default:
        return err_set(err, failed, "cannot listen on %s port %u: %s", addr, port, uv_strerror(failed));
    }
}

int http_server_open(struct io_loop *loop, const char *addr, uint16_t port, const struct http_handlers *handlers,
                     void *ctx, struct http_server **ret_server, struct err *err)
{
    struct sockaddr_storage to = {0};
    if (parse_addr(addr, port, &to) < 0)
        return err_set(err, -EINVAL, "%s: not an IP address to listen on", addr);
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->loop = loop;
    s->handlers = handlers;
    s->ctx = ctx;
    uv_tcp_init(io_loop_uv(loop), &s->listener);
    s->listener.data = s;
    int failed = uv_tcp_bind(&s->listener, (struct sockaddr *)&to, to.ss_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
    if (!failed)
        failed = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    if (failed) {
        http_server_close(s);
        return why(failed, addr, port, err);
    }
    *ret_server = s;
    return 0;
}

void http_server_secure(struct http_server *server, struct stream_tls *tls)
{
    server->tls = tls;
}

uint16_t http_server_port(const struct http_server *server)
{
    struct sockaddr_storage addr;
    int len = sizeof addr;
    if (uv_tcp_getsockname(&server->listener, (struct sockaddr *)&addr, &len) < 0)
        return 0;
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)&addr)->sin_port);
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void http_server_close(struct http_server *server)
{
    if (server == NULL || server->closing)
        return;
    server->closing = true;
    http_conn_close_all(server);
    ws_feed_forget_all(&server->feeds);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}
