/*
 * role/secret.h - where a role's key comes from: the option, what was remembered, or a person
 */
#ifndef TETHER_ROLE_SECRET_H
#define TETHER_ROLE_SECRET_H

#include "io/key.h"
#include "role/role.h"

enum { SECRET_SERVER_KEY_FRESH = 1 };

/** The laptop's: --key, else remembered, else asked for at the terminal; then remembered. @return 0, -errno, ROLE_BAD_USAGE */
int secret_of_client(const struct role_common *common, const char *option, uint8_t ret_key[TLS_KEY_LEN], struct err *err);
/**
 * The server's: --key, else remembered, else made and remembered.
 *
 * @param ret_text the key as text, for the line to run on the laptop
 * @return 0, SECRET_SERVER_KEY_FRESH when it was just made, or -errno / ROLE_BAD_USAGE
 */
int secret_of_server(const struct role_common *common, const char *option, char ret_text[KEY_TEXT_LEN + 1],
                     uint8_t ret_key[TLS_KEY_LEN], struct err *err);

#endif
