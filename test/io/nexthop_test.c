/* test/io/nexthop_test.c - whom packets go to, by the kernel's word: followed, bounded, and never by the answer to another question */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "io/linux/nexthop.h"
#include "link_lab.h"

static int setup(void **state)
{
    (void)state;
    return make_veth();
}

static void the_next_hop_is_followed_within_a_second(void **state)
{
    (void)state;
    struct nexthop *n;
    uint8_t mac[NEXTHOP_MAC_LEN];
    assert_int_equal(nexthop_new((int)if_nametoindex("v0"), NEAR, &n), 0);
    assert_false(nexthop_get(n, FAR, 1000, mac)); /* asked: this packet goes the ordinary way */
    assert_true(nexthop_get(n, FAR, 1000, mac));
    assert_memory_equal(mac, "\2\0\0\0\0\1", 6);
    assert_int_equal(run("ip neigh replace 198.51.100.1 lladdr 02:00:00:00:00:07 dev v0"), 0);
    assert_false(nexthop_get(n, FAR, 1000 + NEXTHOP_LIFE_MS, mac));
    assert_true(nexthop_get(n, FAR, 1001 + NEXTHOP_LIFE_MS, mac));
    assert_memory_equal(mac, "\2\0\0\0\0\7", 6);
    uint32_t beyond = 0xcb007105; /* 203.0.113.5: no route yet */
    assert_false(nexthop_get(n, beyond, 5000, mac));
    assert_false(nexthop_get(n, beyond, 5001, mac));
    assert_int_equal(run("ip route add default via 198.51.100.1"), 0);
    assert_false(nexthop_get(n, beyond, 6001, mac));
    assert_true(nexthop_get(n, beyond, 6002, mac));
    assert_memory_equal(mac, "\2\0\0\0\0\7", 6);
    assert_int_equal(run("ip neigh del 198.51.100.1 dev v0"), 0);
    assert_false(nexthop_get(n, beyond, 8000, mac));
    assert_false(nexthop_get(n, beyond, 8001, mac)); /* the kernel does not know either */
    nexthop_free(n);
    nexthop_free(NULL);
}

/* Port ids of this process's rtnetlink sockets; the kernel's own is 0. */
static size_t port_ids(uint32_t ret_ids[8])
{
    char line[256];
    unsigned proto;
    unsigned long id;
    size_t count = 0;
    FILE *f = fopen("/proc/self/net/netlink", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "%*s %u %lu", &proto, &id) == 2 && proto == NETLINK_ROUTE && id != 0 && count < 8)
            ret_ids[count++] = (uint32_t)id;
    fclose(f);
    return count;
}

/* What an answer not read in time looks like; root may put it there. */
static void put_late_answer(uint32_t port_id, uint16_t type, const void *body, size_t len)
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = port_id};
    uint8_t message[128] = {0};
    memcpy(message, &(struct nlmsghdr){.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len), .nlmsg_type = type, .nlmsg_seq = 1}, NLMSG_HDRLEN);
    memcpy(message + NLMSG_HDRLEN, body, len);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    assert_int_equal(sendto(fd, message, NLMSG_HDRLEN + len, 0, (struct sockaddr *)&to, sizeof to), NLMSG_HDRLEN + len);
    close(fd);
}

static void an_answer_to_an_older_question_is_not_taken_for_the_new_one(void **state)
{
    (void)state;
    struct nexthop *n;
    uint8_t mac[NEXTHOP_MAC_LEN];
    uint32_t id[8];
    const struct {
        struct rtmsg head;
        struct rtattr oif;
        int index;
        struct rtattr gateway;
        uint8_t addr[4];
    } route = {{.rtm_family = AF_INET, .rtm_type = RTN_UNICAST}, {8, RTA_OIF}, (int)if_nametoindex("v0"), {8, RTA_GATEWAY}, {198, 51, 100, 9}};
    const struct {
        struct ndmsg head;
        struct rtattr lladdr;
        uint8_t mac[8];
    } neighbour = {{.ndm_family = AF_INET, .ndm_state = NUD_REACHABLE}, {10, NDA_LLADDR}, {2, 0, 0, 0, 0, 9}};
    assert_int_equal(run("ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev v0"), 0);
    assert_int_equal(nexthop_new((int)if_nametoindex("v0"), NEAR, &n), 0);
    assert_int_equal(port_ids(id), 1);
    put_late_answer(id[0], RTM_NEWROUTE, &route, sizeof route);
    put_late_answer(id[0], RTM_NEWNEIGH, &neighbour, sizeof neighbour);
    assert_false(nexthop_get(n, FAR, 1000, mac));
    assert_true(nexthop_get(n, FAR, 1000, mac));
    assert_memory_equal(mac, "\2\0\0\0\0\1", 6);
    assert_false(nexthop_get(n, FAR, 1000 + NEXTHOP_LIFE_MS, mac)); /* and nothing is left behind that would shift all that follow */
    assert_true(nexthop_get(n, FAR, 1000 + NEXTHOP_LIFE_MS, mac));
    nexthop_free(n);
}

static void questions_are_bounded(void **state)
{
    (void)state;
    struct nexthop *n;
    uint8_t mac[NEXTHOP_MAC_LEN];
    assert_int_equal(nexthop_new((int)if_nametoindex("v0"), NEAR, &n), 0);
    for (uint32_t i = 0; i < 20000; i++)
        assert_false(nexthop_get(n, 0xc6336440 + i, 1000, mac));
    assert_false(nexthop_get(n, FAR, 1000, mac));
    assert_false(nexthop_get(n, FAR, 1001, mac)); /* too many were asked in this second */
    assert_false(nexthop_get(n, FAR, 2000, mac));
    assert_true(nexthop_get(n, FAR, 2001, mac));
    nexthop_free(n);
}

/* More destinations than a set has places for: those that came first keep theirs. */
static void destinations_do_not_throw_each_other_out(void **state)
{
    (void)state;
    enum { ALIKE = NEXTHOP_WAYS + 3 };
    struct nexthop *n;
    uint8_t mac[NEXTHOP_MAC_LEN];
    uint32_t alike[ALIKE] = {FAR};
    unsigned found = 1, known = 0;
    for (uint32_t dst = 0xcb007101; found < ALIKE; dst++) /* by the gateway */
        if ((dst * 2654435761u) >> 24 == (FAR * 2654435761u) >> 24)
            alike[found++] = dst;
    assert_int_equal(run("ip route add default via 198.51.100.1"), 0);
    assert_int_equal(nexthop_new((int)if_nametoindex("v0"), NEAR, &n), 0);
    for (int round = 0; round < 300; round++)
        for (unsigned i = 0; i < ALIKE; i++)
            known += nexthop_get(n, alike[i], 1000 + (uint64_t)round, mac);
    assert_int_equal(known, 299 * NEXTHOP_WAYS);
    nexthop_free(n);
}

int main(void)
{
    if (!may_make_veth())
        return 77;
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(the_next_hop_is_followed_within_a_second),
        T(an_answer_to_an_older_question_is_not_taken_for_the_new_one),
        T(questions_are_bounded),
        T(destinations_do_not_throw_each_other_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
