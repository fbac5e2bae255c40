/*
 * io/linux/vnet.h - struct offload as the kernel writes it: the virtio_net_hdr in front of packets of TUN and AF_PACKET
 */
#ifndef TETHER_IO_LINUX_VNET_H
#define TETHER_IO_LINUX_VNET_H

#include <linux/virtio_net.h>

#include "tether/packet.h"

/**
 * Read what the kernel says about a packet it hands over.
 *
 * @return 0; -EPROTO for a kind of segmentation that cannot be expressed (old UDP fragmentation offload)
 */
int vnet_get(const struct virtio_net_hdr *header, struct offload *ret_offload);
/**
 * Tell the kernel what it has to finish.
 *
 * @param v the parsed packet @param link_len bytes of a link header in front of it @param offload already judged by ip4_view_offload()
 */
void vnet_put(struct virtio_net_hdr *header, const struct ip4_view *v, size_t link_len, const struct offload *offload);

#endif
