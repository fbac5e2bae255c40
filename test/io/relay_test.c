/* io/relay_test.c - tether relay as a process between two websocket servers of this test, which play laptop and server */
#include "net_lab.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

struct side {
    struct io_loop *loop;
    struct http_server *server;
    struct ws *ws; /* NULL: no leg here */
    int opened, closed, code, messages;
    enum ws_opcode opcode;
    char reason[128];
    size_t have, last_len;
    uint8_t *got; /* LAB_BUF, the latest message */
    uint64_t total;
    bool refuse;
};

struct lab {
    struct io_loop *loop;
    struct side laptop, server;
    pid_t relay;
};

static void on_data(void *ctx, enum ws_opcode opcode, const uint8_t *data, size_t len, bool fin)
{
    struct side *s = ctx;
    assert_true(s->have + len <= LAB_BUF);
    memcpy(s->got + s->have, data, len);
    s->have += len;
    s->total += len;
    s->opcode = opcode;
    if (!fin)
        return;
    s->messages++;
    s->last_len = s->have;
    s->have = 0;
}

static void on_closed(void *ctx, int code, const char *reason)
{
    struct side *s = ctx;
    s->ws = NULL;
    s->closed++;
    s->code = code;
    s->have = 0;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
}

static const struct ws_events events = {.data = on_data, .closed = on_closed};

static bool takes_websocket(void *ctx, const char *path)
{
    struct side *s = ctx;
    return strcmp(path, "/websocket") == 0 && !s->refuse;
}

static void on_websocket(void *ctx, const char *path, struct ws *ws)
{
    struct side *s = ctx;
    (void)path;
    s->ws = ws;
    s->opened++;
    ws_listen(ws, &events, s);
}

static const struct http_handlers handlers = {.takes_websocket = takes_websocket, .websocket = on_websocket};

static void open_side(struct lab *lab, struct side *s)
{
    s->loop = lab->loop;
    s->got = malloc(LAB_BUF);
    assert_int_equal(http_server_open(lab->loop, "127.0.0.1", 0, &handlers, s, &s->server, NULL), 0);
}

static void start_relay(struct lab *lab, uint16_t laptop, uint16_t server)
{
    char local[64], remote[64];
    const char *tether = getenv("TETHER");
    snprintf(local, sizeof local, "ws://127.0.0.1:%u", laptop);
    snprintf(remote, sizeof remote, "ws://127.0.0.1:%u/", server);
    const char *const argv[] = {"tether", "relay", "--local", local, "--remote", remote, NULL};
    assert_int_equal(posix_spawn(&lab->relay, tether, NULL, NULL, (char *const *)(uintptr_t)argv, environ), 0);
}

static int set_up(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    assert_int_equal(io_loop_new(&lab->loop), 0);
    open_side(lab, &lab->laptop);
    open_side(lab, &lab->server);
    *state = lab;
    return 0;
}

static int exit_code(struct lab *lab, int signo)
{
    int status = -1;
    pid_t pid = lab->relay;
    lab->relay = 0;
    kill(pid, signo);
    lab_until(lab->loop, waitpid(pid, &status, WNOHANG) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int tear_down(void **state)
{
    struct lab *lab = *state;
    if (lab->relay > 0)
        assert_int_equal(exit_code(lab, SIGTERM), 0);
    http_server_close(lab->laptop.server);
    http_server_close(lab->server.server);
    assert_int_equal(io_loop_free(lab->loop), 0);
    free(lab->laptop.got);
    free(lab->server.got);
    free(lab);
    return 0;
}

static void start(struct lab *lab)
{
    start_relay(lab, http_server_port(lab->laptop.server), http_server_port(lab->server.server));
    lab_until(lab->loop, lab->laptop.ws != NULL && lab->server.ws != NULL);
}

static void send_and_expect(struct lab *lab, struct side *from, struct side *to, enum ws_opcode opcode, const uint8_t *data,
                            size_t len)
{
    int before = to->messages;
    assert_int_equal(ws_send(from->ws, opcode, data, len), 0);
    lab_until(lab->loop, to->messages == before + 1);
    assert_int_equal(to->opcode, opcode);
    assert_int_equal(to->last_len, len);
    assert_memory_equal(to->got, data, len);
}

static void messages_cross_whole_and_as_they_are(void **state)
{
    struct lab *lab = *state;
    static uint8_t text[1000000];
    static const size_t sizes[] = {0, 1, 1400, 65536, 300000, sizeof text};
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 13 + i / 1021);
    start(lab);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        send_and_expect(lab, &lab->laptop, &lab->server, WS_BINARY, text, sizes[i]);
        send_and_expect(lab, &lab->server, &lab->laptop, WS_BINARY, text, sizes[i]);
    }
    send_and_expect(lab, &lab->laptop, &lab->server, WS_TEXT, (const uint8_t *)"RQAA", 4);
    send_and_expect(lab, &lab->server, &lab->laptop, WS_TEXT, (const uint8_t *)"RQAAFF", 6);
}

static void when_one_leg_ends_so_does_the_other_and_both_return(void **state)
{
    struct lab *lab = *state;
    start(lab);
    ws_close(lab->server.ws, 1001, "restart");
    lab_until(lab->loop, lab->laptop.closed == 1);
    assert_int_equal(lab->laptop.code, WS_CLOSE_OTHER_LEG);
    assert_string_equal(lab->laptop.reason, "other leg closed");
    lab_until(lab->loop, lab->laptop.ws != NULL && lab->server.ws != NULL);
    send_and_expect(lab, &lab->laptop, &lab->server, WS_BINARY, (const uint8_t *)"again", 5);
    ws_close(lab->laptop.ws, WS_CLOSE_WRONG_KEY, "wrong key");
    lab_until(lab->loop, lab->server.closed == 2);
    assert_int_equal(lab->server.code, WS_CLOSE_WRONG_KEY); /* our own codes cross */
    assert_string_equal(lab->server.reason, "wrong key");
    lab_until(lab->loop, lab->laptop.ws != NULL && lab->server.ws != NULL);
}

