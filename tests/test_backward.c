/* Every backward function against finite differences of the naive reference in double.
 *
 * A gradient is proven along every number where there are few, and along one random direction per
 * tensor where there are many: the slope of the loss along d must be the gradient's product with d.
 *
 * Differences are taken with steps of 1e-5 in double: wrong by about 1e-10, which is nothing beside
 * f32's rounding. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "naive.h"
#include "tensor/gemm.h"
#include "tensor/lora.h"
#include "tensor/types.h"
#include "train/trainer.h"

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

/* f32 rounds by 6e-8; through sums of hundreds of terms some 1e-6 of the largest is seen. */
static const real tolerance = 1e-5;

static void
close_to(const char *what, const float *got, const real *want, size_t n)
{
	real d = distance(got, want, n);

	ck_assert_msg(d <= tolerance, "%s is off by %g", what, d);
}

/* All slopes of f by x (n). */
static real *
slopes(real (*f)(void *), void *arg, real *x, size_t n)
{
	real *out = mem_alloc(n, sizeof *out);

	for (size_t i = 0; i < n; i++)
		out[i] = naive_slope(f, arg, x + i);
	return out;
}

static real
weighted(const real *x, const real *by, size_t n)
{
	real sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * by[i];
	return sum;
}

/* Kernels, at every CPU level. A loss of their output: its sum, weighted with dout. */
enum { MOST = 70 };

struct op {
	real x[MOST], w[MOST], out[MOST], dout[MOST];
	size_t n;
	enum activation f;
	bool gated;
};

static real
norm_loss(void *arg)
{
	struct op *o = arg;

	naive_rmsnorm(o->x, o->w, o->n, 1e-5, o->out);
	return weighted(o->out, o->dout, o->n);
}

static real
layernorm_loss(void *arg)
{
	struct op *o = arg;

	naive_layernorm(o->x, o->w, o->dout, o->n, 1e-5, o->out);
	return weighted(o->out, o->dout, o->n);
}

/* With a gate, f(x) w, or without. */
static real
activation_loss(void *arg)
{
	struct op *o = arg;

	for (size_t i = 0; i < o->n; i++)
		o->out[i] = naive_activation(o->f, o->x[i]) * (o->gated ? o->w[i] : 1);
	return weighted(o->out, o->dout, o->n);
}

static real
cap_loss(void *arg)
{
	struct op *o = arg;

	for (size_t i = 0; i < o->n; i++)
		o->out[i] = 0.8 * tanh(o->x[i] / 0.8);
	return weighted(o->out, o->dout, o->n);
}

struct inputs {
	float x[MOST], w[MOST], dout[MOST];
	struct op o;
};

static void
draw(struct inputs *in, size_t n)
{
	random_floats(in->x, n, 1, n);
	random_floats(in->w, n, 1, n + 100);
	random_floats(in->dout, n, 1, n + 200);
	in->o.n = n;
	for (size_t i = 0; i < n; i++) {
		in->o.x[i] = in->x[i];
		in->o.w[i] = in->w[i];
		in->o.dout[i] = in->dout[i];
	}
}

static const size_t sizes[] = { 1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 48, 50, 64, 65, 70 };

START_TEST(rmsnorm_back)
{
	const struct kernels *levels[3];

	for (size_t l = 0, n_levels = kernels_levels(levels); l < n_levels; l++) {
		size_t n = sizes[_i];
		float dx[MOST], dw[MOST], out[MOST], rstd;
		struct inputs in;
		real *want;

		draw(&in, n);
		rstd = levels[l]->rmsnorm(in.x, in.w, n, 1e-5f, out);
		for (size_t i = 0; i < n; i++) { /* gradients are added to what stands there */
			dx[i] = 1;
			dw[i] = -2;
		}
		levels[l]->rmsnorm_back(in.x, in.w, rstd, in.dout, n, dx, dw);
		want = slopes(norm_loss, &in.o, in.o.x, n);
		for (size_t i = 0; i < n; i++)
			want[i] += 1;
		close_to("dx", dx, want, n);
		free(want);
		want = slopes(norm_loss, &in.o, in.o.w, n);
		for (size_t i = 0; i < n; i++)
			want[i] -= 2;
		close_to("dw", dw, want, n);
		free(want);
	}
}
END_TEST

/* The bias of the reference is dout, so that its slope is dout too. */
START_TEST(layernorm_back)
{
	const struct kernels *levels[3];

	for (size_t l = 0, n_levels = kernels_levels(levels); l < n_levels; l++) {
		size_t n = sizes[_i];
		float dx[MOST], dw[MOST], db[MOST];
		struct inputs in;
		real *want;

		draw(&in, n);
		for (size_t i = 0; i < n; i++) {
			dx[i] = 1;
			dw[i] = -2;
			db[i] = 3;
		}
		levels[l]->layernorm_back(in.x, in.w, n, 1e-5f, in.dout, dx, dw, db);
		want = slopes(layernorm_loss, &in.o, in.o.x, n);
		for (size_t i = 0; i < n; i++) {
			want[i] += 1;
			ck_assert_float_eq(db[i], 3 + in.dout[i]);
		}
		close_to("dx", dx, want, n);
		free(want);
		want = slopes(layernorm_loss, &in.o, in.o.w, n);
		for (size_t i = 0; i < n; i++)
			want[i] -= 2;
		close_to("dw", dw, want, n);
		free(want);
	}
}
END_TEST

