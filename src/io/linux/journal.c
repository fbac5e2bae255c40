/* io/linux/journal.c - see journal.h */
#include "io/linux/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define SUFFIX         ".journal"
#define JOURNALS_MAX   256 /* more files than that in one directory are not ours */
#define JOURNAL_BYTES  (JOURNAL_ENTRIES_MAX * JOURNAL_LINE_MAX)
#define SAME_NAMES_MAX 16 /* hosts of one role in one process, or left over under a reused pid */

/* Make the parents as anybody would, the last one private. */
static int make_dir(const char *path)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return -ENAMETOOLONG;
    memcpy(part, path, len + 1);
    for (char *p = part + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(part, 0700) != 0 && errno != EEXIST ? -errno : 0;
}

int journal_dir_open(const char *path, bool make, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && make) {
        int rc = make_dir(path);
        if (rc != 0)
            return err_set(err, rc, "state directory %s: %s; %sname another with --state-dir DIR", path,
                           strerror(-rc), rc == -EACCES || rc == -EPERM ? "run it with sudo or " : "");
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) {
        int rc = -errno;
        return err_set(err, rc, "state directory %s: %s; %sname another with --state-dir DIR", path, strerror(-rc),
                       rc == -EACCES || rc == -EPERM ? "run it with sudo or " : "");
    }
    /* Whoever can write here could make us undo what we never did. */
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_mode & 022) != 0 || (st.st_uid != geteuid() && st.st_uid != 0)) {
        close(fd);
        return err_set(err, -EPERM,
                       "state directory %s: other users can write there; name a private one with --state-dir DIR",
                       path);
    }
    return fd;
}

int journal_dir_lock(int dir_fd)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    for (int waited_ms = 0; flock(dir_fd, LOCK_EX | LOCK_NB) != 0; waited_ms += 10) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (waited_ms >= JOURNAL_LOCK_MS)
            return -EBUSY;
        nanosleep(&pause, NULL);
    }
    return 0;
}

void journal_dir_unlock(int dir_fd)
{
    flock(dir_fd, LOCK_UN);
}

