/* test/io/host_ports_test.c - reserved ports and the nft table, on the real kernel; see host_lab.h */
#include "host_lab.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"

static void set_reserved(const char *text)
{
    assert_int_equal(sh("echo '%s' > " RESERVED, text), 0);
}

static void assert_reserved(const char *text)
{
    char now[4096];
    sh_read(now, sizeof now, "cat " RESERVED);
    now[strcspn(now, "\n")] = '\0';
    assert_string_equal(now, text);
}

static void reserved_ports_are_merged_and_restored(void **state)
{
    struct err err = {0};
    set_reserved("8080,61500-61600,65535");
    struct host *host = lab_open(*state, "server");
    assert_int_equal(host_reserve_ports(host, 61000, 65535, &err), 0);
    assert_reserved("8080,61000-65535");
    assert_int_equal(host_reserve_ports(host, 60000, 61100, &err), 0);
    assert_reserved("8080,60000-65535");
    host_close(host);
    assert_reserved("8080,61500-61600,65535");
    lab_assert_state_empty(*state);
}

static void reserved_by_others_already_needs_no_entry(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    set_reserved("61000-65535");
    struct host *host = lab_open(lab, "server");
    assert_int_equal(host_reserve_ports(host, 62000, 63000, &err), 0);
    assert_int_equal(sh("test $(cat %s/*.journal | wc -l) = 1", lab->state), 0);
    host_close(host);
    assert_reserved("61000-65535");
}

static void ports_others_changed_meanwhile_stay_theirs(void **state)
{
    struct err err = {0};
    set_reserved("8080,9090");
    struct host *host = lab_open(*state, "server");
    assert_int_equal(host_reserve_ports(host, 61000, 61999, &err), 0);
    set_reserved("7070,9090,61000-61999");
    host_close(host);
    assert_reserved("7070,9090");
}

static void two_servers_share_until_the_last_ends(void **state)
{
    struct err err = {0};
    set_reserved("8080");
    for (int first_ends_first = 0; first_ends_first < 2; first_ends_first++) {
        struct host *a = lab_open(*state, "server"), *b = lab_open(*state, "server");
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(host_reserve_ports(a, 61000, 62000, &err), 0);
        assert_int_equal(host_reserve_ports(b, 61500, 63000, &err), 0);
        assert_reserved("8080,61000-63000");
        host_close(first_ends_first ? a : b);
        assert_reserved(first_ends_first ? "8080,61500-63000" : "8080,61000-62000");
        host_close(first_ends_first ? b : a);
        assert_reserved("8080");
    }
}

static void reserve_and_die(struct lab *lab)
{
    struct err err = {0};
    struct host *host = lab_open(lab, "server");
    CHECK(host != NULL && host_reserve_ports(host, 61000, 62000, &err) == 0);
}

static void a_killed_server_leaves_the_living_its_ports(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *alive = lab_open(lab, "server");
    assert_int_equal(host_reserve_ports(alive, 61500, 63000, &err), 0);
    assert_int_equal(lab_killed_after(reserve_and_die, lab), 0);
    assert_reserved("61000-63000");
    assert_int_equal(host_cleanup(lab->state, &err), 1);
    assert_reserved("61500-63000");
    host_close(alive);
    assert_reserved("");
}

static void long_lists_are_kept_or_refused_whole(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    char before[8192], after[8192];
    assert_int_equal(sh("seq -s, 64000 2 65400 | head -c 3900 | sed 's/,[0-9]*$//' > " RESERVED), 0);
    sh_read(before, sizeof before, "cat " RESERVED);
    assert_true(strlen(before) > 3500);
    struct host *host = lab_open(lab, "server");
    assert_int_equal(host_reserve_ports(host, 61000, 61999, &err), 0);
    assert_int_equal(host_reserve_ports(host, 64000, 65535, &err), 0); /* now the journal's line is the long one */
    assert_reserved("61000-61999,64000-65535");
    host_close(host);
    sh_read(after, sizeof after, "cat " RESERVED);
    assert_string_equal(after, before);
    /* more than the kernel takes in one write */
    assert_int_equal(sh("seq -s, 64000 2 65400 | head -c 4092 | sed 's/,[0-9]*$//' > " RESERVED), 0);
    sh_read(before, sizeof before, "cat " RESERVED);
    host = lab_open(lab, "server");
    assert_int_equal(host_reserve_ports(host, 61000, 61999, &err), -E2BIG);
    host_close(host);
    sh_read(after, sizeof after, "cat " RESERVED);
    assert_string_equal(after, before);
}

