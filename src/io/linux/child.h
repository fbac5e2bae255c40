/*
 * io/linux/child.h - running the machine's own tools (nft, resolvectl, resolvconf)
 *
 * Never through a shell, never for longer than a bound, in a session of its own (so that Ctrl-C reaches us first), with no
 * descriptors but the three it is given and an environment of our choosing.
 */
#ifndef TETHER_IO_LINUX_CHILD_H
#define TETHER_IO_LINUX_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_TIMEOUT_MS 2000

struct child {
    pid_t pid; /**< 0: none */
    int in;    /**< socket to its standard input; its end of file is our death or child_stop() */
    int out;   /**< what it prints: errors, and for child_run() everything; non-blocking */
};

/** Look a program up in PATH and in the sbin directories, which an ordinary user's PATH lacks. @return 0 or -ENOENT */
int child_find(const char *name, char *ret_path, size_t cap);

/** Start argv[0] and keep talking to it; its standard output is thrown away. @return 0, -ENOENT (no such program), -errno */
int child_start(struct child *child, const char *const argv[]);
/** Write to its standard input without ever raising SIGPIPE. @return 0 or -errno */
int child_write(struct child *child, const char *text, size_t len);
/** Close its standard input, wait, and kill it when it does not end. Harmless twice. */
void child_stop(struct child *child);

/**
 * Run a program to its end.
 *
 * @param input       given on standard input; NULL: nothing
 * @param ret_output  its standard output and error, cut to fit and terminated; may be NULL
 * @param deadline_ms on child_now_ms()'s clock; then it is killed
 * @return exit status (>= 0; death by a signal counts as 128 + signal), -ENOENT, -ETIMEDOUT, -errno
 */
int child_run(const char *const argv[], const char *input, char *ret_output, size_t cap, uint64_t deadline_ms);

/** Move a descriptor above 2, so that wiring a child up never overwrites it (a daemon may run with 0-2 closed). @return 0 or -errno */
int child_above_stdio(int *fd);

/** Monotonic milliseconds. */
uint64_t child_now_ms(void);

#endif
