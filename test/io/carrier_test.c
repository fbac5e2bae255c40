/* io/carrier_test.c - laptop's and server's carriers over real websockets, with a relay between them or a peer made by hand */
#include "io/carrier.h"

#include "net_lab.h"

enum { LAPTOP, SERVER, SIDES };

struct side {
    struct lab *lab;
    struct http_server *listener;
    struct tls_context *tls;
    struct carrier *carrier;
    struct ws *leg; /* the relay's websocket to this side */
    bool leg_open;
    unsigned ready, hellos, welcomes, byes, packets, closed;
    int failure;
    char bye[201];
    struct offload offload;
    bool no_offload;
    uint8_t packet[70000];
    size_t packet_len;
};

struct lab {
    struct io_loop *loop;
    struct side side[SIDES];
};

static void on_ready(void *ctx, struct carrier *c)
{
    struct side *s = ctx;
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    struct frame_hello hello = {.version = FRAME_VERSION, .mtu = 1400};
    s->ready++;
    if (s == &s->lab->side[LAPTOP])
        path_control(carrier_path(c), frame, frame_put_hello(frame, &hello));
}

static int on_hello(void *ctx, struct carrier *c, const struct frame_hello *hello)
{
    struct side *s = ctx;
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    struct frame_welcome welcome = {.version = FRAME_VERSION, .session = 7};
    assert_int_equal(hello->mtu, 1400);
    s->hellos++;
    path_control(carrier_path(c), frame, frame_put_welcome(frame, &welcome));
    carrier_path(c)->up = true;
    return 0;
}

static int on_welcome(void *ctx, struct carrier *c, const struct frame_welcome *welcome)
{
    struct side *s = ctx;
    assert_int_equal(welcome->session, 7);
    s->welcomes++;
    carrier_path(c)->up = true;
    return 0;
}

static void on_bye(void *ctx, struct carrier *c, const struct frame_bye *bye)
{
    struct side *s = ctx;
    (void)c;
    s->byes++;
    snprintf(s->bye, sizeof s->bye, "%s", bye->text);
}

static void on_packet(void *ctx, struct carrier *c, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct side *s = ctx;
    (void)c;
    s->packets++;
    s->no_offload = offload == NULL;
    s->offload = offload != NULL ? *offload : (struct offload){0};
    assert_true(len <= sizeof s->packet);
    memcpy(s->packet, packet, len);
    s->packet_len = len;
}

static void on_closed(void *ctx, struct carrier *c, int failure, const char *reason)
{
    struct side *s = ctx;
    (void)c, (void)reason;
    s->closed++;
    s->failure = failure;
    s->carrier = NULL;
}

static const struct carrier_events laptop_events = {
    .ready = on_ready, .welcome = on_welcome, .bye = on_bye, .packet = on_packet, .closed = on_closed};
static const struct carrier_events server_events = {
    .ready = on_ready, .hello = on_hello, .bye = on_bye, .packet = on_packet, .closed = on_closed};

static bool takes(void *ctx, const char *path)
{
    (void)ctx;
    return strcmp(path, "/websocket") == 0;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct side *s = ctx;
    bool laptop = s == &s->lab->side[LAPTOP];
    (void)path;
    s->carrier = carrier_open(s->lab->loop, ws, s->tls, laptop, laptop ? &laptop_events : &server_events, s);
    if (s->tls == NULL)
        carrier_path(s->carrier)->up = true;
}

static const struct http_handlers handlers = {.takes_websocket = takes, .websocket = on_websocket};

/* --- the relay: passes whole messages on, as the page does --- */

static void leg_opened(void *ctx)
{
    ((struct side *)ctx)->leg_open = true;
}

static void leg_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct side *s = ctx, *other = &s->lab->side[s == &s->lab->side[LAPTOP] ? SERVER : LAPTOP];
    (void)fin;
    if (other->leg != NULL)
        ws_send(other->leg, opcode, data, len);
}

static void leg_closed(void *ctx, int code, const char *reason)
{
    struct side *s = ctx, *other = &s->lab->side[s == &s->lab->side[LAPTOP] ? SERVER : LAPTOP];
    s->leg = NULL;
    if (other->leg != NULL)
        ws_close(other->leg, code >= 4000 ? code : WS_CLOSE_OTHER_LEG, reason);
}

static const struct ws_events leg_events = {.open = leg_opened, .data = leg_data, .closed = leg_closed};

