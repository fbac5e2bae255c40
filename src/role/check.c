/* role/check.c - tether check: is this machine ready, and what is missing */
#include <errno.h>
#include <stdio.h>

#include "io/probe.h"
#include "role/role.h"

static const struct opt options[] = {{0}};

static void print(void *ctx, const char *what, const char *needed_by, bool ok, const char *remedy)
{
    int *missing = ctx;
    printf("%-8s %-18s (%s)%s%s\n", ok ? "ok" : "MISSING", what, needed_by, remedy ? ": " : "", remedy ? remedy : "");
    *missing += !ok;
}

static int run(const struct role_common *common, const void *config, struct err *err)
{
    int missing = 0;
    (void)common, (void)config;
    probe_all(print, &missing);
    return missing == 0 ? 0 : err_set(err, -ENOSYS, "%d missing; each line says what helps", missing);
}

const struct role role_check = {
    .name = "check",
    .summary = "tells whether this machine is ready, and what is missing",
    .example = "sudo tether check",
    .options = options,
    .config_size = 0,
    .run = run,
};
