/*
 * io/inject_raw.c - packets to the internet by a raw socket: the portable, reference injector
 *
 * One socket is bound to the external interface, so that a second uplink's routes never carry our address; one is not, for
 * packets to our own address, which the kernel routes over the loopback.
 */
#include "io/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

enum { SEND_BUFFER = 4 * 1024 * 1024 };

struct inject {
    int link, own;
    uint32_t addr;
};

static int raw_socket(void)
{
    int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0)
        return -errno;
    int buffer = SEND_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer); /* only a wish */
    return fd;
}

int inject_open(const char *ifname, uint32_t addr, struct inject **ret_inject, struct err *err)
{
    struct inject *j = malloc(sizeof *j);
    if (j == NULL)
        return -ENOMEM;
    *j = (struct inject){.link = raw_socket(), .own = raw_socket(), .addr = addr};
    int failed = j->link < 0 ? j->link : j->own < 0 ? j->own : 0;
    if (failed == 0 && setsockopt(j->link, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname) + 1) < 0)
        failed = -errno;
    if (failed) {
        inject_close(j);
        return failed == -EPERM || failed == -EACCES
                   ? err_set(err, failed, "raw socket on %s needs root (CAP_NET_RAW): run it with sudo", ifname)
                   : err_set(err, failed, "raw socket on %s: %s", ifname, strerror(-failed));
    }
    *ret_inject = j;
    return 0;
}

int inject_send(struct inject *inject, const uint8_t *packet, size_t len)
{
    if (len < 20)
        return -EINVAL;
    uint32_t dst = get_be32(packet + 16);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(dst)};
    int fd = dst == inject->addr ? inject->own : inject->link;
    return sendto(fd, packet, len, 0, (struct sockaddr *)&to, sizeof to) < 0 ? -errno : 0;
}

void inject_close(struct inject *inject)
{
    if (inject == NULL)
        return;
    if (inject->link >= 0)
        close(inject->link);
    if (inject->own >= 0)
        close(inject->own);
    free(inject);
}
