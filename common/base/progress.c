#include "base/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double
clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void
progress_init(struct progress *p, const char *what, size_t total)
{
	*p = (struct progress){ .what = what, .total = total, .on = isatty(STDERR_FILENO) };
	p->start = p->shown = clock_now();
}

void
progress_add(struct progress *p, size_t n)
{
	double now, rate;

	p->done += n;
	if (!p->on || (now = clock_now()) - p->shown < 0.2)
		return;
	p->shown = now;
	rate = (double)p->done / (now - p->start);
	fprintf(stderr, "\r\033[K%zu", p->done);
	if (p->total)
		fprintf(stderr, " of %zu", p->total);
	fprintf(stderr, " %s, %.*f/s", p->what, rate < 10 ? 1 : 0, rate);
	if (p->total > p->done && rate > 0) {
		unsigned long left = (unsigned long)((double)(p->total - p->done) / rate);

		fprintf(stderr, ", %lu:%02lu left", left / 60, left % 60);
	}
	fflush(stderr);
}

void
progress_clear(struct progress *p)
{
	if (p->on && p->shown > p->start)
		fputs("\r\033[K", stderr);
}

void
progress_end(struct progress *p)
{
	progress_clear(p);
	p->on = 0;
}
