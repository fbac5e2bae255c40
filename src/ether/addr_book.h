/*
 * ether/addr_book.h - who has which IP address, as ARP, neighbour discovery and packets tell
 *
 * What a neighbour table is to a host, and to a switch the means against liars: who was heard with an address a moment ago keeps it.
 * A port may have so many addresses; the one heard longest ago goes for a new one, which costs nobody else anything.
 */
#ifndef TETHER_ETHER_ADDR_BOOK_H
#define TETHER_ETHER_ADDR_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr_book;
struct addr_book_config {
    uint32_t max_ports, max_per_port;
    uint32_t hold_ms; /**< an address heard within so long does not pass to another card or port */
    uint64_t seed;    /**< of the hash */
};
/** An address in its network. */
struct addr_key {
    uint64_t hi, lo; /**< IPv4: 0 and the address, host order */
    uint16_t vlan;   /**< ETHER_VLAN_NONE: untagged */
    uint8_t version; /**< 4 or 6 */
};
struct addr_entry {
    struct addr_key key;
    uint64_t mac, heard_ms;
    uint32_t port;
};
static inline struct addr_key addr_key4(uint16_t vlan, uint32_t addr)
{
    return (struct addr_key){.lo = addr, .vlan = vlan, .version = 4};
}
static inline struct addr_key addr_key6(uint16_t vlan, const uint64_t addr[2])
{
    return (struct addr_key){.hi = addr[0], .lo = addr[1], .vlan = vlan, .version = 6};
}

/** @return 0, -EINVAL for a limit of 0, -ENOMEM */
int addr_book_new(const struct addr_book_config *config, struct addr_book **ret_book);
void addr_book_free(struct addr_book *book);
/** Heard: `mac` at `port` uses an address. @return false: somebody else does */
bool addr_book_hear(struct addr_book *book, const struct addr_key *key, uint64_t mac, uint32_t port, uint64_t now_ms);
/** @return false: nobody was heard with it, or his port is gone */
bool addr_book_find(const struct addr_book *book, const struct addr_key *key, struct addr_entry *ret_entry);
/** Was somebody other than this card heard with it since then? */
bool addr_book_is_others(const struct addr_book *book, const struct addr_key *key, uint64_t mac, uint64_t since_ms);
void addr_book_forget_port(struct addr_book *book, uint32_t port);
/** Addresses heard at a port. */
uint32_t addr_book_count(const struct addr_book *book, uint32_t port);

#endif
