/* Statistics against cases worked by hand; intervals by what they must hold. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "bias/stats.h"

static const struct {
	double score[5];
	bool positive[5];
	size_t n;
	double auc;
} aucs[] = {
	{ { 0.1, 0.9 }, { false, true }, 2, 1 },
	{ { 0.9, 0.1 }, { false, true }, 2, 0 },
	{ { 0.5, 0.5 }, { false, true }, 2, 0.5 },
	/* pairs won: 0.4 over one of two, 0.7 over both, 0.4 = 0.4 half */
	{ { 0.1, 0.4, 0.4, 0.7 }, { false, false, true, true }, 4, 3.5 / 4 },
	{ { 0.1 }, { true }, 1, NAN },
	{ { 0 }, { false }, 0, NAN },
};

START_TEST(auc)
{
	double x = roc_auc(aucs[_i].score, aucs[_i].positive, aucs[_i].n);

	if (isnan(aucs[_i].auc))
		ck_assert(isnan(x));
	else
		ck_assert_double_eq_tol(x, aucs[_i].auc, 1e-12);
}
END_TEST

START_TEST(decisions)
{
	static const double score[] = { 0.9, 0.5, 0.4, 0.5, 0.1 };
	static const bool positive[] = { true, true, true, false, false };
	struct confusion c = confusion_at(score, positive, 5, 0.5), none = { 0 };

	ck_assert(c.tp == 2 && c.fn == 1 && c.fp == 1 && c.tn == 1);
	ck_assert_double_eq_tol(f1(&c), 4.0 / 6, 1e-12);
	ck_assert_double_eq_tol(accuracy(&c), 0.6, 1e-12);
	ck_assert(isnan(f1(&none)) && isnan(accuracy(&none)) && isnan(mean(score, 0)));
	ck_assert_double_eq_tol(mean(score, 5), 0.48, 1e-12);
}
END_TEST

START_TEST(interval_of_a_mean)
{
	double x[400];
	struct interval a, b;
	size_t i;

	/* 100 ones of 400: the mean's standard error is sqrt(0.25 * 0.75 / 400) = 0.02165 */
	for (i = 0; i < 400; i++)
		x[i] = i % 4 == 0;
	a = bootstrap_mean(x, 400, 2000, 1);
	ck_assert_double_eq_tol(a.low, 0.25 - 1.96 * 0.02165, 0.005);
	ck_assert_double_eq_tol(a.high, 0.25 + 1.96 * 0.02165, 0.005);
	b = bootstrap_mean(x, 400, 2000, 1);
	ck_assert(a.low == b.low && a.high == b.high);
	a = bootstrap_mean(x, 1, 100, 1);
	ck_assert(a.low == 1 && a.high == 1);
	a = bootstrap_mean(x, 0, 100, 1);
	ck_assert(isnan(a.low) && isnan(a.high));
	a = bootstrap_mean(x, 400, 0, 1);
	ck_assert(isnan(a.low));
}
END_TEST

START_TEST(interval_of_an_auc)
{
	double score[60];
	bool positive[60];
	struct interval c;
	double x;

	for (size_t i = 0; i < 60; i++) {
		score[i] = (double)(i * 37 % 60);
		positive[i] = score[i] + (double)(i * 23 % 31) > 45;
	}
	x = roc_auc(score, positive, 60);
	c = bootstrap_auc(score, positive, 60, 500, 7);
	ck_assert(c.low < x && x < c.high && c.low > 0.5 && c.high <= 1);
	/* draws without both classes are left out */
	c = bootstrap_auc(aucs[0].score, aucs[0].positive, 2, 50, 7);
	ck_assert(c.low == 1 && c.high == 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stats");
	TCase *t = tcase_create("stats");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, auc, 0, sizeof aucs / sizeof *aucs);
	tcase_add_test(t, decisions);
	tcase_add_test(t, interval_of_a_mean);
	tcase_add_test(t, interval_of_an_auc);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
