/*
 * test/fuzz/fuzz_dhcp.c - DHCP messages and lease lines under any input
 *
 * The first byte chooses: a message to a server that lives for one input and is asked by several ports, or lines of its file. No
 * address may be lent to two clients, no port may hold more than its share, and every answer must be one that a client can read.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "base/bytes.h"
#include "ether/dhcp_server.h"
#include "tether/ether.h"

#define SERVER 0xc0a85601u
enum { RANGE = 12, PORTS = 3, PER_PORT = 3, ANSWER_OPTIONS = 240 };

static bool vacant(void *ctx, uint32_t addr, uint64_t mac)
{
    (void)ctx;
    return (addr ^ mac) % 7 != 0;
}

static void changed(void *ctx, const struct dhcp_lease *lease)
{
    char line[DHCP_LINE_MAX];
    struct dhcp_server *server = *(struct dhcp_server **)ctx;
    FUZZ_CHECK(ether_is_station(lease->mac));
    dhcp_lease_print(lease, 1000, line);
    FUZZ_CHECK(strlen(line) < sizeof line - 1 && line[strlen(line) - 1] == '\n');
    (void)server;
}

static void check_leases(struct dhcp_server *server)
{
    struct dhcp_leases *all = dhcp_server_leases(server);
    size_t held[PORTS] = {0}, in_state[DHCP_STATES] = {0};
    for (size_t i = 0; i < dhcp_leases_count(all); i++) {
        const struct dhcp_lease *a = dhcp_leases_at(all, i);
        in_state[a->state]++;
        if (a->state != DHCP_FREE && a->port < PORTS)
            held[a->port]++;
        FUZZ_CHECK(a->state == DHCP_FREE || a->addr != SERVER);
        FUZZ_CHECK(a->state == DHCP_FREE || a->reserved_for == 0 || a->reserved_for == a->mac);
        for (size_t k = 0; k < i; k++) {
            const struct dhcp_lease *b = dhcp_leases_at(all, k);
            if (a->mac != 0 && b->mac != 0 && a->client.len == b->client.len)
                FUZZ_CHECK(memcmp(a->client.bytes, b->client.bytes, a->client.len) != 0);
        }
    }
    for (size_t p = 0; p < PORTS; p++)
        FUZZ_CHECK(held[p] <= PER_PORT);
    for (int s = 0; s < DHCP_STATES; s++)
        FUZZ_CHECK(in_state[s] == dhcp_leases_in(all, (enum dhcp_state)s));
}

static void check_answer(const struct dhcp_answer *a, const uint8_t *data, const struct dhcp_message *m)
{
    size_t at = ANSWER_OPTIONS;
    FUZZ_CHECK(a->len >= DHCP_MIN_LEN && a->len <= DHCP_REPLY_MAX && data[0] == 2 && get_be32(data + 4) == m->xid);
    while (data[at] != 255) {
        FUZZ_CHECK(at + 2u + data[at + 1] < a->len);
        at += 2u + data[at + 1];
    }
}

static struct dhcp_server *server_new(struct dhcp_server **self)
{
    static const struct dhcp_static statics[] = {{UINT64_C(0x020000000001), SERVER + 3}, {UINT64_C(0x020000000002), SERVER + 90}};
    const struct dhcp_server_config config = {
        .network = {.server = SERVER, .mask = 0xffffff00, .router = SERVER, .dns = {1, 2, 3, 4}, .dns_count = 4, .mtu = 1400,
                    .domain = "a-domain-of-sixty-four-characters.as-long-as-it-may-be.example."},
        .leases = {.lo = SERVER, .hi = SERVER + RANGE - 1, .statics = statics, .static_count = 2, .max_ports = PORTS, .max_per_port = PER_PORT},
        .lease_s = 600, .vacant = vacant, .changed = changed, .ctx = self};
    FUZZ_CHECK(dhcp_server_new(&config, self) == 0);
    return *self;
}

static void one_message(struct dhcp_server *server, struct fuzz_input *in, uint64_t *now_ms)
{
    struct dhcp_message m;
    const uint8_t *data;
    uint8_t head[ANSWER_OPTIONS] = {1, 1, 6, 0, 1, 2, 3, 4}, packet[ANSWER_OPTIONS + 255], answer[DHCP_REPLY_MAX];
    uint8_t how = fuzz_u8(in);
    uint32_t port = how % (PORTS + 1); /* the last one is no port */
    *now_ms += (uint64_t)fuzz_u8(in) << (how >> 4);
    put_be32(head + 12, how & 4 ? SERVER + fuzz_u8(in) % 16 : 0);
    ether_put_mac(head + 28, UINT64_C(0x020000000000) | fuzz_u8(in) % 16);
    put_be32(head + 236, 0x63825363);
    size_t len = fuzz_take(in, fuzz_u8(in), &data);
    memcpy(packet, head, sizeof head);
    memcpy(packet + sizeof head, data, len);
    if (how & 8)
        dhcp_server_port_gone(server, port);
    if (!dhcp_parse(packet, sizeof head + len, &m))
        return;
    struct dhcp_answer a = dhcp_server_ask(server, port, &m, *now_ms, answer);
    if (a.len > 0)
        check_answer(&a, answer, &m);
}

static void lines(struct dhcp_server *server, const uint8_t *data, size_t size)
{
    char line[DHCP_LINE_MAX + 40];
    while (size > 0) {
        size_t len = 0;
        while (len < size && data[len] != '\n')
            len++;
        size_t n = len < sizeof line - 1 ? len : sizeof line - 1;
        memcpy(line, data, n);
        line[n] = '\0';
        dhcp_server_restore(server, line, 500, 1000);
        check_leases(server);
        data += len < size ? len + 1 : len;
        size -= len < size ? len + 1 : len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dhcp_server *server = NULL;
    struct dhcp_message m;
    struct fuzz_input in = {data, size};
    uint64_t now_ms = 1000;
    uint8_t kind = fuzz_u8(&in) % 3;
    server_new(&server);
    if (kind == 0) {
        dhcp_parse(in.data, in.size, &m);
    } else if (kind == 1) {
        lines(server, in.data, in.size);
    } else {
        for (int i = 0; i < 64 && in.size > 0; i++) {
            one_message(server, &in, &now_ms);
            check_leases(server);
        }
    }
    dhcp_server_free(server);
    return 0;
}