START_TEST(activate_back)
{
	const struct kernels *levels[3];

	for (size_t l = 0, n_levels = kernels_levels(levels); l < n_levels; l++)
		for (int f = 0; f < 2 * N_ACTIVATIONS; f++) {
			size_t n = sizes[_i];
			struct inputs in;
			real *dgate, *dup;

			draw(&in, n);
			in.o.f = f / 2;
			in.o.gated = f % 2;
			dgate = slopes(activation_loss, &in.o, in.o.x, n);
			dup = slopes(activation_loss, &in.o, in.o.w, n);
			levels[l]->activate_back[f / 2](in.x, f % 2 ? in.w : NULL, in.dout, n);
			close_to("dgate", in.x, dgate, n);
			if (f % 2)
				close_to("dup", in.w, dup, n);
			free(dgate);
			free(dup);
		}
}
END_TEST

START_TEST(softcap_back)
{
	const struct kernels *levels[3];

	for (size_t l = 0, n_levels = kernels_levels(levels); l < n_levels; l++) {
		size_t n = sizes[_i];
		struct inputs in;
		real *want;

		draw(&in, n);
		want = slopes(cap_loss, &in.o, in.o.x, n);
		levels[l]->softcap(in.x, n, 1, 0.8f);
		levels[l]->softcap_back(in.x, in.dout, n, 0.8f);
		close_to("dx", in.dout, want, n);
		free(want);
	}
}
END_TEST

/* Attention: one head of n queries; rows lie apart, as they do in the model. */
struct heads {
	struct attention how;
	size_t n, hd, q_stride, kv_stride;
	real *q, *k, *v, *dout, *out;
};

static real
attention_loss(void *arg)
{
	struct heads *a = arg;

	naive_attention(&a->how, a->q, a->k, a->v, a->n, a->hd, a->q_stride, a->kv_stride, a->out);
	return weighted(a->out, a->dout, a->n * a->q_stride);
}

/* The slope of f when x (n) goes along d. */
struct along {
	real (*f)(void *);
	void *arg;
	real *x, *d, *was, step;
	size_t n;
};

static real
moved(void *arg)
{
	struct along *a = arg;

	for (size_t i = 0; i < a->n; i++)
		a->x[i] = a->was[i] + a->step * a->d[i];
	return a->f(a->arg);
}

/* The gradient's product with a random direction is the loss's slope along it. */
static void
slope_is(const char *what, real (*f)(void *), void *arg, real *x, const float *gradient, size_t n,
	real most)
{
	float *d = mem_alloc(n, sizeof *d);
	struct along a = { f, arg, x, NULL, NULL, 0, n };
	real want, got = 0, sizes_of = 0;

	random_floats(d, n, 1, n + 5);
	a.d = reals(d, n);
	a.was = mem_alloc(n, sizeof *a.was);
	memcpy(a.was, x, n * sizeof *x);
	want = naive_slope(moved, &a, &a.step);
	memcpy(x, a.was, n * sizeof *x);
	for (size_t i = 0; i < n; i++) {
		got += (real)gradient[i] * a.d[i];
		sizes_of += (real)gradient[i] * (real)gradient[i];
	}
	/* the product of a gradient g with n normal numbers is about |g| */
	ck_assert_msg(fabs(got - want) <= most * sqrt(sizes_of),
		"%s: the slope is %g, the gradient's is %g, |g| is %g", what, want, got,
		sqrt(sizes_of));
	free(d);
	free(a.d);
	free(a.was);
}

static const size_t spans[] = { 1, 2, 5, 63, 64, 65, 128, 130 };
/* Plain, with a cap, with a window that ends within a block of 64, or is more than one. */
static const struct attention hows[] = { { 0.4f, 0, 0 }, { 0.9f, 1.5f, 0 }, { 0.4f, 0, 3 },
	{ 0.3f, 2, 70 } };

