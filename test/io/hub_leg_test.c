/* io/hub_leg_test.c - two nodes' websockets to a hub, which the test itself is: it passes messages on, cuts them up, and lies */
#include "io/hub_leg.h"

#include "base/bytes.h"
#include "net_lab.h"
#include "tunnel/mesh.h"

enum { NODES = 2, SMALL = 0, LARGE = 1 };

struct node {
    struct lab *lab;
    uint32_t me;
    struct http_server *listener;
    struct tls_context *tls_client, *tls_server;
    struct hub_leg_config config;
    struct hub_leg *leg;
    struct carrier *carrier;
    struct peer *hub; /* the hub's end */
    unsigned ready, nodes, frames, closed, legs_closed, opens, closed_before_leg;
    int failure, leg_failure;
    uint8_t frame[2000];
    size_t frame_len;
};

struct lab {
    struct io_loop *loop;
    struct node node[NODES];
    size_t piece;  /* bytes the hub sends at a time */
    bool in_frames; /* each message as three websocket frames */
};

/* --- a node --- */

static void on_ready(void *ctx, struct carrier *c)
{
    struct node *n = ctx;
    uint8_t frame[FRAME_HEADER_LEN + FRAME_CONTROL_MAX];
    const struct frame_node said = {.version = FRAME_VERSION, .from = n->me, .to = hub_leg_node(c), .name = "a"};
    n->ready++;
    path_control(carrier_path(c), frame, frame_put_node(frame, &said));
}

static int on_node(void *ctx, struct carrier *c, const struct frame_node *said)
{
    struct node *n = ctx;
    assert_int_equal(said->from, hub_leg_node(c));
    assert_int_equal(said->to, n->me);
    n->nodes++;
    n->carrier = c;
    carrier_path(c)->up = true;
    carrier_path(c)->ether = true;
    return 0;
}

static void on_packet(void *ctx, struct carrier *c, uint8_t *frame, size_t len, const struct offload *offload)
{
    struct node *n = ctx;
    (void)c, (void)offload;
    assert_true(len <= sizeof n->frame);
    memcpy(n->frame, frame, len);
    n->frame_len = len;
    n->frames++;
}

static void on_closed(void *ctx, struct carrier *c, int failure, const char *reason)
{
    struct node *n = ctx;
    assert_true(reason != NULL);
    n->closed++;
    n->failure = failure;
    if (n->carrier == c)
        n->carrier = NULL;
}

static const struct carrier_events carrier_events = {.ready = on_ready, .node = on_node, .packet = on_packet, .closed = on_closed};

static void on_leg_closed(void *ctx, struct hub_leg *leg, int failure, const char *reason)
{
    struct node *n = ctx;
    assert_ptr_equal(leg, n->leg);
    assert_true(reason != NULL);
    n->leg = NULL;
    n->legs_closed++;
    n->closed_before_leg = n->closed;
    n->leg_failure = failure;
}

static bool takes(void *ctx, const char *path)
{
    (void)ctx, (void)path;
    return true;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct node *n = ctx;
    (void)path;
    n->leg = hub_leg_open(&n->config, ws);
    assert_non_null(n->leg);
}

static const struct http_handlers handlers = {.takes_websocket = takes, .websocket = on_websocket};

/* --- the hub --- */

static void say(struct lab *lab, struct peer *to, const uint8_t *data, size_t len)
{
    if (!lab->in_frames || len < 3) {
        peer_frame(to, 0x82, data, len, true, lab->piece);
        return;
    }
    size_t third = len / 3;
    peer_frame(to, 0x02, data, third, true, lab->piece);
    peer_frame(to, 0x00, data + third, third, true, lab->piece);
    peer_frame(to, 0x80, data + 2 * third, len - 2 * third, true, lab->piece);
}

/* Pass on what has come, whole messages, unread but for counting. */
static void pump(struct lab *lab)
{
    static uint8_t copy[LAB_BUF];
    struct frame f;
    for (int i = 0; i < NODES; i++) {
        struct peer *from = lab->node[i].hub, *to = lab->node[!i].hub;
        while (from != NULL && frame_take(from, &f)) {
            struct mesh_header header;
            bool binary = f.first == 0x82;
            size_t len = f.len;
            memcpy(copy, f.data, len);
            peer_drop(from, f.whole);
            if (binary && mesh_get_header(copy, len, &header)) {
                assert_int_equal(header.from, lab->node[i].me);
                lab->node[i].opens += header.kind == MESH_OPEN;
            }
            if (binary && to != NULL)
                say(lab, to, copy, len);
        }
    }
}

