/* test/io/privileges_test.c - what a process can still do that has given up its privileges; each test in a process of its own */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/privileges.h"

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, #what, errno);                     \
            _exit(2);                                                                                                  \
        }                                                                                                              \
    } while (0)

static int in_child(void (*what)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        what();
        _exit(0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static bool refused(long rc)
{
    return rc == -1 && errno == EPERM;
}

/* The same for a thread that was there before and for one that comes later. */
static void expect_nothing(void)
{
    char *const argv[] = {(char[]){"false"}, NULL}; /* which would end us with an error */
    struct clone_args args = {.flags = CLONE_NEWUSER};
    char line[128];
    int left = 0;
    snprintf(line, sizeof line, "/proc/self/task/%ld/status", syscall(SYS_gettid));
    FILE *f = fopen(line, "re");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        unsigned long long caps;
        if (sscanf(line, "CapInh: %llx", &caps) == 1 || sscanf(line, "CapPrm: %llx", &caps) == 1 || sscanf(line, "CapEff: %llx", &caps) == 1 ||
            sscanf(line, "CapBnd: %llx", &caps) == 1 || sscanf(line, "CapAmb: %llx", &caps) == 1)
            left += caps != 0;
        left += strcmp(line, "NoNewPrivs:\t0\n") == 0;
    }
    fclose(f);
    CHECK(left == 0);
    CHECK(geteuid() != 0 && getegid() != 0 && getgroups(0, NULL) == 0);
    CHECK(refused(setresuid(0, 0, 0)) && refused(setgroups(1, (const gid_t[]){0})));
    CHECK(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
    CHECK(refused(execve("/bin/false", argv, argv + 1)));
    CHECK(refused(unshare(CLONE_NEWUSER)));
    CHECK(syscall(SYS_clone3, &args, sizeof args) == -1 && errno == ENOSYS);
    CHECK(refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL)));
    CHECK(refused(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) && refused(socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)));
    CHECK(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 && socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0);
}

static pthread_barrier_t barrier;

static void *thread(void *before)
{
    if (before != NULL)
        pthread_barrier_wait(&barrier);
    expect_nothing();
    return NULL;
}

static void give_up(void)
{
    struct err err = {0};
    pthread_t early, late;
    struct addrinfo *found = NULL;
    privileges_limit();
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    CHECK(pthread_create(&early, NULL, thread, &barrier) == 0);
    CHECK(privileges_drop(NULL, &err) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(early, NULL) == 0);
    CHECK(pthread_create(&late, NULL, thread, NULL) == 0 && pthread_join(late, NULL) == 0);
    expect_nothing();
    CHECK(getaddrinfo("localhost", "80", NULL, &found) == 0);
    freeaddrinfo(found);
    CHECK(privileges_drop(NULL, &err) == 0); /* twice does no harm */
}

static void choose_wrongly(void)
{
    struct err err = {0};
    CHECK(privileges_check(NULL, &err) == 0 && privileges_check("daemon", &err) == 0);
    CHECK(privileges_check("no-such-account", &err) == -ENOENT && privileges_check("root", &err) == -EINVAL);
    CHECK(privileges_drop("no-such-account", &err) == -ENOENT && strstr(err.text, "--user no-such-account: ") == err.text);
    CHECK(privileges_drop("root", &err) == -EINVAL && strstr(err.text, "--user root: is root") == err.text);
    CHECK(geteuid() == 0);
    CHECK(privileges_drop("daemon", &err) == 0 && geteuid() == 1);
}

/* As on a phone, whose sandbox knows no such calls. */
static void be_ordinary(void)
{
    static const int deadly[] = {SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(capset)};
    struct err err = {0};
    CHECK(setgroups(0, NULL) == 0 && setresgid(1, 1, 1) == 0 && setresuid(1, 1, 1) == 0);
    scmp_filter_ctx sandbox = seccomp_init(SCMP_ACT_ALLOW);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        CHECK(seccomp_rule_add(sandbox, SCMP_ACT_KILL_PROCESS, deadly[i], 0) == 0);
    CHECK(seccomp_load(sandbox) == 0);
    seccomp_release(sandbox);
    CHECK(privileges_drop(NULL, &err) == 0);
    CHECK(geteuid() == 1 && refused(unshare(CLONE_NEWUSER)));
}

static void nothing_is_left_in_any_thread_and_names_still_resolve(void **state)
{
    (void)state;
    assert_int_equal(in_child(give_up), 0);
}

static void an_account_that_is_none_or_root_is_refused(void **state)
{
    (void)state;
    assert_int_equal(in_child(choose_wrongly), 0);
}

static void an_ordinary_account_stays_and_asks_for_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(be_ordinary), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_in_any_thread_and_names_still_resolve),
        cmocka_unit_test(an_account_that_is_none_or_root_is_refused),
        cmocka_unit_test(an_ordinary_account_stays_and_asks_for_nothing),
    };
    if (geteuid() != 0) {
        fprintf(stderr, "SKIPPED: has privileges to give up, needs root; run it with sudo\n");
        return 77;
    }
    return cmocka_run_group_tests_name("privileges", tests, NULL, NULL);
}
