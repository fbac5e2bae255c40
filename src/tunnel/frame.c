/* tunnel/frame.c - see frame.h */
#include "tunnel/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

void frame_put_header(uint8_t *out, enum frame_type type, size_t body_len)
{
    out[0] = (uint8_t)type;
    put_be24(out + 1, (uint32_t)body_len);
}

enum { OFFLOAD_PARTIAL = 1 };

size_t frame_packet_overhead(const struct offload *offload)
{
    return FRAME_HEADER_LEN + (offload->seg_len != 0 || offload->partial ? FRAME_OFFLOAD_LEN : 0);
}

void frame_put_packet(uint8_t *out, size_t packet_len, const struct offload *offload)
{
    if (frame_packet_overhead(offload) == FRAME_HEADER_LEN) {
        frame_put_header(out, FRAME_PACKET, packet_len);
        return;
    }
    frame_put_header(out, FRAME_LARGE, FRAME_OFFLOAD_LEN + packet_len);
    put_be16(out + FRAME_HEADER_LEN, offload->seg_len);
    out[FRAME_HEADER_LEN + 2] = offload->partial ? OFFLOAD_PARTIAL : 0;
    out[FRAME_HEADER_LEN + 3] = 0;
}

void frame_put_numbered(uint8_t *out, size_t packet_len, uint32_t position)
{
    frame_put_header(out, FRAME_NUMBERED, FRAME_NUMBER_LEN + packet_len);
    put_be32(out + FRAME_HEADER_LEN, position);
}

bool frame_get_offload(const uint8_t *body, size_t len, struct offload *ret_offload)
{
    if (len < FRAME_OFFLOAD_LEN || (body[2] & ~OFFLOAD_PARTIAL) != 0)
        return false;
    *ret_offload = (struct offload){.seg_len = get_be16(body), .partial = (body[2] & OFFLOAD_PARTIAL) != 0};
    return true;
}

static size_t finish(uint8_t *out, enum frame_type type, size_t body_len)
{
    frame_put_header(out, type, body_len);
    return FRAME_HEADER_LEN + body_len;
}

size_t frame_put_ack(uint8_t *out, const struct frame_ack *ack)
{
    put_be64(out + 4, ack->bytes);
    put_be32(out + 12, ack->clock_us);
    if (ack->newest == 0)
        return finish(out, FRAME_ACK, 12);
    put_be64(out + 16, ack->newest);
    return finish(out, FRAME_ACK, 20);
}

size_t frame_put_ping(uint8_t *out, enum frame_type ping_or_pong, uint64_t opaque)
{
    put_be64(out + 4, opaque);
    return finish(out, ping_or_pong, 8);
}

size_t frame_put_hello(uint8_t *out, const struct frame_hello *hello)
{
    uint8_t *p = out + FRAME_HEADER_LEN;
    put_be16(p, hello->version);
    put_be16(p + 2, hello->mtu);
    put_be32(p + 4, hello->inside);
    memcpy(p + 8, hello->token, FRAME_TOKEN_LEN);
    return finish(out, FRAME_HELLO, 8 + FRAME_TOKEN_LEN);
}

