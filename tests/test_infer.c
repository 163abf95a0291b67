/* Decoding, scoring, embedding and judging on a small random model: against plain loops over the
 * forward pass, and each result with and without neighbours. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bias/safety.h"
#include "infer/embed.h"
#include "infer/generate.h"
#include "infer/loglik.h"
#include "infer/pass.h"
#include "infer/score.h"
#include "model/adapter.h"
#include "model/init.h"
#include "model/quantize.h"
#include "text/bpe_train.h"

enum { CTX = 64, PROMPTS = 5 };

static struct model *m;
static size_t words; /* that m's prefix is made of; its context is CTX in any case */
static struct pool *pool;
static struct forward *f;

static const char *const texts[PROMPTS] = { "a", "the quick", "x",
	"a somewhat longer text, of 37 bytes..", "Hm" };

/* Bytes and two control tokens; weights larger than at the start of training, so that logits
 * differ. */
static struct model *
make_model(const char *const (*meta)[2], size_t n_meta, int eot)
{
	static const char *const controls[] = { "<|end|>", "<|text|>" };
	static const char *const values[] = { "yes", "no!", "may be" };
	static const size_t lens[] = { 3, 3, 6 };
	struct config c = { .arch = &archs[ARCH_LLAMA],
		.n_layer = 2,
		.n_embd = 32,
		.n_head = 4,
		.n_head_kv = 2,
		.head_dim = 8,
		.n_ff = 48,
		.n_ctx = CTX + words,
		.rope_dim = 8,
		.rope_base = 10000,
		.norm_eps = 1e-5f,
		.tied = true };
	struct bpe_train *b;
	struct gguf_out *o = gguf_out_new();
	struct model *made;
	struct vocab v;
	const char *folder = getenv("TMP");
	char path[4096];
	struct init how = { .seed = 3, .alive = true, .format = format_named("F32") };
	struct err e;
	void *room;
	int fd;

	snprintf(path, sizeof path, "%s/test_infer-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	b = bpe_train_new("gpt-2", 1000, &e);
	ck_assert_ptr_nonnull(b);
	ck_assert_msg(bpe_train_run(b, 258, controls, 2, &v, &e) == 0, "%s", e.msg);
	c.n_vocab = v.n;
	how.c = c;
	ck_assert_msg(init_model(&how, o, &room, &e) == 0, "%s", e.msg);
	vocab_to_gguf(&v, o);
	if (eot >= 0)
		gguf_put_u32(o, "tokenizer.ggml.eot_token_id", (uint32_t)eot);
	for (size_t i = 0; i < n_meta; i++) {
		gguf_put_str(o, meta[i][0], meta[i][1], strlen(meta[i][1]));
		gguf_put_strs(o, "sr.bias.values", values, lens, 3);
		gguf_put_f32(o, SR_THRESHOLD, 0.25f);
	}
	ck_assert_msg(gguf_save(o, path, &e) == 0, "%s", e.msg);
	made = model_open(path, &e);
	ck_assert_msg(made != NULL, "%s", e.msg);
	unlink(path);
	close(fd);
	free(room);
	gguf_out_free(o);
	bpe_train_free(b);
	return made;
}

static void
setup(void)
{
	m = make_model(NULL, 0, -1);
	pool = pool_new(2);
	f = forward_new(m, pool);
}

/* Everything once more behind a prefix. */
static void
setup_behind(void)
{
	static const int ids[] = { 97, 32, 100, 111, 103, 33, 46 };
	struct adapter *a;
	struct err e;

	words = sizeof ids / sizeof *ids;
	setup();
	a = adapter_make_prefix(m, ids, words, 1, &e);
	ck_assert_msg(a != NULL, "%s", e.msg);
	adapter_attach(a, m, 1);
	ck_assert_uint_eq(m->c.n_ctx, CTX);
}

static void
teardown(void)
{
	forward_free(f);
	pool_free(pool);
	model_free(m);
}

static struct ids
encode(const char *s)
{
	struct ids ids = { 0 };

	tokenizer_encode(m->tok, s, strlen(s), true, &ids);
	return ids;
}

/* Logits behind each of n tokens, by one pass without a cache. */
static float *
all_logits(const int *ids, size_t n)
{
	struct chunk c = { NULL, ids, n, n };
	float *hidden = mem_alloc(n, m->c.n_embd * sizeof *hidden),
	      *logits = mem_alloc(n, m->c.n_vocab * sizeof *logits);
	struct err e;

	ck_assert_msg(pass_run(f, m, &c, 1, PASS_TOKENS, hidden, &e) == 0, "%s", e.msg);
	forward_logits(f, hidden, n, logits, false);
	free(hidden);
	return logits;
}

static struct generation
plain(size_t batch)
{
	return (struct generation){
		.sampling = { .top_p = 1, .repeat_penalty = 1, .repeat_last = 64 },
		.seed = 5,
		.max_tokens = 12,
		.batch = batch,
		.logprobs = true
	};
}

/* Generate for all texts, `copies` times; results in order. */
static void
generate(const struct model *with, const struct generation *g, size_t copies, struct result *out)
{
	struct generator *gen = generator_new(with, pool, g);
	struct err e;
	void *user;

	for (size_t c = 0; c < copies; c++)
		for (size_t i = 0; i < PROMPTS; i++) {
			struct ids ids = encode(texts[i]);

			ck_assert_msg(generator_add(gen, ids.v, ids.n, NULL, i, 0, (void *)texts[i],
					      &e) == 0,
				"%s", e.msg);
			ids_release(&ids);
		}
	ck_assert_uint_eq(generator_pending(gen), copies * PROMPTS);
	for (size_t i = 0; i < copies * PROMPTS; i++) {
		ck_assert_msg(generator_next(gen, &out[i], &user, &e) == 1, "%s", e.msg);
		ck_assert_ptr_eq(user, texts[i % PROMPTS]);
	}
	ck_assert_int_eq(generator_next(gen, &out[0], &user, &e), 0);
	generator_free(gen);
}

static void
same(const struct result *a, const struct result *b)
{
	ck_assert_uint_eq(a->tokens.n, b->tokens.n);
	ck_assert_mem_eq(a->tokens.v, b->tokens.v, a->tokens.n * sizeof *a->tokens.v);
	ck_assert_mem_eq(a->logprobs, b->logprobs, a->tokens.n * sizeof *a->logprobs);
	ck_assert_uint_eq(a->text.len, b->text.len);
	ck_assert_int_eq(a->finish, b->finish);
}

START_TEST(neighbours_do_not_matter)
{
	struct generation g = plain(1);
	struct result alone[PROMPTS], many[3 * PROMPTS];

	g.sampling.temperature = _i ? 1 : 0;
	generate(m, &g, 1, alone);
	g.batch = 4;
	generate(m, &g, 3, many);
	for (size_t i = 0; i < 3 * PROMPTS; i++) {
		same(&alone[i % PROMPTS], &many[i]);
		result_release(&many[i]);
	}
	if (_i)
		ck_assert(memcmp(alone[0].tokens.v, alone[2].tokens.v,
				  alone[0].tokens.n * sizeof(int)) != 0);
	for (size_t i = 0; i < PROMPTS; i++)
		result_release(&alone[i]);
}
END_TEST

START_TEST(greedy_is_the_best_token)
{
	struct generation g = plain(3);
	struct result r[PROMPTS];

	setenv("SR_PRODUCTS", "f32", 1); /* prompts and steps may round differently */
	generate(m, &g, 1, r);
	for (size_t i = 0; i < PROMPTS; i++) {
		struct ids ids = encode(texts[i]);
		size_t n = ids.n;
		float *logits;

		ck_assert_uint_gt(r[i].tokens.n, 0);
		for (size_t t = 0; t < r[i].tokens.n; t++)
			ids_add(&ids, r[i].tokens.v[t]);
		logits = all_logits(ids.v, ids.n);
		for (size_t t = 0; t < r[i].tokens.n; t++) {
			const float *row = logits + (n - 1 + t) * m->c.n_vocab;

			ck_assert_double_ge(r[i].margins[t], 0);
			ck_assert_double_eq_tol(
				r[i].logprobs[t], log_prob(row, m->c.n_vocab, ids.v[n + t]), 1e-3);
			for (size_t k = 0; k < m->c.n_vocab; k++)
				ck_assert_float_le(row[k], row[ids.v[n + t]] + 1e-3f);
		}
		free(logits);
		ids_release(&ids);
		result_release(&r[i]);
	}
}
END_TEST

START_TEST(ends)
{
	struct generation g = plain(2);
	struct result r[PROMPTS], s[PROMPTS];
	struct generator *gen;
	struct ids ids = encode(texts[1]);
	struct model *other;
	char stop[3] = "";
	const char *stops[] = { "never in the text", stop };
	struct err e;
	size_t n_new;

	generate(m, &g, 1, r);
	/* a stop string of two tokens in the middle of the first output */
	ck_assert_int_eq(r[1].finish, FINISH_LENGTH);
	ck_assert_uint_eq(r[1].tokens.n, 12);
	memcpy(stop, r[1].text.data + 3, 2);
	g.stops = stops;
	g.n_stops = 2;
	generate(m, &g, 1, s);
	ck_assert_int_eq(s[1].finish, FINISH_STOP);
	ck_assert_uint_le(s[1].text.len, 3);
	ck_assert_mem_eq(s[1].text.data, r[1].text.data, s[1].text.len);
	for (size_t i = 0; i < PROMPTS; i++)
		result_release(&s[i]);
	g.n_stops = 0;
	/* the end of a turn */
	other = make_model(NULL, 0, r[1].tokens.v[0]);
	generate(other, &g, 1, s);
	ck_assert_int_eq(s[1].finish, FINISH_EOS);
	ck_assert_uint_eq(s[1].tokens.n, 0);
	g.ignore_eos = true;
	for (size_t i = 0; i < PROMPTS; i++)
		result_release(&s[i]);
	generate(other, &g, 1, s);
	/* the same tokens; the text is without the one that ends a turn, a control token now */
	ck_assert_uint_eq(s[1].tokens.n, r[1].tokens.n);
	ck_assert_mem_eq(s[1].tokens.v, r[1].tokens.v, r[1].tokens.n * sizeof *r[1].tokens.v);
	for (size_t i = 0; i < PROMPTS; i++) {
		result_release(&s[i]);
		result_release(&r[i]);
	}
	model_free(other);
	/* positions: the last new token needs none */
	for (size_t max = ids.n - 1; max < ids.n + 4; max++) {
		g.max_positions = max;
		gen = generator_new(m, pool, &g);
		ck_assert_int_eq(generator_add(gen, ids.v, ids.n, NULL, 0, 0, NULL, &e), 0);
		ck_assert_int_eq(generator_next(gen, &r[0], NULL, &e), 1);
		n_new = max < ids.n ? 0 : max - ids.n + 1;
		ck_assert_uint_eq(r[0].tokens.n, n_new);
		result_release(&r[0]);
		generator_free(gen);
	}
	ids_release(&ids);
}
END_TEST

START_TEST(refusals)
{
	struct generation g = plain(2);
	struct generator *gen = generator_new(m, pool, &g);
	int ids[CTX + 1] = { 0 };
	struct err e;

	ck_assert_int_eq(generator_add(gen, ids, 0, NULL, 0, 0, NULL, &e), -1);
	ck_assert_int_eq(generator_add(gen, ids, CTX + 1, NULL, 0, 0, NULL, &e), -1);
	ck_assert_int_eq(generator_add(gen, ids, CTX, NULL, 0, 0, NULL, &e), 0);
	generator_free(gen); /* with a request still in it */
}
END_TEST

START_TEST(a_shared_beginning)
{
	struct generation g = plain(2);
	struct ids ids = encode(texts[3]);

	for (size_t have = 2; have <= ids.n; have += ids.n - 2) {
		struct generator *gen = generator_new(m, pool, &g);
		struct kv kv = { 0 };
		struct chunk c = { &kv, ids.v, have, 0 };
		struct result a, b;
		struct err e;

		ck_assert_int_eq(forward_run(f, &c, 1, NULL, &e), 0);
		ck_assert_int_eq(generator_add(gen, ids.v, ids.n, NULL, 0, 0, NULL, &e), 0);
		ck_assert_int_eq(generator_add(gen, ids.v, ids.n, &kv, 0, 0, NULL, &e), 0);
		ck_assert_uint_eq(kv.n, have);
		kv_release(&kv); /* it is copied */
		ck_assert_int_eq(generator_next(gen, &a, NULL, &e), 1);
		ck_assert_int_eq(generator_next(gen, &b, NULL, &e), 1);
		ck_assert_mem_eq(a.tokens.v, b.tokens.v, a.tokens.n * sizeof *a.tokens.v);
		result_release(&a);
		result_release(&b);
		generator_free(gen);
	}
	ids_release(&ids);
}
END_TEST

START_TEST(sequences)
{
	double logp[2][PROMPTS][CTX];
	struct scored s[PROMPTS];
	struct ids ids[PROMPTS];
	struct err e;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < PROMPTS; i++) {
			if (!pass)
				ids[i] = encode(texts[i]);
			s[i] = (struct scored){ .ids = ids[i].v, .n = ids[i].n,
				.logp = logp[pass][i] };
		}
		ck_assert_msg(
			score_sequences(f, m, s, PROMPTS, pass ? 1 : 1000, &e) == 0, "%s", e.msg);
	}
	for (size_t i = 0; i < PROMPTS; i++) {
		float *logits = all_logits(ids[i].v, ids[i].n);

		ck_assert_double_eq(logp[0][i][0], 0);
		for (size_t t = 1; t < ids[i].n; t++) {
			ck_assert_double_eq_tol(logp[0][i][t],
				log_prob(
					logits + (t - 1) * m->c.n_vocab, m->c.n_vocab, ids[i].v[t]),
				1e-4);
			ck_assert(logp[0][i][t] == logp[1][i][t]);
		}
		free(logits);
		ids_release(&ids[i]);
	}
}
END_TEST

