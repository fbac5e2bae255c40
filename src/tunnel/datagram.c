/* tunnel/datagram.c - see datagram.h */
#include "tunnel/datagram.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

static size_t head_len(uint8_t type)
{
    switch (type) {
    case DATAGRAM_INIT:
        return DATAGRAM_INIT_LEN;
    case DATAGRAM_RETRY:
        return DATAGRAM_RETRY_LEN;
    case DATAGRAM_ANSWER:
        return DATAGRAM_ANSWER_LEN;
    case DATAGRAM_DATA:
        return DATAGRAM_HEAD_LEN;
    case DATAGRAM_REFUSED:
        return DATAGRAM_REFUSED_LEN;
    default:
        return 0;
    }
}

int datagram_parse(const uint8_t *data, size_t len, struct datagram *ret)
{
    const size_t head = len > 0 ? head_len(data[0]) : 0;
    if (head == 0 || len < head)
        return -EBADMSG;
    *ret = (struct datagram){.type = data[0], .id = get_be64(data + 1), .body = data + head, .body_len = len - head};
    if (ret->type == DATAGRAM_INIT || ret->type == DATAGRAM_RETRY)
        ret->cookie = data + 9;
    if (ret->type == DATAGRAM_INIT)
        ret->proof = data + 9 + DATAGRAM_COOKIE_LEN;
    if (ret->type == DATAGRAM_ANSWER)
        ret->server_id = get_be64(data + 9);
    if (ret->type == DATAGRAM_REFUSED)
        ret->reason = data[9];
    return 0;
}

size_t datagram_put(uint8_t *out, const struct datagram *head)
{
    out[0] = head->type;
    put_be64(out + 1, head->id);
    if (head->type == DATAGRAM_INIT || head->type == DATAGRAM_RETRY)
        memcpy(out + 9, head->cookie, DATAGRAM_COOKIE_LEN);
    if (head->type == DATAGRAM_INIT)
        memcpy(out + 9 + DATAGRAM_COOKIE_LEN, head->proof, DATAGRAM_COOKIE_LEN);
    if (head->type == DATAGRAM_ANSWER)
        put_be64(out + 9, head->server_id);
    if (head->type == DATAGRAM_REFUSED)
        out[9] = head->reason;
    return head_len(head->type);
}