START_TEST(attention)
{
	size_t n = spans[_i % N(spans)], hd = 6, q_stride = hd * 2 + 1, kv_stride = hd + 3;
	size_t past = n > 2 ? 3 : n - 1; /* keys that no query stands beside */
	size_t n_q = n * q_stride, n_kv = n * kv_stride;
	float *all = mem_alloc(3 * n_q + 4 * n_kv, sizeof *all), *at = all;
	float *q = at, *dout = at += n_q, *dq = at += n_q;
	float *k = at += n_q, *v = at += n_kv, *dk = at += n_kv, *dv = at += n_kv;
	float *s = mem_alloc((2 * 64 + 1) * n, sizeof *s);
	struct heads a = { .how = hows[_i / N(spans)], .n = n, .hd = hd, .q_stride = q_stride,
		.kv_stride = kv_stride };

	random_floats(q, n_q, 2, 1);
	random_floats(k, n_kv, 2, 2);
	random_floats(v, n_kv, 1, 3);
	random_floats(dout, n_q, 1, 4);
	for (size_t i = 0; i < n_q; i++)
		if (i % q_stride >= hd || i < past * q_stride)
			dout[i] = 0; /* of other heads */
	a.q = reals(q, n_q);
	a.k = reals(k, n_kv);
	a.v = reals(v, n_kv);
	a.dout = reals(dout, n_q);
	a.out = mem_alloc(n_q, sizeof *a.out);
	for (size_t i = 0; i < n; i++) /* dk and dv are added to */
		for (size_t j = 0; j < hd; j++)
			dk[i * kv_stride + j] = dv[i * kv_stride + j] = 1;
	attention_back(&a.how, past, n - past, hd, q + past * q_stride, dout + past * q_stride,
		dq + past * q_stride, q_stride, k, v, dk, dv, kv_stride, s, s + 64 * n);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < hd; j++) {
			dk[i * kv_stride + j] -= 1;
			dv[i * kv_stride + j] -= 1;
		}
	if (n <= 5) {
		struct {
			const char *name;
			float *got;
			real *x;
			size_t len;
		} parts[] = { { "dq", dq, a.q, n_q }, { "dk", dk, a.k, n_kv },
			{ "dv", dv, a.v, n_kv } };

		for (int p = 0; p < N(parts); p++) {
			real *want = slopes(attention_loss, &a, parts[p].x, parts[p].len);

			close_to(parts[p].name, parts[p].got, want, parts[p].len);
			free(want);
		}
	}
	slope_is("dq", attention_loss, &a, a.q, dq, n_q, tolerance);
	slope_is("dk", attention_loss, &a, a.k, dk, n_kv, tolerance);
	slope_is("dv", attention_loss, &a, a.v, dv, n_kv, tolerance);
	real *copies[] = { a.q, a.k, a.v, a.dout, a.out };
	for (int i = 0; i < N(copies); i++)
		free(copies[i]);
	free(all);
	free(s);
}
END_TEST

#define LLAMA(layers, width, heads, heads_kv, dim, ff, vocab) \
	.arch = &archs[ARCH_LLAMA], .n_layer = (layers), .n_embd = (width), .n_head = (heads), \
	.n_head_kv = (heads_kv), .head_dim = (dim), .n_ff = (ff), .n_vocab = (vocab)

/* Models: grouped heads, a part of each head that does not turn, a head of its own or the
 * embedding's. */
static const struct config small[] = {
	{ LLAMA(2, 8, 4, 2, 6, 10, 11), .n_ctx = 64, .rope_dim = 6,
		.rope_base = 10000, .norm_eps = 1e-5f, .tied = true },
	{ LLAMA(2, 8, 4, 2, 6, 10, 11), .n_ctx = 64, .rope_dim = 6,
		.rope_base = 10000, .norm_eps = 1e-5f },
	{ LLAMA(1, 7, 3, 1, 6, 9, 13), .n_ctx = 64, .rope_dim = 4,
		.rope_base = 100, .norm_eps = 1e-3f },
};
static const struct config larger[] = {
	{ LLAMA(2, 40, 4, 2, 12, 72, 90), .n_ctx = 512, .rope_dim = 12,
		.rope_base = 10000, .norm_eps = 1e-5f, .tied = true },
	{ LLAMA(2, 40, 4, 2, 12, 72, 90), .n_ctx = 512, .rope_dim = 12,
		.rope_base = 10000, .norm_eps = 1e-5f },
};

/* Examples: lengths and where the loss begins. Those of `long_ones` cross each block that the code
 * works in: 32 and 256 tokens of a pass, 64 queries, 512 targets. */
struct shape {
	size_t n, loss_from;
};
static const struct shape short_ones[] = { { 9, 1 }, { 2, 1 }, { 8, 5 }, { 5, 4 }, { 12, 2 } };
static const struct shape middle_ones[] = { { 90, 1 }, { 2, 1 }, { 9, 5 } };
static const struct shape long_ones[] = { { 290, 1 }, { 2, 1 }, { 66, 20 }, { 65, 1 }, { 220, 3 },
	{ 33, 32 } };

struct task {
	const struct config *c;
	const float *factors;
	struct trainer t;
	struct model m;
	float *w;
	real *rw;               /* the same weights, for the reference */
	struct example *x;
	size_t n;
	double loss;
	struct err e;
};

static struct task *
set_factors(const struct config *c, const float *factors, const struct shape *shapes, size_t n,
	size_t pass_tokens, bool bf16, int threads)
{
	struct task *k = mem_alloc(1, sizeof *k);
	struct trainer_opts o = {
		.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .pass_tokens = pass_tokens, .bf16 = bf16
	};
	struct rng r;

	k->c = c;
	k->w = random_weights(c, 99);
	k->rw = reals(k->w, config_params(c));
	bind_model(&k->m, c, k->w);
	k->factors = k->m.rope_factors = factors;
	k->x = mem_alloc(n, sizeof *k->x);
	k->n = n;
	rng_seed(&r, n);
	for (size_t i = 0; i < n; i++) {
		k->x[i] = (struct example){ mem_alloc(shapes[i].n, sizeof(int)), shapes[i].n,
			shapes[i].loss_from };
		for (size_t j = 0; j < shapes[i].n; j++)
			k->x[i].ids[j] = (int)rng_below(&r, c->n_vocab);
	}
	ck_assert_int_eq(trainer_init(&k->t, &k->m, NULL, &o, pool_new(threads), &k->e), 0);
	return k;
}

