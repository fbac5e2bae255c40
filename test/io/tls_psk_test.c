/*
 * test/io/tls_psk_test.c - both ends of TLS joined by queues, cut at sizes of the test's choice
 *
 * What our two ends would get wrong together is tried against OpenSSL itself: a server that shows a certificate, and a
 * client that watches the records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/tls_psk.h"

enum { QUEUE = 512 * 1024, BATCH = 64 * 1024, WHOLE = QUEUE };

static const uint8_t key_a[TLS_KEY_LEN] = {1, 2, 3}, key_b[TLS_KEY_LEN] = {1, 2, 4};

struct end {
    struct tls_context *context;
    struct tls *tls;
    int ready, failed;
    size_t len;     /* ciphertext on its way to the other end */
    size_t got;     /* plain bytes received */
    uint32_t sum;   /* over them, order included */
    uint8_t *queue;
};

static uint32_t add_up(uint32_t sum, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ data[i]) * 16777619u;
    return sum;
}

static int on_out(void *ctx, const uint8_t *data, size_t len)
{
    struct end *e = ctx;
    assert_true(e->len + len <= QUEUE);
    memcpy(e->queue + e->len, data, len);
    e->len += len;
    return 0;
}

static int on_plain(void *ctx, uint8_t *data, size_t len)
{
    struct end *e = ctx;
    e->sum = add_up(e->sum, data, len);
    e->got += len;
    memset(data, 0, len); /* it is ours to change */
    return 0;
}

static int on_ready(void *ctx)
{
    ((struct end *)ctx)->ready++;
    return 0;
}

static const struct tls_ops ops = {.out = on_out, .plain = on_plain, .ready = on_ready};

static void end_open(struct end *e, bool server, const uint8_t *key)
{
    *e = (struct end){.queue = malloc(QUEUE)};
    assert_non_null(e->queue);
    assert_int_equal(tls_context_new(server, key, &e->context, NULL), 0);
    assert_int_equal(tls_new(e->context, &ops, e, &e->tls), 0);
}

static void end_close(struct end *e)
{
    tls_free(e->tls);
    tls_context_free(e->context);
    free(e->queue);
}

/* Hand what one end sent to the other, in pieces of exactly `cut` bytes as long as they last. */
static void hand_over(struct end *from, struct end *to, size_t cut)
{
    uint8_t *data = malloc(QUEUE);
    size_t len = from->len;
    memcpy(data, from->queue, len);
    from->len = 0;
    for (size_t at = 0; at < len && to->failed == 0; at += cut) {
        size_t n = len - at < cut ? len - at : cut;
        uint8_t *piece = malloc(n); /* a sanitizer sees the first byte too far, and a use after the call */
        memcpy(piece, data + at, n);
        to->failed = tls_receive(to->tls, piece, n);
        free(piece);
    }
    free(data);
}

static void settle(struct end *a, struct end *b, size_t cut)
{
    while ((a->len > 0 && b->failed == 0) || (b->len > 0 && a->failed == 0)) {
        if (b->failed == 0)
            hand_over(a, b, cut);
        if (a->failed == 0)
            hand_over(b, a, cut);
    }
}

static void connect_ends(struct end *client, struct end *server, size_t cut)
{
    end_open(client, false, key_a);
    end_open(server, true, key_a);
    assert_int_equal(tls_start(client->tls), 0);
    settle(client, server, cut);
    assert_int_equal(client->failed, 0);
    assert_int_equal(server->failed, 0);
    assert_int_equal(client->ready, 1);
    assert_int_equal(server->ready, 1);
}

static void send_and_compare(struct end *from, struct end *to, size_t total, size_t cut)
{
    static const size_t sizes[] = {1, 100, 1504, 16384, 16385, BATCH};
    uint8_t *batch = malloc(BATCH);
    uint32_t sum = to->sum;
    size_t want = to->got + total;
    for (size_t i = 0; total > 0; i++) {
        size_t n = sizes[i % (sizeof sizes / sizeof sizes[0])];
        n = n < total ? n : total;
        for (size_t k = 0; k < n; k++)
            batch[k] = (uint8_t)(k * 7 + i + k / 251);
        sum = add_up(sum, batch, n);
        total -= n;
        assert_int_equal(tls_send(from->tls, batch, n), 0);
        hand_over(from, to, cut);
        assert_int_equal(to->failed, 0);
    }
    assert_int_equal(to->got, want);
    assert_int_equal(to->sum, sum);
    free(batch);
}

