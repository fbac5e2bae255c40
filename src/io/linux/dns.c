/*
 * io/linux/dns.c - sending names through the tunnel, by whatever rules this machine's names
 *
 * systemd-resolved takes name servers per link, and forgets them with the link. resolvconf (Debian's or openresolv) merges what
 * each program registers. Both are asked only where they rule /etc/resolv.conf: a resolvconf that is installed but does not
 * manage the file would take it over and not give it back as it was. Else the file itself is replaced (resolv.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/host_priv.h"

#define SERVERS_MAX 3
#define TEXT_MAX    8192
#define RESOLVED_UPSTREAM "/run/systemd/resolve/resolv.conf" /* the servers behind its stub, while it runs */

static bool is_loopback(uint32_t addr)
{
    return addr >> 24 == 127;
}

/* "a", "a b", ... */
static void ip_text(uint32_t addr, char ret[INET_ADDRSTRLEN])
{
    struct in_addr in = {htonl(addr)};
    inet_ntop(AF_INET, &in, ret, INET_ADDRSTRLEN);
}

/*
 * Its socket exists while the service runs; its files outlive it. The program alone says nothing, and calling it could
 * start a service that nobody enabled.
 */
static bool resolved_runs(void)
{
    return access("/run/systemd/resolve/io.systemd.Resolve", F_OK) == 0;
}

/*
 * Through its stub, that is. A link to the list of all servers it knows does not do: the ones of the Wi-Fi, which lead
 * nowhere now, may come first in it.
 */
static bool resolved_rules_file(void)
{
    char text[TEXT_MAX];
    uint32_t first;
    resolv_read(text, sizeof text);
    return resolv_nameservers(text, &first, 1) == 1 && (first == 0x7f000035 || first == 0x7f000036); /* 127.0.0.53, .54 */
}

static int resolved_call(const char *const argv[], uint64_t deadline_ms)
{
    char said[512];
    int status = child_run(argv, NULL, said, sizeof said, deadline_ms);
    if (status != 0) {
        said[strcspn(said, "\n")] = '\0';
        log_debug("host", NULL, "resolvectl-failed", "command=%s status=%d said=\"%.200s\"", argv[1], status, said);
    }
    return status == 0 ? 0 : status < 0 ? status : -EIO;
}

static int resolved_set(struct host_state *host, const char *ifname, const uint32_t *addrs, size_t count, uint64_t deadline_ms)
{
    char ip[SERVERS_MAX][INET_ADDRSTRLEN];
    const char *dns[3 + SERVERS_MAX + 1] = {"resolvectl", "dns", ifname};
    for (size_t i = 0; i < count && i < SERVERS_MAX; i++) {
        ip_text(addrs[i], ip[i]);
        dns[3 + i] = ip[i];
    }
    /* "~.": every name goes to this link, whatever other links offer. */
    const char *const domain[] = {"resolvectl", "domain", ifname, "~.", NULL};
    const char *const route[] = {"resolvectl", "default-route", ifname, "yes", NULL};
    snprintf(host->resolved_ifname, sizeof host->resolved_ifname, "%s", ifname);
    int rc = resolved_call(dns, deadline_ms);
    if (rc == 0)
        rc = resolved_call(domain, deadline_ms);
    if (rc == 0 && resolved_call(route, deadline_ms) != 0)
        log_debug("host", NULL, "resolvectl-default-route", "why=\"unknown before systemd 240; ~. suffices\"");
    if (rc != 0)
        dns_resolved_revert(host);
    return rc;
}

void dns_resolved_revert(struct host_state *host)
{
    if (host->resolved_ifname[0] == '\0')
        return;
    const char *const argv[] = {"resolvectl", "revert", host->resolved_ifname, NULL};
    if (if_nametoindex(host->resolved_ifname) != 0) /* a link that has gone took its settings along */
        resolved_call(argv, child_now_ms() + CHILD_TIMEOUT_MS);
    host->resolved_ifname[0] = '\0';
}

