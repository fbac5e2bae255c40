/* io/control.c - see control.h */
#include "io/control.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/keeper.h"

struct control {
    int fd;
    bool bound; /* the socket's file is there */
    struct io_poll *poll;
    control_json_cb cb;
    void *ctx;
    struct sockaddr_un addr;
};

static void on_readable(void *ctx, int events)
{
    struct control *c = ctx;
    (void)events;
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    char json[CONTROL_JSON_MAX];
    int len = c->cb(c->ctx, json, sizeof json);
    if (len > 0 && send(fd, json, (size_t)len, MSG_NOSIGNAL) != len) {
        /* its buffer holds far more; who does not read gets a cut document */
    }
    close(fd);
}

static int listen_at(struct control *c)
{
    mode_t old = umask(0177);
    unlink(c->addr.sun_path);
    int failed = bind(c->fd, (struct sockaddr *)&c->addr, sizeof c->addr) < 0 ? -errno : 0;
    umask(old);
    c->bound = failed == 0;
    if (c->bound) /* however we end */
        keeper_file_keep(c->addr.sun_path, true);
    return failed || listen(c->fd, 4) == 0 ? failed : -errno;
}

int control_open(struct io_loop *loop, const char *state_dir, const char *role, control_json_cb cb, void *ctx,
                 struct control **ret_control, struct err *err)
{
    struct control *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->cb = cb;
    c->ctx = ctx;
    c->addr.sun_family = AF_UNIX;
    int n = snprintf(c->addr.sun_path, sizeof c->addr.sun_path, "%s/%s-%ld.sock", state_dir, role, (long)getpid());
    c->fd = n < (int)sizeof c->addr.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    int failed = n >= (int)sizeof c->addr.sun_path ? -ENAMETOOLONG : c->fd < 0 ? -errno : listen_at(c);
    if (!failed)
        failed = io_poll_new(loop, c->fd, IO_READABLE, on_readable, c, &c->poll);
    if (failed) {
        err_set(err, failed, "%s: %s; --state-dir names another directory", c->addr.sun_path, strerror(-failed));
        control_close(c);
        return failed;
    }
    *ret_control = c;
    return 0;
}

void control_close(struct control *control)
{
    if (control == NULL)
        return;
    if (control->poll != NULL)
        io_poll_close(control->poll);
    if (control->bound)
        unlink(control->addr.sun_path);
    if (control->fd >= 0)
        close(control->fd);
    free(control);
}

static int ask_one(const char *path, char *json, size_t cap)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 2};
    size_t len_path = strlen(path);
    if (len_path >= sizeof addr.sun_path)
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, path, len_path + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int failed = connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
    size_t len = 0;
    ssize_t n = 1;
    while (!failed && n > 0 && len < cap - 1) {
        n = read(fd, json + len, cap - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    json[len] = '\0';
    close(fd);
    return failed ? failed : (int)len;
}

int control_ask(const char *state_dir, void (*cb)(void *ctx, const char *json), void *ctx)
{
    DIR *dir = opendir(state_dir);
    if (dir == NULL)
        return errno == ENOENT ? 0 : -errno;
    int answered = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        char path[600], json[CONTROL_JSON_MAX + 1];
        if (len < 5 || strcmp(entry->d_name + len - 5, ".sock") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", state_dir, entry->d_name);
        int got = ask_one(path, json, sizeof json);
        if (got == -ECONNREFUSED)
            unlink(path);
        if (got > 0) {
            answered++;
            cb(ctx, json);
        }
    }
    closedir(dir);
    return answered;
}