static struct task *
set(const struct config *c, const struct shape *shapes, size_t n, size_t pass_tokens, bool bf16,
	int threads)
{
	return set_factors(c, NULL, shapes, n, pass_tokens, bf16, threads);
}

static void
strike(struct task *k)
{
	struct pool *p = k->t.pool;

	for (size_t i = 0; i < k->n; i++)
		example_release(&k->x[i]);
	trainer_release(&k->t);
	pool_free(p);
	free(k->m.layers);
	free(k->x);
	free(k->w);
	free(k->rw);
	free(k);
}

static const float scale = 0.125f;

static void
gradients(struct task *k)
{
	ck_assert_msg(trainer_gradients(&k->t, k->x, k->n, scale, &k->loss, &k->e) == 0, "%s",
		k->e.msg);
}

static real
task_loss(void *arg)
{
	struct task *k = arg;
	real loss = 0;

	for (size_t i = 0; i < k->n; i++)
		loss += naive_loss(k->c, k->factors, k->rw, k->x[i].ids, k->x[i].n,
			k->x[i].loss_from);
	return scale * loss;
}

/* Every parameter of a small model; all examples in one pass, and in several. */
START_TEST(all_parameters)
{
	const struct config *c = &small[_i];
	struct task *one = set(c, short_ones, N(short_ones), 64, false, 2);
	struct task *several = set(c, short_ones, N(short_ones), 16, false, 2);
	struct tensor_spec s;
	size_t at = 0;

	gradients(one);
	gradients(several);
	ck_assert_double_le(fabs(scale * one->loss / task_loss(one) - 1), tolerance);
	ck_assert_double_le(fabs(several->loss / one->loss - 1), tolerance);
	for (size_t i = 0; config_tensor(c, i, &s); i++) {
		size_t n = s.rows * s.cols;
		real *want = slopes(task_loss, one, one->rw + at, n);

		close_to(s.name, one->t.p.g + at, want, n);
		close_to(s.name, several->t.p.g + at, want, n);
		free(want);
		at += n;
	}
	strike(one);
	strike(several);
}
END_TEST

/* Every tensor along a direction, on all examples in one pass and in several. */
static void
along_directions(const struct config *c, const float *factors, const struct shape *shapes, size_t n,
	size_t pass, size_t less)
{
	struct task *one = set_factors(c, factors, shapes, n, pass, false, 2);
	struct task *several = set_factors(c, factors, shapes, n, less, false, 2);
	struct tensor_spec s;
	size_t at = 0;

	gradients(one);
	gradients(several);
	ck_assert_double_le(fabs(scale * one->loss / task_loss(one) - 1), tolerance);
	ck_assert_double_le(fabs(several->loss / one->loss - 1), tolerance);
	for (size_t i = 0; config_tensor(c, i, &s); i++) {
		size_t n_numbers = s.rows * s.cols;
		real *want = reals(one->t.p.g + at, n_numbers);

		slope_is(s.name, task_loss, one, one->rw + at, one->t.p.g + at, n_numbers,
			tolerance);
		close_to(s.name, several->t.p.g + at, want, n_numbers);
		free(want);
		at += n_numbers;
	}
	strike(one);
	strike(several);
}

START_TEST(larger_models)
{
	along_directions(&larger[_i], NULL, long_ones, N(long_ones), 800, 300);
}
END_TEST

/* Likewise; and in bf16 the same bits with any number of threads. */
START_TEST(all_kinds)
{
	const struct kind *k = &kinds[_i];
	struct task *one, *two;

	along_directions(&k->c, k->factors, middle_ones, N(middle_ones), 200, 100);
	if (!gemm_bf16_here())
		return;
	two = set_factors(&k->c, k->factors, middle_ones, N(middle_ones), 200, true, 2);
	one = set_factors(&k->c, k->factors, middle_ones, N(middle_ones), 200, true, 1);
	gradients(two);
	gradients(one);
	ck_assert_mem_eq(two->t.p.g, one->t.p.g, two->t.p.n * sizeof(float));
	strike(two);
	strike(one);
}
END_TEST

/* An adapter's numbers, as the reference has them: rw is the base's plus scale b·a. */
struct lora_task {
	struct task *k;
	struct adapter *a;
	real *base, *x; /* all weights; all of the adapter's, as in struct params */
};

