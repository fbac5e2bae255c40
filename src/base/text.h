/*
 * base/text.h - words and numbers from outside: made harmless before a person or a log reads them, and read
 */
#ifndef TETHER_BASE_TEXT_H
#define TETHER_BASE_TEXT_H

/**
 * Make text harmless in place: control characters, double quotes (which end a value in a log line), and bytes that are no
 * UTF-8 (RFC 3629) become '?'.
 */
void text_tame(char *text);
/** The same but for double quotes, which stay. */
void text_printable(char *text);
/**
 * Read a decimal number: digits, and neither blanks nor a sign in front of them, as strtol() would take.
 *
 * @param min,max what it may be @param ret_number set only on success @return behind it, or NULL: there is no such number
 */
const char *text_number(const char *text, long min, long max, long *ret_number);

#endif
