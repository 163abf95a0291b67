/* model/forward against the naive reference, and against itself: with caches and without, alone and
 * in company. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/adapter.h"
#include "model/forward.h"
#include "naive.h"
#include "tensor/types.h"

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

#define LLAMA(layers, width, heads, heads_kv, dim, ff, vocab) \
	.arch = &archs[ARCH_LLAMA], .n_layer = (layers), .n_embd = (width), .n_head = (heads), \
	.n_head_kv = (heads_kv), .head_dim = (dim), .n_ff = (ff), .n_vocab = (vocab)

/* Sides are multiples of 32 where weights are stored in Q8_0. Heads: grouped, all alike, one for
 * all. */
static const struct config configs[] = {
	{ LLAMA(2, 32, 4, 2, 16, 64, 50), .n_ctx = 256, .rope_dim = 16,
		.rope_base = 10000, .norm_eps = 1e-5f, .tied = true },
	{ LLAMA(2, 32, 4, 2, 16, 64, 50), .n_ctx = 256, .rope_dim = 16,
		.rope_base = 10000, .norm_eps = 1e-5f },
	{ LLAMA(3, 64, 4, 4, 8, 96, 131), .n_ctx = 256, .rope_dim = 8,
		.rope_base = 500000, .norm_eps = 1e-6f },
	/* a quarter of each head turns */
	{ LLAMA(1, 32, 6, 1, 32, 32, 33), .n_ctx = 256, .rope_dim = 8,
		.rope_base = 10000, .norm_eps = 1e-5f, .tied = true },
};

/* Those, and a small model of each kind. */
enum { N_CONFIGS = N(configs) + N_KINDS };

static const struct config *
config_at(int i)
{
	return i < N(configs) ? &configs[i] : &kinds[i - N(configs)].c;
}

static const char *
name_of(int i)
{
	return i < N(configs) ? "llama" : kinds[i - N(configs)].name;
}

static const float *
factors_at(int i)
{
	return i < N(configs) ? NULL : kinds[i - N(configs)].factors;
}

/* f32 against double through some layers: the sizes of rounding errors, ten times. */
static const real tolerance = 1e-5;

enum { LONGEST = 200 };

/* A model in a format of its own, with all that a test needs. */
struct stage {
	struct config c;
	float *w;
	struct model m;
	void *stored[64];
	size_t n_stored;
	struct pool *pool;
	struct forward *f;
	int ids[LONGEST];
	float *out, *other; /* LONGEST x C */
	struct err e;
};

static void
restore(struct stage *s, struct weight *w, uint32_t type)
{
	void *p = mem_alloc(w->rows, type_row_bytes(type, w->cols));

	type_info(type)->store(w->data, p, w->rows * w->cols);
	s->stored[s->n_stored++] = p;
	*w = (struct weight){ type, w->rows, w->cols, p, NULL };
}

static struct stage *
set(int which, uint32_t type, int threads)
{
	struct stage *s = mem_alloc(1, sizeof *s);
	const struct config *c = config_at(which);
	struct tensor_spec t;
	struct rng r;

	s->c = *c;
	s->w = random_weights(c, 17);
	bind_model(&s->m, c, s->w);
	for (size_t i = 0; type != TYPE_F32 && config_tensor(c, i, &t); i++) {
		struct slot slot = model_slot(&s->m, t.name);

		for (size_t k = 0; k < slot.n; k++)
			if (slot.part[k].w)
				restore(s, slot.part[k].w, type);
	}
	if (c->tied)
		s->m.head = s->m.embed;
	s->m.rope_factors = factors_at(which);
	s->pool = pool_new(threads);
	s->f = forward_new(&s->m, s->pool);
	rng_seed(&r, 4);
	for (size_t i = 0; i < LONGEST; i++)
		s->ids[i] = (int)rng_below(&r, c->n_vocab);
	s->out = mem_alloc(LONGEST * c->n_embd, sizeof *s->out);
	s->other = mem_alloc(LONGEST * c->n_embd, sizeof *s->other);
	return s;
}

