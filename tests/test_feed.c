/* train/feed: every example once an epoch, in an order that seeds and windows decide. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/feed.h"

enum { N = 230 };

/* Examples 0 to N - 1: the first id is the number, the length goes up and down. */
struct source {
	int next;
	int waits; /* every third call, nothing comes */
	int calls;
};

static size_t
length_of(int i)
{
	return 2 + (size_t)(i * 37 % 101);
}

static enum feed_status
source_read(void *arg, struct example *x, struct err *e)
{
	struct source *s = arg;

	(void)e;
	if (s->waits && ++s->calls % 3 == 0)
		return FEED_WAIT;
	if (s->next == N)
		return FEED_END;
	*x = (struct example){ mem_alloc(length_of(s->next), sizeof(int)), length_of(s->next), 1 };
	x->ids[0] = s->next++;
	return FEED_EXAMPLE;
}

/* Their numbers in the order they come; how many. */
static size_t
run(struct feed_opts o, bool waits, int *out)
{
	struct source s = { .waits = waits };
	struct feed *f = feed_new(&o, source_read, &s);
	enum feed_status status;
	struct example x;
	struct err e;
	size_t n = 0;

	while ((status = feed_next(f, &x, &e)) != FEED_END) {
		ck_assert_int_ne(status, FEED_ERROR);
		if (status == FEED_WAIT)
			continue;
		ck_assert_uint_lt(n, 4 * N);
		ck_assert_uint_eq(x.n, length_of(x.ids[0]));
		ck_assert_uint_eq(x.loss_from, 1);
		out[n++] = x.ids[0];
		example_release(&x);
	}
	feed_free(f);
	return n;
}

static void
all_once(const int *v)
{
	bool seen[N] = { false };

	for (int i = 0; i < N; i++) {
		ck_assert(!seen[v[i]]);
		seen[v[i]] = true;
	}
}

static const struct feed_opts ways[] = {
	{ 1, 0, 0, 1, 1 << 20 }, { 3, 0, 0, 1, 1 << 20 }, { 3, 20, 0, 1, 1 << 20 },
	{ 2, 1000, 0, 1, 1 << 20 }, { 3, 0, 4, 1, 1 << 20 }, { 2, 30, 3, 1, 1 << 20 },
};

START_TEST(epochs)
{
	const struct feed_opts *o = &ways[_i];
	int v[4 * N], again[4 * N], other[4 * N];
	struct feed_opts seeded = *o;
	bool random = o->shuffle > 1 || o->group;

	seeded.seed = 2;
	ck_assert_uint_eq(run(*o, false, v), o->epochs * N);
	ck_assert_uint_eq(run(*o, true, again), o->epochs * N);
	ck_assert_mem_eq(v, again, o->epochs * N * sizeof *v);
	run(seeded, false, other);
	ck_assert((memcmp(v, other, N * sizeof *v) != 0) == random);
	for (size_t i = 0; i < o->epochs; i++)
		all_once(v + i * N);
	if (o->epochs > 1)
		ck_assert((memcmp(v, v + N, N * sizeof *v) != 0) == random);
	for (int i = 0; i < N && !random; i++)
		ck_assert_int_eq(v[i], i);
	/* a buffer of 20 looks 20 ahead, no further */
	for (int i = 0; i < N && !o->group && o->shuffle == 20; i++)
		ck_assert_int_lt(v[i], i + 20);
}
END_TEST

/* Within a batch lengths are closer together than among all. */
START_TEST(groups)
{
	int v[4 * N];
	size_t spread = 0;

	run(ways[4], false, v);
	for (int i = 0; i + 4 <= N; i += 4) {
		size_t low = 1000, high = 0;

		for (int j = i; j < i + 4; j++) {
			low = length_of(v[j]) < low ? length_of(v[j]) : low;
			high = length_of(v[j]) > high ? length_of(v[j]) : high;
		}
		spread += high - low;
	}
	ck_assert_uint_lt(spread / (N / 4), 12); /* of 101 */
}
END_TEST

START_TEST(spool)
{
	struct feed_opts o = { 2, 0, 0, 1, 5000 };
	struct source s = { 0 };
	struct feed *f = feed_new(&o, source_read, &s);
	enum feed_status status;
	struct example x;
	struct err e;

	while ((status = feed_next(f, &x, &e)) == FEED_EXAMPLE)
		example_release(&x);
	ck_assert_int_eq(status, FEED_ERROR);
	ck_assert_ptr_nonnull(strstr(e.msg, "--spool-limit"));
	feed_free(f);
	setenv("TMPDIR", "/nonexistent", 1);
	s = (struct source){ 0 };
	f = feed_new(&o, source_read, &s);
	ck_assert_int_eq(feed_next(f, &x, &e), FEED_ERROR);
	ck_assert_ptr_nonnull(strstr(e.msg, "/nonexistent"));
	feed_free(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("feed");
	TCase *t = tcase_create("feed");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, epochs, 0, (int)(sizeof ways / sizeof *ways));
	tcase_add_test(t, groups);
	tcase_add_test(t, spool);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
