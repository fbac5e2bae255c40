/* role/page_state.c - see page_state.h */
#include "role/page_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>

#include "role/session_status.h"

int page_state_json(const struct page_state *s, char *buf, size_t cap)
{
    json_t *rtt = s->rtt_us > 0 ? json_real((double)(s->rtt_us / 100) / 10.0) : json_null();
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:o, s:I, s:I}", "role", s->role, "version",
                             TETHER_VERSION, "server", s->server, "laptop", s->laptop, "plain", (int)s->plain, "state",
                             s->state, "detail", s->detail, "rtt_ms", rtt, "up_bytes", (json_int_t)s->up_bytes,
                             "down_bytes", (json_int_t)s->down_bytes);
    if (json == NULL)
        return -1;
    if (s->session != NULL && s->lease != 0) {
        char lease[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &(struct in_addr){htonl(s->lease)}, lease, sizeof lease);
        json_object_set_new(json, "lease", json_string(lease));
    }
    if (s->session != NULL)
        json_object_set_new(json, "session", session_status_json(s->session));
    size_t len = json_dumpb(json, buf, cap, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    return len == 0 || len > cap ? -1 : (int)len;
}

const char *page_state_of_failure(int failure)
{
    switch (failure) {
    case -EKEYREJECTED:
        return "wrong-key";
    case -EPROTOTYPE:
        return "plain-mismatch";
    case -EAFNOSUPPORT:
        return "layer-mismatch";
    case -EPROTONOSUPPORT:
        return "version";
    case -EUSERS:
        return "busy";
    default:
        return "waiting";
    }
}
