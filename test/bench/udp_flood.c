/*
 * bench/udp_flood.c - UDP datagrams at a wanted rate, and how many came through
 *
 *     udp_flood serve PORT
 *     udp_flood up|down HOST PORT SIZE RATE MILLISECONDS
 *
 * Both directions are asked for from the laptop's side, since a NAT lies between: "up" sends to the service and then asks
 * it what came; "down" asks the service to send and counts itself. One line of JSON: sent, received, seconds the sending
 * took, seconds from the first to the last arrival. iperf3 loses itself at high packet rates (one system call each) and opens a TCP connection
 * through what is being measured; this program uses sendmmsg and recvmmsg and nothing else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define DATAGRAM_MAX 2048
#define BUFFER_BYTES (16 << 20)
#define PACE_NS 50000
#define QUIET_MS 250 /* after this silence the flow is over */
#define TRIES 10
#define SESSIONS 64

enum kind { KIND_DATA = 0x74464c30, KIND_ASK_REPORT, KIND_REPORT, KIND_ASK_FLOOD, KIND_FLOOD_END };

struct message { /* the start of each datagram; both ends are the same machine */
    uint32_t kind, session;
    uint32_t size, rate, ms;
    uint32_t sent, received, span_us, send_us;
};

struct session {
    uint32_t id, received;
    int64_t first_us, last_us;
};

static uint8_t buffers[BATCH][DATAGRAM_MAX];
static struct mmsghdr vectors[BATCH];
static struct iovec pieces[BATCH];
static struct sockaddr_in peers[BATCH];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "udp_flood: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = BUFFER_BYTES;
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
    return fd;
}

static void prepare(size_t size, struct sockaddr_in *to)
{
    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){buffers[i], size};
        vectors[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1, .msg_name = to ? to : &peers[i],
                                             .msg_namelen = sizeof(struct sockaddr_in)};
    }
}

/* At most a batch at once and a short rest between: bursts stay shorter than any queue. @return datagrams sent */
static uint32_t flood(int fd, struct sockaddr_in to, const struct message *order, uint32_t *ret_us)
{
    struct message head = {.kind = KIND_DATA, .session = order->session};
    prepare(order->size, &to);
    for (int i = 0; i < BATCH; i++)
        memcpy(buffers[i], &head, order->size < sizeof(head) ? order->size : sizeof(head));
    int64_t begin = now_ns(), length = (int64_t)order->ms * 1000000, passed;
    uint32_t sent = 0;
    while ((passed = now_ns() - begin) < length) {
        int64_t due = (int64_t)((double)order->rate * (double)passed / 1e9) - sent;
        if (due > 0) {
            int did = sendmmsg(fd, vectors, due < BATCH ? (unsigned)due : BATCH, 0);
            sent += did > 0 ? (uint32_t)did : 0;
        }
        if (due < BATCH)
            nanosleep(&(struct timespec){.tv_nsec = PACE_NS}, NULL);
    }
    *ret_us = (uint32_t)((now_ns() - begin) / 1000);
    return sent;
}

static void say(int fd, const struct sockaddr_in *to, const struct message *message)
{
    sendto(fd, message, sizeof(*message), 0, (const struct sockaddr *)to, sizeof(*to));
}

static void count(struct session *session, int64_t at_us)
{
    if (!session->received++)
        session->first_us = at_us;
    session->last_us = at_us;
}

static int take_batch(int fd)
{
    prepare(DATAGRAM_MAX, NULL);
    return recvmmsg(fd, vectors, BATCH, MSG_DONTWAIT, NULL);
}

static void serve_one(int fd, struct session *sessions, const struct message *in, const struct sockaddr_in *from)
{
    struct message answer = *in;
    struct session *session = &sessions[in->session % SESSIONS];
    if (session->id != in->session)
        *session = (struct session){.id = in->session};
    if (in->kind == KIND_DATA) {
        count(session, now_ns() / 1000);
    } else if (in->kind == KIND_ASK_REPORT) {
        answer.kind = KIND_REPORT;
        answer.received = session->received;
        answer.span_us = (uint32_t)(session->last_us - session->first_us);
        say(fd, from, &answer);
    } else if (in->kind == KIND_ASK_FLOOD && in->size <= 1472 && in->ms <= 20000 && !session->received) {
        struct sockaddr_in to = *from; /* the buffers are about to be used for sending */
        session->received = 1;         /* asked again, while it comes or after: once is enough */
        answer.sent = flood(fd, to, &answer, &answer.send_us);
        answer.kind = KIND_FLOOD_END;
        for (int i = 0; i < 5; i++) {
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
            say(fd, &to, &answer);
        }
    }
}

