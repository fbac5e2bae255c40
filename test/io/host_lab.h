/*
 * test/io/host_lab.h - a network and mount namespace of its own for each test of the host's changes
 *
 * The kernel and the programs are the real ones; only the machine outside the namespace is out of reach.
 *
 *     w0 (veth, down) -- w1   the "Wi-Fi device" and its far end        a temporary directory: state, and a copy of /etc when asked for
 */
#ifndef TETHER_TEST_HOST_LAB_H
#define TETHER_TEST_HOST_LAB_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/host.h"

struct lab {
    char dir[64];   /**< removed at the end */
    char state[80]; /**< state directory, not yet made */
    char before[32768];
};

/** Run a shell command. @return its exit status */
static int __attribute__((format(printf, 1, 2))) sh(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/** What a shell command prints. */
static void __attribute__((format(printf, 3, 4))) sh_read(char *ret, size_t cap, const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t len = fread(ret, 1, cap - 1, f);
    ret[len] = '\0';
    pclose(f);
}

/** Everything tether may touch; the far end's carrier follows ours a moment later, and a device that was once up
 * keeps its qdisc. */
static void lab_look(char *ret, size_t cap)
{
    sh_read(ret, cap,
            "{ ip -o addr; ip -o link | sed 's/qdisc [a-z]*//; s/state [A-Z]*//'; ip route show table all; ip -6 route show table all; } | "
            "grep -v 'w1@\\|dev w1'; nft list ruleset; cat /proc/sys/net/ipv4/ip_local_reserved_ports; "
            "exec 2>/dev/null; stat -c '%%n %%F %%a %%u %%g' /etc/resolv.conf; readlink /etc/resolv.conf; cat /etc/resolv.conf; "
            "ls -A /etc | grep resolv");
}

static void lab_assert_unchanged(struct lab *lab)
{
    char now[sizeof lab->before];
    lab_look(now, sizeof now);
    assert_string_equal(now, lab->before);
}

/** Nothing but the directory itself, no journal, no backup. */
static void lab_assert_state_empty(struct lab *lab)
{
    assert_int_equal(sh("test -z \"$(ls -A %s 2>/dev/null)\"", lab->state), 0);
}

static int lab_setup(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    *state = lab;
    strncpy(lab->dir, "/tmp/tether-host-test-XXXXXX", sizeof lab->dir - 1);
    if (lab == NULL || unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || mkdtemp(lab->dir) == NULL)
        return -1;
    snprintf(lab->state, sizeof lab->state, "%s/state", lab->dir);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return -1;
    if (sh("ip link set lo up && ip link add w0 type veth peer name w1 && ip link set w1 addrgenmode none up") != 0)
        return -1;
    lab_look(lab->before, sizeof lab->before);
    return 0;
}

static int lab_teardown(void **state)
{
    struct lab *lab = *state;
    umount2("/etc", MNT_DETACH);
    umount2(lab->state, MNT_DETACH);
    int rc = sh("rm -rf --one-file-system %s", lab->dir);
    free(lab);
    return rc;
}

/** A process that makes changes, says so, and is killed. @return its exit code when it ended early, else 0 */
static int lab_killed_after(void (*changes)(struct lab *), struct lab *lab)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        changes(lab);
        if (write(ready[1], "x", 1) != 1)
            _exit(3);
        for (;;)
            pause();
    }
    close(ready[1]);
    ssize_t n = read(ready[0], &byte, 1);
    close(ready[0]);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    return n == 1 ? 0 : 1;
}

/** In a forked child, where cmocka's own asserts would run the rest of the group twice. */
#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what);                                       \
            _exit(2);                                                                                                  \
        }                                                                                                              \
    } while (0)

/** Poll a shell condition for two seconds. */
static int lab_await(const char *condition)
{
    for (int i = 0; i < 100; i++) {
        if (sh("%s", condition) == 0)
            return 0;
        usleep(20 * 1000);
    }
    return -1;
}

static struct host *lab_open(struct lab *lab, const char *role)
{
    struct err err = {0};
    struct host *host = NULL;
    if (host_open(lab->state, role, &host, &err) != 0)
        fprintf(stderr, "host_open: %s\n", err.text);
    return host;
}

static struct host_cidr __attribute__((unused)) lab_cidr(const char *text)
{
    struct host_cidr cidr = {0};
    assert_int_equal(host_cidr_parse(text, &cidr), 0);
    return cidr;
}

/** main() of such a test. */
#define LAB_NEEDS_ROOT()                                                                                               \
    do {                                                                                                               \
        if (geteuid() != 0) {                                                                                          \
            fprintf(stderr, "SKIPPED: makes network namespaces, needs root; run it with sudo\n");                      \
            return 77;                                                                                                 \
        }                                                                                                              \
    } while (0)

#endif