static void word(struct lab *lab, int to, enum mesh_kind kind, uint32_t from, uint16_t stream, const void *body, size_t len)
{
    uint8_t out[MESH_HEADER_LEN + 100];
    const struct mesh_header header = {.kind = (uint8_t)kind, .stream = stream, .from = from, .to = lab->node[to].me};
    mesh_put_header(out, &header);
    memcpy(out + MESH_HEADER_LEN, body, len);
    say(lab, lab->node[to].hub, out, MESH_HEADER_LEN + len);
}

/* The next message of a node that is no announcement. */
static struct mesh_header next_word(struct lab *lab, int of, uint8_t *ret_body, size_t cap)
{
    struct mesh_header header = {.kind = MESH_ANNOUNCE};
    struct peer *p = lab->node[of].hub;
    while (header.kind == MESH_ANNOUNCE) {
        struct frame f = {0};
        lab_until(lab->loop, frame_take(p, &f));
        assert_int_equal(f.first, 0x82);
        assert_true(mesh_get_header(f.data, f.len, &header));
        memset(ret_body, 0, cap);
        memcpy(ret_body, f.data + MESH_HEADER_LEN, f.len - MESH_HEADER_LEN < cap ? f.len - MESH_HEADER_LEN : cap);
        peer_drop(p, f.whole);
    }
    return header;
}

/* --- a lab --- */

static struct lab *start(const char *key, const char *other_key)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct err err = {0};
    assert_int_equal(io_loop_new(&lab->loop), 0);
    lab->piece = LAB_BUF;
    for (int i = 0; i < NODES; i++) {
        struct node *n = &lab->node[i];
        uint8_t psk[TLS_KEY_LEN] = {0};
        const char *mine = i == 0 ? key : other_key;
        memcpy(psk, mine, strlen(mine));
        n->lab = lab;
        n->me = i == SMALL ? 5 : 0xfffffff0;
        assert_int_equal(tls_context_new(false, psk, &n->tls_client, &err), 0);
        assert_int_equal(tls_context_new(true, psk, &n->tls_server, &err), 0);
        n->config = (struct hub_leg_config){.loop = lab->loop, .me = n->me, .tls_client = n->tls_client, .tls_server = n->tls_server,
                                            .events = &carrier_events, .closed = on_leg_closed, .ctx = n};
        assert_int_equal(http_server_open(lab->loop, "127.0.0.1", 0, &handlers, n, &n->listener, &err), 0);
        n->hub = peer_ws(lab->loop, http_server_port(n->listener));
        lab_until(lab->loop, n->leg != NULL);
    }
    return lab;
}

static void stop(struct lab *lab)
{
    for (int i = 0; i < NODES; i++)
        if (lab->node[i].leg != NULL)
            hub_leg_close(lab->node[i].leg, WS_CLOSE_GOING_AWAY, "done");
    for (int i = 0; i < NODES; i++) {
        peer_free(lab->node[i].hub);
        lab->node[i].hub = NULL;
        http_server_close(lab->node[i].listener);
    }
    lab_until(lab->loop, lab->node[SMALL].leg == NULL && lab->node[LARGE].leg == NULL);
    assert_int_equal(io_loop_free(lab->loop), 0);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(lab->node[i].legs_closed, 1);
        assert_null(lab->node[i].carrier);
        tls_context_free(lab->node[i].tls_client);
        tls_context_free(lab->node[i].tls_server);
    }
    free(lab);
}

static void both_up(struct lab *lab)
{
    lab_until(lab->loop, (pump(lab), lab->node[SMALL].nodes > 0 && lab->node[LARGE].nodes > 0));
}

static void send_frame(struct node *from, const char *frame, size_t len)
{
    struct pbuf_pool *pool;
    struct session session;
    static const uint8_t token[FRAME_TOKEN_LEN] = {1};
    assert_int_equal(pbuf_pool_new(1 << 20, &pool), 0);
    session_init(&session, 1, token, pool, io_now_us());
    session_carry_ether(&session);
    session_attach(&session, carrier_path(from->carrier));
    struct pbuf *b = pbuf_get(pool, len);
    memcpy(b->data, frame, len);
    b->len = (uint32_t)len;
    assert_true(session_send(&session, b, io_now_us()));
    session_flush(&session, io_now_us());
    session_detach(&session, carrier_path(from->carrier), io_now_us());
    session_done(&session);
    pbuf_pool_free(pool);
}

