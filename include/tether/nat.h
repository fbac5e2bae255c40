/*
 * tether/nat.h - the userspace NAT: port tuples, endpoint-independent mapping, address-dependent filtering
 *
 * An inside endpoint (session, protocol, address, port) is mapped to one external port for as long as it has flows (RFC 4787
 * REQ-1); a packet from outside passes only to a mapping one of whose flows went to its sender (REQ-8). Sessions keep
 * laptops apart that all call themselves 10.0.0.1. Pure: no I/O, time and randomness come from the caller, every table has a
 * limit; full means the new is refused and counted.
 */
#ifndef TETHER_NAT_H
#define TETHER_NAT_H

#include "base/span.h"
#include "tether/packet.h"

struct nat;

struct nat_prefix {
    uint32_t addr; /**< host order */
    uint8_t len;
};
/** What laptops may reach although it would be refused: a prefix, or only one port (TCP and UDP) of its hosts. */
struct nat_allow {
    struct nat_prefix prefix;
    uint16_t port; /**< 0: everything, ping too */
};

/** Who may send to a mapping from outside (RFC 4787 section 5). TCP: see docs/NAT.md */
enum nat_filter {
    NAT_FILTER_ADDRESS,      /**< addresses it sent to */
    NAT_FILTER_ADDRESS_PORT, /**< addresses and ports it sent to */
    NAT_FILTER_ENDPOINT,     /**< everybody: endpoint-independent */
};

struct nat_config {
    uint32_t external;           /**< the server's address, host order */
    uint16_t port_lo, port_hi;   /**< lent ports and echo identifiers */
    uint16_t low_lo, low_hi;     /**< lent to inside ports below 1024 (RFC 4787 REQ-3 a), themselves below; 0: such get one of the others */
    uint16_t link_mtu;           /**< of the external link: MSS clamp, fragmentation-needed */
    enum nat_filter filter;
    uint32_t max_flows;          /**< of all sessions together */
    uint32_t max_sessions;       /**< with flows, a lease, or something counted in the last second: others are forgotten when there are more */
    uint32_t client_ports;       /**< of one session, for each protocol; this and the next three: 0 is no limit (RFC 6888 REQ-4, 5) */
    uint32_t client_flows;       /**< of one session */
    uint32_t client_rate;        /**< new flows of one session a second; the same number at once */
    uint32_t answer_rate;        /**< ICMP errors and RSTs to one session a second (RFC 1812 section 4.3.2.8) */
    uint32_t udp_idle_ms;        /**< RFC 4787 REQ-5: 300,000 */
    uint32_t udp_dns_idle_ms;    /**< of flows that only went to port 53 (RFC 4787 REQ-5 a): 30,000 */
    uint32_t tcp_established_ms; /**< RFC 5382 REQ-5: 7,440,000 */
    uint32_t tcp_opening_ms;     /**< RFC 5382 REQ-5: 240,000; of its own by RFC 7857 section 2.2 */
    uint32_t tcp_closing_ms;     /**< the same: 240,000 */
    uint32_t icmp_idle_ms;       /**< RFC 5508 REQ-2: 60,000 */
    uint32_t port_rest_ms;       /**< a freed UDP port or echo identifier is not lent again for so long (RFC 6888 REQ-8) */
    uint32_t fragment_ms;        /**< a datagram's fragments wait so long for the rest: 2,000 */
    uint32_t fragment_bytes;     /**< room for them, each side: 8 MB; one sender or laptop gets an eighth */
    const struct nat_allow *allow; /**< copied */
    size_t allow_count;
    uint64_t seed;               /**< of port choice and hashing: from the system's random source, or fixed in tests */
};
/** The defaults named above, for an address. */
void nat_config_defaults(struct nat_config *config, uint32_t external);

