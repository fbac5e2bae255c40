/*
 * io/linux/desk.h - where requests are carried out: what was changed for one process, and what it may still ask for
 *
 * The keeper has one for the process it serves; a process without a keeper has one for each host, and asks itself. Either way every change
 * goes through the same checks.
 */
#ifndef TETHER_IO_LINUX_DESK_H
#define TETHER_IO_LINUX_DESK_H

#include <sys/types.h>

#include "io/linux/host_request.h"

enum { DESK_HOSTS_MAX = 4, DESK_FILES_MAX = 8 };

struct desk;

/** @param owner the process that changes are made for: their journals bear its number @return 0 or -ENOMEM */
int desk_new(pid_t owner, struct desk **ret_desk);
/** Undo all that is left, newest first, and delete what was to go at the end. NULL is fine. @return changes undone */
int desk_free(struct desk *desk);
/**
 * Carry out a request, as it came.
 *
 * @param fd     came with it, -1: none; borrowed
 * @param ret_fd goes with the reply and is the caller's; -1: none
 */
void desk_do(struct desk *desk, const void *bytes, size_t len, int fd, struct host_reply *ret_reply, int *ret_fd);

#endif
