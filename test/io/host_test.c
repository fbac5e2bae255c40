/* test/io/host_test.c - journal, addresses, TUN, routes and ports on the real kernel; see host_lab.h */
#include "host_lab.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <sys/socket.h>

#define ALIAS 0xa9fe8659u /* 169.254.134.89 */
static const struct host_cidr alias = {ALIAS, 16};

static void cidr_parses_prefixes_and_refuses_the_rest(void **state)
{
    (void)state;
    struct host_cidr c;
    assert_int_equal(host_cidr_parse("10.1.2.3", &c), 0);
    assert_int_equal(c.addr, 0x0a010203);
    assert_int_equal(c.len, 32);
    assert_int_equal(host_cidr_parse("192.168.0.0/16", &c), 0);
    assert_int_equal(c.len, 16);
    assert_int_equal(host_cidr_parse("0.0.0.0/0", &c), 0);
    static const char *const bad[] = {"", "10.1.2", "10.1.2.3/", "10.1.2.3/33", "10.1.2.3/16", "10.1.2.0/024", "10.1.2.0/24x",
                                      "10.1.2.0/-1", "1.2.3.4.5.6.7.8.9.10", "::1/128", "10.0.0.0/ 8", "10.0.0.0/08"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(host_cidr_parse(bad[i], &c), -EINVAL);
}

static void iface_find_reads_and_lists(void **state)
{
    (void)state;
    struct host_iface iface;
    struct err err = {0};
    assert_int_equal(sh("ip addr add 192.0.2.7/24 dev w0 && ip link set w0 up mtu 1400"), 0);
    assert_int_equal(host_iface_find("w0", &iface, &err), 0);
    assert_int_equal(iface.addr, 0xc0000207);
    assert_int_equal(iface.mtu, 1400);
    assert_true(iface.up);
    assert_true(iface.index > 0);
    assert_int_equal(host_iface_find("en1", &iface, &err), -ENODEV);
    assert_string_equal(err.text, "interface en1: there is none of that name; there are: lo, w1, w0");
    assert_int_equal(host_iface_find("a-name-much-too-long-for-linux", &iface, &err), -ENODEV);
    assert_int_equal(host_iface_find("", &iface, &err), -ENODEV);
}

static void alias_added_link_up_both_undone(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *host = lab_open(lab, "client");
    assert_non_null(host);
    assert_int_equal(host_addr_add(host, "w0", alias, &err), 0);
    assert_int_equal(sh("ip -o -4 addr show dev w0 | grep -q '169.254.134.89/16.*scope link'"), 0);
    assert_int_equal(sh("ip link show w0 | grep -q '[<,]UP[,>]'"), 0);
    assert_int_equal(sh("grep -q '^addr [0-9]* w0 169.254.134.89/16$' %s/client-%d.journal", lab->state, getpid()), 0);
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
    host_close(NULL);
}

static void alias_already_there_is_left_there(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    assert_int_equal(sh("ip link set w0 up && ip addr add 169.254.134.89/16 dev w0"), 0);
    lab_look(lab->before, sizeof lab->before);
    struct host *host = lab_open(lab, "client");
    assert_int_equal(host_addr_add(host, "w0", alias, &err), 0);
    assert_int_equal(sh("test $(wc -l < %s/client-%d.journal) = 1", lab->state, getpid()), 0);
    host_close(host);
    lab_assert_unchanged(lab);
}

static void undo_survives_what_is_gone(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *host = lab_open(lab, "client");
    assert_int_equal(host_addr_add(host, "w0", alias, &err), 0);
    assert_int_equal(sh("ip link del w0"), 0);
    /* a new interface of the old name is somebody else's */
    assert_int_equal(sh("ip link add w0 type veth peer name w1 && ip link set w1 up && ip link set w0 up && ip addr add 169.254.134.89/16 dev w0"), 0);
    host_close(host);
    lab_assert_state_empty(lab);
    assert_int_equal(sh("ip -o -4 addr show dev w0 | grep -q 169.254.134.89/16"), 0);
    assert_int_equal(sh("ip link show w0 | grep -q '[<,]UP[,>]'"), 0);
}

static void make_all(struct lab *lab)
{
    struct err err = {0};
    struct host *host = lab_open(lab, "client");
    CHECK(host != NULL && host_addr_add(host, "w0", alias, &err) == 0);
    int tun = host_tun_open(host, "tun7", (struct host_cidr){0x0a000001, 24}, 1400, &err);
    CHECK(tun >= 0 && host_route_add(host, "tun7", (struct host_cidr){0, 0}, &err) == 0);
    CHECK(host_route_ipv6_all(host, "tun7", &err) == 0);
    CHECK(host_reserve_ports(host, 61000, 65535, &err) == 0);
    CHECK(host_silence_ports(host, 0xc0000201, 61000, 65535, &err) == 0);
}

static void cleanup_mends_what_sigkill_left(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    assert_int_equal(lab_killed_after(make_all, lab), 0);
    assert_int_equal(lab_await("! ip link show tun7 2>/dev/null && test -z \"$(nft list ruleset)\""), 0);
    assert_int_equal(sh("ip addr show dev w0 | grep -q 169.254.134.89"), 0);
    assert_int_equal(host_cleanup(lab->state, &err), 3); /* link, address, ports */
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
    assert_int_equal(host_cleanup(lab->state, &err), 0);
}

static void next_start_mends_what_sigkill_left(void **state)
{
    struct lab *lab = *state;
    assert_int_equal(lab_killed_after(make_all, lab), 0);
    host_close(lab_open(lab, "client"));
    assert_int_equal(lab_await("test -z \"$(nft list ruleset)\""), 0);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

/* A journal as a dead process of this namespace, or another one, would have left it. */
static void write_journal(struct lab *lab, const char *name, long pid, uint64_t start, bool other_ns, bool other_boot, const char *lines)
{
    assert_int_equal(sh("mkdir -p -m 700 %s && printf 'tether-journal 1 %ld %lu %%s %%s\\n%s' $(stat -L -c %%i /proc/self/ns/net | sed 's/$/%s/')"
                        " $(sed 's/$/%s/' /proc/sys/kernel/random/boot_id) > %s/%s",
                        lab->state, pid, (unsigned long)start, lines, other_ns ? "9" : "", other_boot ? "x" : "", lab->state, name), 0);
}

static int w0_index(void)
{
    struct host_iface iface;
    assert_int_equal(host_iface_find("w0", &iface, NULL), 0);
    return iface.index;
}

static void torn_line_was_never_done(void **state)
{
    struct lab *lab = *state;
    char lines[200];
    assert_int_equal(sh("ip link set w0 up && ip addr add 192.0.2.1/24 dev w0 && ip addr add 192.0.2.9/32 dev w0"), 0);
    snprintf(lines, sizeof lines, "addr %d w0 192.0.2.9/32\\naddr %d w0 192.0.2.1/24", w0_index(), w0_index());
    write_journal(lab, "client-99.journal", 4194300, 5, false, false, lines);
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    assert_int_equal(sh("ip addr show dev w0 | grep -q 192.0.2.1/24 && ! ip addr show dev w0 | grep -q 192.0.2.9"), 0);
    lab_assert_state_empty(lab);
    /* torn header: nothing was done under it */
    assert_int_equal(sh("printf 'tether-jour' > %s/client-98.journal", lab->state), 0);
    assert_int_equal(host_cleanup(lab->state, NULL), 0);
    lab_assert_state_empty(lab);
}

static void senseless_lines_are_skipped_not_obeyed(void **state)
{
    struct lab *lab = *state;
    char lines[900];
    assert_int_equal(sh("ip link set w0 up && ip addr add 192.0.2.9/32 dev w0"), 0);
    int i = w0_index();
    snprintf(lines, sizeof lines,
             "addr %d w0 192.0.2.9/32\\nrm -rf /\\n\\naddr\\naddr x w0 1.2.3.4/8\\naddr %d w0\\naddr %d w0 1.2.3.4/99\\n"
             "addr -1 w0 1.2.3.4/8\\nlink-down\\nlink-down %d\\nports\\nports 1-\\nports 70000\\nports 9-3\\nnft filter\\n"
             "nft tether-1;x\\nresolvconf ../x\\nresolv x\\nlink-down %dx w0\\n", i, i, i, i, i);
    write_journal(lab, "client-99.journal", 4194300, 5, false, false, lines);
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    assert_int_equal(sh("ip addr show dev w0 | grep -q 192.0.2.9"), 1);
    assert_int_equal(sh("ip link show w0 | grep -q '[<,]UP[,>]'"), 0);
    lab_assert_state_empty(lab);
    /* a header of another version, or not a header: not ours to judge */
    assert_int_equal(sh("echo tether-journal 2 1 2 3 4 > %s/a.journal; head -c 9000 /dev/urandom > %s/b.journal; echo >> %s/b.journal",
                        lab->state, lab->state, lab->state), 0);
    assert_int_equal(host_cleanup(lab->state, NULL), 0);
    assert_int_equal(sh("test -e %s/a.journal && test -e %s/b.journal", lab->state, lab->state), 0);
}

static void journals_of_the_living_and_of_elsewhere_are_left(void **state)
{
    struct lab *lab = *state;
    char lines[80], start[40];
    assert_int_equal(sh("ip link set w0 up && ip addr add 192.0.2.9/32 dev w0"), 0);
    snprintf(lines, sizeof lines, "addr %d w0 192.0.2.9/32\\n", w0_index());
    sh_read(start, sizeof start, "cut -d' ' -f22 /proc/%d/stat", getpid());
    uint64_t mine = strtoull(start, NULL, 10);
    write_journal(lab, "client-1.journal", getpid(), mine, false, false, lines);
    char path[128];
    snprintf(path, sizeof path, "%s/client-1.journal", lab->state);
    int kept = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(kept, LOCK_EX), 0);
    write_journal(lab, "client-2.journal", 4194300, 5, true, false, lines);
    assert_int_equal(host_cleanup(lab->state, NULL), 0);
    host_close(lab_open(lab, "client"));
    assert_int_equal(sh("ip addr show dev w0 | grep -q 192.0.2.9 && test $(ls %s | wc -l) = 2", lab->state), 0);
    /* after a restart of the machine the address is somebody else's, whatever the namespace's number */
    write_journal(lab, "client-3.journal", 4194300, 5, true, true, lines);
    assert_int_equal(host_cleanup(lab->state, NULL), 0);
    assert_int_equal(sh("ip addr show dev w0 | grep -q 192.0.2.9 && test ! -e %s/client-3.journal", lab->state), 0);
    /* the pid lives, but in another process than the one that wrote this */
    write_journal(lab, "client-4.journal", getpid(), mine + 1, false, false, lines);
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    assert_int_equal(sh("ip addr show dev w0 | grep -q 192.0.2.9"), 1);
    close(kept);
}

/* The process is gone, and somebody holds its journal: he is about to undo what it tells of. */
static void who_comes_while_a_keeper_mends_waits_for_him(void **state)
{
    struct lab *lab = *state;
    char lines[80], path[128], byte;
    int ready[2], status;
    assert_int_equal(sh("ip link set w0 up && ip addr add 192.0.2.9/32 dev w0"), 0);
    snprintf(lines, sizeof lines, "addr %d w0 192.0.2.9/32\\n", w0_index());
    write_journal(lab, "client-9.journal", 4194300, 5, false, false, lines);
    snprintf(path, sizeof path, "%s/client-9.journal", lab->state);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t keeper = fork();
    if (keeper == 0) {
        int held = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(flock(held, LOCK_EX) == 0 && write(ready[1], "x", 1) == 1);
        usleep(300 * 1000);
        CHECK(sh("ip addr del 192.0.2.9/32 dev w0") == 0 && unlink(path) == 0);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(host_cleanup(lab->state, NULL), 0);
    assert_int_equal(sh("ip addr show dev w0 | grep -q 192.0.2.9"), 1);
    assert_true(waitpid(keeper, &status, 0) == keeper && status == 0);
    lab_assert_state_empty(lab);
    close(ready[0]);
    close(ready[1]);
}

static void tun_and_routes_vanish_with_the_descriptor(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    assert_int_equal(sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"), 0);
    struct host *host = lab_open(lab, "client");
    int fd = host_tun_open(host, "tun7", lab_cidr("10.0.0.1"), 1400, &err);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(sh("ip link show tun7 | grep -q 'UP.*mtu 1400'"), 0);
    assert_int_equal(host_route_add(host, "tun7", lab_cidr("0.0.0.0/0"), &err), 0);
    assert_int_equal(host_route_add(host, "tun7", lab_cidr("198.51.100.0/24"), &err), 0);
    assert_int_equal(host_route_ipv6_all(host, "tun7", &err), 0);
    assert_int_equal(sh("ip route get 8.8.8.8 | grep -q 'dev tun7.*src 10.0.0.1' && ip route get 198.51.100.9 | grep -q tun7"), 0);
    assert_int_equal(sh("ip route | grep -q '^0.0.0.0/1 dev tun7' && ip route | grep -q '^128.0.0.0/1 dev tun7'"), 0);
    assert_int_equal(sh("ip route get 2001:db8::1 | grep -q tun7 && ip route get 9000::1 | grep -q tun7"), 0);
    assert_int_equal(sh("ip -6 addr show dev tun7 | grep -q fe80"), 1); /* no chatter of its own */
    assert_int_equal(sh("test $(cat /proc/sys/net/ipv6/conf/default/disable_ipv6) = 1"), 0);
    /* the same routes again: said, and the device stays as it was */
    assert_int_equal(host_route_add(host, "tun7", lab_cidr("0.0.0.0/0"), &err), -EEXIST);
    assert_non_null(strstr(err.text, "--route"));
    close(fd);
    host_close(host);
    assert_int_equal(sh("echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6"), 0);
    lab_assert_unchanged(lab);
}

static void half_a_default_route_is_taken_back(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *host = lab_open(lab, "client");
    int fd = host_tun_open(host, "tun7", lab_cidr("10.0.0.1"), 1400, &err);
    assert_int_equal(sh("ip link set w0 up && ip route add 128.0.0.0/1 dev w0"), 0);
    assert_int_equal(host_route_add(host, "tun7", lab_cidr("0.0.0.0/0"), &err), -EEXIST);
    assert_int_equal(sh("ip route | grep -q tun7"), 1);
    close(fd);
    host_close(host);
}

static void tun_errors_name_the_remedy_and_leave_no_device(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *host = lab_open(lab, "client");
    struct host_cidr ten = lab_cidr("10.0.0.1");
    assert_int_equal(host_tun_open(host, "w0", ten, 1400, &err), -EBUSY);
    assert_non_null(strstr(err.text, "--tun NAME"));
    /* somebody's persistent device, at rest: not ours to take */
    assert_int_equal(sh("ip tuntap add dev tun8 mode tun"), 0);
    assert_int_equal(host_tun_open(host, "tun8", ten, 1400, &err), -EBUSY);
    assert_int_equal(sh("ip link del tun8"), 0);
    assert_int_equal(host_tun_open(host, "tun7", ten, 7, &err), -EINVAL);
    assert_non_null(strstr(err.text, "--mtu"));
    assert_int_equal(host_tun_open(host, "tun%d", ten, 1400, &err), -EINVAL);
    assert_int_equal(host_tun_open(host, "a-name-much-too-long", ten, 1400, &err), -EINVAL);
    lab_assert_unchanged(lab);
    assert_int_equal(mount("tmpfs", "/dev/net", "tmpfs", 0, NULL), 0);
    assert_int_equal(host_tun_open(host, "tun7", ten, 1400, &err), -ENOENT);
    assert_non_null(strstr(err.text, "modprobe tun"));
    umount2("/dev/net", MNT_DETACH);
    host_close(host);
}

enum { VNET_LEN = 10 }; /* in front of each packet of the TUN; zeros: nothing to say */

/* Read packets from the TUN until a TCP SYN over IPv6. @return its length, 0 after a second */
static size_t await_syn(int tun, uint8_t *packet, size_t cap)
{
    struct pollfd p = {.fd = tun, .events = POLLIN};
    while (poll(&p, 1, 1000) == 1) {
        uint8_t vnet[VNET_LEN];
        ssize_t n = readv(tun, (struct iovec[]){{vnet, VNET_LEN}, {packet, cap}}, 2) - VNET_LEN;
        if (n >= 60 && packet[0] >> 4 == 6 && packet[6] == IPPROTO_TCP)
            return (size_t)n;
    }
    return 0;
}

static void refuse(int tun, const uint8_t *syn, size_t len)
{
    uint8_t vnet[VNET_LEN] = {0}, out[40 + 8 + 256] = {0x60};
    size_t body = 8 + (len < 256 ? len : 256);
    out[5] = (uint8_t)body;
    if (body > 255)
        out[4] = 1;
    out[6] = IPPROTO_ICMPV6;
    out[7] = 64;
    memcpy(out + 8, syn + 24, 16); /* from where it was going */
    memcpy(out + 24, syn + 8, 16);
    out[40] = ICMP6_DST_UNREACH;
    memcpy(out + 48, syn, body - 8);
    uint32_t sum = (uint32_t)body + IPPROTO_ICMPV6;
    for (size_t i = 8; i < 40 + body; i += 2)
        sum += (uint32_t)(out[i] << 8) + (i + 1 < 40 + body ? out[i + 1] : 0);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    out[42] = (uint8_t)(~sum >> 8);
    out[43] = (uint8_t)~sum;
    assert_int_equal(writev(tun, (struct iovec[]){{vnet, VNET_LEN}, {out, 40 + body}}, 2), VNET_LEN + 40 + body);
}

/* The other interfaces have nothing but a link-local address, the hardest case: see tun_ipv6 in iface.c. */
static void ipv6_connect_enters_the_tun_and_can_be_refused(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    uint8_t packet[2048];
    assert_int_equal(sh("ip link set w0 up && ip -6 addr show dev w0 | grep -q fe80"), 0);
    assert_int_equal(lab_await("! ip -6 addr show tentative | grep -q fe80"), 0);
    struct host *host = lab_open(lab, "client");
    int tun = host_tun_open(host, "tun7", lab_cidr("10.0.0.1"), 1400, &err);
    assert_int_equal(host_route_ipv6_all(host, "tun7", &err), 0);
    /* The kernel enters an address into its local table a moment after it took it. */
    assert_int_equal(lab_await("ip -6 route show table local | grep -q 'fd74.* dev tun7'"), 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    inet_pton(AF_INET6, "2a00:1450::1", &to.sin6_addr);
    int sock = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(sock, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, EINPROGRESS);
    size_t len = await_syn(tun, packet, sizeof packet);
    assert_true(len > 0);
    refuse(tun, packet, len);
    struct pollfd p = {.fd = sock, .events = POLLOUT};
    assert_int_equal(poll(&p, 1, 500), 1);
    int soerr = 0;
    socklen_t soerr_len = sizeof soerr;
    getsockopt(sock, SOL_SOCKET, SO_ERROR, &soerr, &soerr_len);
    assert_int_equal(soerr, ENETUNREACH);
    close(sock);
    close(tun);
    host_close(host);
}

static void no_privilege_says_so_in_one_line(void **state)
{
    struct lab *lab = *state;
    assert_int_equal(sh("mkdir -m 700 %s && chmod 755 %s && chown 65534 %s", lab->state, lab->dir, lab->state), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = {0};
        CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
        struct host *host = lab_open(lab, "client"), *none = NULL;
        CHECK(host != NULL);
        CHECK(host_addr_add(host, "w0", alias, &err) == -EPERM && strncmp(err.text, "needs root: ", 12) == 0);
        CHECK(strstr(err.text, "run it with sudo") != NULL);
        CHECK(host_tun_open(host, "tun7", alias, 1400, &err) < 0 && strncmp(err.text, "needs root: ", 12) == 0);
        CHECK(host_route_add(host, "w0", alias, &err) < 0 && strncmp(err.text, "needs root: ", 12) == 0);
        CHECK(host_reserve_ports(host, 61000, 61001, &err) < 0 && strncmp(err.text, "needs root: ", 12) == 0);
        CHECK(host_silence_ports(host, 1, 61000, 61001, &err) == -EPERM && strncmp(err.text, "needs root: ", 12) == 0);
        CHECK(host_dns_set(host, "w0", &(uint32_t){1}, 1, &err) < 0 && strncmp(err.text, "needs root: ", 12) == 0);
        host_close(host);
        CHECK(host_open("/var/lib/tether-host-test-none", "client", &none, &err) == -EACCES);
        CHECK(strstr(err.text, "/var/lib/tether-host-test-none") && strstr(err.text, "--state-dir") && strstr(err.text, "sudo"));
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

static void bad_state_directories_are_named(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *host = NULL;
    assert_int_equal(host_cleanup(lab->state, &err), 0); /* never started here: nothing to do, nothing made */
    assert_int_equal(access(lab->state, F_OK), -1);
    assert_int_equal(sh("mkdir -m 777 %s", lab->state), 0);
    assert_int_equal(host_open(lab->state, "client", &host, &err), -EPERM);
    assert_non_null(strstr(err.text, "other users can write there"));
    assert_int_equal(sh("rmdir %s && echo > %s", lab->state, lab->state), 0);
    assert_int_equal(host_open(lab->state, "client", &host, &err), -ENOTDIR);
    assert_non_null(strstr(err.text, "--state-dir"));
    assert_int_equal(sh("rm %s", lab->state), 0);
    assert_int_equal(host_open(lab->state, "../x", &host, &err), -EINVAL);
    assert_null(host);
}

static void full_disk_changes_nothing(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    assert_int_equal(sh("mkdir -m 700 %s && mount -t tmpfs -o size=4096,mode=700 tmpfs %s", lab->state, lab->state), 0);
    struct host *host = lab_open(lab, "client");
    assert_non_null(host);
    /* the page of the journal itself has room for a while: use it up, then every change must fail unmade */
    int rc = 0;
    for (int i = 0; i < 64 && rc == 0; i++)
        rc = host_addr_add(host, "w0", (struct host_cidr){0x0a000000u + (uint32_t)i, 32}, &err);
    assert_int_equal(rc, -ENOSPC);
    assert_non_null(strstr(err.text, lab->state));
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
    assert_int_equal(sh("cp /dev/zero %s/fill 2>/dev/null", lab->state), 1);
    assert_int_equal(host_open(lab->state, "client", &host, &err), -ENOSPC);
    assert_int_equal(sh("test \"$(ls %s)\" = fill && umount %s", lab->state, lab->state), 0);
}

int main(void)
{
    LAB_NEEDS_ROOT();
#define T(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cidr_parses_prefixes_and_refuses_the_rest),
        T(iface_find_reads_and_lists),
        T(alias_added_link_up_both_undone),
        T(alias_already_there_is_left_there),
        T(undo_survives_what_is_gone),
        T(cleanup_mends_what_sigkill_left),
        T(next_start_mends_what_sigkill_left),
        T(torn_line_was_never_done),
        T(senseless_lines_are_skipped_not_obeyed),
        T(journals_of_the_living_and_of_elsewhere_are_left),
        T(who_comes_while_a_keeper_mends_waits_for_him),
        T(tun_and_routes_vanish_with_the_descriptor),
        T(half_a_default_route_is_taken_back),
        T(tun_errors_name_the_remedy_and_leave_no_device),
        T(ipv6_connect_enters_the_tun_and_can_be_refused),
        T(no_privilege_says_so_in_one_line),
        T(bad_state_directories_are_named),
        T(full_disk_changes_nothing),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