static void data_arrives_whole_however_it_is_cut(void **state)
{
    (void)state;
    static const struct {
        size_t cut, total;
    } rows[] = {{1, 150 * 1000}, {7, 350 * 1000}, {100, 2000 * 1000}, {WHOLE, 2500 * 1000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct end client, server;
        connect_ends(&client, &server, rows[i].cut);
        send_and_compare(&client, &server, rows[i].total, rows[i].cut);
        send_and_compare(&server, &client, rows[i].total, rows[i].cut);
        end_close(&client);
        end_close(&server);
    }
}

static void nothing_is_sent_before_the_handshake(void **state)
{
    (void)state;
    struct end client;
    end_open(&client, false, key_a);
    assert_int_equal(tls_send(client.tls, (const uint8_t *)"x", 1), -ENOTCONN);
    assert_int_equal(client.len, 0);
    assert_int_equal(tls_start(client.tls), 0);
    assert_int_equal(tls_send(client.tls, (const uint8_t *)"x", 1), -ENOTCONN);
    end_close(&client);
}

static void a_wrong_key_is_told_to_both_and_lets_nothing_through(void **state)
{
    (void)state;
    for (size_t cut = 1; cut <= WHOLE; cut *= 64) {
        struct end client, server;
        end_open(&client, false, key_a);
        end_open(&server, true, key_b);
        assert_int_equal(tls_start(client.tls), 0);
        settle(&client, &server, cut);
        assert_int_equal(server.failed, -EKEYREJECTED);
        assert_int_equal(client.failed, -EKEYREJECTED);
        assert_int_equal(client.ready + server.ready, 0);
        assert_int_equal(client.got + server.got, 0);
        end_close(&client);
        end_close(&server);
    }
}

static void garbage_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10}, /* a hello without anything in it */
        {"\x17\x03\x03\x00\x05hello", 10},                /* data before a handshake */
        {"\x16\x03\x03\xff\xff\x01", 6},                  /* longer than a record may be */
        {"\x15\x03\x03\x00\x02\x02\x28", 7},              /* an alert */
        {"\x00\x00\x00\x00\x00\x00\x00\x00", 8},
    };
    for (int server = 0; server < 2; server++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct end e, far;
            end_open(&e, server, key_a);
            end_open(&far, !server, key_a);
            if (!server)
                assert_int_equal(tls_start(e.tls), 0);
            memcpy(far.queue, rows[i].bytes, rows[i].len);
            far.len = rows[i].len;
            hand_over(&far, &e, 1 + i % 3);
            assert_true(e.failed < 0);
            assert_int_equal(e.ready, 0);
            assert_int_equal(e.got, 0);
            end_close(&e);
            end_close(&far);
        }
    }
}

static void random_bytes_in_the_hello_never_pass(void **state)
{
    (void)state;
    struct end client;
    end_open(&client, false, key_a);
    assert_int_equal(tls_start(client.tls), 0);
    for (size_t at = 0; at < client.len; at++) {
        struct end server;
        end_open(&server, true, key_a);
        memcpy(server.queue, client.queue, client.len);
        server.queue[at] ^= 0x55;
        /* It may wait for more where a length grew; it must never take the far end for one that has the key. */
        server.failed = tls_receive(server.tls, server.queue, client.len);
        assert_int_equal(server.ready, 0);
        end_close(&server);
    }
    end_close(&client);
}

static void a_changed_or_repeated_record_ends_the_connection(void **state)
{
    (void)state;
    for (int repeat = 0; repeat < 2; repeat++) {
        struct end client, server;
        connect_ends(&client, &server, WHOLE);
        assert_int_equal(tls_send(client.tls, (const uint8_t *)"payload", 7), 0);
        if (repeat) {
            memcpy(client.queue + client.len, client.queue, client.len);
            client.len *= 2;
        } else {
            client.queue[client.len - 20] ^= 1;
        }
        hand_over(&client, &server, WHOLE);
        assert_int_equal(server.failed, -EPROTO);
        assert_int_equal(server.got, repeat ? 7 : 0);
        end_close(&client);
        end_close(&server);
    }
}

/* --- against OpenSSL --- */

struct raw {
    SSL_CTX *context;
    SSL *ssl;
    int key_updates; /* sent or received */
};

static void on_message(int write, int version, int type, const void *buf, size_t len, SSL *ssl, void *arg)
{
    (void)write, (void)version, (void)ssl;
    if (type == SSL3_RT_HANDSHAKE && len > 0 && *(const uint8_t *)buf == SSL3_MT_KEY_UPDATE)
        ((struct raw *)arg)->key_updates++;
}

static SSL_SESSION *raw_session(SSL *ssl)
{
    static const unsigned char suite[] = {0x13, 0x01};
    SSL_SESSION *s = SSL_SESSION_new();
    assert_true(SSL_SESSION_set1_master_key(s, key_a, sizeof key_a));
    assert_true(SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, suite)));
    assert_true(SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION));
    return s;
}

static int raw_use_key(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **ret)
{
    (void)md;
    *id = (const unsigned char *)"tether";
    *id_len = 6;
    *ret = raw_session(ssl);
    return 1;
}

static void raw_open(struct raw *r, bool server)
{
    *r = (struct raw){.context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method())};
    if (!server)
        SSL_CTX_set_psk_use_session_callback(r->context, raw_use_key);
    r->ssl = SSL_new(r->context);
    SSL_set_msg_callback(r->ssl, on_message);
    SSL_set_msg_callback_arg(r->ssl, r);
    SSL_set_bio(r->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (server)
        SSL_set_accept_state(r->ssl);
    else
        SSL_set_connect_state(r->ssl);
}

static void raw_close(struct raw *r)
{
    SSL_free(r->ssl);
    SSL_CTX_free(r->context);
}

