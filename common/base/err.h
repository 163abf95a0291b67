/* Errors as values: a function that can fail returns 0 or -1 and leaves one line in an `err`.
 * Libraries fill it, tools print it. The line names what failed (file, record, tensor) and, where
 * there is one, the remedy; it holds no newline. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

struct err {
	char msg[512];
};

/* Format the message; always returns -1, so that `return err_set(e, ...)` reads well.
 * `e` may be NULL. Control characters in the result are replaced by '?'. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "prefix: " before the message that is already there; returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
