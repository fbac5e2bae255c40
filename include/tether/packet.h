/*
 * tether/packet.h - IPv4 packets: looking into them, changing them, making them
 *
 * Everything works in place on contiguous bytes from the IPv4 header on, bounds-checks before it reads, and does no I/O.
 * Addresses and ports in structs are host byte order; on the wire they are network order.
 */
#ifndef TETHER_PACKET_H
#define TETHER_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/offload.h"
#include "base/span.h"

enum { IP4_MIN_LEN = 20, IP4_MAX_LEN = 65535 };
enum { IP_PROTO_ICMP = 1, IP_PROTO_TCP = 6, IP_PROTO_UDP = 17 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32, TCP_ECE = 64, TCP_CWR = 128 };
enum {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_ECHO = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER = 12,
};
enum { ICMP_HOST_UNREACHABLE = 1, ICMP_PORT_UNREACHABLE = 3, ICMP_NEED_FRAG = 4, ICMP_ADMIN_PROHIBITED = 13 };

/** Why a packet went no further. Counted per reason; names by drop_name(). */
enum drop {
    DROP_NONE,
    DROP_NOT_IP4,       /* version is not 4 */
    DROP_TRUNCATED,     /* shorter than its headers say */
    DROP_BAD_HEADER,    /* header length, options or offsets contradict each other */
    DROP_BAD_CHECKSUM,  /* IPv4 header checksum */
    DROP_PROTOCOL,      /* not TCP, UDP or ICMP */
    DROP_ICMP_TYPE,     /* an ICMP type the NAT does not carry */
    DROP_TTL,           /* ran out here */
    DROP_NO_FLOW,       /* nobody asked for it */
    DROP_FILTERED,      /* the mapping exists, but not for this sender */
    DROP_FULL,          /* no room for another flow */
    DROP_NO_PORT,       /* every external port is lent or resting */
    DROP_FRAGMENT,      /* overlapping, too many, too late */
    DROP_TOO_BIG,       /* above the MTU with DF set */
    DROP_POLICY,        /* destination not allowed */
    DROP_SOURCE,        /* source address cannot be, or is not the laptop's */
    DROP_CLIENT_LIMIT,  /* the laptop has its share of ports or flows */
    DROP_CLIENT_RATE,   /* the laptop begins flows too fast */
    DROP_WINDOW,        /* a TCP segment that does not fit its connection */
    DROP_QUEUE,         /* queue full */
    DROP_NO_PATH,       /* no carrier is up */
    DROP_SEND,          /* the kernel refused it */
    DROP_COUNT
};
/** @return a short name, e.g. "no-flow" */
const char *drop_name(enum drop reason);

/** A parsed packet; borrows the bytes it was parsed from and is never stored. */
struct ip4_view {
    uint8_t *ip;      /**< the IPv4 header */
    size_t len;       /**< total length by the header (slack behind it is ignored) */
    size_t header_len;
    uint8_t proto;
    uint32_t src, dst;
    uint16_t frag_off; /**< bytes; 0 for a whole packet or a first fragment */
    bool more_frags, dont_frag;
    uint8_t ttl;
    uint8_t *l4;       /**< behind the IPv4 header */
    size_t l4_len;     /**< what `len` leaves; of a whole UDP packet: what its own length field says, see ip4_parse() */
    uint16_t src_port, dst_port; /**< TCP and UDP; ICMP echo: both the identifier; 0 in non-first fragments and ICMP errors */
    uint8_t tcp_flags;           /**< TCP */
    size_t l4_header_len;        /**< TCP: with options; UDP, ICMP: 8; other protocols, non-first fragments: 0 */
    uint8_t icmp_type, icmp_code;
    bool partial; /**< false after ip4_parse(): the caller says when the transport checksum is unfinished, see ip4_view_offload() */
};
/** True when the packet is a piece of a datagram. */
static inline bool ip4_is_fragment(const struct ip4_view *v)
{
    return v->more_frags || v->frag_off != 0;
}
/**
 * Parse and check lengths. The transport header of a first or whole packet is checked too; other protocols than TCP, UDP
 * and ICMP pass with ports 0, and odd addresses pass: the NAT judges both. A first fragment that does not hold
 * its whole minimal transport header, and a TCP fragment that would begin inside it, are refused (RFC 1858, RFC 3128).
 *
 * Slack: bytes behind the IPv4 total length (link padding) are never read and lie outside `len`. A UDP length field
 * below the IPv4 payload trims `l4_len` only: what follows it is the sender's own surplus area (RFC 9868), which no checksum
 * of ours covers and which travels on unchanged because `len` keeps it.
 *
 * @param len      bytes there; a total length above it is refused, so is a total length of 0 (captured BIG TCP)
 * @param ret_view set only on DROP_NONE
 * @return DROP_NONE, or why it cannot be used
 */
