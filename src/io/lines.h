/*
 * io/lines.h - a file of lines that only grows: what a role must know again after a restart
 *
 * Each line is one write, so what was written survives the process however it ends. When it has grown long it is written anew, beside
 * the old one and then in its place.
 */
#ifndef TETHER_IO_LINES_H
#define TETHER_IO_LINES_H

#include <stddef.h>

#include "base/err.h"

struct lines;

/** @param line with its newline, borrowed */
typedef void (*lines_cb)(void *ctx, const char *line);
/**
 * Open DIR/NAME, made if it is not there, readable by the owner only.
 *
 * @param read called with each line there is
 */
int lines_open(const char *dir, const char *name, lines_cb read, void *ctx, struct lines **ret_lines, struct err *err);
/** @return 0 or -errno */
int lines_add(struct lines *lines, const char *line);
/** Lines in the file. */
size_t lines_count(const struct lines *lines);
/** Begin anew: what is added from now on replaces the file with lines_replace(). @return 0 or -errno */
int lines_renew(struct lines *lines);
/** @return 0 or -errno; then the old file stays, and goes on */
int lines_replace(struct lines *lines);
void lines_close(struct lines *lines);

#endif