/* What a family has in common is computed once; what is said of its members is the same, and the
 * same bits where each is scored from a token of its own on: 0, 1, ... up to behind its end. */
START_TEST(families)
{
	static const struct {
		const char *text;
		size_t family;
	} members[] = {
		{ "the cat sat on the mat", 1 }, { "the cat sat on the log", 1 },
		{ "the cat sat", 1 }, { "", 1 }, { "the cat", 2 }, { "the cat", 2 },
		{ "a dog", 0 }, { "a dog", 0 }, { "y", 3 }, { "the dog", 4 }, { "no", 4 },
	};
	enum { N = sizeof members / sizeof *members };
	double together[N][CTX], later[N][CTX], single[CTX];
	struct scored s[N];
	struct ids ids[N];
	struct err e;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < N; i++) {
			ids[i] = encode(members[i].text);
			s[i] = (struct scored){ ids[i].v, ids[i].n, together[i],
				members[i].family, 0 };
		}
		ck_assert_int_eq(score_sequences(f, m, s, N, pass ? 1 : 1000, &e), 0);
		for (size_t step = 0; step < CTX; step++) {
			for (size_t i = 0; i < N; i++) {
				s[i].logp = later[i];
				s[i].from = (step + i) % (ids[i].n + 2);
			}
			ck_assert_int_eq(score_sequences(f, m, s, N, pass ? 1 : 1000, &e), 0);
			for (size_t i = 0; i < N; i++)
				for (size_t t = 0; t < ids[i].n; t++)
					ck_assert(later[i][t] ==
						(t < s[i].from ? 0 : together[i][t]));
		}
		for (size_t i = 0; i < N; i++) {
			struct scored alone = { .ids = ids[i].v, .n = ids[i].n,
				.logp = single };

			ck_assert_int_eq(score_sequences(f, m, &alone, 1, 1000, &e), 0);
			for (size_t t = 0; t < ids[i].n; t++)
				ck_assert_double_eq_tol(together[i][t], single[t], 1e-5);
			ids_release(&ids[i]);
		}
	}
}
END_TEST

