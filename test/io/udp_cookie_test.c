/* test/io/udp_cookie_test.c - a cookie is good for whom it was made, and for a minute or two */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "io/udp_cookie.h"

enum { ID = 77 };

static struct udp_peer peer4(uint32_t addr, uint16_t port)
{
    struct udp_peer p = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&p.addr;
    *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(addr)}};
    return p;
}

/* @param last byte of the address, whose first four are those of 1.2.3.4 */
static struct udp_peer peer6(uint8_t last, uint16_t port)
{
    struct udp_peer p = {0};
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&p.addr;
    *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = {{{1, 2, 3, 4, [15] = last}}}};
    return p;
}

static void a_cookie_is_for_one_address_port_and_id(void **state)
{
    (void)state;
    struct udp_cookies c;
    const struct udp_peer all[] = {peer4(0x01020304, 5000), peer4(0x01020305, 5000), peer4(0x01020304, 5001), peer6(0, 5000),
                                   peer6(1, 5000), peer6(0, 5001)};
    uint8_t cookie[DATAGRAM_COOKIE_LEN];
    assert_int_equal(udp_cookies_init(&c, 0), 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        udp_cookie_make(&c, &all[i], ID, cookie);
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            assert_int_equal(udp_cookie_is_good(&c, &all[k], ID, cookie), i == k);
        assert_false(udp_cookie_is_good(&c, &all[i], ID + 1, cookie));
        assert_false(udp_cookie_is_good(&c, &all[i], ID | UINT64_C(1) << 63, cookie));
        for (size_t byte = 0; byte < sizeof cookie; byte++) {
            cookie[byte] ^= 1;
            assert_false(udp_cookie_is_good(&c, &all[i], ID, cookie));
            cookie[byte] ^= 1;
        }
    }
}

static void a_cookie_lives_for_one_to_two_minutes(void **state)
{
    (void)state;
    struct udp_cookies c;
    const struct udp_peer peer = peer4(0x01020304, 5000);
    uint8_t cookie[DATAGRAM_COOKIE_LEN], another[DATAGRAM_COOKIE_LEN];
    assert_int_equal(udp_cookies_init(&c, 1000), 0);
    udp_cookie_make(&c, &peer, ID, cookie);
    for (uint64_t now_ms = 1000; now_ms <= 1000 + UDP_COOKIE_MS; now_ms += 1000)
        udp_cookies_tick(&c, now_ms);
    udp_cookie_make(&c, &peer, ID, another);
    assert_memory_equal(cookie, another, sizeof cookie);
    udp_cookies_tick(&c, 1001 + UDP_COOKIE_MS);
    udp_cookie_make(&c, &peer, ID, another);
    assert_memory_not_equal(cookie, another, sizeof cookie);
    udp_cookies_tick(&c, 2001 + UDP_COOKIE_MS);
    assert_true(udp_cookie_is_good(&c, &peer, ID, cookie));
    assert_true(udp_cookie_is_good(&c, &peer, ID, another));
    udp_cookies_tick(&c, 1002 + 2 * UDP_COOKIE_MS);
    assert_false(udp_cookie_is_good(&c, &peer, ID, cookie));
    assert_true(udp_cookie_is_good(&c, &peer, ID, another));
}

/* Another server's, or ours before a restart. */
static void secrets_are_our_own(void **state)
{
    (void)state;
    struct udp_cookies one, two;
    const struct udp_peer peer = peer4(0x01020304, 5000);
    uint8_t cookie[DATAGRAM_COOKIE_LEN];
    assert_int_equal(udp_cookies_init(&one, 0), 0);
    assert_int_equal(udp_cookies_init(&two, 0), 0);
    udp_cookie_make(&one, &peer, ID, cookie);
    assert_false(udp_cookie_is_good(&two, &peer, ID, cookie));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_is_for_one_address_port_and_id),
        cmocka_unit_test(a_cookie_lives_for_one_to_two_minutes),
        cmocka_unit_test(secrets_are_our_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
