/*
 * io/capture_pcap.c - answers from the internet by libpcap: the portable, reference capture
 *
 * Two captures: the external interface, and the loopback, over which packets to the server's own address travel. The kernel
 * filter passes what the NAT may own and nothing else: its port range, ICMP answers and errors, and later fragments (which
 * carry no ports).
 */
#include "io/link_priv.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

enum {
    SNAP_LEN = 65535 + 64, /* GRO hands over packets of up to 64 KB */
    BUFFER_BYTES = 32 * 1024 * 1024, /* every slot is as long as the longest packet: 500 of them */
    LOOPBACK_BYTES = 8 * 1024 * 1024,
    BATCH = 256,
    TAPS = 2,
};

struct tap {
    pcap_t *pcap;
    struct io_poll *poll;
    struct capture *capture;
    int link_header;
};

struct capture_pcap {
    struct capture base;
    struct tap tap[TAPS];
    uint64_t cut;
};

static void on_packet(u_char *ctx, const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct tap *t = (struct tap *)ctx;
    if (header->caplen < header->len || header->caplen <= (bpf_u_int32)t->link_header) {
        ((struct capture_pcap *)t->capture)->cut++; /* libpcap sizes its slots by the interface's offloads when it opens it */
        return;
    }
    /* libpcap's own buffer may be written: it is handed back to the kernel afterwards. */
    t->capture->cb(t->capture->ctx, (uint8_t *)(uintptr_t)bytes + t->link_header,
                   header->caplen - (size_t)t->link_header, NULL);
}

static void on_readable(void *ctx, int events)
{
    struct tap *t = ctx;
    (void)events;
    pcap_dispatch(t->pcap, BATCH, on_packet, (u_char *)t);
}

static int link_header_len(pcap_t *pcap)
{
    switch (pcap_datalink(pcap)) {
    case DLT_EN10MB:
        return 14;
    case DLT_LINUX_SLL:
        return 16;
    case DLT_RAW:
        return 0;
    default:
        return -1;
    }
}

static int set_filter(pcap_t *pcap, const struct capture_filter *f)
{
    char text[CAPTURE_FILTER_TEXT_MAX];
    capture_filter_text(f, text);
    struct bpf_program program;
    if (pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
        return -1;
    int failed = pcap_setfilter(pcap, &program);
    pcap_freecode(&program);
    return failed;
}

static int activate(pcap_t *p, const struct capture_filter *filter, int buffer, char error[PCAP_ERRBUF_SIZE])
{
    pcap_set_snaplen(p, SNAP_LEN);
    pcap_set_immediate_mode(p, 1); /* a packet now is worth more than a full block later */
    pcap_set_buffer_size(p, buffer);
    int status = pcap_activate(p);
    if (status < 0) {
        snprintf(error, PCAP_ERRBUF_SIZE, "%s (%s)", pcap_statustostr(status), pcap_geterr(p));
        return status == PCAP_ERROR_PERM_DENIED ? -EPERM : status == PCAP_ERROR_NO_SUCH_DEVICE ? -ENODEV : -EIO;
    }
    if (link_header_len(p) < 0) {
        snprintf(error, PCAP_ERRBUF_SIZE, "its link type is not supported");
        return -ENOTSUP;
    }
    if (set_filter(p, filter) < 0 || pcap_setdirection(p, PCAP_D_IN) < 0) {
        snprintf(error, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(p));
        return -EIO;
    }
    return pcap_setnonblock(p, 1, error) < 0 ? -EIO : 0;
}

static int open_tap(struct io_loop *loop, struct tap *t, const char *ifname, const struct capture_filter *filter,
                    int buffer, struct err *err)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    t->pcap = pcap_create(ifname, error);
    int failed = t->pcap == NULL ? -EIO : activate(t->pcap, filter, buffer, error);
    if (failed == -EPERM)
        return err_set(err, failed, "capture on %s needs root (CAP_NET_RAW): run it with sudo", ifname);
    if (failed)
        return err_set(err, failed, "cannot capture on %s: %s", ifname, error);
    t->link_header = link_header_len(t->pcap);
    failed = io_poll_new(loop, pcap_get_selectable_fd(t->pcap), IO_READABLE, on_readable, t, &t->poll);
    return failed ? err_set(err, failed, "cannot watch the capture on %s: %s", ifname, strerror(-failed)) : 0;
}

static uint64_t drops(struct capture *base)
{
    struct capture_pcap *c = (struct capture_pcap *)base;
    uint64_t sum = c->cut;
    for (int i = 0; i < TAPS; i++) {
        struct pcap_stat stat;
        if (pcap_stats(c->tap[i].pcap, &stat) == 0)
            sum += stat.ps_drop;
    }
    return sum;
}

static void close_all(struct capture *base)
{
    struct capture_pcap *c = (struct capture_pcap *)base;
    for (int i = 0; i < TAPS; i++) {
        if (c->tap[i].poll != NULL)
            io_poll_close(c->tap[i].poll);
        if (c->tap[i].pcap != NULL)
            pcap_close(c->tap[i].pcap);
    }
    free(c);
}

static const struct capture_ops ops = {.name = "pcap", .drops = drops, .close = close_all};

int capture_pcap_open(struct io_loop *loop, const char *ifname, const struct capture_filter *filter, capture_cb cb, void *ctx,
                      struct capture **ret_capture, struct err *err)
{
    struct capture_pcap *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->base = (struct capture){.ops = &ops, .cb = cb, .ctx = ctx};
    c->tap[0].capture = c->tap[1].capture = &c->base;
    int failed = open_tap(loop, &c->tap[0], ifname, filter, BUFFER_BYTES, err);
    if (!failed)
        failed = open_tap(loop, &c->tap[1], "lo", filter, LOOPBACK_BYTES, err);
    if (failed) {
        close_all(&c->base);
        return failed;
    }
    *ret_capture = &c->base;
    return 0;
}
