/* tensor/kernels at every CPU level and tensor/weight, against plain loops in double, odd sizes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "naive.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"
#include "tensor/types.h"

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

/* Sizes around the vectors' width (16) and its multiples, 1..67 and 255..257. */
enum { SIZES = 70, MOST = 257 };

static size_t
size_at(int i)
{
	return i < 67 ? (size_t)i + 1 : (size_t)i + 255 - 67;
}

/* A f32 sum of n products is wrong by some eps each, whatever the order; 2e-6 of the sum of their
 * sizes is ten times what is seen. */
static const real tolerance = 2e-6;

/* What a test of one size at one level works on. */
struct room {
	const struct kernels *k;
	size_t n;
	float a[MOST], b[MOST], c[MOST], d[MOST];
	float was[2][MOST]; /* a and b */
	real *ra, *rb, *rc, want[MOST], more[MOST];
};

static void
furnish(struct room *r, const struct kernels *k, size_t n, float deviation)
{
	*r = (struct room){ .k = k, .n = n };
	random_floats(r->a, n, deviation, 3 * n);
	random_floats(r->b, n, deviation, 3 * n + 1);
	random_floats(r->c, n, deviation, 3 * n + 2);
	memcpy(r->was[0], r->a, sizeof r->a);
	memcpy(r->was[1], r->b, sizeof r->b);
	r->ra = reals(r->a, n);
	r->rb = reals(r->b, n);
	r->rc = reals(r->c, n);
}

static void
clear(struct room *r)
{
	free(r->ra);
	free(r->rb);
	free(r->rc);
}

static void
like(const struct room *r, const char *what, const float *got, const real *want, size_t n,
	real most)
{
	real d = distance(got, want, n);

	ck_assert_msg(d <= most, "%s of %zu (%s) is off by %g", what, r->n, r->k->name, d);
}

static void
sums(struct room *r)
{
	real dot = 0, sizes = 0, squares = 0;
	float got = r->k->dot(r->a, r->b, r->n);

	for (size_t i = 0; i < r->n; i++) {
		dot += r->ra[i] * r->rb[i];
		sizes += fabs(r->ra[i] * r->rb[i]);
		squares += r->ra[i] * r->ra[i];
		r->want[i] = r->rb[i] + 0.7f * r->ra[i];
	}
	ck_assert_msg(fabs((real)got - dot) <= tolerance * sizes, "dot of %zu (%s)", r->n,
		r->k->name);
	ck_assert_double_le(fabs(r->k->sum_squares(r->a, r->n) - squares), tolerance * squares);
	r->k->axpy(r->n, 0.7f, r->a, r->b);
	like(r, "axpy", r->b, r->want, r->n, tolerance);
	r->k->add(r->n, r->a, r->c, r->d);
	for (size_t i = 0; i < r->n; i++)
		ck_assert_float_eq(r->d[i], r->a[i] + r->c[i]);
}

static void
norm(struct room *r)
{
	const float eps = 1e-5f;
	real squares = 0;
	float rstd = r->k->rmsnorm(r->a, r->b, r->n, eps, r->d);

	for (size_t i = 0; i < r->n; i++)
		squares += r->ra[i] * r->ra[i];
	naive_rmsnorm(r->ra, r->rb, r->n, eps, r->want);
	like(r, "rmsnorm", r->d, r->want, r->n, tolerance);
	ck_assert_double_le(fabs(rstd * sqrt(squares / (real)r->n + eps) - 1), tolerance);
}

static void
layernorm(struct room *r)
{
	real *bias = mem_alloc(r->n, sizeof *bias);

	for (size_t i = 0; i < r->n; i++)
		bias[i] = r->c[i];
	naive_layernorm(r->ra, r->rb, bias, r->n, (real)1e-5f, r->want);
	r->k->layernorm(r->a, r->b, r->c, r->n, 1e-5f, r->d);
	like(r, "layernorm", r->d, r->want, r->n, tolerance);
	free(bias);
}

