/*
 * role/switch_priv.h - inside of the switch: its wiring (switch.c), guests (switch_guest.c), the ways out (switch_nat.c,
 * switch_tap.c), leases that outlive it (switch_lease.c), and what `tether status` shows (switch_status.c)
 */
#ifndef TETHER_ROLE_SWITCH_PRIV_H
#define TETHER_ROLE_SWITCH_PRIV_H

#include "io/control.h"
#include "io/host.h"
#include "io/http_server.h"
#include "io/lines.h"
#include "io/message.h"
#include "io/stream.h"
#include "io/tun.h"
#include "io/ws.h"
#include "role/link_status.h"
#include "role/switch_config.h"
#include "tunnel/fairq.h"

/** The number of the uplink's port; guests get others. */
enum { SWITCH_UPLINK_PORT = 0 };
/** Bytes of buffers that may wait for a guest. */
enum { SWITCH_GUEST_ROOM = 1024 * 1024 };

/** A websocket, a port of the switch. */
struct switch_guest {
    struct switch_role *sw;
    struct ws *ws;
    uint32_t port;
    struct tun *tap;           /* with a TAP for each guest: his */
    bool listed;               /* among those that the end of the loop's turn has something to do for */
    bool paused;               /* it said enough in this turn */
    size_t read;               /* bytes, in this turn */
    struct fairq queue;        /* frames for it that its websocket has no room for yet */
    struct message message;    /* arriving from it: a frame */
    uint64_t frames_in, bytes_in, frames_out, bytes_out;
    uint64_t dropped;          /* to it, for want of memory or of a websocket; the queue counts its own */
};

struct switch_nat;

struct switch_role {
    const struct role_common *common;
    struct switch_setup setup;
    struct io_loop *loop;
    struct host *host;
    struct stream_tls *outer; /* NULL: ws:// */
    struct http_server *listener[OPT_TEXTS_MAX];
    size_t listeners;
    struct io_timer *tick;
    struct io_hook *flush;
    struct control *control;

    struct ether_switch *ether;
    struct gateway *gateway;
    struct dhcp_server *dhcp;  /* NULL: none */
    struct lines *leases;      /* NULL: none */
    struct switch_nat *nat;    /* NULL: another uplink */
    struct pbuf_pool *pool;    /* for frames that wait, and those from TAPs */
    struct tun *tap;           /* one TAP for all; else NULL */
    struct switch_guest **guest; /* by port; NULL: free */
    uint32_t ports, guests;
    struct switch_guest **waiting; /* listed ones */
    size_t waiting_count;
    struct siphash_key queue_key;
    uint64_t guests_refused, texts, lost_leases, tap_dropped;
    uint8_t frame[SWITCH_FRAME_MAX]; /* the one being worked on */
};

/* switch.c */

/** A frame from a port; it may be rewritten. */
void switch_frame(struct switch_role *sw, uint32_t port, uint8_t *frame, size_t len);
/** Send by a port; what nobody is at, or who does not read, gets nothing. @param from SWITCH_NO_PORT: this machine's own station */
void switch_send(struct switch_role *sw, uint32_t from, uint32_t port, const uint8_t *frame, size_t len);
/** From this machine's own station to everybody. */
void switch_send_all(struct switch_role *sw, const uint8_t *frame, size_t len);

/* switch_guest.c */

/** The websockets that guests open, at any path. ctx is the switch. */
extern const struct http_handlers switch_guest_handlers;
/** @param from the port it came by: guests that send to one take turns */
void switch_guest_send(struct switch_guest *guest, uint32_t from, const uint8_t *frame, size_t len);
/** Dropped on the way to a guest, for whatever reason. */
uint64_t switch_guest_dropped(const struct switch_guest *guest);
/** The end of the loop's turn: send what was collected in it. */
void switch_guests_flush(struct switch_role *sw);

/* switch_nat.c */

int switch_nat_open(struct switch_role *sw, struct err *err);
/** A guest's packet for the world. */
void switch_nat_out(struct switch_role *sw, uint8_t *packet, size_t len);
/** Packets that wait for their successors go. */
void switch_nat_flush(struct switch_role *sw);
void switch_nat_tick(struct switch_role *sw);
void switch_nat_close(struct switch_nat *nat);
/** For status. @param ret_link what was captured and injected @return NULL without a NAT */
const struct nat_stats *switch_nat_stats(const struct switch_role *sw, const struct link_counters **ret_link);

/* switch_tap.c */

int switch_tap_open(struct switch_role *sw, struct err *err);
/** A TAP for a guest, where each has one. @return 0 or -errno, logged */
int switch_tap_plug(struct switch_guest *guest);
void switch_tap_send(struct switch_role *sw, struct tun *tap, const uint8_t *frame, size_t len);
void switch_tap_close(struct switch_role *sw);

/* switch_lease.c */

int switch_leases_open(struct switch_role *sw, struct err *err);
/** Write a lease down (a dhcp_changed_cb). */
void switch_lease_changed(void *ctx, const struct dhcp_lease *lease);

/* switch_status.c */

/** A control_json_cb. */
int switch_status_json(void *ctx, char *buf, size_t cap);

#endif
