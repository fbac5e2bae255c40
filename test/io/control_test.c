/* io/control_test.c - the socket behind `tether status` */
#include "io/control.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

struct lab {
    struct io_loop *loop;
    struct control *control;
    char dir[40], path[100];
    char json[CONTROL_JSON_MAX];
    int asked;
};

static int on_ask(void *ctx, char *buf, size_t cap)
{
    struct lab *lab = ctx;
    lab->asked++;
    int n = snprintf(buf, cap, "%s", lab->json);
    return n < (int)cap ? n : -1;
}

static int setup(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct err err = {0};
    snprintf(lab->dir, sizeof lab->dir, "/tmp/tether-control-XXXXXX");
    snprintf(lab->json, sizeof lab->json, "{\"role\":\"x\"}");
    if (mkdtemp(lab->dir) == NULL || io_loop_new(&lab->loop) != 0 ||
        control_open(lab->loop, lab->dir, "x", on_ask, lab, &lab->control, &err) != 0)
        return -1;
    snprintf(lab->path, sizeof lab->path, "%s/x-%ld.sock", lab->dir, (long)getpid());
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    struct lab *lab = *state;
    control_close(lab->control);
    int rc = io_loop_free(lab->loop);
    rc |= access(lab->path, F_OK) == 0; /* removed at the end */
    rc |= rmdir(lab->dir);
    free(lab);
    return rc;
}

static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void turn(struct lab *lab)
{
    for (int i = 0; i < 20; i++)
        uv_run(io_loop_uv(lab->loop), UV_RUN_NOWAIT);
}

/* What comes until the hang-up. */
static size_t read_all(int fd, char *buf, size_t cap)
{
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, buf + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    assert_int_equal(n, 0);
    buf[len] = '\0';
    close(fd);
    return len;
}

static void whoever_connects_is_told_and_hung_up_on(void **state)
{
    struct lab *lab = *state;
    char got[CONTROL_JSON_MAX + 1];
    int one = connect_to(lab->path), two = connect_to(lab->path);
    turn(lab);
    assert_int_equal(lab->asked, 2);
    read_all(one, got, sizeof got);
    assert_string_equal(got, lab->json);
    read_all(two, got, sizeof got);
    assert_string_equal(got, lab->json);
}

static void a_document_of_full_length_arrives_whole(void **state)
{
    struct lab *lab = *state;
    char got[CONTROL_JSON_MAX + 1];
    memset(lab->json, 'j', sizeof lab->json - 1);
    int fd = connect_to(lab->path);
    turn(lab);
    assert_int_equal(read_all(fd, got, sizeof got), CONTROL_JSON_MAX - 1);
}

static void one_who_never_reads_or_leaves_at_once_disturbs_nobody(void **state)
{
    struct lab *lab = *state;
    char got[64];
    int silent[4];
    for (int i = 0; i < 4; i++) {
        silent[i] = connect_to(lab->path);
        close(connect_to(lab->path));
        turn(lab);
    }
    int fd = connect_to(lab->path);
    turn(lab);
    read_all(fd, got, sizeof got);
    assert_string_equal(got, lab->json);
    for (int i = 0; i < 4; i++)
        close(silent[i]);
}

static void it_is_open_to_its_owner_only(void **state)
{
    struct lab *lab = *state;
    struct stat st;
    assert_int_equal(stat(lab->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    if (geteuid() != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        snprintf(addr.sun_path, sizeof addr.sun_path, "%s", lab->path);
        chmod(lab->dir, 0755);
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(connect(fd, (struct sockaddr *)&addr, sizeof addr) == -1 && errno == EACCES ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void collect(void *ctx, const char *json)
{
    char *all = ctx;
    snprintf(all + strlen(all), 200 - strlen(all), "%s;", json);
}

/* The asking side, against a role in another process, a dead one's socket, and things that are no sockets. */
static void asking_finds_the_living_and_clears_away_the_dead(void **state)
{
    struct lab *lab = *state;
    char dead[100], other[100], answers[200] = "";
    snprintf(dead, sizeof dead, "%s/server-1.sock", lab->dir);
    snprintf(other, sizeof other, "%s/notes.txt", lab->dir);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", dead);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    close(fd);
    close(open(other, O_CREAT | O_WRONLY, 0600));
    pid_t child = fork();
    if (child == 0) { /* the loop's side, for five seconds at most */
        alarm(5);
        for (;;)
            uv_run(io_loop_uv(lab->loop), UV_RUN_ONCE);
    }
    assert_int_equal(control_ask(lab->dir, collect, answers), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_string_equal(answers, "{\"role\":\"x\"};");
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(access(other, F_OK), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(control_ask("/nonexistent", collect, answers), 0);
    assert_int_equal(control_ask("/dev/null", collect, answers), -ENOTDIR);
}

static void a_directory_that_cannot_be_is_named(void **state)
{
    struct lab *lab = *state;
    struct control *control = NULL;
    struct err err = {0};
    char deep[200];
    memset(deep, 'd', sizeof deep - 1), deep[0] = '/', deep[sizeof deep - 1] = '\0';
    assert_int_equal(control_open(lab->loop, "/nonexistent", "x", on_ask, lab, &control, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/x-"));
    assert_non_null(strstr(err.text, "--state-dir"));
    assert_int_equal(control_open(lab->loop, deep, "x", on_ask, lab, &control, &err), -ENAMETOOLONG);
    assert_null(control);
    control_close(NULL);
}

/* From now on the kernel refuses this process to listen, as it does when it is short of memory. */
static int forbid_listen(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_listen, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOBUFS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void one_that_cannot_listen_leaves_no_file(void **state)
{
    struct lab *lab = *state;
    struct control *control = NULL;
    struct err err = {0};
    pid_t child = fork();
    if (child == 0) {
        char path[100];
        snprintf(path, sizeof path, "%s/x-%ld.sock", lab->dir, (long)getpid());
        if (forbid_listen() != 0)
            _exit(77);
        int failed = control_open(lab->loop, lab->dir, "x", on_ask, lab, &control, &err);
        bool left = access(path, F_OK) == 0;
        unlink(path);
        _exit(failed != -ENOBUFS ? 1 : left ? 2 : 0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(whoever_connects_is_told_and_hung_up_on),
        T(a_document_of_full_length_arrives_whole),
        T(one_who_never_reads_or_leaves_at_once_disturbs_nobody),
        T(it_is_open_to_its_owner_only),
        T(asking_finds_the_living_and_clears_away_the_dead),
        T(a_directory_that_cannot_be_is_named),
        T(one_that_cannot_listen_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