static void
strike(struct stage *s)
{
	forward_free(s->f);
	pool_free(s->pool);
	for (size_t i = 0; i < s->n_stored; i++)
		free(s->stored[i]);
	free(s->m.layers);
	free(s->w);
	free(s->out);
	free(s->other);
	free(s);
}

/* One chunk alone. */
static void
go(struct stage *s, struct kv *kv, const int *ids, size_t n, size_t n_out, float *out)
{
	struct chunk c = { kv, ids, n, n_out };

	ck_assert_msg(forward_run(s->f, &c, 1, out, &s->e) == 0, "%s", s->e.msg);
}

static void
same(const struct stage *s, const float *a, const float *b, size_t n, const char *what)
{
	ck_assert_msg(memcmp(a, b, n * s->c.n_embd * sizeof *a) == 0, "other bits: %s", what);
}

START_TEST(as_the_reference)
{
	static const size_t lengths[] = { 1, 2, 5, 64, 65, 130 };
	struct stage *s = set(_i, TYPE_F32, 2);
	size_t width = s->c.n_embd, vocab = s->c.n_vocab;
	real *w = reals(s->w, config_params(&s->c));
	real *hidden = mem_alloc(LONGEST * width, sizeof *hidden);
	real *want = mem_alloc(LONGEST * vocab, sizeof *want);
	float *logits = mem_alloc(LONGEST * vocab, sizeof *logits);

	for (int i = 0; i < N(lengths); i++) {
		size_t n = lengths[i];
		real d;

		naive_hidden(&s->c, factors_at(_i), w, s->ids, n, hidden);
		naive_logits(&s->c, w, hidden, n, want);
		go(s, NULL, s->ids, n, n, s->out);
		d = distance(s->out, hidden, n * width);
		ck_assert_msg(d <= tolerance, "%s, %zu tokens: hidden states are off by %g",
			name_of(_i), n, d);
		for (int rows = 0; rows < 2; rows++) {
			forward_logits(s->f, s->out, n, logits, rows);
			d = distance(logits, want, n * vocab);
			ck_assert_msg(d <= tolerance, "%s, %zu tokens: logits are off by %g",
				name_of(_i), n, d);
		}
		/* fewer outputs are the last ones */
		go(s, NULL, s->ids, n, 1, s->other);
		same(s, s->other, s->out + (n - 1) * width, 1, "the last output alone");
	}
	free(w);
	free(hidden);
	free(want);
	free(logits);
	strike(s);
}
END_TEST

/* The same text in one chunk, token by token and in pieces. A product of few rows runs elsewhere,
 * so not bit by bit. */
START_TEST(in_pieces)
{
	static const size_t pieces[] = { 1, 7, 64, 100 };
	struct stage *s = set(_i, TYPE_F32, 2);
	size_t width = s->c.n_embd, n = 150;
	real *want;

	go(s, NULL, s->ids, n, n, s->out);
	want = reals(s->out, n * width);
	for (int p = 0; p < N(pieces); p++) {
		struct kv kv = { 0 };
		real d;

		for (size_t i = 0; i < n; i += pieces[p]) {
			size_t m = n - i < pieces[p] ? n - i : pieces[p];

			go(s, &kv, s->ids + i, m, m, s->other + i * width);
			ck_assert_uint_eq(kv.n, i + m);
		}
		d = distance(s->other, want, n * width);
		ck_assert_msg(d <= tolerance, "%s: pieces of %zu are off by %g", name_of(_i),
			pieces[p], d);
		kv_release(&kv);
	}
	free(want);
	strike(s);
}
END_TEST

static const uint32_t types[] = { TYPE_F32, TYPE_F16, TYPE_BF16, TYPE_Q8_0 };

/* A sequence's bits are the same alone and in company, first or last, whatever the number of
 * threads. */
