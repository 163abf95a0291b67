/* Sampling: each cut against a distribution where its result is known; and the statistics of
 * scores. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "bias/stats.h"
#include "infer/sample.h"

#define N(a) ((int)(sizeof(a) / sizeof(a)[0]))
enum { V = 5, DRAWS = 4000 };

/* Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 in mixed order. */
static const double p[V] = { 0.125, 0.5, 0.0625, 0.25, 0.0625 };

static const struct {
	struct sampling s;
	double want[V]; /* shares of the draws; 0: never */
} cases[] = {
	{ { .temperature = 1, .top_p = 1, .repeat_penalty = 1 },
		{ 0.125, 0.5, 0.0625, 0.25, 0.0625 } },
	{ { .temperature = 1, .top_k = 2, .top_p = 1, .repeat_penalty = 1 },
		{ 0, 2. / 3, 0, 1. / 3, 0 } },
	{ { .temperature = 1, .top_k = 99, .top_p = 1, .repeat_penalty = 1 },
		{ 0.125, 0.5, 0.0625, 0.25, 0.0625 } },
	{ { .temperature = 1, .top_p = 0.6, .repeat_penalty = 1 }, { 0, 2. / 3, 0, 1. / 3, 0 } },
	{ { .temperature = 1, .top_p = 0.01, .repeat_penalty = 1 }, { 0, 1, 0, 0, 0 } },
	{ { .temperature = 1, .top_p = 1, .min_p = 0.2, .repeat_penalty = 1 },
		{ 1. / 7, 4. / 7, 0, 2. / 7, 0 } },
	{ { .temperature = 1, .top_p = 1, .min_p = 1, .repeat_penalty = 1 }, { 0, 1, 0, 0, 0 } },
	/* of the three that top-k leaves, top-p takes two: 0.875 * 0.8 = 0.7 */
	{ { .temperature = 1, .top_k = 3, .top_p = 0.8, .repeat_penalty = 1 },
		{ 0, 2. / 3, 0, 1. / 3, 0 } },
	{ { .temperature = 0.5, .top_p = 1, .top_k = 2, .repeat_penalty = 1 },
		{ 0, 0.8, 0, 0.2, 0 } },
	{ { .temperature = 1e-9, .top_p = 1, .repeat_penalty = 1 }, { 0, 1, 0, 0, 0 } },
	{ { .temperature = 0, .top_p = 1, .repeat_penalty = 1 }, { 0, 1, 0, 0, 0 } },
};

START_TEST(shares)
{
	double count[V] = { 0 };
	struct rng r;

	rng_seed(&r, 7);
	for (int i = 0; i < DRAWS; i++) {
		float logits[V];
		int id;

		for (int v = 0; v < V; v++)
			logits[v] = (float)log(p[v]) + 3;
		id = sample(&cases[_i].s, logits, V, NULL, 0, &r);
		ck_assert_int_ge(id, 0);
		ck_assert_int_lt(id, V);
		count[id] += 1. / DRAWS;
	}
	for (int v = 0; v < V; v++)
		if (cases[_i].want[v] == 0 || cases[_i].want[v] == 1)
			ck_assert_double_eq_tol(count[v], cases[_i].want[v], 1e-9);
		else
			ck_assert_double_eq_tol(count[v], cases[_i].want[v], 0.03);
}
END_TEST

