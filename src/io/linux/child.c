/* io/linux/child.c - see child.h */
#include "io/linux/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 5

uint64_t child_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int child_find(const char *name, char *ret_path, size_t cap)
{
    const char *path = getenv("PATH");
    char dirs[2048];
    snprintf(dirs, sizeof dirs, "%s:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin", path ? path : "");
    char *rest = dirs, *dir;
    while ((dir = strsep(&rest, ":")) != NULL) {
        if (*dir != '/') /* never the working directory */
            continue;
        int len = snprintf(ret_path, cap, "%s/%s", dir, name);
        if (len > 0 && (size_t)len < cap && access(ret_path, X_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

/* What the child sees as 0, 1, 2; everything else is closed even where a library forgot O_CLOEXEC. */
static int actions_set(posix_spawn_file_actions_t *actions, int in, int out, int err)
{
    int rc = posix_spawn_file_actions_adddup2(actions, in, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, out, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, err, 2);
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
#endif
    return -rc;
}

static int spawn(const char *const argv[], int in, int out, int err, pid_t *ret_pid)
{
    char program[512], path[2100];
    int rc = child_find(argv[0], program, sizeof program);
    if (rc != 0)
        return rc;
    const char *inherited = getenv("PATH");
    snprintf(path, sizeof path, "PATH=%.1900s%s/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
             inherited ? inherited : "", inherited ? ":" : "");
    /* nft -i would leave a .nft.history in the home directory. */
    const char *const env[] = {path, "LC_ALL=C", "HOME=/dev/null", "TERM=dumb", NULL};

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    rc = actions_set(&actions, in, out, err);
    if (rc == 0)
        rc = -posix_spawn(ret_pid, program, &actions, &attr, (char *const *)argv, (char *const *)env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int child_above_stdio(int *fd)
{
    if (*fd > 2)
        return 0;
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (high < 0)
        return -errno;
    close(*fd);
    *fd = high;
    return 0;
}

static int start(struct child *child, const char *const argv[], bool keep_stdout)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, null = -1, rc = 0;
    *child = (struct child){.in = -1, .out = -1};
    /* A socket rather than a pipe: writing to a dead child must not raise SIGPIPE in us. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
        (null = open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) != 0)
        rc = -errno;
    if (rc == 0)
        rc = child_above_stdio(&in[1]);
    if (rc == 0)
        rc = child_above_stdio(&out[1]);
    if (rc == 0)
        rc = child_above_stdio(&null);
    if (rc == 0)
        rc = spawn(argv, in[1], keep_stdout ? out[1] : null, out[1], &child->pid);
    close_fd(&in[1]);
    close_fd(&out[1]);
    close_fd(&null);
    if (rc != 0) {
        close_fd(&in[0]);
        close_fd(&out[0]);
        child->pid = 0;
        return rc;
    }
    child->in = in[0];
    child->out = out[0];
    return 0;
}

int child_start(struct child *child, const char *const argv[])
{
    return start(child, argv, false);
}

int child_write(struct child *child, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(child->in, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

/* @return true when it has ended; somebody ignoring SIGCHLD reaps it for us, then the status is unknown and taken as 0 */
static bool reaped(struct child *child, int *ret_status)
{
    int status = 0;
    pid_t pid = waitpid(child->pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    child->pid = 0;
    *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

/* It is its own session leader, so its process group is what it started, too. */
static void kill_group(struct child *child)
{
    kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
}

void child_stop(struct child *child)
{
    if (child->pid == 0)
        return;
    close_fd(&child->in);
    uint64_t deadline_ms = child_now_ms() + CHILD_TIMEOUT_MS;
    int status;
    while (!reaped(child, &status)) {
        if (child_now_ms() >= deadline_ms) {
            kill_group(child);
            break;
        }
        poll(NULL, 0, STEP_MS);
    }
    close_fd(&child->out);
}

/* Take what is there; what does not fit is read and dropped, so the child never blocks on us. */
static void drain(int fd, char *output, size_t cap, size_t *len)
{
    char buffer[1024];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        size_t room = cap > *len ? cap - *len : 0;
        size_t take = (size_t)n < room ? (size_t)n : room;
        if (take > 0)
            memcpy(output + *len, buffer, take);
        *len += take;
    }
}

int child_run(const char *const argv[], const char *input, char *ret_output, size_t cap, uint64_t deadline_ms)
{
    struct child child;
    int rc = start(&child, argv, true);
    if (rc != 0)
        return rc;
    if (input != NULL && child_write(&child, input, strlen(input)) != 0)
        input = NULL; /* it ended without reading; its exit status says the rest */
    close_fd(&child.in);
    size_t len = 0, room = ret_output != NULL && cap > 0 ? cap - 1 : 0;
    int status = 0;
    while (!reaped(&child, &status)) {
        if (child_now_ms() >= deadline_ms) {
            kill_group(&child);
            status = -ETIMEDOUT;
            break;
        }
        struct pollfd p = {.fd = child.out, .events = POLLIN};
        poll(&p, 1, STEP_MS);
        drain(child.out, ret_output, room, &len);
        if (p.revents & POLLHUP)
            poll(NULL, 0, 1);
    }
    drain(child.out, ret_output, room, &len);
    close_fd(&child.out);
    if (room > 0)
        ret_output[len] = '\0';
    return status;
}
