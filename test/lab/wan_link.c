/*
 * lab/wan_link.c - the model of one direction: queue, transmitter, air
 *
 * The transmitter is advanced in pieces of constant rate: up to the end of the frame at the head, the next step of the
 * schedule, or the time asked for, whichever comes first. So a change of rate also holds for what already waits and for
 * the rest of the frame being sent, as it does on a radio link.
 */
#include "wan_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1000000000LL
#define MS_NS 1000000.0
#define QUEUE_BYTES_DEFAULT (256 * 1024)

static uint32_t ring_count(const struct wan_ring *ring)
{
    return ring->tail - ring->head;
}

static struct wan_frame **ring_at(const struct wan_ring *ring, uint32_t index)
{
    return &ring->frames[index & (WAN_FRAMES - 1)];
}

static struct wan_frame *ring_head(const struct wan_ring *ring)
{
    return ring_count(ring) ? *ring_at(ring, ring->head) : NULL;
}

static void ring_done(struct wan_ring *ring)
{
    for (; ring->frames && ring_count(ring); ring->head++)
        free(*ring_at(ring, ring->head));
    free(ring->frames);
    ring->frames = NULL;
}

int wan_way_init(struct wan_way *way, int64_t now_ns, uint64_t seed)
{
    *way = (struct wan_way){.start_ns = WAN_NEVER, .clock_ns = now_ns, .epoch_ns = now_ns, .free_ns = now_ns,
                            .random = seed * 2654435769u + 88172645463325252ull};
    way->config.queue_bytes = QUEUE_BYTES_DEFAULT;
    way->queue.frames = calloc(WAN_FRAMES, sizeof(*way->queue.frames));
    way->air.frames = calloc(WAN_FRAMES, sizeof(*way->air.frames));
    return way->queue.frames && way->air.frames ? 0 : -ENOMEM;
}

void wan_way_done(struct wan_way *way)
{
    ring_done(&way->queue);
    ring_done(&way->air);
}

/* xorshift64*: the same losses for the same seed */
static double chance(struct wan_way *way)
{
    way->random ^= way->random >> 12;
    way->random ^= way->random << 25;
    way->random ^= way->random >> 27;
    return (double)((way->random * 2685821657736338717ull) >> 11) / 9007199254740992.0;
}

/* The end of the stall that covers this moment, or the moment itself. */
static int64_t after_stall(const struct wan_way *way, int64_t at_ns)
{
    const struct wan_config *config = &way->config;
    if (config->stall_ns <= 0 || config->stall_every_ns <= 0)
        return at_ns;
    int64_t into = (at_ns - way->epoch_ns) % config->stall_every_ns;
    return into < config->stall_ns ? at_ns - into + config->stall_ns : at_ns;
}

/* The head has been sent: onto the air, or lost. */
static void sent(struct wan_way *way, int64_t at_ns)
{
    struct wan_frame *frame = ring_head(&way->queue);
    struct wan_counters *counters = &way->counters;
    int64_t waited = at_ns - frame->arrived_ns;
    way->queue.head++;
    way->queued -= frame->len;
    way->start_ns = WAN_NEVER;
    way->free_ns = at_ns;
    counters->sent_packets++;
    counters->sent_bytes += frame->len;
    counters->wait_sum_ns += waited;
    if (waited > counters->wait_max_ns)
        counters->wait_max_ns = waited;
    if ((way->config.loss > 0 && chance(way) < way->config.loss) || ring_count(&way->air) == WAN_FRAMES) {
        counters->lost++;
        free(frame);
        return;
    }
    frame->due_ns = at_ns + way->config.delay_ns + (int64_t)(chance(way) * (double)way->config.jitter_ns);
    if (!way->config.reorder && frame->due_ns < way->last_due_ns)
        frame->due_ns = way->last_due_ns;
    way->last_due_ns = frame->due_ns;
    uint32_t at = way->air.tail++;
    for (; at != way->air.head && (*ring_at(&way->air, at - 1))->due_ns > frame->due_ns; at--)
        *ring_at(&way->air, at) = *ring_at(&way->air, at - 1);
    *ring_at(&way->air, at) = frame;
}

