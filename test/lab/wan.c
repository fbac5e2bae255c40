/*
 * lab/wan.c - a link between two network namespaces with a rate, a delay, jitter, loss, stalls and a bounded queue
 *
 *     wan NETNS_A IF_A NETNS_B IF_B [SETTING...]
 *
 * For kernels without the netem queue discipline, and for counters no queue discipline has. It makes a TAP device in each
 * namespace (named by a path such as /run/netns/phone or /proc/PID/ns/net) and moves frames between them in user space.
 * A SETTING is NAME=VALUE as in wan_link.h, for both directions, or with "up." (A to B) or "down." before it for one.
 * It prints "ready", then obeys lines of standard input: settings, and prints "ok" or which of them it does not know; "show" prints the counters
 * as one line of JSON; "reset" sets them to zero. It ends on SIGTERM, SIGINT or end of input, and prints the counters once more.
 *
 * Times are absolute: how late the scheduler wakes this process moves single frames, not the rate. It asks for a high
 * priority, because the hosts it connects usually run on the same processors.
 */
#include "wan_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL
#define BATCH 64
#define GRAIN_NS 250000
#define QUEUE_LEN 5000 /* frames the device itself holds until they are read; no queue of the link's */
#define LINE_MAX_LEN 1024
#define PRIORITY (-15)