enum nat_verdict {
    NAT_DROP,    /**< reason tells why */
    NAT_HELD,    /**< a fragment, kept until the rest comes */
    NAT_FORWARD, /**< in2out: send `packet` to the internet; out2in: give it to `session` */
    NAT_REPLY,   /**< `packet` is an answer (ICMP error, RST) for the side it came from; reason tells why */
    NAT_HAIRPIN, /**< in2out only: `packet` goes back inside, to `session` */
};
struct nat_result {
    enum nat_verdict verdict;
    enum drop reason;
    uint32_t session;
    uint8_t *packet; /**< the input rewritten in place, or memory of the NAT's, borrowed until the next call */
    size_t len;      /**< by the header; may exceed the link's MTU: whoever sends it cuts it */
    struct offload offload; /**< of `packet` */
};

/** @return 0, -EINVAL for a contradictory config, -ENOMEM */
int nat_new(const struct nat_config *config, struct nat **ret_nat);
void nat_free(struct nat *nat);
/**
 * A packet from a laptop.
 *
 * @param session identifies the laptop; never 0 @param packet mutable, from the IPv4 header on, from an untrusted source
 * @param offload what came beside it, as untrusted; NULL when nothing is known: then it is guessed, see ip4_guess_offload()
 */
void nat_in2out(struct nat *nat, uint32_t session, uint8_t *packet, size_t len, const struct offload *offload,
                uint64_t now_ms, struct nat_result *ret_result);
/** A captured packet from the internet, which may be larger than the MTU. @param offload as above */
void nat_out2in(struct nat *nat, uint8_t *packet, size_t len, const struct offload *offload, uint64_t now_ms,
                struct nat_result *ret_result);
enum { NAT_OWN_MAX = 64 };
/** The server's own addresses beside the external one, which laptops may not reach. @return 0; -ENOBUFS: only the first were kept */
int nat_set_own(struct nat *nat, const uint32_t *addrs, size_t count);
/** The external link's MTU changed. @param mtu what a link of IPv4 cannot have is taken for the least it can */
void nat_set_link_mtu(struct nat *nat, uint16_t mtu);
/**
 * Packets that will be given soon: their flows are fetched into the cache, all at once instead of one wait after the other. Changes nothing
 * else, and packets may still turn out different.
 *
 * @param session the packets' laptop; 0: captured ones @param count beyond NAT_AHEAD_MAX the rest is left
 */
void nat_prefetch(const struct nat *nat, uint32_t session, const struct span *packets, size_t count);
enum { NAT_AHEAD_MAX = 32 };
/** Let timers fire. Call about once a second. */
void nat_tick(struct nat *nat, uint64_t now_ms);
/**
 * From now on the session's packets bear a source of this prefix, or they are dropped. Before, any source will do that can be one.
 *
 * @return 0, -EINVAL, or -ENOBUFS when there are too many sessions
 */
int nat_set_lease(struct nat *nat, uint32_t session, struct nat_prefix lease, uint64_t now_ms);
/** Forget a session with its lease and all its flows. Where there are many, their places in the tables come back with the next ticks and packets. */
void nat_end_session(struct nat *nat, uint32_t session, uint64_t now_ms);

/** May a laptop send there, by the policy alone? For who routes without this NAT. @param proto IP_PROTO_* @param dst_port 0 for ICMP; host order */
bool nat_allows(const struct nat *nat, uint8_t proto, uint32_t dst, uint16_t dst_port);

struct nat_stats {
    /* packets and bytes that were forwarded; a reply is counted with its reason in drops_ too */
    uint64_t in2out_packets, in2out_bytes, out2in_packets, out2in_bytes, replies, hairpins;
    uint64_t replies_held; /* by answer_rate */
    uint64_t drops_in2out[DROP_COUNT], drops_out2in[DROP_COUNT];
    uint32_t flows, mappings, flows_peak; /* that take up room: of sessions that ended as well, until they are freed */
};
const struct nat_stats *nat_stats(const struct nat *nat);

#endif