/* When the head will have been sent at the present rate; it begins to be sent if its time has come. */
static int64_t head_end(struct wan_way *way)
{
    const struct wan_frame *frame = ring_head(&way->queue);
    if (!frame)
        return WAN_NEVER;
    if (way->start_ns == WAN_NEVER) {
        int64_t from = frame->arrived_ns > way->free_ns ? frame->arrived_ns : way->free_ns;
        way->start_ns = after_stall(way, from);
        way->left_bits = (double)frame->len * 8;
    }
    int64_t from = way->start_ns > way->clock_ns ? way->start_ns : way->clock_ns;
    if (way->config.rate <= 0) /* nothing to wait for; the past stays the past */
        return way->start_ns;
    return from + (int64_t)(way->left_bits * (double)SECOND_NS / way->config.rate);
}

/* Time passes at a constant rate. */
static void pass(struct wan_way *way, int64_t until_ns)
{
    if (until_ns <= way->clock_ns)
        return;
    int64_t from = way->start_ns > way->clock_ns ? way->start_ns : way->clock_ns;
    if (way->start_ns != WAN_NEVER && until_ns > from)
        way->left_bits -= (double)(until_ns - from) * way->config.rate / (double)SECOND_NS;
    way->counters.capacity_bytes += (double)(until_ns - way->clock_ns) * way->config.rate / 8 / (double)SECOND_NS;
    way->clock_ns = until_ns;
}

static void next_step(struct wan_way *way)
{
    way->config.rate = way->config.steps[0].rate;
    way->config.step_count--;
    memmove(&way->config.steps[0], &way->config.steps[1], way->config.step_count * sizeof(way->config.steps[0]));
}

void wan_way_advance(struct wan_way *way, int64_t now_ns)
{
    for (;;) {
        int64_t end = head_end(way);
        if (way->config.step_count && way->config.steps[0].at_ns <= now_ns && way->config.steps[0].at_ns < end) {
            pass(way, way->config.steps[0].at_ns);
            next_step(way);
            continue;
        }
        if (end > now_ns)
            break;
        pass(way, end);
        sent(way, end);
    }
    pass(way, now_ns);
}

static size_t queue_limit(const struct wan_config *config)
{
    if (!config->queue_ns || config->rate <= 0)
        return config->queue_bytes;
    double bytes = config->rate / 8 * (double)config->queue_ns / (double)SECOND_NS;
    return bytes < 2 * 1514 ? 2 * 1514 : (size_t)bytes; /* one waits while another is sent */
}

void wan_way_offer(struct wan_way *way, const uint8_t *data, size_t len, int64_t now_ns)
{
    wan_way_advance(way, now_ns);
    way->counters.in_packets++;
    way->counters.in_bytes += len;
    struct wan_frame *frame = NULL;
    if (len <= WAN_FRAME_MAX && way->queued + len <= queue_limit(&way->config) && ring_count(&way->queue) < WAN_FRAMES)
        frame = malloc(sizeof(*frame) + len);
    if (!frame) {
        way->counters.dropped++;
        return;
    }
    *frame = (struct wan_frame){.arrived_ns = now_ns, .len = len};
    memcpy(frame->data, data, len);
    *ring_at(&way->queue, way->queue.tail++) = frame;
    way->queued += len;
    if (way->queued > way->counters.queue_max)
        way->counters.queue_max = way->queued;
    wan_way_advance(way, now_ns);
}

struct wan_frame *wan_way_take(struct wan_way *way, int64_t now_ns)
{
    struct wan_frame *frame = ring_head(&way->air);
    if (!frame || frame->due_ns > now_ns)
        return NULL;
    way->air.head++;
    way->counters.out_packets++;
    way->counters.out_bytes += frame->len;
    return frame;
}

int64_t wan_way_next(const struct wan_way *way)
{
    const struct wan_frame *frame = ring_head(&way->air);
    int64_t next = frame ? frame->due_ns : WAN_NEVER;
    if (way->start_ns != WAN_NEVER) {
        int64_t from = way->start_ns > way->clock_ns ? way->start_ns : way->clock_ns;
        int64_t end = way->config.rate > 0 ? from + (int64_t)(way->left_bits * (double)SECOND_NS / way->config.rate) : from;
        if (way->config.step_count && way->config.steps[0].at_ns < end)
            end = way->config.steps[0].at_ns;
        if (end < next)
            next = end;
    }
    return next;
}

