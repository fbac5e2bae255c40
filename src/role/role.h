/*
 * role/role.h - what a role is to main: a row of a table
 *
 * The table in main.c dispatches and prints usage. A role's configuration struct is zeroed, filled by defaults(), the
 * configuration file's section of the role's name, and then the command line, in this order.
 */
#ifndef TETHER_ROLE_ROLE_H
#define TETHER_ROLE_ROLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/opt.h"

/** Options every role has. */
struct role_common {
    const char *config;    /**< file or NULL */
    const char *state_dir; /**< where keys and journals live */
    const char *log;       /**< "text" or "json" */
    bool verbose;
    const char *user;      /**< account to become after set-up; NULL: nobody */
    long priority;         /**< of roles that forward (io/priority.h); negative: not told */
};

/** run() returns this for a mistake in the command line that the table could not see: exit code 2. */
enum { ROLE_BAD_USAGE = -1000000 };

/**
 * By how much those go before other programs that forward packets. The one beside the programs whose packets they are less: far before them it would
 * interrupt them at each packet, where a moment later it had several.
 */
enum { ROLE_GOES_BEFORE = 10, ROLE_GOES_BEFORE_ITS_USERS = 3 };

struct hosted;

struct role {
    const char *name;
    const char *summary;       /**< one line in the list of roles */
    const char *example;       /**< one command line */
    const struct opt *options; /**< ends with a row whose name is NULL */
    const struct opt *more;    /**< NULL, or a second table, of a struct inside the configuration ... */
    size_t more_offset;        /**< ... that lies here ... */
    const char *more_title;    /**< ... and has this title in --help */
    size_t config_size;
    void (*defaults)(void *config); /**< may be NULL */
    /** Runs until told to stop. @return 0, -errno or ROLE_BAD_USAGE; then err says why in one line */
    int (*run)(const struct role_common *common, const void *config, struct err *err);
    bool changes_host;           /**< has a keeper that makes the changes and takes them back (io/keeper.h) */
    int goes_before;             /**< other programs, by so many levels of nice(1): it forwards packets; 0: it does not */
    const struct hosted *hosted; /**< NULL, or how it shares a process with others (hosted.h) */
    bool takes_file;             /**< an argument that is no option is --config */
};
/** Options every role has; of a struct role_common. */
extern const struct opt role_common_options[];

extern const struct role role_client, role_server, role_serve_web, role_relay, role_switch, role_key, role_cleanup, role_status,
    role_check, role_run;

#endif
