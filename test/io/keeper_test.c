/* test/io/keeper_test.c - what may be asked of the process that keeps root, by whoever has taken over the other one */
#include "host_lab.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "io/keeper.h"
#include "io/linux/desk.h"

static const struct host_grants grants = {.tun = "tun0", .tap = "sw", .bridge = "swbr"};

static struct host_request request_of(enum host_op op, const char *ifname)
{
    struct host_request r = {.op = op};
    snprintf(r.ifname, sizeof r.ifname, "%s", ifname);
    return r;
}

/* Behind each length lies a page that nobody may touch. */
static void requests_of_another_size_are_refused(void **state)
{
    (void)state;
    struct host_request r = request_of(HOST_OP_CLOSE, ""), got;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room != MAP_FAILED && mprotect(room + page, page, PROT_NONE) == 0);
    for (size_t len = 0; len <= sizeof r; len++) {
        memcpy(room + page - len, &r, len);
        assert_int_equal(host_request_check(room + page - len, len, &got), len == sizeof r ? 0 : -EBADMSG);
    }
    assert_int_equal(host_request_check(room, sizeof r + 1, &got), -EBADMSG);
    munmap(room, 2 * page);
}

static void wild_texts_and_numbers_are_refused(void **state)
{
    (void)state;
    const struct host_request good = {.op = HOST_OP_DNS_SET, .ifname = "tun0", .dns = {0x08080808}, .dns_count = 1};
    struct host_request got, bad[12];
    assert_int_equal(host_request_check(&good, sizeof good, &got), 0);
    for (size_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].op = 0;
    bad[1].op = HOST_OPS;
    bad[2].op = UINT32_MAX;
    memset(bad[3].ifname, 'a', sizeof bad[3].ifname);
    memset(bad[4].bridge, 'a', sizeof bad[4].bridge);
    memset(bad[5].text, 'a', sizeof bad[5].text);
    bad[6].ifname[1] = '\n';
    bad[7].prefix_len = 33;
    bad[8].dns_count = HOST_DNS_MAX + 1;
    bad[9].flag = 2;
    bad[10].zero = 1;
    bad[11].size = HOST_BUFFER_MAX + 1;
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(host_request_check(&bad[i], sizeof bad[i], &got), -EBADMSG);
}

static void name_servers_only_of_our_tun_and_only_real_ones(void **state)
{
    (void)state;
    struct host_request r = request_of(HOST_OP_DNS_SET, "tun0");
    assert_false(host_request_granted(&r, &grants)); /* none given */
    r.dns[0] = 0xc00002c8;
    r.dns_count = 1;
    assert_true(host_request_granted(&r, &grants));
    assert_false(host_request_granted(&r, &(struct host_grants){.tap = "sw"}));
    static const uint32_t bad[] = {0, 0x00010203, 0xe0000001, 0xffffffff};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r.dns[1] = bad[i];
        r.dns_count = 2;
        assert_false(host_request_granted(&r, &grants));
    }
    r = request_of(HOST_OP_DNS_SET, "eth0");
    r.dns[0] = 0xc00002c8;
    r.dns_count = 1;
    assert_false(host_request_granted(&r, &grants));
}

static void taps_only_of_the_granted_name_and_bridge(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "sw", "swx", "sw1x", "sw-1", "eth0", "sw123456", "xsw1"};
    struct host_request r = request_of(HOST_OP_TAP_OPEN, "sw17");
    assert_true(host_request_granted(&r, &grants));
    assert_false(host_request_granted(&r, &(struct host_grants){.tun = "tun0"}));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r = request_of(HOST_OP_TAP_OPEN, bad[i]);
        assert_false(host_request_granted(&r, &grants));
        r.op = HOST_OP_BRIDGE_JOIN;
        memcpy(r.bridge, "swbr", 5);
        assert_false(host_request_granted(&r, &grants));
    }
    r = request_of(HOST_OP_BRIDGE_JOIN, "sw1");
    assert_false(host_request_granted(&r, &grants));
    memcpy(r.bridge, "swbr", 5);
    assert_true(host_request_granted(&r, &grants));
    assert_false(host_request_granted(&r, &(struct host_grants){.tap = "sw"}));
}

