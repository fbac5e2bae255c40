/* io/link.c - see link.h: which pair runs */
#include "io/link_priv.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

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

void inject_set_own(struct inject *inject, const uint32_t *addrs, size_t count)
{
    for (; inject != NULL; inject = inject->portable) {
        inject->own_count = count < INJECT_OWN_MAX ? count : INJECT_OWN_MAX;
        memcpy(inject->own, addrs, inject->own_count * sizeof *addrs);
    }
}

bool inject_is_own(const struct inject *inject, uint32_t dst)
{
    for (size_t i = 0; i < inject->own_count; i++)
        if (inject->own[i] == dst)
            return true;
    return dst >> 24 == 127;
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
