/* base/text.c - see text.h */
#include "base/text.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the UTF-8 sequence that begins here; 0: there is none. */
static size_t sequence_len(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80) /* the NUL too */
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f, beyond = s[0] == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : len;
}

static void tame(char *text, bool quotes)
{
    unsigned char *s = (unsigned char *)text;
    while (*s != '\0') {
        size_t len = sequence_len(s);
        bool c1 = len == 2 && s[0] == 0xc2 && s[1] < 0xa0; /* control characters, too */
        if (len == 0 || *s < 0x20 || *s == 0x7f || c1 || (quotes && *s == '"'))
            *s = '?';
        s += len == 0 || c1 ? 1 : len;
    }
}

void text_tame(char *text)
{
    tame(text, true);
}

void text_printable(char *text)
{
    tame(text, false);
}

const char *text_number(const char *text, long min, long max, long *ret_number)
{
    const char *at = text;
    long number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > (LONG_MAX - 9) / 10)
            return NULL;
        number = number * 10 + (*at - '0');
    }
    if (at == text || number < min || number > max)
        return NULL;
    *ret_number = number;
    return at;
}
