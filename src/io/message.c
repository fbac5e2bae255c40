/* io/message.c - see message.h */
#include "io/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int gather(struct message *m, const uint8_t *piece, size_t len)
{
    if (m->data == NULL && len > 0)
        m->data = malloc(m->max);
    if (m->data == NULL && len > 0)
        return -ENOMEM;
    if (len > 0)
        memcpy(m->data + m->len, piece, len);
    m->len += len;
    return 0;
}

int message_add(struct message *m, const uint8_t *piece, size_t len, bool fin, struct span *ret_whole)
{
    int failed = 0;
    if (m->lost) {
        m->lost = !fin;
        return 0;
    }
    if (len > m->max - m->len)
        failed = -EMSGSIZE;
    else if (!fin || m->len > 0)
        failed = gather(m, piece, len);
    if (failed) {
        m->len = 0;
        m->lost = !fin;
        return failed;
    }
    if (!fin)
        return 0;
    *ret_whole = m->len > 0 ? (struct span){m->data, m->len} : (struct span){piece, len};
    m->len = 0;
    return 1;
}

void message_restart(struct message *m)
{
    m->len = 0;
    m->lost = false;
}

void message_done(struct message *m)
{
    free(m->data);
    m->data = NULL;
    message_restart(m);
}