enum drop ip4_parse(uint8_t *packet, size_t len, struct ip4_view *ret_view);
/**
 * Parse the packet quoted inside an ICMP error: an IPv4 header and at least 8 bytes of what it carried (RFC 792).
 *
 * Lenient, for routers change what they quote: the total length may exceed what is there (and is ignored when
 * senseless), the header checksum may be wrong, TCP may be cut to its first 8 bytes. Then tcp_flags is 0 and
 * l4_header_len is what is there, at most 20. All ip4_set_*() work on the view; they mend only the checksums within reach,
 * and keep a wrong one exactly as wrong as it was. Non-first fragments have ports 0.
 *
 * The quoted bytes belong to the outer packet's ICMP checksum: call ip4_l4_csum_ok(outer) before
 * (RFC 5508 REQ-3) and ip4_set_l4_csum(outer) after changing them.
 *
 * @param data behind the 8 bytes of ICMP header: outer.l4 + 8, outer.l4_len - 8
 * @return DROP_NONE, DROP_NOT_IP4, DROP_TRUNCATED or DROP_BAD_HEADER
 */
enum drop ip4_parse_embedded(uint8_t *data, size_t len, struct ip4_view *ret_view);

/**
 * Take over what came beside a parsed packet: sets v->partial.
 *
 * @param offload from an untrusted source
 * @return DROP_NONE; DROP_BAD_HEADER when it contradicts the packet: neither whole TCP nor UDP, a segment length without payload
 *         or without partial checksum (only a finished packet has a finished checksum), more than PACKET_SEGMENTS_MAX segments, or a
 *         TCP packet that cannot be cut (SYN, RST, URG)
 */
enum drop ip4_view_offload(struct ip4_view *v, const struct offload *offload);
/**
 * Where a capture tells nothing: a TCP packet above the MTU stands for segments of the MTU (the kernel merged it, so its checksum
 * was right or is partial: it becomes partial); a partial checksum of another packet is completed.
 */
void ip4_guess_offload(struct ip4_view *v, size_t mtu, struct offload *ret_offload);
/** Give up a TCP or UDP packet's checksum for the pseudo-header sum: whoever sends it finishes it. Only where it is known to be right. */
void ip4_set_partial(struct ip4_view *v);
/** Length of the largest packet on the wire that this one becomes. */
size_t ip4_wire_len(const struct ip4_view *v, uint16_t seg_len);
enum { PACKET_SEGMENTS_MAX = 128 }; /* as in Linux for UDP; bounds what one packet may become */

/* --- checksums (RFC 1071, RFC 1624) --- */

/**
 * Ones' complement sum of bytes, folded to 16 bits, not complemented; network order in, host arithmetic out.
 *
 * @param start a sum to continue, e.g. csum_pseudo(); the bytes summed before must have been even in number
 */
