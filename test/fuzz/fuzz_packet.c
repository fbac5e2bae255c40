/*
 * test/fuzz/fuzz_packet.c - src/packet under any input
 *
 * The first byte chooses the experiment. In most of them the header checksum is mended before parsing, since
 * mutation alone hits a right one once in 65536 tries and would never get behind that wall.
 *
 *     0 parse raw, 1 parse and use, 2 parse quoted, 3 segment, 4 fragment and reassemble, 5 fragments of all
 * kinds, 6 IPv6
 */
#include "fuzz.h"
#include "tether/packet.h"

#include "build.h"

enum { OUT_CAP = 2048 };

static void mend_header(uint8_t *packet, size_t len)
{
    if (len < 20 || build_header_len(packet) < 20 || build_header_len(packet) > len)
        return;
    build_put16(packet + 10, 0);
    build_put16(packet + 10, (uint16_t)~build_sum(packet, build_header_len(packet), 0));
}

static void check_view(const struct ip4_view *v, const uint8_t *packet, size_t len)
{
    FUZZ_CHECK(v->ip == packet && v->len <= len && v->header_len >= 20 && v->header_len <= v->len);
    FUZZ_CHECK(v->l4 == packet + v->header_len && v->l4_len <= v->len - v->header_len);
    FUZZ_CHECK(v->l4_header_len <= v->l4_len);
    FUZZ_CHECK(v->frag_off == 0 || (v->src_port == 0 && v->dst_port == 0));
}

static bool same_view(const struct ip4_view *a, const struct ip4_view *b)
{
    return a->ip == b->ip && a->len == b->len && a->header_len == b->header_len && a->proto == b->proto &&
           a->src == b->src && a->dst == b->dst && a->frag_off == b->frag_off &&
           a->more_frags == b->more_frags && a->dont_frag == b->dont_frag && a->ttl == b->ttl &&
           a->l4 == b->l4 && a->l4_len == b->l4_len && a->src_port == b->src_port &&
           a->dst_port == b->dst_port && a->tcp_flags == b->tcp_flags &&
           a->l4_header_len == b->l4_header_len && a->icmp_type == b->icmp_type &&
           a->icmp_code == b->icmp_code;
}

static void check_same_but_checksums(const struct ip4_view *v, const uint8_t *before)
{
    FUZZ_CHECK(v->len >= 20);
    uint8_t *now = fuzz_copy(v->ip, v->len), *old = fuzz_copy(before, v->len);
    build_put16(now + 10, 0);
    build_put16(old + 10, 0);
    if (build_check_field(now) && v->frag_off == 0) {
        const size_t at = (size_t)(build_check_field(now) - now);
        for (size_t i = at; i < at + 2 && i < v->len; i++)
            now[i] = old[i] = 0;
    }
    FUZZ_CHECK(memcmp(now, old, v->len) == 0);
    free(now);
    free(old);
}

/** Change everything and change it back: only the two ways to write a checksum of zero may differ. */
static void rewrite_and_return(struct ip4_view *v, struct fuzz_input *in)
{
    const struct ip4_view old = *v;
    uint8_t *before = fuzz_copy(v->ip, v->len);
    const bool ok = ip4_l4_csum_ok(v), zeros = build_sum(v->l4, v->l4_len, 0) == 0;
    ip4_set_src(v, fuzz_u32(in));
    ip4_set_dst(v, fuzz_u32(in));
    ip4_set_src_port(v, fuzz_u16(in));
    ip4_set_dst_port(v, fuzz_u16(in));
    /* Zeros throughout are wrong strictly, yet equal to right ones modulo 65535: the difference makes them
     * right. */
    FUZZ_CHECK(ip4_l4_csum_ok(v) == ok || zeros);
    ip4_set_dst_port(v, old.dst_port);
    ip4_set_src_port(v, old.src_port);
    ip4_set_dst(v, old.dst);
    ip4_set_src(v, old.src);
    FUZZ_CHECK(same_view(v, &old));
    check_same_but_checksums(v, before);
    free(before);
}

