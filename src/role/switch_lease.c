/*
 * role/switch_lease.c - leases that outlive the process: STATE-DIR/switch-PORT.leases
 *
 * The file counts in seconds since 1970, the server in the loop's own time; the two meet here.
 */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "role/switch_priv.h"

enum { LINES_MAX = 4096 }; /* more than twice as many as there are leases: then the file is written anew */

static void restore(void *ctx, const char *line)
{
    struct switch_role *sw = ctx;
    if (!dhcp_server_restore(sw->dhcp, line, (uint64_t)time(NULL), io_now_ms(sw->loop)))
        sw->lost_leases++;
}

static int write_down(struct switch_role *sw, const struct dhcp_lease *lease)
{
    char line[DHCP_LINE_MAX];
    uint64_t now_ms = io_now_ms(sw->loop), left_ms = lease->until_ms > now_ms ? lease->until_ms - now_ms : 0;
    dhcp_lease_print(lease, lease->state == DHCP_BOUND ? (uint64_t)time(NULL) + left_ms / 1000 : 0, line);
    return lines_add(sw->leases, line);
}

static void renew_file(struct switch_role *sw)
{
    struct dhcp_leases *all = dhcp_server_leases(sw->dhcp);
    int failed = lines_renew(sw->leases);
    for (size_t i = 0; i < dhcp_leases_count(all) && !failed; i++) {
        const struct dhcp_lease *l = dhcp_leases_at(all, i);
        if (l->mac != 0 && l->state != DHCP_OFFERED)
            failed = write_down(sw, l);
    }
    if (!failed)
        failed = lines_replace(sw->leases);
    if (failed)
        log_warn("switch", NULL, "lease file not renewed", "code=%d", failed);
}

int switch_leases_open(struct switch_role *sw, struct err *err)
{
    char name[64];
    snprintf(name, sizeof name, "switch-%u.leases", sw->setup.port);
    int failed = lines_open(sw->common->state_dir, name, restore, sw, &sw->leases, err);
    if (failed)
        return failed;
    if (sw->lost_leases > 0)
        log_warn("switch", NULL, "lease file has lines that are none", "file=%s/%s lines=%llu", sw->common->state_dir, name,
                 (unsigned long long)sw->lost_leases);
    renew_file(sw);
    return 0;
}

void switch_lease_changed(void *ctx, const struct dhcp_lease *lease)
{
    struct switch_role *sw = ctx;
    char mac[ETHER_MAC_TEXT_LEN + 1];
    ether_mac_text(lease->mac, mac);
    log_debug("switch", NULL, "lease", "address=%u.%u.%u.%u mac=%s state=%d", lease->addr >> 24, lease->addr >> 16 & 255,
              lease->addr >> 8 & 255, lease->addr & 255, mac, lease->state);
    int failed = write_down(sw, lease);
    if (failed)
        log_warn("switch", NULL, "lease not written down", "code=%d", failed);
    if (lines_count(sw->leases) > LINES_MAX + 2 * dhcp_leases_count(dhcp_server_leases(sw->dhcp)))
        renew_file(sw);
}
