/* One line of progress on stderr, only when that is a terminal: count, rate, and the time left
 * where the total is known. Rewritten in place at most five times a second; erased at the end. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stddef.h>

struct progress {
	const char *what;  /* "records", "tokens" */
	size_t done, total; /* total 0: not known */
	double start, shown;
	int on;
};

void progress_init(struct progress *p, const char *what, size_t total);
void progress_add(struct progress *p, size_t n);
/* Erase it, so that something else can be printed; the next progress_add shows it again. */
void progress_clear(struct progress *p);
void progress_end(struct progress *p);
/* Seconds of the monotonic clock. */
double clock_now(void);

#endif
