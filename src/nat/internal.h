/*
 * nat/internal.h - what the NAT's files share: its tables and the packet being worked on
 *
 * session 1--n map 1--n flow. A map is an inside endpoint's external port; it lives while it has flows. A flow is a map and one remote:
 * the full tuple for TCP, the address alone (remote port 0) for UDP and ICMP, which is the filtering. (protocol, external
 * port) names a map uniquely, so a flow is found from outside with one look-up.
 */
#ifndef TETHER_NAT_INTERNAL_H
#define TETHER_NAT_INTERNAL_H

#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "nat/policy.h"
#include "nat/ports.h"
#include "nat/rate.h"
#include "nat/tcp.h"
#include "tether/nat.h"

enum nat_proto { NAT_TCP, NAT_UDP, NAT_ICMP, NAT_PROTOS };

/** @param ip_proto a packet's @return false for a protocol without ports */
static inline bool nat_proto_of(uint8_t ip_proto, enum nat_proto *ret_proto)
{
    switch (ip_proto) {
    case IP_PROTO_TCP:
        *ret_proto = NAT_TCP;
        return true;
    case IP_PROTO_UDP:
        *ret_proto = NAT_UDP;
        return true;
    case IP_PROTO_ICMP:
        *ret_proto = NAT_ICMP;
        return true;
    default:
        return false;
    }
}

/* Timers may fire this much late. Look-ups compare times themselves, so nothing passes an expired flow. */
enum { NAT_TICK_MS = 100 };
/* icmp_make_error() makes at most 576 bytes (RFC 1812 section 4.3.2.3). */
enum { NAT_REPLY_MAX = 576 };
enum { NAT_IDENTS = 4096 };
enum { NAT_WELL_KNOWN_END = 1024, NAT_PORTS_END = 65536 };

struct nat_session {
    uint32_t id, flow_count, port_count[NAT_PROTOS];
    bool leased;
    bool ended; /**< forgotten: nothing finds its flows any more, whose places come back bit by bit */
    struct nat_prefix lease; /**< its source addresses, once leased */
    struct nat_rate new_flows, answers;
    struct list maps;
    struct list_link link; /**< of all; of those that ended */
};

struct nat_map {
    uint32_t session_id, inside;
    uint16_t inside_port; /**< ICMP: the echo identifier */
    uint16_t port;        /**< external */
    enum nat_proto proto;
    struct nat_session *session;
    struct list flows;
    struct list_link link; /**< of the session's */
};

/* The first cache line has all that a packet of the flow reads or writes, the map's data copied; the second only its beginning and end. */
struct nat_flow {
    uint64_t expires_ms; /**< 0 while it is new */
    uint32_t remote, inside, session_id;
    uint16_t remote_port, inside_port;
    uint16_t port;    /**< external */
    uint8_t proto;    /**< enum nat_proto */
    bool only_dns;    /**< UDP: nothing but port 53 was sent to so far */
    struct nat_tcp tcp;
    _Alignas(64) struct nat_map *map;
    struct list_link link; /**< of the map's */
    struct wheel_timer timer; /**< due when the flow expires or earlier: renewing a flow just moves expires_ms */
};

/** Who talks to whom, seen from the inside endpoint. */
struct nat_tuple {
    enum nat_proto proto;
    uint32_t session, inside, remote;
    uint16_t inside_port, remote_port; /**< as on the wire; what the filtering ignores is dropped by the look-up */
};

struct nat {
    struct nat_config config;
    struct nat_policy policy;
    struct rng rng;
    struct siphash_key map_key, flow_key;
    struct pool sessions, maps, flows;
    struct hash session_table, map_table;
    struct hash flows_inside, flows_outside; /**< by the tuples seen on either side */
    struct list session_list;
    struct list ending; /**< sessions that ended, with flows to free */
    struct nat_session *recent; /**< whom nat_session_find() found last */
    uint16_t ident[NAT_IDENTS]; /**< the next numbers, see ident.c */
    struct nat_ports ports[NAT_PROTOS], low_ports[NAT_PROTOS]; /**< those of low_lo to low_hi; none of ICMP */
    struct nat_map **by_port[NAT_PROTOS]; /**< index: the external port */
    struct wheel wheel;
    bool late; /**< flows are due to go that the last tick had no time for: packets take some each */
    struct reasm *reasm_in, *reasm_out; /**< two, so that a flood from one side leaves the other's room alone */
    struct nat_stats stats;
    uint8_t reply[NAT_REPLY_MAX];
};

/** Its session ended. Who is reached by it, or in its name, is gone. */
static inline bool nat_map_ended(const struct nat *nat, const struct nat_map *map)
{
    return !list_is_empty(&nat->ending) && map->session->ended;
}

/** A packet on its way through. */
struct nat_call {
    struct nat *nat;
    uint32_t session; /**< 0: from outside */
    uint64_t now_ms;
    struct ip4_view v;
    uint16_t seg_len; /**< the packet's; whether its checksum is partial, the view knows */
    struct nat_result *result;
};

/* session.c */

