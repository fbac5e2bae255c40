/*
 * test/io/net_lab.h - a loop under test and a raw peer beside it, in one thread
 *
 * The peer is a plain non-blocking socket driven by the test: it sends bytes in pieces of the test's choice and reads what comes,
 * turning the loop in between. Its websocket frames are written and read here by hand, so that both sides of a mistake
 * are not the same code. Everything waits for a condition, with a deadline.
 */
#ifndef TETHER_TEST_NET_LAB_H
#define TETHER_TEST_NET_LAB_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "io/http_server.h"
#include "io/loop.h"

enum { LAB_WAIT_MS = 10000, LAB_BUF = 1 << 20 };

static inline void lab_turn(struct io_loop *loop)
{
    if (uv_run(io_loop_uv(loop), UV_RUN_NOWAIT) == 0)
        uv_sleep(1);
}

/* Turn the loop until the condition holds; fails the test after ten seconds. */
#define lab_until(loop, condition)                                                                                     \
    do {                                                                                                               \
        uint64_t lab_end = io_now_us() + UINT64_C(1000) * LAB_WAIT_MS;                                                 \
        while (!(condition)) {                                                                                         \
            lab_turn(loop);                                                                                            \
            if (io_now_us() > lab_end)                                                                                 \
                fail_msg("never came true: %s", #condition);                                                           \
        }                                                                                                              \
    } while (0)

/* --- the peer --- */

struct peer {
    struct io_loop *loop;
    int fd;
    bool ended; /* the other side closed or reset */
    size_t have;
    uint8_t in[LAB_BUF];
};

static inline struct peer *peer_of(struct io_loop *loop, int fd)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->loop = loop;
    p->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return p;
}

static inline struct peer *peer_connect(struct io_loop *loop, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0); /* the listener's backlog takes it */
    return peer_of(loop, fd);
}

static inline void peer_free(struct peer *p)
{
    if (p != NULL)
        close(p->fd);
    free(p);
}

