/*
 * io/key.h - the secret that laptop and server share
 *
 * 144 random bits and a 16-bit check, written as eight groups of four letters and digits (RFC 4648 base32 alphabet, lower
 * case), so that a typing error is noticed before it becomes a "wrong key". No passphrases: whoever relays the
 * handshake could guess a weak one offline.
 */
#ifndef TETHER_IO_KEY_H
#define TETHER_IO_KEY_H

#include "base/err.h"
#include "io/tls_psk.h"

enum { KEY_TEXT_LEN = 39 }; /* abcd-efgh-… without the NUL */

/** A fresh key as text. */
int key_generate(char ret_text[KEY_TEXT_LEN + 1], struct err *err);
/** Text (dashes, blanks and case do not matter) to the TLS key. @return 0 or -EINVAL */
int key_parse(const char *text, uint8_t ret_key[TLS_KEY_LEN], struct err *err);
/**
 * The key an option names: the text itself or @FILE.
 *
 * @param ret_text as key_generate() writes it, for remembering
 */
int key_from_option(const char *option, char ret_text[KEY_TEXT_LEN + 1], struct err *err);

/** Read a remembered line (state_dir/name) into buf without its newline. @return 0, -ENOENT, … */
int state_read(const char *state_dir, const char *name, char *buf, size_t cap);
/** Remember a line, readable by the owner only, replaced whole. */
int state_write(const char *state_dir, const char *name, const char *line, struct err *err);

#endif
