/* io/names.c - see names.h */
#include "io/names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct names_request {
    uv_getaddrinfo_t uv;
    names_cb cb; /* NULL: forgotten */
    void *ctx;
};

static void collect(const struct addrinfo *list, struct names *ret)
{
    ret->count = 0;
    for (; list != NULL && ret->count < NAMES_MAX; list = list->ai_next) {
        if (list->ai_addrlen > sizeof ret->addr[0])
            continue;
        memset(&ret->addr[ret->count], 0, sizeof ret->addr[0]);
        memcpy(&ret->addr[ret->count++], list->ai_addr, list->ai_addrlen);
    }
}

static int start(struct io_loop *loop, const char *host, uint16_t port, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}; /* one entry per address; the kind does not matter */
    snprintf(service, sizeof service, "%u", port);
    return uv_getaddrinfo(io_loop_uv(loop), req, cb, host, service, &hints);
}

static void on_resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
    struct names_request *r = uv->data;
    struct names found = {.count = 0};
    if (status == 0)
        collect(list, &found);
    uv_freeaddrinfo(list);
    if (r->cb != NULL)
        r->cb(r->ctx, status == 0 && found.count == 0 ? UV_EAI_NONAME : status, &found);
    free(r);
}

int names_ask(struct io_loop *loop, const char *host, uint16_t port, names_cb cb, void *ctx, struct names_request **ret_request)
{
    struct names_request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return UV_ENOMEM;
    r->uv.data = r;
    r->cb = cb;
    r->ctx = ctx;
    int failed = start(loop, host, port, &r->uv, on_resolved);
    if (failed)
        free(r);
    else
        *ret_request = r;
    return failed;
}

void names_forget(struct names_request *request)
{
    if (request == NULL)
        return;
    request->cb = NULL; /* freed when the resolver is done with it */
    uv_cancel((uv_req_t *)&request->uv);
}

int names_now(struct io_loop *loop, const char *host, uint16_t port, struct names *ret_names)
{
    uv_getaddrinfo_t req;
    struct names found;
    int failed = start(loop, host, port, &req, NULL);
    if (failed)
        return failed;
    collect(req.addrinfo, &found);
    uv_freeaddrinfo(req.addrinfo);
    if (found.count == 0)
        return UV_EAI_NONAME;
    *ret_names = found;
    return 0;
}

socklen_t names_addr_len(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void names_text(const struct sockaddr_storage *addr, char *ret_text, size_t cap)
{
    char host[48] = "?";
    bool six = addr->ss_family == AF_INET6;
    uint16_t port = ntohs(six ? ((const struct sockaddr_in6 *)addr)->sin6_port : ((const struct sockaddr_in *)addr)->sin_port);
    if (six)
        uv_ip6_name((const struct sockaddr_in6 *)addr, host, sizeof host);
    else
        uv_ip4_name((const struct sockaddr_in *)addr, host, sizeof host);
    snprintf(ret_text, cap, six ? "[%s]:%u" : "%s:%u", host, port);
}