static void parse_and_use(uint8_t *packet, size_t len, struct fuzz_input *in)
{
    struct ip4_view v, again;
    uint8_t out[OUT_CAP];
    if (ip4_parse(packet, len, &v) != DROP_NONE)
        return;
    check_view(&v, packet, len);
    rewrite_and_return(&v, in);
    const size_t error = icmp_make_error(out, fuzz_u16(in) % OUT_CAP, 0xc0000201, ICMP_UNREACHABLE,
                                         fuzz_u8(in) % 16, fuzz_u16(in), &v);
    FUZZ_CHECK(error <= 576 && (error == 0 || build_valid(out)));
    FUZZ_CHECK(error == 0 ||
               (ip4_parse(out, error, &again) == DROP_NONE &&
                ip4_parse_embedded(again.l4 + 8, again.l4_len - 8, &again) == DROP_NONE) ||
               v.len < v.header_len + 8);
    const size_t rst = tcp_make_rst(out, sizeof(out), &v);
    FUZZ_CHECK(rst == 0 || (rst == 40 && build_valid(out)));
    const bool ok = ip4_l4_csum_ok(&v);
    tcp_clamp_mss(&v, fuzz_u16(in));
    ip4_dec_ttl(&v);
    ip4_blank_options(&v);
    FUZZ_CHECK(ip4_l4_csum_ok(&v) == ok);
    ip4_set_l4_csum(&v);
    FUZZ_CHECK(ip4_l4_csum_ok(&v));
    FUZZ_CHECK(ip4_parse(packet, len, &again) == DROP_NONE && same_view(&again, &v));
}

static void parse_quoted(uint8_t *packet, size_t len, struct fuzz_input *in)
{
    struct ip4_view v;
    if (ip4_parse_embedded(packet, len, &v) != DROP_NONE)
        return;
    check_view(&v, packet, len);
    uint8_t rst[40];
    (void)ip4_l4_csum_partial(&v);
    (void)tcp_make_rst(rst, sizeof(rst), &v);
    (void)tcp_clamp_mss(&v, 536);
    rewrite_and_return(&v, in);
}

/* Collects what a cutter gives out. */
struct pieces {
    uint8_t *bytes; /* payloads in a row */
    size_t len, cap, count, mtu;
    struct reasm *reasm;
    uint8_t *whole;
    size_t whole_len;
};

static void collect_segment(void *ctx, const uint8_t *packet, size_t len)
{
    struct pieces *p = ctx;
    uint8_t *copy = fuzz_copy(packet, len);
    struct ip4_view v;
    FUZZ_CHECK(len <= p->mtu && ip4_parse(copy, len, &v) == DROP_NONE && v.len == len);
    FUZZ_CHECK(ip4_l4_csum_ok(&v));
    const size_t payload = v.l4_len - v.l4_header_len;
    FUZZ_CHECK(payload <= p->cap - p->len);
    memcpy(p->bytes + p->len, v.l4 + v.l4_header_len, payload);
    p->len += payload;
    p->count++;
    free(copy);
}

static void segment(uint8_t *packet, size_t len, size_t mtu)
{
    struct ip4_view v;
    if (ip4_parse(packet, len, &v) != DROP_NONE)
        return;
    uint8_t *scratch = malloc(mtu + 1);
    struct pieces p = {.bytes = malloc(len), .cap = len, .mtu = mtu};
    FUZZ_CHECK(scratch && p.bytes);
    const size_t count = tcp_segment(&v, mtu, scratch, mtu, collect_segment, &p);
    FUZZ_CHECK(count == p.count);
    if (count > 0) {
        const size_t payload = v.l4_len - v.l4_header_len;
        FUZZ_CHECK(p.len == payload && memcmp(p.bytes, v.l4 + v.l4_header_len, payload) == 0);
    }
    free(p.bytes);
    free(scratch);
}

static void collect_fragment(void *ctx, const uint8_t *packet, size_t len)
{
    struct pieces *p = ctx;
    uint8_t *copy = fuzz_copy(packet, len), *whole;
    struct ip4_view v;
    size_t whole_len;
    p->count++;
    FUZZ_CHECK(len <= p->mtu);
    if (ip4_parse(copy, len, &v) == DROP_NONE &&
        reasm_push(p->reasm, 1, &v, 5, &whole, &whole_len) == DROP_NONE && whole) {
        FUZZ_CHECK(whole_len <= p->cap);
        memcpy(p->whole, whole, whole_len);
        p->whole_len = whole_len;
    }
    free(copy);
}

static struct reasm *new_reasm(void)
{
    const struct reasm_limits limits = {
        .max_bytes = 200000, .max_datagrams = 4, .max_per_scope = 3, .timeout_ms = 50};
    struct reasm *reasm;
    FUZZ_CHECK(reasm_new(&limits, &reasm) == 0);
    return reasm;
}

