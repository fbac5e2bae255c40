/* io/config_file_test.c - the INI file behind --config */
#include "io/config_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct config {
    const char *wifi;
    long port;
    bool plain;
    struct opt_texts routes;
};
static const struct opt options[] = {
    {"wifi", 0, OPT_TEXT, offsetof(struct config, wifi), "IFACE", "", 0, 0},
    {"port", 0, OPT_NUMBER, offsetof(struct config, port), "N", "", 1, 65535},
    {"plain", 0, OPT_FLAG, offsetof(struct config, plain), "", "", 0, 0},
    {"route", 0, OPT_TEXTS, offsetof(struct config, routes), "CIDR", "", 0, 0},
    {0},
};
struct common {
    const char *log;
};
static const struct opt common_options[] = {{"log", 0, OPT_TEXT, offsetof(struct common, log), "FORM", "", 0, 0}, {0}};

static char path[64];
static struct config config;
static struct common common;
static struct config_file *file;
static struct err err;

static int fresh(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/tether-config-XXXXXX");
    config = (struct config){.port = 6354};
    common = (struct common){0};
    file = NULL;
    err = (struct err){0};
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int gone(void **state)
{
    (void)state;
    config_file_free(file);
    return unlink(path);
}

static int load(const char *text)
{
    const struct opt *tables[] = {options, common_options, NULL};
    void *configs[] = {&config, &common, NULL};
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    int rc = config_file_load(path, "client", tables, configs, &file, &err);
    assert_int_equal(rc == 0, file != NULL);
    return rc;
}

static void a_section_sets_its_role_and_leaves_the_others_alone(void **state)
{
    (void)state;
    assert_int_equal(load("; a comment\n[server]\niface = eth0\nport = 9\n\n[client]\nwifi = wlan0 ; the phone's\n# more\nport=99\n"
                          "plain = yes\nroute = 10.0.0.0/8\nroute = 192.0.2.0/24\nlog = json\n[relay]\nlocal = ws://x\n"), 0);
    assert_string_equal(config.wifi, "wlan0");
    assert_int_equal(config.port, 99);
    assert_true(config.plain);
    assert_int_equal(config.routes.count, 2);
    assert_string_equal(config.routes.item[0], "10.0.0.0/8");
    assert_string_equal(common.log, "json");
}

static void nothing_for_the_role_is_nothing_set(void **state)
{
    (void)state;
    assert_int_equal(load(""), 0);
    assert_true(config.wifi == NULL && config.port == 6354);
}

static void the_command_line_wins(void **state)
{
    (void)state;
    const struct opt *tables[] = {options, common_options, NULL};
    void *configs[] = {&config, &common, NULL};
    static char port[] = "--port=7", route[] = "--route=203.0.113.0/24";
    assert_int_equal(load("[client]\nport = 99\nwifi = wlan0\nroute = 10.0.0.0/8\nroute = 10.1.0.0/16\n"), 0);
    assert_int_equal(opt_parse(tables, configs, 2, (char *[]){port, route}, &err), 0);
    assert_int_equal(config.port, 7);
    assert_string_equal(config.wifi, "wlan0");
    assert_int_equal(config.routes.count, 1);
    assert_string_equal(config.routes.item[0], "203.0.113.0/24");
}

/* @return where the line and the words are in what was said */
static void refused(const char *text, const char *line, const char *words)
{
    char at[100];
    assert_int_equal(load(text), -EINVAL);
    snprintf(at, sizeof at, "%s:%s: ", path, line);
    if (strncmp(err.text, at, strlen(at)) != 0 || strstr(err.text, words) == NULL)
        fail_msg("wanted %s … %s, got: %s", at, words, err.text);
}

static void mistakes_are_told_with_file_and_line(void **state)
{
    (void)state;
    refused("[client]\n\nwfi = wlan0\n", "3", "wfi: no such option");
    refused("[client]\nport = eighty\n", "2", "not a number from 1 to 65535");
    refused("[client]\nport = 70000\nwifi = x\n", "2", "70000");
    refused("[client]\nplain = perhaps\n", "2", "yes or no");
    refused("[client]\nwlan0\n", "2", "neither [section] nor key = value");
    refused("[client\nwifi = x\n", "1", "neither [section] nor key = value");
    char text[2000] = "[client]\n";
    size_t len = strlen(text);
    for (int i = 0; i < OPT_TEXTS_MAX + 1; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "route = 10.0.0.0/8\n");
    refused(text, "34", "more than 32 times");
}

static void a_line_of_any_length_is_survived(void **state)
{
    (void)state;
    static char text[300000];
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(load(text), -EINVAL);
    memcpy(text, "[client]\nwifi = ", 16);
    int rc = load(text); /* refused or cut, as inih was built; never out of bounds */
    assert_true(rc == -EINVAL || (rc == 0 && strlen(config.wifi) < sizeof text));
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    const struct opt *tables[] = {options, NULL};
    void *configs[] = {&config, NULL};
    assert_int_equal(config_file_load("/nonexistent.ini", "client", tables, configs, &file, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent.ini: cannot be read; --config names"));
    assert_null(file);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
    const struct CMUnitTest tests[] = {
        T(a_section_sets_its_role_and_leaves_the_others_alone),
        T(nothing_for_the_role_is_nothing_set),
        T(the_command_line_wins),
        T(mistakes_are_told_with_file_and_line),
        T(a_line_of_any_length_is_survived),
        T(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