START_TEST(greedy_ties_and_nan)
{
	struct sampling s = { .top_p = 1, .repeat_penalty = 1 };
	float ties[V] = { 1, 3, 3, 2, 3 }, nans[V] = { NAN, -2, NAN, -1, -3 };
	float none[V] = { NAN, NAN, NAN, NAN, NAN }, one[V] = { -INFINITY, NAN, -INFINITY, 5, 4 };
	struct rng r;

	rng_seed(&r, 1);
	ck_assert_int_eq(sample(&s, ties, V, NULL, 0, &r), 1);
	ck_assert_int_eq(sample(&s, nans, V, NULL, 0, &r), 3);
	ck_assert_int_eq(sample(&s, none, V, NULL, 0, &r), 0);
	s.temperature = 1;
	ck_assert_int_eq(sample(&s, none, V, NULL, 0, &r), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_ge(sample(&s, one, V, NULL, 0, &r), 3);
}
END_TEST

START_TEST(penalty)
{
	struct sampling s = { .top_p = 1, .repeat_penalty = 2, .repeat_last = 3 };
	static const int recent[] = { 0, 4, 1, 1 }; /* the 0 is too long ago; 1 counts once */
	float logits[V] = { 4, 6, 1, -1, -1 };
	struct rng r;

	rng_seed(&r, 1);
	ck_assert_int_eq(sample(&s, logits, V, recent, 4, &r), 0);
	ck_assert_float_eq(logits[1], 3);
	ck_assert_float_eq(logits[4], -2);
	ck_assert_float_eq(logits[3], -1);
}
END_TEST

START_TEST(log_probs)
{
	float logits[V], far[2] = { 1000, 0 };
	double sum = 0;

	for (int v = 0; v < V; v++)
		logits[v] = (float)log(p[v]) - 100;
	for (int v = 0; v < V; v++) {
		ck_assert_double_eq_tol(log_prob(logits, V, v), log(p[v]), 1e-5);
		sum += exp(log_prob(logits, V, v));
	}
	ck_assert_double_eq_tol(sum, 1, 1e-5);
	ck_assert_double_eq_tol(log_prob(far, 2, 1), -1000, 1e-9);
}
END_TEST

static const struct {
	int n;
	double score[6];
	bool gold[6];
	double want; /* NaN: undefined */
} rocs[] = {
	{ 4, { 0.1, 0.2, 0.8, 0.9 }, { 0, 0, 1, 1 }, 1 },
	{ 4, { 0.1, 0.2, 0.8, 0.9 }, { 1, 1, 0, 0 }, 0 },
	{ 4, { 0.5, 0.5, 0.5, 0.5 }, { 1, 0, 1, 0 }, 0.5 },
	{ 4, { 0.9, 0.1, 0.35, 0.8 }, { 1, 0, 1, 0 }, 0.75 },
	{ 5, { 0.3, 0.3, 0.1, 0.7, 0.3 }, { 1, 0, 0, 1, 0 }, 5. / 6 },
	{ 2, { 0.3, 0.4 }, { 1, 1 }, NAN },
	{ 0, { 0 }, { 0 }, NAN },
};

START_TEST(roc)
{
	double got = roc_auc(rocs[_i].score, rocs[_i].gold, (size_t)rocs[_i].n);

	if (isnan(rocs[_i].want))
		ck_assert_double_nan(got);
	else
		ck_assert_double_eq_tol(got, rocs[_i].want, 1e-12);
}
END_TEST

START_TEST(decisions)
{
	static const double score[] = { 0.9, 0.5, 0.4, 0.7, 0.1 };
	static const bool gold[] = { 1, 1, 1, 0, 0 };
	struct confusion c = confusion_at(score, gold, 5, 0.5), none = { 0 };

	ck_assert_uint_eq(c.tp, 2);
	ck_assert_uint_eq(c.fp, 1);
	ck_assert_uint_eq(c.fn, 1);
	ck_assert_uint_eq(c.tn, 1);
	ck_assert_double_eq_tol(f1(&c), 2. / 3, 1e-12);
	ck_assert_double_eq_tol(accuracy(&c), 0.6, 1e-12);
	ck_assert_double_nan(f1(&none));
	ck_assert_double_nan(accuracy(&none));
	ck_assert_double_eq_tol(mean(score, 5), 0.52, 1e-12);
	ck_assert_double_nan(mean(score, 0));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sample");
	TCase *t = tcase_create("sample");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, shares, 0, N(cases));
	tcase_add_test(t, greedy_ties_and_nan);
	tcase_add_test(t, penalty);
	tcase_add_test(t, log_probs);
	tcase_add_loop_test(t, roc, 0, N(rocs));
	tcase_add_test(t, decisions);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
