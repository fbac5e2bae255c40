/*
 * tunnel/frame.h - the frames inside the tunnel (docs/PROTOCOL.md)
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------+-----------------------------------------------+
 *     |     type      |          length of the body in bytes          |
 *     +---------------+-----------------------------------------------+
 *     |                             body ...
 *
 * They follow each other in the TLS stream without padding; where one websocket message or TLS record ends means nothing. A
 * reader skips types it does not know, so that a later version can add some.
 */
#ifndef TETHER_TUNNEL_FRAME_H
#define TETHER_TUNNEL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/offload.h"
#include "base/span.h"

enum frame_type {
    FRAME_PACKET = 1,   /* one IP packet, finished */
    FRAME_LARGE = 2,    /* one IP packet (layer 2: Ethernet frame) behind what it needs to be finished: struct offload */
    FRAME_ETHER = 3,    /* one Ethernet frame, finished, without its checksum */
    FRAME_ACK = 4,      /* how much data arrived */
    FRAME_PING = 5,     /* 8 bytes, returned in a PONG */
    FRAME_PONG = 6,
    FRAME_HELLO = 7,    /* laptop to server, first */
    FRAME_WELCOME = 8,  /* the server's answer */
    FRAME_ACTIVATE = 9, /* laptop: answer me on this path from now on */
    FRAME_BYE = 10,     /* leaving, and why */
    FRAME_NODE = 11,    /* layer 2, both ways, first: who I am, and whom I take you for */
    FRAME_PAD = 12,     /* means nothing: its length does (skipped as unknown ones are) */
    FRAME_NUMBERED = 13, /* a PACKET in a datagram, behind how much was sent with it */
};

enum {
    FRAME_HEADER_LEN = 4,
    FRAME_DATA_MAX = 65600,  /* body of a PACKET, LARGE, ETHER or NUMBERED */
    FRAME_OFFLOAD_LEN = 4,   /* in front of the packet in a LARGE */
    FRAME_NUMBER_LEN = 4,    /* in front of the packet in a NUMBERED */
    FRAME_AROUND = 64,       /* what counts for a datagram beside its NUMBERED frame */
    FRAME_CONTROL_MAX = 1024, /* body of anything else */
    FRAME_TOKEN_LEN = 16,
    FRAME_DNS_MAX = 4,
    FRAME_NAME_MAX = 32,
    FRAME_AHEAD = 16, /* frames looked at before the first of them is given */
    FRAME_VERSION = 1,
};

struct frame_hello {
    uint16_t version;
    uint8_t token[FRAME_TOKEN_LEN]; /**< names the session to the server; the laptop's secret */
    uint16_t mtu;                   /**< of the laptop's TUN */
    uint32_t inside;                /**< its address, host order: the only source its packets may bear; 0: any */
};

enum { WELCOME_RESUMED = 1 }; /* the session and its flows were still there */
struct frame_welcome {
    uint16_t version;
    uint16_t flags;
    uint32_t session;
    uint16_t mtu;
    uint32_t external; /**< the address the laptop is seen by, host order */
    uint32_t dns[FRAME_DNS_MAX];
    size_t dns_count;
    uint32_t lease;    /**< the laptop's address among the server's laptops (kernel NAT), host order; 0: it has none */
};

enum frame_bye_code { BYE_DONE = 0, BYE_VERSION = 1, BYE_BUSY = 2, BYE_REPLACED = 3 };
struct frame_bye {
    uint16_t code;
    char text[201]; /**< tamed: see base/text.h */
};

struct frame_node {
    uint16_t version;
    uint32_t from, to; /**< nodes as in the clear header (mesh.h): what the hub claims is proven here */
    char name[FRAME_NAME_MAX + 1]; /**< for people; tamed when read */
};

struct frame_ack {
    uint64_t bytes;    /**< of PACKET, LARGE and ETHER frames, headers included, received on this path since it began */
    uint32_t clock_us; /**< the acknowledging end's clock, which wraps around, when the newest of them arrived */
    uint64_t newest;   /**< datagrams: bytes that were sent with the newest one; else 0 */
};

/** Bytes of a packet's frame in front of the packet, for frame_put_packet(). */
size_t frame_packet_overhead(const struct offload *offload);
/** Write them: the header of a PACKET, or of a LARGE and its offload. */
void frame_put_packet(uint8_t *out, size_t packet_len, const struct offload *offload);
/** Write the header of a NUMBERED, FRAME_HEADER_LEN + FRAME_NUMBER_LEN bytes. @param position bytes sent on this path, with this one */
void frame_put_numbered(uint8_t *out, size_t packet_len, uint32_t position);
/** Write the header in front of a body. */
void frame_put_header(uint8_t *out, enum frame_type type, size_t body_len);
/* Each writes a whole frame and returns its length; out has room for FRAME_HEADER_LEN + FRAME_CONTROL_MAX. */
size_t frame_put_ack(uint8_t *out, const struct frame_ack *ack);
size_t frame_put_ping(uint8_t *out, enum frame_type ping_or_pong, uint64_t opaque);
size_t frame_put_hello(uint8_t *out, const struct frame_hello *hello);
size_t frame_put_welcome(uint8_t *out, const struct frame_welcome *welcome);
size_t frame_put_activate(uint8_t *out);
size_t frame_put_node(uint8_t *out, const struct frame_node *node);
size_t frame_put_bye(uint8_t *out, uint16_t code, const char *text);

/* Each reads a body; false when it is too short. Longer is fine: a later version may append. */
/** Of a LARGE: the packet lies behind FRAME_OFFLOAD_LEN bytes. Unknown flags are refused: they would change what the packet means. */
bool frame_get_offload(const uint8_t *body, size_t len, struct offload *ret_offload);
bool frame_get_ack(const uint8_t *body, size_t len, struct frame_ack *ret_ack);
bool frame_get_ping(const uint8_t *body, size_t len, uint64_t *ret_opaque);
bool frame_get_hello(const uint8_t *body, size_t len, struct frame_hello *ret_hello);
bool frame_get_welcome(const uint8_t *body, size_t len, struct frame_welcome *ret_welcome);
bool frame_get_node(const uint8_t *body, size_t len, struct frame_node *ret_node);
bool frame_get_bye(const uint8_t *body, size_t len, struct frame_bye *ret_bye);

/** Cuts a stream into frames. A frame that lies whole in the input is not copied. */
struct frame_reader {
    uint8_t *partial; /**< FRAME_HEADER_LEN + FRAME_DATA_MAX bytes, taken when first needed */
    size_t have;
};
/** body is mutable and borrowed. @return 0 to go on, negative to stop */
typedef int (*frame_cb)(void *ctx, uint8_t type, uint8_t *body, size_t len);
/** IP packets that will be given next, two at least: who looks something up for each of them may begin to. Borrowed. */
typedef void (*frame_ahead_cb)(void *ctx, const struct span *packets, size_t count);
/**
 * @param data mutable: bodies are handed out in place
 * @param ahead told of each FRAME_AHEAD frames that lie whole in the input before they are handed out; may be NULL
 * @return 0; -EPROTO for an impossible length; -ENOMEM; or what cb returned. After an error the stream is useless.
 */
int frame_reader_feed(struct frame_reader *reader, uint8_t *data, size_t len, frame_cb cb, frame_ahead_cb ahead, void *ctx);
void frame_reader_done(struct frame_reader *reader);

#endif