/* One round between OpenSSL and an end of ours. */
static void raw_round(struct raw *r, struct end *e)
{
    static uint8_t buf[QUEUE];
    SSL_do_handshake(r->ssl);
    int n = BIO_read(SSL_get_wbio(r->ssl), buf, sizeof buf);
    if (n > 0 && e->failed == 0)
        e->failed = tls_receive(e->tls, buf, (size_t)n);
    if (e->len > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(r->ssl), e->queue, (int)e->len), (int)e->len);
    e->len = 0;
}

static void show_certificate(struct raw *r)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_non_null(key);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"tether", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_use_certificate(r->ssl, cert), 1);
    assert_int_equal(SSL_use_PrivateKey(r->ssl, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void a_server_with_a_certificate_and_no_key_is_refused(void **state)
{
    (void)state;
    struct raw server;
    struct end client;
    raw_open(&server, true);
    show_certificate(&server);
    end_open(&client, false, key_a);
    assert_int_equal(tls_start(client.tls), 0);
    for (int i = 0; i < 6; i++)
        raw_round(&server, &client);
    assert_int_equal(client.failed, -EKEYREJECTED);
    assert_int_equal(client.ready, 0);
    assert_int_equal(SSL_is_init_finished(server.ssl), 0);
    end_close(&client);
    raw_close(&server);
}

static void raw_connect(struct raw *client, struct end *server)
{
    raw_open(client, false);
    end_open(server, true, key_a);
    for (int i = 0; i < 6; i++)
        raw_round(client, server);
    assert_int_equal(server->failed, 0);
    assert_int_equal(server->ready, 1);
    assert_true(SSL_session_reused(client->ssl));
}

static void old_versions_and_other_names_are_refused(void **state)
{
    (void)state;
    struct raw client;
    struct end server;
    raw_open(&client, false);
    SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION);
    end_open(&server, true, key_a);
    for (int i = 0; i < 4; i++)
        raw_round(&client, &server);
    assert_true(server.failed < 0);
    assert_int_equal(server.ready, 0);
    end_close(&server);
    raw_close(&client);
    raw_open(&client, false);
    SSL_set_psk_use_session_callback(client.ssl, NULL); /* no key at all: an ordinary TLS client */
    end_open(&server, true, key_a);
    for (int i = 0; i < 4; i++)
        raw_round(&client, &server);
    assert_int_equal(server.failed, -EKEYREJECTED);
    assert_int_equal(server.ready, 0);
    end_close(&server);
    raw_close(&client);
}

static void a_key_update_of_the_far_end_is_followed_and_answered(void **state)
{
    (void)state;
    struct raw client;
    struct end server;
    char buf[16];
    raw_connect(&client, &server);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(client.ssl, "ping", 4), 4);
        raw_round(&client, &server);
        assert_int_equal(server.failed, 0);
        assert_int_equal(server.got, 4 * (i + 1));
        assert_int_equal(tls_send(server.tls, (const uint8_t *)"pong", 4), 0);
        raw_round(&client, &server);
        assert_int_equal(SSL_read(client.ssl, buf, sizeof buf), 4);
        assert_int_equal(client.key_updates, 2 * (i + 1)); /* its own and our answer */
    }
    end_close(&server);
    raw_close(&client);
}

/* Ours comes after a GB; the time for that much is bounded, since the machine may be busy with other tests. */
static void traffic_keys_change_after_a_gigabyte(void **state)
{
    (void)state;
    static uint8_t batch[BATCH];
    struct raw client;
    struct end server;
    size_t sent = 0, read = 0;
    const clock_t start = clock();
    raw_connect(&client, &server);
    while (client.key_updates == 0 && sent <= (1u << 30) + 4 * BATCH) {
        assert_int_equal(tls_send(server.tls, batch, BATCH), 0);
        assert_int_equal(BIO_write(SSL_get_rbio(client.ssl), server.queue, (int)server.len), (int)server.len);
        server.len = 0;
        sent += BATCH;
        for (int n; (n = SSL_read(client.ssl, batch, sizeof batch)) > 0;)
            read += (size_t)n;
        if (clock() - start > 20 * CLOCKS_PER_SEC)
            break;
    }
    if (clock() - start > 20 * CLOCKS_PER_SEC)
        print_message("skipped: this machine takes over 20 s for a GB\n");
    else
        assert_int_equal(client.key_updates, 1);
    assert_int_equal(read, sent);
    end_close(&server);
    raw_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_arrives_whole_however_it_is_cut),
        cmocka_unit_test(nothing_is_sent_before_the_handshake),
        cmocka_unit_test(a_wrong_key_is_told_to_both_and_lets_nothing_through),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(random_bytes_in_the_hello_never_pass),
        cmocka_unit_test(a_changed_or_repeated_record_ends_the_connection),
        cmocka_unit_test(a_server_with_a_certificate_and_no_key_is_refused),
        cmocka_unit_test(old_versions_and_other_names_are_refused),
        cmocka_unit_test(a_key_update_of_the_far_end_is_followed_and_answered),
        cmocka_unit_test(traffic_keys_change_after_a_gigabyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
