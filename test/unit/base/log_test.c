/* base/log_test.c - lines for people and lines for programs */
#include "base/log.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char said[8192];

/* What a call writes to stderr, in said[]. */
#define SAY(call)                                                                                                                \
    do {                                                                                                                         \
        FILE *to = tmpfile();                                                                                                    \
        fflush(stderr);                                                                                                          \
        int kept = dup(STDERR_FILENO);                                                                                           \
        dup2(fileno(to), STDERR_FILENO);                                                                                         \
        call;                                                                                                                    \
        fflush(stderr);                                                                                                          \
        dup2(kept, STDERR_FILENO);                                                                                               \
        close(kept);                                                                                                             \
        rewind(to);                                                                                                              \
        said[fread(said, 1, sizeof said - 1, to)] = '\0';                                                                        \
        fclose(to);                                                                                                              \
    } while (0)

static void a_line_has_time_level_role_peer_event_and_pairs(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    SAY(log_info("server", "192.0.2.1:99", "laptop up", "session=%x resumed=%s", 0x1f, "no"));
    int len = 0;
    assert_int_equal(sscanf(said, "%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ %n", &len), 0);
    assert_string_equal(said + len, "info server[192.0.2.1:99] laptop up session=1f resumed=no\n");
    SAY(log_warn("client", NULL, "no phone", NULL));
    assert_non_null(strstr(said, "Z warn client no phone\n"));
}

static void lower_levels_are_silent(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_WARN, false);
    SAY(log_info("client", NULL, "quiet", NULL));
    assert_string_equal(said, "");
    SAY(log_error("client", NULL, "loud", NULL));
    assert_non_null(strstr(said, "error client loud"));
    assert_true(log_enabled(LOG_LEVEL_WARN) && !log_enabled(LOG_LEVEL_INFO));
    log_setup(LOG_LEVEL_DEBUG, true);
    SAY(log_debug("client", NULL, "details", NULL));
    assert_non_null(strstr(said, "\"debug\""));
}

static json_t *said_json(void)
{
    json_error_t why;
    json_t *line = json_loads(said, JSON_REJECT_DUPLICATES, &why);
    if (line == NULL)
        fail_msg("%s: %s", why.text, said);
    assert_non_null(strchr(said, '\n'));
    assert_string_equal(strchr(said, '\n'), "\n"); /* one line */
    return line;
}

static const char *member(json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text != NULL ? text : "(none)";
}

static void json_lines_hold_the_same(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, true);
    SAY(log_warn("server", "[2001:db8::1]:9", "refused", "why=\"%s\" count=%d empty= last=\"x\"", "wrong key: other one", 3));
    json_t *line = said_json();
    assert_string_equal(member(line, "level"), "warn");
    assert_string_equal(member(line, "role"), "server");
    assert_string_equal(member(line, "peer"), "[2001:db8::1]:9");
    assert_string_equal(member(line, "event"), "refused");
    assert_string_equal(member(line, "why"), "wrong key: other one");
    assert_string_equal(member(line, "count"), "3");
    assert_string_equal(member(line, "empty"), "");
    assert_string_equal(member(line, "last"), "x");
    json_decref(line);
}

static void nothing_from_outside_breaks_a_line(void **state)
{
    (void)state;
    static const char *const nasty[] = {"a\\", "\\\\\"", "\"", "\x1b[31m\n\r", "\xff\xfe", "\xe4\xb8", "Grüße 世界", "a b=c", "=", ""};
    for (int json = 0; json < 2; json++) {
        log_setup(LOG_LEVEL_INFO, json);
        for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
            SAY(log_info("client", NULL, "said", "reason=\"%s\"", nasty[i]));
            assert_int_equal(strcspn(said, "\n") + 1, strlen(said));
            assert_null(strpbrk(said, "\x1b\r\xff\xfe"));
            if (json)
                json_decref(said_json());
        }
    }
}

static void long_values_are_cut_and_the_line_stays_whole(void **state)
{
    (void)state;
    char lengthy[2000] = "";
    for (size_t i = 0; i + 3 < sizeof lengthy; i += 3)
        memcpy(lengthy + i, "世", 4);
    log_setup(LOG_LEVEL_INFO, true);
    for (int shift = 0; shift < 4; shift++) { /* wherever the cut falls in a character */
        SAY(log_info("client", NULL, "long", "pad=%.*s reason=\"%s\" lost=yes", shift, "xxxx", lengthy));
        json_t *line = said_json();
        assert_true(strlen(member(line, "reason")) > 600);
        json_decref(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_role_peer_event_and_pairs),
        cmocka_unit_test(lower_levels_are_silent),
        cmocka_unit_test(json_lines_hold_the_same),
        cmocka_unit_test(nothing_from_outside_breaks_a_line),
        cmocka_unit_test(long_values_are_cut_and_the_line_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