static void carry_frames(struct lab *lab)
{
    static const char frame[] = "\x02\0\0\0\0\1\x02\0\0\0\0\2\x88\xb5 not looked at here";
    for (int i = 0; i < NODES; i++) {
        unsigned before = lab->node[!i].frames;
        send_frame(&lab->node[i], frame, sizeof frame);
        lab_until(lab->loop, (pump(lab), lab->node[!i].frames == before + 1));
        assert_int_equal(lab->node[!i].frame_len, sizeof frame);
        assert_memory_equal(lab->node[!i].frame, frame, sizeof frame);
    }
}

/* --- tests --- */

static void two_nodes_find_each_other_and_carry_frames(void **state)
{
    (void)state;
    struct lab *lab = start("same", "same");
    both_up(lab);
    assert_int_equal(lab->node[SMALL].opens, 1); /* the smaller number opens */
    assert_int_equal(lab->node[LARGE].opens, 0);
    assert_int_equal(hub_leg_carriers(lab->node[SMALL].leg), 1);
    carry_frames(lab);
    stop(lab);
}

static void messages_may_come_in_any_pieces(void **state)
{
    (void)state;
    struct lab *lab = start("same", "same");
    lab->in_frames = true;
    lab->piece = 7;
    both_up(lab);
    carry_frames(lab);
    stop(lab);
}

static void different_keys_end_the_stream_and_not_the_leg(void **state)
{
    (void)state;
    struct lab *lab = start("one", "two");
    lab_until(lab->loop, (pump(lab), lab->node[SMALL].closed > 0 && lab->node[LARGE].closed > 0));
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(lab->node[i].failure, -EKEYREJECTED);
        assert_int_equal(lab->node[i].ready + lab->node[i].nodes, i == SMALL ? lab->node[i].ready : 0);
        assert_non_null(lab->node[i].leg);
    }
    assert_int_equal(lab->node[SMALL].nodes, 0);
    stop(lab);
}

