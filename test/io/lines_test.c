/* io/lines_test.c - the file of lines: read again, renewed, and what is there after a crash in between */
#include "io/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct lab {
    char dir[40], path[80], fresh[88];
    char seen[512]; /* all lines, one after the other */
};

static int setup(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    snprintf(lab->dir, sizeof lab->dir, "/tmp/tether-lines-XXXXXX");
    if (lab == NULL || mkdtemp(lab->dir) == NULL)
        return -1;
    snprintf(lab->path, sizeof lab->path, "%s/file", lab->dir);
    snprintf(lab->fresh, sizeof lab->fresh, "%s/file.new", lab->dir);
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    struct lab *lab = *state;
    unlink(lab->path);
    unlink(lab->fresh);
    rmdir(lab->dir);
    free(lab);
    return 0;
}

static void see(void *ctx, const char *line)
{
    struct lab *lab = ctx;
    size_t len = strlen(lab->seen);
    snprintf(lab->seen + len, sizeof lab->seen - len, "%s", line);
}

static struct lines *open_file(struct lab *lab)
{
    struct lines *lines;
    struct err err = {0};
    lab->seen[0] = '\0';
    assert_int_equal(lines_open(lab->dir, "file", see, lab, &lines, &err), 0);
    return lines;
}

static void lines_are_there_again(void **state)
{
    struct lab *lab = *state;
    struct stat st;
    struct lines *lines = open_file(lab);
    assert_string_equal(lab->seen, "");
    assert_int_equal(stat(lab->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(lines_add(lines, "one\n"), 0);
    assert_int_equal(lines_add(lines, "two\n"), 0);
    assert_int_equal(lines_count(lines), 2);
    struct lines *again = open_file(lab); /* the first was not closed: it might have been killed */
    assert_string_equal(lab->seen, "one\ntwo\n");
    assert_int_equal(lines_count(again), 2);
    lines_close(again);
    lines_close(lines);
}

static void a_new_file_takes_the_place_of_the_old_one_whole(void **state)
{
    struct lab *lab = *state;
    struct lines *lines = open_file(lab);
    lines_add(lines, "old\n");
    lines_add(lines, "older\n");
    assert_int_equal(lines_renew(lines), 0);
    lines_add(lines, "new\n");
    struct lines *other = open_file(lab); /* a crash now would leave the old one */
    assert_string_equal(lab->seen, "old\nolder\n");
    lines_close(other);
    assert_int_equal(lines_replace(lines), 0);
    lines_add(lines, "newer\n");
    assert_int_equal(lines_count(lines), 2);
    lines_close(lines);
    lines_close(open_file(lab));
    assert_string_equal(lab->seen, "new\nnewer\n");
    assert_int_equal(access(lab->fresh, F_OK), -1);
}

static void a_successor_left_by_a_crash_is_no_hindrance(void **state)
{
    struct lab *lab = *state;
    struct lines *lines = open_file(lab);
    int fd = open(lab->fresh, O_CREAT | O_WRONLY, 0644);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    assert_int_equal(lines_renew(lines), 0);
    assert_int_equal(lines_replace(lines), 0);
    lines_close(lines);
    lines_close(open_file(lab));
    assert_string_equal(lab->seen, "");
}

static void who_cannot_write_says_where(void **state)
{
    struct lab *lab = *state;
    struct lines *lines;
    struct err err = {0};
    assert_true(lines_open("/proc/1/nowhere", "file", see, lab, &lines, &err) < 0);
    assert_non_null(strstr(err.text, "--state-dir"));
    assert_int_equal(symlink("/tmp/elsewhere", lab->path), 0);
    assert_int_equal(lines_open(lab->dir, "file", see, lab, &lines, &err), -ELOOP);
    lines_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_there_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_file_takes_the_place_of_the_old_one_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_successor_left_by_a_crash_is_no_hindrance, setup, teardown),
        cmocka_unit_test_setup_teardown(who_cannot_write_says_where, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
