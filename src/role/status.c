/* role/status.c - tether status: what the running roles of this machine are doing */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "io/control.h"
#include "role/role.h"

struct status_config {
    bool json;
};

static const struct opt options[] = {
    {"json", 0, OPT_FLAG, offsetof(struct status_config, json), "",
     "for programs: one JSON document per running role, instead of text", 0, 0},
    {0},
};

static void print_value(const char *name, const json_t *value, int indent)
{
    const char *key;
    json_t *member;
    size_t i;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        printf("%*s%s\n", indent, "", name);
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
            print_value(key, member, indent + 2);
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, member)
            print_value(name, member, indent);
        break;
    case JSON_STRING:
        printf("%*s%-16s %s\n", indent, "", name, json_string_value(value));
        break;
    case JSON_INTEGER:
        printf("%*s%-16s %" JSON_INTEGER_FORMAT "\n", indent, "", name, json_integer_value(value));
        break;
    case JSON_REAL:
        printf("%*s%-16s %.1f\n", indent, "", name, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        printf("%*s%-16s %s\n", indent, "", name, json_is_true(value) ? "yes" : "no");
        break;
    case JSON_NULL:
        printf("%*s%-16s -\n", indent, "", name);
        break;
    }
}

static void print(void *ctx, const char *text)
{
    const struct status_config *c = ctx;
    if (c->json) {
        puts(text);
        return;
    }
    json_t *json = json_loads(text, 0, NULL);
    if (json == NULL)
        return;
    const char *role = json_string_value(json_object_get(json, "role"));
    print_value(role != NULL ? role : "role", json, 0);
    json_decref(json);
}

static int run(const struct role_common *common, const void *config, struct err *err)
{
    int answered = control_ask(common->state_dir, print, (void *)(uintptr_t)config);
    if (answered < 0)
        return err_set(err, answered, "%s: %s; run it with sudo, or name the directory with --state-dir",
                       common->state_dir, strerror(-answered));
    return answered > 0 ? 0 : err_set(err, -ESRCH, "nothing is running here (state directory %s)", common->state_dir);
}

const struct role role_status = {
    .name = "status",
    .summary = "what the client and server running on this machine are doing",
    .example = "sudo tether status --json",
    .options = options,
    .config_size = sizeof(struct status_config),
    .run = run,
};
