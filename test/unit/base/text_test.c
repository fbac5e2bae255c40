/* base/text_test.c - words from outside */
#include "base/text.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void expect(const char *given, const char *tamed, const char *printable)
{
    char text[64];
    snprintf(text, sizeof text, "%s", given);
    text_tame(text);
    assert_string_equal(text, tamed);
    snprintf(text, sizeof text, "%s", given);
    text_printable(text);
    assert_string_equal(text, printable);
}

static void what_would_mislead_a_reader_is_replaced(void **state)
{
    (void)state;
    expect("", "", "");
    expect("server stopped", "server stopped", "server stopped");
    expect("a\" level=\"error", "a? level=?error", "a\" level=\"error");
    expect("\x1b[2J\r\n\t\x7f", "?[2J????", "?[2J????");
    expect("\xc2\x85", "??", "??"); /* NEL, a C1 control character */
}

static void utf8_stays_and_what_is_none_does_not(void **state)
{
    (void)state;
    expect("Grüße, 世界 \xf0\x9f\x93\xb1", "Grüße, 世界 \xf0\x9f\x93\xb1", "Grüße, 世界 \xf0\x9f\x93\xb1");
    expect("\xff", "?", "?");
    expect("\xc3", "?", "?");                 /* cut */
    expect("\xe4\xb8", "??", "??");           /* cut */
    expect("\xf0\x9f\x93z", "???z", "???z");
    expect("\xc0\xaf", "??", "??");           /* overlong */
    expect("\xe0\x80\xaf", "???", "???");
    expect("\xf0\x80\x80\xaf", "????", "????");
    expect("\xed\xa0\x80", "???", "???");     /* a surrogate */
    expect("\xf4\x90\x80\x80", "????", "????"); /* beyond Unicode */
    expect("\x80", "?", "?");
}

/* RFC 3629's table, written another way: decode, and see whether encoding gives the same bytes. */
static void every_sequence_of_two_and_three_bytes_is_judged_right(void **state)
{
    (void)state;
    for (unsigned a = 0x80; a < 0x100; a++)
        for (unsigned b = 0x40; b < 0x100; b++)
            for (unsigned c = 0x7e; c < 0xc4; c++) {
                char text[4] = {(char)a, (char)b, (char)c, 0};
                unsigned point = (a & 15) << 12 | (b & 63) << 6 | (c & 63);
                int good3 = (a & 0xf0) == 0xe0 && (b & 0xc0) == 0x80 && (c & 0xc0) == 0x80 && point >= 0x800 &&
                            !(point >= 0xd800 && point < 0xe000);
                text_printable(text);
                int kept = (unsigned char)text[0] == a && (unsigned char)text[1] == b && (unsigned char)text[2] == c;
                unsigned pair = (a & 31) << 6 | (b & 63);
                int good2 = (a & 0xe0) == 0xc0 && (b & 0xc0) == 0x80 && pair >= 0xa0;
                assert_int_equal(kept, good3 || (good2 && c == 0x7e));
            }
}

static void a_number_is_digits_within_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long number;
        size_t len; /* 0: it is none */
    } cases[] = {
        {"1", 1, 1}, {"080x", 80, 3}, {"443/path", 443, 3}, {"61000-65535", 61000, 5}, {"65535", 65535, 5}, {"65536", 0, 0}, {"0", 0, 0},
        {"", 0, 0}, {" 80", 0, 0}, {"\t80", 0, 0}, {"+80", 0, 0}, {"-80", 0, 0}, {"x80", 0, 0}, {"80 ", 80, 2},
        {"9223372036854775807", 0, 0}, {"9223372036854775808", 0, 0}, {"99999999999999999999999999999999", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long number = -7;
        const char *end = text_number(cases[i].text, 1, 65535, &number);
        if (cases[i].len == 0) {
            assert_null(end);
            assert_int_equal(number, -7);
        } else {
            assert_ptr_equal(end, cases[i].text + cases[i].len);
            assert_int_equal(number, cases[i].number);
        }
    }
    long number;
    assert_non_null(text_number("1000000000000000", 0, LONG_MAX, &number));
    assert_true(number == 1000000000000000);
    assert_null(text_number("", 0, LONG_MAX, &number)); /* nothing is not 0 */
    assert_null(text_number("18446744073709551617", 0, LONG_MAX, &number)); /* nor 2^64 + 1 one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_mislead_a_reader_is_replaced),
        cmocka_unit_test(utf8_stays_and_what_is_none_does_not),
        cmocka_unit_test(every_sequence_of_two_and_three_bytes_is_judged_right),
        cmocka_unit_test(a_number_is_digits_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
