/* bias/guard: what a rewrite must keep, and what is prose. */
#include <check.h>
#include <string.h>

#include "bias/guard.h"

/* A source, a rewrite, what is wrong with it and the word for it ("" where nothing is named). */
static const struct {
	const char *src, *out;
	enum fault fault;
	const char *detail;
} checks[] = {
	{ "Only an idiot would say so.", "I disagree with that.", FAULT_NONE, "" },
	{ "Only an idiot would say so.", "", FAULT_EMPTY, "" },
	{ "Only an idiot would say so.", " \n\t ", FAULT_EMPTY, "" },
	{ "Only an idiot would say so.", "Only an idiot would say so.", FAULT_UNCHANGED, "" },

	/* Length: "You fool!" may become a whole sentence, a sentence not a word. */
	{ "You fool!", "I think that you are mistaken about this one.", FAULT_NONE, "" },
	{ "You fool!", "I think that you are mistaken, and here is why I think so, as I said before.",
		FAULT_LENGTH, "76 bytes for 9" },
	{ "All of them are lazy and dull, and nobody in this town should ever hire one of them again.",
		"No.", FAULT_LENGTH, "3 bytes for 90" },

	/* Characters. */
	{ "a fool says", "a \033[31mperson says", FAULT_CHARACTERS, "U+001B is new" },
	{ "a \033[31mfool says", "a \033[31mperson says", FAULT_NONE, "" },
	{ "a fool says", "a person\nsays", FAULT_CHARACTERS, "U+000A is new" },
	{ "a fool\nsays so", "a person\nsays so", FAULT_NONE, "" },
	{ "a fool\nsays so", "a person\nsays\nso", FAULT_CHARACTERS, "U+000A is new" },
	{ "a fool says", "a person says \xef\xbf\xbd", FAULT_CHARACTERS, "U+FFFD is new" },
	{ "a fool says \xef\xbf\xbd", "a person says \xef\xbf\xbd", FAULT_NONE, "" },
	{ "a fool says", "a person \xe2\x80\xae says", FAULT_CHARACTERS, "U+202E is new" },
	{ "a fool says", "a person \xc2\x9b says", FAULT_CHARACTERS, "U+009B is new" },
	{ "a fool says", "a person says \xc3", FAULT_CHARACTERS, "byte 0xc3 is not UTF-8" },
	{ "a fool says caf\xc3\xa9", "a person says caf\xc3\xa9", FAULT_NONE, "" },

	/* Numbers: each as often as it was, none made up, in any order. */
	{ "those 42 idiots", "those 42 people", FAULT_NONE, "" },
	{ "those 42 idiots", "those people", FAULT_NUMBERS, "42 is lost" },
	{ "those 42 idiots", "those 43 people", FAULT_NUMBERS, "42 is lost" },
	{ "those idiots", "those 42 people", FAULT_NUMBERS, "42 is new" },
	{ "3 idiots and 3 fools", "3 people and others", FAULT_NUMBERS, "3 is lost" },
	{ "2 idiots met 5 fools", "5 people met 2 others", FAULT_NONE, "" },
	{ "1,000 fools at 10:30.", "1,000 people at 10:30", FAULT_NONE, "" },
	{ "1,000 fools at 10:30.", "1000 people at 10:30", FAULT_NUMBERS, "1,000 is lost" },
	{ "at -5 the fools freeze", "at 5 the people freeze", FAULT_NUMBERS, "-5 is lost" },
	{ "a 10-5 vote by fools", "a vote of 10 to 5", FAULT_NONE, "" },
	{ "fools paid $20", "people paid 20", FAULT_NUMBERS, "$20 is lost" },
	{ "fools paid \xe2\x82\xac" "20", "people paid \xe2\x82\xac" "30", FAULT_NUMBERS,
		"\xe2\x82\xac" "20 is lost" },
	{ "50 % of them are fools", "50% of them are mistaken", FAULT_NONE, "" },
	{ "you b1tch, 1diot and a55hole", "you there, my friend and you", FAULT_NONE, "" },
	{ "the 5th fool", "the fifth person", FAULT_NUMBERS, "5th is lost" },
	{ "the fool on web01", "the person on web02", FAULT_NUMBERS, "web01 is lost" },
	{ "2024-05-01T10:30:00Z web01 app[123]: idiot", "2024-05-01T10:30:00Z web01 app[123]: user",
		FAULT_NONE, "" },
	{ "2024-05-01T10:30:00Z web01 app[123]: idiot", "2024-05-01T10:30:01Z web01 app[123]: user",
		FAULT_NUMBERS, "10:30:00 is lost" },
	{ "2024-05-01T10:30:00Z web01 app[123]: idiot", "2024-05-01T10:30:00Z web01 app[124]: user",
		FAULT_NUMBERS, "123 is lost" },
	{ "those fools <3", "those people", FAULT_NONE, "" },

	/* URLs and addresses. */
	{ "see http://a.example/x?q=1, idiot", "see http://a.example/x?q=1, please", FAULT_NONE, "" },
	{ "see http://a.example/x?q=1, idiot", "see http://a.example/x?q=2, please", FAULT_URLS,
		"http://a.example/x?q=1 is lost" },
	{ "see (https://a.example/x_(y)) fool", "see https://a.example/x_(y).", FAULT_NONE, "" },
	{ "go to www.a.example idiot", "go there please", FAULT_URLS, "www.a.example is lost" },
	{ "an idiot", "a person, see ftp://a.example", FAULT_URLS, "ftp://a.example is new" },
	{ "mail bob.x@mail.example, fool", "mail bob.x@mail.example please", FAULT_NONE, "" },
	{ "mail bob@mail.example fool", "mail bob@mail.test please", FAULT_EMAILS,
		"bob@mail.example is lost" },
	{ "mail <bob@mail.example>,<al@mail.example> fool", "mail <bob@mail.example> please",
		FAULT_EMAILS, "al@mail.example is lost" },

	/* Code. */
	{ "run `rm -r x` idiot", "run `rm -r x` please", FAULT_NONE, "" },
	{ "run `rm -r x` idiot", "run `rm -r y` please", FAULT_CODE, "`rm -r x` is lost" },
	{ "an idiot wrote user_id here", "a person wrote userid here", FAULT_CODE, "user_id is lost" },
	{ "an idiot wrote getUser here", "a person wrote it here", FAULT_CODE, "getUser is lost" },
	{ "an idiot wrote free() twice", "a person wrote that twice", FAULT_CODE, "free() is lost" },
	{ "an idiot used std::move here", "a person used that here", FAULT_CODE, "std::move is lost" },
	{ "an idiot broke /etc/passwd.", "a person broke it.", FAULT_CODE, "/etc/passwd is lost" },
	{ "an idiot broke src/main.c", "a person broke main.c", FAULT_CODE, "main.c is new" },
	{ "an idiot broke C:\\Windows", "a person broke it", FAULT_CODE, "C:\\Windows is lost" },
	{ "the fool at 10.0.0.1 left", "the person left", FAULT_CODE, "10.0.0.1 is lost" },
	{ "the fool broke java.util.List", "the person broke it", FAULT_CODE, "java.util.List is lost" },
	{ "the fool pushed 3c6a1ca today", "the person pushed today", FAULT_CODE, "3c6a1ca is lost" },
	{ "the fool at 0xdeadbeef", "the person there", FAULT_CODE, "0xdeadbeef is lost" },
	{ "fool 123e4567-e89b-12d3-a456-426614174000 left", "someone left", FAULT_CODE,
		"123e4567-e89b-12d3-a456-426614174000 is lost" },
	/* Prose that looks a little like code. */
	{ "he/she is dumb.you see", "they are mistaken, as you see", FAULT_NONE, "" },
	{ "he/she/they and/or u, e.g. dUmB fools", "all of them, and people too", FAULT_NONE, "" },
	{ "what a fool...really?!", "what a person, really?", FAULT_NONE, "" },
	{ "a defaced facade, you fool", "a painted wall", FAULT_NONE, "" },
	{ "`unclosed, you fool", "not closed, I think", FAULT_NONE, "" },

	/* Quoted identifiers; a quoted insult is none. */
	{ "the idiot user 'root' again", "the user 'root' again", FAULT_NONE, "" },
	{ "the idiot user 'root' again", "the user again", FAULT_QUOTES, "'root' is lost" },
	{ "level=\"warn\" msg=idiot", "level=\"info\" msg=person", FAULT_QUOTES, "\"info\" is new" },
	{ "set \"max-age.2\" fool", "set it please", FAULT_QUOTES, "\"max-age.2\" is lost" },
	{ "he called her an \"idiot\" there", "he insulted her there", FAULT_NONE, "" },
	{ "they're 'fools', aren't they", "they're wrong, aren't they", FAULT_NONE, "" },
};

