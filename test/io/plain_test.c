/* io/plain_test.c - packets as bare messages, binary or base64 */
#include "io/plain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LARGEST = 65535 };

static int setup(void **state)
{
    return (*state = plain_new()) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    plain_free(*state);
    plain_free(NULL);
    return 0;
}

static int receive(struct plain *p, enum ws_opcode opcode, const void *data, size_t len, uint8_t **ret_packet)
{
    return plain_receive(p, opcode, data, len, true, ret_packet);
}

/* @return how the far end spoke last, as what is said to it shows */
static enum ws_opcode form(struct plain *p, const char *message)
{
    enum ws_opcode opcode;
    struct span out = plain_message(p, (const uint8_t *)"ab", 2, &opcode);
    assert_int_equal(out.len, strlen(message));
    assert_memory_equal(out.data, message, out.len);
    return opcode;
}

static void answers_take_the_form_heard_last(void **state)
{
    struct plain *p = *state;
    uint8_t *packet;
    assert_int_equal(form(p, "ab"), WS_BINARY);
    assert_int_equal(receive(p, WS_TEXT, "Y\nWI=\r\n", 7, &packet), 2);
    assert_memory_equal(packet, "ab", 2);
    assert_int_equal(form(p, "YWI="), WS_TEXT);
    assert_int_equal(receive(p, WS_BINARY, "", 0, &packet), 0); /* what is no packet says nothing of its sender */
    assert_int_equal(form(p, "YWI="), WS_TEXT);
    assert_int_equal(receive(p, WS_BINARY, "xyz", 3, &packet), 3);
    assert_memory_equal(packet, "xyz", 3);
    assert_int_equal(form(p, "ab"), WS_BINARY);
    assert_int_equal(receive(p, WS_TEXT, "????", 4, &packet), 0);
    assert_int_equal(receive(p, WS_TEXT, "YWI", 3, &packet), 0);
    assert_int_equal(form(p, "ab"), WS_BINARY);
}

static void a_packet_may_come_in_pieces(void **state)
{
    struct plain *p = *state;
    static const char text[] = "YWJjZGVmZ2g=";
    uint8_t *packet = NULL;
    for (size_t cut = 0; cut < sizeof text; cut++) {
        assert_int_equal(plain_receive(p, WS_TEXT, (const uint8_t *)text, cut, false, &packet), 0);
        assert_int_equal(plain_receive(p, WS_TEXT, (const uint8_t *)text + cut, sizeof text - 1 - cut, true, &packet), 8);
        assert_memory_equal(packet, "abcdefgh", 8);
        assert_int_equal(plain_receive(p, WS_BINARY, (const uint8_t *)text, cut, false, &packet), 0);
        assert_int_equal(plain_receive(p, WS_BINARY, (const uint8_t *)text + cut, sizeof text - 1 - cut, true, &packet), 12);
        assert_memory_equal(packet, text, 12);
    }
}

/* The largest packet passes both ways in either form, one byte more is dropped, and much more is an error. */
static void the_largest_packet_passes(void **state)
{
    struct plain *p = *state;
    static uint8_t large[LARGEST + 1], message[100 * 1024];
    enum ws_opcode opcode;
    uint8_t *packet;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 7 >> 3);
    assert_int_equal(receive(p, WS_BINARY, large, LARGEST, &packet), LARGEST);
    assert_memory_equal(packet, large, LARGEST);
    assert_int_equal(receive(p, WS_TEXT, "YWI=", 4, &packet), 2);
    struct span out = plain_message(p, large, LARGEST, &opcode);
    assert_int_equal(opcode, WS_TEXT);
    memcpy(message, out.data, out.len);
    assert_int_equal(receive(p, WS_TEXT, message, out.len, &packet), LARGEST);
    assert_memory_equal(packet, large, LARGEST);
    assert_int_equal(receive(p, WS_BINARY, large, LARGEST + 1, &packet), 0);
    assert_int_equal(receive(p, WS_BINARY, message, sizeof message, &packet), -EMSGSIZE);
    memset(message, 'A', sizeof message);
    assert_int_equal(receive(p, WS_TEXT, message, 96 * 1024, &packet), 0); /* 72 KB */
    assert_int_equal(receive(p, WS_BINARY, "xyz", 3, &packet), 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(answers_take_the_form_heard_last), T(a_packet_may_come_in_pieces), T(the_largest_packet_passes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
