/* Word lists, and texts without the listed words. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bias/wordlist.h"

static const struct {
	const char *text, *left;
} cases[] = {
	{ "", "" },
	{ "nothing here", "nothing here" },
	{ "you fool", "you" },
	{ "fool you", "you" },
	{ "Fool! you", "! you" },
	{ "the old fool, again", "the old, again" },
	{ "the (fool) fell", "the () fell" },
	{ "a  fool\tfool b", "a b" },
	{ "  fool a \n", "a \n" },
	{ "fool", "" },
	{ "fool fool ", "" },
	{ "foolish fools", "foolish fools" },
	{ "what sh*t, SH*T!", "what,!" },
	{ "ÄRGER und ärger.", "und." },
	{ "a \"fool\"", "a \"\"" },
	{ "12\rx", "12\rx" },
};

static struct wordlist list;

START_TEST(deletes)
{
	struct buf out = { 0 };

	buf_puts(&out, "> ");
	wordlist_delete(&list, (struct span){ cases[_i].text, strlen(cases[_i].text) }, &out);
	ck_assert_str_eq(buf_str(&out) + 2, cases[_i].left);
	buf_release(&out);
}
END_TEST

START_TEST(missing)
{
	struct wordlist none;
	struct err e;

	ck_assert_int_eq(wordlist_load(&none, "no/such/file", &e), -1);
	ck_assert_ptr_nonnull(strstr(e.msg, "no/such/file"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wordlist");
	TCase *t = tcase_create("wordlist");
	char path[] = "/tmp/wordlist.XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	struct err e;
	SRunner *r;
	int failed;

	if (!f)
		return 1;
	fputs("Fool\t3.2\r\n\nsh*t\nÄrger", f);
	fclose(f);
	failed = wordlist_load(&list, path, &e) || list.words.n != 3;
	unlink(path);
	if (failed)
		return 1;
	tcase_add_loop_test(t, deletes, 0, sizeof cases / sizeof *cases);
	tcase_add_test(t, missing);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	wordlist_release(&list);
	return failed != 0;
}
