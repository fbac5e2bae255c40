/*
 * test/io/host_dns_test.c - /etc/resolv.conf and those who manage it; see host_lab.h
 *
 * /etc is a copy of the machine's. systemd-resolved and the two resolvconfs are the distribution's own, unpacked over /usr inside
 * the namespace; TETHER_TEST_DEBS names a directory that has them, else apt-get fetches them.
 */
#include "host_lab.h"

#include <sys/xattr.h>

#define CONF "/etc/resolv.conf"
static const uint32_t servers[] = {0xc0000235, 0xc0000236}; /* 192.0.2.53, .54 */
static char debs[128];

static int dns_setup(void **state)
{
    if (lab_setup(state) != 0)
        return -1;
    struct lab *lab = *state;
    return sh("mkdir %s/etc && cp -a /etc/. %s/etc && mount --bind %s/etc /etc && rm -f " CONF " && "
              "printf 'nameserver 10.1.1.1\\nsearch lan' > " CONF " && chmod 640 " CONF " && chown 12:34 " CONF,
              lab->dir, lab->dir, lab->dir);
}

static int dns_teardown(void **state)
{
    struct lab *lab = *state;
    sh("! test -e %s/pids || kill $(cat %s/pids)", lab->dir, lab->dir); /* of a test that failed */
    umount2("/usr", MNT_DETACH); /* the next namespace begins as a copy of this one */
    umount2("/run", MNT_DETACH);
    return lab_teardown(state);
}

static void look(struct lab *lab)
{
    lab_look(lab->before, sizeof lab->before);
}

static struct host *set_dns(struct lab *lab)
{
    struct err err = {0};
    struct host *host = lab_open(lab, "client");
    if (host == NULL || host_dns_set(host, "w0", servers, 2, &err) != 0) {
        fprintf(stderr, "host_dns_set: %s\n", err.text);
        host_close(host);
        return NULL;
    }
    return host;
}

static void set_dns_and_die(struct lab *lab)
{
    CHECK(set_dns(lab) != NULL);
}

static int ours_is_there(void)
{
    return sh("test \"$(grep ^nameserver " CONF " | tr '\\n' ' ')\" = 'nameserver 192.0.2.53 nameserver 192.0.2.54 ' && test ! -L " CONF);
}

