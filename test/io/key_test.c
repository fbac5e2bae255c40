/* io/key_test.c - keys as people handle them, and what is remembered */
#include "io/key.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], path[128];
static struct err err;

static int in_a_directory(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tether-key-XXXXXX");
    err = (struct err){0};
    return mkdtemp(dir) == NULL;
}

static int and_away(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void put_file(const char *text)
{
    snprintf(path, sizeof path, "%s/key", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_key_is_eight_groups_and_never_the_same(void **state)
{
    (void)state;
    char seen[50][KEY_TEXT_LEN + 1];
    for (int i = 0; i < 50; i++) {
        assert_int_equal(key_generate(seen[i], &err), 0);
        assert_int_equal(strlen(seen[i]), KEY_TEXT_LEN);
        for (int at = 0; at < KEY_TEXT_LEN; at++) {
            char c = seen[i][at];
            assert_true(at % 5 == 4 ? c == '-' : islower((unsigned char)c) || (c >= '2' && c <= '7'));
        }
        for (int other = 0; other < i; other++)
            assert_string_not_equal(seen[i], seen[other]);
    }
}

/* Of the bytes 1 to 18; computed with Python's hashlib and base64. Other implementations depend on it (docs/PROTOCOL.md). */
static void the_text_gives_the_key_that_is_documented(void **state)
{
    (void)state;
    static const uint8_t want[TLS_KEY_LEN] = {
        0x79, 0x9e, 0x1c, 0xc7, 0x9b, 0xaf, 0x3b, 0x8a, 0x44, 0xc8, 0x68, 0x64, 0xfc, 0x70, 0x59, 0x90,
        0x79, 0x71, 0x5e, 0xfb, 0x97, 0xe4, 0x79, 0x9c, 0x2e, 0xf2, 0xa6, 0xa4, 0x10, 0xff, 0xef, 0x1f};
    uint8_t key[TLS_KEY_LEN];
    assert_int_equal(key_parse("aeba-gbaf-aydq-qcik-bmga-2dqp-cair-eo4u", key, &err), 0);
    assert_memory_equal(key, want, sizeof want);
}

static void dashes_blanks_and_case_do_not_matter(void **state)
{
    (void)state;
    char text[KEY_TEXT_LEN + 1], odd[3 * KEY_TEXT_LEN] = " \t";
    uint8_t key[TLS_KEY_LEN], again[TLS_KEY_LEN];
    assert_int_equal(key_generate(text, &err), 0);
    assert_int_equal(key_parse(text, key, &err), 0);
    for (size_t i = 0, at = 2; text[i] != '\0'; i++)
        if (text[i] != '-') {
            odd[at++] = (char)(i % 2 ? toupper((unsigned char)text[i]) : text[i]);
            if (i % 3 == 0)
                odd[at++] = i % 2 ? ' ' : '-';
        }
    assert_int_equal(key_parse(odd, again, &err), 0);
    assert_memory_equal(key, again, sizeof key);
    assert_int_equal(key_from_option(odd, odd, &err), 0);
    assert_string_equal(odd, text); /* remembered in one form */
}

/* Any one letter wrong, any two neighbours swapped. */
static void a_typing_error_is_noticed(void **state)
{
    (void)state;
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    int missed = 0, tried = 0;
    uint8_t key[TLS_KEY_LEN];
    for (int round = 0; round < 20; round++) {
        char text[KEY_TEXT_LEN + 1], typed[KEY_TEXT_LEN + 1];
        assert_int_equal(key_generate(text, &err), 0);
        for (int at = 0; at < KEY_TEXT_LEN; at++) {
            for (const char *c = alphabet; *c != '\0' && text[at] != '-'; c++) {
                memcpy(typed, text, sizeof typed);
                typed[at] = *c;
                tried += *c != text[at];
                missed += *c != text[at] && key_parse(typed, key, &err) == 0;
            }
        }
    }
    assert_true(tried > 19000);
    assert_true(missed <= 4); /* a 16-bit check misses one in 65,536 */
    assert_non_null(strstr(err.text, "typing error"));
}

static void what_is_no_key_is_refused_with_words(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-", "hunter2", "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa", "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaa1",
                                      "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-a", "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaa\xc3\xa4"};
    uint8_t key[TLS_KEY_LEN];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(key_parse(bad[i], key, &err), -EINVAL);
        assert_non_null(strstr(err.text, "`tether key` makes one"));
    }
}

static void a_key_may_lie_in_a_file(void **state)
{
    (void)state;
    char text[KEY_TEXT_LEN + 1], got[KEY_TEXT_LEN + 1], option[140], file[600];
    assert_int_equal(key_generate(text, &err), 0);
    snprintf(file, sizeof file, "%s\r\nsecond line\n", text);
    put_file(file);
    snprintf(option, sizeof option, "@%s", path);
    assert_int_equal(key_from_option(option, got, &err), 0);
    assert_string_equal(got, text);
    put_file("");
    assert_int_equal(key_from_option(option, got, &err), -EINVAL);
    memset(file, 'a', sizeof file - 1), file[sizeof file - 1] = '\0';
    put_file(file);
    assert_int_equal(key_from_option(option, got, &err), -EINVAL);
    assert_int_equal(key_from_option("@/nonexistent/key", got, &err), -ENOENT);
    assert_non_null(strstr(err.text, "@/nonexistent/key: No such file"));
    assert_int_equal(key_from_option("@/tmp", got, &err), -EISDIR);
}

static void a_remembered_line_is_the_owners_and_replaced_whole(void **state)
{
    (void)state;
    char deep[100], line[64];
    struct stat st;
    snprintf(deep, sizeof deep, "%s/state", dir); /* made when needed */
    assert_int_equal(state_read(deep, "key", line, sizeof line), -ENOENT);
    assert_int_equal(state_write(deep, "key", "first", &err), 0);
    assert_int_equal(state_write(deep, "key", "2nd", &err), 0);
    assert_int_equal(state_read(deep, "key", line, sizeof line), 0);
    assert_string_equal(line, "2nd");
    snprintf(path, sizeof path, "%s/key", deep);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/key.new", deep);
    assert_int_equal(access(path, F_OK), -1);
    FILE *left = fopen(path, "w"); /* by a crash, and open to all */
    assert_true(left != NULL && fchmod(fileno(left), 0666) == 0 && fclose(left) == 0);
    assert_int_equal(state_write(deep, "key", "2nd", &err), 0);
    char kept[128];
    snprintf(kept, sizeof kept, "%s/key", deep);
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(symlink("/etc/passwd", path), 0); /* a trap laid there is not followed */
    assert_int_equal(state_write(deep, "key", "third", &err), -ELOOP);
    assert_non_null(strstr(err.text, "--state-dir"));
    assert_int_equal(state_read(deep, "key", line, sizeof line), 0);
    assert_string_equal(line, "2nd");
}

static void where_nothing_can_be_kept_words_say_so(void **state)
{
    (void)state;
    assert_true(state_write("/proc/nowhere", "key", "x", &err) < 0);
    assert_non_null(strstr(err.text, "/proc/nowhere: "));
    assert_non_null(strstr(err.text, "--state-dir names another directory"));
    assert_true(state_write("/dev/full/x", "key", "x", &err) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, in_a_directory, and_away)
    const struct CMUnitTest tests[] = {
        T(a_key_is_eight_groups_and_never_the_same),
        T(the_text_gives_the_key_that_is_documented),
        T(dashes_blanks_and_case_do_not_matter),
        T(a_typing_error_is_noticed),
        T(what_is_no_key_is_refused_with_words),
        T(a_key_may_lie_in_a_file),
        T(a_remembered_line_is_the_owners_and_replaced_whole),
        T(where_nothing_can_be_kept_words_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
