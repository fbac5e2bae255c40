/* tunnel/lossy.c - see lossy.h */
#include "tunnel/lossy.h"

enum {
    SEGMENTS = 4000,                   /* of one count */
    AGAIN_MIN = 4,                     /* fewer are chance */
    SHARE_LOSSY = 1000, SHARE_CALM = 4000,
};

static bool restart(struct lossy *l, uint32_t sent, uint32_t again, bool loses)
{
    *l = (struct lossy){.sent = sent, .again = again, .loses = loses};
    return loses;
}

bool lossy_hear(struct lossy *l, uint32_t sent, uint32_t again)
{
    uint32_t segments = sent - l->sent, lost = again - l->again;
    if (!l->loses && lost >= AGAIN_MIN && lost >= segments / SHARE_LOSSY)
        return restart(l, sent, again, true);
    if (segments >= SEGMENTS)
        return restart(l, sent, again, l->loses && lost >= segments / SHARE_CALM);
    return l->loses;
}