uint16_t csum_sum(const uint8_t *data, size_t len, uint32_t start);
/** Sum of the TCP/UDP pseudo-header, folded, not complemented. */
uint16_t csum_pseudo(uint32_t src, uint32_t dst, uint8_t proto, size_t l4_len);
/** RFC 1624 eqn. 3: the checksum field after a 16-bit word changed. */
uint16_t csum_update16(uint16_t check, uint16_t old_word, uint16_t new_word);
uint16_t csum_update32(uint16_t check, uint32_t old_word, uint32_t new_word);
/** Write the IPv4 header checksum. */
void ip4_set_header_csum(uint8_t *ip, size_t header_len);
/** Compute and write the TCP/UDP/ICMP checksum of a whole packet (UDP 0 becomes 0xffff), which is no longer partial then. Fragments
 *  and cut quotations are left alone. */
void ip4_set_l4_csum(struct ip4_view *v);
/** True when the transport checksum is right. UDP without one, partial ones, fragments, other protocols and cut quotations count as right. */
bool ip4_l4_csum_ok(const struct ip4_view *v);
/**
 * True when the checksum field holds only the folded pseudo-header sum: Linux left the rest to a NIC that was
 * never passed (CHECKSUM_PARTIAL on veth, virtio, lo, and after GRO). One whole packet in 65536 looks like this by chance;
 * completing it is then harmless.
 */
bool ip4_l4_csum_partial(const struct ip4_view *v);

/*
 * --- rewriting: header, pseudo-header and transport checksums stay right, incrementally (RFC 1624) ---
 *
 * A partial checksum (v->partial) is the plain sum of the pseudo-header: addresses change it, ports do not. Where a capture does not
 * tell, the caller asks ip4_l4_csum_partial() first. Fragments: the first one's
 * transport checksum, which covers the whole datagram, is mended; the others' ports do not exist and stay.
 */

void ip4_set_src(struct ip4_view *v, uint32_t addr);
void ip4_set_dst(struct ip4_view *v, uint32_t addr);
/**
 * TCP/UDP port, or the ICMP echo identifier for either (both of the view's ports follow). A UDP checksum of 0 stays 0;
 * one that becomes 0 is written as 0xffff. Nothing happens where there is no port.
 */
void ip4_set_src_port(struct ip4_view *v, uint16_t port);
void ip4_set_dst_port(struct ip4_view *v, uint16_t port);
/** The identification. */
void ip4_set_id(struct ip4_view *v, uint16_t id);
/** Decrement the TTL. @return false when it would reach 0 (then nothing is changed) */
bool ip4_dec_ttl(struct ip4_view *v);
/** Lower the MSS option of a SYN to at most mss (RFC 4459 section 3.2 practice). @return true when changed */
bool tcp_clamp_mss(struct ip4_view *v, uint16_t mss);
/**
 * Overwrite IPv4 options that carry addresses (record route, timestamp) with no-operation: `ping -R` would tell the
 * internet the laptop's inside address.
 *
 * @return false when the packet must be dropped: source-routed (RFC 7126 section 4.3) or malformed options; then it is unchanged
 */
bool ip4_blank_options(struct ip4_view *v);

/* --- making packets; all write a whole packet into out and return its length, 0 when cap is too small --- */

/**
 * An ICMP error about `about`, quoting as much of it as fits 576 bytes (RFC 1812 section 4.3.2.3).
 *
 * @param src   who speaks; the error goes to the source of `about`
 * @param mtu   of the next hop, for ICMP_NEED_FRAG (RFC 1191); ignored otherwise
 * @param about as its sender made it: quote before rewriting, with the addresses the sender knows
 * @return 0 also when no error must be sent (RFC 1122 section 3.2.2): about an ICMP message that is no query, a
 *         non-first fragment, from or to addresses that are not a single host's
 */
size_t icmp_make_error(uint8_t *out, size_t cap, uint32_t src, uint8_t type, uint8_t code, uint16_t mtu,
                       const struct ip4_view *about);
