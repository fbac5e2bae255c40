/*
 * io/control.h - what a running role tells `tether status`
 *
 * A Unix socket in the state directory, open to its owner only: whoever connects is written one JSON document and hung up on.
 */
#ifndef TETHER_IO_CONTROL_H
#define TETHER_IO_CONTROL_H

#include <stdio.h>

#include "base/err.h"
#include "io/loop.h"

enum { CONTROL_JSON_MAX = 16384 };

struct control;

/** Write a JSON document into buf. @return its length, or -1 when it does not fit */
typedef int (*control_json_cb)(void *ctx, char *buf, size_t cap);

/** @param role names the socket: ROLE-PID.sock */
int control_open(struct io_loop *loop, const char *state_dir, const char *role, control_json_cb cb, void *ctx,
                 struct control **ret_control, struct err *err);
void control_close(struct control *control);

/**
 * Ask every running role of a state directory; remove sockets nobody listens at.
 *
 * @param cb called with each role's document @return how many answered, or -errno
 */
int control_ask(const char *state_dir, void (*cb)(void *ctx, const char *json), void *ctx);

#endif
