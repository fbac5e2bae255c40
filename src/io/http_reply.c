/* io/http_reply.c - which answer a request gets; see http_priv.h */
#include "io/http_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/assets.h"

static void finish(struct http_answer *r, struct http_reply *head)
{
    head->keep_alive = !r->close;
    head->minor = r->minor;
    r->status = head->status;
    int n = http_reply_head(head, r->head, sizeof r->head);
    r->head_len = n > 0 ? (size_t)n : 0;
    if (r->head_only)
        r->body_len = 0;
}

void http_answer_error(struct http_answer *r, unsigned status, bool head_only)
{
    r->body = http_status_text(status);
    r->body_len = strlen(r->body);
    r->head_only = head_only;
    struct http_reply head = {.status = status, .type = "text/plain; charset=utf-8", .body_len = r->body_len, .no_store = true};
    finish(r, &head);
}

static void reply_asset(struct http_answer *r, const struct http_head *head, const struct asset *a)
{
    char etag[48];
    bool gz = http_accepts_gzip(head) && a->gz_len < a->raw_len;
    snprintf(etag, sizeof etag, "%.*s%s", (int)strlen(a->etag) - 1, a->etag, gz ? "-gz\"" : "\"");
    bool fresh = http_etag_matches(head, etag);
    r->body = gz ? a->gz : a->raw;
    r->body_len = fresh ? 0 : gz ? a->gz_len : a->raw_len;
    struct http_reply out = {.status = fresh ? 304 : 200, .type = fresh ? NULL : a->type, .body_len = r->body_len,
                             .etag = etag, .gzip = gz && !fresh, .varies = true, .page = true};
    finish(r, &out);
}

static bool reply_json(struct http_answer *r, const struct http_server *server, const char *path)
{
    if (server->handlers->json == NULL)
        return false;
    r->owned = malloc(HTTP_JSON_MAX);
    int len = r->owned != NULL ? server->handlers->json(server->ctx, path, r->owned, HTTP_JSON_MAX) : -1;
    if (len < 0) {
        free(r->owned);
        r->owned = NULL;
        return false;
    }
    r->body = r->owned;
    r->body_len = (size_t)len;
    struct http_reply head = {.status = 200, .type = "application/json", .body_len = r->body_len, .no_store = true};
    finish(r, &head);
    return true;
}

/* Methods are case-sensitive (RFC 9110 section 9.1). */
static bool is_method(struct http_span method, const char *name)
{
    return method.len == strlen(name) && memcmp(method.at, name, method.len) == 0;
}

static bool is_known(struct http_span method)
{
    static const char *const known[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (is_method(method, known[i]))
            return true;
    return false;
}

void http_answer_make(struct http_answer *r, const struct http_server *server, const struct http_head *head)
{
    char path[256];
    bool get = is_method(head->method, "GET");
    r->head_only = is_method(head->method, "HEAD");
    if (http_field_find(head, "host") == NULL && head->minor >= 1) {
        r->close = true;
        http_answer_error(r, 400, r->head_only);
        return;
    }
    if (!get && !r->head_only) {
        r->close = true; /* it may have a body that we do not read */
        http_answer_error(r, is_known(head->method) ? 405 : 501, false);
        return;
    }
    struct http_span target = http_target_path(head->target);
    if (target.len >= sizeof path) {
        http_answer_error(r, 404, r->head_only);
        return;
    }
    memcpy(path, target.at, target.len);
    path[target.len] = '\0';
    const struct asset *asset = server->handlers->page ? asset_find(path) : NULL;
    if (asset != NULL)
        reply_asset(r, head, asset);
    else if (!reply_json(r, server, path))
        http_answer_error(r, 404, r->head_only);
}