/* With a gate, and without. An activation takes a share of its input, which is right to 1e-6. */
static void
activate(struct room *r)
{
	for (int f = 0; f < 2 * N_ACTIVATIONS; f++) {
		bool gated = f % 2;

		r->k->activate[f / 2](r->a, gated ? r->b : NULL, r->n, r->d);
		for (size_t i = 0; i < r->n; i++) {
			real up = gated ? r->rb[i] : 1;
			real want = naive_activation(f / 2, r->ra[i]) * up;

			ck_assert_msg(fabs((real)r->d[i] - want) <= 1e-6 * fabs(r->ra[i] * up),
				"activation %d (%s) of %g: %g", f, r->k->name, r->ra[i],
				(real)r->d[i] - want);
		}
	}
}

static void
softcap(struct room *r)
{
	for (size_t i = 0; i < r->n; i++)
		r->want[i] = 1.7 * tanh(0.3 * r->ra[i] / 1.7);
	r->k->softcap(r->a, r->n, 0.3f, 1.7f);
	for (size_t i = 0; i < r->n; i++) /* each by itself: small ones count as large ones do */
		ck_assert_msg(fabs((real)r->a[i] - r->want[i]) <= 2e-6 * fabs(r->want[i]),
			"softcap (%s) of %g", r->k->name, r->ra[i]);
}

static void
softmax(struct room *r)
{
	real lse = naive_logsumexp(r->ra, r->n);
	double got = r->k->logsumexp(r->a, r->n);

	ck_assert_double_le(fabs((real)got - lse), tolerance * (1 + fabs(lse)));
	memcpy(r->d, r->a, sizeof r->d);
	r->k->softmax_scaled(r->d, r->n, got, 0.25f);
	for (size_t i = 0; i < r->n; i++)
		r->want[i] = 0.25 * exp(r->ra[i] - lse);
	/* the rounding of logsumexp itself is in here: its size times eps */
	like(r, "softmax_scaled", r->d, r->want, r->n, 1e-6 * (2 + fabs(lse)));
	naive_softmax(r->ra, r->n);
	for (size_t i = 0; i < r->n; i++)
		r->a[i] *= 2;
	r->k->softmax(r->a, r->n, 0.5f);
	like(r, "softmax", r->a, r->ra, r->n, tolerance);
}

/* Pairs that are neighbours, and such that lie half of all apart; there and back again. */
static void
rope(struct room *r)
{
	size_t pos = 1000 + r->n, even = r->n & ~(size_t)1;

	for (size_t i = 0; i < even / 2; i++) {
		real angle = (real)pos * pow(10000, -2.0 * (real)i / (real)even);

		r->c[i] = (float)cos(angle);
		r->d[i] = (float)sin(angle);
		naive_turn(&r->ra[2 * i], &r->ra[2 * i + 1], angle);
		naive_turn(&r->rb[i], &r->rb[i + even / 2], angle);
	}
	r->k->rope(r->a, r->c, r->d, even, 1);
	like(r, "rope", r->a, r->ra, r->n, tolerance);
	r->k->rope_halves(r->b, r->c, r->d, even, 1);
	like(r, "rope_halves", r->b, r->rb, r->n, tolerance);
	r->k->rope(r->a, r->c, r->d, even, -1);
	r->k->rope_halves(r->b, r->c, r->d, even, -1);
	for (size_t i = 0; i < r->n; i++) {
		r->ra[i] = r->was[0][i];
		r->rb[i] = r->was[1][i];
	}
	like(r, "rope, turned back,", r->a, r->ra, r->n, tolerance);
	like(r, "rope_halves, turned back,", r->b, r->rb, r->n, tolerance);
}

