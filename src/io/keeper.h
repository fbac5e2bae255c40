/*
 * io/keeper.h - the process that changes the machine, and puts it back when the one that handles packets is gone
 *
 * keeper_start() forks before anything is opened. The child, the keeper, keeps root, sleeps on a socket, and makes all changes to the host when
 * it is asked (io/host.h asks by itself); it never sees a packet. We handle packets. Once set-up is over keeper_seal() gives our privileges up,
 * and the keeper takes only a few requests any more. However we end, it reads end of file, undoes what is left, and ends too.
 *
 * We are the parent, so that whoever started tether signals, measures and awaits the process that does the work, and a SIGKILL to it leaves
 * somebody behind who mends. Like the privileges, the keeper belongs to the process: there is one, or none, and it is not passed around.
 */
#ifndef TETHER_IO_KEEPER_H
#define TETHER_IO_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct host_request;

/** Start it; with a single thread, and before anything is opened. @return 0 or -errno */
int keeper_start(struct err *err);
/**
 * Set-up is over: the keeper closes its ears to most, and we become an ordinary user for good. To be called while the loop hears signals: from now
 * on a keeper that ends has us end by SIGTERM. Without a keeper only the privileges are given up.
 *
 * @param user account to become, NULL: nobody; without root nothing changes but capabilities, which are given up
 */
int keeper_seal(const char *user, struct err *err);
/** Have it undo what is left, and wait for its end; without one nothing happens. @return 0, or -EOWNERDEAD: it had ended before, undoing nothing */
int keeper_stop(struct err *err);

/**
 * Ask it (io/linux/host_request.h).
 *
 * @param fd goes with the request, borrowed; -1: none @param ret_fd comes with the reply and is the caller's, or -1; NULL: none is expected
 * @return what it replied, with err; -ENOTCONN: there is none; -EPIPE, -errno: it cannot be asked
 */
int keeper_ask(const struct host_request *request, int fd, int *ret_fd, struct err *err);
/** Is there one? */
bool keeper_runs(void);

/**
 * Name a file during set-up that must be changed later.
 *
 * @param goes delete it when we have ended @return its number, or -errno
 */
int keeper_file_keep(const char *path, bool goes);
/** A successor of a file of that number, PATH.new, to be written. @return descriptor or -errno */
int keeper_file_fresh(int number);
/** Put it in the place of the file. */
int keeper_file_replace(int number);
/** Bind an IP socket to a device, "": to none, where we may not do that ourselves. */
int keeper_socket_bind(int fd, const char *ifname);
/** Give it buffers of that many bytes, beyond what the machine allows everybody. */
int keeper_socket_buffers(int fd, size_t size);
/** Who may steer its TCP. */
enum keeper_congestion { KEEPER_CUBIC, KEEPER_BBR, KEEPER_CONGESTIONS };
/** As the kernel calls it. */
static inline const char *keeper_congestion_name(enum keeper_congestion which)
{
    return which == KEEPER_BBR ? "bbr" : "cubic";
}
/** Have it steered so, where the machine does not let everybody choose that. */
int keeper_socket_congestion(int fd, enum keeper_congestion which);

#endif
