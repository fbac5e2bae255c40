/*
 * io/loop.h - the one event loop that hosts every role
 *
 * Roles see time, timers, signals and a flush hook, never libuv. Everything here runs on the loop's thread. Handles
 * follow libuv's rule: closing is asynchronous and memory goes after the close callback; io_loop_free() runs the loop
 * until that is done and reports -EBUSY if something was left open, which tests assert.
 */
#ifndef TETHER_IO_LOOP_H
#define TETHER_IO_LOOP_H

#include <stddef.h>
#include <stdint.h>

struct io_loop;
struct io_timer;
struct io_hook;
struct uv_loop_s;

int io_loop_new(struct io_loop **ret_loop);
/** Run until io_loop_stop(). Returns 0 or -errno. */
int io_loop_run(struct io_loop *loop);
void io_loop_stop(struct io_loop *loop);
/** Close what the loop itself owns and free it; NULL is fine. @return 0, or -EBUSY when a caller's handle is still open */
int io_loop_free(struct io_loop *loop);
/** Monotonic time, refreshed once per loop iteration. */
uint64_t io_now_ms(const struct io_loop *loop);
/** Monotonic time, read now. */
uint64_t io_now_us(void);
/** For the other files of src/io. */
struct uv_loop_s *io_loop_uv(struct io_loop *loop);
/** One read buffer for all sockets of a loop: what is read is used up before the next read. */
char *io_loop_read_buffer(struct uv_loop_s *uv, size_t *ret_len);

typedef void (*io_timer_cb)(void *ctx);
/** A timer that is not running yet. */
int io_timer_new(struct io_loop *loop, io_timer_cb cb, void *ctx, struct io_timer **ret_timer);
/** (Re)start: first after delay_ms, then each repeat_ms (0: once). */
void io_timer_start(struct io_timer *timer, uint64_t delay_ms, uint64_t repeat_ms);
void io_timer_stop(struct io_timer *timer);
/** Stop and free; NULL is fine. */
void io_timer_close(struct io_timer *timer);

/**
 * Called once per loop iteration, after all I/O callbacks and before the loop blocks: where batches are flushed.
 *
 * @return when it has something to do although nothing happens, by io_now_us() and to the millisecond; UINT64_MAX: never
 */
typedef uint64_t (*io_hook_cb)(void *ctx);
int io_hook_new(struct io_loop *loop, io_hook_cb cb, void *ctx, struct io_hook **ret_hook);
void io_hook_close(struct io_hook *hook);

/** Call cb once for each SIGINT, SIGTERM or SIGHUP; the loop owns the handles. */
typedef void (*io_signal_cb)(void *ctx, int signo);
int io_on_signals(struct io_loop *loop, io_signal_cb cb, void *ctx);
/** "INT", "TERM" or "HUP" */
const char *io_signal_name(int signo);

/** Watch a descriptor that the caller keeps owning (TUN, pcap). */
struct io_poll;
enum { IO_READABLE = 1, IO_WRITABLE = 2, IO_FAILED = 4 };
typedef void (*io_poll_cb)(void *ctx, int events);
int io_poll_new(struct io_loop *loop, int fd, int events, io_poll_cb cb, void *ctx, struct io_poll **ret_poll);
/** Change the wanted events; 0 pauses. */
void io_poll_want(struct io_poll *poll, int events);
void io_poll_close(struct io_poll *poll);

#endif