/* Take what has come. */
static inline void peer_poll(struct peer *p)
{
    while (!p->ended && p->have < sizeof p->in) {
        ssize_t n = recv(p->fd, p->in + p->have, sizeof p->in - p->have, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        p->ended = n <= 0;
        p->have += n > 0 ? (size_t)n : 0;
    }
}

static inline bool peer_has(struct peer *p, size_t len)
{
    peer_poll(p);
    return p->have >= len;
}

static inline bool peer_sees(struct peer *p, const char *text)
{
    peer_poll(p);
    return memmem(p->in, p->have, text, strlen(text)) != NULL;
}

static inline bool peer_ended(struct peer *p)
{
    peer_poll(p);
    return p->ended;
}

static inline void peer_drop(struct peer *p, size_t len)
{
    assert_true(len <= p->have);
    memmove(p->in, p->in + len, p->have - len);
    p->have -= len;
}

/* Send in pieces; the loop gets each piece by itself. False when the other side is gone. */
static inline bool peer_send(struct peer *p, const void *data, size_t len, size_t piece)
{
    const uint8_t *at = data;
    uint64_t end = io_now_us() + UINT64_C(1000) * LAB_WAIT_MS;
    while (len > 0) {
        ssize_t n = send(p->fd, at, len < piece ? len : piece, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return false;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        lab_turn(p->loop);
        peer_poll(p);
        if (io_now_us() > end)
            fail_msg("the other side stopped reading");
    }
    return true;
}

static inline bool peer_say(struct peer *p, const char *text)
{
    return peer_send(p, text, strlen(text), strlen(text));
}

/* --- websocket frames by hand (RFC 6455 section 5.2) --- */

static const char lab_handshake[] = "GET /websocket HTTP/1.1\r\n"
                                    "Host: a\r\n"
                                    "Upgrade: websocket\r\n"
                                    "Connection: Upgrade\r\n"
                                    "Origin: http://elsewhere.example\r\n"
                                    "Sec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* Read the 101 away. */
static inline void peer_opened(struct peer *p)
{
    lab_until(p->loop, peer_sees(p, "\r\n\r\n"));
    assert_memory_equal(p->in, "HTTP/1.1 101 ", 13);
    assert_true(peer_sees(p, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    peer_drop(p, (size_t)((uint8_t *)memmem(p->in, p->have, "\r\n\r\n", 4) - p->in) + 4);
}

static inline struct peer *peer_ws(struct io_loop *loop, uint16_t port)
{
    struct peer *p = peer_connect(loop, port);
    peer_say(p, lab_handshake);
    peer_opened(p);
    return p;
}

/* The other end of a handshake: accept it, with the value computed here, and say more in the same segment. */
static inline void peer_answer(struct peer *p, const char *trailer, size_t trailer_len)
{
    unsigned char digest[EVP_MAX_MD_SIZE], accept[64];
    char text[512];
    lab_until(p->loop, peer_sees(p, "\r\n\r\n"));
    const char *key = memmem(p->in, p->have, "Sec-WebSocket-Key: ", 19);
    assert_non_null(key);
    snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, digest, 20);
    int len = snprintf(text, sizeof text, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                          "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", (char *)accept);
    memcpy(text + len, trailer, trailer_len);
    p->have = 0;
    peer_send(p, text, (size_t)len + trailer_len, sizeof text);
}

/* first: FIN, RSV and opcode, e.g. 0x82. @return length; out has room for len + 14 */
static inline size_t frame_make(uint8_t *out, uint8_t first, const void *data, size_t len, bool masked)
{
    static const uint8_t mask[4] = {0xa1, 0x00, 0x37, 0xfe};
    size_t at = 2;
    out[0] = first;
    out[1] = (uint8_t)((masked ? 0x80 : 0) | (len < 126 ? len : len < 65536 ? 126 : 127));
    for (int shift = len < 126 ? -8 : len < 65536 ? 8 : 56; shift >= 0; shift -= 8)
        out[at++] = (uint8_t)((uint64_t)len >> shift);
    if (masked) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    for (size_t i = 0; i < len; i++)
        out[at + i] = ((const uint8_t *)data)[i] ^ (masked ? mask[i & 3] : 0);
    return at + len;
}

static inline bool peer_frame(struct peer *p, uint8_t first, const void *data, size_t len, bool masked, size_t piece)
{
    uint8_t *out = malloc(len + 14);
    assert_non_null(out);
    bool sent = peer_send(p, out, frame_make(out, first, data, len, masked), piece);
    free(out);
    return sent;
}

struct frame {
    uint8_t first;
    bool masked;
    const uint8_t *data; /* unmasked in place */
    size_t len, whole;
};

/* The first frame that has come, if it is whole. */
static inline bool frame_take(struct peer *p, struct frame *f)
{
    size_t at = 2;
    peer_poll(p);
    if (p->have < 2)
        return false;
    f->first = p->in[0];
    f->masked = p->in[1] & 0x80;
    f->len = p->in[1] & 0x7f;
    const size_t more = f->len == 126 ? 2 : f->len == 127 ? 8 : 0;
    if (p->have < at + more + (f->masked ? 4 : 0))
        return false;
    if (more > 0)
        f->len = 0;
    for (size_t i = 0; i < more; i++)
        f->len = f->len << 8 | p->in[at++];
    const uint8_t *mask = p->in + at;
    at += f->masked ? 4 : 0;
    if (p->have < at + f->len)
        return false;
    for (size_t i = 0; f->masked && i < f->len; i++)
        p->in[at + i] ^= mask[i & 3];
    f->data = p->in + at;
    f->whole = at + f->len;
    return true;
}

/* Wait for a frame and compare it. */
static inline void peer_expect(struct peer *p, uint8_t first, const void *data, size_t len)
{
    struct frame f = {0};
    lab_until(p->loop, frame_take(p, &f) || peer_ended(p));
    assert_true(f.whole <= p->have && p->have >= 2);
    assert_int_equal(f.first, first);
    assert_int_equal(f.len, len);
    if (len > 0)
        assert_memory_equal(f.data, data, len);
    peer_drop(p, f.whole);
}

/* Wait for a close frame with this code. */
static inline void peer_expect_close(struct peer *p, unsigned code)
{
    struct frame f = {0};
    lab_until(p->loop, frame_take(p, &f));
    assert_int_equal(f.first, 0x88);
    assert_true(f.len >= 2);
    assert_int_equal(f.data[0] << 8 | f.data[1], code);
    peer_drop(p, f.whole);
}

#endif
