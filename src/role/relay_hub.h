/*
 * role/relay_hub.h - tether relay --hub: the hub page's part as a program, for keyed nodes
 */
#ifndef TETHER_ROLE_RELAY_HUB_H
#define TETHER_ROLE_RELAY_HUB_H

#include <stddef.h>

#include "base/err.h"

/** Join the nodes at these websockets until told to stop. @param ca, user as of --ca and --user, or NULL @return 0, -errno or ROLE_BAD_USAGE with err */
int relay_hub_run(const char *const *urls, size_t count, const char *ca, const char *user, struct err *err);

#endif
