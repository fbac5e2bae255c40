/* base/opt.c - see opt.h */
#include "base/opt.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

static int set_number(const struct opt *o, long *at, const char *value, struct err *err)
{
    long number;
    const char *end = text_number(value, o->min, o->max, &number);
    if (end == NULL || *end != '\0')
        return err_set(err, -EINVAL, "--%s %s: not a number from %ld to %ld", o->name, value, o->min, o->max);
    *at = number;
    return 0;
}

static int set_flag(const struct opt *o, bool *at, const char *value, struct err *err)
{
    if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *at = true;
    else if (strcmp(value, "no") == 0 || strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *at = false;
    else
        return err_set(err, -EINVAL, "%s = %s: say yes or no", o->name, value);
    return 0;
}

static int set_value(const struct opt *o, void *config, const char *value, struct err *err)
{
    void *at = (char *)config + o->offset;
    switch (o->kind) {
    case OPT_FLAG:
        return set_flag(o, at, value, err);
    case OPT_TEXT:
        *(const char **)at = value;
        return 0;
    case OPT_NUMBER:
        return set_number(o, at, value, err);
    case OPT_TEXTS: {
        struct opt_texts *list = at;
        if (list->count == OPT_TEXTS_MAX)
            return err_set(err, -EINVAL, "--%s: given more than %d times", o->name, OPT_TEXTS_MAX);
        list->item[list->count++] = value;
        return 0;
    }
    }
    return -EINVAL;
}

static const struct opt *find(const struct opt *table, const char *name, size_t len)
{
    for (const struct opt *o = table; o->name != NULL; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

int opt_set(const struct opt *table, void *config, const char *name, const char *value, struct err *err)
{
    const struct opt *o = find(table, name, strlen(name));
    return o == NULL ? -ENOENT : set_value(o, config, value, err);
}

struct hit {
    const struct opt *opt;
    size_t table;
};

/* The option an argument names; hit->opt stays NULL when there is none. */
static void look_up(const struct opt *const *tables, const char *arg, struct hit *ret)
{
    ret->opt = NULL;
    for (size_t t = 0; tables[t] != NULL && ret->opt == NULL; t++) {
        ret->table = t;
        if (arg[1] == '-') {
            ret->opt = find(tables[t], arg + 2, strcspn(arg + 2, "="));
        } else {
            for (const struct opt *o = tables[t]; o->name != NULL; o++)
                if (o->letter != 0 && o->letter == arg[1] && arg[2] == '\0')
                    ret->opt = o;
        }
    }
}

/* Is the option's value the next argument? */
static bool takes_next(const struct opt *o, const char *arg)
{
    return o->kind != OPT_FLAG && strchr(arg, '=') == NULL;
}

enum { TABLES_MAX = 4 }; /* whose lists are watched; of each the first 64 rows */

/* A list from the configuration file gives way to the first such option on the command line. */
static void start_list(const struct hit *hit, const struct opt *const *tables, void *config, uint64_t started[TABLES_MAX])
{
    size_t row = (size_t)(hit->opt - tables[hit->table]);
    if (hit->opt->kind != OPT_TEXTS || hit->table >= TABLES_MAX || row >= 64 || (started[hit->table] >> row & 1) != 0)
        return;
    ((struct opt_texts *)((char *)config + hit->opt->offset))->count = 0;
    started[hit->table] |= UINT64_C(1) << row;
}

int opt_parse(const struct opt *const *tables, void *const *configs, int argc, char **argv, struct err *err)
{
    uint64_t started[TABLES_MAX] = {0};
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--") == 0 && i + 1 == argc)
            return 0;
        struct hit hit = {0};
        if (arg[0] == '-' && arg[1] != '\0')
            look_up(tables, arg, &hit);
        if (hit.opt == NULL)
            return err_set(err, -EINVAL, "%s: no such option; --help lists them", arg);
        if (takes_next(hit.opt, arg) && i + 1 == argc)
            return err_set(err, -EINVAL, "%s: needs a value (%s)", arg, hit.opt->arg);
        const char *is = strchr(arg, '=');
        const char *value = takes_next(hit.opt, arg) ? argv[++i] : is != NULL ? is + 1 : "yes";
        start_list(&hit, tables, configs[hit.table], started);
        int failed = set_value(hit.opt, configs[hit.table], value, err);
        if (failed)
            return failed;
    }
    return 0;
}

int opt_operand(const struct opt *const *tables, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        struct hit hit = {0};
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            return i;
        look_up(tables, argv[i], &hit);
        if (hit.opt != NULL && takes_next(hit.opt, argv[i]))
            i++;
    }
    return -1;
}

void opt_help(FILE *out, const struct opt *table)
{
    for (const struct opt *o = table; o->name != NULL; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "", o->letter ? o->letter : ' ',
                 o->letter ? ", " : "   ", o->name, o->kind == OPT_FLAG ? "" : " ",
                 o->kind == OPT_FLAG ? "" : o->arg);
        fprintf(out, "  %-30s %s%s\n", left, o->help, o->kind == OPT_TEXTS ? " (repeatable)" : "");
    }
}
