/*
 * io/udp_test.c - a laptop and a server by UDP over real sockets, with somebody in the middle who keeps, repeats, turns round and moves datagrams
 */
#include <sys/socket.h>
#include <unistd.h>

#include "io/udp_client.h"
#include "io/udp_server.h"
#include "net_lab.h"
#include "tunnel/datagram.h"

enum { KEPT_MAX = 200, DATAGRAM_MAX = 2048, TO_SERVER = 0, TO_LAPTOP = 1 };

struct kept {
    int way;
    size_t len;
    uint8_t data[DATAGRAM_MAX];
};

struct lab {
    struct io_loop *loop;
    struct tls_context *laptop_tls, *server_tls;
    struct udp_server *server;
    struct udp_client *client;
    struct carrier *laptop, *far;
    unsigned hellos, welcomes, packets[2], closed[2];
    char failed[96];
    /* the middle: the laptop speaks to its front, it to the server from its back */
    int front, back;
    struct io_poll *front_poll, *back_poll;
    struct sockaddr_storage laptop_addr, server_addr;
    int diverted; /* the laptop's next datagram leaves by this socket alone; -1: as usual */
    struct kept *kept;
    size_t kept_count;
    size_t answers, answer_bytes; /* what came to `back` */
};

/* --- the two ends --- */

static void on_ready(void *ctx, struct carrier *c)
{
    struct lab *lab = ctx;
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    struct frame_hello hello = {.version = FRAME_VERSION, .mtu = 1400};
    if (c == lab->laptop)
        path_control(carrier_path(c), frame, frame_put_hello(frame, &hello));
}

static int on_hello(void *ctx, struct carrier *c, const struct frame_hello *hello)
{
    struct lab *lab = ctx;
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    (void)hello;
    lab->hellos++;
    path_control(carrier_path(c), frame, frame_put_welcome(frame, &(struct frame_welcome){.version = FRAME_VERSION, .session = 7}));
    carrier_path(c)->up = true;
    return 0;
}

static int on_welcome(void *ctx, struct carrier *c, const struct frame_welcome *welcome)
{
    struct lab *lab = ctx;
    (void)welcome;
    lab->welcomes++;
    carrier_path(c)->up = true;
    return 0;
}

static void on_packet(void *ctx, struct carrier *c, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct lab *lab = ctx;
    (void)packet, (void)offload;
    assert_int_equal(len, 100);
    lab->packets[c == lab->laptop ? TO_LAPTOP : TO_SERVER]++;
}

static void on_closed(void *ctx, struct carrier *c, int failure, const char *reason)
{
    struct lab *lab = ctx;
    bool laptop = c == lab->laptop;
    (void)failure;
    snprintf(lab->failed, sizeof lab->failed, "%s", reason);
    lab->closed[laptop ? TO_LAPTOP : TO_SERVER]++;
    if (laptop)
        lab->laptop = NULL;
    else
        lab->far = NULL;
}

static const struct carrier_events laptop_events = {.ready = on_ready, .welcome = on_welcome, .packet = on_packet, .closed = on_closed};
static const struct carrier_events server_events = {.ready = on_ready, .hello = on_hello, .packet = on_packet, .closed = on_closed};

static struct carrier *on_accept(void *ctx, const struct carrier_wire *ops, void *wire)
{
    struct lab *lab = ctx;
    lab->far = carrier_open_wire(lab->loop, ops, wire, lab->server_tls, false, &server_events, lab);
    return lab->far;
}

/* As the role does: carrier_open_wire() calls ready() only later, when its TLS is done. */
static struct carrier *on_way_found(void *ctx, const struct carrier_wire *ops, void *wire)
{
    struct lab *lab = ctx;
    lab->laptop = carrier_open_wire(lab->loop, ops, wire, lab->laptop_tls, true, &laptop_events, lab);
    return lab->laptop;
}

static void on_failed(void *ctx, const char *reason)
{
    struct lab *lab = ctx;
    lab->client = NULL;
    snprintf(lab->failed, sizeof lab->failed, "%s", reason);
}

static const struct udp_client_events client_events = {.ready = on_way_found, .failed = on_failed};

/* --- the middle --- */

static socklen_t addr_len(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static struct sockaddr_storage loopback(int family, uint16_t port)
{
    struct sockaddr_storage addr = {.ss_family = (sa_family_t)family};
    if (family == AF_INET6) {
        ((struct sockaddr_in6 *)&addr)->sin6_addr = in6addr_loopback;
        ((struct sockaddr_in6 *)&addr)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)&addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ((struct sockaddr_in *)&addr)->sin_port = htons(port);
    }
    return addr;
}

