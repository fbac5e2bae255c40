/*
 * io/linux/resolv.c - /etc/resolv.conf, replaced by ours and put back exactly
 *
 * What was there (a file with mode and owner, a symbolic link, nothing) is saved in the state directory first. Ours begins with
 * a marker naming its journal, and only a file with our marker is put back: what a DHCP client or a network manager
 * has written over it meanwhile is newer than what we saved. When the newer one is another tether's, that one has saved ours
 * as its original; it is given our original instead, so the last to end restores the first state. The modification time
 * is not put back: programs that watch it (dnsmasq) would miss the change.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/host_priv.h"

#define RESOLV_CONF  "/etc/resolv.conf"
#define RESOLV_TEMP  "/etc/.resolv.conf.tether"
#define SUFFIX       ".resolv"
#define SERVERS_MAX  3            /* MAXNS of the C libraries */
#define CONTENTS_MAX (64 * 1024)  /* of a sane resolv.conf */
#define MARKER_START "# tether "
#define MARKER_MAX   (JOURNAL_NAME_MAX + 64)

enum kind { KIND_MISSING, KIND_FILE, KIND_SYMLINK };
static const char *const kind_names[] = {"missing", "file", "symlink"};

/* One state of the file. */
struct resolv {
    enum kind kind;
    unsigned int mode, uid, gid;
    size_t len;
    char data[CONTENTS_MAX + 1]; /* contents, or where the link points; terminated */
};

