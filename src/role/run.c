/*
 * role/run.c - tether run FILE: several roles in one loop and one process
 *
 * Each section of the file is a role with its options, as --config takes them. They start in this table's order, and if one cannot,
 * none stays.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/config_file.h"
#include "io/privileges.h"
#include "role/hosted.h"

static const struct role *const hosts[] = {&role_server, &role_switch, &role_serve_web};
enum { PARTS_MAX = sizeof hosts / sizeof hosts[0] };

struct parts {
    struct hosted_part part[PARTS_MAX];
    struct config_file *values[PARTS_MAX];
    size_t count;
    bool named[PARTS_MAX]; /* hosts[i] has a section */
    char stranger[64];     /* a section that is none of them */
};

static const struct opt options[] = {{0}};

static void on_section(void *ctx, const char *name)
{
    struct parts *p = ctx;
    for (size_t i = 0; i < PARTS_MAX; i++) {
        if (strcmp(hosts[i]->name, name) == 0) {
            p->named[i] = true;
            return;
        }
    }
    if (strcmp(name, "run") != 0 && p->stranger[0] == '\0')
        snprintf(p->stranger, sizeof p->stranger, "%s", name);
}

static int add(struct parts *p, const struct role *role, const struct role_common *common, const char *path, struct err *err)
{
    struct hosted_part *part = &p->part[p->count];
    char *config = calloc(1, role->config_size + 1);
    if (config == NULL)
        return -ENOMEM;
    *part = (struct hosted_part){.role = role, .common = *common, .config = config};
    p->count++;
    const struct opt *tables[] = {role->options, role_common_options, role->more, NULL};
    void *configs[] = {config, &part->common, config + role->more_offset};
    if (role->defaults != NULL)
        role->defaults(config);
    return config_file_load(path, role->name, tables, configs, &p->values[p->count - 1], err) < 0 ? ROLE_BAD_USAGE : 0;
}

/* Whose account, whose priority would be taken in silence otherwise? */
static int check_process(const struct parts *p, const char *path, long priority, struct err *err)
{
    const struct hosted_part *first = p->part;
    const char *user = first->common.user;
    for (const struct hosted_part *part = first + 1; part < first + p->count; part++) {
        const char *other = part->common.user;
        if ((user == NULL) != (other == NULL) || (user != NULL && strcmp(user, other) != 0))
            return err_set(err, -EINVAL, "%s: [%s] and [%s] are one process, which has one account; name its user in [run]", path,
                           first->role->name, part->role->name);
    }
    for (const struct hosted_part *part = p->part; part < p->part + p->count; part++)
        if (part->common.priority != priority)
            return err_set(err, -EINVAL, "%s: [%s] is not a process of its own, which has a priority; name it in [run]", path, part->role->name);
    return privileges_check(user, err);
}

static int collect(struct parts *p, const struct role_common *common, const char *path, struct err *err)
{
    if (path == NULL) {
        err_set(err, -EINVAL, "FILE is needed: an INI file with a section for each role, [server], [serve-web], [switch]");
        return ROLE_BAD_USAGE;
    }
    if (config_file_sections(path, on_section, p, err) < 0)
        return ROLE_BAD_USAGE;
    if (p->stranger[0] != '\0') {
        err_set(err, -EINVAL, "%s: [%s] cannot share a process; [server], [serve-web] and [switch] can", path, p->stranger);
        return ROLE_BAD_USAGE;
    }
    int failed = 0;
    for (size_t i = 0; i < PARTS_MAX && !failed; i++)
        if (p->named[i])
            failed = add(p, hosts[i], common, path, err);
    if (!failed && p->count == 0) {
        err_set(err, -EINVAL, "%s: has no section of a role: [server], [serve-web] or [switch]", path);
        failed = ROLE_BAD_USAGE;
    }
    if (!failed && check_process(p, path, common->priority, err) < 0)
        failed = ROLE_BAD_USAGE;
    return failed;
}

static int run(const struct role_common *common, const void *config, struct err *err)
{
    struct parts p = {.count = 0};
    int failed = collect(&p, common, common->config, err);
    (void)config;
    if (!failed)
        failed = hosted_run(p.part, p.count, true, err);
    for (size_t i = 0; i < p.count; i++) {
        config_file_free(p.values[i]);
        free(p.part[i].config);
    }
    return failed;
}

const struct role role_run = {
    .name = "run",
    .summary = "several roles in one process, from a file: server, serve-web, switch",
    .example = "sudo tether run /etc/tether.ini",
    .options = options,
    .takes_file = true,
    .run = run,
    .changes_host = true,
    .goes_before = ROLE_GOES_BEFORE,
};