/* When a process started; 0 when there is none. The name in the second field may hold blanks and brackets. */
static uint64_t process_start(pid_t pid)
{
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char state = '\0';
    uint64_t start = 0;
    const char *after = strrchr(text, ')');
    if (after == NULL ||
        sscanf(after + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
               &state, &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start; /* a zombie changes nothing any more */
}

static int owner_of(pid_t pid, struct journal_owner *ret)
{
    struct stat st;
    if (stat("/proc/self/ns/net", &st) != 0)
        return -errno;
    memset(ret, 0, sizeof *ret);
    ret->pid = pid;
    ret->start = process_start(ret->pid);
    ret->net_ns = st.st_ino;
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f == NULL)
        return -errno;
    bool ok = fscanf(f, "%39s", ret->boot) == 1;
    fclose(f);
    return ok && ret->start != 0 ? 0 : -EIO;
}

static bool role_is_sane(const char *role)
{
    size_t len = strspn(role, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && len <= 24 && role[len] == '\0';
}

static void file_name(const struct journal *j, char ret[JOURNAL_NAME_MAX + sizeof SUFFIX])
{
    snprintf(ret, JOURNAL_NAME_MAX + sizeof SUFFIX, "%s" SUFFIX, j->name);
}

/* Append and sync, or leave the file as it was. */
static int append(struct journal *j, const char *text, size_t len)
{
    int rc = 0;
    ssize_t n = pwrite(j->fd, text, len, j->size);
    if (n < 0)
        rc = -errno;
    else if ((size_t)n != len)
        rc = -ENOSPC;
    else if (fsync(j->fd) != 0)
        rc = -errno;
    if (rc != 0) {
        if (ftruncate(j->fd, j->size) != 0)
            log_debug("host", NULL, "journal-truncate-failed", "journal=%s errno=%d", j->name, errno);
        return rc;
    }
    j->size += (off_t)len;
    return 0;
}

int journal_create(struct journal *j, int dir_fd, const char *role, pid_t owner)
{
    memset(j, 0, sizeof *j);
    j->fd = -1;
    j->dir_fd = dir_fd;
    if (!role_is_sane(role))
        return -EINVAL;
    int rc = owner_of(owner, &j->owner);
    if (rc != 0)
        return rc;
    char name[JOURNAL_NAME_MAX + sizeof SUFFIX];
    for (int i = 1; j->fd < 0; i++) {
        snprintf(j->name, sizeof j->name, i == 1 ? "%s-%ld" : "%s-%ld-%d", role, (long)j->owner.pid, i);
        file_name(j, name);
        j->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (j->fd < 0 && (errno != EEXIST || i >= SAME_NAMES_MAX))
            return -errno;
    }
    /* The pid says nothing to a reader in another pid namespace; the lock does. It ends with us, its keeper. */
    flock(j->fd, LOCK_EX | LOCK_NB);
    char header[160];
    int len = snprintf(header, sizeof header, "tether-journal 1 %ld %" PRIu64 " %" PRIu64 " %s\n",
                       (long)j->owner.pid, j->owner.start, j->owner.net_ns, j->owner.boot);
    rc = append(j, header, (size_t)len);
    if (rc == 0 && fsync(dir_fd) != 0)
        rc = -errno;
    if (rc != 0) {
        journal_remove(j);
        journal_done(j);
    }
    return rc;
}

int journal_add(struct journal *j, const char *format, ...)
{
    char line[JOURNAL_LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof line - 1 || memchr(line, '\n', (size_t)len) != NULL)
        return -E2BIG;
    if (j->count == JOURNAL_ENTRIES_MAX)
        return -ENOSPC;
    char *copy = strdup(line);
    if (copy == NULL)
        return -ENOMEM;
    line[len] = '\n';
    int rc = append(j, line, (size_t)len + 1);
    if (rc != 0) {
        free(copy);
        return rc;
    }
    j->lines[j->count++] = copy;
    return 0;
}

void journal_drop_last(struct journal *j)
{
    if (j->count == 0)
        return;
    char *line = j->lines[--j->count];
    j->lines[j->count] = NULL;
    j->size -= (off_t)strlen(line) + 1;
    free(line);
    if (ftruncate(j->fd, j->size) != 0 || fsync(j->fd) != 0)
        log_debug("host", NULL, "journal-truncate-failed", "journal=%s errno=%d", j->name, errno);
}

void journal_remove(struct journal *j)
{
    char name[JOURNAL_NAME_MAX + sizeof SUFFIX];
    file_name(j, name);
    if (unlinkat(j->dir_fd, name, 0) != 0 && errno != ENOENT)
        log_warn("host", NULL, "journal-not-removed", "journal=%s error=\"%s\"", name, strerror(errno));
}

void journal_done(struct journal *j)
{
    for (size_t i = 0; i < j->count; i++)
        free(j->lines[i]);
    j->count = 0;
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

/* Read a file of bounded size into fresh memory, terminated. @return length or -errno */
static ssize_t slurp(int fd, char **ret_text)
{
    char *text = malloc(JOURNAL_BYTES + 1);
    if (text == NULL)
        return -ENOMEM;
    size_t len = 0;
    ssize_t n = 0;
    while (len < JOURNAL_BYTES && (n = read(fd, text + len, JOURNAL_BYTES - len)) > 0)
        len += (size_t)n;
    if (n < 0) {
        n = -errno;
        free(text);
        return n;
    }
    text[len] = '\0';
    *ret_text = text;
    return (ssize_t)len;
}

static int parse_header(const char *line, struct journal_owner *ret)
{
    long pid = 0;
    int used = 0;
    memset(ret, 0, sizeof *ret);
    if (sscanf(line, "tether-journal 1 %ld %" SCNu64 " %" SCNu64 " %39s%n", &pid, &ret->start, &ret->net_ns,
               ret->boot, &used) != 4 ||
        line[used] != '\0' || pid <= 0 || pid > INT32_MAX)
        return -EBADMSG;
    ret->pid = (pid_t)pid;
    return 0;
}

/* Split what was read. Bytes after the last newline were torn off by a crash: their change was not made. */
static int parse(struct journal *j, char *text, size_t len)
{
    char *line = text, *end = text + len;
    for (size_t i = 0; line < end; i++) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL)
            break;
        *newline = '\0';
        bool sane = strlen(line) == (size_t)(newline - line) && newline - line < JOURNAL_LINE_MAX;
        if (i == 0) {
            int rc = sane ? parse_header(line, &j->owner) : -EBADMSG;
            if (rc != 0)
                return rc;
        } else if (!sane || *line == '\0' || j->count == JOURNAL_ENTRIES_MAX) {
            j->bad_lines++;
        } else {
            j->lines[j->count] = strdup(line);
            if (j->lines[j->count] == NULL)
                return -ENOMEM;
            j->count++;
        }
        line = newline + 1;
    }
    return 0;
}

static enum journal_state state_of(struct journal *j, const struct journal_owner *self)
{
    const bool kept = flock(j->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    const bool lives = process_start(j->owner.pid) == j->owner.start;
    j->leaving = kept != lives && j->owner.net_ns == self->net_ns;
    if (kept)
        return JOURNAL_ALIVE;
    if (strcmp(j->owner.boot, self->boot) != 0)
        return JOURNAL_OLD_BOOT;
    if (lives)
        return JOURNAL_ALIVE;
    return j->owner.net_ns == self->net_ns ? JOURNAL_DEAD : JOURNAL_FOREIGN;
}

static void scan_one(int dir_fd, const char *file, const struct journal_owner *self, journal_cb cb, void *ctx)
{
    struct journal j = {.dir_fd = dir_fd, .fd = -1};
    size_t len = strlen(file) - strlen(SUFFIX);
    if (len >= sizeof j.name)
        return;
    memcpy(j.name, file, len);
    j.fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (j.fd < 0 || fstat(j.fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        journal_done(&j);
        return;
    }
    char *text = NULL;
    ssize_t n = slurp(j.fd, &text);
    if (n >= 0 && memchr(text, '\n', (size_t)n) == NULL) {
        /* Died while writing the header, before any change. We hold the directory: nobody is just creating it. */
        journal_remove(&j);
    } else if (n < 0 || parse(&j, text, (size_t)n) != 0) {
        log_warn("host", NULL, "journal-unreadable", "journal=%s action=\"left alone\"", file);
    } else {
        cb(ctx, &j, state_of(&j, self));
    }
    free(text);
    journal_done(&j);
}

static int is_journal(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);
    return len > suffix && strcmp(entry->d_name + len - suffix, SUFFIX) == 0;
}

int journal_scan(int dir_fd, const struct journal *self, journal_cb cb, void *ctx)
{
    struct journal_owner owner;
    int rc = owner_of(getpid(), &owner);
    if (rc != 0)
        return rc;
    /* Names first: the callback deletes files. */
    struct dirent **names;
    int count = scandirat(dir_fd, ".", &names, is_journal, alphasort);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        char own[JOURNAL_NAME_MAX + sizeof SUFFIX] = "";
        if (self != NULL)
            file_name(self, own);
        if (i < JOURNALS_MAX && strcmp(names[i]->d_name, own) != 0)
            scan_one(dir_fd, names[i]->d_name, &owner, cb, ctx);
        free(names[i]);
    }
    free(names);
    return 0;
}