/* Both kinds sign the file or have a link to their own. */
static bool resolvconf_rules_file(void)
{
    char program[512], text[TEXT_MAX], target[256];
    if (child_find("resolvconf", program, sizeof program) != 0)
        return false;
    ssize_t n = readlink("/etc/resolv.conf", target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    resolv_read(text, sizeof text);
    char *second = strchr(text, '\n');
    if (second != NULL)
        second[1 + strcspn(second + 1, "\n")] = '\0'; /* the signature is in the first two lines */
    return strstr(target, "resolvconf/") != NULL ||
           (text[0] == '#' && (strstr(text, "enerated by resolvconf") != NULL || strstr(text, "resolvconf(8)") != NULL));
}

static int resolvconf_delete(const char *record, uint64_t deadline_ms)
{
    char said[512];
    /* -f: openresolv is to be silent when there is no such record; Debian's is anyway, and ignores it. */
    const char *const argv[] = {"resolvconf", "-d", record, "-f", NULL};
    return child_run(argv, NULL, said, sizeof said, deadline_ms);
}

/* Whether our server, or a local one that resolvconf told about it, comes first now. */
static bool resolvconf_took(uint32_t addr)
{
    char text[TEXT_MAX];
    uint32_t first;
    resolv_read(text, sizeof text);
    return resolv_nameservers(text, &first, 1) == 1 && (first == addr || is_loopback(first));
}

static int resolvconf_set(struct host_state *host, const char *ifname, const uint32_t *addrs, size_t count, uint64_t deadline_ms)
{
    char record[IFNAMSIZ + 16], input[256] = "", ip[INET_ADDRSTRLEN], said[512];
    size_t len = 0;
    /* Debian's ranks records by name, "tun*" next to the loopback. openresolv: metric 0, and nobody else's (-x). */
    snprintf(record, sizeof record, "tun.%s.tether", ifname);
    for (size_t i = 0; i < count && i < SERVERS_MAX; i++) {
        ip_text(addrs[i], ip);
        len += (size_t)snprintf(input + len, sizeof input - len, "nameserver %s\n", ip);
    }
    bool journaled = false;
    for (size_t i = 0; i < host->journal.count; i++)
        journaled |= strncmp(host->journal.lines[i], "resolvconf ", 11) == 0 &&
                     strcmp(host->journal.lines[i] + 11, record) == 0;
    int rc = journaled ? 0 : host_journal(host, NULL, "resolvconf %s", record);
    if (rc != 0)
        return rc;
    const char *const argv[] = {"resolvconf", "-a", record, "-m", "0", "-x", NULL};
    int status = child_run(argv, input, said, sizeof said, deadline_ms);
    if (status == 0 && resolvconf_took(addrs[0]))
        return 0;
    said[strcspn(said, "\n")] = '\0';
    log_debug("host", NULL, "resolvconf-failed", "status=%d said=\"%.200s\"", status, said);
    if (resolvconf_delete(record, child_now_ms() + CHILD_TIMEOUT_MS) == 0 && !journaled)
        journal_drop_last(&host->journal);
    return status < 0 ? status : -EIO;
}

/* "RECORD" */
int dns_resolvconf_undo(const struct undo *undo, char *args)
{
    (void)undo;
    if (strncmp(args, "tun.", 4) != 0 || strpbrk(args, " /") != NULL)
        return -EBADMSG;
    int status = resolvconf_delete(args, child_now_ms() + CHILD_TIMEOUT_MS);
    if (status == -ENOENT) /* uninstalled, and its records with it */
        return 0;
    return status == 0 ? 1 : status < 0 ? status : -EIO;
}

int dns_set(struct host_state *host, const char *ifname, const uint32_t *addrs, size_t count, struct err *err)
{
    if (count == 0)
        return err_set(err, -EINVAL, "name servers: none given");
    if (ifname[0] == '\0' || strlen(ifname) >= IFNAMSIZ || strpbrk(ifname, "/ \n") != NULL)
        return err_set(err, -EINVAL, "interface %.40s: no such name is possible", ifname);
    int rc = journal_dir_lock(host->dir_fd);
    if (rc != 0)
        return err_set(err, rc, "state directory %s: another tether is working in it; try again", host->state_dir);
    uint64_t deadline_ms = child_now_ms() + CHILD_TIMEOUT_MS;
    enum dns_means means = DNS_NONE;
    /* Told even where it does not rule the file: programs may ask it by other ways (nss-resolve). */
    if (host->dns != DNS_RESOLVCONF && resolved_runs() && resolved_set(host, ifname, addrs, count, deadline_ms) == 0 &&
        host->dns != DNS_FILE && resolved_rules_file())
        means = DNS_RESOLVED;
    if (means == DNS_NONE && host->dns != DNS_FILE && resolvconf_rules_file() &&
        resolvconf_set(host, ifname, addrs, count, deadline_ms) == 0)
        means = DNS_RESOLVCONF;
    if (means == DNS_NONE) {
        rc = resolv_set(host, addrs, count, err);
        means = DNS_FILE;
    }
    if (rc == 0)
        host->dns = means;
    journal_dir_unlock(host->dir_fd);
    static const char *const names[] = {"none", "systemd-resolved", "resolvconf", "/etc/resolv.conf"};
    log_debug("host", NULL, "dns-set", "means=%s result=%d servers=%zu", names[means], rc, count);
    return rc;
}

static size_t keep_remote(uint32_t *addrs, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_loopback(addrs[i]) && addrs[i] != 0)
            addrs[kept++] = addrs[i];
    return kept;
}

size_t host_resolvers(uint32_t *ret_addrs, size_t cap)
{
    char text[TEXT_MAX];
    resolv_read(text, sizeof text);
    size_t count = keep_remote(ret_addrs, resolv_nameservers(text, ret_addrs, cap));
    if (count > 0)
        return count;
    FILE *f = fopen(RESOLVED_UPSTREAM, "re"); /* behind the stub */
    if (f == NULL)
        return 0;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return keep_remote(ret_addrs, resolv_nameservers(text, ret_addrs, cap));
}