static void who_does_not_speak_to_hubs_is_told(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *said;
        size_t len;
        unsigned code;
        int failure;
    } words[] = {
        {0x82, "\x16\x03\x01\x02\0", 5, WS_CLOSE_LAYER, -EAFNOSUPPORT},
        {0x82, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0", 14, WS_CLOSE_NO_KEY_SPOKEN, -EPROTOTYPE},
        {0x81, "RQAA", 4, WS_CLOSE_NO_KEY_SPOKEN, -EPROTOTYPE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct lab *lab = start("same", "same");
        struct frame f = {0};
        struct peer *hub = lab->node[SMALL].hub;
        peer_frame(hub, words[i].opcode, words[i].said, words[i].len, true, LAB_BUF);
        do {
            if (f.whole > 0)
                peer_drop(hub, f.whole);
            lab_until(lab->loop, frame_take(hub, &f));
        } while (f.first == 0x82);
        assert_int_equal(f.first, 0x88);
        assert_int_equal(f.data[0] << 8 | f.data[1], words[i].code);
        peer_free(hub);
        lab->node[SMALL].hub = NULL;
        lab_until(lab->loop, lab->node[SMALL].legs_closed == 1);
        assert_int_equal(lab->node[SMALL].leg_failure, words[i].failure);
        stop(lab);
    }
}

static void what_belongs_to_no_stream_is_answered_or_ignored(void **state)
{
    (void)state;
    uint8_t body[100];
    struct lab *lab = start("same", "same");
    say(lab, lab->node[SMALL].hub, (const uint8_t *)"\xf7\x03", 2); /* cut off */
    say(lab, lab->node[SMALL].hub, (const uint8_t *)"", 0);
    word(lab, SMALL, (enum mesh_kind)77, 99, 4, "?", 1);
    word(lab, SMALL, MESH_CLOSE, 99, 4, "\x03\xe9", 2);
    word(lab, SMALL, MESH_GONE, 99, 0, "", 0);
    word(lab, SMALL, MESH_DATA, 99, 4, "\x17\x03\x03", 3);
    struct mesh_header said = next_word(lab, SMALL, body, sizeof body);
    assert_int_equal(said.kind, MESH_CLOSE);
    assert_int_equal(said.to, 99);
    assert_int_equal(said.stream, 4);
    assert_int_equal(get_be16(body), WS_CLOSE_GOING_AWAY);
    both_up(lab); /* and all is well */
    carry_frames(lab);
    assert_int_equal(lab->node[SMALL].closed, 0);
    stop(lab);
}

/* Each as the far node's hub or the far node itself would say it. */
static void a_stream_ends_for_the_reason_that_was_given(void **state)
{
    (void)state;
    struct lab *lab = start("same", "same");
    struct node *n = &lab->node[LARGE];
    both_up(lab);
    word(lab, LARGE, MESH_GONE, 5, 0, "", 0);
    lab_until(lab->loop, n->closed == 1);
    assert_int_equal(n->failure, 0);
    assert_non_null(n->leg);
    stop(lab);

    lab = start("same", "same");
    n = &lab->node[LARGE];
    word(lab, LARGE, MESH_OPEN, 3, 9, "", 0);
    lab_until(lab->loop, hub_leg_carriers(n->leg) == 1);
    word(lab, LARGE, MESH_CLOSE, 3, 9, "\x0f\xa3no", 4); /* 4003 */
    lab_until(lab->loop, n->closed == 1);
    assert_int_equal(n->failure, -EKEYREJECTED);
    stop(lab);
}

/* The hub stops in the middle of a message whose beginning ends the stream, until nothing of that is left. */
static void the_rest_of_a_message_goes_nowhere_when_its_stream_is_gone(void **state)
{
    (void)state;
    struct lab *lab = start("same", "same");
    struct node *n = &lab->node[LARGE];
    uint8_t out[MESH_HEADER_LEN + 1] = {[MESH_HEADER_LEN] = 0x45}; /* no TLS */
    const struct mesh_header header = {.kind = MESH_DATA, .stream = 9, .from = 3, .to = n->me};
    word(lab, LARGE, MESH_OPEN, 3, 9, "", 0);
    mesh_put_header(out, &header);
    peer_frame(n->hub, 0x02, out, sizeof out, true, LAB_BUF);
    lab_until(lab->loop, n->closed == 1 && hub_leg_carriers(n->leg) == 0);
    assert_int_equal(n->failure, -EPROTOTYPE);
    peer_frame(n->hub, 0x80, "the rest", 8, true, LAB_BUF);
    both_up(lab);
    carry_frames(lab);
    stop(lab);
}

/* A node that lost its websocket begins anew before we heard that the old stream ended. */
static void a_new_stream_takes_the_place_of_the_old(void **state)
{
    (void)state;
    struct lab *lab = start("same", "same");
    struct node *n = &lab->node[LARGE];
    both_up(lab);
    for (uint16_t i = 1; i <= 40; i++) { /* more than there is room for at one time */
        word(lab, LARGE, MESH_OPEN, 5, i, "", 0);
        lab_until(lab->loop, n->closed == i);
        assert_int_equal(hub_leg_carriers(n->leg), 1);
        assert_int_equal(n->failure, 0);
    }
    stop(lab);
}

static void a_leg_ends_after_its_carriers(void **state)
{
    (void)state;
    struct lab *lab = start("same", "same");
    both_up(lab);
    for (uint32_t other = 100; other < 110; other++)
        word(lab, LARGE, MESH_OPEN, other, 1, "", 0);
    lab_until(lab->loop, hub_leg_carriers(lab->node[LARGE].leg) == 11);
    hub_leg_tick(lab->node[LARGE].leg);
    peer_free(lab->node[LARGE].hub);
    lab->node[LARGE].hub = NULL;
    lab_until(lab->loop, lab->node[LARGE].legs_closed == 1);
    assert_int_equal(lab->node[LARGE].closed_before_leg, 11);
    assert_int_equal(lab->node[LARGE].leg_failure, 0);
    stop(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_find_each_other_and_carry_frames),
        cmocka_unit_test(messages_may_come_in_any_pieces),
        cmocka_unit_test(different_keys_end_the_stream_and_not_the_leg),
        cmocka_unit_test(who_does_not_speak_to_hubs_is_told),
        cmocka_unit_test(what_belongs_to_no_stream_is_answered_or_ignored),
        cmocka_unit_test(a_stream_ends_for_the_reason_that_was_given),
        cmocka_unit_test(the_rest_of_a_message_goes_nowhere_when_its_stream_is_gone),
        cmocka_unit_test(a_new_stream_takes_the_place_of_the_old),
        cmocka_unit_test(a_leg_ends_after_its_carriers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
