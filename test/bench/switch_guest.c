/*
 * test/bench/switch_guest.c - a guest of `tether switch` as fast as one can be: a TAP device on a websocket
 *
 * Frames of a burst go out in one write, and what one read brings goes into the TAP frame by frame: the cost that is left is the
 * kernel's own for a TAP. Masking uses one fixed key, which is enough against oneself.
 *
 *     switch_guest ADDRESS PORT TAP
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BURST = 64, FRAME_MAX = 9300, IN_MAX = 512 * 1024 };

static const uint8_t key[4] = {0x12, 0x34, 0x56, 0x78};
static uint8_t out[BURST * (FRAME_MAX + 8)], in[IN_MAX];
static size_t in_len;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_tap(const char *name)
{
    struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    strncpy(req.ifr_name, name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0)
        die(name);
    return fd;
}

static int connect_to(const char *address, const char *port)
{
    static const char hello[] = "GET / HTTP/1.1\r\nHost: switch\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    inet_pton(AF_INET, address, &to.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 || send(fd, hello, sizeof hello - 1, 0) < 0)
        die(address);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char answer[2048];
    size_t len = 0;
    while (len < sizeof answer - 1) { /* byte by byte: what follows is frames */
        if (recv(fd, answer + len, 1, 0) != 1)
            die("handshake");
        answer[++len] = '\0';
        if (strstr(answer, "\r\n\r\n") != NULL)
            break;
    }
    if (strstr(answer, " 101 ") == NULL) {
        fprintf(stderr, "the switch said: %s", answer);
        exit(1);
    }
    return fd;
}

/* RFC 6455 section 5.2: header, key, payload under the key. @return bytes written */
static size_t put(uint8_t *at, uint8_t opcode, const uint8_t *data, size_t len)
{
    size_t head = 2;
    at[0] = (uint8_t)(0x80 | opcode);
    at[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        at[2] = (uint8_t)(len >> 8);
        at[3] = (uint8_t)len;
        head = 4;
    }
    memcpy(at + head, key, 4);
    head += 4;
    uint64_t wide, word;
    size_t i = 0;
    memcpy(&wide, key, 4);
    memcpy((uint8_t *)&wide + 4, key, 4);
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(at + head + i, &word, 8);
    }
    for (; i < len; i++)
        at[head + i] = data[i] ^ key[i & 3];
    return head + len;
}

static void send_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            die("send");
        data += n;
        len -= (size_t)n;
    }
}

static void from_tap(int tap, int sock)
{
    uint8_t frame[FRAME_MAX];
    size_t len = 0;
    for (int i = 0; i < BURST; i++) {
        ssize_t n = read(tap, frame, sizeof frame);
        if (n <= 0)
            break;
        len += put(out + len, 2, frame, (size_t)n);
    }
    send_all(sock, out, len);
}

/* One websocket frame. @return its length, 0: not whole yet */
static size_t take(int tap, int sock, const uint8_t *at, size_t have)
{
    uint8_t pong[128 + 8];
    if (have < 4)
        return 0;
    size_t len = at[1] & 127, head = len == 126 ? 4 : 2;
    if (len == 126)
        len = (size_t)at[2] << 8 | at[3];
    if (have < head + len)
        return 0;
    int opcode = at[0] & 15;
    if (opcode == 2 && write(tap, at + head, len) < 0 && errno != EAGAIN && errno != EIO)
        die("tap");
    if (opcode == 9 && len < 126)
        send_all(sock, pong, put(pong, 10, at + head, len));
    if (opcode == 8)
        exit(0);
    return head + len;
}

static void from_switch(int tap, int sock)
{
    ssize_t n = recv(sock, in + in_len, sizeof in - in_len, 0);
    size_t used = 0, one;
    if (n <= 0)
        exit(0);
    in_len += (size_t)n;
    while ((one = take(tap, sock, in + used, in_len - used)) > 0)
        used += one;
    in_len -= used;
    memmove(in, in + used, in_len);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: switch_guest ADDRESS PORT TAP\n");
        return 2;
    }
    int tap = open_tap(argv[3]), sock = connect_to(argv[1], argv[2]);
    printf("guest ready\n");
    fflush(stdout);
    for (;;) {
        struct pollfd p[2] = {{.fd = tap, .events = POLLIN}, {.fd = sock, .events = POLLIN}};
        poll(p, 2, -1);
        if (p[1].revents)
            from_switch(tap, sock);
        if (p[0].revents & POLLIN)
            from_tap(tap, sock);
    }
}