START_TEST(rewrites)
{
	struct buf detail = { 0 };
	enum fault f = guard_check(checks[_i].src, strlen(checks[_i].src), checks[_i].out,
		strlen(checks[_i].out), &detail);

	ck_assert_msg(f == checks[_i].fault, "'%s' -> '%s': '%s' (%s), not '%s'", checks[_i].src,
		checks[_i].out, fault_name(f), buf_str(&detail), fault_name(checks[_i].fault));
	ck_assert_str_eq(buf_str(&detail), checks[_i].detail);
	buf_release(&detail);
}
END_TEST

/* Whatever is a fact of a text: the text keeps its own, and a longer text of the same facts too. */
START_TEST(own_facts)
{
	struct buf out = { 0 };

	buf_puts(&out, "so ");
	buf_puts(&out, checks[_i].src);
	ck_assert_int_eq(
		guard_check(checks[_i].src, strlen(checks[_i].src), out.data, out.len, NULL),
		FAULT_NONE);
	buf_release(&out);
}
END_TEST

static const struct {
	const char *text;
	size_t n; /* 0: strlen */
	bool prose;
} proses[] = {
	{ "All of them are fools.", 0, true },
	{ "2024-05-01 10:30 [web01] fools", 0, true },
	{ "", 0, false },
	{ "  \t", 0, false },
	{ "1234 -- 5678 !!", 0, false },
	{ "--------------------------------", 0, false },
	{ "fool\0fool", 9, false },
	{ "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 ok", 0, false },     /* Cyrillic */
	{ "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c ok", 0, false },     /* Chinese */
	{ "you fool \xf0\x9f\x98\x80\xf0\x9f\x98\x80 \xe2\x80\x9cquoted\xe2\x80\x9d", 0, true },
	{ "na\xc3\xafve caf\xc3\xa9", 0, true },
	{ "\033[31mERROR\033[0m fools", 0, true },
	{ "\x7f" "ELF\x02\x01\x01\x03\x02\x01\x01\x03\x02\xff\xfe", 0, false },
	{ "caf\xe9 of fools", 0, true }, /* Latin-1 */
};

START_TEST(prose)
{
	size_t n = proses[_i].n ? proses[_i].n : strlen(proses[_i].text);

	ck_assert_msg(guard_prose(proses[_i].text, n) == proses[_i].prose, "'%s'", proses[_i].text);
}
END_TEST

START_TEST(lengths)
{
	ck_assert_uint_eq(guard_shortest(0), 1);
	ck_assert_uint_ge(guard_longest(0), 1);
	ck_assert_uint_eq(guard_longest((size_t)-1), (size_t)-1);
	for (size_t n = 1; n < 5000; n++)
		ck_assert(guard_shortest(n) <= n && guard_longest(n) > n);
	for (int f = 0; f < N_FAULTS; f++)
		ck_assert(f == FAULT_NONE || *fault_name((enum fault)f));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("guard");
	TCase *t = tcase_create("guard");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, rewrites, 0, sizeof checks / sizeof *checks);
	tcase_add_loop_test(t, own_facts, 0, sizeof checks / sizeof *checks);
	tcase_add_loop_test(t, prose, 0, sizeof proses / sizeof *proses);
	tcase_add_test(t, lengths);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
