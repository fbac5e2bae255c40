/* io/lines.c - see lines.h */
#include "io/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/keeper.h"

enum { LINE_MAX_LEN = 1024 };

struct lines {
    char *path, *fresh; /* fresh: the name of the file's successor */
    int fd, fresh_fd;   /* fresh_fd -1: none is being written */
    int kept;           /* the keeper's number for it, who renews it when we may not; negative: no keeper */
    size_t count, fresh_count;
};

static int read_all(struct lines *l, lines_cb read_line, void *ctx)
{
    char line[LINE_MAX_LEN];
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    if (f == NULL)
        return -errno;
    while (fgets(line, sizeof line, f) != NULL) {
        l->count++;
        read_line(ctx, line);
    }
    fclose(f);
    return 0;
}

int lines_open(const char *dir, const char *name, lines_cb read_line, void *ctx, struct lines **ret_lines, struct err *err)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s; --state-dir names another directory", dir, strerror(errno));
    struct lines *l = calloc(1, sizeof *l);
    if (l == NULL)
        return -ENOMEM;
    l->fd = l->fresh_fd = -1;
    int failed = asprintf(&l->path, "%s/%s", dir, name) < 0 || asprintf(&l->fresh, "%s/%s.new", dir, name) < 0 ? -ENOMEM : 0;
    if (!failed) {
        l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        failed = l->fd < 0 ? -errno : read_all(l, read_line, ctx);
        l->kept = failed ? -1 : keeper_file_keep(l->path, false);
    }
    if (failed) {
        err_set(err, failed, "%s/%s: %s; --state-dir names another directory", dir, name, strerror(-failed));
        lines_close(l);
        return failed;
    }
    *ret_lines = l;
    return 0;
}

int lines_add(struct lines *lines, const char *line)
{
    bool renewing = lines->fresh_fd >= 0;
    size_t len = strlen(line);
    ssize_t n = write(renewing ? lines->fresh_fd : lines->fd, line, len);
    if (n != (ssize_t)len)
        return n < 0 ? -errno : -ENOSPC;
    ++*(renewing ? &lines->fresh_count : &lines->count);
    return 0;
}

size_t lines_count(const struct lines *lines)
{
    return lines->count;
}

int lines_renew(struct lines *lines)
{
    lines->fresh_count = 0;
    if (lines->kept >= 0) {
        lines->fresh_fd = keeper_file_fresh(lines->kept);
        return lines->fresh_fd < 0 ? lines->fresh_fd : 0;
    }
    unlink(lines->fresh); /* one that a crash left behind */
    lines->fresh_fd = open(lines->fresh, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return lines->fresh_fd < 0 ? -errno : 0;
}

int lines_replace(struct lines *lines)
{
    int fd = lines->fresh_fd;
    lines->fresh_fd = -1;
    int failed = fsync(fd) < 0 ? -errno : 0;
    if (!failed && lines->kept >= 0)
        failed = keeper_file_replace(lines->kept);
    else if (!failed && rename(lines->fresh, lines->path) < 0)
        failed = -errno;
    if (failed) {
        close(fd);
        unlink(lines->fresh);
        return failed;
    }
    close(lines->fd);
    lines->fd = fd;
    lines->count = lines->fresh_count;
    return 0;
}

void lines_close(struct lines *lines)
{
    if (lines == NULL)
        return;
    if (lines->fd >= 0)
        close(lines->fd);
    if (lines->fresh_fd >= 0)
        close(lines->fresh_fd);
    free(lines->path);
    free(lines->fresh);
    free(lines);
}
