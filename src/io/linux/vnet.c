/* io/linux/vnet.c - see vnet.h */
#include "io/linux/vnet.h"

#include <errno.h>
#include <stddef.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

int vnet_get(const struct virtio_net_hdr *header, struct offload *ret_offload)
{
    struct offload offload = {.partial = (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0};
    switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        break;
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV6:
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        offload.seg_len = header->gso_size;
        break;
    default:
        return -EPROTO;
    }
    *ret_offload = offload;
    return 0;
}

void vnet_put(struct virtio_net_hdr *header, const struct ip4_view *v, size_t link_len, const struct offload *offload)
{
    bool tcp = v->proto == IP_PROTO_TCP;
    size_t headers = v->header_len + v->l4_header_len;
    *header = (struct virtio_net_hdr){0};
    if (offload->partial) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = (uint16_t)(link_len + v->header_len);
        header->csum_offset = tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check);
    }
    if (offload->seg_len == 0 || v->len - headers <= offload->seg_len)
        return;
    header->gso_type = tcp ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4;
    if (tcp && (v->tcp_flags & TCP_CWR))
        header->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    header->gso_size = offload->seg_len;
    header->hdr_len = (uint16_t)(link_len + headers);
}