static int bound(int family)
{
    struct sockaddr_storage addr = loopback(family, 0);
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, addr_len(&addr)), 0);
    return fd;
}

static void send_on(int fd, const struct sockaddr_storage *to, const uint8_t *data, size_t len)
{
    assert_int_equal(sendto(fd, data, len, 0, (const struct sockaddr *)to, addr_len(to)), len);
}

static void keep(struct lab *lab, int way, const uint8_t *data, size_t len)
{
    if (lab->kept_count == KEPT_MAX)
        return;
    struct kept *k = &lab->kept[lab->kept_count++];
    k->way = way;
    k->len = len;
    memcpy(k->data, data, len);
}

static void on_front(void *ctx, int events)
{
    struct lab *lab = ctx;
    uint8_t data[DATAGRAM_MAX];
    socklen_t size = sizeof lab->laptop_addr;
    ssize_t len;
    (void)events;
    while ((len = recvfrom(lab->front, data, sizeof data, 0, (struct sockaddr *)&lab->laptop_addr, &size)) >= 0) {
        keep(lab, TO_SERVER, data, (size_t)len);
        send_on(lab->diverted >= 0 ? lab->diverted : lab->back, &lab->server_addr, data, (size_t)len);
        lab->diverted = -1;
    }
}

static void on_back(void *ctx, int events)
{
    struct lab *lab = ctx;
    uint8_t data[DATAGRAM_MAX];
    ssize_t len;
    (void)events;
    while ((len = recv(lab->back, data, sizeof data, 0)) >= 0) {
        keep(lab, TO_LAPTOP, data, (size_t)len);
        lab->answers++;
        lab->answer_bytes += (size_t)len;
        if (lab->laptop_addr.ss_family != 0)
            send_on(lab->front, &lab->laptop_addr, data, (size_t)len);
    }
}

static void open_back(struct lab *lab)
{
    if (lab->back_poll != NULL) {
        io_poll_close(lab->back_poll);
        close(lab->back);
    }
    lab->back = bound(lab->server_addr.ss_family);
    assert_int_equal(io_poll_new(lab->loop, lab->back, IO_READABLE, on_back, lab, &lab->back_poll), 0);
}

/* --- a lab --- */

static struct lab *start(int family, const char *laptop_key)
{
    struct lab *lab = calloc(1, sizeof *lab);
    uint8_t key[TLS_KEY_LEN] = "right";
    struct err err = {0};
    assert_non_null(lab);
    lab->kept = calloc(KEPT_MAX, sizeof *lab->kept);
    assert_non_null(lab->kept);
    lab->diverted = -1;
    assert_int_equal(io_loop_new(&lab->loop), 0);
    assert_int_equal(tls_context_new_datagrams(true, key, &lab->server_tls, &err), 0);
    snprintf((char *)key, sizeof key, "%s", laptop_key);
    assert_int_equal(tls_context_new_datagrams(false, key, &lab->laptop_tls, &err), 0);
    assert_int_equal(udp_server_open(lab->loop, family == AF_INET6 ? "::1" : "127.0.0.1", 0, lab->server_tls, on_accept, lab, &lab->server, &err), 0);
    lab->server_addr = loopback(family, udp_server_port(lab->server));
    lab->front = bound(family);
    assert_int_equal(io_poll_new(lab->loop, lab->front, IO_READABLE, on_front, lab, &lab->front_poll), 0);
    open_back(lab);
    return lab;
}

static void call(struct lab *lab)
{
    struct sockaddr_storage front;
    socklen_t size = sizeof front;
    struct err err = {0};
    assert_int_equal(getsockname(lab->front, (struct sockaddr *)&front, &size), 0);
    assert_int_equal(udp_client_open(lab->loop, &front, &(struct underlay){""}, lab->laptop_tls, &client_events, lab, &lab->client, &err), 0);
}

static struct lab *start_up(int family)
{
    struct lab *lab = start(family, "right");
    call(lab);
    lab_until(lab->loop, lab->welcomes == 1);
    return lab;
}

static void stop(struct lab *lab)
{
    if (lab->laptop != NULL)
        carrier_close(lab->laptop, WS_CLOSE_NORMAL, "done");
    lab_until(lab->loop, lab->laptop == NULL);
    udp_server_close(lab->server);
    io_poll_close(lab->front_poll);
    io_poll_close(lab->back_poll);
    assert_int_equal(io_loop_free(lab->loop), 0);
    close(lab->front);
    close(lab->back);
    tls_context_free(lab->laptop_tls);
    tls_context_free(lab->server_tls);
    free(lab->kept);
    free(lab);
}

