/* text/template: what each template says, that text stays text, answers out of prompts. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "text/bpe_train.h"
#include "text/template.h"

/* A prompt on one line, control tokens in brackets. */
static void
show(const struct prompt *p, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < p->n; i++) {
		buf_puts(out, p->v[i].control ? "[" : "");
		buf_add(out, p->v[i].text, p->v[i].len);
		buf_puts(out, p->v[i].control ? "]" : "");
	}
	buf_str(out);
}

static const char *
value(void *arg, const char *role, size_t *len)
{
	const char *text = !strcmp(role, "text") ? arg : !strcmp(role, "empty") ? "" : NULL;

	*len = text ? strlen(text) : 0;
	return text;
}

static const struct {
	const char *source, *text, *shown, *error;
} fills[] = {
	{ "", "x", "", NULL },
	{ "a {text} b", "x", "a x b", NULL },
	{ "[[<|t|>]]{text}[[eos]]", "x", "[<|t|>]x[eos]", NULL },
	{ "{text}", "{text} [[bos]] }{ ]]", "{text} [[bos]] }{ ]]", NULL },
	{ "[one] [[bos]]]", "x", "[one] [bos]]", NULL },
	{ "{tone|kindly}{tone|}{text|not}{empty|not}", "x", "kindlyx", NULL },
	{ "a|b} ]]", "x", "a|b} ]]", NULL },
	{ "{tone}", "x", NULL, "wants a tone" },
	{ "{}", "x", NULL, "nameless" },
	{ "a {text", "x", NULL, "no }" },
	{ "[[bos", "x", NULL, "no NAME]]" },
	{ "[[]]", "x", NULL, "no NAME]]" },
};

START_TEST(fill)
{
	struct prompt p = { 0 };
	struct buf out = { 0 };
	struct err e = { "" };
	int status = template_fill(fills[_i].source, value, (void *)fills[_i].text, &p, &e);

	if (fills[_i].error) {
		ck_assert_int_eq(status, -1);
		ck_assert_msg(strstr(e.msg, fills[_i].error) != NULL, "%s", e.msg);
	} else {
		ck_assert_msg(!status, "%s", e.msg);
		show(&p, &out);
		ck_assert_str_eq(out.data, fills[_i].shown);
	}
	prompt_release(&p);
	buf_release(&out);
}
END_TEST

static const struct {
	const char *template, *task, *shown; /* for the text "so {text} it is" */
} asked[] = {
	{ "sr", "rewrite", "[<|text|>]so {text} it is[<|rewrite|>]" },
	{ "sr", "safety", "[<|text|>]so {text} it is[<|safety|>]" },
	{ "sr", "bias", "[<|text|>]so {text} it is[<|bias|>]" },
	{ "sr", "toxicity", "[<|text|>]so {text} it is[<|toxicity|>]" },
	{ "sr", "sentiment", "[<|text|>]so {text} it is[<|sentiment|>]" },
	{ "sr", "harm", "[<|text|>]so {text} it is[<|harm|>]" },
	{ "sr-llm", "rewrite",
		"[bos][INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\nDebias this text "
		"by rephrasing it to be free of bias and toxicity while keeping its meaning: \"so "
		"{text} it is\" [/INST]" },
	{ "plain", "rewrite",
		"Rewrite the text so that it says the same thing without bias, insults or "
		"stereotypes."
		"\n\nText: so {text} it is\nRewrite:" },
	{ "plain", "bias",
		"Is the text biased against a group of people? Answer with \"yes\" or \"no\"."
		"\n\nText: so {text} it is\nAnswer:" },
};

START_TEST(ask)
{
	const struct template *t = template_named(asked[_i].template);
	const struct task *k = template_task(t, asked[_i].task);
	struct prompt p = { 0 };
	struct buf out = { 0 };
	struct err e;

	ck_assert_int_eq(task_prompt(t, k, NULL, 0, NULL, "so {text} it is", 15, &p, &e), 0);
	show(&p, &out);
	ck_assert_str_eq(out.data, asked[_i].shown);
	prompt_release(&p);
	buf_release(&out);
}
END_TEST

