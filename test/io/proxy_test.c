/* io/proxy_test.c - proxies as people and environments name them */
#include "io/proxy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/connect.h"

static struct proxy p;
static struct err err;

static int parse(const char *text)
{
    err = (struct err){0};
    p = (struct proxy){0};
    return proxy_parse("--proxy", text, &p, &err);
}

static void forms_of_an_address(void **state)
{
    (void)state;
    assert_int_equal(parse("http://proxy.example:3128"), 0);
    assert_string_equal(p.host, "proxy.example");
    assert_int_equal(p.port, 3128);
    assert_string_equal(p.basic, "");
    assert_int_equal(parse("HTTP://[2001:db8::1]:81/"), 0);
    assert_string_equal(p.host, "2001:db8::1");
    assert_int_equal(p.port, 81);
    assert_int_equal(parse("10.0.0.1"), 0);
    assert_int_equal(p.port, 8080);
}

/* RFC 7617 section 2: Aladdin */
static void name_and_password(void **state)
{
    (void)state;
    assert_int_equal(parse("http://Aladdin:open%20sesame@h:1"), 0);
    assert_string_equal(p.basic, "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_int_equal(parse("http://a:b@c:d%40@h:1"), 0); /* the last @ ends it */
    assert_string_equal(p.basic, "YTpiQGM6ZEA=");
    assert_int_equal(parse("http://a@h"), 0);
    assert_string_equal(p.basic, "YTo=");
}

static void nonsense_is_refused_without_repeating_a_password(void **state)
{
    static const char *const bad[] = {"", "http://", "http://h:0", "http://h:65536", "http://h:1x", "http://h:1/path", "https://h:1",
                                      "socks5://h:1", "http://[::1:80", "http://a:secret%4@h", "http://a:secret@", "http://h\nX: y"};
    char long_user[400] = "http://";
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i]), -EINVAL);
        assert_null(strstr(err.text, "secret"));
        assert_non_null(strstr(err.text, "--proxy"));
    }
    memset(long_user + 7, 'a', 200);
    memcpy(long_user + 207, ":x@h", 5);
    assert_int_equal(parse(long_user), -EINVAL);
}

static int from_environment(bool tls, const char *host)
{
    err = (struct err){0};
    return proxy_from_environment(tls, host, &p, &err);
}

static void the_environment_as_curl_reads_it(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY",
                                        "no_proxy", "NO_PROXY"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    assert_int_equal(from_environment(true, "server.example"), 0);
    assert_string_equal(p.host, "");
    setenv("HTTP_PROXY", "http://forged:1", 1); /* in capitals it may come from a web server's request */
    assert_int_equal(from_environment(false, "server.example"), 0);
    assert_string_equal(p.host, "");
    setenv("ALL_PROXY", "http://all:1", 1);
    setenv("https_proxy", "http://tls:2", 1);
    assert_int_equal(from_environment(false, "server.example"), 0);
    assert_string_equal(p.host, "all");
    assert_int_equal(from_environment(true, "server.example"), 0);
    assert_string_equal(p.host, "tls");
    setenv("no_proxy", "other.example, .example.org,192.0.2.1", 1);
    assert_int_equal(from_environment(true, "www.example.org"), 0);
    assert_string_equal(p.host, "");
    assert_int_equal(from_environment(true, "192.0.2.1"), 0);
    assert_string_equal(p.host, "");
    assert_int_equal(from_environment(true, "notexample.org"), 0);
    assert_string_equal(p.host, "tls");
    setenv("no_proxy", "*", 1);
    assert_int_equal(from_environment(true, "server.example"), 0);
    assert_string_equal(p.host, "");
    setenv("no_proxy", "", 1);
    setenv("https_proxy", "ftp://x", 1);
    assert_int_equal(from_environment(true, "server.example"), -EINVAL);
    assert_non_null(strstr(err.text, "https_proxy"));
}

static void what_is_asked_and_answered(void **state)
{
    char text[300];
    struct http_head head;
    (void)state;
    int len = http_connect_request(text, sizeof text, "2001:db8::1", 443, "YTpi");
    assert_int_equal(len, (int)strlen(text));
    assert_string_equal(text, "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\nProxy-Authorization: Basic YTpi\r\n\r\n");
    assert_int_equal(http_connect_request(text, 40, "server.example", 443, NULL), -ENOBUFS);
    static const struct {
        const char *text;
        enum http_connect verdict;
    } answers[] = {{"HTTP/1.0 200 Connection established\r\n\r\n", HTTP_CONNECT_OK},
                   {"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\n\r\n", HTTP_CONNECT_PASSWORD},
                   {"HTTP/1.1 401 Who?\r\n\r\n", HTTP_CONNECT_PASSWORD},
                   {"HTTP/1.1 403 No\r\n\r\n", HTTP_CONNECT_REFUSED},
                   {"HTTP/1.1 301 There\r\n\r\n", HTTP_CONNECT_REFUSED}};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        assert_int_equal(http_response_parse(answers[i].text, strlen(answers[i].text), &head), 0);
        assert_int_equal(http_connect_answer(&head), answers[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_an_address),
        cmocka_unit_test(name_and_password),
        cmocka_unit_test(nonsense_is_refused_without_repeating_a_password),
        cmocka_unit_test(the_environment_as_curl_reads_it),
        cmocka_unit_test(what_is_asked_and_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
