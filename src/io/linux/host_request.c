/* io/linux/host_request.c - see host_request.h */
#include "io/linux/host_request.h"

#include <errno.h>
#include <string.h>

enum { DIGITS_MAX = 5 };

static bool is_text(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);
    if (len == cap)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

int host_request_check(const void *bytes, size_t len, struct host_request *ret_request)
{
    struct host_request r;
    if (len != sizeof r)
        return -EBADMSG;
    memcpy(&r, bytes, sizeof r);
    if (r.op == 0 || r.op >= HOST_OPS || r.flag > 1 || r.zero != 0 || r.prefix_len > 32 || r.dns_count > HOST_DNS_MAX ||
        r.size > HOST_BUFFER_MAX)
        return -EBADMSG;
    if (!is_text(r.ifname, sizeof r.ifname) || !is_text(r.bridge, sizeof r.bridge) || !is_text(r.text, sizeof r.text))
        return -EBADMSG;
    *ret_request = r;
    return 0;
}

/* PREFIX and a number, as the switch names the TAPs of its guests. */
static bool is_granted_tap(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    if (len == 0 || strncmp(name, prefix, len) != 0)
        return false;
    const char *digits = name + len;
    size_t count = strspn(digits, "0123456789");
    return count > 0 && count <= DIGITS_MAX && digits[count] == '\0';
}

static bool are_name_servers(const struct host_request *r)
{
    for (uint32_t i = 0; i < r->dns_count; i++)
        if (r->dns[i] >> 24 == 0 || r->dns[i] >> 28 >= 0xe) /* none, many, or all */
            return false;
    return r->dns_count > 0;
}

bool host_request_granted(const struct host_request *r, const struct host_grants *grants)
{
    switch (r->op) {
    case HOST_OP_CLOSE:
        return true;
    case HOST_OP_DNS_SET:
        return grants->tun[0] != '\0' && strcmp(r->ifname, grants->tun) == 0 && are_name_servers(r);
    case HOST_OP_TAP_OPEN:
        return is_granted_tap(r->ifname, grants->tap);
    case HOST_OP_BRIDGE_JOIN:
        return is_granted_tap(r->ifname, grants->tap) && grants->bridge[0] != '\0' && strcmp(r->bridge, grants->bridge) == 0;
    default:
        return false;
    }
}
