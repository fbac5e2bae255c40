/*
 * io/linux/host.c - changes to the machine, and their end
 *
 * Owns the order: mend what the dead left, journal, change; undo newest first. What each change is, its own file knows.
 * Who asks for it, and whether he may, desk.c does.
 */
#include "io/linux/host_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* First words of journal lines. A restart of the machine takes back all but files by itself. */
static const struct {
    const char *word;
    undo_fn undo;
    bool survives_reboot;
} changes[] = {
    {"addr", iface_addr_undo, false},
    {"link-down", iface_down_undo, false},
    {"ports", ports_undo, false},
    {"nft", nft_undo, false},
    {"bridge", bridge_undo, false},
    {"forward", forward_undo, false},
    {"resolvconf", dns_resolvconf_undo, true},
    {"resolv", resolv_undo, true},
};

enum { LEAVING_MS = 5000, LEAVING_STEP_MS = 10 };

/* What undoing one or several journals came to. */
struct tally {
    int undone;
    int failed; /* first -errno */
    char journal[JOURNAL_NAME_MAX];
    bool leaving; /* one of them is about to be undone by somebody else, or about to be ours to undo */
};

int host_cidr_parse(const char *text, struct host_cidr *ret_cidr)
{
    char addr[INET_ADDRSTRLEN];
    size_t addr_len = strcspn(text, "/");
    if (addr_len >= sizeof addr)
        return -EINVAL;
    memcpy(addr, text, addr_len);
    addr[addr_len] = '\0';
    struct in_addr in;
    if (inet_pton(AF_INET, addr, &in) != 1)
        return -EINVAL;
    unsigned int len = 32;
    if (text[addr_len] == '/') {
        const char *digits = text + addr_len + 1;
        size_t n = strspn(digits, "0123456789");
        if (n == 0 || n > 2 || digits[n] != '\0' || (n == 2 && digits[0] == '0'))
            return -EINVAL;
        len = (unsigned int)(digits[0] - '0');
        if (n == 2)
            len = len * 10 + (unsigned int)(digits[1] - '0');
        if (len > 32)
            return -EINVAL;
    }
    uint32_t host_order = ntohl(in.s_addr);
    uint32_t mask = len == 0 ? 0 : UINT32_MAX << (32 - len);
    if ((host_order & ~mask) != 0)
        return -EINVAL;
    *ret_cidr = (struct host_cidr){.addr = host_order, .len = (uint8_t)len};
    return 0;
}

/* Newest first. The file goes only when nothing failed; undoing twice is harmless. */
static void undo_journal(struct journal *j, bool old_boot, struct tally *tally)
{
    struct undo undo = {.dir_fd = j->dir_fd, .journal = j};
    bool failed = false;
    if (j->bad_lines > 0)
        log_warn("host", NULL, "journal-lines-skipped", "journal=%s lines=%zu", j->name, j->bad_lines);
    for (size_t i = j->count; i-- > 0;) {
        char line[JOURNAL_LINE_MAX];
        snprintf(line, sizeof line, "%s", j->lines[i]);
        char *args = line, *word = strsep(&args, " ");
        int rc = -EBADMSG;
        for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++)
            if (strcmp(word, changes[k].word) == 0)
                rc = old_boot && !changes[k].survives_reboot ? 0 : changes[k].undo(&undo, args ? args : line + strlen(line));
        log_debug("host", NULL, "undo", "journal=%s change=%s result=%d", j->name, word, rc);
        if (rc == -EBADMSG) { /* never will be readable: say so once, and do not keep the file for it */
            log_warn("host", NULL, "journal-line-skipped", "journal=%s line=\"%.80s\"", j->name, j->lines[i]);
        } else if (rc < 0) {
            failed = true;
            tally->failed = tally->failed ? tally->failed : rc;
            snprintf(tally->journal, sizeof tally->journal, "%s", j->name);
            log_warn("host", NULL, "not-undone", "change=\"%.80s\" error=\"%s\" remedy=\"tether cleanup\"",
                     j->lines[i], strerror(-rc));
        } else {
            tally->undone += rc;
        }
    }
    if (!failed)
        journal_remove(j);
}

