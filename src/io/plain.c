/* io/plain.c - see plain.h */
#include "io/plain.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "io/message.h"

enum {
    PACKET_MAX = 65535,
    MESSAGE_MAX = 96 * 1024, /* base64 of the largest packet with line breaks */
};

struct plain {
    EVP_ENCODE_CTX *base64;
    struct message message;
    bool text; /* the far end speaks base64 */
    uint8_t packet[MESSAGE_MAX]; /* decoded: hardly ever this long, but never longer */
    uint8_t out[MESSAGE_MAX];
};

struct plain *plain_new(void)
{
    struct plain *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->message.max = MESSAGE_MAX;
    p->base64 = EVP_ENCODE_CTX_new();
    if (p->base64 != NULL)
        return p;
    plain_free(p);
    return NULL;
}

void plain_free(struct plain *plain)
{
    if (plain == NULL)
        return;
    EVP_ENCODE_CTX_free(plain->base64);
    message_done(&plain->message);
    free(plain);
}

/* Base64 with line breaks anywhere (older peers wrap at 76 columns); EVP_Decode skips them. @return bytes, 0: not base64 */
static int decode(struct plain *p, struct span text)
{
    int len = 0, rest = 0;
    EVP_DecodeInit(p->base64);
    if (EVP_DecodeUpdate(p->base64, p->packet, &len, text.data, (int)text.len) < 0 ||
        EVP_DecodeFinal(p->base64, p->packet + len, &rest) < 0)
        return 0;
    return len + rest;
}

int plain_receive(struct plain *plain, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin, uint8_t **ret_packet)
{
    struct span message;
    int got = message_add(&plain->message, data, len, fin, &message);
    if (got <= 0)
        return got == -EMSGSIZE ? got : 0;
    int packet_len = opcode == WS_TEXT ? decode(plain, message) : (int)message.len;
    if (packet_len == 0 || packet_len > PACKET_MAX)
        return 0;
    if (opcode == WS_BINARY)
        memcpy(plain->packet, message.data, message.len);
    plain->text = opcode == WS_TEXT;
    *ret_packet = plain->packet;
    return packet_len;
}

struct span plain_message(struct plain *plain, const uint8_t *packet, size_t len, enum ws_opcode *ret_opcode)
{
    *ret_opcode = plain->text ? WS_TEXT : WS_BINARY;
    if (!plain->text)
        return (struct span){packet, len};
    return (struct span){plain->out, (size_t)EVP_EncodeBlock(plain->out, packet, (int)len)};
}
