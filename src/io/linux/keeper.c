/* io/linux/keeper.c - see io/keeper.h */
#include "io/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/child.h"
#include "io/linux/desk.h"
#include "io/privileges.h"

/* Of this process; set once, before there are threads. */
static int keeper_fd = -1;
static pid_t keeper_pid;

union control {
    struct cmsghdr head; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* --- messages with a descriptor --- */

static ssize_t send_with(int sock, const void *bytes, size_t len, int fd)
{
    union control control = {{0}};
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

/* There is room for one descriptor; the kernel drops what more is sent. @param ret_fd -1: none came */
static ssize_t receive_with(int sock, void *bytes, size_t cap, int *ret_fd)
{
    union control control = {{0}};
    struct iovec part = {bytes, cap};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    *ret_fd = -1;
    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return n;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    return (m.msg_flags & MSG_TRUNC) != 0 ? 0 : n; /* nobody of ours sends more than fits */
}

/* --- the keeper's side --- */

/* One request. @return false when there are no more: the other side has ended */
static bool serve_one(int sock, struct desk *desk)
{
    struct host_request request;
    struct host_reply reply;
    int with, back;
    ssize_t n = receive_with(sock, &request, sizeof request, &with);
    if (n > 0)
        desk_do(desk, &request, (size_t)n, with, &reply, &back);
    if (with >= 0)
        close(with);
    if (n <= 0)
        return false;
    n = send_with(sock, &reply, sizeof reply, back);
    if (back >= 0)
        close(back);
    return n >= 0;
}

/* A signal to us is meant for the work: the one who does it ends cleanly, and we with him. */
static void pass_on(int signals, pid_t owner)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) == (ssize_t)sizeof info && getppid() == owner)
        kill(owner, SIGTERM);
}

static int signals_to_read(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); /* without it they are only not heard */
}

/* Standard error stays: what could not be undone is said there. */
static void leave_terminal(void)
{
    setsid(); /* a terminal's ^C is for the other one alone */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

static void keep(int sock, pid_t owner)
{
    struct desk *desk = NULL;
    prctl(PR_SET_NAME, "tether-keeper");
    leave_terminal();
    signal(SIGPIPE, SIG_IGN);
    struct pollfd p[] = {{.fd = sock, .events = POLLIN}, {.fd = signals_to_read(), .events = POLLIN}};
    if (desk_new(owner, &desk) < 0)
        return;
    for (bool goes_on = true; goes_on;) {
        if (poll(p, 2, -1) < 0) {
            goes_on = errno == EINTR;
            continue;
        }
        if (p[1].revents != 0)
            pass_on(p[1].fd, owner);
        if (p[0].revents != 0)
            goes_on = serve_one(sock, desk);
    }
    int undone = desk_free(desk);
    if (undone > 0)
        log_info("host", NULL, "mended", "changes=%d why=\"the process that made them is gone\"", undone);
}

/* --- ours --- */

int keeper_start(struct err *err)
{
    int pair[2];
    pid_t owner = getpid();
    signal(SIGCHLD, SIG_DFL); /* who started us may have it ignored: then nobody could be waited for */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        int rc = -errno;
        return err_set(err, rc, "keeper: no socket for it: %s", strerror(-rc));
    }
    int rc = child_above_stdio(&pair[0]);
    if (rc == 0)
        rc = child_above_stdio(&pair[1]);
    pid_t pid = rc == 0 ? fork() : -1;
    if (pid == 0) {
        close(pair[0]);
        keep(pair[1], owner);
        _exit(0);
    }
    if (rc == 0 && pid < 0)
        rc = -errno;
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        return err_set(err, rc, "keeper: this process cannot be started: %s", strerror(-rc));
    }
    keeper_fd = pair[0];
    keeper_pid = pid;
    privileges_limit();
    return 0;
}

bool keeper_runs(void)
{
    return keeper_fd >= 0;
}