START_TEST(in_company)
{
	static const size_t lengths[] = { 3, 40, 2, 65, 33 };
	struct stage *s = set(1, types[_i % N(types)], _i / N(types) + 1);
	size_t width = s->c.n_embd, total = 0, at = 0;
	struct chunk chunks[N(lengths)];
	struct stage *one = set(1, types[_i % N(types)], 1);

	for (int i = 0; i < N(lengths); i++) {
		chunks[i] = (struct chunk){ NULL, s->ids + total, lengths[i], lengths[i] };
		total += lengths[i];
	}
	ck_assert_int_eq(forward_run(s->f, chunks, N(lengths), s->out, &s->e), 0);
	for (int i = 0; i < N(lengths); i++) {
		go(one, NULL, one->ids + at, lengths[i], lengths[i], one->out);
		same(s, one->out, s->out + at * width, lengths[i], "alone");
		at += lengths[i];
	}
	strike(one);
	strike(s);
}
END_TEST

/* Likewise for steps of one token on top of caches of different lengths. */
START_TEST(steps_in_company)
{
	enum { MANY = 5 };
	struct stage *s = set(1, types[_i % N(types)], _i / N(types) + 1);
	struct kv kv[MANY] = { 0 }, copy[MANY] = { 0 };
	struct chunk chunks[MANY];
	size_t width = s->c.n_embd;

	for (size_t i = 0; i < MANY; i++) {
		go(s, &kv[i], s->ids + i, 1 + 17 * i, 1, s->other);
		ck_assert_int_eq(kv_copy(&s->m, &copy[i], &kv[i], kv[i].n, &s->e), 0);
	}
	for (int step = 0; step < 3; step++) {
		for (size_t i = 0; i < MANY; i++)
			chunks[i] = (struct chunk){ &kv[i], s->ids + 50 + i + step, 1, 1 };
		ck_assert_int_eq(forward_run(s->f, chunks, MANY, s->out, &s->e), 0);
		for (size_t i = 0; i < MANY; i++) {
			go(s, &copy[i], s->ids + 50 + i + step, 1, 1, s->other);
			same(s, s->other, s->out + i * width, 1, "alone");
		}
	}
	for (size_t i = 0; i < MANY; i++) {
		kv_release(&kv[i]);
		kv_release(&copy[i]);
	}
	strike(s);
}
END_TEST

/* Behind a prefix that was made of words a text goes on as behind the words, bit by bit: without a
 * cache, in company, through a cache at once and in steps, cut and copied. */
START_TEST(behind_words)
{
	enum { WORDS = 21, TEXT = 90 };
	struct stage *s = set(_i, TYPE_F32, 2), *behind = set(_i, TYPE_F32, 2);
	struct adapter *a = adapter_make_prefix(&s->m, s->ids, WORDS, 2, &s->e);
	size_t width = s->c.n_embd;
	struct kv all = { 0 }, kv = { 0 }, copy = { 0 };
	const int *text = s->ids + WORDS;
	struct chunk two[] = { { NULL, s->ids, 40, 40 }, { NULL, text, TEXT, TEXT } };

	ck_assert_msg(a != NULL, "%s", s->e.msg);
	adapter_attach(a, &behind->m, 1);
	ck_assert_uint_eq(behind->m.c.n_ctx + WORDS, s->m.c.n_ctx);
	go(s, NULL, s->ids, WORDS + TEXT, TEXT, s->out);
	go(behind, NULL, text, TEXT, TEXT, behind->out);
	same(s, behind->out, s->out, TEXT, "without a cache");
	ck_assert_int_eq(forward_run(behind->f, two, 2, behind->out, &behind->e), 0);
	same(s, behind->out + 40 * width, s->out, TEXT, "in company");

	go(s, &all, s->ids, WORDS + 30, 1, s->other);
	go(behind, &kv, text, 30, 1, behind->out);
	same(s, behind->out, s->other, 1, "through a cache");
	ck_assert_uint_eq(kv.n, 30);
	ck_assert_uint_eq(kv.front, WORDS);
	ck_assert_int_eq(kv_copy(&behind->m, &copy, &kv, 10, &behind->e), 0);
	for (int i = 30; i < 40; i++) {
		go(s, &all, text + i, 1, 1, s->other);
		go(behind, &kv, text + i, 1, 1, behind->out);
		same(s, behind->out, s->other, 1, "in steps");
	}
	kv_cut(&all, WORDS + 10);
	kv_cut(&kv, 10);
	go(s, &all, text + 10, 80, 80, s->other);
	go(behind, &kv, text + 10, 80, 80, behind->out);
	same(s, behind->out, s->other, 80, "cut");
	go(behind, &copy, text + 10, 80, 80, behind->out);
	same(s, behind->out, s->other, 80, "copied");
	kv_cut(&kv, 0);
	go(behind, &kv, text, TEXT, TEXT, behind->out);
	same(s, behind->out, s->out, TEXT, "emptied");
	kv_release(&all);
	kv_release(&kv);
	kv_release(&copy);
	adapter_free(a);
	strike(s);
	strike(behind);
}
END_TEST