/* A text of two contexts and a half, by windows that overlap by half: each token is scored once, in
 * the first window that holds it (the first token in none). */
START_TEST(texts_of_any_length)
{
	enum { LONG = 2 * CTX + CTX / 2 };
	static const size_t lens[] = { 0, 1, 2, CTX - 1, CTX, CTX + 1, LONG };
	enum { N = sizeof lens / sizeof *lens };
	struct loglik_text t[N];
	double sum = 0, logp[CTX];
	int ids[LONG];
	struct err e;

	for (size_t i = 0; i < LONG; i++)
		ids[i] = (int)(i * 37 % 256);
	for (size_t i = 0; i < N; i++)
		t[i] = (struct loglik_text){ .ids = ids, .n = lens[i] };
	ck_assert_msg(loglik_texts(f, m, t, N, 1000, &e) == 0, "%s", e.msg);
	for (size_t i = 0; i < N; i++) {
		ck_assert_uint_eq(t[i].tokens, lens[i] ? lens[i] - 1 : 0);
		ck_assert(isnan(loglik_perplexity(&t[i])) == (lens[i] < 2));
	}
	for (size_t at = 0; at + CTX <= LONG; at += CTX / 2) {
		struct scored w = { .ids = ids + at, .n = CTX, .logp = logp };

		ck_assert_int_eq(score_sequences(f, m, &w, 1, 1000, &e), 0);
		for (size_t k = at ? CTX / 2 : 1; k < CTX; k++)
			sum += logp[k];
		if (at == 0)
			ck_assert_double_eq_tol(t[4].sum, sum, 1e-9);
	}
	ck_assert_double_eq_tol(t[N - 1].sum, sum, 1e-4);
	ck_assert_double_eq_tol(log(loglik_perplexity(&t[N - 1])), -sum / (LONG - 1), 1e-6);
}
END_TEST

