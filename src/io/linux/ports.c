/*
 * io/linux/ports.c - ports that the kernel shall not lend to programs of this machine
 *
 * net.ipv4.ip_local_reserved_ports is one list for everybody. A process adds its range and journals which ports it must take
 * out again: those nobody had reserved, and those only other living tether processes had, since whoever of them ends last takes out
 * what all share. So the list returns to what it was, and what others changed meanwhile stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/host_priv.h"

#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define LOCAL    "/proc/sys/net/ipv4/ip_local_port_range"
#define TEXT_MAX 4096 /* the kernel takes at most a page less one byte in one write */

struct portset {
    uint8_t bits[65536 / 8];
};

static bool has(const struct portset *s, unsigned int port)
{
    return s->bits[port / 8] >> (port % 8) & 1;
}

static void add_range(struct portset *s, unsigned int lo, unsigned int hi)
{
    for (unsigned int p = lo; p <= hi; p++)
        s->bits[p / 8] |= (uint8_t)(1u << (p % 8));
}

/* a |= b, or a &= ~b. @return whether a changed */
static bool merge(struct portset *a, const struct portset *b, bool add)
{
    bool changed = false;
    for (size_t i = 0; i < sizeof a->bits; i++) {
        uint8_t now = add ? a->bits[i] | b->bits[i] : a->bits[i] & (uint8_t)~b->bits[i];
        changed |= now != a->bits[i];
        a->bits[i] = now;
    }
    return changed;
}

static bool empty(const struct portset *s)
{
    static const struct portset none;
    return memcmp(s, &none, sizeof none) == 0;
}

static int take_port(const char **text)
{
    if (**text < '0' || **text > '9')
        return -EBADMSG;
    char *end;
    unsigned long port = strtoul(*text, &end, 10);
    if (end - *text > 5 || port > 65535)
        return -EBADMSG;
    *text = end;
    return (int)port;
}

/* "1,3-5", up to the end or a newline; empty is nothing. Adds to *ret. */
static int parse(const char *text, struct portset *ret)
{
    while (*text != '\0' && *text != '\n') {
        int lo = take_port(&text), hi = lo;
        if (lo >= 0 && *text == '-') {
            text++;
            hi = take_port(&text);
        }
        if (lo < 0 || hi < lo)
            return -EBADMSG;
        add_range(ret, (unsigned int)lo, (unsigned int)hi);
        if (*text == ',')
            text++;
        else if (*text != '\0' && *text != '\n')
            return -EBADMSG;
    }
    return 0;
}

/* The kernel's own form. @return 0 or -E2BIG */
static int format(const struct portset *s, char *ret_text, size_t cap)
{
    size_t len = 0;
    ret_text[0] = '\0';
    for (unsigned int lo = 0; lo <= 65535; lo++) {
        if (!has(s, lo))
            continue;
        unsigned int hi = lo;
        while (hi < 65535 && has(s, hi + 1))
            hi++;
        int n = snprintf(ret_text + len, cap - len, lo == hi ? "%s%u" : "%s%u-%u", len > 0 ? "," : "", lo, hi);
        if (n < 0 || (size_t)n >= cap - len)
            return -E2BIG;
        len += (size_t)n;
        lo = hi;
    }
    return 0;
}