/* What a prefix may not be: none, or all of the context. */
START_TEST(prefix_lengths)
{
	struct stage *s = set(0, TYPE_F32, 1);

	ck_assert_ptr_null(adapter_make_prefix(&s->m, s->ids, 0, 1, &s->e));
	ck_assert_ptr_null(adapter_make_prefix(&s->m, s->ids, s->c.n_ctx, 1, &s->e));
	ck_assert_msg(strncmp(s->e.msg, "256 virtual tokens, where a model of 256 positions", 50)
		== 0, "%s", s->e.msg);
	strike(s);
}
END_TEST

/* A cache that was cut, and a copy of its beginning, go on as one that never knew more. */
START_TEST(cut_and_copied)
{
	struct stage *s = set(_i, TYPE_F32, 1);
	struct kv plain = { 0 }, cut = { 0 }, copy = { 0 };

	go(s, &plain, s->ids, 20, 1, s->out);
	go(s, &plain, s->ids + 100, 30, 30, s->out);

	go(s, &cut, s->ids, 20, 1, s->other);
	go(s, &cut, s->ids + 60, 40, 1, s->other);
	kv_cut(&cut, 70); /* nothing to forget */
	ck_assert_uint_eq(cut.n, 60);
	go(s, &copy, s->ids + 7, 90, 1, s->other); /* what the copy held is gone */
	ck_assert_int_eq(kv_copy(&s->m, &copy, &cut, 20, &s->e), 0);
	kv_cut(&cut, 20);
	go(s, &cut, s->ids + 100, 30, 30, s->other);
	same(s, s->other, s->out, 30, "cut");
	go(s, &copy, s->ids + 100, 30, 30, s->other);
	same(s, s->other, s->out, 30, "copied");
	kv_release(&copy);
	ck_assert_int_eq(kv_copy(&s->m, &copy, &plain, 0, &s->e), 0);
	ck_assert_uint_eq(copy.n, 0);

	kv_release(&plain);
	kv_release(&cut);
	kv_release(&copy);
	strike(s);
}
END_TEST

/* The first layer's keys of n positions are k (n, n_head_kv, head_dim). */
static void
same_keys(const struct config *c, const struct kv *kv, const float *k, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t h = 0; h < c->n_head_kv; h++) {
			const float *panel = kv_keys(c, kv, 0, h) + i / 16 * 16 * c->head_dim;

			for (size_t d = 0; d < c->head_dim; d++, k++)
				ck_assert_mem_eq(k, panel + d * 16 + i % 16, sizeof *k);
		}
}

