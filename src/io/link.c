/* io/link.c - see link.h: which pair runs */
#include "io/link_priv.h"

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
    if (kind != LINK_PORTABLE) {
        int failed = inject_packet_open(ifname, addr, mtu, ret_inject, err);
        if (failed == 0 || kind == LINK_PACKET)
            return failed;
        log_debug("server", NULL, "injection by raw socket only", "why=\"%s\"", err->text);
        *err = (struct err){0};
    }
    return inject_raw_open(ifname, addr, mtu, ret_inject, err);
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
