#include "train/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"

enum { WINDOW = 50 }; /* batches that are grouped by length together */

struct list {
	struct example *v;
	size_t n, cap;
};

struct feed {
	struct feed_opts o;
	feed_read *read;
	void *arg;
	struct rng rng;
	FILE *spool;          /* NULL: none is needed, or nothing came */
	uint64_t spooled;     /* bytes */
	size_t epoch;         /* 0 the first */
	bool dry;             /* the epoch has no more to read */
	struct list buffer;   /* of those drawn at random */
	struct list window;   /* of those grouped by length */
	size_t *batches;      /* where its batches begin, in the order they are taken */
	size_t n_batches, at, in; /* the next one, and the next of that */
};

static void
list_add(struct list *l, struct example x)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = mem_grow(l->v, l->cap, sizeof *l->v);
	}
	l->v[l->n++] = x;
}

static void
list_release(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		example_release(&l->v[i]);
	free(l->v);
}

struct feed *
feed_new(const struct feed_opts *o, feed_read *read, void *arg)
{
	struct feed *f = mem_alloc(1, sizeof *f);

	*f = (struct feed){ .o = *o, .read = read, .arg = arg };
	rng_seed(&f->rng, o->seed);
	return f;
}

void
feed_free(struct feed *f)
{
	if (!f)
		return;
	if (f->spool)
		fclose(f->spool);
	list_release(&f->buffer);
	list_release(&f->window);
	free(f->batches);
	free(f);
}

static FILE *
open_spool(struct err *e)
{
	const char *dir = getenv("TMPDIR");
	struct buf path = { 0 };
	FILE *f = NULL;
	int fd;

	buf_printf(&path, "%s/sr-spool-XXXXXX", dir && *dir ? dir : "/tmp");
	fd = mkstemp(path.data); /* mode 0600 */
	if (fd >= 0) {
		unlink(path.data);
		f = fdopen(fd, "w+b");
	}
	if (!f)
		err_set(e, "%s: %s: TMPDIR names another folder for the records of later epochs",
			path.data, strerror(errno));
	buf_release(&path);
	return f;
}

/* Two numbers and the ids of an example that later epochs need. */
static int
spool_put(struct feed *f, const struct example *x, struct err *e)
{
	const size_t head[2] = { x->n, x->loss_from };

	if (!f->spool && !(f->spool = open_spool(e)))
		return -1;
	f->spooled += sizeof head + x->n * sizeof *x->ids;
	if (f->spooled > f->o.spool_limit)
		return err_set(e, "the records of an epoch take more than %.0f MB: see "
			"--spool-limit", (double)f->o.spool_limit * 1e-6);
	if (fwrite(head, sizeof head, 1, f->spool) != 1 ||
		fwrite(x->ids, sizeof *x->ids, x->n, f->spool) != x->n)
		return err_set(e, "the temporary file of later epochs: %s", strerror(errno));
	return 0;
}

static enum feed_status
spool_get(struct feed *f, struct example *x, struct err *e)
{
	size_t head[2];

	if (!f->spool || fread(head, sizeof head, 1, f->spool) != 1)
		return FEED_END;
	*x = (struct example){ mem_alloc(head[0], sizeof *x->ids), head[0], head[1] };
	if (fread(x->ids, sizeof *x->ids, x->n, f->spool) == x->n)
		return FEED_EXAMPLE;
	example_release(x);
	err_set(e, "the temporary file of later epochs is cut off");
	return FEED_ERROR;
}

/* The next example of the epoch, in the stream's order. */
static enum feed_status
in_order(struct feed *f, struct example *x, struct err *e)
{
	enum feed_status s;

	if (f->dry)
		return FEED_END;
	s = f->epoch > 0 ? spool_get(f, x, e) : f->read(f->arg, x, e);
	if (s == FEED_END)
		f->dry = true;
	if (s == FEED_EXAMPLE && f->epoch == 0 && f->o.epochs > 1 && spool_put(f, x, e) < 0) {
		example_release(x);
		return FEED_ERROR;
	}
	return s;
}

static enum feed_status
shuffled(struct feed *f, struct example *x, struct err *e)
{
	struct list *l = &f->buffer;
	size_t i;

	if (f->o.shuffle < 2)
		return in_order(f, x, e);
	while (l->n < f->o.shuffle && !f->dry) {
		enum feed_status s = in_order(f, x, e);

		if (s == FEED_ERROR || s == FEED_WAIT)
			return s;
		if (s == FEED_EXAMPLE)
			list_add(l, *x);
	}
	if (l->n == 0)
		return FEED_END;
	i = (size_t)rng_below(&f->rng, l->n);
	*x = l->v[i];
	l->v[i] = l->v[--l->n];
	return FEED_EXAMPLE;
}

static int
by_length(const void *a, const void *b)
{
	const struct example *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return memcmp(x->ids, y->ids, x->n * sizeof *x->ids); /* some order, always the same */
}

/* Batches of neighbours in length, in random order. */
static void
form_batches(struct feed *f)
{
	size_t n = (f->window.n + f->o.group - 1) / f->o.group;

	qsort(f->window.v, f->window.n, sizeof *f->window.v, by_length);
	f->batches = mem_grow(f->batches, n + 1, sizeof *f->batches);
	for (size_t i = 0; i < n; i++) {
		size_t j = (size_t)rng_below(&f->rng, i + 1);

		f->batches[i] = f->batches[j];
		f->batches[j] = i * f->o.group;
	}
	f->n_batches = n;
	f->at = f->in = 0;
}

static enum feed_status
grouped(struct feed *f, struct example *x, struct err *e)
{
	size_t from;

	if (f->o.group == 0)
		return shuffled(f, x, e);
	while (f->n_batches == 0) {
		enum feed_status s = shuffled(f, x, e);

		if (s == FEED_ERROR || s == FEED_WAIT)
			return s;
		if (s == FEED_EXAMPLE)
			list_add(&f->window, *x);
		if (s == FEED_END && f->window.n == 0)
			return FEED_END;
		if (s == FEED_END || f->window.n == WINDOW * f->o.group)
			form_batches(f);
	}
	from = f->batches[f->at] + f->in++;
	*x = f->window.v[from];
	f->window.v[from] = (struct example){ 0 };
	if (f->in == f->o.group || from + 1 == f->window.n) {
		f->in = 0;
		if (++f->at == f->n_batches)
			f->n_batches = f->window.n = 0;
	}
	return FEED_EXAMPLE;
}

enum feed_status
feed_next(struct feed *f, struct example *x, struct err *e)
{
	for (;;) {
		enum feed_status s = grouped(f, x, e);

		if (s != FEED_END || f->epoch + 1 >= f->o.epochs || !f->spool)
			return s;
		f->epoch++;
		f->dry = false;
		if (fflush(f->spool) != 0 || fseek(f->spool, 0, SEEK_SET) != 0) {
			err_set(e, "the temporary file of later epochs: %s", strerror(errno));
			return FEED_ERROR;
		}
	}
}