static void
adamw(struct room *r)
{
	const struct adamw o = { 1e-2f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.271f, 0.0297f, 0.5f };
	real *w = r->want, v[MOST];

	for (size_t i = 0; i < r->n; i++)
		r->d[i] = 0.5f * r->a[i] * r->a[i];
	for (size_t i = 0; i < r->n; i++) {
		real g = r->rb[i] * 0.5;

		w[i] = r->ra[i];
		r->more[i] = 0.9 * r->rc[i] + 0.1 * g;
		v[i] = 0.99 * r->d[i] + 0.01 * g * g;
		w[i] -= 1e-2 * 0.1 * w[i];
		w[i] -= 1e-2 * (r->more[i] / 0.271) / (sqrt(v[i] / 0.0297) + 1e-8);
	}
	r->k->adamw(&o, r->a, r->b, r->c, r->d, r->n);
	like(r, "adamw's first moment", r->c, r->more, r->n, tolerance);
	like(r, "adamw's second moment", r->d, v, r->n, tolerance);
	like(r, "adamw", r->a, w, r->n, tolerance);
}

static void
to_bf16(struct room *r)
{
	uint16_t got[MOST];

	r->k->to_bf16(r->a, got, r->n);
	for (size_t i = 0; i < r->n; i++)
		ck_assert_uint_eq(got[i], f32_to_bf16(r->a[i]));
}

static void
q8_0_load(struct room *r)
{
	size_t n = (r->n + 31) / 32 * 32;
	unsigned char *stored = mem_alloc(n / 32, 34);
	float *x = mem_alloc(3 * n, sizeof *x), *want = x + n, *got = x + 2 * n;

	random_floats(x, n, 1, n);
	type_info(TYPE_Q8_0)->store(x, stored, n);
	type_info(TYPE_Q8_0)->load(stored, want, n);
	r->k->q8_0_load(stored, got, n);
	ck_assert_mem_eq(got, want, n * sizeof *got);
	free(stored);
	free(x);
}

/* dot_rows (rows, m): every number of rows left over by its step of four. */
static void
dot_rows(struct room *r)
{
	enum { ROWS = 7, M = 3 };
	size_t k = r->n, ldx = k + 5, ldy = ROWS + 2;
	float *w = mem_alloc(ROWS * k, sizeof *w), *x = mem_alloc(M * ldx, sizeof *x);
	float y[M * (ROWS + 2)];

	random_floats(w, ROWS * k, 1, k);
	random_floats(x, M * ldx, 1, k + 1);
	for (size_t rows = 1; rows <= ROWS; rows++) {
		r->k->dot_rows(w, rows, x, ldx, M, k, y, ldy);
		for (size_t j = 0; j < M; j++)
			for (size_t i = 0; i < rows; i++) {
				real want = 0, sizes = 0;

				for (size_t e = 0; e < k; e++) {
					want += (real)w[i * k + e] * (real)x[j * ldx + e];
					sizes += fabs((real)w[i * k + e] * (real)x[j * ldx + e]);
				}
				ck_assert_msg(
					fabs((real)y[j * ldy + i] - want) <= tolerance * sizes,
					"dot_rows of %zu (%s)", k, r->k->name);
			}
	}
	free(w);
	free(x);
}

