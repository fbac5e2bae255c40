/* role/cleanup.c - tether cleanup: undo what killed processes left behind */
#include <stdio.h>

#include "io/host.h"
#include "role/role.h"

static const struct opt options[] = {{0}};

static int run(const struct role_common *common, const void *config, struct err *err)
{
    (void)config;
    int undone = host_cleanup(common->state_dir, err);
    if (undone < 0)
        return undone;
    if (undone == 0)
        puts("nothing to clean up");
    else
        printf("%d change%s undone\n", undone, undone == 1 ? "" : "s");
    return 0;
}

const struct role role_cleanup = {
    .name = "cleanup",
    .summary = "undo what a tether that was killed left on this machine",
    .example = "sudo tether cleanup",
    .options = options,
    .config_size = 0,
    .run = run,
};