void wan_way_set(struct wan_way *way, const struct wan_config *config, int64_t now_ns)
{
    wan_way_advance(way, now_ns);
    way->config = *config;
    wan_way_advance(way, now_ns);
}

void wan_way_reset(struct wan_way *way, int64_t now_ns)
{
    wan_way_advance(way, now_ns);
    way->counters = (struct wan_counters){0};
}

/* A number with an optional k, M or G; *ret_end stands behind it. */
static int number(const char *text, char **ret_end, double *ret_value)
{
    double value = strtod(text, ret_end);
    if (*ret_end == text || !(value >= 0 && value <= 1e12))
        return -EINVAL;
    switch (**ret_end) {
    case 'k': value *= 1e3; ++*ret_end; break;
    case 'M': value *= 1e6; ++*ret_end; break;
    case 'G': value *= 1e9; ++*ret_end; break;
    default: break;
    }
    *ret_value = value;
    return 0;
}

/* RATE or RATE@SECONDS,RATE@SECONDS... in order of time */
static int rate_word(struct wan_config *config, const char *text, int64_t now_ns)
{
    double rate, at;
    char *end;
    config->step_count = 0;
    if (number(text, &end, &rate))
        return -EINVAL;
    if (!*end) {
        config->rate = rate;
        return 0;
    }
    for (int64_t last = now_ns; ; text = end + 1) {
        if (config->step_count == WAN_STEPS || number(text, &end, &rate) || *end != '@' || number(end + 1, &end, &at))
            return -EINVAL;
        struct wan_step step = {now_ns + (int64_t)(at * (double)SECOND_NS), rate};
        if (step.at_ns < last || (*end && *end != ','))
            return -EINVAL;
        last = step.at_ns;
        config->steps[config->step_count++] = step;
        if (!*end)
            return 0;
    }
}

static int queue_word(struct wan_config *config, const char *text)
{
    double value;
    char *end;
    if (number(text, &end, &value))
        return -EINVAL;
    if (strcmp(end, "ms") == 0) {
        config->queue_ns = (int64_t)(value * MS_NS);
        return value > 0 ? 0 : -EINVAL;
    }
    config->queue_ns = 0;
    config->queue_bytes = (size_t)value;
    return *end ? -EINVAL : 0;
}

static int stall_word(struct wan_config *config, const char *text)
{
    double every, length = 0;
    char *end;
    if (number(text, &end, &every) || (*end == '/' && number(end + 1, &end, &length)) || *end || length > every)
        return -EINVAL;
    config->stall_every_ns = (int64_t)(every * (double)SECOND_NS);
    config->stall_ns = (int64_t)(length * (double)SECOND_NS);
    return 0;
}

int wan_config_word(struct wan_config *config, const char *word, int64_t now_ns)
{
    struct wan_config changed = *config;
    const char *equals = strchr(word, '=');
    if (!equals)
        return -EINVAL;
    size_t len = (size_t)(equals - word);
    const char *text = equals + 1;
    double value = 0;
    char *end = NULL;
    int rc = 0;
    if (len == 4 && !strncmp(word, "rate", 4))
        rc = rate_word(&changed, text, now_ns);
    else if (len == 5 && !strncmp(word, "queue", 5))
        rc = queue_word(&changed, text);
    else if (len == 5 && !strncmp(word, "stall", 5))
        rc = stall_word(&changed, text);
    else if (number(text, &end, &value) || *end)
        rc = -EINVAL;
    else if (len == 5 && !strncmp(word, "delay", 5))
        changed.delay_ns = (int64_t)(value * MS_NS);
    else if (len == 6 && !strncmp(word, "jitter", 6))
        changed.jitter_ns = (int64_t)(value * MS_NS);
    else if (len == 4 && !strncmp(word, "loss", 4) && value <= 100)
        changed.loss = value / 100;
    else if (len == 7 && !strncmp(word, "reorder", 7))
        changed.reorder = value > 0;
    else
        rc = -EINVAL;
    if (!rc)
        *config = changed;
    return rc;
}
