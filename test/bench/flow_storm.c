/*
 * bench/flow_storm.c - many UDP flows at a wanted rate, made by hand so that no socket stands for each
 *
 *     flow_storm sink PORT                                counts until SIGTERM, then one line of JSON
 *     flow_storm send SOURCE TARGET PORT FLOWS PORTS RATE COUNT [FIRST]
 *
 * Datagram i belongs to flow FIRST + i % FLOWS: from SOURCE's port 1024 + flow % PORTS to address TARGET + flow / PORTS, and carries the flow's number, so
 * the sink tells how many flows came through, whatever a NAT made of them. "send" prints {"sent", "seconds"}; the sink {"datagrams", "flows"}.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FLOWS_MAX = 1 << 20, FIRST_PORT = 1024, BUFFER_BYTES = 16 << 20, PACE_NS = 200000, NAP_MAX_NS = 100000000 };

struct datagram {
    struct iphdr ip;
    struct udphdr udp;
    uint32_t flow; /* network order */
    uint8_t filler[12];
};

static volatile sig_atomic_t ended;

static void on_signal(int signo)
{
    (void)signo;
    ended = 1;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char *what)
{
    fprintf(stderr, "flow_storm: %s: %s\n", what, strerror(errno));
    return 1;
}

static int sink(uint16_t port)
{
    static uint8_t seen[FLOWS_MAX / 8], buffer[BATCH][64];
    struct mmsghdr vector[BATCH] = {0};
    struct iovec part[BATCH];
    uint64_t datagrams = 0, flows = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = BUFFER_BYTES;
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons(port)};
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof self) != 0)
        return fail("bind");
    signal(SIGTERM, on_signal);
    puts("sinking");
    fflush(stdout);
    for (int i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){buffer[i], sizeof buffer[i]};
        vector[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
    }
    while (!ended) {
        struct pollfd wait = {fd, POLLIN, 0};
        if (poll(&wait, 1, 100) <= 0)
            continue;
        int got = recvmmsg(fd, vector, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++) {
            uint32_t flow;
            memcpy(&flow, buffer[i], sizeof flow);
            flow = ntohl(flow) % FLOWS_MAX;
            datagrams++;
            flows += (seen[flow / 8] >> flow % 8 & 1) == 0;
            seen[flow / 8] |= (uint8_t)(1 << flow % 8);
        }
    }
    printf("{\"datagrams\": %llu, \"flows\": %llu}\n", (unsigned long long)datagrams, (unsigned long long)flows);
    return 0;
}

static void make(struct datagram *d, struct sockaddr_in *to, uint32_t source, uint32_t target, uint16_t port, uint32_t ports, uint32_t flow)
{
    const uint32_t dst = htonl(target + flow / ports);
    *d = (struct datagram){.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .saddr = htonl(source), .daddr = dst,
                                  .tot_len = htons(sizeof *d)},
                           .udp = {.source = htons((uint16_t)(FIRST_PORT + flow % ports)), .dest = htons(port),
                                   .len = htons(sizeof *d - sizeof d->ip)},
                           .flow = htonl(flow)}; /* the kernel writes the header's checksum; UDP goes without */
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = dst};
}

/* Until the next datagram is due, but not for less than a few of a fast storm together: a hundred slow ones that looked up each 200 us would take a core. */
static void nap(double until_s)
{
    const double ns = (until_s - now_s()) * 1e9;
    nanosleep(&(struct timespec){.tv_nsec = ns < PACE_NS ? PACE_NS : ns > NAP_MAX_NS ? NAP_MAX_NS : (long)ns}, NULL);
}

/* @param number source, target (addresses, host order), port, flows, ports, rate, count, first */
static int send_all(const uint32_t number[8])
{
    static struct datagram datagram[BATCH];
    static struct sockaddr_in to[BATCH];
    struct mmsghdr vector[BATCH] = {0};
    struct iovec part[BATCH];
    const uint32_t flows = number[3], rate = number[5], count = number[6];
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), bytes = BUFFER_BYTES;
    if (fd < 0)
        return fail("raw socket");
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    for (int i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){&datagram[i], sizeof datagram[i]};
        vector[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1, .msg_name = &to[i], .msg_namelen = sizeof to[i]};
    }
    double begin = now_s();
    for (uint32_t sent = 0; sent < count;) {
        double due = (now_s() - begin) * rate + 1;
        uint32_t n = due < count ? (uint32_t)due - sent : count - sent;
        n = n < BATCH ? n : BATCH;
        for (uint32_t i = 0; i < n; i++)
            make(&datagram[i], &to[i], number[0], number[1], (uint16_t)number[2], number[4], number[7] + (sent + i) % flows);
        int did = n > 0 ? sendmmsg(fd, vector, n, 0) : 0;
        if (did < 0 && errno != ENOBUFS && errno != EAGAIN)
            return fail("sendmmsg");
        sent += did > 0 ? (uint32_t)did : 0;
        if (n < BATCH)
            nap(begin + (double)sent / rate);
    }
    printf("{\"sent\": %u, \"seconds\": %.3f}\n", count, now_s() - begin);
    return 0;
}

int main(int argc, char **argv)
{
    uint32_t number[8] = {0};
    struct in_addr addr;
    if (argc == 3 && strcmp(argv[1], "sink") == 0)
        return sink((uint16_t)strtoul(argv[2], NULL, 10));
    if ((argc != 9 && argc != 10) || strcmp(argv[1], "send") != 0) {
        fprintf(stderr, "usage: flow_storm sink PORT | send SOURCE TARGET PORT FLOWS PORTS RATE COUNT [FIRST]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        number[i - 2] = i < 4 && inet_pton(AF_INET, argv[i], &addr) == 1 ? ntohl(addr.s_addr) : (uint32_t)strtoul(argv[i], NULL, 10);
    if (number[3] == 0 || number[4] == 0 || number[4] > 64000 || number[5] == 0) {
        fprintf(stderr, "flow_storm: FLOWS, PORTS (at most 64000) and RATE must not be 0\n");
        return 2;
    }
    return send_all(number);
}
