/*
 * base/opt.h - command-line options from one table
 *
 * A role declares its options once; parsing, the configuration file, --help and the check of the man page all come from
 * that table. Values are borrowed from argv (or from the configuration file's memory), which outlive the role.
 */
#ifndef TETHER_BASE_OPT_H
#define TETHER_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

enum opt_kind {
    OPT_FLAG,   /* bool */
    OPT_TEXT,   /* const char * */
    OPT_NUMBER, /* long, within min..max */
    OPT_TEXTS,  /* struct opt_texts: may be repeated */
};

enum { OPT_TEXTS_MAX = 32 };
struct opt_texts {
    const char *item[OPT_TEXTS_MAX];
    size_t count;
};

struct opt {
    const char *name;  /**< long name without dashes; NULL ends a table */
    char letter;       /**< short name or 0 */
    enum opt_kind kind;
    size_t offset;     /**< of the value in the configuration struct */
    const char *arg;   /**< what the value is called in --help */
    const char *help;  /**< one line */
    long min, max;     /**< OPT_NUMBER, not negative */
};

/**
 * Set one option from text.
 *
 * @return 0; -ENOENT when the table has no such name; -EINVAL with err naming option and value
 */
int opt_set(const struct opt *table, void *config, const char *name, const char *value, struct err *err);

/**
 * Parse a command line.
 *
 * Accepts `--name value`, `--name=value`, `--flag`, `-x value` and `--` (nothing may follow it). A repeatable option
 * given here replaces what the configuration had before.
 *
 * @param tables  NULL-terminated list of tables with their structs in configs, searched in order
 * @return 0 or -EINVAL with err
 */
int opt_parse(const struct opt *const *tables, void *const *configs, int argc, char **argv, struct err *err);

/**
 * What a command line is about, where a role takes such: the first argument that is neither an option nor an option's value.
 *
 * @return its index, or -1: there is none
 */
int opt_operand(const struct opt *const *tables, int argc, char **argv);

/** Print a table as --help shows it. */
void opt_help(FILE *out, const struct opt *table);

#endif
