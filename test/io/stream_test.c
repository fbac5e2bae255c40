/* io/stream_test.c - websockets over TLS, both ends ours, and peers that break off, lie, stay silent or never read */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "io/stream.h"
#include "ws_lab.h"

struct tls_lab {
    struct lab *lab;
    struct stream_tls *server, *client;
    struct ws_way way;
    EVP_PKEY *key;
    char dir[64], cert[96], key_file[96];
};

/* A certificate that signs itself, for a name and 127.0.0.1, valid from..to seconds from now. */
static void write_cert(struct tls_lab *t, const char *names, long from, long to)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, t->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"lab", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(x, san, -1);
    X509_EXTENSION_free(san);
    assert_true(X509_sign(x, t->key, EVP_sha256()) > 0);
    FILE *f = fopen(t->cert, "w");
    PEM_write_X509(f, x);
    fclose(f);
    X509_free(x);
}

static void serve_as(struct tls_lab *t, const char *names, long from, long to)
{
    bool exposed = true;
    struct err err = {0};
    write_cert(t, names, from, to);
    assert_int_equal(stream_tls_server(t->cert, t->key_file, &exposed, &t->server, &err), 0);
    assert_false(exposed);
    http_server_secure(t->lab->server, t->server);
}

static int tls_set_up(void **state)
{
    struct tls_lab *t = calloc(1, sizeof *t);
    set_up((void **)&t->lab);
    snprintf(t->dir, sizeof t->dir, "/tmp/tether-stream-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->cert, sizeof t->cert, "%s/cert.pem", t->dir);
    snprintf(t->key_file, sizeof t->key_file, "%s/key.pem", t->dir);
    t->key = EVP_EC_gen("P-256");
    FILE *f = fopen(t->key_file, "w");
    fchmod(fileno(f), 0600);
    PEM_write_PrivateKey(f, t->key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    *state = t;
    return 0;
}

static int tls_tear_down(void **state)
{
    struct tls_lab *t = *state;
    tear_down((void **)&t->lab); /* asserts that nothing is left in the loop */
    stream_tls_free(t->server);
    stream_tls_free(t->client);
    EVP_PKEY_free(t->key);
    unlink(t->cert);
    unlink(t->key_file);
    rmdir(t->dir);
    free(t);
    return 0;
}

static void go(struct tls_lab *t, const char *host, bool trust)
{
    struct ws_url url = {.tls = true, .port = t->lab->port, .path = "/websocket"};
    struct err err = {0};
    snprintf(url.host, sizeof url.host, "%s", host);
    assert_int_equal(stream_tls_client(trust ? t->cert : NULL, &t->client, &err), 0);
    t->way.tls = t->client;
    assert_int_equal(ws_connect(t->lab->loop, &url, &t->way, &events, &t->lab->out, &t->lab->out.ws, &err), 0);
    lab_until(t->lab->loop, t->lab->out.opened == 1 || t->lab->out.closed == 1);
}

static void refused(struct tls_lab *t, const char *host, bool trust, const char *why)
{
    go(t, host, trust);
    assert_int_equal(t->lab->out.opened, 0);
    assert_int_equal(t->lab->out.closed, 1);
    if (strstr(t->lab->out.reason, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", t->lab->out.reason, why);
    assert_null(t->lab->in.ws);
}

static void open_both(struct tls_lab *t)
{
    serve_as(t, "DNS:localhost,IP:127.0.0.1", -60, 3600);
    go(t, "127.0.0.1", true);
    assert_int_equal(t->lab->out.opened, 1);
}

static void tls_carries_messages_of_any_size(void **state)
{
    struct tls_lab *t = *state;
    struct lab *lab = t->lab;
    static uint8_t text[LAB_BUF];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 31 + i / 777);
    open_both(t);
    lab->in.echo = true;
    for (size_t len = 0; len <= sizeof text; len = len < 16380 ? len * 2 + 1 : len < 16400 ? len + 1 : len * 3 - 7) {
        int before = lab->out.messages;
        lab->out.have = 0;
        assert_int_equal(ws_send(lab->out.ws, WS_BINARY, text, len), 0);
        lab_until(lab->loop, lab->out.messages == before + 1);
        assert_int_equal(lab->out.have, len);
        assert_memory_equal(lab->out.got, text, len);
    }
    ws_close(lab->out.ws, 4004, "other leg closed");
    lab_until(lab->loop, lab->in.closed == 1 && lab->out.closed == 1);
    assert_int_equal(lab->in.code, 4004);
}

static void a_paused_reader_loses_nothing(void **state)
{
    struct tls_lab *t = *state;
    struct lab *lab = t->lab;
    static uint8_t text[1000];
    open_both(t);
    for (int i = 0; i < 600; i++) {
        memset(text, i & 0xff, sizeof text);
        assert_int_equal(ws_send(lab->out.ws, WS_BINARY, text, sizeof text), 0);
        if (i % 3 == 0)
            ws_pause(lab->in.ws);
        lab_turn(lab->loop);
        if (i % 3 == 1)
            ws_resume(lab->in.ws);
    }
    ws_resume(lab->in.ws);
    lab_until(lab->loop, lab->in.messages == 600);
    for (size_t i = 0; i < 600; i++)
        assert_int_equal(lab->in.got[i * 1000 + 999], i & 0xff);
    ws_close(lab->out.ws, 1000, "");
    lab_until(lab->loop, lab->in.closed == 1 && lab->out.closed == 1);
}

static void a_peer_that_never_reads_costs_a_bounded_backlog(void **state)
{
    struct tls_lab *t = *state;
    struct lab *lab = t->lab;
    static uint8_t text[100000];
    int sent = 0, failed = 0;
    open_both(t);
    ws_pause(lab->out.ws);
    for (int i = 0; i < 1000 && !failed; i++, sent += !failed) {
        failed = ws_send(lab->in.ws, WS_BINARY, text, sizeof text);
        lab_turn(lab->loop);
    }
    assert_int_equal(failed, -ENOBUFS);
    assert_true(ws_backlog(lab->in.ws) <= 8 * 1024 * 1024 + 65536);
    ws_close(lab->out.ws, 1000, ""); /* discards what comes */
    lab_until(lab->loop, lab->in.closed == 1 && lab->out.closed == 1);
}

static void a_certificate_for_another_host_is_refused(void **state)
{
    serve_as(*state, "DNS:elsewhere.example,IP:192.0.2.1", -60, 3600);
    refused(*state, "127.0.0.1", true, "IP address mismatch");
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    serve_as(*state, "DNS:elsewhere.example,IP:127.0.0.1", -60, 3600);
    refused(*state, "localhost", true, "hostname mismatch");
}

static void an_expired_certificate_is_refused(void **state)
{
    serve_as(*state, "IP:127.0.0.1", -7200, -3600);
    refused(*state, "127.0.0.1", true, "expired");
}

static void an_unknown_issuer_is_refused(void **state)
{
    serve_as(*state, "IP:127.0.0.1", -60, 3600);
    refused(*state, "127.0.0.1", false, "self-signed");
}

static void garbage_on_the_port_is_closed(void **state)
{
    struct tls_lab *t = *state;
    serve_as(t, "IP:127.0.0.1", -60, 3600);
    struct peer *p = peer_connect(t->lab->loop, t->lab->port);
    peer_say(p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    lab_until(t->lab->loop, peer_ended(p));
    assert_false(peer_sees(p, "HTTP/1.1"));
    peer_free(p);
}

/* A ClientHello's first bytes and then silence: the HTTP connection's own time for a head covers it. */
static void a_handshake_that_never_ends_is_timed_out(void **state)
{
    struct tls_lab *t = *state;
    uint64_t end = io_now_us() + 15000000;
    serve_as(t, "IP:127.0.0.1", -60, 3600);
    struct peer *p = peer_connect(t->lab->loop, t->lab->port);
    peer_send(p, "\x16\x03\x01\x02\x00\x01\x00", 7, 7);
    while (!peer_ended(p) && io_now_us() < end)
        lab_turn(t->lab->loop);
    assert_true(p->ended);
    peer_free(p);
}

/* Cut under TLS, without close_notify: the end that notices must not take it for an orderly one. */
static void a_cut_connection_is_no_orderly_end(void **state)
{
    struct tls_lab *t = *state;
    uv_os_fd_t fd;
    open_both(t);
    int last = -1;
    struct sockaddr_in at;
    for (fd = 3; fd < 64; fd++) { /* the accepted end's socket: its own port is the server's */
        socklen_t len = sizeof at, peer_len = sizeof at;
        struct sockaddr_in far;
        if (getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.sin_family == AF_INET &&
            ntohs(at.sin_port) == t->lab->port && getpeername(fd, (struct sockaddr *)&far, &peer_len) == 0)
            last = fd;
    }
    assert_true(last >= 0);
    shutdown(last, SHUT_WR);
    lab_until(t->lab->loop, t->lab->out.closed == 1);
    assert_int_equal(t->lab->out.code, 1006);
    assert_string_equal(t->lab->out.reason, "TLS: connection cut off");
    lab_until(t->lab->loop, t->lab->in.closed == 1);
}

static void files_that_do_not_fit_are_named(void **state)
{
    struct tls_lab *t = *state;
    bool exposed;
    struct err err = {0};
    write_cert(t, "IP:127.0.0.1", -60, 3600);
    assert_int_equal(stream_tls_server("/nonexistent", t->key_file, &exposed, &t->server, &err), -ENOENT);
    assert_non_null(strstr(err.text, "--tls-cert /nonexistent"));
    assert_int_equal(stream_tls_server(t->key_file, t->key_file, &exposed, &t->server, &err), -EINVAL);
    assert_non_null(strstr(err.text, "no certificate"));
    assert_int_equal(stream_tls_server(t->cert, t->cert, &exposed, &t->server, &err), -EINVAL);
    assert_non_null(strstr(err.text, "not the private key"));
    chmod(t->key_file, 0644);
    assert_int_equal(stream_tls_server(t->cert, t->key_file, &exposed, &t->server, &err), 0);
    assert_true(exposed);
    assert_int_equal(stream_tls_client(t->key_file, &t->client, &err), -EINVAL);
    assert_non_null(strstr(err.text, "--ca"));
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, tls_set_up, tls_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tls_carries_messages_of_any_size),
        T(a_paused_reader_loses_nothing),
        T(a_peer_that_never_reads_costs_a_bounded_backlog),
        T(a_certificate_for_another_host_is_refused),
        T(a_certificate_for_another_name_is_refused),
        T(an_expired_certificate_is_refused),
        T(an_unknown_issuer_is_refused),
        T(garbage_on_the_port_is_closed),
        T(a_handshake_that_never_ends_is_timed_out),
        T(a_cut_connection_is_no_orderly_end),
        T(files_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