/* One packet from an end to the other, by its path as it is. */
static void send_packet(struct carrier *c)
{
    static uint32_t position;
    uint8_t frame[FRAME_HEADER_LEN + FRAME_NUMBER_LEN + 100] = {0};
    frame_put_numbered(frame, 100, position += 172);
    path_control(carrier_path(c), frame, sizeof frame);
}

static void exchange(struct lab *lab)
{
    unsigned before[2] = {lab->packets[0], lab->packets[1]};
    send_packet(lab->laptop);
    send_packet(lab->far);
    lab_until(lab->loop, lab->packets[0] == before[0] + 1 && lab->packets[1] == before[1] + 1);
}

static void run_for(struct lab *lab, uint64_t ms)
{
    uint64_t end = io_now_us() + ms * 1000;
    lab_until(lab->loop, io_now_us() > end);
}

/* --- tests --- */

static void a_laptop_comes_up_by_either_ip(void **state)
{
    static const int families[] = {AF_INET, AF_INET6};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int probe = socket(families[i], SOCK_DGRAM, 0);
        struct sockaddr_storage addr = loopback(families[i], 0);
        bool there = bind(probe, (struct sockaddr *)&addr, addr_len(&addr)) == 0;
        close(probe);
        if (!there)
            continue; /* a machine without IPv6 */
        struct lab *lab = start_up(families[i]);
        exchange(lab);
        assert_int_equal(udp_server_stats(lab->server)->connections, 1);
        stop(lab);
    }
}

static void a_wrong_key_makes_no_connection(void **state)
{
    struct lab *lab = start(AF_INET, "wrong");
    (void)state;
    call(lab);
    lab_until(lab->loop, lab->failed[0] != '\0');
    assert_string_equal(lab->failed, "wrong key");
    assert_int_equal(udp_server_stats(lab->server)->connections, 0);
    assert_int_equal(udp_server_stats(lab->server)->wrong_keys, 1);
    stop(lab);
}

/* Of everything that a stranger can make: at most one answer, shorter than the question; no connection, no state. */
static void strangers_get_no_more_than_they_give(void **state)
{
    struct lab *lab = start(AF_INET, "right");
    uint8_t data[1400], hello[] = {0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 1, 0, 0, 88};
    uint32_t random = 1;
    (void)state;
    for (int round = 0; round < 600; round++) {
        size_t len = round < 200 ? (size_t)round : 41 + (size_t)(random % 1300);
        for (size_t i = 0; i < sizeof data; i++) {
            random = random * 1664525 + 1013904223;
            data[i] = (uint8_t)(random >> 24);
        }
        data[0] = (uint8_t)(round % 8);
        if (round % 3 == 0) { /* a DTLS ClientHello where the body is, without a cookie; each fourth bare */
            memset(data + 9, 0, 32);
            memcpy(data + (round % 4 == 0 ? 0 : 41), hello, sizeof hello);
        }
        lab->answers = lab->answer_bytes = 0;
        uint64_t retries = udp_server_stats(lab->server)->retries, seen = retries + udp_server_stats(lab->server)->malformed +
                                                                       udp_server_stats(lab->server)->unknown_ids;
        send_on(lab->back, &lab->server_addr, data, len);
        lab_until(lab->loop, udp_server_stats(lab->server)->retries + udp_server_stats(lab->server)->malformed +
                                     udp_server_stats(lab->server)->unknown_ids > seen);
        if (udp_server_stats(lab->server)->retries > retries)
            lab_until(lab->loop, lab->answers == 1);
        assert_true(lab->answers <= 1 && (lab->answers == 0 || lab->answer_bytes < len));
    }
    assert_int_equal(udp_server_stats(lab->server)->connections, 0);
    stop(lab);
}