struct wan {
    int tap[2];
    struct wan_way way[2]; /* way[i] begins at tap[i] */
    int timer, signals, epoll;
    int64_t reset_ns, armed_ns;
    char line[LINE_MAX_LEN];
    size_t line_len;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "wan: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_tap(const char *netns, const char *name)
{
    int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(netns, O_RDONLY | O_CLOEXEC);
    if (self < 0 || there < 0 || setns(there, CLONE_NEWNET))
        fail(netns);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        fail("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    if (ioctl(fd, TUNSETIFF, &request))
        fail(name);
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request.ifr_qlen = QUEUE_LEN;
    if (any < 0 || ioctl(any, SIOCSIFTXQLEN, &request))
        fail("queue length");
    close(any);
    if (setns(self, CLONE_NEWNET))
        fail("the way back to the own namespace");
    close(self);
    close(there);
    return fd;
}

/* @return false when the setting has a fault; then nothing of it holds */
static bool setting(struct wan *wan, const char *word)
{
    static const char *const names[2] = {"up.", "down."};
    bool up = strncmp(word, "up.", 3) == 0, down = strncmp(word, "down.", 5) == 0;
    const char *bare = word + (up ? 3 : down ? 5 : 0);
    int64_t now = now_ns();
    for (int i = 0; i < 2; i++) {
        if ((up || down) && strncmp(word, names[i], strlen(names[i])) != 0)
            continue;
        struct wan_config config = wan->way[i].config;
        if (wan_config_word(&config, bare, now)) {
            fprintf(stderr, "wan: what is the setting %s?\n", word);
            return false;
        }
        wan_way_set(&wan->way[i], &config, now);
    }
    return true;
}

static void show_way(const char *name, const struct wan_way *way)
{
    const struct wan_counters *c = &way->counters;
    printf("\"%s\": {\"rate\": %.0f, \"in_packets\": %llu, \"in_bytes\": %llu, \"sent_packets\": %llu, \"sent_bytes\": %llu, "
           "\"out_packets\": %llu, \"out_bytes\": %llu, \"dropped\": %llu, \"lost\": %llu, \"capacity_bytes\": %.0f, "
           "\"wait_max_ms\": %.3f, \"wait_mean_ms\": %.3f, \"queue_bytes\": %zu, \"queue_max_bytes\": %zu}",
           name, way->config.rate, (unsigned long long)c->in_packets, (unsigned long long)c->in_bytes,
           (unsigned long long)c->sent_packets, (unsigned long long)c->sent_bytes, (unsigned long long)c->out_packets,
           (unsigned long long)c->out_bytes, (unsigned long long)c->dropped, (unsigned long long)c->lost, c->capacity_bytes,
           (double)c->wait_max_ns / 1e6, c->sent_packets ? (double)c->wait_sum_ns / 1e6 / (double)c->sent_packets : 0.0,
           way->queued, c->queue_max);
}

static void show(struct wan *wan)
{
    int64_t now = now_ns();
    wan_way_advance(&wan->way[0], now);
    wan_way_advance(&wan->way[1], now);
    printf("{\"seconds\": %.6f, ", (double)(now - wan->reset_ns) / 1e9);
    show_way("up", &wan->way[0]);
    printf(", ");
    show_way("down", &wan->way[1]);
    printf("}\n");
    fflush(stdout);
}

static void obey(struct wan *wan, char *line)
{
    if (strcmp(line, "show") == 0) {
        show(wan);
    } else if (strcmp(line, "reset") == 0) {
        wan->reset_ns = now_ns();
        wan_way_reset(&wan->way[0], wan->reset_ns);
        wan_way_reset(&wan->way[1], wan->reset_ns);
    } else {
        char *state = NULL;
        const char *wrong = NULL;
        for (char *word = strtok_r(line, " ", &state); word; word = strtok_r(NULL, " ", &state))
            if (!setting(wan, word) && !wrong)
                wrong = word;
        printf("%s\n", wrong ? wrong : "ok");
        fflush(stdout);
    }
}

/* @return false at the end of input */
static bool read_lines(struct wan *wan)
{
    ssize_t got = read(STDIN_FILENO, wan->line + wan->line_len, sizeof(wan->line) - wan->line_len);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    wan->line_len += (size_t)got;
    char *end;
    while ((end = memchr(wan->line, '\n', wan->line_len))) {
        *end = '\0';
        obey(wan, wan->line);
        wan->line_len -= (size_t)(end + 1 - wan->line);
        memmove(wan->line, end + 1, wan->line_len);
    }
    if (wan->line_len == sizeof(wan->line)) /* no command is that long */
        wan->line_len = 0;
    return true;
}

static void take_in(struct wan *wan, int i)
{
    static uint8_t frame[WAN_FRAME_MAX];
    for (int n = 0; n < BATCH; n++) {
        ssize_t len = read(wan->tap[i], frame, sizeof(frame));
        if (len <= 0)
            return;
        wan_way_offer(&wan->way[i], frame, (size_t)len, now_ns());
    }
}

static void give_out(struct wan *wan, int i)
{
    int64_t now = now_ns();
    wan_way_advance(&wan->way[i], now);
    struct wan_frame *frame;
    while ((frame = wan_way_take(&wan->way[i], now))) {
        /* a device that is down refuses the frame: it is lost there, as on a cable nobody listens to */
        if (write(wan->tap[1 - i], frame->data, frame->len) < 0 && errno != EIO && errno != EINVAL && errno != EAGAIN)
            fail("write to a TAP device");
        free(frame);
    }
}

/*
 * While frames follow each other closely the devices are looked at every quarter of a millisecond instead of for each frame:
 * mobile networks are no finer, and the hosts that are measured need the processor. Frames are due by computed times, not by this.
 * @return true: it was waited, and devices were read
 */
static bool rest(struct wan *wan)
{
    int64_t up = wan_way_next(&wan->way[0]), down = wan_way_next(&wan->way[1]), until = now_ns() + GRAIN_NS;
    if (up > until && down > until)
        return false;
    struct timespec t = {until / SECOND_NS, until % SECOND_NS};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    take_in(wan, 0);
    take_in(wan, 1);
    return true;
}

static void arm(struct wan *wan)
{
    int64_t up = wan_way_next(&wan->way[0]), down = wan_way_next(&wan->way[1]), next = up < down ? up : down;
    if (next == wan->armed_ns)
        return;
    wan->armed_ns = next;
    struct itimerspec when = {0};
    if (next != WAN_NEVER)
        when.it_value = (struct timespec){next / SECOND_NS, next % SECOND_NS};
    timerfd_settime(wan->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void run(struct wan *wan)
{
    struct epoll_event events[8];
    for (;;) {
        give_out(wan, 0);
        give_out(wan, 1);
        bool busy = rest(wan);
        if (!busy)
            arm(wan);
        int count = epoll_wait(wan->epoll, events, 8, busy ? 0 : -1);
        if (count < 0 && errno != EINTR)
            fail("epoll");
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            uint64_t ticks;
            if (fd == wan->tap[0] || fd == wan->tap[1])
                take_in(wan, fd == wan->tap[1]);
            else if (fd == wan->timer)
                wan->armed_ns = read(fd, &ticks, sizeof(ticks)) > 0 ? 0 : wan->armed_ns;
            else if (fd == wan->signals || !read_lines(wan))
                return;
        }
    }
}

static void watch(struct wan *wan, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(wan->epoll, EPOLL_CTL_ADD, fd, &event))
        fail("epoll: standard input must be a pipe");
}

int main(int argc, char **argv)
{
    static struct wan wan;
    if (argc < 5) {
        fprintf(stderr, "usage: wan NETNS_A IF_A NETNS_B IF_B [[up.|down.]NAME=VALUE...]\n");
        return 2;
    }
    wan.reset_ns = now_ns();
    if (wan_way_init(&wan.way[0], wan.reset_ns, 1) || wan_way_init(&wan.way[1], wan.reset_ns, 2))
        fail("memory");
    for (int i = 5; i < argc; i++)
        if (!setting(&wan, argv[i]))
            return 2;
    wan.tap[0] = open_tap(argv[1], argv[2]);
    wan.tap[1] = open_tap(argv[3], argv[4]);
    if (setpriority(PRIO_PROCESS, 0, PRIORITY))
        fprintf(stderr, "wan: no higher priority: %s\n", strerror(errno));
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    wan.signals = signalfd(-1, &signals, SFD_CLOEXEC);
    wan.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    wan.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (wan.signals < 0 || wan.timer < 0 || wan.epoll < 0)
        fail("descriptors");
    const int watched[] = {wan.tap[0], wan.tap[1], wan.timer, wan.signals, STDIN_FILENO};
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        watch(&wan, watched[i]);
    puts("ready");
    fflush(stdout);
    run(&wan);
    show(&wan);
    wan_way_done(&wan.way[0]);
    wan_way_done(&wan.way[1]);
    return 0;
}
