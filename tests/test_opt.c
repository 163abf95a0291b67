/* Options: what a command line sets, and which operands stay. Refusals end the process; the shell
 * tests run them on real tools. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"

static bool flag, other;
static const char *text, *pick;
static long number;
static double real;
static struct opt_list list;

static const struct opt opts[] = {
	{ 'k', "keep", OPT_FLAG, &flag, NULL, "a flag", 0, 0 },
	{ 'x', NULL, OPT_FLAG, &other, NULL, "a flag without a name", 0, 0 },
	{ 'm', "model", OPT_TEXT, &text, "FILE", "a text", 0, 0 },
	{ 'n', "number", OPT_INT, &number, "N", "a number", -5, 10 },
	{ 0, "rate", OPT_REAL, &real, "R", "a real", 0, 0 },
	{ 's', "stop", OPT_LIST, &list, "TEXT", "a list", 0, 0 },
	{ 'i', "input", OPT_PICK, &pick, "lines|csv|tsv", "a choice", 0, 0 },
	OPT_END
};
static const struct tool tool = { "sr-test", "[OPTIONS]", NULL, NULL, opts };

static const struct {
	const char *args[10];
	bool flag, other;
	const char *text;
	long number;
	double real;
	const char *list, *pick, *rest; /* joined by commas */
} cases[] = {
	{ { NULL }, 0, 0, "", 1, 0.5, "", "", "" },
	{ { "a", "-k", "b" }, 1, 0, "", 1, 0.5, "", "", "a,b" },
	{ { "-kx" }, 1, 1, "", 1, 0.5, "", "", "" },
	{ { "--keep", "--no-keep" }, 0, 0, "", 1, 0.5, "", "", "" },
	{ { "-xmfile", "-" }, 0, 1, "file", 1, 0.5, "", "", "-" },
	{ { "-m", "file", "--number=-3" }, 0, 0, "file", -3, 0.5, "", "", "" },
	{ { "--model", "-k", "--rate", "-1e-3" }, 0, 0, "-k", 1, -1e-3, "", "", "" },
	{ { "--model=", "-n10" }, 0, 0, "", 10, 0.5, "", "", "" },
	{ { "-s", "a", "--stop=b", "-sc" }, 0, 0, "", 1, 0.5, "a,b,c", "", "" },
	{ { "-i", "csv", "x", "--input=tsv" }, 0, 0, "", 1, 0.5, "", "tsv", "x" },
	{ { "a", "--", "-k", "--", "b" }, 0, 0, "", 1, 0.5, "", "", "a,-k,--,b" },
};

static void
join(char *out, const char *const *v, size_t n)
{
	*out = '\0';
	for (size_t i = 0; i < n; i++) {
		if (i)
			strcat(out, ",");
		strcat(out, v[i]);
	}
}

START_TEST(parses)
{
	char *argv[12] = { "sr-test" }, **rest = argv, joined[100];
	int argc = 1;

	for (; cases[_i].args[argc - 1]; argc++)
		argv[argc] = (char *)cases[_i].args[argc - 1];
	flag = other = false;
	text = pick = "";
	number = 1;
	real = 0.5;
	list = (struct opt_list){ 0 };
	tool_init(&tool, &argc, &rest);
	ck_assert_int_eq(flag, cases[_i].flag);
	ck_assert_int_eq(other, cases[_i].other);
	ck_assert_str_eq(text, cases[_i].text);
	ck_assert_int_eq(number, cases[_i].number);
	ck_assert(real == cases[_i].real);
	ck_assert_str_eq(pick, cases[_i].pick);
	join(joined, list.v, list.n);
	ck_assert_str_eq(joined, cases[_i].list);
	join(joined, (const char *const *)rest, (size_t)argc);
	ck_assert_str_eq(joined, cases[_i].rest);
	free(list.v);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("opt");
	TCase *t = tcase_create("opt");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, parses, 0, sizeof cases / sizeof cases[0]);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
