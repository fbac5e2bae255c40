/*
 * role/hosted.h - roles that can share a loop and a process
 *
 * Such a role opens what it needs on a loop that is given to it and returns at once. Alone or with others, somebody else gives up the process's
 * privileges, runs the loop, hears the signals, and takes everything down in this order: leave, close, the loop itself, done.
 */
#ifndef TETHER_ROLE_HOSTED_H
#define TETHER_ROLE_HOSTED_H

#include "io/loop.h"
#include "role/role.h"

struct hosted {
    /**
     * @param common, config borrowed until done()
     * @param ret_self set whenever something was built, also on failure: close() and done() follow then
     * @return 0, -errno or ROLE_BAD_USAGE with err
     */
    int (*open)(const struct role_common *common, const void *config, struct io_loop *loop, void **ret_self, struct err *err);
    /** All have opened, and the privileges are gone: say so. May be NULL. */
    void (*ready)(void *self);
    /** The process is asked to end: say goodbye to the far ends. May be NULL. */
    void (*leave)(void *self);
    /** Close what lives in the loop. Half-built is fine. */
    void (*close)(void *self);
    /** The loop is gone: free the rest. */
    void (*done)(void *self);
};

struct hosted_part {
    const struct role *role; /**< its `hosted` is not NULL */
    struct role_common common;
    void *config;
    void *self;
};

/** Open all, in order, run until a signal, and take all down. @param say_who put the role's name in front of an error */
int hosted_run(struct hosted_part *parts, size_t count, bool say_who, struct err *err);
/** For role.run of a role that is alone in its process. */
int hosted_run_alone(const struct role *role, const struct role_common *common, const void *config, struct err *err);

#endif
