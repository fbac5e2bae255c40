/*
 * io/linux/nft.c - keeping the kernel silent on the ports that are ours
 *
 * The NAT's answers reach the kernel as well, which knows no such socket and would refuse them. A table of nftables drops
 * them at raw prerouting; AF_PACKET sees them before. A table with `flags owner` belongs to a netlink socket and goes with
 * it, so the program nft holds it and we hold nft, by the socket that is its standard input: when we die, however, it
 * reads end of file and ends. (libnftables would be one process less, but is GPL-2-only: not to be linked with OpenSSL 3.)
 * A kernel before 5.12 or an nft without the flag or without -i gets an ordinary table, which is journaled.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/host_priv.h"

#define NAME_MAX_LEN 48
#define SAID_MAX     2048

/* One line, thus one transaction. */
static int table_text(char *text, size_t cap, const char *table, bool owner, const char *body)
{
    int len = snprintf(text, cap, "add table ip %s { %s%s }\n", table, owner ? "flags owner; " : "", body);
    return len > 0 && (size_t)len < cap ? len : -E2BIG;
}

/* nft's first complaint, as the tail of our one line. */
static void first_line(char *said)
{
    char *start = strstr(said, "Error: ");
    if (start != NULL)
        memmove(said, start + 7, strlen(start + 7) + 1);
    said[strcspn(said, "\n")] = '\0';
}

/*
 * Wait until nft has worked off what it was sent. It prints nothing on success, so the last command is one that must fail and is
 * quoted in the complaint; whatever is complained about before concerns the table.
 */
static int await(struct child *nft, const char *sentinel, char *said, size_t cap)
{
    size_t len = 0;
    uint64_t deadline_ms = child_now_ms() + CHILD_TIMEOUT_MS;
    said[0] = '\0';
    while (strstr(said, sentinel) == NULL) {
        uint64_t now_ms = child_now_ms();
        struct pollfd p = {.fd = nft->out, .events = POLLIN};
        if (now_ms >= deadline_ms)
            return -ETIMEDOUT;
        poll(&p, 1, (int)(deadline_ms - now_ms));
        if (len + 1 >= cap) /* it will not stop complaining */
            return -EIO;
        ssize_t n = read(nft->out, said + len, cap - 1 - len);
        if (n == 0)
            return -EPIPE;
        if (n > 0)
            len += (size_t)n;
        said[len] = '\0';
    }
    /* The sentinel's own complaint is one "Error:"; an earlier one is about the table. */
    char *error = strstr(said, "Error:");
    return error != NULL && strstr(error + 1, "Error:") != NULL ? -EIO : 0;
}

static int add_owned(struct host_state *host, const char *table, const char *text, char *said, size_t cap)
{
    static const char *const argv[] = {"nft", "-i", NULL};
    char sentinel[NAME_MAX_LEN + 16], probe[NAME_MAX_LEN + 40];
    int rc = 0;
    said[0] = '\0';
    if (host->nft.pid == 0)
        rc = child_start(&host->nft, argv);
    if (rc != 0)
        return rc;
    snprintf(sentinel, sizeof sentinel, "%s-sentinel", table);
    snprintf(probe, sizeof probe, "list table ip %s\n", sentinel);
    rc = child_write(&host->nft, text, strlen(text));
    if (rc == 0)
        rc = child_write(&host->nft, probe, strlen(probe));
    if (rc == 0)
        rc = await(&host->nft, sentinel, said, cap);
    if (rc != 0 && host->nft_tables == 0)
        child_stop(&host->nft);
    return rc;
}