static int read_all(int fd, char *data, size_t cap, size_t *ret_len)
{
    size_t len = 0;
    ssize_t n = 0;
    while (len < cap && (n = read(fd, data + len, cap - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        return -errno;
    if (len == cap)
        return -EFBIG;
    data[len] = '\0';
    *ret_len = len;
    return 0;
}

static int resolv_look(struct resolv *ret)
{
    struct stat st;
    ret->len = 0;
    if (lstat(RESOLV_CONF, &st) != 0) {
        ret->kind = KIND_MISSING;
        ret->mode = ret->uid = ret->gid = 0;
        return errno == ENOENT ? 0 : -errno;
    }
    ret->mode = st.st_mode & 07777;
    ret->uid = st.st_uid;
    ret->gid = st.st_gid;
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(RESOLV_CONF, ret->data, PATH_MAX);
        if (n < 0)
            return -errno;
        ret->kind = KIND_SYMLINK;
        ret->len = (size_t)n;
        ret->data[n] = '\0';
        return 0;
    }
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    ret->kind = KIND_FILE;
    int fd = open(RESOLV_CONF, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = read_all(fd, ret->data, sizeof ret->data, &ret->len);
    close(fd);
    return rc;
}

/* Labels and access lists: a file in /etc with the wrong SELinux label is unreadable to confined programs. */
static void copy_attributes(int to)
{
    char names[1024], value[1024];
    int from = open(RESOLV_CONF, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return;
    ssize_t len = flistxattr(from, names, sizeof names);
    for (char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
        ssize_t n = fgetxattr(from, name, value, sizeof value);
        if (n >= 0 && fsetxattr(to, name, value, (size_t)n, 0) != 0)
            log_debug("host", NULL, "attribute-not-copied", "name=%s errno=%d", name, errno);
    }
    close(from);
}

static int fill(int fd, const struct resolv *want)
{
    /* One write, then cut: a reader in between sees the new name servers first. */
    ssize_t n = pwrite(fd, want->data, want->len, 0);
    if (n < 0)
        return -errno;
    if ((size_t)n != want->len)
        return -ENOSPC;
    if (ftruncate(fd, (off_t)want->len) != 0 || fchown(fd, want->uid, want->gid) != 0 ||
        fchmod(fd, want->mode) != 0 || fsync(fd) != 0)
        return -errno;
    return 0;
}

/* Make the state beside the file, and rename it there: readers see one or the other. */
static int put_by_rename(const struct resolv *want)
{
    int rc = 0;
    unlink(RESOLV_TEMP); /* of a crash */
    if (want->kind == KIND_SYMLINK) {
        if (symlink(want->data, RESOLV_TEMP) != 0 || lchown(RESOLV_TEMP, want->uid, want->gid) != 0)
            rc = -errno;
    } else {
        int fd = open(RESOLV_TEMP, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return -errno;
        copy_attributes(fd);
        rc = fill(fd, want);
        close(fd);
    }
    if (rc == 0 && rename(RESOLV_TEMP, RESOLV_CONF) != 0)
        rc = -errno;
    if (rc != 0)
        unlink(RESOLV_TEMP);
    return rc;
}

static int resolv_put(const struct resolv *want)
{
    if (want->kind == KIND_MISSING)
        return unlink(RESOLV_CONF) != 0 && errno != ENOENT ? -errno : 0;
    int rc = put_by_rename(want);
    if (rc == 0 || want->kind != KIND_FILE)
        return rc;
    /* Containers mount a file there (EBUSY), sometimes with the rest of /etc read-only. */
    int fd = open(RESOLV_CONF, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return rc;
    rc = fill(fd, want);
    close(fd);
    return rc;
}

static void backup_name(const struct journal *j, char ret[JOURNAL_NAME_MAX + sizeof SUFFIX])
{
    snprintf(ret, JOURNAL_NAME_MAX + sizeof SUFFIX, "%s" SUFFIX, j->name);
}

/* "tether-resolv 1 KIND MODE UID GID\n" and the bytes. */
static int backup_write(const struct journal *j, const struct resolv *was)
{
    char name[JOURNAL_NAME_MAX + sizeof SUFFIX], fresh[sizeof name + 4], head[80];
    backup_name(j, name);
    snprintf(fresh, sizeof fresh, "%s.new", name);
    int head_len = snprintf(head, sizeof head, "tether-resolv 1 %s %o %u %u\n", kind_names[was->kind], was->mode,
                            was->uid, was->gid);
    int fd = openat(j->dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = 0;
    errno = ENOSPC;
    if (write(fd, head, (size_t)head_len) != head_len || write(fd, was->data, was->len) != (ssize_t)was->len ||
        fsync(fd) != 0 || renameat(j->dir_fd, fresh, j->dir_fd, name) != 0 || fsync(j->dir_fd) != 0)
        rc = -errno;
    close(fd);
    if (rc != 0)
        unlinkat(j->dir_fd, fresh, 0);
    return rc;
}

static int backup_read(int dir_fd, const char *name, struct resolv *ret)
{
    char kind[16];
    int used = 0;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = read_all(fd, ret->data, sizeof ret->data, &ret->len);
    close(fd);
    if (rc != 0)
        return rc == -EFBIG ? -EBADMSG : rc;
    char *newline = memchr(ret->data, '\n', ret->len);
    if (newline == NULL)
        return -EBADMSG;
    *newline = '\0';
    if (sscanf(ret->data, "tether-resolv 1 %15s %o %u %u%n", kind, &ret->mode, &ret->uid, &ret->gid, &used) != 4 ||
        ret->data[used] != '\0')
        return -EBADMSG;
    size_t k = 0;
    while (k < 3 && strcmp(kind, kind_names[k]) != 0)
        k++;
    if (k == 3)
        return -EBADMSG;
    ret->kind = (enum kind)k;
    ret->len -= (size_t)(newline + 1 - ret->data);
    memmove(ret->data, newline + 1, ret->len + 1);
    return 0;
}

static void backup_remove(const struct journal *j)
{
    char name[JOURNAL_NAME_MAX + sizeof SUFFIX];
    backup_name(j, name);
    unlinkat(j->dir_fd, name, 0);
}

/* First line of our file; the start time tells a reused pid apart. */
static void marker(const struct journal *j, char ret[MARKER_MAX])
{
    snprintf(ret, MARKER_MAX, MARKER_START "%s %" PRIu64 "\n", j->name, j->owner.start);
}

static bool bears(const struct resolv *r, const char *mark)
{
    return r->kind == KIND_FILE && strncmp(r->data, mark, strlen(mark)) == 0;
}

static void compose(const struct journal *j, const uint32_t *addrs, size_t count, struct resolv *ret)
{
    char mark[MARKER_MAX], ip[INET_ADDRSTRLEN];
    marker(j, mark);
    size_t len = (size_t)snprintf(ret->data, sizeof ret->data,
                                  "%s# Names resolve through the tunnel. What was here comes back when tether ends;\n"
                                  "# if it was killed: tether cleanup\n", mark);
    for (size_t i = 0; i < count && i < SERVERS_MAX; i++) {
        struct in_addr in = {htonl(addrs[i])};
        inet_ntop(AF_INET, &in, ip, sizeof ip);
        len += (size_t)snprintf(ret->data + len, sizeof ret->data - len, "nameserver %s\n", ip);
    }
    ret->len = len;
}

int resolv_set(struct host_state *host, const uint32_t *addrs, size_t count, struct err *err)
{
    struct journal *j = &host->journal;
    char mark[MARKER_MAX];
    struct resolv *r = malloc(sizeof *r);
    if (r == NULL)
        return err_set(err, -ENOMEM, "out of memory");
    marker(j, mark);
    int rc = resolv_look(r);
    bool again = rc == 0 && bears(r, mark), journaled = false;
    for (size_t i = 0; i < j->count; i++)
        journaled |= strcmp(j->lines[i], "resolv") == 0;
    /* When somebody wrote over ours, theirs is what comes back later; but not another tether's, which comes and goes. */
    if (rc == 0 && !again && !(journaled && bears(r, MARKER_START))) {
        rc = backup_write(j, r);
        if (rc == 0 && !journaled) {
            rc = host_journal(host, err, "resolv");
            if (rc != 0) {
                backup_remove(j);
                free(r);
                return rc;
            }
        }
    }
    if (rc == 0) {
        if (r->kind != KIND_FILE) {
            r->mode = 0644;
            r->uid = r->gid = 0;
            r->kind = KIND_FILE;
        }
        compose(j, addrs, count, r);
        rc = resolv_put(r);
        if (rc != 0 && !again && !journaled) {
            journal_drop_last(j);
            backup_remove(j);
        }
    }
    free(r);
    if (rc == -EPERM || rc == -EACCES)
        return host_fail(err, rc, "write " RESOLV_CONF);
    return rc == 0 ? 0 : err_set(err, rc, RESOLV_CONF ": %s; leave names alone with --dns none", strerror(-rc));
}

/* Somebody else's file is there now. Was it made by another tether, which took ours for the original? */
static int pass_on(const struct undo *undo, const char *mark, struct resolv *scratch)
{
    char own[JOURNAL_NAME_MAX + sizeof SUFFIX];
    backup_name(undo->journal, own);
    int fd = openat(undo->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    struct dirent *entry;
    int rc = 0;
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len <= strlen(SUFFIX) || strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) != 0 ||
            strcmp(entry->d_name, own) == 0 || backup_read(undo->dir_fd, entry->d_name, scratch) != 0 ||
            !bears(scratch, mark))
            continue;
        rc = renameat(undo->dir_fd, own, undo->dir_fd, entry->d_name) != 0 ? -errno : 1;
        break;
    }
    closedir(dir);
    return rc;
}

/* No arguments: the backup has the journal's name. */
int resolv_undo(const struct undo *undo, char *args)
{
    if (*args != '\0')
        return -EBADMSG;
    char name[JOURNAL_NAME_MAX + sizeof SUFFIX], mark[MARKER_MAX];
    struct resolv *now = malloc(2 * sizeof *now), *was = now + 1;
    if (now == NULL)
        return -ENOMEM;
    backup_name(undo->journal, name);
    marker(undo->journal, mark);
    int rc = resolv_look(now);
    if (rc == 0)
        rc = backup_read(undo->dir_fd, name, was);
    if (rc == -ENOENT) { /* undone before */
        rc = 0;
    } else if (rc == 0) {
        /* An empty file is ours, too: the machine went down while it was written in place. */
        bool ours = bears(now, mark) || (now->kind == KIND_FILE && now->len == 0 && was->kind == KIND_FILE);
        rc = ours ? resolv_put(was) : pass_on(undo, mark, now);
        if (ours && rc == 0)
            rc = 1;
        unlink(RESOLV_TEMP);
    }
    if (rc >= 0)
        backup_remove(undo->journal);
    free(now);
    return rc;
}

size_t resolv_read(char *ret_text, size_t cap)
{
    size_t len = 0;
    ssize_t n;
    int fd = open(RESOLV_CONF, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    while (fd >= 0 && len < cap - 1 && (n = read(fd, ret_text + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    if (fd >= 0)
        close(fd);
    ret_text[len] = '\0';
    return len;
}

size_t resolv_nameservers(const char *text, uint32_t *ret_addrs, size_t cap)
{
    size_t count = 0;
    for (const char *line = text; *line != '\0' && count < cap; line += strcspn(line, "\n"), line += *line == '\n') {
        char ip[INET_ADDRSTRLEN];
        struct in_addr in;
        const char *word = line + strspn(line, " \t");
        if (strncmp(word, "nameserver", 10) != 0 || (word[10] != ' ' && word[10] != '\t'))
            continue;
        word += 10;
        word += strspn(word, " \t");
        size_t len = strcspn(word, " \t\r\n#;");
        if (len == 0 || len >= sizeof ip)
            continue;
        memcpy(ip, word, len);
        ip[len] = '\0';
        if (inet_pton(AF_INET, ip, &in) == 1)
            ret_addrs[count++] = ntohl(in.s_addr);
    }
    return count;
}
