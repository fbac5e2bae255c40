/* io/linux/nexthop.c - see nexthop.h */
#include "io/linux/nexthop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASKED_MAX = 500, /* per second: beyond it packets go the ordinary way */
    VALID = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY,
};

struct slot {
    uint32_t dst;
    bool known;
    uint8_t mac[NEXTHOP_MAC_LEN];
    uint64_t until_ms; /* 0: empty */
};

struct nexthop {
    struct nl_sock *sock;
    int ifindex;
    uint32_t src;
    uint64_t second;
    unsigned asked; /* in it */
    struct slot slot[NEXTHOP_SETS][NEXTHOP_WAYS];
};

int nexthop_new(int ifindex, uint32_t src, struct nexthop **ret_nexthop)
{
    struct nexthop *n = calloc(1, sizeof *n);
    if (n == NULL)
        return -ENOMEM;
    n->ifindex = ifindex;
    n->src = src;
    n->sock = nl_socket_alloc();
    if (n->sock == NULL || nl_connect(n->sock, NETLINK_ROUTE) < 0 || nl_socket_set_nonblocking(n->sock) < 0) {
        nexthop_free(n);
        return -EIO;
    }
    nl_socket_disable_auto_ack(n->sock); /* one question, one message: the answer or an error */
    *ret_nexthop = n;
    return 0;
}

void nexthop_free(struct nexthop *n)
{
    if (n == NULL)
        return;
    nl_socket_free(n->sock);
    free(n);
}

struct answer {
    uint16_t type; /* the kind of message waited for */
    uint32_t seq;  /* of the question */
    bool come;     /* it, or the kernel's refusal */
    struct nlattr *attr[64];
    union {
        struct rtmsg route;
        struct ndmsg neighbour;
    } head;
    uint32_t gateway;
    int oif;
    uint8_t mac[NEXTHOP_MAC_LEN];
    bool good;
};

static int on_answer(struct nl_msg *msg, void *ctx)
{
    struct answer *a = ctx;
    struct nlmsghdr *header = nlmsg_hdr(msg);
    struct nlattr *attr[64] = {0};
    if (header->nlmsg_type != a->type)
        return NL_OK;
    if (a->type == RTM_NEWROUTE) {
        const struct rtmsg *route = nlmsg_data(header);
        if (nlmsg_parse(header, sizeof *route, attr, 63, NULL) < 0 || route->rtm_type != RTN_UNICAST)
            return NL_OK;
        a->gateway = attr[RTA_GATEWAY] != NULL ? ntohl(nla_get_u32(attr[RTA_GATEWAY])) : 0;
        a->oif = attr[RTA_OIF] != NULL ? (int)nla_get_u32(attr[RTA_OIF]) : 0;
        a->good = attr[RTA_VIA] == NULL; /* an IPv6 next hop: left to the kernel */
    } else {
        const struct ndmsg *neighbour = nlmsg_data(header);
        if (nlmsg_parse(header, sizeof *neighbour, attr, 63, NULL) < 0 || (neighbour->ndm_state & VALID) == 0 ||
            attr[NDA_LLADDR] == NULL || nla_len(attr[NDA_LLADDR]) != NEXTHOP_MAC_LEN)
            return NL_OK;
        memcpy(a->mac, nla_data(attr[NDA_LLADDR]), NEXTHOP_MAC_LEN);
        a->good = true;
    }
    return NL_OK;
}

/* An answer that could not be read in its time, for lack of memory say, lies in front of those that follow. And only the kernel's word counts. */
static int is_to_this_question(struct nl_msg *msg, void *ctx)
{
    struct answer *a = ctx;
    a->come = nlmsg_get_src(msg)->nl_pid == 0 && nlmsg_hdr(msg)->nlmsg_seq == a->seq;
    return a->come ? NL_OK : NL_SKIP;
}

/* Send a question; the kernel answers while it takes it, so nobody waits. */
static bool ask(struct nexthop *n, struct nl_msg *take_msg, uint16_t answer_type, struct answer *a)
{
    *a = (struct answer){.type = answer_type};
    nl_socket_modify_cb(n->sock, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, is_to_this_question, a);
    nl_socket_modify_cb(n->sock, NL_CB_VALID, NL_CB_CUSTOM, on_answer, a);
    bool asked = nl_send_auto(n->sock, take_msg) >= 0;
    a->seq = nlmsg_hdr(take_msg)->nlmsg_seq;
    nlmsg_free(take_msg);
    while (asked && !a->come)
        asked = nl_recvmsgs_default(n->sock) >= 0;
    return asked && a->good;
}

static bool ask_route(struct nexthop *n, uint32_t dst, uint32_t *ret_via)
{
    struct rtmsg route = {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_src_len = 32};
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
    struct answer a;
    if (msg == NULL || nlmsg_append(msg, &route, sizeof route, NLMSG_ALIGNTO) < 0 ||
        nla_put_u32(msg, RTA_DST, htonl(dst)) < 0 || nla_put_u32(msg, RTA_SRC, htonl(n->src)) < 0 ||
        nla_put_u32(msg, RTA_OIF, (uint32_t)n->ifindex) < 0) {
        nlmsg_free(msg);
        return false;
    }
    if (!ask(n, msg, RTM_NEWROUTE, &a) || a.oif != n->ifindex)
        return false;
    *ret_via = a.gateway != 0 ? a.gateway : dst;
    return true;
}

static bool ask_neighbour(struct nexthop *n, uint32_t addr, uint8_t ret_mac[NEXTHOP_MAC_LEN])
{
    struct ndmsg neighbour = {.ndm_family = AF_INET, .ndm_ifindex = n->ifindex};
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNEIGH, 0);
    struct answer a;
    if (msg == NULL || nlmsg_append(msg, &neighbour, sizeof neighbour, NLMSG_ALIGNTO) < 0 ||
        nla_put_u32(msg, NDA_DST, htonl(addr)) < 0) {
        nlmsg_free(msg);
        return false;
    }
    if (!ask(n, msg, RTM_NEWNEIGH, &a))
        return false;
    memcpy(ret_mac, a.mac, NEXTHOP_MAC_LEN);
    return true;
}

bool nexthop_get(struct nexthop *n, uint32_t dst, uint64_t now_ms, uint8_t ret_mac[NEXTHOP_MAC_LEN])
{
    struct slot *set = n->slot[(dst * 2654435761u) >> 24], *s = NULL;
    uint32_t via;
    for (int i = 0; i < NEXTHOP_WAYS; i++) {
        if (set[i].until_ms > now_ms && set[i].dst == dst) {
            memcpy(ret_mac, set[i].mac, NEXTHOP_MAC_LEN);
            return set[i].known;
        }
        if (set[i].until_ms <= now_ms)
            s = &set[i];
    }
    if (s == NULL) /* keep the old: two that throw each other out would both be asked for all the time */
        return false;
    if (n->second != now_ms / 1000) {
        n->second = now_ms / 1000;
        n->asked = 0;
    }
    if (n->asked++ >= ASKED_MAX)
        return false;
    *s = (struct slot){.dst = dst, .until_ms = now_ms + NEXTHOP_LIFE_MS};
    s->known = ask_route(n, dst, &via) && ask_neighbour(n, via, s->mac);
    return false;
}
