/* role/secret.c - see secret.h */
#include "role/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char client_file[] = "client.key", server_file[] = "server.key";

/* Every wrong key on a command line is a usage error. */
static int from_option(const char *option, char text[KEY_TEXT_LEN + 1], struct err *err)
{
    return key_from_option(option, text, err) < 0 ? ROLE_BAD_USAGE : 0;
}

static int ask(char text[KEY_TEXT_LEN + 1], struct err *err)
{
    char line[256];
    if (!isatty(STDIN_FILENO)) {
        err_set(err, -EINVAL, "no key: give --key KEY or --key @FILE (the server printed it when it started), "
                              "or run both sides with --plain");
        return ROLE_BAD_USAGE;
    }
    fputs("Key (the server printed it when it started): ", stderr);
    if (fgets(line, sizeof line, stdin) == NULL)
        return err_set(err, -EINVAL, "no key was entered");
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '@')
        return err_set(err, -EINVAL, "enter the key itself here; --key @FILE reads a file");
    return key_from_option(line, text, err);
}

int secret_of_client(const struct role_common *common, const char *option, uint8_t ret_key[TLS_KEY_LEN], struct err *err)
{
    char text[KEY_TEXT_LEN + 1];
    bool remembered = false;
    int failed;
    if (option != NULL) {
        failed = from_option(option, text, err);
    } else if (state_read(common->state_dir, client_file, text, sizeof text) == 0) {
        failed = 0;
        remembered = true;
    } else {
        failed = ask(text, err);
    }
    if (!failed && !remembered)
        failed = state_write(common->state_dir, client_file, text, err);
    return failed ? failed : key_parse(text, ret_key, err);
}

int secret_of_server(const struct role_common *common, const char *option, char ret_text[KEY_TEXT_LEN + 1],
                     uint8_t ret_key[TLS_KEY_LEN], struct err *err)
{
    int fresh = 0, failed;
    if (option != NULL) {
        failed = from_option(option, ret_text, err);
    } else if ((failed = state_read(common->state_dir, server_file, ret_text, KEY_TEXT_LEN + 1)) != 0) {
        failed = key_generate(ret_text, err);
        if (!failed)
            failed = state_write(common->state_dir, server_file, ret_text, err);
        fresh = SECRET_SERVER_KEY_FRESH;
    }
    if (!failed)
        failed = key_parse(ret_text, ret_key, err);
    return failed ? failed : fresh;
}
