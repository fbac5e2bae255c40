/* io/linux/probe.c - see probe.h */
#include "io/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool socket_works(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool in_path(const char *program)
{
    const char *dirs = getenv("PATH");
    for (dirs = dirs ? dirs : "/usr/sbin:/usr/bin:/sbin:/bin"; *dirs != '\0';) {
        char path[512];
        int len = (int)strcspn(dirs, ":");
        snprintf(path, sizeof path, "%.*s/%s", len, dirs, program);
        if (access(path, X_OK) == 0)
            return true;
        dirs += len;
        dirs += *dirs == ':';
    }
    return access("/usr/sbin/nft", X_OK) == 0 && strcmp(program, "nft") == 0;
}

static bool opens(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void probe_all(void (*cb)(void *ctx, const char *what, const char *needed_by, bool ok, const char *remedy), void *ctx)
{
    bool root = geteuid() == 0;
    cb(ctx, "root privileges", "both", root, root ? NULL : "run tether with sudo");
    bool tun = opens("/dev/net/tun");
    cb(ctx, "TUN device", "client", tun,
       tun ? NULL : root ? "modprobe tun; in a container: --device /dev/net/tun --cap-add NET_ADMIN" : "run tether with sudo");
    bool raw = socket_works(AF_INET, SOCK_RAW, IPPROTO_RAW);
    cb(ctx, "raw socket", "server", raw, raw ? NULL : root ? "in a container: --cap-add NET_RAW" : "run tether with sudo");
    bool packet = socket_works(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
    cb(ctx, "packet capture", "server", packet,
       packet ? NULL : root ? "in a container: --cap-add NET_RAW" : "run tether with sudo");
    bool nft = in_path("nft");
    cb(ctx, "nft program", "server", nft, nft ? NULL : "apt install nftables");
    bool reserve = access("/proc/sys/net/ipv4/ip_local_reserved_ports", W_OK) == 0;
    cb(ctx, "port reservation", "server", reserve,
       reserve ? NULL : root ? "/proc/sys must be writable here" : "run tether with sudo");
}
