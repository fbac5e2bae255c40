/*
 * packet/drop.c - names of the reasons why a packet went no further
 *
 * They appear in counters that people and programs read: short, stable, lower case.
 */
#include "tether/packet.h"

static const char *const names[DROP_COUNT] = {
    [DROP_NONE] = "none",
    [DROP_NOT_IP4] = "not-ip4",
    [DROP_TRUNCATED] = "truncated",
    [DROP_BAD_HEADER] = "bad-header",
    [DROP_BAD_CHECKSUM] = "bad-checksum",
    [DROP_PROTOCOL] = "protocol",
    [DROP_ICMP_TYPE] = "icmp-type",
    [DROP_TTL] = "ttl",
    [DROP_NO_FLOW] = "no-flow",
    [DROP_FILTERED] = "filtered",
    [DROP_FULL] = "full",
    [DROP_NO_PORT] = "no-port",
    [DROP_FRAGMENT] = "fragment",
    [DROP_TOO_BIG] = "too-big",
    [DROP_POLICY] = "policy",
    [DROP_SOURCE] = "source",
    [DROP_CLIENT_LIMIT] = "client-limit",
    [DROP_CLIENT_RATE] = "client-rate",
    [DROP_WINDOW] = "window",
    [DROP_QUEUE] = "queue",
    [DROP_NO_PATH] = "no-path",
    [DROP_SEND] = "send",
};

const char *drop_name(enum drop reason)
{
    return (unsigned)reason < DROP_COUNT && names[reason] ? names[reason] : "unknown";
}
