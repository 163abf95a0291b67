/* Files: committed whole or not at all; devices are written to, not replaced; mapping. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static char folder[500], path[520];

static void
setup(void)
{
	const char *tmp = getenv("TMP");

	snprintf(folder, sizeof folder, "%s/sr-test-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/file", folder);
}

static void
teardown(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0); /* no temporary file was left behind */
}

static void
holds(const char *want)
{
	struct file_map m;
	struct err e;

	ck_assert_int_eq(file_map(&m, path, &e), 0);
	ck_assert_uint_eq(m.len, strlen(want));
	ck_assert_mem_eq(m.data, want, m.len);
	file_unmap(&m);
}

/* What cannot be written is known before, and asking leaves nothing behind. */
START_TEST(checked)
{
	char other[600];
	struct err e;

	ck_assert_int_eq(file_out_check(path, &e), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(file_out_check("/dev/null", &e), 0);
	ck_assert_int_eq(file_out_check(folder, &e), -1);
	ck_assert_msg(strstr(e.msg, "Is a directory") != NULL, "%s", e.msg);
	snprintf(other, sizeof other, "%s/none/file", folder);
	ck_assert_int_eq(file_out_check(other, &e), -1);
	ck_assert_msg(strstr(e.msg, "No such file") != NULL, "%s", e.msg);
}
END_TEST

START_TEST(whole_or_not_at_all)
{
	struct file_out o;
	struct stat st;
	struct err e;

	ck_assert_int_eq(file_out_open(&o, path, 0600, &e), 0);
	fputs("one", o.f);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(file_out_commit(&o, &e), 0);
	file_out_abort(&o);
	holds("one");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);

	ck_assert_int_eq(file_out_open(&o, path, 0, &e), 0);
	fputs("two", o.f);
	file_out_abort(&o);
	holds("one");

	ck_assert_int_eq(file_out_open(&o, path, 0, &e), 0);
	fputs("three", o.f);
	ck_assert_int_eq(file_out_commit(&o, &e), 0);
	holds("three");
}
END_TEST

START_TEST(failures)
{
	struct file_out o;
	struct file_map m;
	struct stat st;
	struct err e = { "" };

	ck_assert_int_eq(file_out_open(&o, "/nowhere/file", 0, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.msg, "/nowhere/file"));
	ck_assert_int_eq(file_out_open(&o, folder, 0, &e), -1);
	file_out_abort(&o);
	ck_assert_int_eq(file_map(&m, path, &e), -1);
	ck_assert_int_eq(file_map(&m, folder, &e), -1);
	ck_assert_int_eq(file_out_open(&o, path, 0, &e), 0);
	ck_assert_int_eq(file_out_commit(&o, &e), 0);
	ck_assert_int_eq(file_map(&m, path, &e), -1); /* empty */
	ck_assert_ptr_nonnull(strstr(e.msg, "empty"));
	file_unmap(&m);

	if (stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode)) {
		ck_assert_int_eq(file_out_open(&o, "/dev/full", 0, &e), 0);
		fputs("x", o.f);
		ck_assert_int_eq(file_out_commit(&o, &e), -1);
		ck_assert_int_eq(stat("/dev/full", &st), 0);
		ck_assert(S_ISCHR(st.st_mode));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("file");
	TCase *t = tcase_create("file");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, checked);
	tcase_add_test(t, whole_or_not_at_all);
	tcase_add_test(t, failures);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
