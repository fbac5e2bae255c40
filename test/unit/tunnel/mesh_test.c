/* The clear header of hubs, and many rosters around a hub whose legs come and go: in the end each pair has one stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "guard.h"
#include "tunnel/mesh.h"

enum { SECOND = 1000000, NODES = 6, QUEUE = 4096 };

/* A node at the end of its leg, as io/hub_leg.c keeps it: a stream is a token in peer->owner. */
struct node {
    struct mesh_roster roster;
    bool leg;
    bool up[NODES + 1]; /* the stream to that node was answered */
};
struct world {
    struct node node[NODES + 1]; /* by number, 1 and up */
    struct mesh_header queue[QUEUE]; /* what is under way, in order */
    size_t first, last;
    struct mesh_board board; /* leg i is node i's */
    struct rng rng;
    uint64_t now_us;
    size_t starts;
};

static void send(struct world *w, uint8_t kind, uint16_t stream, uint32_t from, uint32_t to)
{
    assert_true(w->last - w->first < QUEUE);
    w->queue[w->last++ % QUEUE] = (struct mesh_header){kind, stream, from, to};
}

static void end_stream(struct world *w, struct node *n, struct mesh_peer *peer, bool failed)
{
    n->up[peer->node] = false;
    mesh_roster_closed(&n->roster, peer, failed, w->now_us);
}

static void deliver(struct world *w, uint32_t to, const struct mesh_header *h)
{
    struct node *n = &w->node[to];
    struct mesh_peer *peer;
    uint32_t me = n->roster.me;
    switch (mesh_roster_judge(&n->roster, h, w->now_us, &peer)) {
    case MESH_IGNORE:
        break;
    case MESH_ANSWER:
        send(w, MESH_ANNOUNCE, 0, me, h->from);
        break;
    case MESH_RESET:
        send(w, MESH_CLOSE, h->stream, me, h->from);
        break;
    case MESH_START:
        assert_true(me < peer->node);
        w->starts++;
        send(w, MESH_OPEN, peer->stream, me, peer->node);
        break;
    case MESH_ACCEPT:
        assert_true(me > peer->node);
        n->up[peer->node] = true;
        send(w, MESH_DATA, peer->stream, me, peer->node);
        break;
    case MESH_FEED:
        n->up[peer->node] = true;
        break;
    case MESH_END:
        end_stream(w, n, peer, !n->up[peer->node]);
        break;
    }
}

/* The hub: by the board, and only to legs that are open. Its own GONE goes to all. */
static void hub(struct world *w)
{
    while (w->first < w->last) {
        struct mesh_header h = w->queue[w->first++ % QUEUE];
        uint8_t bytes[MESH_HEADER_LEN];
        mesh_put_header(bytes, &h);
        if (!w->node[h.from].leg && h.kind != MESH_GONE)
            continue;
        int to = h.kind == MESH_GONE ? MESH_TO_ALL : mesh_board_route(&w->board, h.from, bytes, sizeof bytes);
        for (uint32_t i = 1; i <= NODES; i++)
            if (w->node[i].leg && i != h.from && (to == MESH_TO_ALL || to == (int)i))
                deliver(w, i, &h);
    }
}

static void leg_down(struct world *w, uint32_t i)
{
    uint8_t gone[MESH_HEADER_LEN];
    w->node[i].leg = false;
    memset(w->node[i].up, 0, sizeof w->node[i].up);
    if (mesh_board_ended(&w->board, i, gone))
        send(w, MESH_GONE, 0, i, MESH_ALL);
}

static void leg_up(struct world *w, uint32_t i)
{
    struct node *n = &w->node[i];
    n->leg = true;
    mesh_roster_init(&n->roster, i, (uint16_t)rng_next(&w->rng));
}

static void tick(struct world *w)
{
    w->now_us += SECOND;
    for (uint32_t i = 1; i <= NODES; i++)
        if (w->node[i].leg && mesh_roster_tick(&w->node[i].roster, w->now_us))
            send(w, MESH_ANNOUNCE, 0, i, MESH_ALL);
    hub(w);
}

static struct mesh_peer *peer_of(struct node *n, uint32_t node)
{
    for (size_t i = 0; i < MESH_PEERS_MAX; i++)
        if (n->roster.peer[i].node == node)
            return &n->roster.peer[i];
    return NULL;
}

static void every_pair_has_one_stream(struct world *w)
{
    for (uint32_t a = 1; a <= NODES; a++) {
        for (uint32_t b = a + 1; b <= NODES; b++) {
            struct mesh_peer *to = peer_of(&w->node[a], b), *from = peer_of(&w->node[b], a);
            assert_true(to != NULL && from != NULL && to->open && from->open);
            assert_int_equal(to->stream, from->stream);
            assert_true(w->node[a].up[b] && w->node[b].up[a]);
        }
    }
}