/* All that passed so far, to both ends, from where it came and from elsewhere, as it was and turned round. */
static void copies_and_reflections_change_nothing(void **state)
{
    struct lab *lab = start_up(AF_INET);
    int stranger = bound(AF_INET);
    (void)state;
    for (int i = 0; i < 5; i++)
        exchange(lab);
    size_t count = lab->kept_count;
    uint64_t heard_far = carrier_heard(lab->far), heard_laptop = carrier_heard(lab->laptop);
    size_t answers = lab->answers;
    for (size_t i = 0; i < count; i++) {
        const struct kept *k = &lab->kept[i];
        if (k->way == TO_SERVER && k->data[0] == DATAGRAM_INIT)
            continue; /* below */
        send_on(lab->back, &lab->server_addr, k->data, k->len);
        send_on(stranger, &lab->server_addr, k->data, k->len);
        send_on(lab->front, &lab->laptop_addr, k->data, k->len);
        send_on(stranger, &lab->laptop_addr, k->data, k->len);
    }
    run_for(lab, 100);
    assert_int_equal(lab->answers, answers);
    assert_true(recv(stranger, &(uint8_t){0}, 1, MSG_DONTWAIT) < 0);
    assert_true(carrier_heard(lab->far) == heard_far && carrier_heard(lab->laptop) == heard_laptop);
    assert_int_equal(udp_server_stats(lab->server)->moves, 0);
    /* An INIT from elsewhere lacks that address's cookie: it costs a shorter answer, nothing else. */
    for (size_t i = 0; i < count; i++)
        if (lab->kept[i].way == TO_SERVER && lab->kept[i].data[0] == DATAGRAM_INIT)
            send_on(stranger, &lab->server_addr, lab->kept[i].data, lab->kept[i].len);
    run_for(lab, 100);
    uint8_t answer[64];
    for (ssize_t len; (len = recv(stranger, answer, sizeof answer, MSG_DONTWAIT)) >= 0;)
        assert_int_equal(len, DATAGRAM_RETRY_LEN);
    assert_int_equal(udp_server_stats(lab->server)->connections, 1);
    exchange(lab);
    assert_true(lab->closed[0] == 0 && lab->closed[1] == 0);
    close(stranger);
    stop(lab);
}

static void a_laptop_that_moves_is_followed_once_it_answers_there(void **state)
{
    struct lab *lab = start_up(AF_INET);
    (void)state;
    exchange(lab);
    open_back(lab); /* another port towards the server */
    send_packet(lab->laptop);
    lab_until(lab->loop, udp_server_stats(lab->server)->moves == 1);
    exchange(lab);
    assert_int_equal(udp_server_stats(lab->server)->connections, 1);
    stop(lab);
}

/* What comes from both at once is handed on before the server rests, though it may hold a packet of each to join it. */
static void two_laptops_are_heard_at_once(void **state)
{
    struct lab *lab = start(AF_INET, "right"), laptops[2] = {{.loop = lab->loop, .laptop_tls = lab->laptop_tls}, {.loop = lab->loop, .laptop_tls = lab->laptop_tls}};
    struct err err = {0};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct lab *l = &laptops[i];
        assert_int_equal(udp_client_open(l->loop, &lab->server_addr, &(struct underlay){""}, l->laptop_tls, &client_events, l, &l->client, &err), 0);
        lab_until(l->loop, l->welcomes == 1);
    }
    for (unsigned i = 1; i <= 10; i++) {
        send_packet(laptops[0].laptop);
        send_packet(laptops[1].laptop);
        send_packet(laptops[i % 2].laptop);
        lab_until(lab->loop, lab->packets[TO_SERVER] == 3 * i);
    }
    for (size_t i = 0; i < 2; i++) {
        carrier_close(laptops[i].laptop, WS_CLOSE_NORMAL, "done");
        lab_until(lab->loop, laptops[i].laptop == NULL);
    }
    stop(lab);
}

/* Genuine datagrams that somebody sends on from elsewhere, before the laptop's own arrive, turn nothing on him but one short question. */
static void who_only_passes_on_is_not_followed(void **state)
{
    struct lab *lab = start_up(AF_INET);
    int stranger = bound(AF_INET);
    uint8_t question[2000];
    (void)state;
    exchange(lab);
    unsigned before = lab->packets[TO_SERVER];
    lab->diverted = stranger;
    send_packet(lab->laptop);
    lab_until(lab->loop, lab->packets[TO_SERVER] == before + 1);
    run_for(lab, 50);
    ssize_t len = recv(stranger, question, sizeof question, MSG_DONTWAIT);
    assert_true(len > 0 && len < (ssize_t)lab->kept[lab->kept_count - 1].len);
    assert_true(recv(stranger, question, sizeof question, MSG_DONTWAIT) < 0);
    send_on(stranger, &lab->server_addr, question, (size_t)len); /* all he can do */
    exchange(lab);
    run_for(lab, 50);
    assert_int_equal(udp_server_stats(lab->server)->moves, 0);
    assert_true(recv(stranger, question, sizeof question, MSG_DONTWAIT) < 0);
    close(stranger);
    stop(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_laptop_comes_up_by_either_ip),
        cmocka_unit_test(a_wrong_key_makes_no_connection),
        cmocka_unit_test(strangers_get_no_more_than_they_give),
        cmocka_unit_test(copies_and_reflections_change_nothing),
        cmocka_unit_test(a_laptop_that_moves_is_followed_once_it_answers_there),
        cmocka_unit_test(two_laptops_are_heard_at_once),
        cmocka_unit_test(who_only_passes_on_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
