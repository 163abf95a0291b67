#include "tensor/lora.h"

#include <string.h>

#include "tensor/gemm.h"
#include "tensor/kernels.h"

/* What a job takes, whatever the number of threads: rows of x or, where these are few, of a; rows
 * of b. */
enum { ROWS_X = 64, ROWS_A = 16, ROWS_B = 128 };

struct mul {
	const struct lora *l;
	size_t n, k, m;
	const float *x;
	float *u;        /* (M, rank) = scale x · aᵀ */
	float *y;
	struct pool *pool;
	/* with dropout */
	float *dropped;  /* (M, K): what x becomes */
	/* backward */
	const struct lora *grad;
	const float *dy;
	float *du;       /* (M, rank) = scale dy · b */
	float *dx;
};

static size_t
at_most(size_t most, size_t left)
{
	return left < most ? left : most;
}

/* What a row of x, or of its gradient, is multiplied by: 0 or 1 / (1 - p), by splitmix64 of the
 * number's place. */
static void
drop_row(const struct lora *l, size_t row, size_t k, const float *x, float *out)
{
	const uint64_t step = 0x9e3779b97f4a7c15u;
	uint64_t limit = (uint64_t)((double)l->dropout->p * 4294967296.0);
	uint64_t at = l->dropout->seed + ((uint64_t)l->id << 40) * step + row * k * step;
	float keep = 1 / (1 - l->dropout->p);

	for (size_t i = 0; i < k; i++) {
		uint64_t z = at += step;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		out[i] = z >> 32 < limit ? 0 : x[i] * keep;
	}
}

static bool
drops(const struct lora *l)
{
	return l->dropout && l->dropout->p > 0;
}

static void
drop_some(void *arg, size_t job, size_t thread)
{
	const struct mul *a = arg;
	size_t to = job * ROWS_X + at_most(ROWS_X, a->m - job * ROWS_X);

	(void)thread;
	for (size_t i = job * ROWS_X; i < to; i++)
		drop_row(a->l, i, a->k, a->x + i * a->k, a->dropped + i * a->k);
}

/* Let a->x be what the adapter sees of x. */
static void
drop(struct mul *a)
{
	if (drops(a->l)) {
		pool_run(a->pool, (a->m + ROWS_X - 1) / ROWS_X, drop_some, a);
		a->x = a->dropped;
	}
}

static void
down_many(void *arg, size_t job, size_t thread)
{
	const struct mul *a = arg;
	size_t j = job * ROWS_X, m = at_most(ROWS_X, a->m - j), rank = a->l->rank;
	float *u = a->u + j * rank;

	(void)thread;
	gemm(false, true, m, rank, a->k, a->x + j * a->k, a->k, a->l->a, a->k, 0, u, rank);
	for (size_t i = 0; i < m * rank; i++)
		u[i] *= a->l->scale;
}

static void
up_many(void *arg, size_t job, size_t thread)
{
	const struct mul *a = arg;
	size_t i = job * ROWS_B, rank = a->l->rank;

	(void)thread;
	gemm(false, true, a->m, at_most(ROWS_B, a->n - i), rank, a->u, rank, a->l->b + i * rank,
		rank, 1, a->y + i, a->n);
}

static void
down_few(void *arg, size_t job, size_t thread)
{
	const struct mul *a = arg;
	size_t i = job * ROWS_A, rank = a->l->rank, n = at_most(ROWS_A, rank - i);
	float *u = a->u + i;

	(void)thread;
	kernels()->dot_rows(a->l->a + i * a->k, n, a->x, a->k, a->m, a->k, u, rank);
	for (size_t j = 0; j < a->m; j++)
		for (size_t r = 0; r < n; r++)
			u[j * rank + r] *= a->l->scale;
}

static void
up_few(void *arg, size_t job, size_t thread)
{
	const struct mul *a = arg;
	size_t i = job * ROWS_B, rank = a->l->rank, n = at_most(ROWS_B, a->n - i);
	float *sums = pool_scratch(a->pool, thread, a->m * n * sizeof *sums);

	kernels()->dot_rows(a->l->b + i * rank, n, a->u, rank, a->m, rank, sums, n);
	for (size_t j = 0; j < a->m; j++)
		for (size_t r = 0; r < n; r++)
			a->y[j * a->n + i + r] += sums[j * n + r];
}

