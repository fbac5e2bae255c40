/*
 * nat/ports.c - lends external ports to mappings
 *
 * A released port rests, so that late packets for its old owner cannot reach the new one (RFC 6888 REQ-8), and is then free again. All rest
 * equally long, so the order of release is the order of return: a ring does. Choosing takes any element of the
 * free array and closes the gap with the last: O(1) and even, however few are left.
 */
#include "nat/ports.h"

#include <errno.h>
#include <stdlib.h>

enum { RETURN_AT_ONCE = 64 }; /* resting ports returned per loan: keeps a packet's cost bounded */

int nat_ports_init(struct nat_ports *ports, uint16_t lo, uint16_t hi, uint32_t rest_ms)
{
    *ports = (struct nat_ports){.rest_ms = rest_ms};
    if (lo == 0 || hi < lo)
        return -EINVAL;
    ports->size = (uint32_t)(hi - lo) + 1;
    ports->free = calloc(ports->size, sizeof *ports->free);
    ports->resting = calloc(ports->size, sizeof *ports->resting);
    if (ports->free == NULL || ports->resting == NULL) {
        nat_ports_done(ports);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < ports->size; i++)
        ports->free[i] = (uint16_t)(lo + i);
    ports->free_count = ports->size;
    return 0;
}

void nat_ports_done(struct nat_ports *ports)
{
    free(ports->free);
    free(ports->resting);
    *ports = (struct nat_ports){0};
}

static void wake(struct nat_ports *ports, uint64_t now_ms)
{
    for (int i = 0; i < RETURN_AT_ONCE && ports->resting_count > 0; i++) {
        const struct nat_resting *r = &ports->resting[ports->resting_first];
        if (r->until_ms > now_ms)
            return;
        ports->free[ports->free_count++] = r->port;
        ports->resting_first = (ports->resting_first + 1) % ports->size;
        ports->resting_count--;
    }
}

int nat_ports_lend(struct nat_ports *ports, struct rng *rng, uint64_t now_ms, uint16_t *ret_port)
{
    wake(ports, now_ms);
    if (ports->free_count == 0)
        return -EADDRNOTAVAIL;
    uint32_t i = rng_below(rng, ports->free_count);
    *ret_port = ports->free[i];
    ports->free[i] = ports->free[--ports->free_count];
    return 0;
}

void nat_ports_release(struct nat_ports *ports, uint16_t port, uint64_t now_ms)
{
    uint32_t last = (ports->resting_first + ports->resting_count++) % ports->size;
    ports->resting[last] = (struct nat_resting){.until_ms = now_ms + ports->rest_ms, .port = port};
}
