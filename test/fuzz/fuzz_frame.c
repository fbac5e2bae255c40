/*
 * test/fuzz/fuzz_frame.c - the stream inside the tunnel under any input and any cutting
 *
 * The first byte says how long the pieces are. A path that is up takes the pieces; whatever comes, its window stays
 * within its bounds, what it counts as received was given to it, and once it failed nothing is expected of it.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>

#include "tunnel/path.h"

struct end {
    size_t given, packets;
};

static int on_send(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    FUZZ_CHECK(data != NULL && len >= FRAME_HEADER_LEN);
    return 0;
}
static bool on_congested(void *ctx)
{
    (void)ctx;
    return false;
}
static int on_packet(void *ctx, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct end *e = ctx;
    volatile uint8_t sum = 0;
    (void)offload;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + packet[i]);
    e->packets++;
    return 0;
}
static int on_hello(void *ctx, const struct frame_hello *hello)
{
    (void)ctx;
    return hello->version == FRAME_VERSION ? 0 : -1;
}
static int on_welcome(void *ctx, const struct frame_welcome *welcome)
{
    (void)ctx;
    FUZZ_CHECK(welcome->dns_count <= FRAME_DNS_MAX);
    return 0;
}
static int on_activate(void *ctx)
{
    (void)ctx;
    return 0;
}
static int on_bye(void *ctx, const struct frame_bye *bye)
{
    (void)ctx;
    FUZZ_CHECK(strlen(bye->text) < sizeof bye->text);
    return 0;
}
static int on_node(void *ctx, const struct frame_node *node)
{
    (void)ctx;
    FUZZ_CHECK(strlen(node->name) <= FRAME_NAME_MAX);
    return 0;
}
static void on_ahead(void *ctx, const struct span *packets, size_t count)
{
    volatile uint8_t sink = 0;
    (void)ctx;
    FUZZ_CHECK(count >= 2 && count <= FRAME_AHEAD);
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(packets[i].len > 0);
        sink ^= packets[i].data[0] ^ packets[i].data[packets[i].len - 1];
    }
}
static const struct path_ops ops = {on_send, on_congested, on_packet, on_hello, on_welcome, on_activate, on_bye, on_node, NULL, NULL, NULL, on_ahead};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const size_t piece = (size_t)fuzz_u8(&in) + 1;
    struct end e = {0};
    struct path p;
    uint64_t now_us = 1000000;
    if (path_init(&p, false, &ops, &e, now_us) < 0)
        abort();
    p.up = true;
    p.ether = piece & 1;
    window_on_sent(&p.window, 5000, now_us); /* so that some acknowledgements are good */
    int failed = 0;
    while (in.size > 0 && !failed) {
        const size_t len = in.size < piece ? in.size : piece;
        uint8_t *bytes = fuzz_copy(in.data, len);
        failed = path_receive(&p, bytes, len, now_us);
        free(bytes);
        e.given += len;
        in.data += len;
        in.size -= len;
        now_us += 1000;
        FUZZ_CHECK(p.acker.received <= e.given && p.received_packets == e.packets);
        FUZZ_CHECK(p.window.size >= WINDOW_MIN && p.window.size <= WINDOW_MAX && p.window.acked <= p.window.sent);
        path_flush(&p, NULL, now_us);
    }
    path_done(&p);
    return 0;
}
