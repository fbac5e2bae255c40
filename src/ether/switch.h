/*
 * ether/switch.h - where a frame goes (IEEE 802.1Q section 8.6, the parts a learning switch of one machine needs)
 *
 * Guests are strangers to each other. So beside learning and forwarding, a switch knows whom it belongs to itself (the gateway's
 * address), keeps guests apart if it is told to, and lets no port take another's address, learn without bound or fill the others'
 * cables with broadcasts.
 */
#ifndef TETHER_ETHER_SWITCH_H
#define TETHER_ETHER_SWITCH_H

#include "tether/ether.h"

struct ether_switch;

enum { SWITCH_FRAME_MAX = 9216 + ETHER_HEADER_LEN + 2 * ETHER_TAG_LEN };
#define SWITCH_NO_PORT UINT32_MAX

struct switch_config {
    uint32_t max_ports;
    uint32_t macs_per_port;
    uint32_t storm_per_s; /**< frames a guest may send a second that reach many: broadcast, multicast, to unknown stations */
    uint64_t gateway;     /**< address of this machine's own station; 0: none */
    uint32_t uplink;      /**< a port that is trusted and that everybody may talk to; SWITCH_NO_PORT: none */
    bool isolate;         /**< guests reach the gateway and the uplink, not each other */
    bool guard;           /**< a station heard lately at one port is not believed at another */
    uint64_t seed;
};

enum switch_way {
    SWITCH_DROP,
    SWITCH_TO_PORT,
    SWITCH_TO_ALL,     /* to each port that switch_next() names, and to the gateway */
    SWITCH_TO_GATEWAY, /* to this machine's own station alone */
};
enum switch_drop {
    SWITCH_PASSED,
    SWITCH_BAD_FRAME,   /* cut off, too long, from no station */
    SWITCH_LINK_LOCAL,  /* a neighbours' protocol: ends here */
    SWITCH_LIED,        /* the sender's address is somebody else's */
    SWITCH_PORT_FULL,   /* the port has as many stations as it may */
    SWITCH_STORM,       /* too many frames for everybody */
    SWITCH_ISOLATED,    /* one guest to another */
    SWITCH_SAME_PORT,   /* the receiver lives behind the same port */
    SWITCH_TOO_LONG,    /* longer than SWITCH_FRAME_MAX: it did not come in whole */
    SWITCH_NO_MEMORY,   /* the same, for want of memory */
    SWITCH_DROPS
};
/** e.g. "lied" */
const char *switch_drop_name(enum switch_drop why);

struct switch_judgement {
    enum switch_way way;
    uint32_t port;        /**< SWITCH_TO_PORT */
    enum switch_drop why; /**< SWITCH_DROP */
};

/** @return 0, -EINVAL for a limit of 0, -ENOMEM */
int switch_new(const struct switch_config *config, struct ether_switch **ret_switch);
void switch_free(struct ether_switch *sw);
/** A cable is plugged in: the lowest free number, or SWITCH_NO_PORT when all are taken. The uplink's number is never given. */
uint32_t switch_plug(struct ether_switch *sw);
void switch_unplug(struct ether_switch *sw, uint32_t port);
/** A frame came in by a port. @param ret_view its parsed headers, set unless it is a SWITCH_BAD_FRAME */
struct switch_judgement switch_judge(struct ether_switch *sw, uint32_t port, uint8_t *frame, size_t len, uint64_t now_ms,
                                     struct ether_view *ret_view);
/** A frame from a port was lost before it could be judged. */
void switch_lost(struct ether_switch *sw, uint32_t port, enum switch_drop why);
/**
 * The ports a frame for all goes to, one after the other.
 *
 * @param from  the port it came from; SWITCH_NO_PORT: the gateway @param after SWITCH_NO_PORT to begin with, then what was returned
 * @return a port, or SWITCH_NO_PORT at the end
 */
uint32_t switch_next(const struct ether_switch *sw, uint32_t from, uint32_t after);
/** Call about once a second. */
void switch_tick(struct ether_switch *sw, uint64_t now_ms);

struct switch_stats {
    uint64_t frames, drops[SWITCH_DROPS];
    uint32_t ports;
};
const struct switch_stats *switch_stats(const struct ether_switch *sw);
/** Of one port: frames dropped that came from it. */
uint64_t switch_port_drops(const struct ether_switch *sw, uint32_t port);
/** What is known of who lives where. */
const struct mac_table *switch_stations(const struct ether_switch *sw);

#endif
