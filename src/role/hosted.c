/* role/hosted.c - see hosted.h */
#include "role/hosted.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "io/keeper.h"

struct house {
    struct io_loop *loop;
    struct hosted_part *parts;
    size_t count;
};

static void on_signal(void *ctx, int signo)
{
    struct house *h = ctx;
    for (size_t i = 0; i < h->count; i++) {
        const struct hosted_part *p = &h->parts[i];
        log_info(p->role->name, NULL, "stopping", "signal=%s", io_signal_name(signo));
        if (p->self != NULL && p->role->hosted->leave != NULL)
            p->role->hosted->leave(p->self);
    }
    io_loop_stop(h->loop);
}

static int open_all(struct house *h, bool say_who, struct err *err)
{
    for (size_t i = 0; i < h->count; i++) {
        struct hosted_part *p = &h->parts[i];
        struct err why = {0};
        int failed = p->role->hosted->open(&p->common, p->config, h->loop, &p->self, &why);
        if (failed == 0)
            continue;
        if (why.text[0] == '\0')
            err_set(&why, failed, "%s", strerror(-failed));
        err_set(err, failed, say_who ? "[%s] %s" : "%.0s%s", p->role->name, why.text);
        return failed;
    }
    return 0;
}

int hosted_run(struct hosted_part *parts, size_t count, bool say_who, struct err *err)
{
    struct house h = {.parts = parts, .count = count};
    int failed = io_loop_new(&h.loop);
    if (!failed)
        failed = io_on_signals(h.loop, on_signal, &h);
    if (!failed)
        failed = open_all(&h, say_who, err);
    if (!failed)
        failed = keeper_seal(parts[0].common.user, err);
    for (size_t i = 0; i < count && !failed; i++)
        if (parts[i].role->hosted->ready != NULL)
            parts[i].role->hosted->ready(parts[i].self);
    if (!failed)
        failed = io_loop_run(h.loop);
    for (size_t i = count; i-- > 0;)
        if (parts[i].self != NULL)
            parts[i].role->hosted->close(parts[i].self);
    if (io_loop_free(h.loop) != 0) /* what was closed ends here */
        log_error("loop", NULL, "a role left something open", NULL);
    for (size_t i = count; i-- > 0;)
        if (parts[i].self != NULL)
            parts[i].role->hosted->done(parts[i].self);
    return failed;
}

int hosted_run_alone(const struct role *role, const struct role_common *common, const void *config, struct err *err)
{
    struct hosted_part part = {.role = role, .common = *common, .config = (void *)(uintptr_t)config};
    return hosted_run(&part, 1, false, err);
}