static int32_t do_one(struct desk *desk, const struct host_request *r, int fd, int *ret_fd)
{
    struct host_reply reply;
    int came;
    desk_do(desk, r, sizeof *r, fd, &reply, &came);
    if (ret_fd != NULL)
        *ret_fd = came;
    else if (came >= 0)
        close(came);
    return reply.result;
}

static struct host_request open_of(const struct lab *lab)
{
    struct host_request r = request_of(HOST_OP_OPEN, "client");
    snprintf(r.text, sizeof r.text, "%s", lab->state);
    return r;
}

/* Every operation, as it was allowed a moment before. */
static void sealed_desk_changes_nothing_else(void **state)
{
    struct lab *lab = *state;
    struct desk *desk = NULL;
    struct host_request r = open_of(lab);
    assert_int_equal(desk_new(getpid(), &desk), 0);
    assert_int_equal(do_one(desk, &r, -1, NULL), 0);
    r = request_of(HOST_OP_SEAL, "");
    assert_int_equal(do_one(desk, &r, -1, NULL), 0);
    for (uint32_t op = 1; op < HOST_OPS; op++) {
        r = op == HOST_OP_OPEN ? open_of(lab) : request_of((enum host_op)op, op == HOST_OP_TUN_OPEN || op == HOST_OP_TAP_OPEN ? "tun7" : "w0");
        r.addr = 0x0a000001;
        r.prefix_len = 32;
        r.port_lo = r.port_hi = 61000;
        r.size = op == HOST_OP_SOCKET ? 4096 : 1400;
        r.dns[0] = 0x08080808;
        r.dns_count = 1;
        memcpy(r.bridge, "br7", 4);
        if (op != HOST_OP_CLOSE && op != HOST_OP_SEAL)
            assert_true(do_one(desk, &r, -1, NULL) < 0);
    }
    assert_int_equal(sh("test $(wc -l < %s/client-%d.journal) = 1", lab->state, getpid()), 0);
    lab_assert_unchanged(lab);
    for (uint32_t number = 0; number < 8; number++) { /* hosts and files that are not there */
        r = request_of(number % 2 ? HOST_OP_CLOSE : HOST_OP_FILE_FRESH, "");
        r.number = number % 2 ? UINT32_MAX - number : number;
        assert_int_equal(do_one(desk, &r, -1, NULL), -EBADF);
    }
    desk_free(desk);
    lab_assert_state_empty(lab);
}

