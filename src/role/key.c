/* role/key.c - tether key: make a key, or show the one this machine's server remembers */
#include <errno.h>
#include <stdio.h>

#include "io/key.h"
#include "role/role.h"

struct key_config {
    bool show;
};

static const struct opt options[] = {
    {"show", 0, OPT_FLAG, offsetof(struct key_config, show), "",
     "make none: print the key this machine's server uses (as root)", 0, 0},
    {0},
};

static int run(const struct role_common *common, const void *config, struct err *err)
{
    const struct key_config *c = config;
    char text[KEY_TEXT_LEN + 1];
    int failed;
    if (c->show) {
        failed = state_read(common->state_dir, "server.key", text, sizeof text);
        if (failed)
            return err_set(err, failed, "%s/server.key: no key yet; tether server makes one when it starts (sudo reads it)",
                           common->state_dir);
    } else {
        failed = key_generate(text, err);
    }
    if (!failed)
        puts(text);
    return failed;
}

const struct role role_key = {
    .name = "key",
    .summary = "make a key for laptop and server",
    .example = "(umask 077; tether key > tether.key); sudo tether server --iface eth0 --key @tether.key",
    .options = options,
    .config_size = sizeof(struct key_config),
    .run = run,
};
