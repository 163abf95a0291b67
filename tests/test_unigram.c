/* text/unigram through its tokenizer: against all ways to cut short texts; bytes there and back. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "text/tokenizer.h"

#define BLANK "\xe2\x96\x81"

/* Ids are indices; scores as log probabilities. */
static const struct {
	const char *piece;
	float score;
	int kind;
} pieces[] = { { "<unk>", 0, TOKEN_UNKNOWN }, { "</s>", 0, TOKEN_CONTROL },
	{ "a", -2.5f, TOKEN_NORMAL }, { "b", -2.75f, TOKEN_NORMAL }, { "ab", -4, TOKEN_NORMAL }, { "ba", -6, TOKEN_NORMAL },
	{ "aba", -5.5f, TOKEN_NORMAL }, { BLANK, -3, TOKEN_NORMAL },
	{ BLANK "a", -3.25f, TOKEN_NORMAL }, { BLANK "bab", -7, TOKEN_NORMAL },
	{ "\xc3\xbc", -6, TOKEN_NORMAL }, { "abab", -9, TOKEN_NORMAL }, { "<user>", 0, TOKEN_USER } };

enum { N_PIECES = sizeof pieces / sizeof *pieces, MOST = N_PIECES + 256, UNK = 0 };

static struct tokenizer *
make(bool fallback, bool add_space, bool squeeze)
{
	static char bytes[256][8];
	const char *v[MOST];
	size_t lens[MOST], n = 0;
	float scores[MOST];
	int kinds[MOST];
	struct tokenizer *t;
	struct err e;

	for (; n < N_PIECES; n++) {
		v[n] = pieces[n].piece;
		scores[n] = pieces[n].score;
		kinds[n] = pieces[n].kind;
	}
	for (int i = 0; fallback && i < 256; i++, n++) {
		snprintf(bytes[i], sizeof bytes[i], "<0x%02X>", (unsigned)i);
		v[n] = bytes[i];
		scores[n] = 0;
		kinds[n] = TOKEN_BYTE;
	}
	for (size_t i = 0; i < n; i++)
		lens[i] = strlen(v[i]);
	t = tokenizer_new(&(struct vocab){ .model = "t5", .n = n, .pieces = v, .lens = lens,
		.scores = scores, .kinds = kinds, .bos = -1, .eos = 1, .unk = UNK, .eot = -1,
		.add_space = add_space, .squeeze = squeeze }, &e);
	ck_assert_msg(t != NULL, "%s", e.msg);
	return t;
}

/* The best sum of scores of a text of a, b and blanks, by trying every first piece. */
static double
best(const char *s)
{
	double most = -INFINITY;

	if (!*s)
		return 0;
	for (size_t i = 0; i < N_PIECES; i++) {
		char plain[16] = "";
		size_t len;

		if (pieces[i].kind != TOKEN_NORMAL)
			continue;
		if (strncmp(pieces[i].piece, BLANK, 3) == 0)
			snprintf(plain, sizeof plain, " %s", pieces[i].piece + 3);
		else
			snprintf(plain, sizeof plain, "%s", pieces[i].piece);
		len = strlen(plain);
		if (strncmp(s, plain, len) == 0)
			most = fmax(most, pieces[i].score + best(s + len));
	}
	return most;
}

START_TEST(best_way)
{
	struct tokenizer *t = make(false, false, false);
	struct rng r;

	rng_seed(&r, 3);
	for (int i = 0; i < 2000; i++) {
		size_t len = rng_next(&r) % 13;
		struct ids ids = { 0 };
		char s[16] = "";
		double sum = 0;

		for (size_t j = 0; j < len; j++)
			s[j] = "ab ab"[rng_next(&r) % 5];
		tokenizer_encode(t, s, len, true, &ids);
		for (size_t j = 0; j < ids.n; j++)
			sum += pieces[ids.v[j]].score;
		ck_assert_msg(fabs(sum - best(s)) < 1e-6, "'%s': %g, not %g", s, sum, best(s));
		ids_release(&ids);
	}
	tokenizer_free(t);
}
END_TEST