START_TEST(choices)
{
	enum { VALUES = 3 };
	static const char *const names[VALUES] = { "y", "no", "may be" };
	size_t n_values = _i ? VALUES : 1;
	struct ids values[VALUES], prompts[PROMPTS];
	double logp[PROMPTS][VALUES], alone[VALUES], seq[CTX];
	struct choice c[PROMPTS];
	struct err e;

	for (size_t j = 0; j < VALUES; j++)
		values[j] = encode(names[j]);
	for (size_t i = 0; i < PROMPTS; i++) {
		prompts[i] = encode(texts[i]);
		c[i] = (struct choice){ prompts[i].v, prompts[i].n, NULL, logp[i] };
	}
	ck_assert_msg(
		score_choices(f, m, c, PROMPTS, values, n_values, 1000, &e) == 0, "%s", e.msg);
	for (size_t i = 0; i < PROMPTS; i++) {
		struct kv kv = { 0 };
		struct chunk half = { &kv, prompts[i].v, prompts[i].n / 2, 0 };

		c[i].logp = alone;
		ck_assert_int_eq(score_choices(f, m, &c[i], 1, values, n_values, 1000, &e), 0);
		ck_assert_mem_eq(alone, logp[i], n_values * sizeof *alone);
		/* the sum over the value's tokens of prompt and value as one sequence */
		for (size_t j = 0; j < n_values; j++) {
			struct ids all = { 0 };
			struct scored s;
			double sum = 0;

			for (size_t t = 0; t < prompts[i].n + values[j].n; t++)
				ids_add(&all, t < prompts[i].n ? prompts[i].v[t]
							       : values[j].v[t - prompts[i].n]);
			s = (struct scored){ .ids = all.v, .n = all.n, .logp = seq };
			ck_assert_int_eq(score_sequences(f, m, &s, 1, 1000, &e), 0);
			for (size_t t = prompts[i].n; t < all.n; t++)
				sum += seq[t];
			ck_assert_double_eq_tol(logp[i][j], sum, 1e-4);
			ids_release(&all);
		}
		/* on a cache that holds the first half */
		if (half.n > 1) {
			ck_assert_int_eq(forward_run(f, &half, 1, NULL, &e), 0);
			c[i].kv = &kv;
			ck_assert_int_eq(
				score_choices(f, m, &c[i], 1, values, n_values, 1000, &e), 0);
			ck_assert_uint_eq(kv.n, half.n);
			for (size_t j = 0; j < n_values; j++)
				ck_assert_double_eq_tol(alone[j], logp[i][j], 1e-4);
			kv_release(&kv);
		}
		ids_release(&prompts[i]);
	}
	for (size_t j = 0; j < VALUES; j++)
		ids_release(&values[j]);
}
END_TEST

