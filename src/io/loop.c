/* io/loop.c - see loop.h; libuv underneath */
#include "io/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

enum { SIGNALS = 3, READ_BUFFER = 256 * 1024 };
static const int signal_numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

struct io_loop {
    uv_loop_t uv;
    uv_signal_t signal[SIGNALS];
    bool signals;
    io_signal_cb signal_cb;
    void *signal_ctx;
    char read_buffer[READ_BUFFER];
};

struct io_timer {
    uv_timer_t uv;
    io_timer_cb cb;
    void *ctx;
};

struct io_hook {
    uv_prepare_t uv;
    uv_timer_t timer; /* only wakes the loop, which then comes by here */
    io_hook_cb cb;
    void *ctx;
};

struct io_poll {
    uv_poll_t uv;
    io_poll_cb cb;
    void *ctx;
};

/* --- the loop --- */

int io_loop_new(struct io_loop **ret_loop)
{
    struct io_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    int failed = uv_loop_init(&loop->uv);
    if (failed) {
        free(loop);
        return failed;
    }
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error code, not the end */
    *ret_loop = loop;
    return 0;
}

int io_loop_run(struct io_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    return 0;
}

void io_loop_stop(struct io_loop *loop)
{
    uv_stop(&loop->uv);
}

int io_loop_free(struct io_loop *loop)
{
    if (loop == NULL)
        return 0;
    for (int i = 0; loop->signals && i < SIGNALS; i++)
        uv_close((uv_handle_t *)&loop->signal[i], NULL);
    /* Closing handshakes are bounded by timers of their own, so this ends unless a handle was forgotten. */
    uint64_t limit = uv_hrtime() + UINT64_C(5000000000);
    while (uv_loop_alive(&loop->uv) && uv_hrtime() < limit)
        if (uv_run(&loop->uv, UV_RUN_NOWAIT) != 0)
            uv_sleep(1);
    int failed = uv_loop_close(&loop->uv);
    if (failed)
        return failed; /* memory that libuv may still use is better lost than freed */
    free(loop);
    return 0;
}

uint64_t io_now_ms(const struct io_loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t io_now_us(void)
{
    return uv_hrtime() / 1000;
}

struct uv_loop_s *io_loop_uv(struct io_loop *loop)
{
    return &loop->uv;
}

char *io_loop_read_buffer(struct uv_loop_s *uv, size_t *ret_len)
{
    struct io_loop *loop = (struct io_loop *)uv; /* its first member */
    *ret_len = READ_BUFFER;
    return loop->read_buffer;
}

/* --- timers --- */

static void on_timer(uv_timer_t *uv)
{
    struct io_timer *timer = uv->data;
    timer->cb(timer->ctx);
}

int io_timer_new(struct io_loop *loop, io_timer_cb cb, void *ctx, struct io_timer **ret_timer)
{
    struct io_timer *timer = malloc(sizeof *timer);
    if (timer == NULL)
        return -ENOMEM;
    timer->cb = cb;
    timer->ctx = ctx;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    *ret_timer = timer;
    return 0;
}

void io_timer_start(struct io_timer *timer, uint64_t delay_ms, uint64_t repeat_ms)
{
    uv_timer_start(&timer->uv, on_timer, delay_ms, repeat_ms);
}

void io_timer_stop(struct io_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

static void free_data(uv_handle_t *handle)
{
    free(handle->data);
}

void io_timer_close(struct io_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->uv, free_data);
}

/* --- the flush hook --- */

static void on_due(uv_timer_t *timer)
{
    (void)timer;
}

static void on_prepare(uv_prepare_t *uv)
{
    struct io_hook *hook = uv->data;
    uint64_t due_us = hook->cb(hook->ctx), now_us = io_now_us();
    if (due_us == UINT64_MAX)
        uv_timer_stop(&hook->timer);
    else /* what is due now waits for the next millisecond, or the loop would never block */
        uv_timer_start(&hook->timer, on_due, due_us > now_us ? (due_us - now_us + 999) / 1000 : 1, 0);
}

int io_hook_new(struct io_loop *loop, io_hook_cb cb, void *ctx, struct io_hook **ret_hook)
{
    struct io_hook *hook = malloc(sizeof *hook);
    if (hook == NULL)
        return -ENOMEM;
    hook->cb = cb;
    hook->ctx = ctx;
    uv_prepare_init(&loop->uv, &hook->uv);
    uv_timer_init(&loop->uv, &hook->timer);
    hook->uv.data = hook->timer.data = hook;
    uv_prepare_start(&hook->uv, on_prepare);
    *ret_hook = hook;
    return 0;
}

static void on_hook_timer_closed(uv_handle_t *timer)
{
    struct io_hook *hook = timer->data;
    uv_close((uv_handle_t *)&hook->uv, free_data);
}

void io_hook_close(struct io_hook *hook)
{
    if (hook == NULL)
        return;
    uv_prepare_stop(&hook->uv);
    uv_close((uv_handle_t *)&hook->timer, on_hook_timer_closed);
}

/* --- signals --- */

static void on_signal(uv_signal_t *uv, int signo)
{
    struct io_loop *loop = uv->data;
    loop->signal_cb(loop->signal_ctx, signo);
}

int io_on_signals(struct io_loop *loop, io_signal_cb cb, void *ctx)
{
    loop->signal_cb = cb;
    loop->signal_ctx = ctx;
    for (int i = 0; i < SIGNALS; i++) {
        uv_signal_init(&loop->uv, &loop->signal[i]);
        loop->signal[i].data = loop;
    }
    loop->signals = true;
    for (int i = 0; i < SIGNALS; i++) {
        int failed = uv_signal_start(&loop->signal[i], on_signal, signal_numbers[i]);
        if (failed)
            return failed;
        uv_unref((uv_handle_t *)&loop->signal[i]);
    }
    return 0;
}

const char *io_signal_name(int signo)
{
    return signo == SIGINT ? "INT" : signo == SIGTERM ? "TERM" : "HUP";
}

/* --- descriptors --- */

static void on_poll(uv_poll_t *uv, int status, int uv_events)
{
    struct io_poll *poll = uv->data;
    int events = status < 0 ? IO_FAILED : 0;
    events |= uv_events & UV_READABLE ? IO_READABLE : 0;
    events |= uv_events & UV_WRITABLE ? IO_WRITABLE : 0;
    poll->cb(poll->ctx, events);
}

int io_poll_new(struct io_loop *loop, int fd, int events, io_poll_cb cb, void *ctx, struct io_poll **ret_poll)
{
    struct io_poll *poll = malloc(sizeof *poll);
    if (poll == NULL)
        return -ENOMEM;
    poll->cb = cb;
    poll->ctx = ctx;
    int failed = uv_poll_init(&loop->uv, &poll->uv, fd);
    if (failed) {
        free(poll);
        return failed;
    }
    poll->uv.data = poll;
    io_poll_want(poll, events);
    *ret_poll = poll;
    return 0;
}

void io_poll_want(struct io_poll *poll, int events)
{
    int uv_events = (events & IO_READABLE ? UV_READABLE : 0) | (events & IO_WRITABLE ? UV_WRITABLE : 0);
    if (uv_events == 0)
        uv_poll_stop(&poll->uv);
    else
        uv_poll_start(&poll->uv, uv_events, on_poll);
}

void io_poll_close(struct io_poll *poll)
{
    if (poll != NULL)
        uv_close((uv_handle_t *)&poll->uv, free_data);
}