static void only_sockets_of_ip_are_prepared(void **state)
{
    (void)state;
    struct desk *desk = NULL;
    struct host_request r = request_of(HOST_OP_SOCKET, "w0");
    char name[IFNAMSIZ] = "";
    socklen_t len = sizeof name;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC), local = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 255), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(desk_new(getpid(), &desk), 0);
    const int strange[] = {-1, file, local, raw};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(do_one(desk, &r, strange[i], NULL), -EBADF);
    assert_int_equal(do_one(desk, &r, udp, NULL), 0);
    assert_int_equal(getsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
    assert_string_equal(name, "w0");
    r = request_of(HOST_OP_SOCKET, "none7");
    assert_int_equal(do_one(desk, &r, udp, NULL), -ENODEV);
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
    for (enum keeper_congestion which = 0; which < KEEPER_CONGESTIONS; which++) {
        r = (struct host_request){.op = HOST_OP_SOCKET, .flag = 1, .size = which};
        rc = do_one(desk, &r, tcp, NULL);
        assert_true(rc == 0 || rc == -ENOENT); /* a kernel without it */
        len = sizeof name;
        assert_int_equal(getsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
        assert_true(rc != 0 || strcmp(name, keeper_congestion_name(which)) == 0);
    }
    r.size = KEEPER_CONGESTIONS;
    assert_int_equal(do_one(desk, &r, tcp, NULL), -EBADMSG);
    r = (struct host_request){.op = HOST_OP_SOCKET, .size = 8 << 20};
    assert_int_equal(do_one(desk, &r, tcp, NULL), 0);
    int size = 0;
    len = sizeof size;
    assert_int_equal(getsockopt(tcp, SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
    assert_int_equal(size, 16 << 20); /* the kernel tells twice */
    close(file), close(local), close(raw), close(udp), close(tcp);
    desk_free(desk);
}

static void a_kept_file_is_renewed_after_the_seal_and_one_that_goes_goes(void **state)
{
    struct lab *lab = *state;
    struct desk *desk = NULL;
    struct host_request r = request_of(HOST_OP_FILE_KEEP, "");
    int fd;
    assert_int_equal(sh("mkdir %s && echo old > %s/kept && echo x > %s/goes", lab->state, lab->state, lab->state), 0);
    assert_int_equal(desk_new(getpid(), &desk), 0);
    snprintf(r.text, sizeof r.text, "%s/kept", lab->state);
    assert_int_equal(do_one(desk, &r, -1, NULL), 0);
    snprintf(r.text, sizeof r.text, "%s/goes", lab->state);
    r.flag = 1;
    assert_int_equal(do_one(desk, &r, -1, NULL), 1);
    r = request_of(HOST_OP_SEAL, "");
    assert_int_equal(do_one(desk, &r, -1, NULL), 0);
    r = request_of(HOST_OP_FILE_FRESH, "");
    assert_int_equal(do_one(desk, &r, -1, &fd), 0);
    assert_true(fd >= 0 && write(fd, "new\n", 4) == 4);
    close(fd);
    r.number = 1; /* what goes at the end is not to be written */
    assert_int_equal(do_one(desk, &r, -1, NULL), -EBADF);
    r = request_of(HOST_OP_FILE_REPLACE, "");
    assert_int_equal(do_one(desk, &r, -1, NULL), 0);
    desk_free(desk);
    assert_int_equal(sh("test \"$(ls %s)\" = kept && test $(cat %s/kept) = new", lab->state, lab->state), 0);
}

static void change_by_keeper(struct lab *lab)
{
    struct err err = {0};
    CHECK(keeper_start(&err) == 0);
    struct host *host = lab_open(lab, "client");
    CHECK(host != NULL && host_addr_add(host, "w0", (struct host_cidr){0xa9fe8659, 16}, &err) == 0);
    CHECK(host_addr_add(host, "none7", (struct host_cidr){0xa9fe8659, 16}, &err) == -ENODEV && strstr(err.text, "there are: ") != NULL);
    CHECK(host_tun_open(host, "tun7", (struct host_cidr){0x0a000001, 24}, 1400, &err) >= 0);
    CHECK(sh("ip addr show dev w0 | grep -q 169.254.134.89 && ip addr show dev tun7 | grep -q 10.0.0.1/24") == 0);
}

static void keeper_mends_at_once_when_its_process_is_killed(void **state)
{
    struct lab *lab = *state;
    assert_int_equal(lab_killed_after(change_by_keeper, lab), 0);
    assert_int_equal(lab_await("! ip addr show dev w0 | grep -q 169.254.134.89 && ! ip link show tun7 2>/dev/null"), 0);
    assert_int_equal(host_cleanup(lab->state, NULL), 0);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_another_size_are_refused),
        cmocka_unit_test(wild_texts_and_numbers_are_refused),
        cmocka_unit_test(name_servers_only_of_our_tun_and_only_real_ones),
        cmocka_unit_test(taps_only_of_the_granted_name_and_bridge),
        T(sealed_desk_changes_nothing_else),
        T(only_sockets_of_ip_are_prepared),
        T(a_kept_file_is_renewed_after_the_seal_and_one_that_goes_goes),
        T(keeper_mends_at_once_when_its_process_is_killed),
    };
    LAB_NEEDS_ROOT();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