static int add_ordinary(struct host_state *host, const char *table, const char *text, char *said, size_t cap, struct err *err)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    int rc = host_journal(host, err, "nft %s", table);
    if (rc != 0)
        return rc;
    int status = child_run(argv, text, said, cap, child_now_ms() + CHILD_TIMEOUT_MS);
    if (status == 0)
        return 0;
    if (status != -ETIMEDOUT) /* then it may yet have been made */
        journal_drop_last(&host->journal);
    first_line(said);
    rc = strstr(said, "not permitted") != NULL ? -EPERM : status > 0 ? -EIO : status;
    if (rc == -EPERM)
        return host_fail(err, rc, "add an nftables table");
    return err_set(err, rc, "nft: cannot add a table: %.160s; is nftables in this kernel (modprobe nf_tables)?",
                   said[0] != '\0' ? said : strerror(-rc));
}

int nft_add(struct host_state *host, const char *body, struct err *err)
{
    char table[NAME_MAX_LEN], text[NFT_BODY_MAX + 128], said[SAID_MAX];
    /* The directory's descriptor tells the roles of one process apart. */
    snprintf(table, sizeof table, "tether-%ld-%" PRIx64 "-%d-%u", (long)host->journal.owner.pid, host->journal.owner.start, host->dir_fd,
             host->nft_tables + 1);
    int rc = table_text(text, sizeof text, table, true, body);
    if (rc > 0)
        rc = add_owned(host, table, text, said, sizeof said);
    if (rc == -ENOENT)
        return err_set(err, rc, "nft: program not found; install it: apt install nftables");
    if (rc == 0) {
        host->nft_tables++;
        return 0;
    }
    first_line(said);
    log_debug("host", NULL, "nft-no-owner", "error=\"%.160s\" code=%d", said, rc);
    rc = table_text(text, sizeof text, table, false, body);
    if (rc > 0)
        rc = add_ordinary(host, table, text, said, sizeof said, err);
    if (rc == 0)
        host->nft_tables++;
    return rc;
}

int nft_silence_ports(struct host_state *host, uint32_t addr, uint16_t lo, uint16_t hi, struct err *err)
{
    char ip[INET_ADDRSTRLEN], range[16], body[NFT_BODY_MAX];
    struct in_addr in = {htonl(addr)};
    if (lo == 0 || lo > hi)
        return err_set(err, -EINVAL, "port range %u-%u: the first must be 1 or more and not above the last", lo, hi);
    inet_ntop(AF_INET, &in, ip, sizeof ip);
    snprintf(range, sizeof range, "%u-%u", lo, hi);
    /* Also kept out of connection tracking: our raw packets would otherwise make entries there, and be rewritten by a masquerading rule. */
    int len = snprintf(body, sizeof body,
                       "chain in { type filter hook prerouting priority -300; policy accept; "
                       /* Later fragments have no ports, yet nft's fast path reads what lies there. */
                       "ip daddr %s ip frag-off & 0x1fff == 0 tcp dport %s drop; "
                       "ip daddr %s ip frag-off & 0x1fff == 0 udp dport %s drop; }; "
                       "chain out { type filter hook output priority -300; policy accept; "
                       "ip saddr %s tcp sport %s notrack; ip saddr %s udp sport %s notrack; "
                       "ip saddr %s icmp type echo-request icmp id %s notrack; };",
                       ip, range, ip, range, ip, range, ip, range, ip, range);
    return len > 0 && (size_t)len < sizeof body ? nft_add(host, body, err) : -E2BIG;
}

/* "TABLE" */
int nft_undo(const struct undo *undo, char *args)
{
    (void)undo;
    char said[SAID_MAX];
    if (strncmp(args, "tether-", 7) != 0 || args[strspn(args, "tehr-0123456789abcdef")] != '\0')
        return -EBADMSG;
    const char *const argv[] = {"nft", "delete", "table", "ip", args, NULL};
    int status = child_run(argv, NULL, said, sizeof said, child_now_ms() + CHILD_TIMEOUT_MS);
    if (status == 0)
        return 1;
    if (strstr(said, "No such file or directory") != NULL)
        return 0;
    if (strstr(said, "not permitted") != NULL)
        return -EPERM;
    return status < 0 ? status : -EIO;
}
