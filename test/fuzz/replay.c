/*
 * test/fuzz/replay.c - runs a fuzz target over the files of directories, with any compiler
 *
 * This is the bounded part of fuzzing that belongs into every test run: each file of the corpus as it is,
 * each cut short in a few places, and each with a few bytes changed; always the same ones, so a failure
 * repeats. The file that was last named on stderr is the culprit.
 */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

enum { MAX_FILE = 1 << 20, CUTS = 8, CHANGES = 16 };

static void run(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void run_variants(uint8_t *data, size_t len)
{
    uint64_t state = len;
    run(data, len);
    for (int i = 0; i < CUTS && len > 0; i++)
        run(data, next_random(&state) % len);
    for (int i = 0; i < CHANGES && len > 0; i++) {
        const size_t at = next_random(&state) % len;
        const uint8_t old = data[at];
        data[at] = (uint8_t)(i % 2 ? old ^ 1u << next_random(&state) % 8 : next_random(&state));
        run(data, len);
        if (i % 4 == 3) /* let changes pile up, then return */
            data[at] = old;
    }
}

/** @return 1 when it was run, 0 when it is no regular file, -1 when it cannot be read */
static int run_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode))
        return 0;
    uint8_t *data = malloc(MAX_FILE);
    FILE *file = fopen(path, "rb");
    if (!data || !file) {
        free(data);
        if (file)
            fclose(file);
        return -1;
    }
    const size_t len = fread(data, 1, MAX_FILE, file);
    fclose(file);
    fprintf(stderr, "%s\n", path);
    run_variants(data, len);
    free(data);
    return 1;
}

static int run_directory(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char file[4096];
        const int len = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        const int rc = len < (int)sizeof(file) ? run_file(file) : -1;
        if (rc < 0) {
            fprintf(stderr, "%s: cannot be read\n", file);
            closedir(dir);
            return -1;
        }
        count += rc;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
        return 2;
    }
    run(NULL, 0);
    for (int i = 1; i < argc; i++) {
        const int count = run_directory(argv[i]);
        if (count <= 0) {
            fprintf(stderr, "%s: %s; a target without a corpus tests nothing\n", argv[i],
                    count < 0 ? "cannot be read" : "is empty");
            return 1;
        }
        printf("%s: %d files\n", argv[i], count);
    }
    return 0;
}
