/* test/unit/ether/ether_frame_test.c - Ethernet headers on every truncation, tags, and addresses as text */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "guard.h"
#include "tether/ether.h"

static const uint8_t plain[] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 1, 2};
static const uint8_t tagged[] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 42, 8, 6, 7};
static const uint8_t twice[] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 3, 0x81, 0, 0, 42, 0x86, 0xdd, 7, 8};

static void reads_headers_with_and_without_tags(void **state)
{
    (void)state;
    struct ether_view v;
    uint8_t frame[64];
    memcpy(frame, plain, sizeof plain);
    assert_true(ether_parse(frame, sizeof plain, &v));
    assert_true(v.dst == UINT64_C(0x020000000009) && v.src == UINT64_C(0x020000000001));
    assert_true(v.type == ETHER_TYPE_IP4 && !v.tagged && v.vlan == ETHER_VLAN_NONE);
    assert_true(v.payload == frame + 14 && v.payload_len == 3);
    memcpy(frame, tagged, sizeof tagged);
    assert_true(ether_parse(frame, sizeof tagged, &v));
    assert_true(v.type == ETHER_TYPE_ARP && v.tagged && v.vlan == 42 && v.payload_len == 1);
    memcpy(frame, twice, sizeof twice);
    assert_true(ether_parse(frame, sizeof twice, &v));
    assert_true(v.type == ETHER_TYPE_IP6 && v.tagged && v.vlan == 3 && v.payload_len == 2);
    frame[14] = 0x0f, frame[15] = 0xff; /* VLAN 4095 */
    assert_false(ether_parse(frame, sizeof twice, &v));
}

static void never_reads_past_the_end(void **state)
{
    (void)state;
    struct guard guard;
    struct ether_view v;
    guard_init(&guard, 4096);
    const struct { const uint8_t *frame; size_t len, shortest; } cases[] = {
        {plain, sizeof plain, 14}, {tagged, sizeof tagged, 18}, {twice, sizeof twice, 22}};
    for (size_t i = 0; i < 3; i++)
        for (size_t len = 0; len <= cases[i].len; len++)
            assert_int_equal(ether_parse(guard_place(&guard, cases[i].frame, len), len, &v), len >= cases[i].shortest);
    guard_done(&guard);
}

static void tells_kinds_of_addresses(void **state)
{
    (void)state;
    assert_true(ether_is_group(ETHER_BROADCAST) && ether_is_group(UINT64_C(0x333300000001)));
    assert_false(ether_is_group(UINT64_C(0x020000000001)));
    assert_false(ether_is_station(0) || ether_is_station(ETHER_BROADCAST));
    assert_true(ether_is_station(UINT64_C(0x020000000001)));
    assert_true(ether_is_link_local(UINT64_C(0x0180c2000000)) && ether_is_link_local(UINT64_C(0x0180c200000f)));
    assert_false(ether_is_link_local(UINT64_C(0x0180c2000010)) || ether_is_link_local(ETHER_BROADCAST));
}

static void addresses_as_text_and_back(void **state)
{
    (void)state;
    char text[ETHER_MAC_TEXT_LEN + 1];
    uint64_t mac = 7;
    ether_mac_text(UINT64_C(0x02005e1000ff), text);
    assert_string_equal(text, "02:00:5e:10:00:ff");
    assert_int_equal(ether_mac_parse("02-00-5E-10-00-FF", &mac), 0);
    assert_true(mac == UINT64_C(0x02005e1000ff));
    const char *bad[] = {"", "02:00:5e:10:00", "02:00:5e:10:00:f", "02:00:5e:10:00:fg", "02:00:5e:10:00:ff:", "0200:5e:10:00:ff:",
                         "02.00.5e.10.00.ff", "+2:00:5e:10:00:ff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(ether_mac_parse(bad[i], &mac), -EINVAL);
    assert_true(mac == UINT64_C(0x02005e1000ff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_headers_with_and_without_tags),
        cmocka_unit_test(never_reads_past_the_end),
        cmocka_unit_test(tells_kinds_of_addresses),
        cmocka_unit_test(addresses_as_text_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
