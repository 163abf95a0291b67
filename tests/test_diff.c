/* bias/diff: what is shown, and that nothing is lost in it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bias/diff.h"

static const struct {
	const char *a, *b, *shown;
} cases[] = {
	{ "", "", "" },
	{ "same text", "same text", "same text" },
	{ "", "new", "{+new+}" },
	{ "old", "", "[-old-]" },
	{ "He is a stupid man.", "He is an unwise man.", "He is [-a stupid-]{+an unwise+} man." },
	{ "a stupid man", "a man", "a [-stupid -]man" },
	{ "a man", "a kind man", "a {+kind +}man" },
	{ "You fool!", "You are wrong.", "You [-fool!-]{+are wrong.+}" },
	{ "one two three four", "one 2 three 4", "one [-two-]{+2+} three [-four-]{+4+}" },
	{ "don't shout", "don't talk", "don't [-shout-]{+talk+}" },
	{ "caf\xc3\xa9 au lait", "caf\xc3\xa8 au lait", "[-caf\xc3\xa9-]{+caf\xc3\xa8+} au lait" },
	{ "a  b", "a b", "a[-  -]{+ +}b" },
};

START_TEST(shown)
{
	struct buf out = { 0 };

	diff_show(&out, cases[_i].a, strlen(cases[_i].a), cases[_i].b, strlen(cases[_i].b), false);
	ck_assert_str_eq(buf_str(&out), cases[_i].shown);
	buf_release(&out);
}
END_TEST

START_TEST(colours)
{
	struct buf out = { 0 };

	diff_show(&out, "a bad\033[2J \xc2\x9b man", 16, "a good man", 10, true);
	ck_assert_str_eq(buf_str(&out), "a \033[31mbad^[[2J <9b>\033[m\033[32mgood\033[m man");
	buf_clear(&out);
	diff_visible(&out, "\0\x7f\t\n\xc3\xa9", 6);
	ck_assert_str_eq(buf_str(&out), "^@^?\t\n\xc3\xa9");
	buf_release(&out);
}
END_TEST

/* Random texts of a few words: the parts restore both, and no two neighbours are of a kind. */
START_TEST(restores)
{
	static const char *const words[] = { "a", "man", " ", "  ", ".", "is", "caf\xc3\xa9",
		"\xff", "\n" };
	struct rng r;

	rng_seed(&r, 1);
	for (int round = 0; round < 3000; round++) {
		struct buf t[2] = { { 0 }, { 0 } }, back[2] = { { 0 }, { 0 } };
		struct diff_part *v;
		size_t n;

		for (int k = 0; k < 2; k++)
			for (uint64_t i = rng_below(&r, 20); i > 0; i--)
				buf_puts(&t[k], words[rng_below(&r, sizeof words / sizeof *words)]);
		n = diff_words(buf_str(&t[0]), t[0].len, buf_str(&t[1]), t[1].len, &v);
		for (size_t i = 0; i < n; i++) {
			ck_assert(v[i].n > 0);
			ck_assert(i == 0 || v[i].op != v[i - 1].op);
			ck_assert(i == 0 || v[i].op != DIFF_OLD || v[i - 1].op == DIFF_SAME);
			if (v[i].op != DIFF_NEW)
				buf_add(&back[0], v[i].s, v[i].n);
			if (v[i].op != DIFF_OLD)
				buf_add(&back[1], v[i].s, v[i].n);
		}
		for (int k = 0; k < 2; k++) {
			ck_assert_str_eq(buf_str(&back[k]), buf_str(&t[k]));
			buf_release(&t[k]);
			buf_release(&back[k]);
		}
		free(v);
	}
}
END_TEST

/* Too many tokens for a table: the ends that stay are found all the same. */
START_TEST(long_texts)
{
	struct buf a = { 0 }, b = { 0 };
	struct diff_part *v;

	buf_puts(&a, "start ");
	buf_puts(&b, "start ");
	for (int i = 0; i < 5000; i++) {
		buf_printf(&a, "x%d ", i);
		buf_printf(&b, "y%d ", i);
	}
	buf_puts(&a, "end");
	buf_puts(&b, "end");
	ck_assert_uint_eq(diff_words(a.data, a.len, b.data, b.len, &v), 4);
	ck_assert_uint_eq(v[0].n, 6);
	ck_assert_int_eq(v[1].op, DIFF_OLD);
	ck_assert_int_eq(v[2].op, DIFF_NEW);
	ck_assert_uint_eq(v[3].n, 4);
	free(v);
	buf_release(&a);
	buf_release(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("diff");
	TCase *t = tcase_create("diff");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, shown, 0, sizeof cases / sizeof *cases);
	tcase_add_test(t, colours);
	tcase_add_test(t, restores);
	tcase_add_test(t, long_texts);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