START_TEST(embeddings)
{
	size_t dim = m->c.n_embd, n = 2 * CTX + 5;
	int *ids = mem_alloc(n, sizeof *ids);
	float *all = mem_alloc(n, dim * sizeof *all), *mean = mem_alloc(dim, sizeof *mean),
	      *last = mem_alloc(dim, sizeof *last);
	struct embedded s = { ids, n, 1, all };
	double length = 0;
	struct err e;

	for (size_t i = 0; i < n; i++)
		ids[i] = (int)(i * 37 % 256);
	/* in three pieces; and the first one alone gives the same rows */
	ck_assert_msg(
		embed_sequences(f, m, &s, 1, POOL_TOKEN, false, PASS_TOKENS, &e) == 0, "%s", e.msg);
	s.out = mean;
	ck_assert_int_eq(embed_sequences(f, m, &s, 1, POOL_MEAN, false, 10, &e), 0);
	s.out = last;
	ck_assert_int_eq(embed_sequences(f, m, &s, 1, POOL_LAST, false, PASS_TOKENS, &e), 0);
	for (size_t k = 0; k < dim; k++) {
		double sum = 0;

		for (size_t t = 0; t < n - 1; t++)
			sum += all[t * dim + k];
		ck_assert_double_eq_tol(mean[k], sum / (double)(n - 1), 1e-5);
		ck_assert_float_eq_tol(last[k], all[(n - 2) * dim + k], 1e-5f);
	}
	s = (struct embedded){ ids, CTX, 1, last };
	ck_assert_int_eq(embed_sequences(f, m, &s, 1, POOL_LAST, false, PASS_TOKENS, &e), 0);
	ck_assert_mem_eq(last, all + (CTX - 2) * dim, dim * sizeof *last);
	ck_assert_int_eq(embed_sequences(f, m, &s, 1, POOL_LAST, true, PASS_TOKENS, &e), 0);
	for (size_t k = 0; k < dim; k++)
		length += (double)last[k] * last[k];
	ck_assert_double_eq_tol(length, 1, 1e-5);
	s.n = 1;
	ck_assert_int_eq(embed_sequences(f, m, &s, 1, POOL_LAST, true, PASS_TOKENS, &e), -1);
	free(ids);
	free(all);
	free(mean);
	free(last);
}
END_TEST