static void pairs_find_each_other_at_once(void **state)
{
    static struct world w;
    (void)state;
    w = (struct world){.now_us = SECOND};
    rng_init(&w.rng, 1);
    for (uint32_t i = 1; i <= NODES; i++) {
        leg_up(&w, i);
        tick(&w);
    }
    every_pair_has_one_stream(&w);
    assert_int_equal(w.starts, NODES * (NODES - 1) / 2); /* none in vain */
    for (int i = 0; i < 100; i++)
        tick(&w);
    assert_int_equal(w.starts, NODES * (NODES - 1) / 2);
}

static void pairs_find_each_other_after_any_trouble(void **state)
{
    static struct world w;
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        w = (struct world){.now_us = SECOND};
        rng_init(&w.rng, seed);
        for (uint32_t i = 1; i <= NODES; i++)
            leg_up(&w, i);
        for (int step = 0; step < 200; step++) {
            uint32_t i = 1 + rng_below(&w.rng, NODES), what = rng_below(&w.rng, 8);
            if (what == 0 && w.node[i].leg)
                leg_down(&w, i);
            else if (!w.node[i].leg)
                leg_up(&w, i);
            if (what == 1 && w.first < w.last)
                w.first++; /* the hub had no open leg for it, or the stranger at a leg sent what nobody expects */
            if (what == 2)
                send(&w, (uint8_t)rng_below(&w.rng, 8), (uint16_t)rng_next(&w.rng), i, rng_below(&w.rng, NODES + 1));
            tick(&w);
        }
        for (uint32_t i = 1; i <= NODES; i++)
            if (!w.node[i].leg)
                leg_up(&w, i);
        for (int i = 0; i < 150; i++) { /* as long as the longest pause after failures, twice */
            tick(&w);
            for (uint32_t a = 1; a <= NODES; a++) /* a handshake that nobody answers ends by its timer */
                for (size_t k = 0; k < MESH_PEERS_MAX; k++) {
                    struct mesh_peer *peer = &w.node[a].roster.peer[k];
                    if (!peer->open)
                        continue;
                    if (w.node[a].up[peer->node]) { /* a path's pings */
                        send(&w, MESH_DATA, peer->stream, a, peer->node);
                        continue;
                    }
                    send(&w, MESH_CLOSE, peer->stream, a, peer->node);
                    end_stream(&w, &w.node[a], peer, true);
                }
        }
        every_pair_has_one_stream(&w);
    }
}

static void a_stream_that_fails_is_tried_again_later_and_later(void **state)
{
    struct mesh_roster r;
    struct mesh_peer *peer;
    const struct mesh_header h = {MESH_ANNOUNCE, 0, 9, MESH_ALL};
    uint64_t now = SECOND, last = 0, gap = 0;
    (void)state;
    mesh_roster_init(&r, 5, 100);
    for (int tries = 0; tries < 8; now += SECOND) {
        if (mesh_roster_judge(&r, &h, now, &peer) != MESH_START)
            continue;
        assert_true(tries < 2 || now - last >= gap);
        assert_int_equal(peer->stream, 100 + tries++);
        gap = last != 0 ? now - last : 0;
        assert_true(gap <= 61 * SECOND);
        last = now;
        mesh_roster_closed(&r, peer, true, now);
    }
    assert_true(gap >= 59 * SECOND);
}

static void strangers_are_bounded_and_forgotten(void **state)
{
    struct mesh_roster r;
    struct mesh_peer *peer;
    uint64_t now = SECOND;
    (void)state;
    mesh_roster_init(&r, 1000, 0); /* the larger number: it never opens */
    for (uint32_t i = 1; i <= 100; i++)
        mesh_roster_judge(&r, &(struct mesh_header){MESH_ANNOUNCE, 0, i, MESH_ALL}, now, &peer);
    assert_int_equal(r.refused, 100 - MESH_PEERS_MAX);
    assert_null(peer_of(&(struct node){.roster = r}, 100));
    now += MESH_FORGET_US + SECOND;
    mesh_roster_tick(&r, now);
    assert_int_equal(mesh_roster_judge(&r, &(struct mesh_header){MESH_ANNOUNCE, 0, 100, MESH_ALL}, now, &peer), MESH_ANSWER);
}

