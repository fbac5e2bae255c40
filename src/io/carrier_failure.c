/* io/carrier_failure.c - see carrier_failure.h */
#include "io/carrier_failure.h"

#include <errno.h>
#include <stddef.h>

#include "io/ws.h"

enum { OWN_CODES = 4000 }; /* from here on a code is an application's (RFC 6455 section 7.4.2) */

static const struct carrier_failure failures[] = {
    {0, WS_CLOSE_NORMAL, "", "closed"},
    {-EKEYREJECTED, WS_CLOSE_WRONG_KEY, "wrong key", "wrong key: the laptop and the server do not have the same one"},
    {-EPROTOTYPE, WS_CLOSE_NO_KEY_SPOKEN, "one side is --plain, the other is not", "one side runs with --plain, the other does not"},
    {-EAFNOSUPPORT, WS_CLOSE_LAYER, "one side runs with --tap, the other does not", "one side runs with --tap, the other does not"},
    {-EPROTONOSUPPORT, WS_CLOSE_VERSION, "the two sides are different versions of tether", "the two sides are different versions of tether"},
    {-EUSERS, WS_CLOSE_BUSY, "the server has no room for another laptop", "the server has no room for another laptop"},
    {-ETIMEDOUT, WS_CLOSE_GOING_AWAY, "no answer", "no answer"},
    {-EPIPE, WS_CLOSE_NORMAL, "the other side left", "the other side left"},
};
static const struct carrier_failure unknown = {
    -EPROTO, WS_CLOSE_PROTOCOL, "not tether's protocol", "the other side does not speak tether's protocol"};
enum { FAILURES = sizeof failures / sizeof failures[0] };

const struct carrier_failure *carrier_failure_of(int failure)
{
    for (size_t i = 0; i < FAILURES; i++)
        if (failures[i].failure == failure)
            return &failures[i];
    return &unknown;
}

const char *carrier_failure_text(int failure)
{
    return carrier_failure_of(failure)->text;
}

int carrier_failure_told(int ws_code)
{
    for (size_t i = 0; i < FAILURES; i++)
        if (ws_code >= OWN_CODES && failures[i].ws_code == ws_code)
            return failures[i].failure;
    return 0;
}
