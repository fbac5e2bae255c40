/*
 * io/names.h - addresses of a host name, and how they outlive the resolver
 *
 * A laptop whose names are resolved through the tunnel cannot ask for the address of the server when the tunnel is down. So whoever
 * connects again keeps what it learnt: it is asked anew each time, and what was known serves when no answer comes.
 */
#ifndef TETHER_IO_NAMES_H
#define TETHER_IO_NAMES_H

#include <stdint.h>
#include <sys/socket.h>

#include "io/loop.h"

enum { NAMES_MAX = 8 };

/** Addresses with their port, in the resolver's order. */
struct names {
    struct sockaddr_storage addr[NAMES_MAX];
    size_t count;
};

struct names_request;
/** @param found borrowed until return; empty when status is negative (libuv's codes) */
typedef void (*names_cb)(void *ctx, int status, const struct names *found);

/** Ask for all addresses of a host. @param port host order @return 0 and cb comes later, or a negative code */
int names_ask(struct io_loop *loop, const char *host, uint16_t port, names_cb cb, void *ctx, struct names_request **ret_request);
/** The answer is not wanted any more. NULL is fine. */
void names_forget(struct names_request *request);
/** Ask and wait for it: for the time before the loop runs. ret_names stays as it is on failure. @return 0 or a negative code */
int names_now(struct io_loop *loop, const char *host, uint16_t port, struct names *ret_names);

/** Bytes of an address for the system's calls. */
socklen_t names_addr_len(const struct sockaddr_storage *addr);
/** Write "address:port", IPv6 in brackets. */
void names_text(const struct sockaddr_storage *addr, char *ret_text, size_t cap);

#endif
