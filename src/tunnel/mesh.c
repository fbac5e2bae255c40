/* tunnel/mesh.c - see mesh.h */
#include "tunnel/mesh.h"

#include "base/bytes.h"

static const uint64_t pause_ended_us = 500000, pause_min_us = 4000000, pause_max_us = 60000000;

void mesh_put_header(uint8_t *out, const struct mesh_header *header)
{
    out[0] = MESH_MAGIC;
    out[1] = header->kind;
    put_be16(out + 2, header->stream);
    put_be32(out + 4, header->from);
    put_be32(out + 8, header->to);
}

bool mesh_get_header(const uint8_t *data, size_t len, struct mesh_header *ret_header)
{
    if (len < MESH_HEADER_LEN || data[0] != MESH_MAGIC)
        return false;
    *ret_header = (struct mesh_header){
        .kind = data[1], .stream = get_be16(data + 2), .from = get_be32(data + 4), .to = get_be32(data + 8)};
    return true;
}

void mesh_roster_init(struct mesh_roster *r, uint32_t me, uint16_t stream)
{
    *r = (struct mesh_roster){.me = me, .next_stream = stream};
}

static struct mesh_peer *find(struct mesh_roster *r, uint32_t node)
{
    for (size_t i = 0; i < MESH_PEERS_MAX; i++)
        if (r->peer[i].node == node)
            return &r->peer[i];
    return NULL;
}

static struct mesh_peer *find_or_add(struct mesh_roster *r, uint32_t node)
{
    struct mesh_peer *peer = find(r, node);
    if (peer != NULL)
        return peer;
    peer = find(r, 0);
    if (peer == NULL)
        r->refused++;
    else
        *peer = (struct mesh_peer){.node = node};
    return peer;
}

static enum mesh_do on_announce(struct mesh_roster *r, struct mesh_peer *peer, const struct mesh_header *h, uint64_t now_us)
{
    if (peer->open)
        return MESH_IGNORE;
    if (r->me > h->from) /* it opens; it only has to know that we are here */
        return h->to == MESH_ALL ? MESH_ANSWER : MESH_IGNORE;
    if (now_us < peer->again_us)
        return MESH_IGNORE;
    peer->open = true;
    peer->stream = r->next_stream++;
    return MESH_START;
}

static enum mesh_do on_stream(struct mesh_roster *r, struct mesh_peer *peer, const struct mesh_header *h)
{
    bool mine = peer->open && peer->stream == h->stream;
    switch (h->kind) {
    case MESH_OPEN:
        if (r->me < h->from) /* ours to open */
            return MESH_IGNORE;
        peer->open = true;
        peer->stream = h->stream;
        return MESH_ACCEPT;
    case MESH_DATA:
        return mine ? MESH_FEED : MESH_RESET;
    case MESH_CLOSE:
        return mine ? MESH_END : MESH_IGNORE;
    case MESH_GONE:
        return peer->open ? MESH_END : MESH_IGNORE;
    default:
        return MESH_IGNORE;
    }
}

enum mesh_do mesh_roster_judge(struct mesh_roster *r, const struct mesh_header *h, uint64_t now_us, struct mesh_peer **ret_peer)
{
    bool for_all = h->to == MESH_ALL && (h->kind == MESH_ANNOUNCE || h->kind == MESH_GONE);
    *ret_peer = NULL;
    if (h->from == 0 || h->from == r->me || (h->to != r->me && !for_all))
        return MESH_IGNORE;
    bool begins = h->kind == MESH_ANNOUNCE || h->kind == MESH_OPEN;
    struct mesh_peer *peer = begins ? find_or_add(r, h->from) : find(r, h->from);
    if (peer == NULL)
        return h->kind == MESH_DATA ? MESH_RESET : MESH_IGNORE;
    peer->heard_us = now_us;
    enum mesh_do what = h->kind == MESH_ANNOUNCE ? on_announce(r, peer, h, now_us) : on_stream(r, peer, h);
    if (what == MESH_START || what == MESH_ACCEPT || what == MESH_FEED || what == MESH_END)
        *ret_peer = peer;
    return what;
}

void mesh_roster_closed(struct mesh_roster *r, struct mesh_peer *peer, bool failed, uint64_t now_us)
{
    (void)r;
    peer->open = false;
    peer->owner = NULL;
    if (!failed)
        peer->pause_us = pause_ended_us;
    else if (peer->pause_us < pause_min_us)
        peer->pause_us = pause_min_us;
    else
        peer->pause_us = peer->pause_us * 2 < pause_max_us ? peer->pause_us * 2 : pause_max_us;
    peer->again_us = now_us + peer->pause_us;
}

bool mesh_roster_tick(struct mesh_roster *r, uint64_t now_us)
{
    for (size_t i = 0; i < MESH_PEERS_MAX; i++) {
        struct mesh_peer *peer = &r->peer[i];
        if (peer->node != 0 && !peer->open && now_us > peer->heard_us + MESH_FORGET_US && now_us > peer->again_us)
            *peer = (struct mesh_peer){0};
    }
    if (r->announced_us != 0 && now_us < r->announced_us + MESH_ANNOUNCE_US)
        return false;
    r->announced_us = now_us;
    return true;
}

/* --- the hub's side --- */

static int leg_of(const struct mesh_board *b, uint32_t node)
{
    for (int leg = 0; leg < MESH_LEGS_MAX; leg++)
        if (b->node[leg] == node)
            return leg;
    return MESH_TO_NOBODY;
}

int mesh_board_route(struct mesh_board *b, size_t leg, const uint8_t *data, size_t len)
{
    struct mesh_header h;
    if (!mesh_get_header(data, len, &h) || h.from == 0 || h.kind == MESH_GONE)
        return MESH_TO_NOBODY;
    if (b->node[leg] == 0) { /* who speaks first on a leg lives there */
        if (leg_of(b, h.from) >= 0)
            return MESH_TO_CLASH;
        b->node[leg] = h.from;
    }
    if (h.from != b->node[leg])
        return MESH_TO_NOBODY;
    if (h.to == MESH_ALL)
        return h.kind == MESH_ANNOUNCE ? MESH_TO_ALL : MESH_TO_NOBODY;
    int to = leg_of(b, h.to);
    return to == (int)leg ? MESH_TO_NOBODY : to;
}

bool mesh_board_ended(struct mesh_board *b, size_t leg, uint8_t *ret_gone)
{
    const struct mesh_header gone = {.kind = MESH_GONE, .from = b->node[leg], .to = MESH_ALL};
    b->node[leg] = 0;
    mesh_put_header(ret_gone, &gone);
    return gone.from != 0;
}