static real
lora_loss(void *arg)
{
	struct lora_task *l = arg;
	const struct config *c = l->k->c;
	real *w = l->k->rw, *x = l->x;

	memcpy(w, l->base, config_params(c) * sizeof *w);
	for (size_t i = 0; i < l->a->n; i++) {
		const struct adapter_part *p = &l->a->parts[i];
		real *to = w + naive_place(c, p->t.name), *b = x + p->rank * p->t.cols;

		for (size_t n = 0; n < p->t.rows; n++)
			for (size_t r = 0; r < p->rank; r++)
				for (size_t j = 0; j < p->t.cols; j++)
					to[n * p->t.cols + j] += l->a->alpha / (real)p->rank *
						b[n * p->rank + r] * x[r * p->t.cols + j];
		x = b + p->t.rows * p->rank;
	}
	return task_loss(l->k);
}

/* Adapters of every architecture: a and b of each part along a direction, in one pass and in
 * several; and the base stays as it is. */
START_TEST(adapters)
{
	const struct kind *kind = &kinds[_i];
	struct trainer_opts o = { .pass_tokens = 200 };
	struct task *k = set_factors(&kind->c, kind->factors, middle_ones, N(middle_ones), 200,
		false, 2);
	struct lora_task l = { .k = k };
	struct trainer t;
	struct pool *pool = pool_new(2);
	real *several;
	size_t at = 0;

	l.a = adapter_make(&k->m, "all-linear", 3, 6, false, 5, &k->e);
	ck_assert_ptr_nonnull(l.a);
	ck_assert_int_ge(l.a->n, 4);
	for (size_t i = 0; i < l.a->n; i++)
		random_floats(l.a->parts[i].b, l.a->parts[i].t.rows * 3, 0.1f, i);
	ck_assert_int_eq(trainer_init(&t, &k->m, l.a, &o, pool, &k->e), 0);
	l.base = reals(k->w, config_params(k->c));
	l.x = reals(t.p.w, t.p.n);
	ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, scale, &k->loss, &k->e), 0);
	ck_assert_double_le(fabs(scale * k->loss / lora_loss(&l) - 1), tolerance);
	several = reals(t.p.g, t.p.n);
	for (size_t i = 0; i < l.a->n; i++) {
		const struct adapter_part *p = &l.a->parts[i];
		size_t n_a = p->rank * p->t.cols, n_b = p->rank * p->t.rows;

		slope_is(p->t.name, lora_loss, &l, l.x + at, t.p.g + at, n_a, tolerance);
		slope_is(p->t.name, lora_loss, &l, l.x + at + n_a, t.p.g + at + n_a, n_b,
			tolerance);
		at += n_a + n_b;
	}
	t.o.pass_tokens = 100;
	memset(t.p.g, 0, t.p.n * sizeof *t.p.g);
	ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, scale, &k->loss, &k->e), 0);
	close_to("several passes", t.p.g, several, t.p.n);
	trainer_release(&t);
	pool_free(pool);
	adapter_free(l.a);
	free(l.base);
	free(l.x);
	free(several);
	strike(k);
}
END_TEST

/* A prefix's numbers, as the reference has them: themselves, or what the network makes of
 * others. */
struct prefix_task {
	struct task *k;
	struct config c;         /* with n_front */
	const struct prefix_mlp *mlp;
	size_t n;                /* parameters */
	real *x, *prefix;        /* parameters; what they make */
};

static real
prefix_loss(void *arg)
{
	struct prefix_task *p = arg;
	const struct prefix_mlp *m = p->mlp;
	real loss = 0, *e = p->x, *w1 = e + m->n * m->dim, *b1 = w1 + m->width * m->dim;
	real *w2 = b1 + m->width, *b2 = w2 + m->out * m->width;

	if (m->width == 0) {
		memcpy(p->prefix, p->x, p->n * sizeof *p->x);
	} else {
		real *hidden = mem_alloc(m->n * m->width, sizeof *hidden);

		naive_product(e, w1, m->n, m->width, m->dim, hidden);
		for (size_t i = 0; i < m->n * m->width; i++)
			hidden[i] = tanh(hidden[i] + b1[i % m->width]);
		naive_product(hidden, w2, m->n, m->out, m->width, p->prefix);
		for (size_t i = 0; i < m->n * m->out; i++)
			p->prefix[i] += b2[i % m->out];
		free(hidden);
	}
	for (size_t i = 0; i < p->k->n; i++)
		loss += naive_loss_behind(&p->c, p->k->factors, p->k->rw, p->prefix,
			p->k->x[i].ids, p->k->x[i].n, p->k->x[i].loss_from);
	return scale * loss;
}