/** NULL when nothing is known of it. */
struct nat_session *nat_session_find(struct nat *nat, uint32_t id);
/** The same, begun if need be; NULL when there are too many. */
struct nat_session *nat_session_get(struct nat *nat, uint32_t id, uint64_t now_ms);
/** May it use this source? @param session NULL: nothing is known of it */
bool nat_session_owns(const struct nat_session *session, uint32_t src);
/** May it begin another flow? A yes is counted against its rate. @param new_map with a port of its own @return DROP_NONE, DROP_CLIENT_LIMIT, DROP_CLIENT_RATE */
enum drop nat_session_admit(struct nat *nat, struct nat_session *session, enum nat_proto proto, bool new_map, uint64_t now_ms);

/** Free flows of sessions that ended, at most `budget` of them. @return what is left of the budget; 0: there may be more */
size_t nat_session_reap(struct nat *nat, size_t budget, uint64_t now_ms);

/* map.c */

struct nat_map *nat_map_find(const struct nat *nat, const struct nat_tuple *t);
/** The map a port of the external address belongs to, or NULL. */
struct nat_map *nat_map_at(const struct nat *nat, enum nat_proto proto, uint16_t port);
/** Is it a port the NAT lends? */
bool nat_owns_port(const struct nat *nat, uint16_t port);
/** @return DROP_NONE with *ret_map set, or DROP_NO_PORT, DROP_FULL */
enum drop nat_map_new(struct nat *nat, struct nat_session *session, const struct nat_tuple *t, uint64_t now_ms, struct nat_map **ret_map);
/** Without flows. Its port rests. */
void nat_map_free(struct nat *nat, struct nat_map *map, uint64_t now_ms);

/* flow.c */

/** The flow a packet from inside belongs to; NULL when there is none or it expired, in which case it is gone. */
struct nat_flow *nat_flow_find_inside(struct nat *nat, const struct nat_tuple *t, uint64_t now_ms);
/** The flow a packet from outside, addressed to an external port, belongs to; NULL as above. */
struct nat_flow *nat_flow_find_outside(struct nat *nat, enum nat_proto proto, uint16_t port, uint32_t remote,
                                       uint16_t remote_port, uint64_t now_ms);
/** Begin to fetch what finding a flow reads first. @param t of session 0: inside_port is the external port @return the hash value */
uint32_t nat_flow_prefetch(const struct nat *nat, const struct nat_tuple *t);
/** Make one of an endpoint's map findable from either side. @param flow lent from the pool, zeroed */
void nat_flow_enter(struct nat *nat, struct nat_flow *flow, struct nat_map *map, const struct nat_tuple *t);
/** A packet passes: renew the flow as its protocol says. @param v its transport header @return DROP_NONE, or DROP_WINDOW: it shall not pass */
enum drop nat_flow_touch(struct nat *nat, struct nat_flow *flow, const struct ip4_view *v, bool outbound, uint64_t now_ms);
/** Ends the flow, and its map when it was the last. */
void nat_flow_free(struct nat *nat, struct nat_flow *flow, uint64_t now_ms);

/* room.c */

/** Begin a flow, with a mapping if its endpoint has none. @return DROP_NONE with *ret_flow set, or DROP_NO_PORT, DROP_FULL, DROP_CLIENT_* */
enum drop nat_flow_new(struct nat *nat, const struct nat_tuple *t, uint64_t now_ms, struct nat_flow **ret_flow);
/** Free what ended and let timers fire, at most `budget` flows: tens of thousands may be due together. Look-ups see for themselves what is over, so late ones harm nobody. */
void nat_flow_expire(struct nat *nat, size_t budget, uint64_t now_ms);

/* out2in.c */

/** Give a packet addressed to the external address to the inside endpoint its flow belongs to, TTL and statistics apart. */
enum drop nat_deliver(struct nat_call *c, enum nat_proto proto);

/* icmp.c */

bool nat_icmp_is_error(const struct ip4_view *v);
/** Carry an ICMP error outwards; on success the result is set. */
enum drop nat_icmp_error_out(struct nat_call *c);
/** Carry an ICMP error inwards: rewrites it and names the session in the result. */
enum drop nat_icmp_error_in(struct nat_call *c);

/* ident.c */

void nat_ident_init(struct nat *nat);
/** Number a packet that leaves, if it may be fragmented. @param seg_len as in struct offload */
void nat_ident_renew(struct nat *nat, struct ip4_view *v, uint16_t seg_len);

/* call.c */

/** Parse; hold fragments and go on with the whole datagram. @return why it is dropped; the verdict is NAT_HELD when held */
enum drop nat_call_begin(struct nat_call *c, uint8_t *packet, size_t len, const struct offload *offload);
enum drop nat_call_whole(struct nat_call *c, struct reasm *reasm, uint64_t scope);
/** The packet goes on. */
enum drop nat_call_pass(struct nat_call *c, enum nat_verdict verdict, uint32_t session);
/** Answer with an ICMP error where one may be sent; returns reason. */
enum drop nat_call_refuse(struct nat_call *c, uint8_t type, uint8_t code, uint16_t mtu, enum drop reason);
/** Answer a segment nobody knows with an RST; returns DROP_NO_FLOW. */
enum drop nat_call_reset(struct nat_call *c);
/** Put the outcome into result and statistics. */
void nat_call_end(struct nat_call *c, enum drop reason);

#endif
