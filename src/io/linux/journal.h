/*
 * io/linux/journal.h - what must be undone when this process cannot do it itself
 *
 * One file per host object, ROLE-PID.journal: a header that says whose it is, then one line per change, synced before the
 * change is made. A line without its newline was torn by a crash, so its change was never made. Files of one state
 * directory are only touched under a lock on the directory, so two processes never mend, start or undo at the same time.
 */
#ifndef TETHER_IO_LINUX_JOURNAL_H
#define TETHER_IO_LINUX_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define JOURNAL_NAME_MAX    64   /**< file name without its suffix, with the terminating 0 */
#define JOURNAL_LINE_MAX    4608 /**< one line, with newline and 0; longest: a list of ports */
#define JOURNAL_ENTRIES_MAX 64
#define JOURNAL_LOCK_MS     2000

/** Whose changes a journal tells of. Its keeper holds a lock on the file as long as it lives. A pid alone is reused; the boot tells whether the kernel still has what was changed. */
struct journal_owner {
    pid_t pid;
    uint64_t start;  /**< field 22 of /proc/PID/stat: clock ticks after boot */
    uint64_t net_ns; /**< inode of the network namespace */
    char boot[40];   /**< /proc/sys/kernel/random/boot_id */
};

struct journal {
    int dir_fd;                  /**< the state directory; borrowed */
    int fd;                      /**< -1 for one that was only read */
    char name[JOURNAL_NAME_MAX]; /**< without ".journal" */
    struct journal_owner owner;
    size_t count;
    char *lines[JOURNAL_ENTRIES_MAX]; /**< without newline, oldest first */
    size_t bad_lines;                 /**< complete lines that say nothing we know how to read */
    off_t size;                       /**< bytes in the file */
    bool leaving;                     /**< read, and alive: but of its process and its keeper one has ended */
};

enum journal_state {
    JOURNAL_ALIVE,   /**< its process lives, or another one works on it */
    JOURNAL_FOREIGN, /**< dead, but of another network namespace: its changes cannot be seen from here */
    JOURNAL_DEAD,
    JOURNAL_OLD_BOOT, /**< the machine restarted since: only changes to files can be left */
};

/** Open the state directory, private to its owner. @param make whether to make it when missing @return fd or -errno */
int journal_dir_open(const char *path, bool make, struct err *err);
/** Wait at most JOURNAL_LOCK_MS. @return 0, or -EBUSY when another process holds the directory */
int journal_dir_lock(int dir_fd);
void journal_dir_unlock(int dir_fd);

/** Make ROLE-PID.journal; caller holds the lock. @param owner the process, PID @return 0 or -errno, then nothing is left */
int journal_create(struct journal *j, int dir_fd, const char *role, pid_t owner);
/** Add a line, synced when this returns 0. On failure the file is as before. @return 0, -ENOSPC (full), -errno */
int journal_add(struct journal *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Take the newest line back: its change was not made after all. */
void journal_drop_last(struct journal *j);
/** Delete the file. */
void journal_remove(struct journal *j);
/** Close and free memory; the file stays. A zeroed struct with fd -1 is fine. */
void journal_done(struct journal *j);

/** Called for each journal other than `self`; `j` is borrowed. */
typedef void (*journal_cb)(void *ctx, struct journal *j, enum journal_state state);
/** Read every journal of the directory, in order of name. @param self skipped; NULL: none @return 0 or -errno */
int journal_scan(int dir_fd, const struct journal *self, journal_cb cb, void *ctx);

#endif