/** The RST that answers a segment (RFC 9293 section 3.10.7.1); 0 for an RST, a fragment, and addresses of no single host. */
size_t tcp_make_rst(uint8_t *out, size_t cap, const struct ip4_view *about);
/**
 * ICMPv6 "no route to destination" about an IPv6 packet (RFC 4443 section 3.1), quoting it up to 1280 bytes in all. It
 * comes from the packet's own destination, an address the asker certainly accepts answers from.
 *
 * @return 0 also when none must be sent (RFC 4443 section 2.4 e): about ICMPv6 errors and redirects, to multicast, from
 *         multicast or the unspecified address, or when the packet is malformed
 */
size_t icmp6_make_unreachable(uint8_t *out, size_t cap, const uint8_t *packet, size_t len);

/* --- cutting to size --- */

/** @param packet borrowed until return */
typedef void (*packet_cb)(void *ctx, const uint8_t *packet, size_t len);
/**
 * Cut a TCP packet larger than mtu into segments as a NIC would: sequence numbers and IDs count up, FIN and PSH on the last,
 * CWR on the first, options on each, all checksums complete. A packet that fits comes out as one, completed too. The given
 * checksum is not looked at, so a partial one needs no completing before (and a wrong one would be covered up).
 *
 * @param mtu     of a segment with its IPv4 header
 * @param scratch where segments are built, of at least min(mtu, v->len) bytes; not overlapping v
 * @return number of packets given to cb; 0 when it is no whole TCP packet or cannot be cut: SYN, RST or URG set, or mtu not above
 *         the headers
 */
size_t tcp_segment(const struct ip4_view *v, size_t mtu, uint8_t *scratch, size_t cap, packet_cb cb, void *ctx);
/**
 * The same for a packet that stands for many, TCP or UDP: pieces of seg_len bytes of payload (the last one may be shorter), each with
 * headers, lengths, IDs and complete checksum of its own.
 *
 * @param seg_len at least 1 @param scratch at least ip4_wire_len() bytes
 * @return number of packets given to cb; 0 as above, and for fragments and other protocols
 */
size_t ip4_segment(const struct ip4_view *v, uint16_t seg_len, uint8_t *scratch, size_t cap, packet_cb cb, void *ctx);
/**
 * The same, all at once: one segment behind the other.
 *
 * @param out     at least IP4_SEGMENTS_ROOM bytes are enough for any packet @param ret_pieces PACKET_SEGMENTS_MAX of them, borrowed from out
 * @return their number; 0 as above, and when they are more or do not fit
 */
size_t ip4_segment_all(const struct ip4_view *v, uint16_t seg_len, uint8_t *out, size_t cap, struct span *ret_pieces);
enum { IP4_SEGMENTS_ROOM = 65535 + PACKET_SEGMENTS_MAX * 120 };
/**
 * Fragment a packet, which may be a fragment itself (RFC 791 section 3.2). Later fragments carry only the options that have the copied
 * flag. A packet that fits comes out as it is.
 *
 * The transport checksum must be complete. @param scratch as in tcp_segment()
 * @return number of fragments given to cb; 0 when it cannot be: DF set, or no room for 8 bytes behind a header
 */
size_t ip4_fragment(const struct ip4_view *v, size_t mtu, uint8_t *scratch, size_t cap, packet_cb cb, void *ctx);

/**
 * Take as many segments as fit max bytes (at least one) off the front of a packet that stands for many.
 *
 * @param packet, len the rest afterwards, which begins further on @param offload the rest's; seg_len 0 when it is one segment
 * @param out where the piece goes, its checksum partial and its segments as long as before; NULL: it is thrown away
 * @return the piece's length; 0 when all of it fits or it cannot be cut, and nothing is changed
 */
