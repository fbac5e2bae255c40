/*
 * io/udp_server.h - laptops that come by UDP: each is a wire for a carrier
 *
 *     keyed    who shows a cookie (so is where it says) and the key gets a connection with an id; it is found by that, wherever it moves
 *     plain    a datagram is an IP packet, as iptun speaks; a laptop is its address
 *
 * A laptop that moved is answered at its old address until it has returned a ping from the new one (RFC 9146 section 6): whoever copies its
 * datagrams from elsewhere, in time to overtake them, cannot turn the answers on somebody else.
 */
#ifndef TETHER_IO_UDP_SERVER_H
#define TETHER_IO_UDP_SERVER_H

#include "io/carrier.h"

struct udp_server;
struct udp_server_stats {
    uint64_t retries, wrong_keys, refused_busy, unknown_ids, malformed, moves, connections;
};

/**
 * @param tls    of tls_context_new_datagrams(); NULL: plain
 * @param accept somebody is there: open a carrier on this wire; NULL: no room
 */
int udp_server_open(struct io_loop *loop, const char *addr, uint16_t port, struct tls_context *tls,
                    struct carrier *(*accept)(void *ctx, const struct carrier_wire *ops, void *wire), void *ctx, struct udp_server **ret_server, struct err *err);
const struct udp_server_stats *udp_server_stats(const struct udp_server *server);
uint16_t udp_server_port(const struct udp_server *server);
/** Closes its carriers as well; everything ends later, from the loop. NULL is fine. */
void udp_server_close(struct udp_server *server);

#endif