/* Prefixes of every architecture, with the network and without, in one pass and in several. */
START_TEST(prefixes)
{
	static const int ids[] = { 3, 1, 4, 1, 5, 9, 2 };
	const struct kind *kind = &kinds[_i / 2];
	struct trainer_opts o = { .pass_tokens = 200 };
	struct task *k = set_factors(&kind->c, kind->factors, middle_ones, N(middle_ones), 200,
		false, 2);
	struct adapter *a = adapter_make_prefix(&k->m, ids, N(ids), 2, &k->e);
	struct prefix_task p = { .k = k, .c = kind->c };
	struct pool *pool = pool_new(2);
	struct trainer t;
	real *several;

	ck_assert_ptr_nonnull(a);
	if (_i % 2)
		prefix_add_mlp(a, &kind->c, 9, 4);
	else
		random_floats((float *)a->prefix.x, params_of_adapter(&kind->c, a), 1, 8);
	ck_assert_int_eq(trainer_init(&t, &k->m, a, &o, pool, &k->e), 0);
	ck_assert_uint_eq(t.p.n, params_of_adapter(&kind->c, a));
	p.c.n_front = N(ids);
	p.c.n_ctx -= N(ids);
	p.mlp = &t.p.mlp;
	p.n = t.p.n;
	p.x = reals(t.p.w, t.p.n);
	p.prefix = mem_alloc(N(ids) * 2 * kind->c.n_layer * kind->c.n_head_kv * kind->c.head_dim,
		sizeof *p.prefix);
	ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, scale, &k->loss, &k->e), 0);
	ck_assert_double_le(fabs(scale * k->loss / prefix_loss(&p) - 1), tolerance);
	several = reals(t.p.g, t.p.n);
	slope_is("all", prefix_loss, &p, p.x, t.p.g, p.n, tolerance);
	for (const struct span *s = t.p.spans; s < t.p.spans + t.p.n_spans && _i % 2; s++)
		slope_is("a part", prefix_loss, &p, p.x + s->at, t.p.g + s->at, s->n, tolerance);
	t.o.pass_tokens = 100;
	memset(t.p.g, 0, t.p.n * sizeof *t.p.g);
	ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, scale, &k->loss, &k->e), 0);
	close_to("several passes", t.p.g, several, t.p.n);
	trainer_release(&t);
	pool_free(pool);
	adapter_free(a);
	free(several);
	free(p.x);
	free(p.prefix);
	strike(k);
}
END_TEST

/* |got - want| / |want| */
static real
difference(const float *got, const float *want, size_t n)
{
	real apart = 0, size = 0;

	for (size_t i = 0; i < n; i++) {
		real d = (real)got[i] - (real)want[i];

		apart += d * d;
		size += (real)want[i] * (real)want[i];
	}
	return sqrt(apart / size);
}

/* Some tensors alone, the rest frozen: the gradients that they have when all are trained, and no
 * others. In bf16, too, as far as that can tell. */
START_TEST(some_tensors)
{
	static const char *const choices[][2] = { { "*attn_*.weight", "*norm*" },
		{ "token_embd.weight", "blk.0.*" }, { "*.bias", "blk.?.ffn_down.weight" },
		{ "output_norm.weight", "output*" } };
	const struct kind *kind = &kinds[_i / N(choices)];
	struct opt_list only = { (const char **)(void *)choices[_i % N(choices)], 2 };
	struct trainer_opts o = { .pass_tokens = 100, .only = &only };
	struct task *k = set_factors(&kind->c, kind->factors, middle_ones, N(middle_ones), 200,
		false, 2);
	struct trainer t;
	struct pool *pool = pool_new(2);
	size_t n = 0;

	gradients(k);
	ck_assert_int_eq(trainer_init(&t, &k->m, NULL, &o, pool, &k->e), 0);
	ck_assert_uint_gt(t.p.n_spans, 0);
	ck_assert_uint_lt(t.p.n, k->t.p.n);
	ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, scale, &k->loss, &k->e), 0);
	for (const struct span *s = t.p.spans; s < t.p.spans + t.p.n_spans; s++) {
		real *want = reals(k->t.p.g + naive_place(&kind->c, s->t.name), s->n);

		close_to(s->t.name, t.p.g + s->at, want, s->n);
		ck_assert(s->decays == (s->t.rows > 1));
		n += s->n;
		free(want);
	}
	ck_assert_uint_eq(n, t.p.n);
	ck_assert_uint_eq(n, params_of_model(&kind->c, &only));
	if (gemm_bf16_here()) {
		trainer_release(&t);
		o.bf16 = true;
		ck_assert_int_eq(trainer_init(&t, &k->m, NULL, &o, pool, &k->e), 0);
		ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, scale, &k->loss, &k->e), 0);
		for (const struct span *s = t.p.spans; s < t.p.spans + t.p.n_spans; s++) {
			real d = difference(t.p.g + s->at,
				k->t.p.g + naive_place(&kind->c, s->t.name), s->n);

			ck_assert_msg(d < 0.2, "%s is off by %g in bf16", s->t.name, d);
		}
	}
	trainer_release(&t);
	pool_free(pool);
	strike(k);
}
END_TEST

/* What drops out: a share p of the numbers, the others grown so that the mean stays; another seed
 * or adapter, others. */
