/*
 * test/fuzz/fuzz_mesh.c - a roster and a hub's board under any messages
 *
 * Each step is a message (or time that passes, a stream or a leg that ends). Whatever comes: no node has two places, a stream is started only
 * by the smaller number and accepted only by the larger, ours is never a peer, and a hub sends nothing where it came from, nor two legs the
 * same node.
 */
#include "fuzz.h"

#include "tunnel/ether_flow.h"
#include "tunnel/fairq.h"
#include "tunnel/mesh.h"

enum { ME = 8 };

static void check_roster(const struct mesh_roster *r)
{
    for (size_t i = 0; i < MESH_PEERS_MAX; i++) {
        const struct mesh_peer *p = &r->peer[i];
        FUZZ_CHECK(p->node != ME && (p->node != 0 || !p->open));
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(p->node == 0 || p->node != r->peer[k].node);
    }
}

static void step_roster(struct mesh_roster *r, const struct mesh_header *h, uint64_t now_us)
{
    struct mesh_peer *peer;
    enum mesh_do what = mesh_roster_judge(r, h, now_us, &peer);
    bool about_stream = what == MESH_START || what == MESH_ACCEPT || what == MESH_FEED || what == MESH_END;
    FUZZ_CHECK((peer != NULL) == about_stream);
    FUZZ_CHECK(peer == NULL || (peer->open && peer->node == h->from));
    FUZZ_CHECK(what != MESH_START || peer->node > ME);
    FUZZ_CHECK(what != MESH_ACCEPT || peer->node < ME);
    if (what == MESH_END)
        mesh_roster_closed(r, peer, h->stream & 1, now_us);
    check_roster(r);
}

static void step_board(struct mesh_board *b, size_t leg, const uint8_t *data, size_t len)
{
    int to = mesh_board_route(b, leg, data, len);
    FUZZ_CHECK(to >= MESH_TO_CLASH && to < MESH_LEGS_MAX && to != (int)leg);
    FUZZ_CHECK(to < 0 || b->node[to] != 0);
    for (size_t i = 0; i < MESH_LEGS_MAX; i++)
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(b->node[i] == 0 || b->node[i] != b->node[k]);
}

/* The same bytes as an Ethernet frame in the fair queue. */
static void as_frame(const uint8_t *data, size_t size)
{
    static const struct siphash_key key = {1, 2};
    if (size == 0)
        return;
    uint8_t *frame = fuzz_copy(data, size);
    ether_flow_hash(&key, frame, size);
    ether_flow_mark(frame, size);
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct mesh_roster roster;
    struct mesh_board board = {{0}};
    uint8_t message[MESH_HEADER_LEN];
    uint64_t now_us = 1000000;
    as_frame(data, size);
    mesh_roster_init(&roster, ME, fuzz_u16(&in));
    while (in.size > 0) {
        const uint8_t what = fuzz_u8(&in);
        struct mesh_header h = {fuzz_u8(&in), fuzz_u8(&in), fuzz_u8(&in) % 32, fuzz_u8(&in) % 32};
        now_us += (uint64_t)(what & 15) * 1000000;
        mesh_put_header(message, &h);
        if ((what & 0xf0) == 0)
            mesh_roster_tick(&roster, now_us);
        else if ((what & 0xf0) == 0x10)
            mesh_board_ended(&board, h.from % MESH_LEGS_MAX, message);
        step_roster(&roster, &h, now_us);
        step_board(&board, h.stream % MESH_LEGS_MAX, message, (what & 0xf0) == 0x20 ? h.to % MESH_HEADER_LEN : MESH_HEADER_LEN);
    }
    return 0;
}
