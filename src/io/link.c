/* io/link.c - see link.h: which pair runs */
#include "io/link_priv.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "tether/packet.h"

enum { INJECT_MTU_MIN = 68 }; /* RFC 791 section 3.2 */

int capture_open(struct io_loop *loop, const char *ifname, const struct capture_filter *filter, enum link_kind kind,
                 capture_cb cb, void *ctx, struct capture **ret_capture, struct err *err)
{
    if (kind != LINK_PORTABLE) {
        int failed = capture_packet_open(loop, ifname, filter, cb, ctx, ret_capture, err);
        if (failed == 0 || kind == LINK_PACKET)
            return failed;
        log_debug("server", NULL, "capture by libpcap instead", "why=\"%s\"", err->text);
        *err = (struct err){0};
    }
    return capture_pcap_open(loop, ifname, filter, cb, ctx, ret_capture, err);
}

void capture_on_ahead(struct capture *capture, capture_ahead_cb cb)
{
    capture->ahead = cb;
}

const char *capture_name(const struct capture *capture)
{
    return capture->ops->name;
}

uint64_t capture_drops(struct capture *capture)
{
    return capture->ops->drops(capture);
}

void capture_close(struct capture *capture)
{
    if (capture != NULL)
        capture->ops->close(capture);
}

int inject_open(const char *ifname, uint32_t addr, size_t mtu, enum link_kind kind, struct inject **ret_inject,
                struct err *err)
{
    int failed = -ENOTSUP;
    if (kind != LINK_PORTABLE) {
        failed = inject_packet_open(ifname, addr, mtu, ret_inject, err);
        if (failed != 0 && kind == LINK_PACKET)
            return failed;
        if (failed != 0)
            log_debug("server", NULL, "injection by raw socket only", "why=\"%s\"", err->text);
    }
    if (failed != 0) {
        *err = (struct err){0};
        failed = inject_raw_open(ifname, mtu, ret_inject, err);
    }
    if (failed == 0)
        inject_set_own(*ret_inject, &addr, 1);
    return failed;
}

void inject_count(const struct inject *inject, struct inject_counts *ret_counts)
{
    *ret_counts = inject->counts;
    if (inject->portable != NULL)
        ret_counts->raw = inject->portable->counts.raw;
}

void link_count(struct capture *capture, const struct inject *inject, struct link_counts *ret_counts)
{
    *ret_counts = (struct link_counts){
        .capture = capture_name(capture), .inject = inject_name(inject), .capture_drops = capture_drops(capture)};
    inject_count(inject, &ret_counts->injected);
}

/* By index, for a name may come to mean another interface. @return 0: it is gone */
static size_t mtu_of(int ifindex)
{
    struct ifreq req = {0};
    int fd = if_indextoname((unsigned)ifindex, req.ifr_name) == NULL ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    int failed = ioctl(fd, SIOCGIFMTU, &req);
    close(fd);
    return failed || req.ifr_mtu < 0 ? 0 : (size_t)req.ifr_mtu;
}

size_t inject_follow(struct inject *inject)
{
    const size_t mtu = mtu_of(inject->ifindex);
    for (struct inject *j = inject; j != NULL; j = j->portable) {
        if (mtu >= INJECT_MTU_MIN)
            j->mtu = mtu < IP4_MAX_LEN ? mtu : IP4_MAX_LEN;
        if (j->ops->follow != NULL)
            j->ops->follow(j);
    }
    return inject->mtu;
}

void inject_set_own(struct inject *inject, const uint32_t *addrs, size_t count)
{
    for (; inject != NULL; inject = inject->portable) {
        inject->own_count = count < INJECT_OWN_MAX ? count : INJECT_OWN_MAX;
        memcpy(inject->own, addrs, inject->own_count * sizeof *addrs);
    }
}

const char *inject_name(const struct inject *inject)
{
    return inject->ops->name;
}

int inject_send(struct inject *inject, uint8_t *packet, size_t len, const struct offload *offload)
{
    return inject->ops->send(inject, packet, len, offload);
}

void inject_close(struct inject *inject)
{
    if (inject != NULL)
        inject->ops->close(inject);
}