START_TEST(dropped)
{
	enum { M = 20000 };
	static const float one = 1;
	struct lora_dropout how = { 0.2f, 7 };
	struct lora l = { .rank = 1, .a = &one, .b = &one, .scale = 1, .dropout = &how };
	float *x = mem_alloc(M, sizeof *x), *y = mem_alloc(M, sizeof *y);
	float *other = mem_alloc(M, sizeof *other);
	struct pool *pool = pool_new(2);
	size_t zero = 0, apart = 0;

	for (size_t i = 0; i < M; i++)
		x[i] = 1;
	lora_mul(pool, &l, 1, 1, x, M, y, false);
	for (size_t i = 0; i < M; i++) {
		ck_assert(y[i] == 0 || y[i] == 1.25f);
		zero += y[i] == 0;
	}
	ck_assert_double_le(fabs((double)zero / M - 0.2), 0.01); /* 3.5 deviations */
	for (int which = 0; which < 2; which++) {
		l.id += which == 0;
		how.seed += which == 1;
		memset(other, 0, M * sizeof *other);
		lora_mul(pool, &l, 1, 1, x, M, other, false);
		apart = 0;
		for (size_t i = 0; i < M; i++)
			apart += (other[i] == 0) != (y[i] == 0);
		ck_assert_double_le(fabs((double)apart / M - 0.32), 0.015);
	}
	pool_free(pool);
	free(x);
	free(y);
	free(other);
}
END_TEST

/* Dropout: the loss, taken twice with the same step, moves as the gradient says. */
START_TEST(dropout)
{
	struct trainer_opts o = { .pass_tokens = 200, .dropout = 0.3, .seed = 3 };
	struct task *k = set(&larger[0], middle_ones, N(middle_ones), 200, false, 2);
	struct adapter *a = adapter_make(&k->m, "q_proj,down_proj", 4, 8, true, 5, &k->e);
	double loss[2], without, got = 0;
	float *was, *d;
	struct trainer t;

	ck_assert_ptr_nonnull(a);
	ck_assert_int_eq(a->n, 4);
	for (size_t i = 0; i < a->n; i++)
		random_floats(a->parts[i].b, a->parts[i].t.rows * 4, 0.2f, i);
	ck_assert_int_eq(trainer_init(&t, &k->m, a, &o, k->t.pool, &k->e), 0);
	was = mem_alloc(t.p.n, sizeof *was);
	d = mem_alloc(t.p.n, sizeof *d);
	memcpy(was, t.p.w, t.p.n * sizeof *was);
	random_floats(d, t.p.n, 1, 9);
	ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, 1, &loss[0], &k->e), 0);
	for (size_t i = 0; i < t.p.n; i++)
		got += (double)t.p.g[i] * (double)d[i];
	for (int s = 0; s < 2; s++) {
		for (size_t i = 0; i < t.p.n; i++)
			t.p.w[i] = was[i] + (s ? 1e-3f : -1e-3f) * d[i];
		ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, 1, &loss[s], &k->e), 0);
	}
	ck_assert_double_le(fabs((loss[1] - loss[0]) / 2e-3 / got - 1), 0.02);
	ck_assert_int_eq(trainer_evaluate(&t, k->x, k->n, &without, &k->e), 0);
	t.step++;
	ck_assert_int_eq(trainer_gradients(&t, k->x, k->n, 1, &loss[0], &k->e), 0);
	ck_assert_double_ge(fabs(loss[1] - loss[0]), 1e-4);
	ck_assert_double_ge(fabs(loss[1] / 112 - without), 1e-6);
	trainer_release(&t);
	adapter_free(a);
	free(was);
	free(d);
	strike(k);
}
END_TEST

/* Cross-entropy with the product before it: a loss of hidden states (n, C) and the head (V, C). */
struct heading {
	const struct config *c;
	real *hidden, *head, *logits;
	const int *targets;
	size_t n;
};

static real
heading_loss(void *arg)
{
	struct heading *h = arg;
	real loss = 0;

	naive_product(h->hidden, h->head, h->n, h->c->n_vocab, h->c->n_embd, h->logits);
	for (size_t i = 0; i < h->n; i++)
		loss += naive_cross_entropy(h->logits + i * h->c->n_vocab, h->c->n_vocab,
			(size_t)h->targets[i]);
	return scale * loss;
}

START_TEST(cross_entropy)
{
	static const size_t counts[] = { 1, 33, 512, 600 };
	struct task *k = set(&larger[1], long_ones, N(long_ones), 700, false, 2);
	size_t n = counts[_i], width = k->c->n_embd, vocab = k->c->n_vocab;
	float *hidden = mem_alloc(n * width, sizeof *hidden);
	float *dhidden = mem_alloc(n * width, sizeof *dhidden);
	int *targets = mem_alloc(n, sizeof *targets);
	double *loss = mem_alloc(n, sizeof *loss), sum = 0;
	struct heading h = { k->c, NULL, NULL, mem_alloc(n * vocab, sizeof *h.logits), targets, n };

	random_floats(hidden, n * width, 3, 8);
	for (size_t i = 0; i < n; i++)
		targets[i] = (int)(i * 7 % vocab);
	h.hidden = reals(hidden, n * width);
	h.head = reals(k->w + naive_place(k->c, "output.weight"), vocab * width);
	backward_loss(k->t.b, k->t.f, hidden, targets, n, scale, loss, dhidden);
	for (size_t i = 0; i < n; i++)
		sum += loss[i];
	ck_assert_double_le(fabs(scale * sum / heading_loss(&h) - 1), tolerance);
	slope_is("dhidden", heading_loss, &h, h.hidden, dhidden, n * width, tolerance);
	slope_is("dhead", heading_loss, &h, h.head, k->t.p.grad.head.data, vocab * width,
		tolerance);
	free(hidden);
	free(dhidden);
	free(targets);
	free(loss);
	free(h.hidden);
	free(h.head);
	free(h.logits);
	strike(k);
}
END_TEST