void
lora_mul(struct pool *p, const struct lora *l, size_t n, size_t k, const float *x, size_t m,
	float *y, bool few)
{
	struct mul a = { .l = l, .n = n, .k = k, .m = m, .y = y, .pool = p };

	for (; a.l && m > 0; a.l = a.l->next) {
		size_t down = few ? (a.l->rank + ROWS_A - 1) / ROWS_A : (m + ROWS_X - 1) / ROWS_X;

		a.x = x;
		a.u = pool_scratch(p, pool_size(p),
			m * (a.l->rank + (drops(a.l) ? k : 0)) * sizeof *a.u);
		a.dropped = a.u + m * a.l->rank;
		if (!few)
			drop(&a);
		pool_run(p, down, few ? down_few : down_many, &a);
		pool_run(p, (n + ROWS_B - 1) / ROWS_B, few ? up_few : up_many, &a);
	}
}

static void
back_rows(void *arg, size_t job, size_t thread)
{
	const struct mul *a = arg;
	size_t j = job * ROWS_X, m = at_most(ROWS_X, a->m - j), rank = a->l->rank, k = a->k;
	float *du = a->du + j * rank, *dx = a->dx + j * k, *apart;

	gemm(false, false, m, rank, a->n, a->dy + j * a->n, a->n, a->l->b, rank, 0, du, rank);
	for (size_t i = 0; i < m * rank; i++)
		du[i] *= a->l->scale;
	if (!drops(a->l)) {
		gemm(false, false, m, k, rank, du, rank, a->l->a, k, 1, dx, k);
		return;
	}
	apart = pool_scratch(a->pool, thread, ROWS_X * k * sizeof *apart);
	gemm(false, false, m, k, rank, du, rank, a->l->a, k, 0, apart, k);
	for (size_t i = 0; i < m; i++) {
		drop_row(a->l, j + i, k, apart + i * k, apart + i * k);
		kernels()->axpy(k, 1, apart + i * k, dx + i * k);
	}
}

/* Rows of b's gradient, then columns of a's. */
static void
back_weights(void *arg, size_t job, size_t thread)
{
	const struct mul *a = arg;
	size_t rank = a->l->rank, of_b = (a->n + ROWS_B - 1) / ROWS_B, i;

	(void)thread;
	if (job < of_b) {
		i = job * ROWS_B;
		gemm(true, false, at_most(ROWS_B, a->n - i), rank, a->m, a->dy + i, a->n, a->u,
			rank, 1, (float *)a->grad->b + i * rank, rank);
	} else {
		i = (job - of_b) * ROWS_B;
		gemm(true, false, rank, at_most(ROWS_B, a->k - i), a->m, a->du, rank, a->x + i,
			a->k, 1, (float *)a->grad->a + i, a->k);
	}
}

void
lora_back(struct pool *p, const struct lora *l, const struct lora *grad, size_t n, size_t k,
	const float *x, const float *dy, size_t m, float *dx)
{
	struct mul a = { .l = l, .n = n, .k = k, .m = m, .pool = p, .grad = grad, .dy = dy,
		.dx = dx };

	for (; a.l && m > 0; a.l = a.l->next, a.grad = a.grad->next) {
		size_t jobs = (m + ROWS_X - 1) / ROWS_X;

		a.x = x;
		a.u = pool_scratch(p, pool_size(p),
			m * (2 * a.l->rank + (drops(a.l) ? k : 0)) * sizeof *a.u);
		a.du = a.u + m * a.l->rank;
		a.dropped = a.du + m * a.l->rank;
		drop(&a);
		pool_run(p, jobs, down_many, &a);
		pool_run(p, jobs, back_rows, &a);
		pool_run(p, (n + ROWS_B - 1) / ROWS_B + (k + ROWS_B - 1) / ROWS_B, back_weights,
			&a);
	}
}

void
lora_row(const struct lora *l, size_t i, size_t k, float *out)
{
	for (; l; l = l->next)
		for (size_t r = 0; r < l->rank; r++)
			kernels()->axpy(k, l->scale * l->b[i * l->rank + r], l->a + r * k, out);
}
