/*
 * io/message.h - a whole message from its pieces
 *
 * A websocket hands on what comes as it comes: a message may be cut anywhere, by its sender into frames and by the network into pieces. Who needs
 * it whole gathers it here. A message that comes in one piece, as nearly all do, is passed through and not copied; memory is taken
 * with the first that does not.
 *
 * One has a maximum. Of a longer message nothing is kept: its user hears of it once, with the piece that was too much, and either ends the
 * connection or goes on, for what is left of it is swallowed and the next message is whole again.
 */
#ifndef TETHER_IO_MESSAGE_H
#define TETHER_IO_MESSAGE_H

#include <stdbool.h>

#include "base/span.h"

/** What came so far of one message. Zeroed but for max, it is ready. */
struct message {
    size_t max;    /**< bytes, set by the user */
    size_t len;    /**< gathered */
    uint8_t *data; /**< max bytes; NULL: none came in several pieces yet */
    bool lost;     /**< what is left of it is swallowed */
};

/**
 * The next piece.
 *
 * @param piece     borrowed @param fin it is the last of its message
 * @param ret_whole set when 1 is returned: the message, the piece itself if there was only one; borrowed until the next call
 * @return 1: the message is whole; 0: more will come, or the rest of a lost one did; -EMSGSIZE: it is longer than max, -ENOMEM: and this
 *         message is lost
 */
int message_add(struct message *m, const uint8_t *piece, size_t len, bool fin, struct span *ret_whole);
/** What comes next begins a message: the connection is a new one. */
void message_restart(struct message *m);
/** Fine on a zeroed or done one. */
void message_done(struct message *m);

#endif
