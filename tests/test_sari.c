/* SARI against cases worked by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bias/sari.h"

static const struct {
	const char *source, *output, *refs[3];
	double keep, del, add; /* sums of the four orders' shares */
} cases[] = {
	/* n=1: a kept, b deleted, c added, as the reference has it; n=2: "a b" deleted, "a c"
	 * added */
	{ "a b", "a c", { "a c" }, 1, 2, 2 },
	/* a copy that was wanted: nothing to delete or to add gives nothing */
	{ "a b c d", "a b c d", { "a b c d" }, 4, 0, 0 },
	/* a copy that was not: n=1 keeps a of {a b} (p 1/2, r 1) */
	{ "a b", "a b", { "a" }, 2.0 / 3, 0, 0 },
	/* two references, one keeps b. n=1: keep p 1, r (2/2 + 0/1)/2, delete (2 - 1)/2; n=2:
	   delete (2 - 1)/2 */
	{ "a b", "a", { "a", "a b" }, 2.0 / 3, 1, 0 },
	/* counts: of two a one is kept, as wanted. The one deleted counts as wrong all the same,
	 * since the authors hold it against the a of the reference; n=2: "a a" deleted */
	{ "a a", "a", { "a" }, 1, 1, 0 },
	/* case does not count, in any script */
	{ "Ä b", "ä B", { "ä b" }, 2, 0, 0 },
	/* two blanks make an empty word; here it is deleted: n=1 a, b kept, "" deleted;
	 * n=2 "a ", " b" deleted, "a b" added; n=3 deleted */
	{ "a  b", "a b", { "a b" }, 1, 3, 1 },
	/* one of two words added is wanted, one of one: p 1/2, r 1 */
	{ "a", "a b c", { "a b" }, 1, 0, 2.0 / 3 + 2.0 / 3 },
	/* an empty output is one empty word: it is added and not wanted */
	{ "a", "", { "b" }, 0, 1, 0 },
	{ "", "", { "" }, 1, 0, 0 },
};

static struct span
span(const char *s)
{
	return (struct span){ s, strlen(s) };
}

START_TEST(by_hand)
{
	struct span refs[3];
	struct sari x;
	size_t n;

	for (n = 0; n < 3 && cases[_i].refs[n]; n++)
		refs[n] = span(cases[_i].refs[n]);
	x = sari(span(cases[_i].source), span(cases[_i].output), refs, n);
	ck_assert_double_eq_tol(x.keep, 25 * cases[_i].keep, 1e-9);
	ck_assert_double_eq_tol(x.del, 25 * cases[_i].del, 1e-9);
	ck_assert_double_eq_tol(x.add, 25 * cases[_i].add, 1e-9);
	ck_assert_double_eq_tol(x.score, (x.keep + x.del + x.add) / 3, 1e-9);
}
END_TEST

START_TEST(no_references)
{
	ck_assert(isnan(sari(span("a"), span("a"), NULL, 0).score));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sari");
	TCase *t = tcase_create("sari");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, by_hand, 0, sizeof cases / sizeof *cases);
	tcase_add_test(t, no_references);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
