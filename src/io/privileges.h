/*
 * io/privileges.h - what a process may do beside what it has open
 *
 * Two steps, because some of it belongs to each thread for itself: what is given up before there are threads holds for all of them, and the C library
 * carries the change of account to every thread there is.
 */
#ifndef TETHER_IO_PRIVILEGES_H
#define TETHER_IO_PRIVILEGES_H

#include "base/err.h"

/** Can an account be named so? A mistake is to be told before anything is changed. @param user NULL: none is named @return 0; -ENOENT, -EINVAL with err */
int privileges_check(const char *user, struct err *err);
/** Never more than now: no program started from here brings a privilege (no_new_privs, an empty bounding set). With a single thread. */
void privileges_limit(void);
/**
 * Give up the rest: account, groups, capabilities, and system calls of no use to us where the kernel can refuse them. For good; afterwards the process cannot be traced by its account either.
 *
 * @param user account to become where we are root; NULL: nobody
 */
int privileges_drop(const char *user, struct err *err);

#endif
