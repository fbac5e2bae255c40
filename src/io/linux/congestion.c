/* io/linux/congestion.c - see io/congestion.h */
#include "io/congestion.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "io/keeper.h"

enum { LOOK_BYTES = 512 * 1024 };

static bool steer(int fd, enum keeper_congestion which)
{
    const char *name = keeper_congestion_name(which);
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) == 0)
        return true;
    /* not everybody may choose it, or its module is not loaded */
    return (errno == EPERM || errno == ENOENT) && keeper_socket_congestion(fd, which) == 0;
}

void congestion_begin(int fd)
{
    steer(fd, KEEPER_CUBIC);
}

void congestion_sent(struct congestion *c, int fd, size_t bytes)
{
    static bool no_bbr; /* on this machine: asked once, since the keeper's answer is waited for */
    struct tcp_info info;
    socklen_t len = sizeof info;
    c->bytes += bytes;
    if (c->bytes < LOOK_BYTES || no_bbr)
        return;
    c->bytes = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || len < offsetof(struct tcp_info, tcpi_data_segs_out) + sizeof info.tcpi_data_segs_out)
        return;
    bool lost = c->lossy.loses, loses = lossy_hear(&c->lossy, info.tcpi_data_segs_out, info.tcpi_total_retrans);
    if (loses == lost)
        return;
    no_bbr = !steer(fd, loses ? KEEPER_BBR : KEEPER_CUBIC);
    log_debug("congestion", NULL, loses ? "the connection loses segments" : "the connection loses hardly any segments", "steered=%s",
              no_bbr ? "as before" : keeper_congestion_name(loses ? KEEPER_BBR : KEEPER_CUBIC));
}
