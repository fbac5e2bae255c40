/* test/unit/ether/dhcp_test.c - DHCP messages on every truncation, options in odd places, words that are no names */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "ether/dhcp.h"
#include "guard.h"
#include "tether/ether.h"

enum { OPTIONS = 240, MESSAGE_MAX = 600 };
#define CARD UINT64_C(0x020000000001)

/* A message of a client with these options. @return its length */
static size_t message(uint8_t out[MESSAGE_MAX], const void *options, size_t len)
{
    memset(out, 0, MESSAGE_MAX);
    memcpy(out, "\1\1\6", 3);
    put_be32(out + 4, 0xcafe);
    put_be16(out + 10, 0x8000);
    put_be32(out + 12, 0x0a000001);
    ether_put_mac(out + 28, CARD);
    put_be32(out + 236, 0x63825363);
    memcpy(out + OPTIONS, options, len);
    return OPTIONS + len;
}

#define MESSAGE(out, options) message(out, options, sizeof(options) - 1)

static void reads_what_a_server_needs(void **state)
{
    (void)state;
    uint8_t out[MESSAGE_MAX];
    struct dhcp_message m;
    size_t len = MESSAGE(out, "\0\0\x35\1\3\x32\4\1\2\3\4\x36\4\5\6\7\x8\x3d\3abc\xc\3box\xff\x35");
    assert_true(dhcp_parse(out, len, &m));
    assert_true(m.type == DHCP_REQUEST && m.xid == 0xcafe && m.wants_broadcast && m.mac == CARD && m.ciaddr == 0x0a000001);
    assert_true(m.requested == 0x01020304 && m.server_id == 0x05060708 && m.has_client_id && m.client.len == 3);
    assert_memory_equal(m.client.bytes, "abc", 3);
    assert_string_equal(m.hostname, "box");
    len = MESSAGE(out, "\x35\1\1\xff");
    assert_true(dhcp_parse(out, len, &m) && !m.has_client_id);
    assert_true(m.client.len == 7 && m.client.bytes[0] == 1 && ether_get_mac(m.client.bytes + 1) == CARD);
}

static void never_reads_past_the_end(void **state)
{
    (void)state;
    static const char options[] = "\x35\1\3\x3d\3abc\xc\3box\x32\4\1\2\3\4";
    uint8_t out[MESSAGE_MAX];
    struct guard guard;
    struct dhcp_message m;
    guard_init(&guard, 4096);
    const size_t whole = message(out, options, sizeof options - 1);
    for (size_t len = 0; len <= whole; len++) { /* good where an option ends, the type having been read */
        bool good = len == OPTIONS + 3 || len == OPTIONS + 8 || len == OPTIONS + 13 || len == whole;
        assert_int_equal(dhcp_parse(guard_place(&guard, out, len), len, &m), good);
    }
    guard_done(&guard);
}

static void options_go_on_in_other_fields(void **state)
{
    (void)state;
    uint8_t out[MESSAGE_MAX];
    struct dhcp_message m;
    size_t len = MESSAGE(out, "\x34\1\3\xff");
    memcpy(out + 108, "\x35\1\1", 4); /* file */
    memcpy(out + 44, "\xc\4name", 7); /* sname */
    assert_true(dhcp_parse(out, len, &m) && m.type == DHCP_DISCOVER);
    assert_string_equal(m.hostname, "name");
    out[108 + 1] = 200; /* over the field's end */
    assert_false(dhcp_parse(out, len, &m));
    out[OPTIONS + 2] = 2; /* not told to look there */
    assert_false(dhcp_parse(out, len, &m)); /* and so without a type */
}

static void what_is_no_clients_message_is_refused(void **state)
{
    (void)state;
    uint8_t out[MESSAGE_MAX];
    struct dhcp_message m;
    const struct { size_t at; uint8_t value; } faults[] = {{0, 2}, {1, 6}, {2, 16}, {236, 0}, {28, 1}, {OPTIONS + 2, 9}, {OPTIONS + 2, 0}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        size_t len = MESSAGE(out, "\x35\1\1\xff");
        assert_true(dhcp_parse(out, len, &m));
        out[faults[i].at] = faults[i].value;
        assert_false(dhcp_parse(out, len, &m));
    }
}

static void names_are_names_and_identifiers_are_cut(void **state)
{
    (void)state;
    uint8_t out[MESSAGE_MAX], options[300] = {53, 1, 1, 12, 200};
    struct dhcp_message m;
    memset(options + 5, 'x', 200);
    size_t len = message(out, options, 205);
    assert_true(dhcp_parse(out, len, &m) && strlen(m.hostname) == DHCP_HOSTNAME_MAX);
    len = MESSAGE(out, "\x35\1\1\xc\7a b\"\n\x1b[");
    assert_true(dhcp_parse(out, len, &m));
    assert_string_equal(m.hostname, "a");
    options[3] = 61;
    len = message(out, options, 205);
    assert_true(dhcp_parse(out, len, &m) && m.client.len == DHCP_CLIENT_ID_MAX);
}

static void the_longest_answer_fits(void **state)
{
    (void)state;
    uint8_t out[DHCP_REPLY_MAX];
    struct dhcp_message m = {.type = DHCP_REQUEST, .mac = CARD, .has_client_id = true, .client = {.len = DHCP_CLIENT_ID_MAX}};
    struct dhcp_network n = {.server = 1, .mask = 2, .router = 3, .dns_count = DHCP_DNS_MAX, .mtu = 1400};
    memset(n.domain, 'x', DHCP_DOMAIN_MAX);
    size_t len = dhcp_make(out, DHCP_ACK, &m, &n, 4, 5);
    assert_true(len <= DHCP_REPLY_MAX && out[len - 1] == 255);
    assert_int_equal(dhcp_make(out, DHCP_NAK, &m, &n, 0, 0) >= DHCP_MIN_LEN, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_server_needs),
        cmocka_unit_test(never_reads_past_the_end),
        cmocka_unit_test(options_go_on_in_other_fields),
        cmocka_unit_test(what_is_no_clients_message_is_refused),
        cmocka_unit_test(names_are_names_and_identifiers_are_cut),
        cmocka_unit_test(the_longest_answer_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