static void
is(const struct tokenizer *t, const char *text, const int *want, size_t n)
{
	struct ids ids = { 0 };

	tokenizer_encode(t, text, strlen(text), true, &ids);
	ck_assert_uint_eq(ids.n, n);
	ck_assert_mem_eq(ids.v, want, n * sizeof *want);
	ids_release(&ids);
}

START_TEST(by_hand)
{
	struct tokenizer *t = make(false, false, false), *spaced = make(false, true, false);
	struct tokenizer *tight = make(false, true, true), *bytes = make(true, false, false);

	is(t, "", NULL, 0);
	is(t, "aba", (int[]){ 6 }, 1);                 /* -5.5, before ab a at -6.5 */
	is(t, "a a", (int[]){ 2, 8 }, 2);
	is(t, "xyza", (int[]){ UNK, 2 }, 2);           /* unknown neighbours are one */
	is(t, "xay", (int[]){ UNK, 2, UNK }, 3);
	is(t, "\xc3\xbc\xff", (int[]){ 10, UNK }, 2);
	is(t, "a<user>b", (int[]){ 2, 12, 3 }, 3);     /* always whole */
	is(t, "</s>", (int[]){ UNK }, 1);              /* text is text */
	is(spaced, "a", (int[]){ 8 }, 1);
	is(spaced, "", NULL, 0);
	is(tight, "  a   a ", (int[]){ 8, 8 }, 2);
	is(bytes, "ax", (int[]){ 2, N_PIECES + 'x' }, 2);
	is(bytes, "\xe2\x82\xac", (int[]){ N_PIECES + 0xe2, N_PIECES + 0x82, N_PIECES + 0xac }, 3);
	tokenizer_free(t);
	tokenizer_free(spaced);
	tokenizer_free(tight);
	tokenizer_free(bytes);
}
END_TEST

/* Any bytes come back, long texts too, with and without the blank in front. */
START_TEST(round_trip)
{
	struct tokenizer *t = make(true, _i, false);
	struct rng r;

	rng_seed(&r, 4);
	for (int i = 0; i < 300; i++) {
		size_t len = i == 0 ? 200001 : rng_next(&r) % 60;
		struct ids ids = { 0 };
		struct buf text = { 0 }, back = { 0 };

		for (size_t j = 0; j < len; j++)
			buf_putc(&text, rng_next(&r) % 3 ? "ab \xc3\xbc<"[rng_next(&r) % 6]
							 : (int)(rng_next(&r) % 256));
		tokenizer_encode(t, text.data, text.len, true, &ids);
		for (size_t j = 0; j < ids.n; j++)
			tokenizer_decode(t, ids.v[j], j == 0, false, &back);
		ck_assert_uint_eq(back.len, text.len);
		if (text.len)
			ck_assert_mem_eq(back.data, text.data, text.len);
		ids_release(&ids);
		buf_release(&text);
		buf_release(&back);
	}
	tokenizer_free(t);
}
END_TEST

START_TEST(refused)
{
	const char *v[] = { "a" };
	size_t lens[] = { 1 };
	float scores[] = { INFINITY };
	struct vocab vocab = { .model = "t5", .n = 1, .pieces = v, .lens = lens, .bos = -1,
		.eos = -1, .unk = -1, .eot = -1 };
	struct err e;

	ck_assert_ptr_null(tokenizer_new(&vocab, &e));
	ck_assert_str_eq(e.msg, "the vocabulary has no scores");
	vocab.scores = scores;
	ck_assert_ptr_null(tokenizer_new(&vocab, &e));
	ck_assert_str_eq(e.msg, "the score of token 0 is not finite");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("unigram");
	TCase *c = tcase_create("unigram");
	SRunner *r;
	int failed;

	tcase_add_test(c, best_way);
	tcase_add_test(c, by_hand);
	tcase_add_loop_test(c, round_trip, 0, 2);
	tcase_add_test(c, refused);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
