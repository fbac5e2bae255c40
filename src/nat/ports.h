/*
 * nat/ports.h - lends external ports, one pool per protocol
 */
#ifndef TETHER_NAT_PORTS_H
#define TETHER_NAT_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

struct nat_resting {
    uint64_t until_ms;
    uint16_t port;
};

struct nat_ports {
    uint32_t size, rest_ms;
    uint16_t *free; /**< free_count ports in no order */
    uint32_t free_count;
    struct nat_resting *resting; /**< a ring in the order of release */
    uint32_t resting_first, resting_count;
};

/**
 * @param lo,hi   first and last port
 * @param rest_ms how long a released port is kept back
 * @return 0, -EINVAL, -ENOMEM
 */
int nat_ports_init(struct nat_ports *ports, uint16_t lo, uint16_t hi, uint32_t rest_ms);
/** Fine on a zeroed or half-made pool. */
void nat_ports_done(struct nat_ports *ports);
/**
 * Lend a port, each free one with the same chance (RFC 6056 section 3.3.1; the range is this program's alone, so no trial is needed).
 *
 * @param now_ms   monotonic
 * @param ret_port set only on success; give it back with nat_ports_release()
 * @return 0, or -EADDRNOTAVAIL when every port is lent or resting
 */
int nat_ports_lend(struct nat_ports *ports, struct rng *rng, uint64_t now_ms, uint16_t *ret_port);
/** @param port lent by nat_ports_lend() and not yet given back */
void nat_ports_release(struct nat_ports *ports, uint16_t port, uint64_t now_ms);

#endif
