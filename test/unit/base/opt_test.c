/* base/opt_test.c - command lines, good and bad */
#include "base/opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct config {
    bool flag, loud;
    const char *name;
    long port;
    struct opt_texts routes;
};
struct common {
    const char *log;
    struct opt_texts more;
};
static const struct opt options[] = {
    {"flag", 0, OPT_FLAG, offsetof(struct config, flag), "", "a flag", 0, 0},
    {"loud", 'v', OPT_FLAG, offsetof(struct config, loud), "", "another one", 0, 0},
    {"name", 'n', OPT_TEXT, offsetof(struct config, name), "NAME", "a name", 0, 0},
    {"port", 0, OPT_NUMBER, offsetof(struct config, port), "N", "a port", 1, 65535},
    {"route", 0, OPT_TEXTS, offsetof(struct config, routes), "CIDR", "a network", 0, 0},
    {0},
};
static const struct opt common_options[] = {
    {"log", 0, OPT_TEXT, offsetof(struct common, log), "FORM", "text or json", 0, 0},
    {"more", 0, OPT_TEXTS, offsetof(struct common, more), "X", "more of it", 0, 0},
    {0},
};

static struct config config;
static struct common common;
static struct err err;

static int parse(int argc, const char **argv)
{
    const struct opt *tables[] = {options, common_options, NULL};
    void *configs[] = {&config, &common, NULL};
    err = (struct err){0};
    return opt_parse(tables, configs, argc, (char **)(uintptr_t)argv, &err);
}
#define PARSE(...) parse(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static int fresh(void **state)
{
    (void)state;
    config = (struct config){.port = 8080};
    common = (struct common){0};
    return 0;
}

static void every_kind_is_set_in_every_form(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--flag", "-v", "-n", "phone", "--port", "65535", "--route", "10.0.0.0/8", "--route=192.0.2.0/24", "--log=json"), 0);
    assert_true(config.flag && config.loud);
    assert_string_equal(config.name, "phone");
    assert_int_equal(config.port, 65535);
    assert_int_equal(config.routes.count, 2);
    assert_string_equal(config.routes.item[1], "192.0.2.0/24");
    assert_string_equal(common.log, "json");
    assert_int_equal(PARSE("--name=a=b", "--flag=no", "--"), 0);
    assert_string_equal(config.name, "a=b");
    assert_false(config.flag);
    assert_int_equal(PARSE("--name", "--port"), 0); /* a value may look like an option */
    assert_string_equal(config.name, "--port");
    assert_int_equal(parse(0, NULL), 0);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *value, *word;
    } wrong[] = {
        {"--prot", "1", "--prot: no such option"}, {"--por", "1", "--por: no such"}, {"--ports", "1", "--ports: no such"},
        {"-p", "1", "-p: no such"}, {"-vv", NULL, "-vv: no such"}, {"stray", NULL, "stray: no such"}, {"-", NULL, "-: no such"},
        {"--", "behind", "--: no such"}, {"--=", NULL, "--=: no such"}, {"--port", NULL, "--port: needs a value (N)"},
        {"-n", NULL, "-n: needs a value (NAME)"}, {"--port", "0", "--port 0: not a number from 1 to 65535"},
        {"--port", "65536", "not a number"}, {"--port", "-1", "not a number"}, {"--port", "80x", "80x: not a number"},
        {"--port", " 80", "not a number"}, {"--port", "+80", "not a number"}, {"--port", "80 ", "not a number"}, {"--port", "\t80", "not a number"},
        {"--port", "", "not a number"}, {"--port=", NULL, "not a number"}, {"--port", "99999999999999999999", "not a number"},
        {"--flag=perhaps", NULL, "perhaps: say yes or no"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *argv[] = {wrong[i].argument, wrong[i].value};
        assert_int_equal(parse(wrong[i].value != NULL ? 2 : 1, argv), -EINVAL);
        if (strstr(err.text, wrong[i].word) == NULL)
            fail_msg("%s %s: said \"%s\"", argv[0], argv[1] ? argv[1] : "", err.text);
    }
    assert_int_equal(config.port, 8080); /* what was wrong changed nothing */
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    const char *argv[2 * OPT_TEXTS_MAX + 2];
    for (int i = 0; i <= OPT_TEXTS_MAX; i++) {
        argv[2 * i] = "--route";
        argv[2 * i + 1] = "10.0.0.0/8";
    }
    assert_int_equal(parse(2 * OPT_TEXTS_MAX, argv), 0);
    assert_int_equal(config.routes.count, OPT_TEXTS_MAX);
    assert_int_equal(parse(2 * OPT_TEXTS_MAX + 2, argv), -EINVAL);
    assert_non_null(strstr(err.text, "more than 32 times"));
}

