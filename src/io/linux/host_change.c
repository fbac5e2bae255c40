/*
 * io/linux/host_change.c - what every kind of change does alike: writes down what it is about to do, and says why it could not
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/linux/host_priv.h"

int host_fail(struct err *err, int rc, const char *format, ...)
{
    char what[224];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (rc != -EPERM && rc != -EACCES)
        return err_set(err, rc, "%s: %s", what, strerror(-rc));
    if (geteuid() != 0)
        return err_set(err, rc, "needs root: %s; run it with sudo", what);
    return err_set(err, rc, "not permitted: %s; a container needs --cap-add NET_ADMIN", what);
}

int host_journal(struct host_state *host, struct err *err, const char *format, ...)
{
    char line[JOURNAL_LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    int rc = len < 0 || (size_t)len >= sizeof line ? -E2BIG : journal_add(&host->journal, "%s", line);
    if (rc != 0)
        return err_set(err, rc, "state directory %s: cannot write the journal: %s; name another with --state-dir DIR",
                       host->state_dir, strerror(-rc));
    return 0;
}
