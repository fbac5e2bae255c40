/*
 * bench/pipe_peer.c - one end of a bare pipe of two websockets: the upper bound for anything that goes through a browser
 *
 *     pipe_peer ADDRESS PORT source|sink SIZE PAGE
 *
 * Serves PAGE at "/" and one websocket at any other path. A source sends binary messages of SIZE bytes, a sink counts.
 * Nothing is encrypted or looked at. What is in flight is bounded end to end, as the page itself does not: the sink tells
 * every so often how many bytes came, the source stays at most IN_FLIGHT ahead. The sink prints "BYTES SECONDS" four
 * times a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define PAGE_MAX 8192
#define READ_BYTES (256 * 1024)
#define SIZE_MAX_BYTES (4 << 20)
#define IN_FLIGHT (4 << 20)
#define TELL_EVERY (256 * 1024)
#define TOLD_LEN 14 /* of a client's frame with 8 bytes: 2 head, 4 mask, 8 payload */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct peer {
    int fd;
    uint64_t counted, told;
    uint8_t told_frame[TOLD_LEN];
    size_t told_len;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool write_all(int fd, const void *data, size_t len)
{
    for (const uint8_t *at = data; len;) {
        ssize_t did = write(fd, at, len);
        if (did < 0 && errno == EINTR)
            continue;
        if (did <= 0)
            return false;
        at += did;
        len -= (size_t)did;
    }
    return true;
}

static bool read_head(int fd, char *head)
{
    for (size_t len = 0; len < HEAD_MAX - 1;) {
        ssize_t got = read(fd, head + len, HEAD_MAX - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        head[len] = '\0';
        if (strstr(head, "\r\n\r\n"))
            return true;
    }
    return false;
}

/* RFC 6455 section 4.2.2 */
static bool upgrade(int fd, const char *head)
{
    const char *field = strcasestr(head, "\r\nSec-WebSocket-Key:");
    char text[128], reply[256];
    uint8_t digest[EVP_MAX_MD_SIZE], encoded[64];
    unsigned digest_len;
    if (!field || sscanf(field, "%*[^:]: %60[^ \r\n]", text) != 1)
        return false;
    strncat(text, GUID, sizeof(text) - strlen(text) - 1);
    EVP_Digest(text, strlen(text), digest, &digest_len, EVP_sha1(), NULL);
    EVP_EncodeBlock(encoded, digest, (int)digest_len);
    int len = snprintf(reply, sizeof(reply), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: %s\r\n\r\n", (char *)encoded);
    return write_all(fd, reply, (size_t)len);
}

static void give_page(int fd, const char *path)
{
    char page[PAGE_MAX], head[256];
    FILE *file = fopen(path, "rb");
    size_t len = file ? fread(page, 1, sizeof(page), file) : 0;
    if (file)
        fclose(file);
    int head_len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n"
                            "Connection: close\r\n\r\n", len);
    if (write_all(fd, head, (size_t)head_len))
        write_all(fd, page, len);
}

/* What the other end told came last; the browser masks (RFC 6455 section 5.3). */
static bool hear(struct peer *peer, int wait_ms)
{
    struct pollfd wait = {peer->fd, POLLIN, 0};
    while (poll(&wait, 1, wait_ms) > 0) {
        ssize_t got = read(peer->fd, peer->told_frame + peer->told_len, TOLD_LEN - peer->told_len);
        if (got <= 0)
            return false;
        peer->told_len += (size_t)got;
        if (peer->told_len == TOLD_LEN) {
            const uint8_t *frame = peer->told_frame;
            uint64_t value = 0;
            if (frame[0] != 0x82 || frame[1] != (0x80 | 8))
                return false; /* a close */
            for (int i = 0; i < 8; i++)
                value = value << 8 | (uint8_t)(frame[6 + i] ^ frame[2 + (i & 3)]);
            peer->told = value;
            peer->told_len = 0;
        }
        wait_ms = 0;
    }
    return true;
}

static size_t frame_head(uint8_t *head, uint64_t size)
{
    head[0] = 0x82;
    if (size < 126) {
        head[1] = (uint8_t)size;
        return 2;
    }
    int bytes = size < 65536 ? 2 : 8;
    head[1] = bytes == 2 ? 126 : 127;
    for (int i = 0; i < bytes; i++)
        head[2 + i] = (uint8_t)(size >> (8 * (bytes - 1 - i)));
    return (size_t)(2 + bytes);
}

/* May be below zero: the sink counts frame heads too. */
static int64_t in_flight(const struct peer *peer)
{
    return (int64_t)(peer->counted - peer->told);
}

static void be_source(struct peer *peer, size_t size)
{
    uint8_t *frame = calloc(1, size + 16);
    if (!frame)
        return;
    size_t len = frame_head(frame, size) + size;
    while (hear(peer, in_flight(peer) > IN_FLIGHT ? 5000 : 0)) {
        if (in_flight(peer) > IN_FLIGHT)
            continue;
        if (!write_all(peer->fd, frame, len))
            break;
        peer->counted += size;
    }
    free(frame);
}

/* Frame heads are counted as payload: 14 bytes of every message, below 0.1 % at the sizes that matter. */
static void be_sink(struct peer *peer)
{
    static uint8_t buffer[READ_BYTES];
    double last = now_s();
    ssize_t got;
    while ((got = read(peer->fd, buffer, sizeof(buffer))) > 0) {
        peer->counted += (uint64_t)got;
        if (peer->counted - peer->told > TELL_EVERY) {
            uint8_t frame[10] = {0x82, 8};
            peer->told = peer->counted;
            for (int i = 0; i < 8; i++)
                frame[2 + i] = (uint8_t)(peer->told >> (8 * (7 - i)));
            if (!write_all(peer->fd, frame, sizeof(frame)))
                return;
        }
        if (now_s() - last > 0.25) {
            last = now_s();
            printf("%llu %.6f\n", (unsigned long long)peer->counted, last);
            fflush(stdout);
        }
    }
}

static int listen_at(const char *address, const char *port)
{
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (inet_pton(AF_INET, address, &self.sin_addr) != 1 || bind(fd, (struct sockaddr *)&self, sizeof(self)) || listen(fd, 8)) {
        fprintf(stderr, "pipe_peer: %s port %s: %s\n", address, port, strerror(errno));
        return -1;
    }
    return fd;
}

static void talk(int fd, bool source, size_t size, const char *page)
{
    char head[HEAD_MAX];
    struct peer peer = {.fd = fd};
    if (!read_head(fd, head))
        return;
    if (strncmp(head, "GET / ", 6) == 0 || strncmp(head, "GET /?", 6) == 0)
        give_page(fd, page);
    else if (upgrade(fd, head))
        source ? be_source(&peer, size) : be_sink(&peer);
}

int main(int argc, char **argv)
{
    size_t size = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;
    if (size < 1 || size > SIZE_MAX_BYTES) {
        fprintf(stderr, "usage: pipe_peer ADDRESS PORT source|sink SIZE PAGE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    int listener = listen_at(argv[1], argv[2]), fd, on = 1;
    if (listener < 0)
        return 1;
    puts("listening");
    fflush(stdout);
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (fork() == 0) { /* browsers open connections in advance and leave them silent */
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            talk(fd, strcmp(argv[3], "source") == 0, size, argv[5]);
            return 0;
        }
        close(fd);
    }
    return 0;
}
