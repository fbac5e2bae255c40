/*
 * test/fuzz/fuzz_large.c - packets that stand for many, with anything told beside them
 *
 * The first byte chooses the experiment; the header checksum is mended, or nothing would get far.
 *
 *     0 cut piece by piece: the same on the wire as the whole    1 join two: the same on the wire as both    2 the fair queue
 */
#include "fuzz.h"
#include "tether/packet.h"
#include "tunnel/fairq.h"

#include "build.h"

enum { WIRE_MAX = 300000 };

struct wire {
    size_t len, count;
    uint8_t bytes[WIRE_MAX];
};
static struct wire one, other;
static uint8_t scratch[IP4_MAX_LEN];

static void collect(void *ctx, const uint8_t *packet, size_t len)
{
    struct wire *w = ctx;
    FUZZ_CHECK(len <= IP4_MAX_LEN);
    w->count++;
    if (w->len + len <= WIRE_MAX)
        memcpy(w->bytes + w->len, packet, len);
    w->len += len;
}

static void mend(uint8_t *packet, size_t len)
{
    if (len < 20 || build_header_len(packet) < 20 || build_header_len(packet) > len)
        return;
    build_put16(packet + 10, 0);
    build_put16(packet + 10, (uint16_t)~build_sum(packet, build_header_len(packet), 0));
}

/* @return false: it is no packet, or contradicts what came beside it */
static bool to_wire(struct wire *w, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct ip4_view v;
    if (ip4_parse(packet, len, &v) != DROP_NONE || ip4_view_offload(&v, offload) != DROP_NONE)
        return false;
    return ip4_segment(&v, offload->seg_len != 0 ? offload->seg_len : UINT16_MAX, scratch, sizeof scratch, collect, w) > 0;
}

static bool same_wire(void)
{
    return one.count == other.count && one.len == other.len && (one.len > WIRE_MAX || memcmp(one.bytes, other.bytes, one.len) == 0);
}

static void cut_to_pieces(struct fuzz_input *in, struct offload offload)
{
    size_t max = fuzz_u16(in), len = in->size;
    uint8_t *packet = fuzz_copy(in->data, len), *rest = packet, *piece = malloc(IP4_MAX_LEN);
    mend(packet, len);
    one.len = one.count = other.len = other.count = 0;
    if (to_wire(&one, packet, len, &offload)) {
        size_t cut, segments = 0, want;
        while ((want = ip4_cut_len(rest, len, &offload, max, &segments)) != 0) {
            struct offload of_piece = {segments > 1 ? offload.seg_len : 0, true};
            cut = ip4_cut(&rest, &len, &offload, max, piece);
            FUZZ_CHECK(cut == want && rest > packet);
            FUZZ_CHECK(to_wire(&other, piece, cut, &of_piece));
        }
        FUZZ_CHECK(to_wire(&other, rest, len, &offload));
        FUZZ_CHECK(same_wire());
    }
    free(piece);
    free(packet);
}

static void join(struct fuzz_input *in, struct offload offload)
{
    size_t first_len = fuzz_u16(in) % (in->size + 1), len = first_len, next_len = in->size - first_len;
    struct offload next_offload = {0, offload.seg_len & 1};
    uint8_t *packet = malloc(IP4_MAX_LEN), *next = fuzz_copy(in->data + first_len, next_len);
    FUZZ_CHECK(packet != NULL);
    memcpy(packet, in->data, first_len < IP4_MAX_LEN ? first_len : 0);
    mend(packet, first_len);
    mend(next, next_len);
    one.len = one.count = other.len = other.count = 0;
    bool both = to_wire(&one, packet, len, &offload) && to_wire(&one, next, next_len, &next_offload);
    if (first_len < IP4_MAX_LEN && ip4_coalesce(packet, &len, IP4_MAX_LEN, &offload, next, next_len, &next_offload)) {
        FUZZ_CHECK(both && to_wire(&other, packet, len, &offload));
        FUZZ_CHECK(one.count == other.count && one.len == other.len);
    }
    free(next);
    free(packet);
}

static void queue(struct fuzz_input *in)
{
    struct pbuf_pool *pool;
    struct fairq q;
    struct offload offload;
    uint64_t now = 1, pushed = 0, taken = 0;
    if (pbuf_pool_new(1 << 20, &pool) < 0)
        abort();
    fairq_init(&q, pool, 200000, 1000000, (struct siphash_key){1, 2});
    while (in->size > 0) {
        uint8_t op = fuzz_u8(in);
        now += (uint64_t)op * op;
        size_t len = op % 128 * 8 + 1, size;
        struct pbuf *b = op < 128 ? pbuf_get(pool, 3000) : NULL;
        if (b != NULL) {
            b->len = (uint32_t)(len < in->size ? len : in->size > 0 ? in->size : 1);
            b->offload = (struct offload){.seg_len = fuzz_u8(in), .partial = op & 1};
            memset(b->data, 0x45, b->len);
            for (size_t i = 0; i < b->len; i++)
                b->data[i] = fuzz_u8(in);
            mend(b->data, b->len);
            pushed += fairq_push(&q, b, now);
        } else if ((size = fairq_next(&q, (size_t)op * 10, now, &offload)) > 0) {
            uint8_t *out = malloc(size); /* exactly what was promised */
            fairq_take(&q, out);
            free(out);
            taken++;
        } else if (op == 255) {
            fairq_shed(&q);
        }
        FUZZ_CHECK(q.held <= 200000 && q.bytes <= q.held);
    }
    FUZZ_CHECK(taken + q.packets + q.dropped_full + q.dropped_old + q.dropped_codel >= pushed);
    fairq_done(&q);
    FUZZ_CHECK(pbuf_pool_lent(pool) == 0 && q.held == 0 && q.bytes == 0 && q.packets == 0);
    pbuf_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    uint8_t mode = fuzz_u8(&in) % 3;
    if (mode == 2) {
        queue(&in);
        return 0;
    }
    struct offload offload = {.seg_len = fuzz_u16(&in), .partial = fuzz_u8(&in) & 1};
    if (mode == 0)
        cut_to_pieces(&in, offload);
    else
        join(&in, offload);
    return 0;
}
