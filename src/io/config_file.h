/*
 * io/config_file.h - the INI file behind --config
 *
 *     [client]
 *     wifi = en1
 *     server = ws://203.0.113.5:8080/websocket
 *
 * A section is a role's name, a key an option's long name; a key may be repeated where the option may.
 */
#ifndef TETHER_IO_CONFIG_FILE_H
#define TETHER_IO_CONFIG_FILE_H

#include "base/opt.h"

struct config_file;

/**
 * Read the section and set its options.
 *
 * @param tables   as for opt_parse()
 * @param ret_file owns the values that the configs now borrow; free it after them
 * @return 0; -errno with err naming file and line. Sections of other roles are skipped, unknown keys are errors.
 */
int config_file_load(const char *path, const char *section, const struct opt *const *tables, void *const *configs,
                     struct config_file **ret_file, struct err *err);
/** Name each section, in the file's order; one may come twice. @return 0, or -errno with err */
int config_file_sections(const char *path, void (*cb)(void *ctx, const char *name), void *ctx, struct err *err);
void config_file_free(struct config_file *file);

#endif
