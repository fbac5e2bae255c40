/*
 * base/text.h - words from outside, before a person or a log reads them
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

#endif
