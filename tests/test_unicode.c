/* UTF-8: the rule agrees with utf8proc on every pair of bytes and whatever may follow them; repair
 * replaces each maximal ill-formed part once. */
#include <check.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/unicode.h"

static void
agree(const unsigned char *s, size_t len)
{
	utf8proc_int32_t c;
	bool ok;
	size_t n = utf8_step((const char *)s, len, &ok);
	utf8proc_ssize_t want = utf8proc_iterate(s, (utf8proc_ssize_t)len, &c);

	if (ok != (want > 0) || (ok && n != (size_t)want))
		ck_abort_msg("%02x %02x %02x %02x: %zu %d, utf8proc %ld", s[0], s[1], s[2], s[3],
			n, ok, (long)want);
}

START_TEST(as_utf8proc)
{
	static const unsigned char edges[] = {
		0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff,
	};
	unsigned char s[4] = { 0 };

	for (unsigned x = 0; x < 1u << 16; x++) {
		s[0] = (unsigned char)(x >> 8);
		s[1] = (unsigned char)x;
		for (size_t i = 0; i < sizeof edges; i++) {
			s[2] = edges[i];
			for (size_t k = 0; k < sizeof edges; k++) {
				s[3] = edges[k];
				agree(s, 4);
			}
			agree(s, 3);
		}
		agree(s, 2);
		agree(s, 1);
	}
}
END_TEST

static const struct {
	const char *in, *out;
	int bad; /* -1: valid */
} cases[] = {
	{ "", "", -1 },
	{ "plain ascii, longer than a word", "plain ascii, longer than a word", -1 },
	{ "\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80", "\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80", -1 },
	{ "12345678\xff", "12345678\xef\xbf\xbd", 8 },
	{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", 0 },
	{ "a\xe2\x82z", "a\xef\xbf\xbdz", 1 },
	{ "\xf0\x9f\x98", "\xef\xbf\xbd", 0 },
	{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 0 },
};

START_TEST(repair)
{
	struct buf b = { 0 };
	size_t bad = 99;

	ck_assert_int_eq(utf8_valid(cases[_i].in, strlen(cases[_i].in), &bad), cases[_i].bad < 0);
	ck_assert_uint_eq(bad, cases[_i].bad < 0 ? 99 : (size_t)cases[_i].bad);
	utf8_repair(cases[_i].in, strlen(cases[_i].in), &b);
	ck_assert_str_eq(buf_str(&b), cases[_i].out);
	ck_assert(utf8_valid(b.data, b.len, NULL));
	buf_release(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("unicode");
	TCase *t = tcase_create("unicode");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, as_utf8proc);
	tcase_add_loop_test(t, repair, 0, sizeof cases / sizeof cases[0]);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