static int reserved_read(struct portset *ret)
{
    char text[TEXT_MAX];
    size_t len = 0;
    ssize_t n;
    memset(ret, 0, sizeof *ret);
    int fd = open(RESERVED, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (len < sizeof text && (n = read(fd, text + len, sizeof text - len)) > 0)
        len += (size_t)n;
    close(fd);
    if (len == sizeof text)
        return -E2BIG;
    text[len] = '\0';
    return parse(text, ret);
}

static int reserved_write(const struct portset *s)
{
    char text[TEXT_MAX];
    int rc = format(s, text, sizeof text - 1);
    if (rc != 0)
        return rc;
    size_t len = strlen(text);
    text[len++] = '\n'; /* room kept above; an empty write would change nothing */
    int fd = open(RESERVED, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, len);
    rc = n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
    close(fd);
    return rc;
}

/* Adds what a journal will take out. */
static void collect(const struct journal *j, struct portset *sum)
{
    for (size_t i = 0; i < j->count; i++) {
        struct portset one = {{0}};
        if (strncmp(j->lines[i], "ports ", 6) == 0 && parse(j->lines[i] + 6, &one) == 0)
            merge(sum, &one, true);
    }
}

struct others {
    uint64_t net_ns;
    struct portset ports;
};

static void collect_living(void *ctx, struct journal *j, enum journal_state state)
{
    struct others *others = ctx;
    if (state == JOURNAL_ALIVE && j->owner.net_ns == others->net_ns)
        collect(j, &others->ports);
}

/* Only programs asking for "any port" are kept off; without an overlap that never happens. */
static bool kernel_may_lend(uint16_t lo, uint16_t hi)
{
    unsigned int first, last;
    FILE *f = fopen(LOCAL, "re");
    if (f == NULL)
        return true;
    bool read = fscanf(f, "%u %u", &first, &last) == 2;
    fclose(f);
    return !read || (first <= hi && lo <= last);
}

static int reserve(struct host_state *host, uint16_t lo, uint16_t hi, struct err *err)
{
    struct portset now, ours = {{0}}, mine = {{0}}, unshared;
    struct others others = {.net_ns = host->journal.owner.net_ns};
    char text[TEXT_MAX];
    add_range(&ours, lo, hi);
    collect(&host->journal, &mine);
    int rc = journal_scan(host->dir_fd, &host->journal, collect_living, &others);
    if (rc == 0)
        rc = reserved_read(&now);
    if (rc != 0)
        return host_fail(err, rc, "read " RESERVED);
    struct portset wanted = now;
    bool write = merge(&wanted, &ours, true);
    unshared = now; /* to take out again: ours, less what is there and not just another tether's, less what we have already */
    merge(&unshared, &others.ports, false);
    merge(&ours, &unshared, false);
    merge(&ours, &mine, false);
    if (!write && empty(&ours))
        return 0;
    rc = format(&ours, text, sizeof text);
    if (rc != 0)
        return host_fail(err, rc, "reserve ports %u-%u", lo, hi);
    rc = host_journal(host, err, "ports %s", text);
    if (rc != 0)
        return rc;
    rc = write ? reserved_write(&wanted) : 0;
    if (rc == 0)
        return 0;
    journal_drop_last(&host->journal);
    if (rc == -EROFS && !kernel_may_lend(lo, hi)) {
        log_debug("host", NULL, "ports-not-reserved", "why=\"/proc/sys is read-only\" ports=%u-%u", lo, hi);
        return 0;
    }
    if (rc == -EROFS)
        return err_set(err, rc, "ports %u-%u: cannot be reserved, /proc/sys is read-only; start the container with --sysctl "
                       "net.ipv4.ip_local_reserved_ports=%u-%u", lo, hi, lo, hi);
    return host_fail(err, rc, "reserve ports %u-%u", lo, hi);
}

int ports_reserve(struct host_state *host, uint16_t lo, uint16_t hi, struct err *err)
{
    if (lo == 0 || lo > hi)
        return err_set(err, -EINVAL, "port range %u-%u: the first must be 1 or more and not above the last", lo, hi);
    int rc = journal_dir_lock(host->dir_fd);
    if (rc != 0)
        return err_set(err, rc, "state directory %s: another tether is working in it; try again", host->state_dir);
    rc = reserve(host, lo, hi, err);
    journal_dir_unlock(host->dir_fd);
    return rc;
}

/* "RANGES" */
int ports_undo(const struct undo *undo, char *args)
{
    struct portset now, gone = {{0}};
    struct others others = {.net_ns = undo->journal->owner.net_ns};
    if (*args == '\0' || parse(args, &gone) != 0)
        return -EBADMSG;
    int rc = journal_scan(undo->dir_fd, undo->journal, collect_living, &others);
    if (rc == 0)
        rc = reserved_read(&now);
    if (rc != 0)
        return rc;
    merge(&gone, &others.ports, false);
    if (!merge(&now, &gone, false))
        return 0;
    rc = reserved_write(&now);
    return rc == 0 ? 1 : rc;
}