static void what_is_not_for_us_is_ignored(void **state)
{
    struct mesh_roster r;
    struct mesh_peer *peer;
    (void)state;
    mesh_roster_init(&r, 5, 0);
    static const struct mesh_header ignored[] = {
        {MESH_ANNOUNCE, 0, 5, MESH_ALL}, /* our own word, come back */
        {MESH_ANNOUNCE, 0, 0, MESH_ALL}, {MESH_ANNOUNCE, 0, 3, 7}, {MESH_OPEN, 1, 3, MESH_ALL}, {MESH_OPEN, 1, 9, 5},
        {MESH_DATA, 1, 3, MESH_ALL},     {MESH_CLOSE, 1, 3, 5},    {MESH_GONE, 0, 3, MESH_ALL}, {77, 0, 3, 5},
    };
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        assert_int_equal(mesh_roster_judge(&r, &ignored[i], SECOND, &peer), MESH_IGNORE);
    assert_int_equal(mesh_roster_judge(&r, &(struct mesh_header){MESH_DATA, 1, 3, 5}, SECOND, &peer), MESH_RESET);
    assert_int_equal(mesh_roster_judge(&r, &(struct mesh_header){MESH_OPEN, 1, 3, 5}, SECOND, &peer), MESH_ACCEPT);
    assert_int_equal(mesh_roster_judge(&r, &(struct mesh_header){MESH_DATA, 2, 3, 5}, SECOND, &peer), MESH_RESET);
    assert_int_equal(mesh_roster_judge(&r, &(struct mesh_header){MESH_DATA, 1, 3, 5}, SECOND, &peer), MESH_FEED);
    assert_int_equal(mesh_roster_judge(&r, &(struct mesh_header){MESH_GONE, 0, 3, MESH_ALL}, SECOND, &peer), MESH_END);
}

static void the_header_looks_as_documented(void **state)
{
    static const uint8_t wire[] = {0xf7, 3, 0x01, 0x02, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 9};
    struct mesh_header h = {MESH_DATA, 0x0102, 0x11223344, 9}, back;
    uint8_t out[MESH_HEADER_LEN];
    struct guard guard;
    (void)state;
    guard_init(&guard, 64);
    mesh_put_header(out, &h);
    assert_memory_equal(out, wire, sizeof wire);
    for (size_t cut = 0; cut < sizeof wire; cut++)
        assert_false(mesh_get_header(guard_place(&guard, wire, cut), cut, &back));
    assert_true(mesh_get_header(wire, sizeof wire, &back));
    assert_true(back.kind == h.kind && back.stream == h.stream && back.from == h.from && back.to == h.to);
    out[0] = 0x16;
    assert_false(mesh_get_header(out, sizeof out, &back));
    guard_done(&guard);
}

static int route(struct mesh_board *b, size_t leg, uint8_t kind, uint32_t from, uint32_t to)
{
    uint8_t bytes[MESH_HEADER_LEN];
    mesh_put_header(bytes, &(struct mesh_header){kind, 0, from, to});
    return mesh_board_route(b, leg, bytes, sizeof bytes);
}

static void a_hub_passes_on_what_its_legs_may_say(void **state)
{
    struct mesh_board b = {{0}};
    uint8_t gone[MESH_HEADER_LEN];
    struct mesh_header h;
    (void)state;
    assert_int_equal(route(&b, 3, MESH_ANNOUNCE, 70, MESH_ALL), MESH_TO_ALL);
    assert_int_equal(route(&b, 5, MESH_DATA, 90, 70), 3);
    assert_int_equal(route(&b, 3, MESH_OPEN, 70, 90), 5);
    assert_int_equal(route(&b, 3, MESH_CLOSE, 70, 91), MESH_TO_NOBODY); /* unknown */
    assert_int_equal(route(&b, 3, MESH_DATA, 70, 70), MESH_TO_NOBODY);  /* itself */
    assert_int_equal(route(&b, 7, MESH_DATA, 95, 70), 3);
    assert_int_equal(route(&b, 3, MESH_DATA, 90, 95), MESH_TO_NOBODY);  /* in another's name */
    assert_int_equal(route(&b, 3, MESH_DATA, 70, MESH_ALL), MESH_TO_NOBODY);
    assert_int_equal(route(&b, 3, MESH_GONE, 70, MESH_ALL), MESH_TO_NOBODY);
    assert_int_equal(route(&b, 3, MESH_ANNOUNCE, 0, MESH_ALL), MESH_TO_NOBODY);
    assert_int_equal(route(&b, 6, MESH_ANNOUNCE, 70, MESH_ALL), MESH_TO_CLASH);
    assert_false(mesh_board_ended(&b, 6, gone));
    assert_true(mesh_board_ended(&b, 3, gone));
    assert_true(mesh_get_header(gone, sizeof gone, &h) && h.kind == MESH_GONE && h.from == 70 && h.to == MESH_ALL);
    assert_int_equal(route(&b, 5, MESH_DATA, 90, 70), MESH_TO_NOBODY);
    assert_int_equal(route(&b, 6, MESH_ANNOUNCE, 70, MESH_ALL), MESH_TO_ALL);
    assert_int_equal(mesh_board_route(&b, 6, gone, MESH_HEADER_LEN - 1), MESH_TO_NOBODY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hub_passes_on_what_its_legs_may_say),
        cmocka_unit_test(the_header_looks_as_documented),
        cmocka_unit_test(what_is_not_for_us_is_ignored),
        cmocka_unit_test(pairs_find_each_other_at_once),
        cmocka_unit_test(pairs_find_each_other_after_any_trouble),
        cmocka_unit_test(a_stream_that_fails_is_tried_again_later_and_later),
        cmocka_unit_test(strangers_are_bounded_and_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
