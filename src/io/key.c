/* io/key.c - see key.h */
#include "io/key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_LEN = 18, CHECK_LEN = 2, RAW_LEN = SECRET_LEN + CHECK_LEN, CHARS = 32 };

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static int digest(const char *label, const uint8_t *data, size_t len, uint8_t out[32])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
             EVP_DigestUpdate(md, label, strlen(label) + 1) && EVP_DigestUpdate(md, data, len) &&
             EVP_DigestFinal_ex(md, out, NULL);
    EVP_MD_CTX_free(md);
    return ok ? 0 : -EIO;
}

static int check_of(const uint8_t *secret, uint8_t out[CHECK_LEN])
{
    uint8_t hash[32];
    if (digest("tether key check 1", secret, SECRET_LEN, hash) < 0)
        return -EIO;
    memcpy(out, hash, CHECK_LEN);
    return 0;
}

static void to_text(const uint8_t raw[RAW_LEN], char *out)
{
    uint32_t bits = 0;
    int have = 0;
    size_t at = 0, chars = 0;
    for (size_t i = 0; i < RAW_LEN; i++) {
        bits = bits << 8 | raw[i];
        have += 8;
        while (have >= 5) {
            have -= 5;
            out[at++] = alphabet[bits >> have & 31];
            if (++chars % 4 == 0 && chars < CHARS)
                out[at++] = '-';
        }
    }
    out[at] = '\0';
}

/* @return 0 when the text is exactly CHARS letters of the alphabet, blanks and dashes aside */
static int from_text(const char *text, uint8_t raw[RAW_LEN])
{
    uint32_t bits = 0;
    int have = 0;
    size_t at = 0, chars = 0;
    for (; *text != '\0'; text++) {
        if (*text == '-' || isspace((unsigned char)*text))
            continue;
        const char *found = strchr(alphabet, tolower((unsigned char)*text));
        if (found == NULL || ++chars > CHARS)
            return -EINVAL;
        bits = bits << 5 | (uint32_t)(found - alphabet);
        have += 5;
        if (have >= 8) {
            have -= 8;
            raw[at++] = (uint8_t)(bits >> have);
        }
    }
    return chars == CHARS ? 0 : -EINVAL;
}

int key_generate(char ret_text[KEY_TEXT_LEN + 1], struct err *err)
{
    uint8_t raw[RAW_LEN];
    if (tls_random(raw, SECRET_LEN) < 0 || check_of(raw, raw + SECRET_LEN) < 0)
        return err_set(err, -EIO, "the system's random source failed");
    to_text(raw, ret_text);
    return 0;
}

static int parse_raw(const char *text, uint8_t raw[RAW_LEN], struct err *err)
{
    uint8_t check[CHECK_LEN];
    if (from_text(text, raw) < 0)
        return err_set(err, -EINVAL, "key: not eight groups of four letters and digits 2-7; `tether key` makes one");
    if (check_of(raw, check) < 0)
        return err_set(err, -EIO, "OpenSSL cannot compute SHA-256");
    if (memcmp(check, raw + SECRET_LEN, CHECK_LEN) != 0)
        return err_set(err, -EINVAL, "key: has a typing error; compare it with the server's");
    return 0;
}

int key_parse(const char *text, uint8_t ret_key[TLS_KEY_LEN], struct err *err)
{
    uint8_t raw[RAW_LEN];
    int failed = parse_raw(text, raw, err);
    return failed ? failed : digest("tether psk 1", raw, SECRET_LEN, ret_key);
}

static int read_line(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, buf, cap - 1);
    int failed = n < 0 ? -errno : 0;
    close(fd);
    if (failed)
        return failed;
    buf[n] = '\0';
    buf[strcspn(buf, "\r\n")] = '\0';
    return 0;
}

int key_from_option(const char *option, char ret_text[KEY_TEXT_LEN + 1], struct err *err)
{
    char line[256];
    uint8_t raw[RAW_LEN];
    if (option[0] == '@') {
        int failed = read_line(option + 1, line, sizeof line);
        if (failed)
            return err_set(err, failed, "--key %s: %s", option, strerror(-failed));
        option = line;
    }
    int failed = parse_raw(option, raw, err);
    if (!failed)
        to_text(raw, ret_text);
    return failed;
}

int state_read(const char *state_dir, const char *name, char *buf, size_t cap)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", state_dir, name);
    int failed = read_line(path, buf, cap);
    return failed == 0 && buf[0] == '\0' ? -ENOENT : failed;
}

int state_write(const char *state_dir, const char *name, const char *line, struct err *err)
{
    char path[512], fresh[528];
    snprintf(path, sizeof path, "%s/%s", state_dir, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    if (mkdir(state_dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s; --state-dir names another directory", state_dir, strerror(errno));
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s; --state-dir names another directory", fresh, strerror(errno));
    /* one left behind by a crash may have been made with other rights */
    int ok = fchmod(fd, 0600) == 0 && dprintf(fd, "%s\n", line) > 0 && fsync(fd) == 0;
    close(fd);
    if (!ok || rename(fresh, path) < 0) {
        int code = -errno;
        unlink(fresh);
        return err_set(err, code, "%s: %s; --state-dir names another directory", path, strerror(-code));
    }
    return 0;
}