/* A megabyte is the most that is gathered; half a message would break the stream inside. */
static void a_message_that_is_too_long_ends_both_legs(void **state)
{
    struct lab *lab = *state;
    static uint8_t huge[LAB_BUF + 1];
    start(lab);
    send_and_expect(lab, &lab->laptop, &lab->server, WS_BINARY, huge, LAB_BUF);
    assert_int_equal(ws_send(lab->laptop.ws, WS_BINARY, huge, LAB_BUF + 1), 0);
    lab_until(lab->loop, lab->laptop.closed == 1 && lab->server.closed == 1);
    assert_int_equal(lab->laptop.code, WS_CLOSE_TOO_BIG);
    assert_string_equal(lab->laptop.reason, "message too long");
    assert_int_equal(lab->server.code, WS_CLOSE_OTHER_LEG);
    assert_int_equal(lab->server.messages, 1);
    lab_until(lab->loop, lab->laptop.ws != NULL && lab->server.ws != NULL);
    send_and_expect(lab, &lab->laptop, &lab->server, WS_BINARY, huge, 70000);
}

static void it_comes_back_after_a_server_that_was_away(void **state)
{
    struct lab *lab = *state;
    lab->server.refuse = true;
    start_relay(lab, http_server_port(lab->laptop.server), http_server_port(lab->server.server));
    lab_until(lab->loop, lab->laptop.opened >= 2); /* tried more than once */
    lab->server.refuse = false;
    lab_until(lab->loop, lab->laptop.ws != NULL && lab->server.ws != NULL);
    send_and_expect(lab, &lab->server, &lab->laptop, WS_BINARY, (const uint8_t *)"back", 4);
}

static void what_comes_before_the_other_leg_is_open_is_kept(void **state)
{
    struct lab *lab = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fd = -1;
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 8), 0);
    getsockname(listener, (struct sockaddr *)&at, &len);
    start_relay(lab, http_server_port(lab->laptop.server), ntohs(at.sin_port));
    lab_until(lab->loop, (fd = accept(listener, NULL, NULL)) >= 0); /* a server slow to answer */
    struct peer *p = peer_of(lab->loop, fd);
    lab_until(lab->loop, lab->laptop.ws != NULL);
    assert_int_equal(ws_send(lab->laptop.ws, WS_BINARY, (const uint8_t *)"hello", 5), 0);
    assert_int_equal(ws_send(lab->laptop.ws, WS_TEXT, (const uint8_t *)"world", 5), 0);
    for (int i = 0; i < 100; i++, uv_sleep(1))
        lab_turn(lab->loop);
    peer_answer(p, "", 0);
    peer_expect(p, 0x82, "hello", 5);
    peer_expect(p, 0x81, "world", 5);
    close(listener);
    peer_free(p);
}

/* Resident memory of the relay in KB. */
static long memory_of(pid_t pid)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    fclose(f);
    return kb;
}

static void a_leg_that_does_not_read_holds_the_other_back(void **state)
{
    struct lab *lab = *state;
    static uint8_t block[60000];
    start(lab);
    ws_pause(lab->server.ws);
    uint64_t sent = 0, quiet_since = io_now_us();
    while (io_now_us() - quiet_since < 500000) { /* until nothing moves for half a second */
        if (ws_backlog(lab->laptop.ws) < ws_high_water()) {
            assert_int_equal(ws_send(lab->laptop.ws, WS_BINARY, block, sizeof block), 0);
            sent += sizeof block;
            quiet_since = io_now_us();
        }
        lab_turn(lab->loop);
        assert_true(sent < UINT64_C(100) << 20);
    }
    assert_true(memory_of(lab->relay) < 40000);
    assert_int_equal(lab->server.total, 0);
    ws_resume(lab->server.ws);
    lab_until(lab->loop, lab->server.total == sent); /* nothing is lost */
}

static void wrong_urls_are_usage(void **state)
{
    const char *tether = getenv("TETHER");
    static const char *const wrong[][7] = {
        {"tether", "relay", NULL},
        {"tether", "relay", "--remote", "http://h", NULL},
        {"tether", "relay", "--remote", "ws://h:99999", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        posix_spawn_file_actions_t quiet;
        int status;
        pid_t pid;
        posix_spawn_file_actions_init(&quiet);
        posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
        assert_int_equal(posix_spawn(&pid, tether, &quiet, NULL, (char *const *)(uintptr_t)wrong[i], environ), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 2);
        posix_spawn_file_actions_destroy(&quiet);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(messages_cross_whole_and_as_they_are),
        T(when_one_leg_ends_so_does_the_other_and_both_return),
        T(a_message_that_is_too_long_ends_both_legs),
        T(it_comes_back_after_a_server_that_was_away),
        T(what_comes_before_the_other_leg_is_open_is_kept),
        T(a_leg_that_does_not_read_holds_the_other_back),
        cmocka_unit_test(wrong_urls_are_usage),
    };
    if (getenv("TETHER") == NULL) {
        fprintf(stderr, "relay_test: TETHER names no program to test\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