size_t ip4_cut(uint8_t **packet, size_t *len, struct offload *offload, size_t max, uint8_t *out);
/** What ip4_cut() would take. @param ret_segments in the piece @return its length, 0 as there */
size_t ip4_cut_len(uint8_t *packet, size_t len, const struct offload *offload, size_t max, size_t *ret_segments);
/**
 * Join a TCP segment, or a UDP datagram of the same flow, to the packet it follows, if what was joined can be cut into exactly the same packets
 * again (but for the IDs of packets with DF, which mean nothing: RFC 6864).
 *
 * @param packet, len, offload the one before, made longer; its checksum becomes partial @param cap bytes there for it
 * @param next  borrowed; may lie behind the packet and be overwritten @return false: it does not follow, or a checksum is wrong; nothing is changed then
 */
bool ip4_coalesce(uint8_t *packet, size_t *len, size_t cap, struct offload *offload, uint8_t *next, size_t next_len,
                  const struct offload *next_offload);

/** Finished packets that come one by one and follow each other, held to go on as one. All zero: empty. */
struct ip4_row {
    size_t len; /**< 0: empty */
    struct offload offload;
    uint8_t packet[IP4_MAX_LEN];
};
/** @return false: it does not follow what is held, or nothing is */
bool ip4_row_join(struct ip4_row *row, uint8_t *packet, size_t len);
/** Hold this one, which is copied; whatever was held must have been taken. @return false: it is too long */
bool ip4_row_begin(struct ip4_row *row, const uint8_t *packet, size_t len);
/** Hand on what is held: packet and offload stay until the next begins. @return its length; 0: nothing is held */
size_t ip4_row_take(struct ip4_row *row);

/**
 * Does a TCP sender lose nothing when it sees only the newer of two acknowledgements? So it is when both are of one connection and direction and only
 * acknowledge (no data, no flag but ACK, no option but timestamps, hence no SACK), the newer one acknowledges more (hence no duplicate),
 * and its window is no smaller.
 *
 * @param older, newer whole packets @return 0: no; else by how many bytes the newer one acknowledges more
 */
uint32_t tcp_ack_supersedes(const uint8_t *older, size_t older_len, const uint8_t *newer, size_t newer_len);

/* --- reassembly (RFC 815, RFC 5722: an overlap kills the datagram, RFC 4787 REQ-14: any order, bounded) --- */

struct reasm;
struct reasm_limits {
    size_t max_bytes;       /**< of all incomplete datagrams; the newest datagram is refused beyond it */
    size_t max_datagrams;   /**< at most 65,536 */
    size_t max_per_scope;   /**< datagrams; of the bytes a scope gets the same share: one scope's flood leaves room for others */
    uint32_t timeout_ms;    /**< from the first fragment; 0: 2,000, as on a router (long ones mix up IDs, RFC 4963) */
    uint64_t seed;          /**< of the hash, so that nobody outside can choose colliding keys */
};
/** @return 0, -EINVAL for limits of 0 or too high, -ENOMEM */
int reasm_new(const struct reasm_limits *limits, struct reasm **ret_reasm);
void reasm_free(struct reasm *reasm);
/**
 * Give a fragment. A datagram that shows an overlap, a contradiction about its end, or too many pieces is killed:
 * what was kept is freed, and its further fragments are refused until the timeout. Exact duplicates are ignored.
 *
 * @param scope  keeps equal IDs of different laptops apart (the NAT's session; 0 for the internet's side)
 * @param v      copied; a packet that is no fragment comes straight back
 * @param now_ms monotonic
 * @param ret_packet the whole datagram, flags and offset cleared, length and header checksum mended, the transport's as in the first
 *        fragment and not looked at: parse it again. Borrowed until the next call
 * @return DROP_NONE with *ret_packet NULL: held; with it set: whole; DROP_FRAGMENT: refused
 */
enum drop reasm_push(struct reasm *reasm, uint64_t scope, const struct ip4_view *v, uint64_t now_ms, uint8_t **ret_packet,
                     size_t *ret_len);
/** Forget what is too old. */
void reasm_expire(struct reasm *reasm, uint64_t now_ms);
/** What is kept now: datagrams (killed ones included) and bytes charged to max_bytes. */
void reasm_usage(const struct reasm *reasm, size_t *ret_datagrams, size_t *ret_bytes);

#endif
