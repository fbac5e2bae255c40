/* io/linux/priority.c - see io/priority.h */
#include "io/priority.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"

int priority_raise(long by, int usual, struct err *err)
{
    const bool told = by >= 0;
    if (!told && getpriority(PRIO_PROCESS, 0) != 0)
        return 0;
    if (setpriority(PRIO_PROCESS, 0, told ? (int)-by : -usual) == 0)
        return 0;
    int rc = -errno;
    if (told)
        return err_set(err, rc, "--priority %ld: %s; run it with sudo (in a container: --cap-add SYS_NICE), or leave the option out", by, strerror(-rc));
    log_debug("priority", NULL, "that of any program", "why=\"%s\"", strerror(-rc));
    return 0;
}