static void open_leg(struct side *s)
{
    struct ws_url url = {.host = "127.0.0.1", .port = http_server_port(s->listener), .path = "/websocket"};
    struct err err = {0};
    assert_int_equal(ws_connect(s->lab->loop, &url, NULL, &leg_events, s, &s->leg, &err), 0);
}

/* --- a lab --- */

static void start_side(struct lab *lab, int which, const char *key)
{
    struct side *s = &lab->side[which];
    uint8_t psk[TLS_KEY_LEN] = {0};
    struct err err = {0};
    s->lab = lab;
    if (key != NULL) {
        memcpy(psk, key, strlen(key));
        assert_int_equal(tls_context_new(which == SERVER, psk, &s->tls, &err), 0);
    }
    assert_int_equal(http_server_open(lab->loop, "127.0.0.1", 0, &handlers, s, &s->listener, &err), 0);
}

/* @param laptop_key, server_key NULL: that side is plain */
static struct lab *start(const char *laptop_key, const char *server_key)
{
    struct lab *lab = calloc(1, sizeof *lab);
    assert_non_null(lab);
    assert_int_equal(io_loop_new(&lab->loop), 0);
    start_side(lab, LAPTOP, laptop_key);
    start_side(lab, SERVER, server_key);
    return lab;
}

static void connect_both(struct lab *lab)
{
    open_leg(&lab->side[SERVER]);
    lab_until(lab->loop, lab->side[SERVER].leg_open);
    open_leg(&lab->side[LAPTOP]);
    lab_until(lab->loop, lab->side[LAPTOP].carrier != NULL || lab->side[LAPTOP].closed);
}

static struct lab *start_up(const char *laptop_key, const char *server_key)
{
    struct lab *lab = start(laptop_key, server_key);
    connect_both(lab);
    if (laptop_key != NULL && server_key != NULL)
        lab_until(lab->loop, lab->side[LAPTOP].welcomes == 1);
    return lab;
}

static void stop(struct lab *lab)
{
    for (int i = 0; i < SIDES; i++)
        if (lab->side[i].carrier != NULL)
            carrier_close(lab->side[i].carrier, WS_CLOSE_NORMAL, "done");
    lab_until(lab->loop, lab->side[LAPTOP].leg == NULL && lab->side[SERVER].leg == NULL &&
                             lab->side[LAPTOP].carrier == NULL && lab->side[SERVER].carrier == NULL);
    for (int i = 0; i < SIDES; i++)
        http_server_close(lab->side[i].listener);
    assert_int_equal(io_loop_free(lab->loop), 0);
    for (int i = 0; i < SIDES; i++)
        tls_context_free(lab->side[i].tls);
    free(lab);
}

/* Send a packet from a side's queue, as roles do. */
static void send_packet(struct side *from, const void *data, size_t len, struct offload offload)
{
    struct pbuf_pool *pool;
    struct session session;
    static const uint8_t token[FRAME_TOKEN_LEN] = {1};
    assert_int_equal(pbuf_pool_new(1 << 20, &pool), 0);
    session_init(&session, 1, token, pool, io_now_us());
    session_attach(&session, carrier_path(from->carrier));
    struct pbuf *b = pbuf_get(pool, len);
    memcpy(b->data, data, len);
    b->len = (uint32_t)len;
    b->offload = offload;
    assert_true(session_send(&session, b, io_now_us()));
    session_flush(&session, io_now_us());
    session_done(&session);
    pbuf_pool_free(pool);
}

static const char packet[] = "\x45 not looked at here";

static void a_keyed_pair_shakes_hands_and_carries_packets(void **state)
{
    (void)state;
    static uint8_t large[60000];
    struct lab *lab = start_up("same", "same");
    struct side *laptop = &lab->side[LAPTOP], *server = &lab->side[SERVER];
    assert_true(laptop->ready == 1 && server->ready == 1 && server->hellos == 1);
    send_packet(laptop, packet, sizeof packet, (struct offload){0});
    lab_until(lab->loop, server->packets == 1);
    assert_memory_equal(server->packet, packet, sizeof packet);
    assert_true(!server->no_offload && server->offload.seg_len == 0 && !server->offload.partial);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 31 >> 3);
    send_packet(server, large, sizeof large, (struct offload){1460, true});
    lab_until(lab->loop, laptop->packets == 1);
    assert_int_equal(laptop->packet_len, sizeof large);
    assert_memory_equal(laptop->packet, large, sizeof large);
    assert_true(laptop->offload.seg_len == 1460 && laptop->offload.partial);
    stop(lab);
}