static void a_list_on_the_command_line_replaces_the_files(void **state)
{
    (void)state;
    assert_int_equal(opt_set(options, &config, "route", "10.0.0.0/8", &err), 0);
    assert_int_equal(opt_set(options, &config, "route", "10.1.0.0/16", &err), 0);
    assert_int_equal(opt_set(common_options, &common, "more", "one", &err), 0);
    assert_int_equal(PARSE("--flag"), 0);
    assert_int_equal(config.routes.count, 2);
    assert_int_equal(PARSE("--route", "192.0.2.0/24", "--more", "a", "--route", "192.0.3.0/24", "--more", "b"), 0);
    assert_int_equal(config.routes.count, 2);
    assert_string_equal(config.routes.item[0], "192.0.2.0/24");
    assert_int_equal(common.more.count, 2);
    assert_string_equal(common.more.item[0], "a");
}

static void a_file_sets_by_long_names_only(void **state)
{
    (void)state;
    assert_int_equal(opt_set(options, &config, "port", "99", &err), 0);
    assert_int_equal(config.port, 99);
    assert_int_equal(opt_set(options, &config, "flag", "true", &err), 0);
    assert_true(config.flag);
    assert_int_equal(opt_set(options, &config, "flag", "0", &err), 0);
    assert_false(config.flag);
    assert_int_equal(opt_set(options, &config, "flag", "", &err), -EINVAL);
    assert_int_equal(opt_set(options, &config, "v", "yes", &err), -ENOENT);
    assert_int_equal(opt_set(options, &config, "log", "text", &err), -ENOENT);
    assert_int_equal(opt_set(options, &config, "", "text", &err), -ENOENT);
}

#define OPERAND(...) opt_operand((const struct opt *const[]){options, common_options, NULL}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *), \
                                 (char *[]){__VA_ARGS__})

static void an_operand_is_what_is_no_option_and_no_options_value(void **state)
{
    (void)state;
    char flag[] = "--flag", v[] = "-v", file[] = "f.ini", port[] = "--port", port80[] = "--port=80", n[] = "-n", log_to[] = "--log", odd[] = "--odd",
         dash[] = "-", flag_no[] = "--flag=no";
    assert_int_equal(OPERAND(file), 0);
    assert_int_equal(OPERAND(file, v), 0);
    assert_int_equal(OPERAND(v, file), 1);
    assert_int_equal(OPERAND(flag, v, file, file), 2);
    assert_int_equal(OPERAND(flag_no, file), 1);
    assert_int_equal(OPERAND(port, file), -1); /* a value, though a wrong one */
    assert_int_equal(OPERAND(port, port, file), 2);
    assert_int_equal(OPERAND(port80, file), 1);
    assert_int_equal(OPERAND(n, file, log_to, file, file), 4);
    assert_int_equal(OPERAND(odd, file), 1); /* opt_parse() will name it */
    assert_int_equal(OPERAND(dash), 0);
    assert_int_equal(OPERAND(flag, port), -1);
    assert_int_equal(opt_operand((const struct opt *const[]){options, NULL}, 0, NULL), -1);
}

static void help_lists_every_option_once(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    opt_help(out, options);
    fclose(out);
    for (const struct opt *o = options; o->name != NULL; o++) {
        char want[64];
        snprintf(want, sizeof want, "--%s%s%s", o->name, *o->arg ? " " : "", o->arg);
        char *at = strstr(text, want);
        assert_non_null(at);
        assert_null(strstr(at + 1, want));
        assert_non_null(strstr(at, o->help));
    }
    assert_non_null(strstr(text, "-n, --name NAME"));
    assert_non_null(strstr(text, "a network (repeatable)"));
    free(text);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
    const struct CMUnitTest tests[] = {
        T(every_kind_is_set_in_every_form), T(mistakes_are_named), T(a_list_has_an_end),
        T(a_list_on_the_command_line_replaces_the_files), T(a_file_sets_by_long_names_only), T(an_operand_is_what_is_no_option_and_no_options_value),
        T(help_lists_every_option_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