/* The same bits with any number of threads; and gradients of several calls add up. */
START_TEST(threads)
{
	struct task *one = set(&larger[_i / 2], long_ones, N(long_ones), 512, _i % 2, 1);
	size_t n = one->t.p.n;
	real *twice;

	if (_i % 2 && !gemm_bf16_here()) {
		strike(one);
		return;
	}
	gradients(one);
	for (int t = 2; t <= 3; t++) {
		struct task *many = set(&larger[_i / 2], long_ones, N(long_ones), 512, _i % 2, t);

		gradients(many);
		ck_assert_double_eq(many->loss, one->loss);
		ck_assert_mem_eq(many->t.p.g, one->t.p.g, n * sizeof *one->t.p.g);
		strike(many);
	}
	twice = reals(one->t.p.g, n);
	for (size_t i = 0; i < n; i++)
		twice[i] *= 2;
	gradients(one);
	close_to("the sum of two passes", one->t.p.g, twice, n);
	free(twice);
	strike(one);
}
END_TEST

/* bf16 keeps 8 bits, so each product's inputs are wrong by up to 1/256, and a gradient behind
 * several products by some of that, more where the sums are short: compared with f32's, tensor by
 * tensor, |g16 - g32| / |g32|. */
START_TEST(bf16)
{
	const struct config *c = _i < 2 ? &larger[_i] : &small[_i - 2];
	const struct shape *shapes = _i < 2 ? long_ones : short_ones;
	size_t n = _i < 2 ? (size_t)N(long_ones) : (size_t)N(short_ones), at = 0;
	real most = _i < 2 ? 0.03 : 0.2;
	struct tensor_spec s;
	struct task *full, *half;

	if (!gemm_bf16_here())
		return;
	full = set(c, shapes, n, 300, false, 1);
	half = set(c, shapes, n, 300, true, 1);
	gradients(full);
	gradients(half);
	ck_assert_double_le(fabs(half->loss / full->loss - 1), 0.005);
	for (size_t i = 0; config_tensor(c, i, &s); i++) {
		real d = difference(half->t.p.g + at, full->t.p.g + at, s.rows * s.cols);

		ck_assert_msg(d < most, "%s is off by %g", s.name, d);
		at += s.rows * s.cols;
	}
	strike(full);
	strike(half);
}
END_TEST

/* The loss alone is what evaluation gives, and an example that does not fit is refused. */
START_TEST(evaluation)
{
	struct task *k = set(&small[0], short_ones, N(short_ones), 11, false, 1);
	size_t targets = 0;
	double loss;

	for (size_t i = 0; i < k->n; i++)
		targets += example_targets(&k->x[i]);
	ck_assert_uint_eq(targets, 8 + 1 + 3 + 1 + 10);
	ck_assert_int_eq(trainer_evaluate(&k->t, k->x, k->n, &loss, &k->e), 0);
	ck_assert_double_le(fabs((real)scale * loss * (real)targets / task_loss(k) - 1), tolerance);
	for (size_t i = 0; i < k->t.p.n; i++)
		ck_assert_float_eq(k->t.p.g[i], 0);
	strike(k);

	k = set(&small[0], short_ones, N(short_ones), 10, false, 1);
	ck_assert_int_eq(trainer_evaluate(&k->t, k->x, k->n, &loss, &k->e), -1);
	ck_assert_str_eq(k->e.msg, "an example of 12 tokens does not fit in a pass of 10");
	strike(k);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backward");
	TCase *t = tcase_create("backward");
	SRunner *r;
	int failed;

	setenv("SR_PRODUCTS", "f32", 1); /* rounded ones have other tests */
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, rmsnorm_back, 0, N(sizes));
	tcase_add_loop_test(t, layernorm_back, 0, N(sizes));
	tcase_add_loop_test(t, activate_back, 0, N(sizes));
	tcase_add_loop_test(t, softcap_back, 0, N(sizes));
	tcase_add_loop_test(t, attention, 0, N(hows) * N(spans));
	tcase_add_loop_test(t, all_parameters, 0, N(small));
	tcase_add_loop_test(t, larger_models, 0, N(larger));
	tcase_add_loop_test(t, all_kinds, 0, N_KINDS);
	tcase_add_loop_test(t, adapters, 0, N_KINDS);
	tcase_add_loop_test(t, prefixes, 0, 2 * N_KINDS);
	tcase_add_loop_test(t, some_tensors, 0, 4 * N_KINDS);
	tcase_add_test(t, dropped);
	tcase_add_test(t, dropout);
	tcase_add_loop_test(t, cross_entropy, 0, 4);
	tcase_add_loop_test(t, threads, 0, 2 * N(larger));
	tcase_add_loop_test(t, bf16, 0, N(larger) + N(small));
	tcase_add_test(t, evaluation);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
