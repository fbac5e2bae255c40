/*
 * io/carrier_failure.h - why a carrier ended: as a number here, on the wire, and in words for who runs it
 *
 * The side that finds the fault closes with a code and a reason. Codes of our own (docs/PROTOCOL.md) tell the other side the same failure, so that
 * both can say what is wrong, which only one of them saw.
 */
#ifndef TETHER_IO_CARRIER_FAILURE_H
#define TETHER_IO_CARRIER_FAILURE_H

/** One kind of failure. */
struct carrier_failure {
    int failure;        /**< -errno; 0: none */
    int ws_code;        /**< what it is closed with */
    const char *reason; /**< beside the code: short */
    const char *text;   /**< for a log line or a page: which side to look at */
};

/** @param failure as given to carrier_events.closed() @return never NULL: what is unknown is not tether's protocol */
const struct carrier_failure *carrier_failure_of(int failure);
/** Words for a failure. */
const char *carrier_failure_text(int failure);
/** What the other side's close code says. @return the failure, or 0: nothing */
int carrier_failure_told(int ws_code);

#endif