static const struct {
	/* two examples: a -> first answer, b -> second; instruction "Do" */
	const char *template, *task, *shown;
	const char *answers[2];
	bool own;
} worked[] = {
	{ "sr", "rewrite",
		"[<|text|>]a[<|rewrite|>]A[eos][<|text|>]b[<|rewrite|>]B[eos][<|text|>]c"
		"[<|rewrite|>]",
		{ "A", "B" }, false },
	{ "sr", "harm",
		"[<|text|>]a[<|harm|>]low[eos][<|text|>]b[<|harm|>]high[eos][<|text|>]c[<|harm|>]",
		{ "low", "high" }, false },
	{ "sr-llm", "rewrite",
		"[bos][INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\nDo: \"a\" [/INST] "
		"A [eos][bos][INST] Do: \"b\" [/INST] B [eos][bos][INST] Do: \"c\" [/INST]",
		{ "A", "B" }, true },
	{ "plain", "rewrite",
		"Do\n\nText: a\nRewrite: A\n\nText: b\nRewrite: B\n\nText: c\nRewrite:",
		{ "A", "B" }, true },
	{ "plain", "safety",
		"Do\n\nText: a\nAnswer: unsafe\n\nText: b\nAnswer: benign\n\nText: c\nAnswer:",
		{ "unsafe", "benign" }, true },
};

START_TEST(shots)
{
	const struct template *t = template_named(worked[_i].template);
	const struct task *k = template_task(t, worked[_i].task);
	struct shot s[2] = {
		{ "a", worked[_i].answers[0], 1, strlen(worked[_i].answers[0]) },
		{ "b", worked[_i].answers[1], 1, strlen(worked[_i].answers[1]) },
	};
	struct prompt p = { 0 };
	struct buf out = { 0 };
	struct err e;

	ck_assert_int_eq(task_prompt(t, k, s, 2, worked[_i].own ? "Do" : NULL, "c", 1, &p, &e), 0);
	show(&p, &out);
	ck_assert_str_eq(out.data, worked[_i].shown);
	prompt_release(&p);
	buf_release(&out);
}
END_TEST

/* Every template has every task; its labels' continuations are found by their names alone. */
START_TEST(table)
{
	static const struct {
		const char *task, *values[4];
	} want[] = {
		{ "rewrite", { NULL } },
		{ "safety", { "unsafe", "benign" } },
		{ "bias", { "yes", "no" } },
		{ "toxicity", { "no", "mild", "high" } },
		{ "sentiment", { "neg", "neu", "pos" } },
		{ "harm", { "low", "med", "high" } },
	};
	const struct template *t;
	size_t n = 0;

	for (; (t = template_at(n)); n++) {
		ck_assert_ptr_eq(template_named(t->name), t);
		ck_assert_ptr_null(template_task(t, "poetry"));
		for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
			const struct task *k = template_task(t, want[i].task);
			struct buf answer = { 0 };
			struct err e;

			ck_assert_ptr_nonnull(k);
			ck_assert_int_eq(k->values != NULL, i > 0);
			for (size_t j = 0; k->values && (k->values[j] || want[i].values[j]); j++) {
				ck_assert_ptr_nonnull(k->values[j]);
				ck_assert_ptr_nonnull(want[i].values[j]);
				buf_clear(&answer);
				ck_assert_int_eq(task_answer(t, k, want[i].values[j],
							 strlen(want[i].values[j]), &answer, &e),
					0);
				ck_assert_str_eq(buf_str(&answer), k->values[j]);
				ck_assert_int_eq(answer.data[0] == ' ', strcmp(t->name, "sr") != 0);
			}
			buf_clear(&answer);
			ck_assert_int_eq(task_answer(t, k, "maybe", 5, &answer, &e), i ? -1 : 0);
			if (!i)
				ck_assert(strstr(buf_str(&answer), "maybe") != NULL);
			buf_release(&answer);
		}
	}
	ck_assert_uint_eq(n, 3);
	ck_assert_ptr_null(template_named("SR"));
}
END_TEST

START_TEST(instruction_refused)
{
	const struct template *t = template_named("sr");
	struct prompt p = { 0 };
	struct err e;

	ck_assert_int_eq(
		task_prompt(t, template_task(t, "rewrite"), NULL, 0, "Do", "c", 1, &p, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.msg, "no instruction"));
	prompt_release(&p);
}
END_TEST

/* JSON. */