size_t frame_put_welcome(uint8_t *out, const struct frame_welcome *welcome)
{
    uint8_t *p = out + FRAME_HEADER_LEN;
    size_t count = welcome->dns_count < FRAME_DNS_MAX ? welcome->dns_count : FRAME_DNS_MAX;
    put_be16(p, welcome->version);
    put_be16(p + 2, welcome->flags);
    put_be32(p + 4, welcome->session);
    put_be32(p + 8, welcome->external);
    put_be16(p + 12, welcome->mtu);
    put_be16(p + 14, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        put_be32(p + 16 + 4 * i, welcome->dns[i]);
    put_be32(p + 16 + 4 * count, welcome->lease);
    return finish(out, FRAME_WELCOME, 20 + 4 * count);
}

size_t frame_put_activate(uint8_t *out)
{
    return finish(out, FRAME_ACTIVATE, 0);
}

size_t frame_put_node(uint8_t *out, const struct frame_node *node)
{
    uint8_t *p = out + FRAME_HEADER_LEN;
    size_t name_len = strnlen(node->name, FRAME_NAME_MAX);
    put_be16(p, node->version);
    put_be16(p + 2, 0);
    put_be32(p + 4, node->from);
    put_be32(p + 8, node->to);
    p[12] = (uint8_t)name_len;
    memcpy(p + 13, node->name, name_len);
    return finish(out, FRAME_NODE, 13 + name_len);
}

size_t frame_put_bye(uint8_t *out, uint16_t code, const char *text)
{
    size_t len = strnlen(text, 200);
    put_be16(out + 4, code);
    memcpy(out + 6, text, len);
    return finish(out, FRAME_BYE, 2 + len);
}

bool frame_get_ack(const uint8_t *body, size_t len, struct frame_ack *ret_ack)
{
    if (len < 12)
        return false;
    *ret_ack = (struct frame_ack){.bytes = get_be64(body), .clock_us = get_be32(body + 8), .newest = len >= 20 ? get_be64(body + 12) : 0};
    return true;
}

bool frame_get_ping(const uint8_t *body, size_t len, uint64_t *ret_opaque)
{
    if (len < 8)
        return false;
    *ret_opaque = get_be64(body);
    return true;
}

bool frame_get_hello(const uint8_t *body, size_t len, struct frame_hello *ret_hello)
{
    if (len < 8 + FRAME_TOKEN_LEN)
        return false;
    ret_hello->version = get_be16(body);
    ret_hello->mtu = get_be16(body + 2);
    ret_hello->inside = get_be32(body + 4);
    memcpy(ret_hello->token, body + 8, FRAME_TOKEN_LEN);
    return true;
}

bool frame_get_welcome(const uint8_t *body, size_t len, struct frame_welcome *ret_welcome)
{
    if (len < 16)
        return false;
    size_t count = get_be16(body + 14);
    if (count > FRAME_DNS_MAX || len < 16 + 4 * count)
        return false;
    ret_welcome->version = get_be16(body);
    ret_welcome->flags = get_be16(body + 2);
    ret_welcome->session = get_be32(body + 4);
    ret_welcome->external = get_be32(body + 8);
    ret_welcome->mtu = get_be16(body + 12);
    ret_welcome->dns_count = count;
    for (size_t i = 0; i < count; i++)
        ret_welcome->dns[i] = get_be32(body + 16 + 4 * i);
    ret_welcome->lease = len >= 20 + 4 * count ? get_be32(body + 16 + 4 * count) : 0; /* older servers end before it */
    return true;
}

bool frame_get_node(const uint8_t *body, size_t len, struct frame_node *ret_node)
{
    if (len < 13 || body[12] > FRAME_NAME_MAX || len < 13u + body[12])
        return false;
    *ret_node = (struct frame_node){.version = (uint16_t)get_be16(body), .from = get_be32(body + 4), .to = get_be32(body + 8)};
    memcpy(ret_node->name, body + 13, body[12]);
    text_tame(ret_node->name);
    return true;
}

bool frame_get_bye(const uint8_t *body, size_t len, struct frame_bye *ret_bye)
{
    if (len < 2)
        return false;
    size_t text_len = len - 2 < sizeof ret_bye->text - 1 ? len - 2 : sizeof ret_bye->text - 1;
    ret_bye->code = get_be16(body);
    memcpy(ret_bye->text, body + 2, text_len);
    ret_bye->text[text_len] = '\0';
    text_tame(ret_bye->text);
    return true;
}

static size_t body_max(uint8_t type)
{
    return type == FRAME_PACKET || type == FRAME_LARGE || type == FRAME_ETHER || type == FRAME_NUMBERED ? FRAME_DATA_MAX : FRAME_CONTROL_MAX;
}

/* Move input behind what is held until `want` bytes are held. True when they are. */
static bool fill(struct frame_reader *r, size_t want, uint8_t **data, size_t *len)
{
    size_t take = want > r->have ? want - r->have : 0;
    if (take > *len)
        take = *len;
    memcpy(r->partial + r->have, *data, take);
    r->have += take;
    *data += take;
    *len -= take;
    return r->have >= want;
}

/* Go on with a frame whose beginning is held. @return 1 when it was finished, 0 when the input ran out, or an error */
static int finish_partial(struct frame_reader *r, uint8_t **data, size_t *len, frame_cb cb, void *ctx)
{
    if (!fill(r, FRAME_HEADER_LEN, data, len))
        return 0;
    size_t body = get_be24(r->partial + 1);
    if (body > body_max(r->partial[0]))
        return -EPROTO;
    if (!fill(r, FRAME_HEADER_LEN + body, data, len))
        return 0;
    r->have = 0;
    int stop = cb(ctx, r->partial[0], r->partial + FRAME_HEADER_LEN, body);
    return stop < 0 ? stop : 1;
}

/* Tell of the packets among the next frames. What is wrong with a frame is found out when its turn comes. @return how many frames were looked at */
static size_t announce(const uint8_t *data, size_t len, frame_ahead_cb ahead, void *ctx)
{
    struct span packet[FRAME_AHEAD];
    size_t frames = 0, packets = 0;
    for (; frames < FRAME_AHEAD && len >= FRAME_HEADER_LEN; frames++) {
        const size_t body = get_be24(data + 1), skip = data[0] == FRAME_LARGE ? FRAME_OFFLOAD_LEN : 0;
        if (len - FRAME_HEADER_LEN < body)
            break;
        if ((data[0] == FRAME_PACKET || data[0] == FRAME_LARGE) && body > skip)
            packet[packets++] = (struct span){data + FRAME_HEADER_LEN + skip, body - skip};
        data += FRAME_HEADER_LEN + body;
        len -= FRAME_HEADER_LEN + body;
    }
    if (packets > 1)
        ahead(ctx, packet, packets);
    return frames;
}

int frame_reader_feed(struct frame_reader *reader, uint8_t *data, size_t len, frame_cb cb, frame_ahead_cb ahead, void *ctx)
{
    size_t announced = 0;
    if (reader->have > 0) {
        int done = finish_partial(reader, &data, &len, cb, ctx);
        if (done <= 0)
            return done;
    }
    while (len >= FRAME_HEADER_LEN) {
        size_t body = get_be24(data + 1);
        if (body > body_max(data[0]))
            return -EPROTO;
        if (len - FRAME_HEADER_LEN < body)
            break;
        if (announced == 0 && ahead != NULL)
            announced = announce(data, len, ahead, ctx);
        announced -= announced > 0;
        int stop = cb(ctx, data[0], data + FRAME_HEADER_LEN, body);
        if (stop < 0)
            return stop;
        data += FRAME_HEADER_LEN + body;
        len -= FRAME_HEADER_LEN + body;
    }
    if (len == 0)
        return 0;
    if (reader->partial == NULL) {
        reader->partial = malloc(FRAME_HEADER_LEN + FRAME_DATA_MAX);
        if (reader->partial == NULL)
            return -ENOMEM;
    }
    memcpy(reader->partial, data, len);
    reader->have = len;
    return 0;
}

void frame_reader_done(struct frame_reader *reader)
{
    free(reader->partial);
    *reader = (struct frame_reader){0};
}