/* Rows stored in halves: the bits of their values in f32. */
static void
dot_rows_of_halves(struct room *r)
{
	enum { ROWS = 6, M = 2 };
	size_t k = r->n, n = ROWS * k;
	uint16_t *f16 = mem_alloc(2 * n, sizeof *f16), *bf16 = f16 + n;
	float *w = mem_alloc(n, sizeof *w), *x = mem_alloc(M * k, sizeof *x);
	float want[M * ROWS], got[M * ROWS];

	random_floats(w, n, 1, k);
	random_floats(x, M * k, 1, k + 1);
	for (size_t i = 0; i < n; i++) {
		f16[i] = f32_to_f16(w[i]);
		bf16[i] = f32_to_bf16(w[i]);
	}
	r->k->f16_load(f16, w, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_float_eq(w[i], f16_to_f32(f16[i]));
	r->k->dot_rows(w, ROWS, x, k, M, k, want, ROWS);
	r->k->dot_rows_f16(f16, ROWS, x, k, M, k, got, ROWS);
	ck_assert_mem_eq(got, want, sizeof got);
	r->k->bf16_load(bf16, w, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_float_eq(w[i], bf16_to_f32(bf16[i]));
	r->k->dot_rows(w, ROWS, x, k, M, k, want, ROWS);
	r->k->dot_rows_bf16(bf16, ROWS, x, k, M, k, got, ROWS);
	ck_assert_mem_eq(got, want, sizeof got);
	free(f16);
	free(w);
	free(x);
}

/* Scores and mixtures with heads of n dimensions: every number of queries left over by the tiles,
 * some numbers of panels and positions. */
static void
attention(struct room *r)
{
	enum { M = 11, PANELS = 5, KEYS = PANELS * 16 };
	size_t hd = r->n < 90 ? r->n : 90, wide = (hd + 15) / 16 * 16, ldq = hd + 3;
	float *q = mem_alloc(M * ldq, sizeof *q), *keys = mem_alloc(KEYS * hd, sizeof *keys);
	float *values = mem_alloc(KEYS * wide, sizeof *values);
	float *out = mem_alloc(M * ldq, sizeof *out);
	float s[M * KEYS], alone[KEYS];

	random_floats(q, M * ldq, 1, hd);
	random_floats(keys, KEYS * hd, 1, hd + 1);
	random_floats(values, KEYS * wide, 1, hd + 2);
	for (size_t m = 1; m <= M; m++)
		for (size_t n = 1; n <= PANELS; n++) {
			size_t seen = n * 16 - m;

			r->k->scores(q, ldq, m, keys, n, hd, s, KEYS);
			r->k->mix(s, KEYS, m, values, wide, seen, hd, out, ldq);
			for (size_t i = 0; i < m * n * 16; i++) {
				size_t row = i / (n * 16), key = i % (n * 16);
				const float *k = keys + key / 16 * 16 * hd + key % 16;
				real want = 0, sizes = 0;

				for (size_t d = 0; d < hd; d++) {
					want += (real)q[row * ldq + d] * (real)k[d * 16];
					sizes += fabs((real)q[row * ldq + d] * (real)k[d * 16]);
				}
				ck_assert_msg(fabs((real)s[row * KEYS + key] - want) <=
					tolerance * sizes, "scores of %zu (%s)", hd, r->k->name);
			}
			for (size_t i = 0; i < m * hd; i++) {
				size_t row = i / hd, d = i % hd;
				real want = 0, sizes = 0;

				for (size_t j = 0; j < seen; j++) {
					real p = (real)s[row * KEYS + j] *
						(real)values[j * wide + d];

					want += p;
					sizes += fabs(p);
				}
				ck_assert_msg(fabs((real)out[row * ldq + d] - want) <=
					tolerance * sizes, "mix of %zu (%s)", hd, r->k->name);
			}
			/* the last query's bits are those that it has alone */
			r->k->scores(q + (m - 1) * ldq, ldq, 1, keys, n, hd, alone, KEYS);
			ck_assert_mem_eq(alone, s + (m - 1) * KEYS, n * 16 * sizeof *s);
		}
	free(q);
	free(keys);
	free(values);
	free(out);
}

/* Each kernel, at every level, at every size, with numbers of that deviation. */
static const struct {
	const char *name;
	void (*test)(struct room *);
	float deviation;
} kernel_tests[] = {
	{ "sums", sums, 1 },
	{ "rmsnorm", norm, 1 },
	{ "rmsnorm of small numbers", norm, 1e-3f },
	{ "layernorm", layernorm, 1 },
	{ "activate", activate, 1 },
	{ "activate with large numbers", activate, 50 },
	{ "softcap", softcap, 1 },
	{ "softcap of large numbers", softcap, 50 },
	{ "softmax", softmax, 1 },
	{ "softmax of large numbers", softmax, 50 },
	{ "rope", rope, 1 },
	{ "attention", attention, 1 },
	{ "adamw", adamw, 1 },
	{ "to_bf16", to_bf16, 1 },
	{ "q8_0_load", q8_0_load, 1 },
	{ "dot_rows", dot_rows, 1 },
	{ "dot_rows of halves", dot_rows_of_halves, 1 },
};

START_TEST(every_size)
{
	const struct kernels *levels[3];
	size_t n = kernels_levels(levels);

	for (size_t l = 0; l < n; l++)
		for (int i = 0; i < SIZES; i++) {
			struct room r;

			furnish(&r, levels[l], size_at(i), kernel_tests[_i].deviation);
			kernel_tests[_i].test(&r);
			clear(&r);
		}
}
END_TEST

/* Masked positions (-inf) get nothing, wherever they stand; no difference is too large for exp; NaN
 * is not lost. */
START_TEST(softmax_edges)
{
	const struct kernels *levels[3];

	for (size_t l = 0, n = kernels_levels(levels); l < n; l++)
		for (int i = 0; i < SIZES; i++) {
			size_t len = size_at(i), open = len * 7 / 11;
			float x[MOST];

			for (size_t j = 0; j < len; j++)
				x[j] = -INFINITY;
			x[open] = -3e38f;
			ck_assert_double_eq(levels[l]->logsumexp(x, len), (double)-3e38f);
			levels[l]->softmax(x, len, 1);
			for (size_t j = 0; j < len; j++)
				ck_assert_float_eq(x[j], j == open ? 1 : 0);

			for (size_t j = 0; j < len; j++)
				x[j] = j == open ? 3e38f : j % 2 ? -3e38f : 0;
			ck_assert_double_eq(levels[l]->logsumexp(x, len), (double)3e38f);
			levels[l]->softmax(x, len, 1);
			for (size_t j = 0; j < len; j++)
				ck_assert_float_eq(x[j], j == open ? 1 : 0);

			for (size_t j = 0; j < len; j++)
				x[j] = 1000;
			levels[l]->softmax(x, len, 1);
			for (size_t j = 0; j < len; j++)
				ck_assert_float_eq_tol(x[j] * (float)len, 1, 1e-6f);

			x[open] = NAN;
			ck_assert_double_nan(levels[l]->logsumexp(x, len));
			levels[l]->softmax(x, len, 1);
			ck_assert_float_nan(x[open]);
		}
}
END_TEST

/* exp is the heart of softmax and SwiGLU: relative error over all it is used for. */
/* All 65,536 of them, infinite ones and NaN too. */
START_TEST(every_half)
{
	const struct kernels *levels[3];
	size_t n = kernels_levels(levels);
	uint16_t h[16];
	float x[16];

	for (size_t l = 0; l < n; l++)
		for (uint32_t i = 0; i < 65536; i += 16) {
			for (uint32_t j = 0; j < 16; j++)
				h[j] = (uint16_t)(i + j);
			levels[l]->f16_load(h, x, 16);
			for (uint32_t j = 0; j < 16; j++) {
				float want = f16_to_f32(h[j]);

				ck_assert(isnan(want) ? isnan(x[j]) : x[j] == want);
			}
		}
}
END_TEST

START_TEST(exponential)
{
	const struct kernels *levels[3];

	for (size_t l = 0, n = kernels_levels(levels); l < n; l++)
		for (float x = 0; x > -87; x -= 0.0371f) {
			float got = x;

			levels[l]->softmax_scaled(&got, 1, 0, 1);
			ck_assert_msg(fabs((real)got / exp((real)x) - 1) < 3e-7, "exp(%g) (%s)",
				(double)x, levels[l]->name);
		}
}
END_TEST

/* Weights in every stored format. */
static const uint32_t types[] = { TYPE_F32, TYPE_F16, TYPE_BF16, TYPE_Q8_0 };
/* Rows and columns: around the panels (64, 128) that jobs take; Q8_0 takes columns by 32. */
static const struct {
	size_t rows, cols;
} shapes[] = { { 1, 32 }, { 3, 64 }, { 65, 96 }, { 130, 160 }, { 513, 64 }, { 67, 33 }, { 5, 1 },
	{ 257, 255 } };
static const size_t counts[] = { 1, 2, 3, 31, 32, 33, 64, 256, 257 };
enum { LARGEST = 257 };

typedef void multiply(struct pool *, const struct weight *, const float *, size_t, float *);

static const struct {
	const char *name;
	multiply *mul;
} ways[] = { { "weight_mul", weight_mul }, { "weight_mul_rows", weight_mul_rows } };

/* y is wrong by no more than `share` of the sum of its products' sizes. */
static void
check_product(const char *name, const struct weight *w, const float *x, size_t m, const float *y,
	real share)
{
	float *row = mem_alloc(w->cols, sizeof *row);

	for (size_t i = 0; i < w->rows; i++) {
		weight_row(w, i, row);
		for (size_t j = 0; j < m; j++) {
			real want = 0, sizes = 0;

			for (size_t e = 0; e < w->cols; e++) {
				want += (real)row[e] * (real)x[j * w->cols + e];
				sizes += fabs((real)row[e] * (real)x[j * w->cols + e]);
			}
			ck_assert_msg(fabs((real)y[j * w->rows + i] - want) <= share * sizes,
				"%s of %s (%zu x %zu), element %zu of row %zu of %zu: %g, not %g",
				name, type_info(w->type)->name, w->rows, w->cols, i, j, m,
				(double)y[j * w->rows + i], want);
		}
	}
	free(row);
}

/* One shape, every format, both ways: the values; and that the bits of a row are the same however
 * many rows stand beside it and whatever the number of threads. */
START_TEST(products)
{
	size_t rows = shapes[_i].rows, cols = shapes[_i].cols;
	float *full = mem_alloc(rows * cols, sizeof *full);
	float *x = mem_alloc(LARGEST * cols, sizeof *x);
	float *first = mem_alloc(LARGEST * rows, sizeof *first);
	float *y = mem_alloc(LARGEST * rows, sizeof *y);
	struct pool *pools[] = { pool_new(1), pool_new(2), pool_new(3) };

	random_floats(full, rows * cols, 1, rows);
	random_floats(x, LARGEST * cols, 1, cols);
	for (int t = 0; t < N(types); t++) {
		const struct type_info *info = type_info(types[t]);
		struct weight w = { types[t], rows, cols, NULL, NULL };
		void *stored;

		if (cols % info->block != 0)
			continue;
		stored = mem_alloc(rows, type_row_bytes(types[t], cols));
		info->store(full, stored, rows * cols);
		w.data = stored;
		for (int way = 0; way < N(ways); way++) {
			/* both inputs of a bf16 product are rounded to 8 bits */
			bool half = ways[way].mul == weight_mul && types[t] != TYPE_F32
				&& gemm_bf16_here();

			ways[way].mul(pools[0], &w, x, LARGEST, first);
			check_product(ways[way].name, &w, x, LARGEST, first,
				half ? 1.0 / 128 : tolerance);
			for (int p = 0; p < N(pools); p++)
				for (int c = 0; c < N(counts); c++) {
					size_t m = counts[c], from = LARGEST - m;
					bool same;

					if (p > 0 && c % 3 != 2) /* only 3, 33, 257 */
						continue;
					memset(y, 0xff, LARGEST * rows * sizeof *y);
					ways[way].mul(pools[p], &w, x + from * cols, m, y);
					same = memcmp(y, first + from * rows, m * rows * 4) == 0;
					ck_assert_msg(same, "%s of %s (%zu x %zu): "
						"other bits for %zu rows, %d threads",
						ways[way].name, info->name, rows, cols, m, p + 1);
				}
		}
		free(stored);
	}
	for (int p = 0; p < N(pools); p++)
		pool_free(pools[p]);
	free(full);
	free(x);
	free(first);
	free(y);
}
END_TEST

/* gemm and gemm_bf16: transposed or not, added to or not, with rows that lie apart. */
static real
at(const float *a, bool turned, size_t ld, size_t i, size_t j)
{
	return (real)(turned ? a[j * ld + i] : a[i * ld + j]);
}

static void
check_gemm(size_t m, size_t n, size_t k, bool ta, bool tb, float beta, bool half)
{
	size_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
	size_t len_a = (ta ? k : m) * lda, len_b = (tb ? n : k) * ldb;
	float *a = mem_alloc(len_a, sizeof *a), *b = mem_alloc(len_b, sizeof *b);
	float *c = mem_alloc(m * ldc, sizeof *c), *was = mem_alloc(m * ldc, sizeof *was);
	uint16_t *half_a = mem_alloc(len_a, sizeof *half_a);
	uint16_t *half_b = mem_alloc(len_b, sizeof *half_b);

	random_floats(a, len_a, 1, m);
	random_floats(b, len_b, 1, n);
	random_floats(was, m * ldc, 1, k);
	if (half) { /* then the inputs are exact in bf16 */
		for (size_t i = 0; i < len_a; i++)
			a[i] = bf16_to_f32(half_a[i] = f32_to_bf16(a[i]));
		for (size_t i = 0; i < len_b; i++)
			b[i] = bf16_to_f32(half_b[i] = f32_to_bf16(b[i]));
	}
	memcpy(c, was, m * ldc * sizeof *c);
	if (half)
		gemm_bf16(ta, tb, m, n, k, half_a, lda, half_b, ldb, beta, c, ldc);
	else
		gemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < ldc; j++) {
			real want = (real)was[i * ldc + j] * (j < n ? (real)beta : 1);
			real sizes = fabs(want);

			for (size_t l = 0; l < k && j < n; l++) {
				real product = at(a, ta, lda, i, l) * at(b, tb, ldb, l, j);

				want += product;
				sizes += fabs(product);
			}
			ck_assert_msg(fabs((real)c[i * ldc + j] - want) <= tolerance * sizes,
				"%s %zu x %zu x %zu, turned %d %d, beta %g: (%zu,%zu) is %g, not "
				"%g",
				half ? "gemm_bf16" : "gemm", m, n, k, ta, tb, (double)beta, i, j,
				(double)c[i * ldc + j], want);
		}
	free(a);
	free(b);
	free(c);
	free(was);
	free(half_a);
	free(half_b);
}

static const size_t sides[] = { 1, 2, 7, 16, 33, 65, 129 };

START_TEST(gemms)
{
	for (int j = 0; j < N(sides); j++)
		for (int l = 0; l < N(sides); l++)
			for (int turns = 0; turns < 4; turns++)
				for (int beta = 0; beta < 2; beta++)
					check_gemm(sides[_i], sides[j], sides[l], turns & 1,
						turns & 2, beta, false);
	/* a library compiles each shape of these, so fewer */
	for (int j = 0; j < N(sides); j += 2)
		for (int turns = 0; turns < 4; turns++)
			check_gemm(sides[_i], sides[j], sides[(_i + j) % N(sides)], turns & 1,
				turns & 2, j / 2 % 2, true);
}
END_TEST

/* beta 0 means that what stood there does not count, NaN neither. */
START_TEST(gemm_overwrites)
{
	float a[6] = { 1, 2, 3, 4, 5, 6 }, c[9];
	uint16_t half[6];

	for (int i = 0; i < 6; i++)
		half[i] = f32_to_bf16(a[i]);
	for (int way = 0; way < 2; way++) {
		for (int i = 0; i < 9; i++)
			c[i] = NAN;
		if (way == 0)
			gemm(false, true, 3, 3, 2, a, 2, a, 2, 0, c, 3);
		else
			gemm_bf16(false, true, 3, 3, 2, half, 2, half, 2, 0, c, 3);
		ck_assert_float_eq(c[0], 5);
		ck_assert_float_eq(c[5], 39);
		ck_assert_float_eq(c[8], 61);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kernels");
	TCase *t = tcase_create("kernels");
	SRunner *r;
	int failed;

	/* products of f32; those in integers are test_blocks's */
	setenv("SR_PRODUCTS", "f32", 1);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, every_size, 0, N(kernel_tests));
	tcase_add_test(t, softmax_edges);
	tcase_add_test(t, every_half);
	tcase_add_test(t, exponential);
	tcase_add_loop_test(t, products, 0, N(shapes));
	tcase_add_loop_test(t, gemms, 0, N(sides));
	tcase_add_test(t, gemm_overwrites);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