static const struct {
	const char *json, *back; /* back: NULL when refused */
} forms[] = {
	{ "\"\"", "\"\"" },
	{ "\"a \\u00e9 [[eos]]\"", "\"a \xc3\xa9 [[eos]]\"" },
	{ "[]", "\"\"" },
	{ "[\"a\",\"b\"]", "\"ab\"" },
	{ "[{\"control\":\"<|t|>\"}]", "[{\"control\":\"<|t|>\"}]" },
	{ "[ \"a\", {\"control\":\"x\"}, \"\", \"b\" ]", "[\"a\",{\"control\":\"x\"},\"b\"]" },
	{ "[\"\\u0000\"]", "\"\\u0000\"" },
	{ "3", NULL },
	{ "null", NULL },
	{ "{\"control\":\"x\"}", NULL },
	{ "[3]", NULL },
	{ "[\"a\",{\"control\":3}]", NULL },
	{ "[\"a\",{\"control\":\"\"}]", NULL },
	{ "[\"a\",{\"name\":\"x\"}]", NULL },
	{ "[[\"a\"]]", NULL },
	{ "[\"a\"", NULL },
};

START_TEST(json_forms)
{
	struct prompt p = { 0 };
	struct buf out = { 0 };
	struct err e = { "" };
	int status = prompt_from_json(&p, forms[_i].json, strlen(forms[_i].json), &e);

	ck_assert_int_eq(status, forms[_i].back ? 0 : -1);
	if (forms[_i].back) {
		prompt_to_json(&p, &out);
		ck_assert_str_eq(buf_str(&out), forms[_i].back);
	} else {
		ck_assert(*e.msg);
	}
	prompt_release(&p);
	buf_release(&out);
}
END_TEST

/* Tokens. */

START_TEST(encode)
{
	static const char *const controls[] = { "<|end|>", "<|text|>" };
	struct err e;
	struct vocab v;
	struct bpe_train *b = bpe_train_new("gpt-2", 1000, &e);
	struct tokenizer *t;
	struct prompt p = { 0 };
	struct ids ids = { 0 };

	ck_assert_int_eq(bpe_train_run(b, 258, controls, 2, &v, &e), 0);
	v.eos = 256;
	t = tokenizer_new(&v, &e);
	ck_assert_ptr_nonnull(t);

	prompt_add(&p, true, "bos", 3); /* there is none: it vanishes */
	prompt_add(&p, true, "<|text|>", 8);
	prompt_add(&p, false, "<|e", 3);
	prompt_add(&p, false, "nd|>", 4);
	prompt_add(&p, true, "eos", 3);
	ck_assert_uint_eq(p.n, 4);
	ck_assert_int_eq(prompt_encode(&p, t, &ids, &e), 0);
	ck_assert_uint_eq(ids.n, 9);
	ck_assert_int_eq(ids.v[0], 257);
	ck_assert_int_eq(ids.v[1], '<');
	ck_assert_int_eq(ids.v[7], '>');
	ck_assert_int_eq(ids.v[8], 256);
	prompt_add(&p, true, "<|rewrite|>", 11);
	ck_assert_int_eq(prompt_encode(&p, t, &ids, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.msg, "<|rewrite|>"));
	prompt_release(&p);
	ids_release(&ids);
	tokenizer_free(t);

	/* A vocabulary that wants BOS gets it before plain text, not before what says everything
	 * itself. */
	v.bos = 257;
	v.add_bos = true;
	t = tokenizer_new(&v, &e);
	prompt_add(&p, false, "a", 1);
	ck_assert_int_eq(prompt_encode(&p, t, &ids, &e), 0);
	ck_assert_uint_eq(ids.n, 2);
	ck_assert_int_eq(ids.v[0], 257);
	ids.n = 0;
	prompt_add(&p, true, "eos", 3);
	ck_assert_int_eq(prompt_encode(&p, t, &ids, &e), 0);
	ck_assert_uint_eq(ids.n, 2);
	ck_assert_int_eq(ids.v[0], 'a');
	prompt_release(&p);
	ids_release(&ids);
	tokenizer_free(t);
	bpe_train_free(b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("template");
	TCase *c = tcase_create("template");
	SRunner *r;
	int failed;

	tcase_add_loop_test(c, fill, 0, sizeof fills / sizeof *fills);
	tcase_add_loop_test(c, ask, 0, sizeof asked / sizeof *asked);
	tcase_add_loop_test(c, shots, 0, sizeof worked / sizeof *worked);
	tcase_add_test(c, table);
	tcase_add_test(c, instruction_refused);
	tcase_add_loop_test(c, json_forms, 0, sizeof forms / sizeof *forms);
	tcase_add_test(c, encode);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
