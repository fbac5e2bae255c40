/*
 * io/probe.h - is this machine ready for tether, and what is missing
 */
#ifndef TETHER_IO_PROBE_H
#define TETHER_IO_PROBE_H

#include <stdbool.h>

/**
 * Try each thing the roles need, without changing anything.
 *
 * @param cb  what: "TUN device"; needed_by: "client", "server" or "both"; remedy: NULL when ok
 */
void probe_all(void (*cb)(void *ctx, const char *what, const char *needed_by, bool ok, const char *remedy), void *ctx);

#endif
