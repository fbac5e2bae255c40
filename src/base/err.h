/*
 * base/err.h - what a start-up failure says
 *
 * Functions return 0 or -errno. Where the reader of the error is a person who started the program, they also fill a
 * struct err: one line naming the object and the remedy. main prints it once; nobody else does.
 */
#ifndef TETHER_BASE_ERR_H
#define TETHER_BASE_ERR_H

struct err {
    int code;       /**< -errno, 0 while nothing failed */
    char text[320]; /**< one line, no newline: "object: what is wrong; remedy" */
};

/**
 * Fill an error.
 *
 * @param e    may be NULL, then nothing is kept
 * @param code -errno; returned, so that callers can write `return err_set(e, -ENODEV, ...)`
 */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
