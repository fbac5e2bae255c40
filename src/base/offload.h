/*
 * base/offload.h - what travels beside a packet that the kernel did not finish
 *
 * Linux hands over and takes packets of up to 64 KB that stand for many on the wire, and packets whose transport checksum is left
 * to a network card (virtio_net_hdr's GSO and NEEDS_CSUM). Such packets cross the tunnel as they are; these two facts go with
 * them. Which protocol is segmented, and where the checksum lies, the packet itself tells.
 */
#ifndef TETHER_BASE_OFFLOAD_H
#define TETHER_BASE_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

struct offload {
    uint16_t seg_len; /**< payload bytes of each packet on the wire (TCP's MSS; UDP's datagram); 0: this is one packet */
    bool partial;     /**< the transport checksum field holds the folded pseudo-header sum, not complemented, nothing else */
};

#endif