static void fragment_and_reassemble(uint8_t *packet, size_t len, size_t mtu)
{
    struct ip4_view v;
    if (ip4_parse(packet, len, &v) != DROP_NONE)
        return;
    const bool whole = !ip4_is_fragment(&v);
    uint8_t *scratch = malloc(mtu + 1);
    struct pieces p = {.reasm = new_reasm(), .whole = malloc(IP4_MAX_LEN), .cap = IP4_MAX_LEN, .mtu = mtu};
    FUZZ_CHECK(scratch && p.whole);
    const size_t count = ip4_fragment(&v, mtu, scratch, mtu, collect_fragment, &p);
    FUZZ_CHECK(count == p.count);
    /* First fragments that cut the transport header are refused by the parser, and very many by the
     * reassembly. */
    const bool must = whole && count > 0 && count <= 190 && mtu >= v.header_len + 64;
    FUZZ_CHECK(!must || p.whole_len == v.len);
    if (p.whole_len > 0) {
        FUZZ_CHECK(p.whole_len == v.len && memcmp(p.whole + 20, packet + 20, v.len - 20) == 0);
        FUZZ_CHECK(build_sum(p.whole, v.header_len, 0) == 0xffff);
    }
    reasm_free(p.reasm);
    free(p.whole);
    free(scratch);
}

/** Records of delay, scope, ID, fragment word, length, and the transport's bytes. */
static void fragments_of_all_kinds(struct fuzz_input *in)
{
    struct reasm *reasm = new_reasm();
    uint64_t now = 1000;
    size_t datagrams, bytes;
    while (in->size > 0) {
        const uint8_t kind = fuzz_u8(in);
        now += kind >> 3;
        const uint16_t frag = fuzz_u16(in) & 0xffff;
        const uint8_t *payload, *l4;
        const size_t len = fuzz_take(in, fuzz_u8(in), &payload);
        uint8_t packet[400];
        struct build b = {.proto = 200,
                          .tos = kind & 1 ? frag >> 13 : 0,
                          .id = kind & 3,
                          .frag = frag,
                          .payload = payload,
                          .payload_len = len};
        const size_t packet_len = build_packet(packet, &b);
        struct ip4_view v;
        uint8_t *whole;
        size_t whole_len;
        l4 = packet + 20;
        if (ip4_parse(packet, packet_len, &v) == DROP_NONE) {
            FUZZ_CHECK(v.l4 == l4);
            const enum drop why = reasm_push(reasm, kind >> 2 & 1, &v, now, &whole, &whole_len);
            FUZZ_CHECK(why == DROP_NONE || (why == DROP_FRAGMENT && !whole));
            struct ip4_view made;
            FUZZ_CHECK(!whole ||
                       (ip4_parse(whole, whole_len, &made) == DROP_NONE && !ip4_is_fragment(&made)));
        }
        reasm_usage(reasm, &datagrams, &bytes);
        FUZZ_CHECK(datagrams <= 4 && bytes <= 200000);
    }
    reasm_expire(reasm, now + 50);
    reasm_usage(reasm, &datagrams, &bytes);
    FUZZ_CHECK(datagrams == 0 && bytes == 0);
    reasm_free(reasm);
}

static void refuse_ip6(const uint8_t *packet, size_t len, size_t cap)
{
    uint8_t out[OUT_CAP];
    if (cap > sizeof(out))
        cap = sizeof(out);
    const size_t made = icmp6_make_unreachable(out, cap, packet, len);
    FUZZ_CHECK(made <= cap && made <= 1280);
    if (made == 0)
        return;
    const uint32_t pseudo = build_sum(out + 8, 32, made - 40 + 58);
    FUZZ_CHECK(build_sum(out + 40, made - 40, pseudo) == 0xffff);
    /* An error about the error must be refused. */
    uint8_t again[OUT_CAP];
    FUZZ_CHECK(icmp6_make_unreachable(again, sizeof(again), out, made) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const uint8_t mode = fuzz_u8(&in) % 7;
    if (mode == 5) {
        fragments_of_all_kinds(&in);
        return 0;
    }
    struct fuzz_input parameters = in; /* new addresses and ports; they double as the mtu */
    const size_t mtu = fuzz_u16(&in) % 4096;
    fuzz_u16(&in);
    uint8_t *packet = fuzz_copy(in.data, in.size);
    if (mode != 0)
        mend_header(packet, mode == 6 ? 0 : in.size);
    switch (mode) {
    case 0:
    case 1:
        parse_and_use(packet, in.size, &parameters);
        break;
    case 2:
        parse_quoted(packet, in.size, &parameters);
        break;
    case 3:
        segment(packet, in.size, mtu);
        break;
    case 4:
        fragment_and_reassemble(packet, in.size, mtu);
        break;
    default:
        refuse_ip6(packet, in.size, mtu);
        break;
    }
    free(packet);
    return 0;
}