static void
judge_text(struct judge *j, const struct model *with, const char *text, size_t len, double *p)
{
	struct forward *own = forward_new(with, pool);
	struct judged t = { text, len, p };
	struct err e;

	ck_assert_msg(judge_run(j, own, with, &t, 1, &e) == 0, "%s", e.msg);
	forward_free(own);
}

START_TEST(judges)
{
	static const char *const meta[][2] = {
		{ "sr.safety.prompt", "[[<|text|>]]{text}[[<|end|>]]" },
		{ "sr.bias.prompt", "Is this long question asked about {text}? " },
		{ SR_TEMPLATE, "sr" },
	};
	struct model *own;
	struct judged t[PROMPTS];
	double p[PROMPTS][3], one[3];
	char longer[5 * CTX + 1];
	struct judge *j;
	struct err e;

	/* The plain template does not fit into 64 positions, and that is said. */
	ck_assert_ptr_null(judge_new(m, "safety", &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "64 positions"));
	ck_assert_ptr_null(judge_new(m, "colour", &e));

	own = make_model(meta, 3, -1);
	ck_assert_ptr_null(
		judge_new(own, "harm", &e)); /* its control token is not in the vocabulary */
	j = judge_new(own, "bias", &e);
	ck_assert_msg(j != NULL, "%s", e.msg);
	ck_assert(judge_calibrated(j));
	ck_assert_double_eq(judge_threshold(j), 0.5);
	ck_assert_uint_eq(judge_n_values(j), 3);
	ck_assert_str_eq(judge_value(j, 2), "may be");
	for (size_t i = 0; i < PROMPTS; i++)
		t[i] = (struct judged){ texts[i], i == 3 ? 10 : strlen(texts[i]), p[i] };
	forward_free(f);
	f = forward_new(own, pool);
	ck_assert_msg(judge_run(j, f, own, t, PROMPTS, &e) == 0, "%s", e.msg);
	for (size_t i = 0; i < PROMPTS; i++) {
		judge_text(j, own, t[i].text, t[i].len, one);
		ck_assert_mem_eq(one, p[i], sizeof one);
		ck_assert_double_eq_tol(one[0] + one[1] + one[2], 1, 1e-12);
	}
	judge_free(j);

	/* Values from the template that the model names; windows over a text of five contexts, with
	 * a character of two bytes at every place where a cut may fall. */
	j = judge_new(own, "safety", &e);
	ck_assert_ptr_null(j); /* sr.safety.values is missing, and template sr wants <|safety|> */
	model_free(own);
	own = make_model(
		(const char *const[][2]){ { "sr.safety.prompt", "[[<|text|>]]{text}[[<|end|>]]" },
			{ "sr.bias.prompt", "[[<|text|>]]{text}[[<|end|>]]" } },
		2, -1);
	j = judge_new(own, "bias", &e);
	ck_assert_msg(j != NULL, "%s", e.msg);
	for (size_t i = 0; i < 5 * CTX; i += 2)
		memcpy(longer + i, "\xc3\xa9", 2);
	judge_text(j, own, longer, 5 * CTX, one);
	ck_assert_double_eq_tol(one[0] + one[1] + one[2], 1, 1e-12);
	/* the gravest window speaks: adding text can only raise the grave value, here "yes" */
	judge_text(j, own, "abcdefghij", 10, p[0]);
	memset(longer, 'a', 5 * CTX);
	judge_text(j, own, longer, 5 * CTX, p[0]);
	memcpy(longer + 3 * CTX, "Quite different: 12345", 22);
	judge_text(j, own, longer, 5 * CTX, p[1]);
	ck_assert_double_ge(p[1][0], p[0][0]);
	judge_text(j, own, "", 0, p[1]);
	ck_assert_double_eq_tol(p[1][0] + p[1][1] + p[1][2], 1, 1e-12);
	judge_free(j);
	model_free(own);
}
END_TEST

static TCase *
all(const char *name, void (*begin)(void))
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, begin, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, neighbours_do_not_matter, 0, 2);
	tcase_add_test(t, greedy_is_the_best_token);
	tcase_add_test(t, refusals);
	tcase_add_test(t, a_shared_beginning);
	tcase_add_test(t, sequences);
	tcase_add_test(t, families);
	tcase_add_test(t, texts_of_any_length);
	tcase_add_loop_test(t, choices, 0, 2);
	tcase_add_test(t, embeddings);
	tcase_add_test(t, judges);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("infer");
	TCase *plain = all("infer", setup);
	SRunner *r;
	int failed;

	tcase_add_test(plain, ends); /* of sequences that end in this case */
	suite_add_tcase(s, plain);
	suite_add_tcase(s, all("behind a prefix", setup_behind));
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