static void a_goodbye_reaches_the_other_side_in_words(void **state)
{
    (void)state;
    struct lab *lab = start_up("same", "same");
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    path_control(carrier_path(lab->side[SERVER].carrier), frame, frame_put_bye(frame, BYE_DONE, "server \"stopped\"\n"));
    lab_until(lab->loop, lab->side[LAPTOP].closed);
    assert_int_equal(lab->side[LAPTOP].byes, 1);
    assert_string_equal(lab->side[LAPTOP].bye, "server ?stopped??");
    assert_int_equal(lab->side[LAPTOP].failure, -EPIPE);
    stop(lab);
}

static void different_keys_are_told_apart_on_both_sides(void **state)
{
    (void)state;
    struct lab *lab = start("one", "two");
    connect_both(lab);
    lab_until(lab->loop, lab->side[LAPTOP].closed && lab->side[SERVER].closed);
    assert_int_equal(lab->side[LAPTOP].failure, -EKEYREJECTED);
    assert_int_equal(lab->side[SERVER].failure, -EKEYREJECTED);
    assert_int_equal(lab->side[LAPTOP].ready + lab->side[SERVER].hellos, 0);
    assert_int_equal(lab->side[LAPTOP].closed + lab->side[SERVER].closed, 2);
    stop(lab);
}

static void one_plain_side_is_noticed_by_both(void **state)
{
    (void)state;
    struct lab *lab = start_up("key", NULL); /* the laptop's TLS hello is no packet */
    lab_until(lab->loop, lab->side[LAPTOP].closed && lab->side[SERVER].closed);
    assert_int_equal(lab->side[SERVER].failure, -EPROTOTYPE);
    assert_int_equal(lab->side[LAPTOP].failure, -EPROTOTYPE);
    stop(lab);
    lab = start_up(NULL, "key"); /* the laptop's packet is no TLS hello */
    send_packet(&lab->side[LAPTOP], packet, sizeof packet, (struct offload){0});
    lab_until(lab->loop, lab->side[LAPTOP].closed && lab->side[SERVER].closed);
    assert_int_equal(lab->side[SERVER].failure, -EPROTOTYPE);
    assert_int_equal(lab->side[LAPTOP].failure, -EPROTOTYPE);
    assert_int_equal(lab->side[SERVER].packets, 0);
    stop(lab);
}

static void a_plain_pair_carries_bare_packets(void **state)
{
    (void)state;
    struct lab *lab = start_up(NULL, NULL);
    send_packet(&lab->side[LAPTOP], packet, sizeof packet, (struct offload){0});
    lab_until(lab->loop, lab->side[SERVER].packets == 1);
    assert_int_equal(lab->side[SERVER].packet_len, sizeof packet);
    assert_memory_equal(lab->side[SERVER].packet, packet, sizeof packet);
    assert_true(lab->side[SERVER].no_offload);
    stop(lab);
}

/* --- plain, before a peer made by hand --- */

static struct peer *plain_peer(struct lab *lab)
{
    struct peer *p = peer_ws(lab->loop, http_server_port(lab->side[SERVER].listener));
    lab_until(lab->loop, lab->side[SERVER].carrier != NULL);
    return p;
}

static void leave(struct lab *lab, struct peer *p)
{
    peer_free(p);
    lab_until(lab->loop, lab->side[SERVER].carrier == NULL);
    stop(lab);
}

static void plain_answers_in_the_form_heard_last(void **state)
{
    (void)state;
    /* 90 bytes 'a'…, as base64 wrapped at 76 columns with both kinds of line ends, and without */
    static const char *const forms[] = {
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\n"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\n",
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\r\n"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh",
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
        "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh",
    };
    struct lab *lab = start(NULL, NULL);
    struct side *server = &lab->side[SERVER];
    struct peer *p = plain_peer(lab);
    send_packet(server, "binary", 6, (struct offload){0}); /* until anything was heard */
    peer_expect(p, 0x82, "binary", 6);
    uint8_t want[90];
    memset(want, 'a', sizeof want);
    for (unsigned i = 0; i < 3; i++) {
        peer_frame(p, 0x81, forms[i], strlen(forms[i]), true, 17);
        lab_until(lab->loop, server->packets == i + 1);
        assert_int_equal(server->packet_len, sizeof want);
        assert_memory_equal(server->packet, want, sizeof want);
        send_packet(server, "text", 4, (struct offload){0});
        peer_expect(p, 0x81, "dGV4dA==", 8);
    }
    peer_frame(p, 0x82, "\x45", 1, true, 100);
    lab_until(lab->loop, server->packets == 4);
    send_packet(server, "text", 4, (struct offload){0});
    peer_expect(p, 0x82, "text", 4);
    leave(lab, p);
}