static void mend_one(void *ctx, struct journal *j, enum journal_state state)
{
    if (state == JOURNAL_ALIVE || state == JOURNAL_FOREIGN) {
        ((struct tally *)ctx)->leaving |= state == JOURNAL_ALIVE && j->leaving;
        log_debug("host", NULL, "journal-left-alone", "journal=%s pid=%ld why=\"%s\"", j->name, (long)j->owner.pid,
                  state == JOURNAL_ALIVE ? "its process lives" : "another network namespace");
        return;
    }
    undo_journal(j, state == JOURNAL_OLD_BOOT, ctx);
}

/*
 * Mend what the dead left. Who was killed a moment ago is being mended by his keeper, or his keeper was, and he is about to end: until that is
 * over, what we would find is neither his nor ours. @return 0 and the directory is locked, or -errno
 */
static int mend_all(int dir_fd, struct tally *tally)
{
    const struct timespec pause = {.tv_nsec = LEAVING_STEP_MS * 1000 * 1000};
    for (int waited_ms = 0;; waited_ms += LEAVING_STEP_MS) {
        int rc = journal_dir_lock(dir_fd);
        if (rc != 0)
            return rc;
        tally->leaving = false;
        rc = journal_scan(dir_fd, NULL, mend_one, tally);
        if (rc == 0 && (!tally->leaving || waited_ms >= LEAVING_MS))
            return 0;
        journal_dir_unlock(dir_fd);
        if (rc != 0)
            return rc;
        nanosleep(&pause, NULL);
    }
}

static int open_journal(struct host_state *host, const char *role, pid_t owner, struct err *err)
{
    struct tally tally = {0};
    int rc = host->dir_fd = journal_dir_open(host->state_dir, true, err);
    if (rc < 0)
        return rc;
    rc = mend_all(host->dir_fd, &tally);
    if (rc != 0)
        return err_set(err, rc, "state directory %s: another tether is working in it; try again", host->state_dir);
    if (tally.undone > 0)
        log_info("host", NULL, "mended", "changes=%d", tally.undone);
    rc = journal_create(&host->journal, host->dir_fd, role, owner);
    journal_dir_unlock(host->dir_fd);
    if (rc != 0)
        err_set(err, rc, "state directory %s: cannot write the journal: %s; %s--state-dir DIR", host->state_dir, strerror(-rc),
                rc == -EACCES || rc == -EPERM ? "run it with sudo or name another with " : "name another with ");
    return rc;
}

int host_state_open(const char *state_dir, const char *role, pid_t owner, struct host_state **ret_host, struct err *err)
{
    struct host_state *host = calloc(1, sizeof *host);
    if (host == NULL)
        return err_set(err, -ENOMEM, "out of memory");
    host->dir_fd = -1;
    host->journal.fd = -1;
    host->nft = (struct child){.in = -1, .out = -1};
    host->state_dir = strdup(state_dir);
    int rc = host->state_dir == NULL ? err_set(err, -ENOMEM, "out of memory") : open_journal(host, role, owner, err);
    if (rc == 0) {
        *ret_host = host;
        return 0;
    }
    if (host->dir_fd >= 0)
        close(host->dir_fd);
    free(host->state_dir);
    free(host);
    return rc;
}

int host_state_close(struct host_state *host)
{
    if (host == NULL)
        return 0;
    struct tally tally = {0};
    dns_resolved_revert(host);
    child_stop(&host->nft);
    /* Unlocked is better than not undone: the lock only keeps two processes' undoings apart. */
    bool locked = journal_dir_lock(host->dir_fd) == 0;
    undo_journal(&host->journal, false, &tally);
    if (locked)
        journal_dir_unlock(host->dir_fd);
    journal_done(&host->journal);
    close(host->dir_fd);
    free(host->state_dir);
    free(host);
    return tally.undone;
}

int host_cleanup(const char *state_dir, struct err *err)
{
    struct tally tally = {0};
    int dir_fd = journal_dir_open(state_dir, false, err);
    if (dir_fd == -ENOENT)
        return 0;
    if (dir_fd < 0)
        return dir_fd;
    int rc = mend_all(dir_fd, &tally);
    if (rc != 0) {
        err_set(err, rc, rc == -EBUSY ? "state directory %s: another tether is working in it; try again" : "state directory %s: %s", state_dir,
                strerror(-rc));
    } else {
        journal_dir_unlock(dir_fd);
        if (tally.failed != 0)
            rc = host_fail(err, tally.failed, "undo what is in %s/%s.journal", state_dir, tally.journal);
    }
    close(dir_fd);
    return rc != 0 ? rc : tally.undone;
}
