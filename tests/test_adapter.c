/* LoRA adapters: products with them against weights merged in double, every architecture's logits
 * with adapters from files of both forms against the naive reference, and what is refused. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/adapter.h"
#include "model/adapter_internal.h"
#include "model/forward.h"
#include "model/safetensors.h"
#include "naive.h"
#include "tensor/types.h"

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

static char folder[4096]; /* where files go */

static const char *
path_of(const char *name)
{
	static char paths[4][4200];
	static int at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof *paths, "%s/%s", folder, name);
	return path;
}

static void
setup(void)
{
	const char *tmp = getenv("TMP");

	snprintf(folder, sizeof folder, "%s/test_adapter-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
teardown(void)
{
	static const char *const names[] = { "a.gguf", "b.gguf", "peft/adapter_config.json",
		"peft/adapter_model.safetensors", "peft/adapter_model.bin", "peft", "" };

	for (int i = 0; i < N(names); i++)
		remove(path_of(names[i]));
}

/* Products. */

static const struct {
	size_t rows, cols;
} shapes[] = { { 1, 32 }, { 65, 96 }, { 130, 160 }, { 513, 64 }, { 257, 256 } };
static const size_t ranks[] = { 1, 5, 40 };
static const uint32_t types[] = { TYPE_F32, TYPE_F16, TYPE_Q8_0 };
enum { MOST = 70, CHAIN = 2 };

typedef void multiply(struct pool *, const struct weight *, const float *, size_t, float *);
static multiply *const ways[] = { weight_mul, weight_mul_rows };

static void
check_chain(const struct weight *w, const float *x, multiply *mul)
{
	struct weight plain = *w;
	struct pool *pools[] = { pool_new(1), pool_new(2) };
	float *y = mem_alloc(MOST * w->rows, sizeof *y), *one = mem_alloc(w->rows, sizeof *one);
	float *base = mem_alloc(MOST * w->rows, sizeof *base);
	real *want = mem_alloc(MOST * w->rows, sizeof *want);

	plain.lora = NULL;
	mul(pools[0], w, x, MOST, y);
	mul(pools[0], &plain, x, MOST, base);
	/* what is added, by the definition; the base's own rounding is another test's */
	for (size_t i = 0; i < MOST * w->rows; i++)
		want[i] = (real)base[i];
	for (size_t j = 0; j < MOST; j++)
		for (const struct lora *l = w->lora; l; l = l->next)
			for (size_t r = 0; r < l->rank; r++) {
				real u = 0;

				for (size_t k = 0; k < w->cols; k++)
					u += (real)l->a[r * w->cols + k] * (real)x[j * w->cols + k];
				for (size_t i = 0; i < w->rows; i++)
					want[j * w->rows + i] += (real)l->scale *
						(real)l->b[i * l->rank + r] * u;
			}
	ck_assert_msg(distance(y, want, MOST * w->rows) < 2e-6, "%zu x %zu, %s: %g", w->rows,
		w->cols, type_info(w->type)->name, distance(y, want, MOST * w->rows));
	/* a row's bits are its own, whatever the threads */
	for (size_t j = 0; j < MOST; j += 23) {
		mul(pools[1], w, x + j * w->cols, 1, one);
		ck_assert_mem_eq(one, y + j * w->rows, w->rows * sizeof *one);
	}
	mul(pools[1], w, x, 0, one);
	pool_free(pools[0]);
	pool_free(pools[1]);
	free(y);
	free(one);
	free(base);
	free(want);
}

static void
check_rows(const struct weight *w)
{
	struct weight plain = *w;
	float *got = mem_alloc(w->cols, sizeof *got), *base = mem_alloc(w->cols, sizeof *base);

	plain.lora = NULL;
	for (size_t i = 0; i < w->rows; i += 7) {
		weight_row(w, i, got);
		weight_row(&plain, i, base);
		for (size_t k = 0; k < w->cols; k++) {
			real want = (real)base[k];

			for (const struct lora *l = w->lora; l; l = l->next)
				for (size_t r = 0; r < l->rank; r++)
					want += (real)l->scale * (real)l->b[i * l->rank + r] *
						(real)l->a[r * w->cols + k];
			ck_assert(fabs((real)got[k] - want) < 1e-5);
		}
	}
	free(got);
	free(base);
}

START_TEST(products)
{
	size_t rows = shapes[_i].rows, cols = shapes[_i].cols;
	float *full = mem_alloc(rows * cols, sizeof *full);
	float *x = mem_alloc(MOST * cols, sizeof *x);
	struct lora chain[CHAIN];

	random_floats(full, rows * cols, 1, rows);
	random_floats(x, MOST * cols, 1, cols);
	for (int k = 0; k < N(ranks); k++) {
		for (size_t i = 0; i < CHAIN; i++) {
			size_t rank = ranks[k] + i;
			float *a = mem_alloc(rank * cols, sizeof *a);
			float *b = mem_alloc(rows * rank, sizeof *b);

			random_floats(a, rank * cols, 0.2f, i);
			random_floats(b, rows * rank, 0.5f, 10 + i);
			chain[i] = (struct lora){ .rank = rank, .a = a, .b = b,
				.scale = i ? -0.7f : 1.5f,
				.next = i + 1 < CHAIN ? &chain[i + 1] : NULL };
		}
		for (int t = 0; t < N(types); t++) {
			void *stored = mem_alloc(rows, type_row_bytes(types[t], cols));
			struct weight w = { types[t], rows, cols, stored, chain };

			type_info(types[t])->store(full, stored, rows * cols);
			for (int way = 0; way < N(ways); way++)
				check_chain(&w, x, ways[way]);
			check_rows(&w);
			free(stored);
		}
		for (size_t i = 0; i < CHAIN; i++) {
			free((float *)chain[i].a);
			free((float *)chain[i].b);
		}
	}
	free(full);
	free(x);
}
END_TEST

/* Files. */

enum { LENGTH = 12 };

/* A model of a kind, its metadata, and weights for the reference with what adapters add. */
struct stage {
	const struct kind *kind;
	struct model m;
	float *w;
	real *merged;
	struct pool *pool;
	int ids[LENGTH];
};

static struct stage
set(const struct kind *kind)
{
	struct stage s = { .kind = kind, .w = random_weights(&kind->c, 5), .pool = pool_new(1) };
	struct gguf_out *o = gguf_out_new();
	struct err e;
	struct rng r;

	bind_model(&s.m, &kind->c, s.w);
	s.m.rope_factors = kind->factors;
	config_write(&kind->c, o);
	gguf_put_str(o, "general.name", "a \"small\" one", 13);
	s.m.file = gguf_view(o, NULL, NULL, &e);
	ck_assert_msg(s.m.file != NULL, "%s", e.msg);
	gguf_out_free(o);
	s.merged = reals(s.w, config_params(&kind->c));
	rng_seed(&r, 4);
	for (int i = 0; i < LENGTH; i++)
		s.ids[i] = (int)rng_below(&r, kind->c.n_vocab);
	return s;
}

static void
strike(struct stage *s)
{
	adapter_free(s->m.adapters);
	gguf_free(s->m.file);
	free(s->m.layers);
	free(s->w);
	free(s->merged);
	pool_free(s->pool);
}

/* Take the adapters out again. */
static void
bare(struct stage *s)
{
	struct gguf *file = s->m.file;

	adapter_free(s->m.adapters);
	free(s->m.layers);
	bind_model(&s->m, &s->kind->c, s->w);
	s->m.rope_factors = s->kind->factors;
	s->m.file = file;
}

static void
put(struct gguf_out *o, const char *tensor, const char *side, size_t rows, size_t cols,
	const float *data)
{
	char name[128];

	snprintf(name, sizeof name, "%s.%s", tensor, side);
	gguf_put_tensor(o, name, TYPE_F32, 2, (uint64_t[]){ cols, rows }, data);
}

static bool
has_adapter(const struct tensor_spec *t)
{
	size_t len = strlen(t->name);

	return t->rows > 1 && strcmp(t->name + len - 7, ".weight") == 0 &&
		strcmp(t->name, "position_embd.weight") != 0;
}

/* Write a GGUF LoRA file for every matrix, ranks 1 to 4, as llama.cpp lays it out; add `scale`
 * times what it changes to the reference's weights. alpha 0: its scale is 1. */
static void
write_adapter(struct stage *s, const char *path, uint64_t seed, float alpha, real scale)
{
	const struct config *c = &s->kind->c;
	struct gguf_out *o = gguf_out_new();
	struct tensor_spec t;
	float *room[256];
	size_t n = 0;
	struct err e;

	gguf_put_str(o, "general.architecture", c->arch->name, strlen(c->arch->name));
	gguf_put_str(o, "general.type", "adapter", 7);
	gguf_put_str(o, "adapter.type", "lora", 4);
	gguf_put_f32(o, "adapter.lora.alpha", alpha);
	for (size_t i = 0; config_tensor(c, i, &t); i++) {
		size_t rank = 1 + i % 4;
		float *a, *b, *turned;
		real *w = s->merged + naive_place(c, t.name);

		if (!has_adapter(&t))
			continue;
		room[n++] = a = mem_alloc(rank * t.cols, sizeof *a);
		room[n++] = b = mem_alloc(t.rows * rank, sizeof *b);
		room[n++] = turned = mem_alloc(rank * t.cols, sizeof *turned);
		random_floats(a, rank * t.cols, 0.3f, seed + 2 * i);
		random_floats(b, t.rows * rank, 0.3f, seed + 2 * i + 1);
		for (size_t r = 0; r < rank; r++)
			for (size_t k = 0; k < t.cols; k++)
				turned[k * rank + r] = a[r * t.cols + k];
		if (strcmp(t.name, "token_embd.weight") == 0) {
			put(o, t.name, "lora_a", t.rows, rank, b);
			put(o, t.name, "lora_b", t.cols, rank, turned);
		} else {
			put(o, t.name, "lora_a", rank, t.cols, a);
			put(o, t.name, "lora_b", t.rows, rank, b);
		}
		for (size_t j = 0; j < t.rows; j++)
			for (size_t r = 0; r < rank; r++)
				for (size_t k = 0; k < t.cols; k++)
					w[j * t.cols + k] += scale *
						(alpha != 0 ? (real)alpha / (real)rank : 1) *
						(real)b[j * rank + r] * (real)a[r * t.cols + k];
	}
	ck_assert_msg(gguf_save(o, path, &e) == 0, "%s", e.msg);
	gguf_out_free(o);
	while (n > 0)
		free(room[--n]);
}

static struct adapter *
read_adapter(struct stage *s, const char *path)
{
	struct err e;
	struct adapter *a = adapter_open(path, &s->m, &e);

	ck_assert_msg(a != NULL, "%s: %s", s->kind->name, e.msg);
	return a;
}

/* Logits (LENGTH, V); free() */
static float *
logits_of(struct stage *s)
{
	const struct config *c = &s->kind->c;
	struct chunk chunk = { NULL, s->ids, LENGTH, LENGTH };
	struct forward *f = forward_new(&s->m, s->pool);
	float *hidden = mem_alloc(LENGTH * c->n_embd, sizeof *hidden);
	float *logits = mem_alloc(LENGTH * c->n_vocab, sizeof *logits);
	struct err e;

	ck_assert_msg(forward_run(f, &chunk, 1, hidden, &e) == 0, "%s", e.msg);
	forward_logits(f, hidden, LENGTH, logits, false);
	free(hidden);
	forward_free(f);
	return logits;
}

/* The reference's, of the merged weights; a tied head is the base's. */
static void
check_logits(struct stage *s, const char *what)
{
	const struct config *c = &s->kind->c;
	real *hidden = mem_alloc(LENGTH * c->n_embd, sizeof *hidden);
	real *want = mem_alloc(LENGTH * c->n_vocab, sizeof *want);
	real *base = reals(s->w, config_params(c));
	float *got = logits_of(s);

	naive_hidden(c, s->kind->factors, s->merged, s->ids, LENGTH, hidden);
	naive_logits(c, c->tied ? base : s->merged, hidden, LENGTH, want);
	ck_assert_msg(distance(got, want, LENGTH * c->n_vocab) < 3e-5, "%s, %s: %g", s->kind->name,
		what, distance(got, want, LENGTH * c->n_vocab));
	free(hidden);
	free(want);
	free(base);
	free(got);
}

static void
check_same(const struct adapter *a, const struct adapter *b, const char *what)
{
	ck_assert_msg(a->n == b->n && a->alpha == b->alpha, "%s", what);
	for (size_t i = 0; i < a->n; i++) {
		const struct adapter_part *p = &a->parts[i], *q = b->parts;

		while (strcmp(p->t.name, q->t.name) != 0)
			ck_assert_msg(++q < b->parts + b->n, "%s: no %s", what, p->t.name);
		ck_assert_msg(p->rank == q->rank && memcmp(p->a, q->a,
			p->rank * p->t.cols * sizeof *p->a) == 0 && memcmp(p->b, q->b,
			p->t.rows * p->rank * sizeof *p->b) == 0, "%s: %s", what, p->t.name);
	}
}

/* Every architecture: adapters of all matrices, from both forms. */
START_TEST(logits)
{
	struct stage s = set(&kinds[_i]);
	struct adapter *a, *b;
	struct err e;
	float *before = logits_of(&s), *after;

	write_adapter(&s, path_of("a.gguf"), 100, 6, 0.5);
	a = read_adapter(&s, path_of("a.gguf"));

	/* written and read again, as both forms */
	ck_assert_msg(adapter_save_gguf(a, &s.m, path_of("b.gguf"), &e) == 0, "%s", e.msg);
	b = read_adapter(&s, path_of("b.gguf"));
	check_same(a, b, "GGUF");
	adapter_free(b);
	ck_assert_msg(adapter_save_peft(a, &s.m, path_of("peft"), &e) == 0, "%s", e.msg);
	b = read_adapter(&s, path_of("peft"));
	check_same(a, b, "PEFT");

	adapter_attach(b, &s.m, 0);
	after = logits_of(&s);
	ck_assert_mem_eq(before, after, LENGTH * s.m.c.n_vocab * sizeof *after);
	free(after);

	adapter_attach(a, &s.m, 0.5f);
	check_logits(&s, "one adapter");
	write_adapter(&s, path_of("b.gguf"), 500, 0, -0.25);
	adapter_attach(read_adapter(&s, path_of("b.gguf")), &s.m, -0.25f);
	check_logits(&s, "two adapters");

	/* hung in twice and out again */
	bare(&s);
	after = logits_of(&s);
	ck_assert_mem_eq(before, after, LENGTH * s.m.c.n_vocab * sizeof *after);
	free(after);
	free(before);
	strike(&s);
}
END_TEST

/* What merging adds to a tensor as a whole. */
START_TEST(whole)
{
	struct stage s = set(&kinds[6]); /* gpt2, which has fused ones */
	struct tensor_spec t;

	write_adapter(&s, path_of("a.gguf"), 100, 2, 1);
	adapter_attach(read_adapter(&s, path_of("a.gguf")), &s.m, 1);
	write_adapter(&s, path_of("b.gguf"), 300, 2, 3);
	adapter_attach(read_adapter(&s, path_of("b.gguf")), &s.m, 3);
	for (size_t i = 0; config_tensor(&s.m.c, i, &t); i++) {
		struct lora *l = adapter_lora(&s.m, t.name);
		size_t at = naive_place(&s.m.c, t.name);
		struct weight w = { TYPE_F32, t.rows, t.cols, s.w + at, l };
		float *row = mem_alloc(t.cols, sizeof *row);

		ck_assert((l != NULL) == has_adapter(&t));
		for (size_t r = 0; r < t.rows; r++) {
			weight_row(&w, r, row);
			for (size_t k = 0; k < t.cols; k++)
				ck_assert(fabs((real)row[k] - s.merged[at + r * t.cols + k]) <
					2e-6);
		}
		free(row);
		free(l);
	}
	strike(&s);
}
END_TEST

/* What is wrong with a file: a good one of the first kind, changed. */

static const float good[4096];
static const float bad[64] = { [7] = NAN };

static void arch(struct gguf_out *o) { gguf_put_str(o, "general.architecture", "gpt2", 4); }
static void model(struct gguf_out *o) { gguf_put_str(o, "general.type", "model", 5); }
static void vector(struct gguf_out *o) { gguf_put_str(o, "adapter.type", "control", 7); }
static void no_alpha(struct gguf_out *o) { gguf_put_drop(o, "adapter.lora.alpha"); }
static void huge(struct gguf_out *o) { gguf_put_f32(o, "adapter.lora.alpha", INFINITY); }
static void alora(struct gguf_out *o)
{
	gguf_put_i32s(o, "adapter.alora.invocation_tokens", (int32_t[]){ 1 }, 1);
}
static void norm(struct gguf_out *o)
{
	gguf_put_tensor(o, "blk.0.attn_norm.weight", TYPE_F32, 1, (uint64_t[]){ 8 }, good);
}
static void vector_a(struct gguf_out *o)
{
	put(o, "blk.0.attn_norm.weight", "lora_a", 1, 8, good);
	put(o, "blk.0.attn_norm.weight", "lora_b", 1, 1, good);
}
static void layer(struct gguf_out *o)
{
	put(o, "blk.7.attn_q.weight", "lora_a", 2, 8, good);
	put(o, "blk.7.attn_q.weight", "lora_b", 8, 2, good);
}
static void alone(struct gguf_out *o) { put(o, "blk.1.attn_q.weight", "lora_b", 8, 2, good); }
static void cube(struct gguf_out *o)
{
	gguf_put_tensor(o, "output.weight.lora_a", TYPE_F32, 3, (uint64_t[]){ 8, 2, 2 }, good);
	put(o, "output.weight", "lora_b", 8, 2, good);
}
static void wide(struct gguf_out *o)
{
	put(o, "blk.1.attn_k.weight", "lora_a", 2, 5, good);
	put(o, "blk.1.attn_k.weight", "lora_b", 8, 2, good);
}
static void high(struct gguf_out *o)
{
	put(o, "blk.1.attn_k.weight", "lora_a", 2, kinds[0].c.n_embd, good);
	put(o, "blk.1.attn_k.weight", "lora_b", 5, 2, good);
}
static void rank(struct gguf_out *o)
{
	put(o, "blk.1.attn_k.weight", "lora_a", 2, kinds[0].c.n_embd, good);
	put(o, "blk.1.attn_k.weight", "lora_b", 5, 3, good);
}
static void not_finite(struct gguf_out *o)
{
	put(o, "blk.1.attn_output.weight", "lora_a", 1, kinds[0].c.n_head * kinds[0].c.head_dim,
		bad);
	put(o, "blk.1.attn_output.weight", "lora_b", kinds[0].c.n_embd, 1, good);
}

/* The model has 2 layers of 2 heads of 8 for keys. */
static void
put_prefix(struct gguf_out *o, uint32_t type, size_t width, size_t layers, size_t n, bool nan)
{
	static float x[16 * 2 * 2 * 320];

	x[17] = nan ? NAN : 0;
	gguf_put_str(o, "adapter.type", "prefix", 6);
	gguf_put_tensor(o, "prefix", type, 4, (uint64_t[]){ width, 2, layers, n }, x);
}
static void no_prefix(struct gguf_out *o) { gguf_put_str(o, "adapter.type", "prefix", 6); }
static void two_prefixes(struct gguf_out *o)
{
	put_prefix(o, TYPE_F32, 16, 2, 3, false);
	put(o, "blk.0.attn_q.weight", "lora_b", 8, 2, good);
}
static void wide_prefix(struct gguf_out *o) { put_prefix(o, TYPE_F32, 5, 2, 3, false); }
static void flat_prefix(struct gguf_out *o) { put_prefix(o, TYPE_F32, 16, 1, 3, false); }
static void long_prefix(struct gguf_out *o) { put_prefix(o, TYPE_F32, 16, 2, 320, false); }
static void strange_prefix(struct gguf_out *o) { put_prefix(o, 26, 16, 2, 3, false); }
static void nan_prefix(struct gguf_out *o) { put_prefix(o, TYPE_F32, 16, 2, 3, true); }

static const struct {
	void (*change)(struct gguf_out *o);
	const char *says;
} wrong[] = {
	{ arch, "an adapter of architecture gpt2, the model is a llama" },
	{ model, "no adapter (general.type" },
	{ vector, "neither a LoRA adapter nor a prefix" },
	{ no_alpha, "adapter.lora.alpha is missing" },
	{ huge, "adapter.lora.alpha is missing or no finite" },
	{ alora, "an activated LoRA" },
	{ norm, "tensor blk.0.attn_norm.weight is neither lora_a nor lora_b" },
	{ vector_a, "which is no matrix of the model" },
	{ layer, "changes blk.7.attn_q.weight, which is no matrix of the model" },
	{ alone, "tensor blk.1.attn_q.weight.lora_b is there, but not blk.1.attn_q.weight.lora_a" },
	{ cube, "tensor output.weight.lora_a has 3 dimensions" },
	{ wide, "tensor blk.1.attn_k.weight.lora_a takes 5 values, the model's" },
	{ high, "tensor blk.1.attn_k.weight.lora_b gives 5 values, the model's" },
	{ rank, "is of rank 2, blk.1.attn_k.weight.lora_b of rank 3" },
	{ not_finite, "tensor blk.1.attn_output.weight.lora_a holds a value that is not finite" },
	{ no_prefix, "a prefix has one tensor, called prefix" },
	{ two_prefixes, "a prefix has one tensor, called prefix" },
	{ wide_prefix, "prefix is of 2 layers and 5 numbers in each, the model of 2 and 16" },
	{ flat_prefix, "tensor prefix is of 1 layers" },
	{ long_prefix, "320 virtual tokens, where a model of 320 positions has room for 1 to 319" },
	{ strange_prefix, "tensor prefix is stored as I32, which is not supported" },
	{ nan_prefix, "tensor prefix holds a value that is not finite" },
};

START_TEST(refused)
{
	struct stage s = set(&kinds[0]);
	struct gguf_out *o = gguf_out_new();
	struct err e;

	gguf_put_str(o, "general.architecture", "llama", 5);
	gguf_put_str(o, "general.type", "adapter", 7);
	gguf_put_str(o, "adapter.type", "lora", 4);
	gguf_put_f32(o, "adapter.lora.alpha", 1);
	wrong[_i].change(o);
	ck_assert(gguf_save(o, path_of("a.gguf"), &e) == 0);
	gguf_out_free(o);
	ck_assert_ptr_null(adapter_open(path_of("a.gguf"), &s.m, &e));
	ck_assert_msg(strstr(e.msg, wrong[_i].says) && strstr(e.msg, "a.gguf"),
		"case %d says: %s", _i, e.msg);
	strike(&s);
}
END_TEST

/* PEFT folders: what adapter_config.json may say, and what comes of it for a module of rank 4 (the
 * scale of layer 1's q_proj) or is said against it. */

#define LORA "\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8"

static const struct {
	const char *config;
	double scale; /* 0: refused */
	const char *says;
} configs[] = {
	{ "{" LORA "}", 2, NULL },
	{ "{" LORA ", \"use_rslora\": true, \"target_modules\": \"all-linear\"}", 4, NULL },
	{ "{" LORA ", \"use_dora\": false, \"bias\": \"none\", \"modules_to_save\": null, "
		"\"layer_replication\": [], \"init_lora_weights\": \"gaussian\"}", 2, NULL },
	{ "{" LORA ", \"alpha_pattern\": {\"v_proj\": 2, \"1.self_attn.q_proj\": 12}}", 3, NULL },
	{ "{" LORA ", \"alpha_pattern\": {\"0.self_attn.q_proj\": 12}}", 2, NULL },
	{ "{\"peft_type\": \"LORA\", \"r\": 16, \"lora_alpha\": 1, "
		"\"rank_pattern\": {\"q_proj\": 4}}", 0.25, NULL },
	{ "{\"peft_type\": \"LORA\", \"r\": 16, \"lora_alpha\": 1}", 0, "is of rank 4, adapter_c" },
	{ "{\"peft_type\": \"IA3\", \"r\": 4, \"lora_alpha\": 8}", 0, "peft_type is neither LORA" },
	{ "{\"peft_type\": \"LORA\", \"lora_alpha\": 8}", 0, "r is missing or no rank" },
	{ "{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 8}", 0, "r is missing or no rank" },
	{ "{\"peft_type\": \"LORA\", \"r\": 4}", 0, "lora_alpha is missing" },
	{ "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 1e300}", 0, "lora_alpha is" },
	{ "{" LORA ", \"use_dora\": true}", 0, "use_dora is set: DoRA can't be read" },
	{ "{" LORA ", \"bias\": \"all\"}", 0, "bias is not \"none\"" },
	{ "{" LORA ", \"modules_to_save\": [\"lm_head\"]}", 0, "modules_to_save is set" },
	{ "{" LORA ", \"trainable_token_indices\": {\"embed_tokens\": [1]}}", 0, "tokens that were" },
	{ "{" LORA ", \"init_lora_weights\": \"pissa\"}", 0, "changes the base model" },
	{ "{" LORA ", \"alpha_pattern\": {\"q_proj$\": 2}}", 0, "is a regular expression" },
	{ "{" LORA ", \"alpha_pattern\": {\"q_proj\": 0}}", 0, "is 0 or no finite number" },
	{ "{" LORA, 0, "adapter_config.json" },
	{ "[]", 0, "peft_type is neither LORA" },
};

static void
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Two matrices with that name in front of lora_A and lora_B. */
static void
write_peft(const char *config, const char *a, const char *b, size_t rows, size_t cols)
{
	const struct safetensor t[] = {
		{ .name = (char *)a, .type = TYPE_F32, .n_dims = 2, .dims = { 4, cols },
			.data = good },
		{ .name = (char *)b, .type = TYPE_F32, .n_dims = 2, .dims = { rows, 4 },
			.data = good },
	};
	struct err e;

	mkdir(path_of("peft"), 0777);
	write_text(path_of("peft/adapter_config.json"), config);
	ck_assert_msg(safetensors_save(t, 2, NULL, NULL, path_of("peft/adapter_model.safetensors"),
		&e) == 0, "%s", e.msg);
}

#define Q "base_model.model.model.layers.1.self_attn.q_proj"

START_TEST(peft)
{
	struct stage s = set(&kinds[0]);
	size_t rows = s.m.c.n_head * s.m.c.head_dim;
	struct adapter *a;
	struct err e;

	write_peft(configs[_i].config, Q ".lora_A.weight", Q ".lora_B.weight", rows, s.m.c.n_embd);
	a = adapter_open(path_of("peft"), &s.m, &e);
	if (configs[_i].scale == 0) {
		ck_assert_ptr_null(a);
		ck_assert_msg(strstr(e.msg, configs[_i].says) && strstr(e.msg, "peft/adapter"),
			"case %d says: %s", _i, e.msg);
	} else {
		ck_assert_msg(a != NULL, "case %d: %s", _i, e.msg);
		ck_assert_uint_eq(a->n, 1);
		ck_assert_double_eq((double)a->alpha / 4, configs[_i].scale);
	}
	adapter_free(a);
	strike(&s);
}
END_TEST

/* Tensors' names and shapes. */
static const struct {
	const char *a, *b, *says;
	size_t rows, cols;
} tensors[] = {
	{ Q ".lora_A.bias", Q ".lora_A.weight", "lora_A.bias is no lora_A and no lora_B", 0, 0 },
	{ Q ".lora_A.weight", "x.lora_B.weight", "is there, but not", 0, 0 },
	{ Q ".lora_A.weight", Q ".lora_B.weight", "takes 5 values", 0, 5 },
	{ Q ".lora_A.weight", Q ".lora_B.weight", "gives 5 values", 5, 0 },
	{ Q "x.lora_A.weight", Q "x.lora_B.weight", "no model.layers.1.self_attn.q_projx", 0, 0 },
	{ "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight",
		"base_model.model.model.layers.9.self_attn.q_proj.lora_B.weight",
		"changes blk.9.attn_q.weight, which is no matrix", 0, 0 },
	{ "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight",
		"base_model.model.transformer.h.0.attn.c_attn.lora_B.weight",
		"model_type llama has no transformer.h.0.attn.c_attn (another base model?)", 0, 0 },
	{ Q ".lora_A.weight", Q ".lora_magnitude_vector", "is there, but not", 0, 0 },
	{ "base_model.model.model.embed_tokens.lora_embedding_A",
		"base_model.model.model.embed_tokens.lora_embedding_B", "takes 4 values", 4, 3 },
};

START_TEST(peft_tensors)
{
	struct stage s = set(&kinds[0]);
	struct err e;

	write_peft("{" LORA "}", tensors[_i].a, tensors[_i].b,
		tensors[_i].rows ? tensors[_i].rows : s.m.c.n_head * s.m.c.head_dim,
		tensors[_i].cols ? tensors[_i].cols : s.m.c.n_embd);
	ck_assert_ptr_null(adapter_open(path_of("peft"), &s.m, &e));
	ck_assert_msg(strstr(e.msg, tensors[_i].says) != NULL, "case %d says: %s", _i, e.msg);
	strike(&s);
}
END_TEST

/* Prefixes of PEFT: what the config says of the shape must be so. */
#define PREFIX(tokens, layers, heads, dim) "{\"peft_type\": \"PREFIX_TUNING\", " \
	"\"num_virtual_tokens\": " #tokens ", \"num_layers\": " #layers ", " \
	"\"num_attention_heads\": " #heads ", \"token_dim\": " #dim "}"

static const struct {
	const char *config, *name;
	size_t rows, cols;
	const char *says; /* NULL: it is one */
} peft_prefixes[] = {
	{ PREFIX(3, 2, 2, 16), "prompt_embeddings", 3, 64, NULL },
	{ PREFIX(3, 2, 2, 16), "prompt_embedding", 3, 64, "has one tensor, called prompt_emb" },
	{ PREFIX(4, 2, 2, 16), "prompt_embeddings", 3, 64, "num_virtual_tokens is 4" },
	{ PREFIX(3, 3, 2, 16), "prompt_embeddings", 3, 64, "num_layers is 3, the model's 2" },
	{ PREFIX(3, 2, 4, 16), "prompt_embeddings", 3, 64, "num_attention_heads is 4, the" },
	{ PREFIX(3, 2, 2, 32), "prompt_embeddings", 3, 64, "token_dim is 32, the model's 16" },
	{ PREFIX(3, 2, 2, 16), "prompt_embeddings", 3, 32, "of 64 columns" },
	{ PREFIX(-3, 2, 2, 16), "prompt_embeddings", 3, 64, "num_virtual_tokens is -3" },
	{ PREFIX("3", 2, 2, 16), "prompt_embeddings", 3, 64, "num_virtual_tokens is missing or" },
};

START_TEST(peft_prefix)
{
	struct stage s = set(&kinds[0]);
	float *x = mem_alloc(peft_prefixes[_i].rows * peft_prefixes[_i].cols, sizeof *x);
	const struct safetensor t = { .name = (char *)peft_prefixes[_i].name, .type = TYPE_F32,
		.n_dims = 2, .dims = { peft_prefixes[_i].rows, peft_prefixes[_i].cols },
		.data = x };
	struct adapter *a;
	struct err e;

	/* numbers by place: of token 2, layer 1, values, head 1, place 5 is 5 + 8 (1 + 2 (1 + 2
	 * (1 + 2 * 2))) */
	for (size_t i = 0; i < peft_prefixes[_i].rows * peft_prefixes[_i].cols; i++)
		x[i] = (float)i;
	mkdir(path_of("peft"), 0777);
	write_text(path_of("peft/adapter_config.json"), peft_prefixes[_i].config);
	ck_assert(safetensors_save(&t, 1, NULL, NULL, path_of("peft/adapter_model.safetensors"),
		&e) == 0);
	a = adapter_open(path_of("peft"), &s.m, &e);
	if (peft_prefixes[_i].says) {
		ck_assert_ptr_null(a);
		ck_assert_msg(strstr(e.msg, peft_prefixes[_i].says) != NULL, "case %d says: %s", _i,
			e.msg);
	} else {
		ck_assert_msg(a != NULL, "%s", e.msg);
		ck_assert_uint_eq(a->prefix.n, 3);
		ck_assert_float_eq(prefix_at(&s.m.c, &a->prefix, 2, 1)[16 + 8 + 5],
			5 + 8 * (1 + 2 * (1 + 2 * (1 + 2 * 2))));
		/* keys: halves become pairs; 1, 5 are places 2, 3 of a head of 8 */
		ck_assert_float_eq(prefix_at(&s.m.c, &a->prefix, 2, 1)[8 + 2],
			1 + 8 * (1 + 2 * (0 + 2 * (1 + 2 * 2))));
		ck_assert_float_eq(prefix_at(&s.m.c, &a->prefix, 2, 1)[8 + 3],
			5 + 8 * (1 + 2 * (0 + 2 * (1 + 2 * 2))));
	}
	adapter_free(a);
	free(x);
	strike(&s);
}
END_TEST

START_TEST(pickled)
{
	struct stage s = set(&kinds[0]);
	struct err e;

	mkdir(path_of("peft"), 0777);
	write_text(path_of("peft/adapter_config.json"), "{" LORA "}");
	ck_assert_ptr_null(adapter_open(path_of("peft"), &s.m, &e));
	ck_assert_msg(strstr(e.msg, "adapter_model.safetensors") != NULL, "%s", e.msg);
	write_text(path_of("peft/adapter_model.bin"), "x");
	ck_assert_ptr_null(adapter_open(path_of("peft"), &s.m, &e));
	ck_assert_msg(strstr(e.msg, "pickled Python objects") != NULL, "%s", e.msg);
	strike(&s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("adapter");
	TCase *tc = tcase_create("adapter");
	SRunner *runner;
	int failed;

	setenv("SR_PRODUCTS", "f32", 0); /* bf16 products have other tests */
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, products, 0, N(shapes));
	tcase_add_loop_test(tc, logits, 0, N_KINDS);
	tcase_add_test(tc, whole);
	tcase_add_loop_test(tc, refused, 0, N(wrong));
	tcase_add_loop_test(tc, peft, 0, N(configs));
	tcase_add_loop_test(tc, peft_tensors, 0, N(tensors));
	tcase_add_loop_test(tc, peft_prefix, 0, N(peft_prefixes));
	tcase_add_test(tc, pickled);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
