/* chrF and chrF++ against cases worked by hand. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bias/chrf.h"

static const struct {
	const char *output, *refs[3];
	double chrf, chrfpp;
} cases[] = {
	{ "ab", { "ab" }, 100, 100 },
	/* precision and recall (2/3 + 1/2 + 0/1)/3; the one word does not match */
	{ "abc", { "abd" }, 700.0 / 18, 700.0 / 24 },
	/* order 3 has no counterpart: P 1, R (2/3 + 1/2)/2 = 7/12, F = 5PR/(4P + R); with words
	 * P 2/3, R 7/18 */
	{ "ab", { "abc" }, 100 * 35.0 / 55,
		100 * 5 * (2.0 / 3) * (7.0 / 18) / (8.0 / 3 + 7.0 / 18) },
	/* whitespace does not count, words do: (1 + 1 + 0)/3 */
	{ "a b", { "ab" }, 100, 200.0 / 3 },
	{ "a\u00a0b\u2003", { " a b" }, 100, 100 },
	/* a sign at the end of a word stands alone, at the beginning only when there is
	 * none at the end */
	{ "hi!", { "hi !" }, 100, 100 },
	{ "(hi", { "( hi" }, 100, 100 },
	/* the end is parted first: "(hi" and ")" against "(", "hi", ")": word precision 1/2, recall
	 * 1/3; pairs "(hi )" against "( hi", "hi )": 0 */
	{ "(hi)", { "( hi )" }, 100,
		100 * 5 * (4.5 / 6) * (13.0 / 18) / (4 * (4.5 / 6) + 13.0 / 18) },
	/* case counts */
	{ "A", { "a" }, 0, 0 },
	/* characters, not bytes: order 1: 0/1, no order 2 */
	{ "ä", { "ö" }, 0, 0 },
	{ "äb", { "öb" }, 25, 50.0 / 3 },
	/* the best reference counts */
	{ "ab", { "xy", "ab", "a" }, 100, 100 },
	{ "", { "ab" }, 0, 0 },
	{ "ab", { "" }, 0, 0 },
	{ "ab", { NULL }, 0, 0 },
};

static struct span
span(const char *s)
{
	return (struct span){ s, strlen(s) };
}

START_TEST(by_hand)
{
	struct span refs[3];
	struct chrf c;
	size_t n;

	for (n = 0; n < 3 && cases[_i].refs[n]; n++)
		refs[n] = span(cases[_i].refs[n]);
	c = chrf_count(span(cases[_i].output), refs, n, 0);
	ck_assert_double_eq_tol(chrf_score(&c), cases[_i].chrf, 1e-9);
	c = chrf_count(span(cases[_i].output), refs, n, 2);
	ck_assert_double_eq_tol(chrf_score(&c), cases[_i].chrfpp, 1e-9);
}
END_TEST

/* A corpus' score is that of its counts, not the mean of its texts' scores. */
START_TEST(corpus)
{
	struct span a = span("a"), b = span("b");
	struct chrf sum = { 0 }, c;

	c = chrf_count(a, &a, 1, 0);
	chrf_add(&sum, &c);
	c = chrf_count(a, &b, 1, 0);
	chrf_add(&sum, &c);
	a = span("ab");
	c = chrf_count(a, &a, 1, 0);
	chrf_add(&sum, &c);
	/* order 1: 3 of 4; order 2: 1 of 1 */
	ck_assert_double_eq_tol(chrf_score(&sum), 87.5, 1e-9);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("chrf");
	TCase *t = tcase_create("chrf");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, by_hand, 0, sizeof cases / sizeof *cases);
	tcase_add_test(t, corpus);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