int keeper_ask(const struct host_request *request, int fd, int *ret_fd, struct err *err)
{
    struct host_reply reply;
    int came = -1;
    if (ret_fd != NULL)
        *ret_fd = -1;
    if (keeper_fd < 0)
        return -ENOTCONN;
    ssize_t n = send_with(keeper_fd, request, sizeof *request, fd);
    if (n >= 0)
        n = receive_with(keeper_fd, &reply, sizeof reply, &came);
    int rc = n < 0 ? -errno : n != sizeof reply ? -EPIPE : reply.result;
    if (n != sizeof reply)
        err_set(err, rc, "keeper: this process, which changes the machine, cannot be asked: %s; start tether again", strerror(-rc));
    else if (rc < 0)
        err_set(err, rc, "%s", reply.text[0] != '\0' ? reply.text : strerror(-rc));
    if (ret_fd != NULL && rc >= 0)
        *ret_fd = came;
    else if (came >= 0)
        close(came);
    return rc;
}

/* Nobody would mend any more what we do: we end as if we were told to. */
static void on_keeper_ended(int signo)
{
    (void)signo;
    kill(getpid(), SIGTERM);
}

int keeper_seal(const char *user, struct err *err)
{
    const struct host_request r = {.op = HOST_OP_SEAL};
    struct sigaction ended = {.sa_handler = on_keeper_ended, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    int rc = 0;
    if (keeper_fd >= 0) {
        sigemptyset(&ended.sa_mask);
        sigaction(SIGCHLD, &ended, NULL);
        rc = keeper_ask(&r, -1, NULL, err);
    }
    return rc < 0 ? rc : privileges_drop(user, err);
}

int keeper_stop(struct err *err)
{
    int status;
    if (keeper_fd < 0)
        return 0;
    signal(SIGCHLD, SIG_DFL);
    pid_t ended = waitpid(keeper_pid, &status, WNOHANG);
    close(keeper_fd);
    keeper_fd = -1;
    if (ended == keeper_pid)
        return err_set(err, -EOWNERDEAD, "keeper: this process, which puts the machine back, was killed; run tether cleanup");
    while (waitpid(keeper_pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return 0;
}

/* --- files --- */

int keeper_file_keep(const char *path, bool goes)
{
    struct host_request r = {.op = HOST_OP_FILE_KEEP, .flag = goes};
    size_t len = strlen(path);
    if (len >= sizeof r.text)
        return -ENAMETOOLONG;
    memcpy(r.text, path, len + 1);
    return keeper_ask(&r, -1, NULL, NULL);
}

int keeper_file_fresh(int number)
{
    const struct host_request r = {.op = HOST_OP_FILE_FRESH, .number = (uint32_t)number};
    int fd, rc = keeper_ask(&r, -1, &fd, NULL);
    return rc < 0 ? rc : fd;
}

int keeper_file_replace(int number)
{
    const struct host_request r = {.op = HOST_OP_FILE_REPLACE, .number = (uint32_t)number};
    return keeper_ask(&r, -1, NULL, NULL);
}

/* --- sockets --- */

int keeper_socket_bind(int fd, const char *ifname)
{
    struct host_request r = {.op = HOST_OP_SOCKET};
    size_t len = strlen(ifname);
    if (len >= sizeof r.ifname)
        return -ENODEV;
    memcpy(r.ifname, ifname, len + 1);
    return keeper_ask(&r, fd, NULL, NULL);
}

int keeper_socket_buffers(int fd, size_t size)
{
    const struct host_request r = {.op = HOST_OP_SOCKET, .size = (uint32_t)size};
    return keeper_ask(&r, fd, NULL, NULL);
}

int keeper_socket_congestion(int fd, enum keeper_congestion which)
{
    const struct host_request r = {.op = HOST_OP_SOCKET, .flag = 1, .size = which};
    return keeper_ask(&r, fd, NULL, NULL);
}