static _Noreturn void serve(uint16_t port)
{
    static struct session sessions[SESSIONS];
    int fd = open_socket();
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(fd, (struct sockaddr *)&self, sizeof(self)))
        fail("bind");
    puts("serving");
    fflush(stdout);
    for (;;) {
        struct pollfd wait = {fd, POLLIN, 0};
        poll(&wait, 1, -1);
        int got = take_batch(fd);
        for (int i = 0; i < got; i++) {
            struct message in = {0};
            memcpy(&in, buffers[i], vectors[i].msg_len < sizeof(in) ? vectors[i].msg_len : sizeof(in));
            struct sockaddr_in from = peers[i];
            serve_one(fd, sessions, &in, &from);
            if (in.kind == KIND_ASK_FLOOD)
                break; /* the rest of the batch was overwritten */
        }
    }
}

static void print(const struct message *result, uint32_t span_us)
{
    printf("{\"sent\": %u, \"received\": %u, \"send_s\": %.6f, \"span_s\": %.6f}\n", result->sent, result->received,
           result->send_us / 1e6, span_us / 1e6);
}

static int up(int fd, struct sockaddr_in to, struct message order)
{
    struct message answer = {0};
    order.sent = flood(fd, to, &order, &order.send_us);
    nanosleep(&(struct timespec){.tv_nsec = QUIET_MS * 1000000}, NULL);
    order.kind = KIND_ASK_REPORT;
    for (int i = 0; i < TRIES; i++) {
        say(fd, &to, &order);
        struct pollfd wait = {fd, POLLIN, 0};
        if (poll(&wait, 1, 300) > 0 && recv(fd, &answer, sizeof(answer), 0) == sizeof(answer) && answer.kind == KIND_REPORT &&
            answer.session == order.session) {
            print(&answer, answer.span_us);
            return 0;
        }
    }
    fprintf(stderr, "udp_flood: the service does not answer\n");
    return 1;
}

static int down(int fd, struct sockaddr_in to, struct message order)
{
    struct session session = {.id = order.session};
    struct message end = {0};
    order.kind = KIND_ASK_FLOOD;
    for (int quiet = 0, asked = 0; quiet < TRIES && !end.kind; quiet++) {
        if (!session.received && asked++ < TRIES)
            say(fd, &to, &order);
        struct pollfd wait = {fd, POLLIN, 0};
        while (poll(&wait, 1, QUIET_MS) > 0 && !end.kind) {
            int got = take_batch(fd);
            for (int i = 0; i < got; i++) {
                struct message in = {0};
                memcpy(&in, buffers[i], vectors[i].msg_len < sizeof(in) ? vectors[i].msg_len : sizeof(in));
                if (in.kind == KIND_DATA && in.session == order.session)
                    count(&session, now_ns() / 1000);
                else if (in.kind == KIND_FLOOD_END && in.session == order.session)
                    end = in;
            }
        }
    }
    if (!end.kind) {
        fprintf(stderr, "udp_flood: the service does not answer\n");
        return 1;
    }
    end.received = session.received;
    print(&end, (uint32_t)(session.last_us - session.first_us));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve((uint16_t)strtoul(argv[2], NULL, 10));
    if (argc != 7) {
        fprintf(stderr, "usage: udp_flood serve PORT | up|down HOST PORT SIZE RATE MILLISECONDS\n");
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10))};
    struct message order = {.kind = KIND_DATA, .session = (uint32_t)now_ns() ^ (uint32_t)getpid(),
                            .size = (uint32_t)strtoul(argv[4], NULL, 10), .rate = (uint32_t)strtoul(argv[5], NULL, 10),
                            .ms = (uint32_t)strtoul(argv[6], NULL, 10)};
    if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 || order.size < 8 || order.size > 1472 || order.ms > 20000) {
        fprintf(stderr, "udp_flood: an address, 8 to 1472 bytes and at most 20000 ms are needed\n");
        return 2;
    }
    int fd = open_socket();
    return strcmp(argv[1], "up") == 0 ? up(fd, to, order) : down(fd, to, order);
}