static void what_is_no_base64_is_no_packet_and_no_end(void **state)
{
    (void)state;
    struct lab *lab = start(NULL, NULL);
    struct peer *p = plain_peer(lab);
    peer_frame(p, 0x81, "!!!! ???", 8, true, 100);
    peer_frame(p, 0x81, "", 0, true, 100);
    peer_frame(p, 0x82, "", 0, true, 100);
    peer_frame(p, 0x81, "YWI=", 4, true, 100);
    lab_until(lab->loop, lab->side[SERVER].packets == 1);
    assert_memory_equal(lab->side[SERVER].packet, "ab", 2);
    leave(lab, p);
}

static void a_message_longer_than_any_packet_ends_a_plain_carrier(void **state)
{
    (void)state;
    static uint8_t huge[200000];
    struct lab *lab = start(NULL, NULL);
    struct peer *p = plain_peer(lab);
    peer_frame(p, 0x82, huge, 65536, true, 100000); /* one byte too long: dropped */
    peer_frame(p, 0x82, huge, 65535, true, 100000);
    lab_until(lab->loop, lab->side[SERVER].packets == 1);
    assert_int_equal(lab->side[SERVER].packet_len, 65535);
    peer_frame(p, 0x82, huge, sizeof huge, true, 100000);
    peer_expect_close(p, 1009);
    leave(lab, p);
}

static void noise_in_place_of_tls_ends_a_keyed_carrier(void **state)
{
    (void)state;
    static const struct {
        uint8_t first;
        const char *bytes;
        size_t len;
        unsigned code;
        int failure;
    } noise[] = {
        {0x81, "hello", 5, WS_CLOSE_NO_KEY_SPOKEN, -EPROTOTYPE},
        {0x82, "\x45\x00\x00\x14", 4, WS_CLOSE_NO_KEY_SPOKEN, -EPROTOTYPE},
        {0x82, "\x60\x00\x00\x00", 4, WS_CLOSE_NO_KEY_SPOKEN, -EPROTOTYPE},
        {0x82, "\x16\x03\x01\xff\xff\xff\xff\xff", 8, WS_CLOSE_PROTOCOL, -EPROTO},
        {0x82, "\0\0\0\0\0\0\0\0\0\0\0\0", 12, WS_CLOSE_PROTOCOL, -EPROTO},
    };
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) {
        struct lab *lab = start("key", "key");
        struct peer *p = plain_peer(lab);
        peer_frame(p, noise[i].first, noise[i].bytes, noise[i].len, true, 100);
        struct frame f = {0};
        do { /* an alert may come before the close */
            if (f.whole > 0)
                peer_drop(p, f.whole);
            lab_until(lab->loop, frame_take(p, &f));
        } while (f.first == 0x82);
        assert_int_equal(f.first, 0x88);
        assert_int_equal(f.data[0] << 8 | f.data[1], noise[i].code);
        peer_free(p);
        lab_until(lab->loop, lab->side[SERVER].closed);
        assert_int_equal(lab->side[SERVER].failure, noise[i].failure);
        stop(lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keyed_pair_shakes_hands_and_carries_packets),
        cmocka_unit_test(a_goodbye_reaches_the_other_side_in_words),
        cmocka_unit_test(different_keys_are_told_apart_on_both_sides),
        cmocka_unit_test(one_plain_side_is_noticed_by_both),
        cmocka_unit_test(a_plain_pair_carries_bare_packets),
        cmocka_unit_test(plain_answers_in_the_form_heard_last),
        cmocka_unit_test(what_is_no_base64_is_no_packet_and_no_end),
        cmocka_unit_test(a_message_longer_than_any_packet_ends_a_plain_carrier),
        cmocka_unit_test(noise_in_place_of_tls_ends_a_keyed_carrier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
