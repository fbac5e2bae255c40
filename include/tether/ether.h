/*
 * tether/ether.h - Ethernet: looking into frames, and which port a station lives behind
 *
 * Pure, like tether/packet.h: bytes in place, bounds checked before they are read, no I/O. A MAC address is a number of 48 bits, the first
 * byte on the wire the highest: it compares, hashes and fits a register.
 */
#ifndef TETHER_ETHER_H
#define TETHER_ETHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ETHER_HEADER_LEN = 14,
    ETHER_TAG_LEN = 4,
    ETHER_MIN_LEN = 60, /* what a card pads to (without the checksum, which never travels here) */
    ETHER_MAX_LEN = 65535 + ETHER_HEADER_LEN + 2 * ETHER_TAG_LEN,
    ETHER_VLAN_NONE = 0, /* IEEE 802.1Q section 9.6: a tag with this number carries only a priority */
    ETHER_VLAN_MAX = 4094,
};
enum {
    ETHER_TYPE_IP4 = 0x0800,
    ETHER_TYPE_ARP = 0x0806,
    ETHER_TYPE_VLAN = 0x8100,
    ETHER_TYPE_IP6 = 0x86dd,
    ETHER_TYPE_QINQ = 0x88a8,
};
#define ETHER_BROADCAST UINT64_C(0xffffffffffff)

/** A parsed frame; borrows the bytes it was parsed from and is never stored. */
struct ether_view {
    uint64_t dst, src;
    uint16_t vlan;    /**< of the outermost tag; ETHER_VLAN_NONE without one */
    uint16_t type;    /**< behind all tags; below 0x600 it is the length of an IEEE 802.3 frame */
    bool tagged;      /**< a tag is there, whatever its number */
    uint8_t *frame;
    size_t len;
    uint8_t *payload; /**< behind the type; may have padding at its end */
    size_t payload_len;
};

/** @return false: shorter than its headers, or a VLAN number that is reserved (4095). Addresses are not judged. */
bool ether_parse(uint8_t *frame, size_t len, struct ether_view *ret_view);

/** Group bit: multicast or broadcast. */
static inline bool ether_is_group(uint64_t mac)
{
    return mac >> 40 & 1;
}
/** Can a frame come from there? Not from a group, and not from nobody. */
static inline bool ether_is_station(uint64_t mac)
{
    return mac != 0 && !ether_is_group(mac);
}
/** 01-80-C2-00-00-00 to 0F: spoken between neighbours, never forwarded (IEEE 802.1Q section 8.6.3, table 8-1). */
static inline bool ether_is_link_local(uint64_t mac)
{
    return (mac & ~UINT64_C(0xf)) == UINT64_C(0x0180c2000000);
}

uint64_t ether_get_mac(const uint8_t *at);
void ether_put_mac(uint8_t *at, uint64_t mac);
/** Write an untagged header of ETHER_HEADER_LEN bytes. */
void ether_put_header(uint8_t *at, uint64_t dst, uint64_t src, uint16_t type);

enum { ETHER_MAC_TEXT_LEN = 17 };
/** "02:00:5e:10:00:01", and NUL. */
void ether_mac_text(uint64_t mac, char ret_text[ETHER_MAC_TEXT_LEN + 1]);
/** The same back, also with '-'. @return 0 or -EINVAL */
int ether_mac_parse(const char *text, uint64_t *ret_mac);

/* --- which port a station lives behind (IEEE 802.1Q section 8.8) --- */

/**
 * Learns from the source address of each frame. A port may hold so many stations, so that one that invents addresses
 * leaves room for the others; all ports together no more than max_ports * max_per_port.
 */
struct mac_table;

struct mac_table_config {
    uint32_t max_ports;    /**< ports are numbers below this */
    uint32_t max_per_port; /**< stations behind one */
    uint32_t idle_ms;      /**< silent for so long: forgotten (IEEE 802.1Q table 8-6: 300,000) */
    uint32_t hold_ms;      /**< heard within so long, a station does not move to another port; 0: it moves at once */
    uint64_t seed;         /**< of the hash: strangers choose the addresses */
};

enum mac_learned {
    MAC_KNOWN,   /**< heard before at this port */
    MAC_NEW,
    MAC_MOVED,   /**< was behind another port */
    MAC_HELD,    /**< refused: it was heard at another port within hold_ms */
    MAC_FULL,    /**< refused: the port holds as many as it may */
    MAC_INVALID, /**< refused: no station's address, or no such port */
};

/** @return 0, -EINVAL for a limit of 0, -ENOMEM */
int mac_table_new(const struct mac_table_config *config, struct mac_table **ret_table);
void mac_table_free(struct mac_table *table);
/** A frame from `mac` came in by `port`. Times are monotonic; a station's last frame is known to the second. */
enum mac_learned mac_table_learn(struct mac_table *table, uint16_t vlan, uint64_t mac, uint32_t port, uint64_t now_ms);
/** @param ret_port set only when true @return false: unknown, or silent for too long */
bool mac_table_find(const struct mac_table *table, uint16_t vlan, uint64_t mac, uint64_t now_ms, uint32_t *ret_port);
/** Forget what lives behind a port: its cable was pulled. */
void mac_table_forget_port(struct mac_table *table, uint32_t port);
/** Forget who was silent for too long. Call now and then. */
void mac_table_expire(struct mac_table *table, uint64_t now_ms);
/** Stations behind a port. */
uint32_t mac_table_count(const struct mac_table *table, uint32_t port);
/** One of them, any, e.g. to show who is there. @return 0: none */
uint64_t mac_table_any(const struct mac_table *table, uint32_t port);

#endif
