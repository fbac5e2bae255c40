/*
 * role/server_kernel.h - tether server --nat kernel: the machine's own kernel routes and translates
 *
 *     websocket -> … -> session -> lease instead of the laptop's address -> TUN -> kernel: route, masquerade -> internet, and back
 *
 * Each laptop is lent an address of 10.1.0.0/16 for as long as its session lasts, whatever address it calls its own, so that two may
 * have the same. What laptops may reach is the NAT's policy, here as there; what comes back is what connection tracking knows.
 */
#ifndef TETHER_ROLE_SERVER_KERNEL_H
#define TETHER_ROLE_SERVER_KERNEL_H

#include "base/err.h"
#include "base/offload.h"
#include "tunnel/session.h"

struct server;
struct server_kernel;

/** Make the TUN, let the kernel forward and masquerade; host_close() takes it back. */
int server_kernel_open(struct server *s, struct err *err);
/** Before the loop is freed. NULL is fine. */
void server_kernel_close(struct server_kernel *k);
/** What the laptop calls itself (0: whatever its first packet says). @return its lease, host order; 0: none is free */
uint32_t server_kernel_lease(struct server_kernel *k, uint32_t session, uint32_t inside);
void server_kernel_forget(struct server_kernel *k, uint32_t session);
/** A packet from a laptop. @param offload NULL: none */
void server_kernel_send(struct server_kernel *k, struct session *session, uint8_t *packet, size_t len, const struct offload *offload);
/** A packet for a laptop does not fit its datagrams: its sender is told. */
void server_kernel_too_big(struct server_kernel *k, uint32_t session, uint8_t *packet, size_t len, size_t mtu);

#endif
