/*
 * test/io/link_lab.h - a cable of the test's own
 *
 *     v0 198.51.100.2 ==veth== v1        in a network namespace that vanishes with the process; the far address has a fixed neighbour entry
 */
#ifndef TETHER_TEST_LINK_LAB_H
#define TETHER_TEST_LINK_LAB_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NEAR 0xc6336402u /* 198.51.100.2 */
#define FAR  0xc6336401u

static inline int run(const char *command)
{
    int status = system(command);
    if (status != 0)
        fprintf(stderr, "failed: %s\n", command);
    return status;
}

static inline int make_veth(void)
{
    if (unshare(CLONE_NEWNET) != 0)
        return -1;
    return run("ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v1 address 02:00:00:00:00:01 && "
               "sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set v0 up && ip link set v1 up && "
               "ip addr add 198.51.100.2/24 dev v0 && ip neigh add 198.51.100.1 lladdr 02:00:00:00:00:01 dev v0");
}

static inline bool may_make_veth(void)
{
    if (geteuid() != 0)
        fprintf(stderr, "SKIPPED: makes network namespaces, needs root; run it with sudo\n");
    return geteuid() == 0;
}

#endif