static void read_only_proc_sys_matters_only_where_the_kernel_lends(void **state)
{
    struct err err = {0};
    struct host *host = lab_open(*state, "server");
    assert_int_equal(sh("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"), 0);
    assert_int_equal(host_reserve_ports(host, 61000, 65535, &err), 0); /* the kernel lends 32768-60999 */
    assert_int_equal(host_reserve_ports(host, 50000, 51000, &err), -EROFS);
    assert_non_null(strstr(err.text, "--sysctl net.ipv4.ip_local_reserved_ports=50000-51000"));
    assert_int_equal(umount2("/proc/sys", MNT_DETACH), 0);
    host_close(host);
    assert_reserved("");
    lab_assert_state_empty(*state);
}

static void senseless_port_ranges_are_refused(void **state)
{
    struct err err = {0};
    struct host *host = lab_open(*state, "server");
    assert_int_equal(host_reserve_ports(host, 0, 9, &err), -EINVAL);
    assert_int_equal(host_reserve_ports(host, 9, 8, &err), -EINVAL);
    assert_int_equal(host_silence_ports(host, 1, 9, 8, &err), -EINVAL);
    host_close(host);
    assert_reserved("");
}

/* Somebody out there sends a datagram to a port of ours nobody listens on. @return whether the kernel answered */
static bool kernel_answers(uint16_t port)
{
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(connect(sock, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(sock, "x", 1, 0), 1);
    struct pollfd p = {.fd = sock, .events = POLLIN};
    poll(&p, 1, 200);
    int refused = 0;
    socklen_t len = sizeof refused;
    getsockopt(sock, SOL_SOCKET, SO_ERROR, &refused, &len);
    close(sock);
    return refused == ECONNREFUSED;
}

static void kernel_is_silent_on_our_ports_only(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    char log[64], path[96];
    struct host *host = lab_open(lab, "server");
    assert_true(kernel_answers(61234));
    assert_int_equal(host_silence_ports(host, INADDR_LOOPBACK, 61000, 62000, &err), 0);
    assert_int_equal(host_silence_ports(host, 0xc0000201, 63000, 64000, &err), 0); /* a second address */
    assert_false(kernel_answers(61234));
    assert_true(kernel_answers(60999));
    assert_true(kernel_answers(62001));
    assert_int_equal(sh("nft list ruleset | grep -q 'flags owner'"), 0);
    assert_int_equal(sh("test $(nft list ruleset | grep -c '^table') = 2"), 0);
    assert_int_equal(sh("nft list ruleset | grep -q 'udp sport 61000-62000 notrack'"), 0);
    /* nothing of ours is open in nft but its three; nothing of it is left in the home directory */
    sh_read(log, sizeof log, "pgrep -P %d -x nft", getpid());
    snprintf(path, sizeof path, "/proc/%d/fd", (int)strtol(log, NULL, 10));
    assert_int_equal(sh("test $(ls -l %s | grep -c 'state\\|journal') = 0 && test $(ls %s | wc -l) -lt 6", path, path), 0);
    host_close(host);
    assert_int_equal(sh("test -z \"$(nft list ruleset)\" && ! test -d /proc/%d", (int)strtol(log, NULL, 10)), 0);
    assert_true(kernel_answers(61234));
    lab_assert_state_empty(lab);
}

static void silence_and_die(struct lab *lab)
{
    struct err err = {0};
    struct host *host = lab_open(lab, "server");
    CHECK(host != NULL && host_silence_ports(host, INADDR_LOOPBACK, 61000, 62000, &err) == 0);
}

static void owner_table_goes_with_a_killed_process(void **state)
{
    struct lab *lab = *state;
    assert_int_equal(lab_killed_after(silence_and_die, lab), 0);
    assert_int_equal(lab_await("test -z \"$(nft list ruleset)\""), 0);
    assert_true(kernel_answers(61234));
    host_cleanup(lab->state, NULL);
    lab_assert_state_empty(lab);
}

static void ctrl_c_in_the_terminal_does_not_reach_nft(void **state)
{
    struct err err = {0};
    char pid[32];
    struct host *host = lab_open(*state, "server");
    assert_int_equal(host_silence_ports(host, INADDR_LOOPBACK, 61000, 62000, &err), 0);
    sh_read(pid, sizeof pid, "pgrep -P %d -x nft", getpid());
    assert_int_not_equal(getpgid((pid_t)strtol(pid, NULL, 10)), getpgrp());
    host_close(host);
}

/* An nft that does not know the flag, in front of the real one: what old releases say is what the real one says then. */
static void without_the_owner_flag_an_ordinary_table_is_journaled(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s", getenv("PATH"));
    assert_int_equal(sh("mkdir %s/bin && printf '#!/bin/sh\\nsed -u s/flags.owner/flags.not-known/ | /usr/sbin/nft \"$@\"\\n' > %s/bin/nft "
                        "&& chmod 755 %s/bin/nft", lab->dir, lab->dir, lab->dir), 0);
    char with[4200];
    snprintf(with, sizeof with, "%s/bin:%s", lab->dir, path);
    setenv("PATH", with, 1);
    struct host *host = lab_open(lab, "server");
    assert_int_equal(host_silence_ports(host, INADDR_LOOPBACK, 61000, 62000, &err), 0);
    assert_int_equal(sh("grep -q '^nft tether-' %s/*.journal", lab->state), 0);
    assert_false(kernel_answers(61234));
    host_close(host);
    assert_int_equal(sh("test -z \"$(nft list ruleset)\""), 0);
    lab_assert_state_empty(lab);
    assert_int_equal(lab_killed_after(silence_and_die, lab), 0);
    assert_false(kernel_answers(61234));
    assert_int_equal(host_cleanup(lab->state, &err), 1);
    assert_true(kernel_answers(61234));
    lab_assert_state_empty(lab);
    setenv("PATH", path, 1);
}

static void missing_nft_names_the_package(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *host = lab_open(lab, "server");
    assert_int_equal(mount("/dev/null", "/usr/sbin/nft", NULL, MS_BIND, NULL), 0);
    assert_int_equal(host_silence_ports(host, INADDR_LOOPBACK, 61000, 62000, &err), -ENOENT);
    assert_string_equal(err.text, "nft: program not found; install it: apt install nftables");
    assert_int_equal(umount2("/usr/sbin/nft", MNT_DETACH), 0);
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

static void an_nft_that_hangs_is_given_up_in_bounded_time(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    assert_int_equal(sh("printf '#!/bin/sh\\nexec sleep 60\\n' > %s/nft && chmod 755 %s/nft", lab->dir, lab->dir), 0);
    char script[96];
    snprintf(script, sizeof script, "%s/nft", lab->dir);
    struct host *host = lab_open(lab, "server");
    assert_int_equal(mount(script, "/usr/sbin/nft", NULL, MS_BIND, NULL), 0);
    assert_int_equal(host_silence_ports(host, INADDR_LOOPBACK, 61000, 62000, &err), -ETIMEDOUT);
    assert_int_equal(sh("pgrep -P %d -x sleep", getpid()), 1);
    assert_int_equal(umount2("/usr/sbin/nft", MNT_DETACH), 0);
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

int main(void)
{
    LAB_NEEDS_ROOT();
#define T(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
    const struct CMUnitTest tests[] = {
        T(reserved_ports_are_merged_and_restored),
        T(reserved_by_others_already_needs_no_entry),
        T(ports_others_changed_meanwhile_stay_theirs),
        T(two_servers_share_until_the_last_ends),
        T(a_killed_server_leaves_the_living_its_ports),
        T(long_lists_are_kept_or_refused_whole),
        T(read_only_proc_sys_matters_only_where_the_kernel_lends),
        T(senseless_port_ranges_are_refused),
        T(kernel_is_silent_on_our_ports_only),
        T(owner_table_goes_with_a_killed_process),
        T(ctrl_c_in_the_terminal_does_not_reach_nft),
        T(without_the_owner_flag_an_ordinary_table_is_journaled),
        T(missing_nft_names_the_package),
        T(an_nft_that_hangs_is_given_up_in_bounded_time),
    };
    return cmocka_run_group_tests_name("host_ports", tests, NULL, NULL);
}
