/*
 * main.c - the role table, usage and exit codes
 *
 * Exit codes: 0 done, 1 failed at run time, 2 usage.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/config_file.h"
#include "io/keeper.h"
#include "io/priority.h"
#include "io/privileges.h"
#include "role/role.h"

static const struct role *const roles[] = {
    &role_client, &role_server, &role_serve_web, &role_relay, &role_switch, &role_key, &role_run, &role_status, &role_check, &role_cleanup,
};
enum { ROLE_COUNT = sizeof roles / sizeof roles[0] };

const struct opt role_common_options[] = {
    {"config", 0, OPT_TEXT, offsetof(struct role_common, config), "FILE",
     "read options from this INI file too, a section per role; the command line wins", 0, 0},
    {"state-dir", 0, OPT_TEXT, offsetof(struct role_common, state_dir), "DIR",
     "where keys and the record of changes are kept (default /var/lib/tether)", 0, 0},
    {"user", 0, OPT_TEXT, offsetof(struct role_common, user), "NAME",
     "account the process becomes after set-up, where it is root (default nobody)", 0, 0},
    {"priority", 0, OPT_NUMBER, offsetof(struct role_common, priority), "N",
     "go before other programs, if this forwards packets: by 0 to 20 levels of nice(1) (default, where it may, 10, the client 3)", 0, PRIORITY_MOST},
    {"log", 0, OPT_TEXT, offsetof(struct role_common, log), "FORM", "form of the log: text or json (default text)", 0, 0},
    {"verbose", 'v', OPT_FLAG, offsetof(struct role_common, verbose), "", "log more, for finding faults", 0, 0},
    {0},
};

static void print_usage(FILE *out)
{
    fprintf(out, "usage: tether ROLE [options]      tether ROLE --help      tether --version\n\n"
                 "Gives a laptop without internet the mobile data of a phone, through the phone's web browser.\n\n");
    for (size_t i = 0; i < ROLE_COUNT; i++)
        fprintf(out, "  %-10s %s\n", roles[i]->name, roles[i]->summary);
    fprintf(out, "\nFirst on a server with a public address:  sudo tether server --iface eth0\n"
                 "It prints the line to run on the laptop, which shares a Wi-Fi network with the phone.\n"
                 "Then open http://169.254.134.89:6354/ on the phone and keep the page open.\n");
}

static void print_role_help(const struct role *role)
{
    printf("tether %s - %s\n\n  e.g.  %s\n\n", role->name, role->summary, role->example);
    opt_help(stdout, role->options);
    opt_help(stdout, role_common_options);
    printf("  -h, --help                     this text\n");
    if (role->more != NULL) {
        printf("\n%s\n\n", role->more_title);
        opt_help(stdout, role->more);
    }
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* Only --config matters in the first pass; it has to be read before the other options override it. */
static const char *config_path(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return NULL;
}

static int configure(const struct role *role, struct role_common *common, void *config, int argc, char **argv,
                     struct config_file **ret_file, struct err *err)
{
    const struct opt *tables[] = {role->options, role_common_options, role->more, NULL};
    void *configs[] = {config, common, (char *)config + role->more_offset};
    if (role->defaults != NULL)
        role->defaults(config);
    int file = role->takes_file ? opt_operand(tables, argc, argv) : -1;
    const char *operand = file >= 0 ? argv[file] : NULL;
    if (operand != NULL) {
        common->config = operand;
        argc--;
        memmove(&argv[file], &argv[file + 1], (size_t)(argc - file) * sizeof *argv);
    }
    const char *path = common->config != NULL ? common->config : config_path(argc, argv);
    int failed = path ? config_file_load(path, role->name, tables, configs, ret_file, err) : 0;
    if (!failed)
        failed = opt_parse(tables, configs, argc, argv, err);
    if (!failed && operand != NULL && common->config != operand)
        failed = err_set(err, -EINVAL, "--config %s: there is a file already, %s; name one", common->config, operand);
    if (!failed && strcmp(common->log, "text") != 0 && strcmp(common->log, "json") != 0)
        failed = err_set(err, -EINVAL, "--log %s: say text or json", common->log);
    if (!failed)
        failed = privileges_check(common->user, err);
    return failed;
}

/* With a keeper, where it changes the machine: who made the changes undoes them before we end. */
static int run_kept(const struct role *role, const struct role_common *common, const void *config, struct err *err)
{
    int failed = role->changes_host ? keeper_start(err) : 0;
    if (!failed && role->goes_before > 0)
        failed = priority_raise(common->priority, role->goes_before, err);
    if (!failed)
        failed = role->run(common, config, err);
    int lost = keeper_stop(failed ? NULL : err);
    return failed ? failed : lost;
}

static int run_role(const struct role *role, int argc, char **argv)
{
    if (wants_help(argc, argv)) {
        print_role_help(role);
        return 0;
    }
    struct err err = {0};
    struct role_common common = {.state_dir = "/var/lib/tether", .log = "text", .priority = -1};
    struct config_file *file = NULL;
    void *config = calloc(1, role->config_size + 1);
    if (config == NULL)
        return 1;
    int failed = configure(role, &common, config, argc, argv, &file, &err);
    int code = failed ? 2 : 0;
    if (!failed) {
        log_setup(common.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, strcmp(common.log, "json") == 0);
        failed = run_kept(role, &common, config, &err);
        code = failed == 0 ? 0 : failed == ROLE_BAD_USAGE ? 2 : 1;
    }
    if (failed && err.text[0] == '\0')
        err_set(&err, failed, "%s", strerror(-failed));
    if (failed)
        fprintf(stderr, "tether %s: %s\n", role->name, err.text);
    config_file_free(file);
    free(config);
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("tether %s\n", TETHER_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (strcmp(argv[1], roles[i]->name) == 0)
            return run_role(roles[i], argc - 2, argv + 2);
    fprintf(stderr, "tether: no role \"%s\"; tether --help lists them\n", argv[1]);
    return 2;
}
