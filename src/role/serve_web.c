/* role/serve_web.c - tether serve-web: the page on a public address, from where a phone is sent to its laptop */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/http_server.h"
#include "role/hosted.h"
#include "role/page_state.h"
#include "role/role.h"

struct serve_web_config {
    const char *server;
    struct opt_texts listen;
    long port;
};

struct serve_web {
    const struct serve_web_config *config;
    struct io_loop *loop;
    struct http_server *listener[OPT_TEXTS_MAX];
    size_t listeners;
};

static const struct opt options[] = {
    {"port", 0, OPT_NUMBER, offsetof(struct serve_web_config, port), "N", "port of the page (default 80)", 1, 65535},
    {"listen", 0, OPT_TEXTS, offsetof(struct serve_web_config, listen), "ADDR",
     "serve at this address only (default 0.0.0.0, and :: where there is IPv6)", 0, 0},
    {"server", 0, OPT_TEXT, offsetof(struct serve_web_config, server), "URL",
     "the tether server the page names (default: this host, port 8080)", 0, 0},
    {0},
};

static void set_defaults(void *config)
{
    ((struct serve_web_config *)config)->port = 80;
}

static int on_json(void *ctx, const char *path, char *buf, size_t cap)
{
    struct serve_web *w = ctx;
    struct page_state s = {.role = "web", .server = w->config->server ? w->config->server : "",
                           .laptop = "ws://169.254.134.89:6354/websocket", .state = "waiting", .detail = ""};
    return strcmp(path, "/tether.json") == 0 ? page_state_json(&s, buf, cap) : -1;
}

static const struct http_handlers handlers = {.json = on_json, .page = true};

static int listen_on(struct serve_web *w, const char *addr, struct err *err)
{
    int failed = http_server_open(w->loop, addr, (uint16_t)w->config->port, &handlers, w, &w->listener[w->listeners], err);
    if (!failed) {
        w->listeners++;
        log_info("serve-web", NULL, "serve-web ready", "address=%s port=%ld", addr, w->config->port);
    }
    return failed;
}

static int listen_all(struct serve_web *w, struct err *err)
{
    const struct opt_texts *list = &w->config->listen;
    int failed = list->count == 0 ? listen_on(w, "0.0.0.0", err) : 0;
    for (size_t i = 0; i < list->count && !failed; i++)
        failed = listen_on(w, list->item[i], err);
    if (!failed && list->count == 0)
        listen_on(w, "::", NULL); /* a machine without IPv6 serves IPv4 */
    return failed;
}

static int on_open(const struct role_common *common, const void *config, struct io_loop *loop, void **ret_self, struct err *err)
{
    struct serve_web *w = calloc(1, sizeof *w);
    struct ws_url url;
    (void)common;
    if (w == NULL)
        return -ENOMEM;
    *ret_self = w;
    w->config = config;
    w->loop = loop;
    if (w->config->server != NULL && ws_url_parse(w->config->server, &url, err) < 0)
        return ROLE_BAD_USAGE;
    return listen_all(w, err);
}

static void on_close(void *self)
{
    struct serve_web *w = self;
    for (size_t i = 0; i < w->listeners; i++)
        http_server_close(w->listener[i]);
}

static void on_done(void *self)
{
    free(self);
}

static const struct hosted hosted = {.open = on_open, .close = on_close, .done = on_done};

static int run(const struct role_common *common, const void *config, struct err *err)
{
    return hosted_run_alone(&role_serve_web, common, config, err);
}

const struct role role_serve_web = {
    .name = "serve-web",
    .summary = "a page at a public address that leads phones to the laptop's page",
    .example = "sudo tether serve-web --port 80",
    .options = options,
    .config_size = sizeof(struct serve_web_config),
    .defaults = set_defaults,
    .run = run,
    .hosted = &hosted,
};
