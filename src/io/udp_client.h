/*
 * io/udp_client.h - the laptop's end of a UDP carrier: finds out whether somebody is there, then is a wire
 */
#ifndef TETHER_IO_UDP_CLIENT_H
#define TETHER_IO_UDP_CLIENT_H

#include "io/carrier.h"
#include "io/underlay.h"

struct udp_client;
struct udp_client_events {
    /** The server asked for proof that we are where we say (plain: nothing was asked): open a carrier on this wire. NULL: it ends here */
    struct carrier *(*ready)(void *ctx, const struct carrier_wire *ops, void *wire);
    /** Instead of ready(): the last call. */
    void (*failed)(void *ctx, const char *reason);
};

/** udp://HOST[:PORT], split; the port is 3000 unless given. @return 0, or -EINVAL with err */
int udp_url_parse(const char *text, char *ret_host, size_t cap, uint16_t *ret_port, struct err *err);

/**
 * @param tls of tls_context_new_datagrams(); NULL: plain
 * @param via "": whatever the kernel's routes say
 * @return 0 or -errno with err
 */
int udp_client_open(struct io_loop *loop, const struct sockaddr_storage *to, const struct underlay *via, struct tls_context *tls,
                    const struct udp_client_events *events, void *ctx, struct udp_client **ret_client, struct err *err);
/** Another device leads to the server now. */
int udp_client_move(struct udp_client *client, const struct underlay *via);
/** Give up before ready(); after that the carrier is what is closed. */
void udp_client_abandon(struct udp_client *client);

#endif