/* The pass that training records gives the same bits as the one that generation uses. */
START_TEST(on_tape)
{
	static const size_t lengths[] = { 1, 70, 2, 9 };
	struct stage *s = set(_i % N_CONFIGS, types[_i / N_CONFIGS * 2], 2);
	struct chunk chunks[N(lengths)];
	struct kv kv[N(lengths)] = { 0 };
	struct tape tape;
	size_t total = 0;

	for (int i = 0; i < N(lengths); i++) {
		chunks[i] =
			(struct chunk){ NULL, s->ids + total, lengths[i], (lengths[i] + 1) / 2 };
		total += lengths[i];
	}
	ck_assert_int_eq(tape_init(&tape, &s->c, total, false, &s->e), 0);
	ck_assert_int_eq(forward_tape(s->f, chunks, N(lengths), &tape, s->out, &s->e), 0);
	ck_assert_int_eq(forward_run(s->f, chunks, N(lengths), s->other, &s->e), 0);
	same(s, s->other, s->out, 1 + 35 + 1 + 5, "without caches");
	for (int i = 0; i < N(lengths); i++)
		chunks[i].kv = &kv[i];
	memset(s->other, 0, 42 * s->c.n_embd * sizeof *s->other);
	ck_assert_int_eq(forward_run(s->f, chunks, N(lengths), s->other, &s->e), 0);
	same(s, s->other, s->out, 42, "with caches");
	/* the tape has what the caches have */
	same_keys(&s->c, &kv[1], tape.layers[0].k + s->c.n_head_kv * s->c.head_dim, 70);

	ck_assert_int_eq(forward_tape(s->f, chunks, 1, &tape, s->out, &s->e), -1);
	ck_assert_str_eq(s->e.msg, "a pass on tape takes no KV cache");
	chunks[0] = (struct chunk){ NULL, s->ids, total + 1, 1 };
	ck_assert_int_eq(forward_tape(s->f, chunks, 1, &tape, s->out, &s->e), -1);
	ck_assert_str_eq(s->e.msg, "83 tokens do not fit on a tape of 82");
	for (int i = 0; i < N(lengths); i++)
		kv_release(&kv[i]);
	tape_release(&tape);
	strike(s);
}
END_TEST

/* A bad token is an error that names it, and the caches stay as they were. Chunks of nothing are
 * nothing. */
START_TEST(refused)
{
	struct stage *s = set(0, TYPE_F32, 1);
	struct kv a = { 0 }, b = { 0 };
	int bad[] = { 1, 2, 50 }, worse[] = { -1 };
	struct chunk chunks[] = { { &a, s->ids, 3, 1 }, { &b, bad, 3, 1 } };
	struct chunk none[] = { { &a, NULL, 0, 0 }, { &b, s->ids, 5, 0 } };

	ck_assert_int_eq(forward_run(s->f, chunks, 2, s->out, &s->e), -1);
	ck_assert_str_eq(s->e.msg, "token 50 is outside the vocabulary of 50");
	chunks[1].tokens = worse;
	chunks[1].n = 1;
	ck_assert_int_eq(forward_run(s->f, chunks, 2, s->out, &s->e), -1);
	ck_assert_str_eq(s->e.msg, "token -1 is outside the vocabulary of 50");
	chunks[0].n_out = 4;
	ck_assert_int_eq(forward_run(s->f, chunks, 1, s->out, &s->e), -1);
	ck_assert_uint_eq(a.n, 0);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_int_eq(forward_run(s->f, none, 2, s->out, &s->e), 0);
	ck_assert_uint_eq(a.n, 0);
	ck_assert_uint_eq(b.n, 5);
	ck_assert_int_eq(forward_run(s->f, none, 0, s->out, &s->e), 0);
	kv_release(&a);
	kv_release(&b);
	strike(s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("forward");
	TCase *t = tcase_create("forward");
	SRunner *r;
	int failed;

	setenv("SR_PRODUCTS", "f32", 1); /* rounded ones have other tests */
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, as_the_reference, 0, N_CONFIGS);
	tcase_add_loop_test(t, in_pieces, 0, N_CONFIGS);
	tcase_add_loop_test(t, in_company, 0, 3 * N(types));
	tcase_add_loop_test(t, steps_in_company, 0, 2 * N(types));
	tcase_add_loop_test(t, cut_and_copied, 0, N_CONFIGS);
	tcase_add_loop_test(t, behind_words, 0, N_CONFIGS);
	tcase_add_test(t, prefix_lengths);
	tcase_add_loop_test(t, on_tape, 0, 2 * N_CONFIGS);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
