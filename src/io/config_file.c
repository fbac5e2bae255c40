/* io/config_file.c - see config_file.h; the parsing is inih's */
#include "io/config_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct value {
    struct value *next;
    char text[];
};

struct config_file {
    struct value *values;
};

struct reading {
    struct config_file *file;
    const char *section;
    const struct opt *const *tables;
    void *const *configs;
    struct err *err;
    char why[256];
};

static const char *keep(struct config_file *file, const char *text)
{
    size_t len = strlen(text) + 1;
    struct value *v = malloc(sizeof *v + len);
    if (v == NULL)
        return NULL;
    memcpy(v->text, text, len);
    v->next = file->values;
    file->values = v;
    return v->text;
}

/* inih's handler: 0 stops at this line. */
static int on_pair(void *ctx, const char *section, const char *name, const char *text)
{
    struct reading *r = ctx;
    if (strcmp(section, r->section) != 0)
        return 1;
    const char *value = keep(r->file, text);
    if (value == NULL)
        return 0;
    struct err why = {0};
    int failed = -ENOENT;
    for (size_t t = 0; r->tables[t] != NULL && failed == -ENOENT; t++)
        failed = opt_set(r->tables[t], r->configs[t], name, value, &why);
    if (failed && r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "%.60s: %.180s", name,
                 failed == -ENOENT ? "no such option for this role" : why.text);
    return failed == 0;
}

int config_file_load(const char *path, const char *section, const struct opt *const *tables, void *const *configs,
                     struct config_file **ret_file, struct err *err)
{
    struct config_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return -ENOMEM;
    struct reading r = {.file = file, .section = section, .tables = tables, .configs = configs};
    int line = ini_parse(path, on_pair, &r);
    if (line != 0) {
        int code = line < 0 ? -ENOENT : -EINVAL;
        if (line < 0)
            err_set(err, code, "%s: cannot be read; --config names an INI file", path);
        else
            err_set(err, code, "%s:%d: %s", path, line, r.why[0] ? r.why : "neither [section] nor key = value");
        config_file_free(file);
        return code;
    }
    *ret_file = file;
    return 0;
}

/* inih tells of pairs only, and a section may be empty. */
int config_file_sections(const char *path, void (*cb)(void *ctx, const char *name), void *ctx, struct err *err)
{
    char line[INI_MAX_LINE];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(err, -errno, "%s: cannot be read (%s); name an INI file", path, strerror(errno));
    while (fgets(line, sizeof line, f) != NULL) {
        char *at = line + strspn(line, " \t"), *end = strchr(at, ']');
        if (*at != '[' || end == NULL)
            continue;
        *end = '\0';
        cb(ctx, at + 1);
    }
    fclose(f);
    return 0;
}

void config_file_free(struct config_file *file)
{
    if (file == NULL)
        return;
    for (struct value *v = file->values, *next; v != NULL; v = next) {
        next = v->next;
        free(v);
    }
    free(file);
}
