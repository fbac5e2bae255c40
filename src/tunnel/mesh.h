/*
 * tunnel/mesh.h - many nodes behind one hub: the clear header of their messages, and who opens a stream to whom
 *
 * A hub (the phone's page with several websockets, or `tether relay`) passes messages between nodes without reading them. So that it knows where
 * to, each message begins with a header in clear (docs/PROTOCOL.md):
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------+---------------+-------------------------------+
 *     |     0xf7      |     kind      |            stream             |
 *     +---------------+---------------+-------------------------------+
 *     |                             from                              |
 *     +---------------------------------------------------------------+
 *     |                     to, or 0: every node                      |
 *     +---------------------------------------------------------------+
 *
 * No Ethernet address of a station begins with 0xf7 (it has the group bit, and no protocol's group begins so), no TLS record and no IP packet either:
 * whoever speaks something else is told so. A node is a random number for its process' life. Each pair of nodes has a stream of TLS of its
 * own, which the node with the smaller number opens. The header proves nothing: inside TLS the nodes tell each other their numbers again.
 *
 * A roster is what one end of one websocket knows of the nodes behind it. Pure: time comes from the caller.
 */
#ifndef TETHER_TUNNEL_MESH_H
#define TETHER_TUNNEL_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_MAGIC = 0xf7,
    MESH_HEADER_LEN = 12,
    MESH_ALL = 0,
    MESH_PEERS_MAX = 16,                /* nodes behind one websocket; more are not heard */
    MESH_ANNOUNCE_US = 5 * 1000 * 1000, /* how often a node tells that it is there */
    MESH_FORGET_US = 30 * 1000 * 1000,  /* without a stream and not heard for so long: its place is free */
};

enum mesh_kind {
    MESH_ANNOUNCE = 1, /* I am here. To all, or in answer to one */
    MESH_OPEN = 2,     /* the first bytes of a stream */
    MESH_DATA = 3,     /* further ones, either way */
    MESH_CLOSE = 4,    /* the stream is over: close code, 2 bytes, and words */
    MESH_GONE = 5,     /* from the hub: that node's websocket ended */
};

struct mesh_header {
    uint8_t kind;
    uint16_t stream;
    uint32_t from, to;
};
/** @param out MESH_HEADER_LEN bytes */
void mesh_put_header(uint8_t *out, const struct mesh_header *header);
/** @return false: too short, or no such header. Kinds are not judged: a later version may have more */
bool mesh_get_header(const uint8_t *data, size_t len, struct mesh_header *ret_header);

struct mesh_peer {
    uint32_t node;      /**< 0: this place is free */
    uint16_t stream;    /**< the open one, or the last */
    bool open;
    uint64_t heard_us;
    uint64_t again_us, pause_us; /* before that no new stream, after one that failed */
    void *owner;        /**< the caller's, of the open stream */
};

struct mesh_roster {
    uint32_t me;
    uint16_t next_stream;
    uint64_t announced_us;
    struct mesh_peer peer[MESH_PEERS_MAX];
    uint64_t refused; /**< messages of nodes for which there was no place */
};

enum mesh_do {
    MESH_IGNORE,
    MESH_ANSWER, /**< announce yourself to this node alone */
    MESH_START,  /**< open peer->stream as the TLS client; set peer->owner */
    MESH_ACCEPT, /**< peer->stream begins with this message: end the old one (peer->owner, may be NULL), be the TLS server */
    MESH_FEED,   /**< more of the open stream */
    MESH_RESET,  /**< of a stream that is not open here: say CLOSE */
    MESH_END,    /**< the open stream was ended by the far end or the hub */
};

/** @param me not 0 @param stream where the numbers of own streams begin, random */
void mesh_roster_init(struct mesh_roster *r, uint32_t me, uint16_t stream);
/** What a message means. @param ret_peer NULL for MESH_IGNORE, MESH_ANSWER and MESH_RESET */
enum mesh_do mesh_roster_judge(struct mesh_roster *r, const struct mesh_header *header, uint64_t now_us, struct mesh_peer **ret_peer);
/** The open stream of a peer is over. @param failed it never worked: the next attempt waits, each time longer, up to a minute */
void mesh_roster_closed(struct mesh_roster *r, struct mesh_peer *peer, bool failed, uint64_t now_us);
/** About once a second. @return true: announce yourself to all now */
bool mesh_roster_tick(struct mesh_roster *r, uint64_t now_us);

/** The hub's side: which node is behind which leg. All zeros at first. */
enum { MESH_LEGS_MAX = MESH_PEERS_MAX + 1 };
struct mesh_board {
    uint32_t node[MESH_LEGS_MAX]; /**< 0: not known yet */
};
enum { MESH_TO_NOBODY = -1, MESH_TO_ALL = -2, MESH_TO_CLASH = -3 /* its node is behind another leg: close this one */ };
/** For whom a message is. @param leg where it came from @param data its beginning, the header at least @return a leg, or one of the above */
int mesh_board_route(struct mesh_board *b, size_t leg, const uint8_t *data, size_t len);
/** A leg's websocket ended. @param ret_gone MESH_HEADER_LEN bytes to tell all others @return false: no node was behind it, there is nothing to tell */
bool mesh_board_ended(struct mesh_board *b, size_t leg, uint8_t *ret_gone);

#endif