/* Set and close; set, die and clean up: twice the same as before. */
static void assert_round_trips(struct lab *lab)
{
    look(lab);
    struct host *host = set_dns(lab);
    assert_non_null(host);
    assert_int_equal(ours_is_there(), 0);
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
    assert_int_equal(lab_killed_after(set_dns_and_die, lab), 0);
    assert_int_equal(ours_is_there(), 0);
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

static void file_comes_back_with_mode_and_owner(void **state)
{
    assert_round_trips(*state);
    assert_int_equal(sh("printf '' > " CONF), 0);
    assert_round_trips(*state);
    assert_int_equal(sh("head -c 60000 /dev/urandom > " CONF " && sha256sum " CONF " > /etc/sum"), 0);
    host_close(set_dns(*state));
    assert_int_equal(sh("sha256sum -c --quiet /etc/sum"), 0);
}

static void readers_of_ours_need_no_privilege_beyond_the_file_before(void **state)
{
    (void)state;
    assert_int_equal(setxattr(CONF, "security.tether-test", "label", 5, 0), 0);
    struct host *host = set_dns(*state);
    char value[8] = "";
    assert_int_equal(sh("test $(stat -c %%a:%%u:%%g " CONF ") = 640:12:34"), 0);
    assert_int_equal(getxattr(CONF, "security.tether-test", value, sizeof value), 5);
    host_close(host);
    assert_int_equal(getxattr(CONF, "security.tether-test", value, sizeof value), 5);
}

static void symbolic_link_comes_back_and_its_target_is_untouched(void **state)
{
    struct lab *lab = *state;
    assert_int_equal(sh("mv " CONF " /etc/resolv.real && ln -s resolv.real " CONF " && chown -h 5:6 " CONF), 0);
    assert_round_trips(lab);
    assert_int_equal(sh("ln -sfn ../run/not-there/resolv.conf " CONF), 0); /* dangling */
    assert_round_trips(lab);
}

static void missing_file_is_missing_again(void **state)
{
    assert_int_equal(sh("rm " CONF), 0);
    assert_round_trips(*state);
}

static void bind_mount_is_written_in_place(void **state)
{
    struct lab *lab = *state;
    assert_int_equal(sh("echo nameserver 10.2.2.2 > %s/mounted && chmod 600 %s/mounted && mount --bind %s/mounted " CONF,
                        lab->dir, lab->dir, lab->dir), 0);
    assert_round_trips(lab);
    /* as containers with a read-only root have it */
    assert_int_equal(sh("mount -o remount,ro,bind /etc"), 0);
    assert_round_trips(lab);
    assert_int_equal(sh("umount " CONF), 0);
}

static void machine_down_in_the_middle_of_writing_in_place(void **state)
{
    struct lab *lab = *state;
    look(lab);
    assert_int_equal(lab_killed_after(set_dns_and_die, lab), 0);
    assert_int_equal(sh(": > " CONF " && sed -i '1s/$/x/' %s/*.journal", lab->state), 0); /* and another boot */
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

static void read_only_etc_is_named_and_nothing_left(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    look(lab);
    assert_int_equal(sh("mount -o remount,ro,bind /etc"), 0);
    struct host *host = lab_open(lab, "client");
    assert_int_equal(host_dns_set(host, "w0", servers, 2, &err), -EROFS);
    assert_string_equal(err.text, "/etc/resolv.conf: Read-only file system; leave names alone with --dns none");
    assert_int_equal(sh("test $(cat %s/* | wc -l) = 1", lab->state), 0);
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

static void set_again_replaces_the_servers(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    look(lab);
    struct host *host = set_dns(lab);
    const uint32_t other[] = {0xc0000263};
    assert_int_equal(host_dns_set(host, "w0", other, 1, &err), 0);
    assert_int_equal(sh("test \"$(grep ^nameserver " CONF ")\" = 'nameserver 192.0.2.99'"), 0);
    assert_int_equal(host_dns_set(host, "w0", other, 0, &err), -EINVAL);
    host_close(host);
    lab_assert_unchanged(lab);
}

static void what_others_wrote_meanwhile_stays(void **state)
{
    struct lab *lab = *state;
    struct err err = {0};
    struct host *host = set_dns(lab);
    assert_int_equal(sh("echo nameserver 10.9.9.9 > " CONF), 0); /* a DHCP client */
    look(lab);
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
    host = set_dns(lab);
    assert_int_equal(sh("echo nameserver 10.8.8.8 > " CONF), 0);
    look(lab);
    assert_int_equal(host_dns_set(host, "w0", servers, 2, &err), 0);
    assert_int_equal(ours_is_there(), 0);
    host_close(host);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

/* Every order of ending, each by closing or by death. */
static void clients_may_end_in_any_order(void **state)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct lab *lab = *state;
    struct err err = {0};
    look(lab);
    for (int i = 0; i < 12; i++) {
        struct host *hosts[3];
        for (int k = 0; k < 3; k++)
            assert_non_null(hosts[k] = set_dns(lab));
        if (i >= 6) /* the first one's network changed in between */
            assert_int_equal(host_dns_set(hosts[0], "w0", servers, 1, &err), 0);
        for (int k = 0; k < 3; k++)
            host_close(hosts[orders[i % 6][k]]);
        lab_assert_unchanged(lab);
        lab_assert_state_empty(lab);
    }
    struct host *alive = set_dns(lab);
    assert_int_equal(lab_killed_after(set_dns_and_die, lab), 0);
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    assert_int_equal(ours_is_there(), 0); /* the living one's */
    assert_int_equal(lab_killed_after(set_dns_and_die, lab), 0);
    host_close(alive);
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
}

static void damaged_backup_changes_nothing(void **state)
{
    struct lab *lab = *state;
    static const char *const damages[] = {": >", "echo tether-resolv 1 file 644 0 >", "echo tether-resolv 1 fifo 644 0 0 >",
                                          "echo tether-resolv 2 file 644 0 0 >", "head -c 90000 /dev/zero >", "rm"};
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        assert_int_equal(lab_killed_after(set_dns_and_die, lab), 0);
        assert_int_equal(sh("%s $(ls %s/*.resolv)", damages[i], lab->state), 0);
        assert_int_equal(host_cleanup(lab->state, NULL), 0);
        assert_int_equal(ours_is_there(), 0);
        assert_int_equal(sh("rm -rf %s", lab->state), 0);
    }
}

static void resolvers_are_the_machines_own_but_loopback(void **state)
{
    (void)state;
    uint32_t addrs[4];
    assert_int_equal(sh("printf '# nameserver 9.9.9.9\\n nameserver\\t10.0.0.1 # x\\nnameserver 127.0.0.53\\nnameserver ::1\\n"
                        "nameserverx 1.2.3.4\\nnameserver 300.1.1.1\\nnameserver 0.0.0.0\\nnameserver 1.2.3.4.5.6.7.8.9.0.1.2\\nnameserver 10.0.0.2' > " CONF), 0);
    assert_int_equal(host_resolvers(addrs, 4), 2);
    assert_int_equal(addrs[0], 0x0a000001);
    assert_int_equal(addrs[1], 0x0a000002);
    assert_int_equal(host_resolvers(addrs, 1), 1);
    assert_int_equal(sh("echo nameserver 127.0.0.53 > " CONF " && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/resolve"
                        " && echo nameserver 10.7.7.7 > /run/systemd/resolve/resolv.conf"), 0);
    assert_int_equal(host_resolvers(addrs, 4), 1);
    assert_int_equal(addrs[0], 0x0a070707);
    assert_int_equal(sh("umount /run && rm " CONF), 0);
    assert_int_equal(host_resolvers(addrs, 4), 0);
}

/* Lay a package of the distribution over the machine. */
static void install(struct lab *lab, const char *package)
{
    if (sh("ls %s/%s_*.deb >/dev/null 2>&1", debs, package) != 0) {
        fprintf(stderr, "SKIPPED: package %s is not to be had here (no network?)\n", package);
        skip();
    }
    /* /sbin and /lib are links into /usr */
    assert_int_equal(sh("cd %s && mkdir -p x/usr && dpkg -x %s/%s_*.deb x && for d in sbin lib; do [ ! -d x/$d ] || "
                        "{ cp -a x/$d x/usr && rm -rf x/$d; }; done && mount -t overlay overlay -o lowerdir=%s/x/usr:/usr /usr && "
                        "{ [ ! -d x/etc ] || cp -a x/etc/. /etc; } && mount -t tmpfs tmpfs /run",
                        lab->dir, debs, package, lab->dir), 0);
}

static void uninstall(void)
{
    assert_int_equal(sh("umount -l /usr && umount -l /run"), 0);
}

static void openresolv_takes_and_gives_back(void **state)
{
    struct lab *lab = *state;
    install(lab, "openresolv");
    assert_int_equal(sh("echo nameserver 10.3.3.3 | resolvconf -a eth0.dhcp && rm -f /etc/resolv.conf.bak"), 0);
    assert_int_equal(sh("grep -q 10.3.3.3 " CONF), 0);
    assert_round_trips(lab);
    struct host *host = set_dns(lab);
    assert_int_equal(sh("resolvconf -i | grep -q tun.w0.tether"), 0);
    /* what the DHCP client learns meanwhile counts afterwards */
    assert_int_equal(sh("echo nameserver 10.4.4.4 | resolvconf -a eth0.dhcp"), 0);
    assert_int_equal(ours_is_there(), 0);
    host_close(host);
    assert_int_equal(sh("grep -q 10.4.4.4 " CONF " && ! grep -q 192.0.2 " CONF), 0);
    uninstall();
}

static void resolvconf_that_does_not_rule_the_file_is_not_asked(void **state)
{
    struct lab *lab = *state;
    install(lab, "openresolv");
    assert_round_trips(lab); /* a file written by hand: no resolv.conf.bak, not a newline more */
    assert_int_equal(sh("resolvconf -i | grep -q ."), 1);
    uninstall();
}

static void debian_resolvconf_takes_and_gives_back(void **state)
{
    struct lab *lab = *state;
    install(lab, "resolvconf");
    assert_int_equal(sh("mkdir -p /run/resolvconf/interface && ln -sfn ../run/resolvconf/resolv.conf " CONF " && resolvconf --enable-updates"
                        " && echo nameserver 10.3.3.3 | resolvconf -a wlan0.dhclient && grep -q 10.3.3.3 " CONF), 0);
    look(lab);
    struct host *host = set_dns(lab);
    assert_non_null(host);
    assert_int_equal(sh("test -L " CONF " && test \"$(grep -m1 ^nameserver " CONF ")\" = 'nameserver 192.0.2.53'"), 0);
    host_close(host);
    lab_assert_unchanged(lab);
    assert_int_equal(lab_killed_after(set_dns_and_die, lab), 0);
    assert_int_equal(host_cleanup(lab->state, NULL), 1);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
    uninstall();
}

static void start_resolved(struct lab *lab)
{
    install(lab, "systemd-resolved");
    if (sh("command -v dbus-daemon >/dev/null && ls /usr/lib/*/systemd/libsystemd-shared-*.so >/dev/null 2>&1") != 0) {
        uninstall();
        fprintf(stderr, "SKIPPED: systemd-resolved does not run here without dbus-daemon and libsystemd-shared\n");
        skip();
    }
    assert_int_equal(sh("echo 'systemd-resolve:x:990:990::/:/usr/sbin/nologin' >> /etc/passwd && echo 'systemd-resolve:x:990:' >> /etc/group && "
                        "{ grep -q ^messagebus: /etc/passwd || { echo 'messagebus:x:991:991::/:/usr/sbin/nologin' >> /etc/passwd && "
                        "echo 'messagebus:x:991:' >> /etc/group; }; } && "
                        "mkdir -p /run/dbus /run/systemd && { dbus-daemon --system --nofork --nopidfile >/dev/null 2>&1 & echo $! > %s/pids; } && "
                        "for i in 1 2 3 4 5 6 7 8 9; do [ -S /run/dbus/system_bus_socket ] || sleep 0.1; done && "
                        "{ /usr/lib/systemd/systemd-resolved >/dev/null 2>&1 & echo $! >> %s/pids; }", lab->dir, lab->dir), 0);
    assert_int_equal(lab_await("resolvectl status >/dev/null 2>&1 && test -S /run/systemd/resolve/io.systemd.Resolve"), 0);
}

static void stop_resolved(struct lab *lab)
{
    assert_int_equal(sh("kill $(cat %s/pids) && rm %s/pids", lab->dir, lab->dir), 0);
    uninstall();
}

#define LINK_HAS_OURS "resolvectl dns w0 | grep -q 192.0.2.53 && resolvectl domain w0 | grep -q '~\\.'"

static void resolved_is_told_per_link(void **state)
{
    struct lab *lab = *state;
    start_resolved(lab);
    assert_int_equal(sh("ln -sfn ../run/systemd/resolve/stub-resolv.conf " CONF), 0);
    look(lab);
    struct host *host = set_dns(lab);
    assert_int_equal(sh(LINK_HAS_OURS), 0);
    lab_assert_unchanged(lab); /* the file stays as it was all the time */
    host_close(host);
    assert_int_equal(sh(LINK_HAS_OURS), 1);
    lab_assert_unchanged(lab);
    lab_assert_state_empty(lab);
    /* killed: the settings go with the link, as the tunnel device does; the next start does not trip over them */
    assert_int_equal(lab_killed_after(set_dns_and_die, lab), 0);
    assert_int_equal(sh("ip link del w0 && ip link add w0 type veth peer name w1"), 0);
    assert_int_equal(lab_await("! { " LINK_HAS_OURS "; }"), 0);
    assert_int_equal(host_cleanup(lab->state, NULL), 0);
    stop_resolved(lab);
}

static void resolved_that_does_not_rule_the_file_is_told_as_well(void **state)
{
    struct lab *lab = *state;
    start_resolved(lab);
    assert_int_equal(sh("ln -sfn ../run/systemd/resolve/resolv.conf " CONF), 0); /* the list, not the stub */
    struct host *host = set_dns(lab);
    assert_int_equal(sh(LINK_HAS_OURS), 0);
    assert_int_equal(ours_is_there(), 0);
    host_close(host);
    assert_int_equal(sh("test \"$(readlink " CONF ")\" = ../run/systemd/resolve/resolv.conf"), 0);
    stop_resolved(lab);
}

static int fetch(void **state)
{
    (void)state;
    const char *given = getenv("TETHER_TEST_DEBS");
    if (given != NULL) {
        snprintf(debs, sizeof debs, "%s", given);
        return 0;
    }
    snprintf(debs, sizeof debs, "/tmp/tether-host-debs-XXXXXX");
    if (mkdtemp(debs) == NULL)
        return -1;
    /* the version of systemd that is here, for its shared library; without a network the tests that need them say so */
    if (sh("cd %s && v=$(dpkg-query -W -f '${Version}' systemd 2>/dev/null) && timeout 30 apt-get -q=2 download openresolv resolvconf "
           "systemd-resolved${v:+=$v} >/dev/null 2>&1", debs) != 0)
        fprintf(stderr, "apt-get download failed\n");
    return 0;
}

static int unfetch(void **state)
{
    (void)state;
    return getenv("TETHER_TEST_DEBS") != NULL ? 0 : sh("rm -rf %s", debs);
}

int main(void)
{
    LAB_NEEDS_ROOT();
#define T(name) cmocka_unit_test_setup_teardown(name, dns_setup, dns_teardown)
    const struct CMUnitTest tests[] = {
        T(file_comes_back_with_mode_and_owner),
        T(readers_of_ours_need_no_privilege_beyond_the_file_before),
        T(symbolic_link_comes_back_and_its_target_is_untouched),
        T(missing_file_is_missing_again),
        T(bind_mount_is_written_in_place),
        T(machine_down_in_the_middle_of_writing_in_place),
        T(read_only_etc_is_named_and_nothing_left),
        T(set_again_replaces_the_servers),
        T(what_others_wrote_meanwhile_stays),
        T(clients_may_end_in_any_order),
        T(damaged_backup_changes_nothing),
        T(resolvers_are_the_machines_own_but_loopback),
        T(openresolv_takes_and_gives_back),
        T(resolvconf_that_does_not_rule_the_file_is_not_asked),
        T(debian_resolvconf_takes_and_gives_back),
        T(resolved_is_told_per_link),
        T(resolved_that_does_not_rule_the_file_is_told_as_well),
    };
    return cmocka_run_group_tests_name("host_dns", tests, fetch, unfetch);
}
