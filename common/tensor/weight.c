#include "tensor/weight.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"
#include "tensor/types.h"

/* Rows of w that a job takes: a function of the shape alone, so that results do not depend on threads. */
static size_t
panel(size_t rows)
{
	return rows <= 512 ? 64 : 128;
}

static const char *
row_at(const struct weight *w, size_t i)
{
	return (const char *)w->data + i * type_row_bytes(w->type, w->cols);
}

/* n rows from row i on, in f32: the stored ones themselves or, expanded, `scratch`. */
static const float *
rows_f32(const struct weight *w, size_t i, size_t n, float *scratch)
{
	if (w->type == TYPE_F32)
		return (const float *)row_at(w, i);
	if (w->type == TYPE_Q8_0)
		kernels()->q8_0_load(row_at(w, i), scratch, n * w->cols);
	else
		type_info(w->type)->load(row_at(w, i), scratch, n * w->cols);
	return scratch;
}

void
weight_row(const struct weight *w, size_t i, float *out)
{
	type_info(w->type)->load(row_at(w, i), out, w->cols);
}

struct mul {
	const struct weight *w;
	const float *x;
	const uint16_t *half; /* x in bf16, or NULL for f32 products */
	size_t m;
	float *y;
	float **scratch;      /* per thread: a panel in f32, then in bf16 */
};

static float *
scratch_of(const struct mul *a, size_t thread)
{
	if (!a->scratch[thread])
		a->scratch[thread] = mem_alloc(panel(a->w->rows) * a->w->cols, 3 * sizeof(float) / 2);
	return a->scratch[thread];
}

static void
mul_panel(void *arg, size_t job, size_t thread)
{
	struct mul *a = arg;
	const struct weight *w = a->w;
	size_t step = panel(w->rows), i = job * step, n = w->rows - i < step ? w->rows - i : step;
	float *scratch = scratch_of(a, thread);
	uint16_t *half = (uint16_t *)(scratch + step * w->cols);
	const float *rows;

	if (a->half && w->type == TYPE_BF16) {
		gemm_bf16(false, true, a->m, n, w->cols, a->half, w->cols, (const uint16_t *)row_at(w, i),
			w->cols, 0, a->y + i, w->rows);
		return;
	}
	rows = rows_f32(w, i, n, scratch);
	if (a->half) {
		kernels()->to_bf16(rows, half, n * w->cols);
		gemm_bf16(false, true, a->m, n, w->cols, a->half, w->cols, half, w->cols, 0, a->y + i, w->rows);
	} else {
		gemm(false, true, a->m, n, w->cols, a->x, w->cols, rows, w->cols, 0, a->y + i, w->rows);
	}
}

static void
mul_rows(void *arg, size_t job, size_t thread)
{
	struct mul *a = arg;
	const struct weight *w = a->w;
	size_t step = panel(w->rows), from = job * step, to = from + step < w->rows ? from + step : w->rows;
	float *scratch = scratch_of(a, thread);

	for (size_t i = from; i < to; i += 4) {
		size_t n = to - i < 4 ? to - i : 4;

		kernels()->dot_rows(rows_f32(w, i, n, scratch), n, a->x, w->cols, a->m, w->cols, a->y + i,
			w->rows);
	}
}

static void
run(struct pool *p, struct mul *a, void (*fn)(void *, size_t, size_t))
{
	size_t threads = pool_size(p), step = panel(a->w->rows);

	a->scratch = mem_alloc(threads, sizeof *a->scratch);
	pool_run(p, (a->w->rows + step - 1) / step, fn, a);
	for (size_t i = 0; i < threads; i++)
		free(a->scratch[i]);
	free(a->scratch);
}

/* bf16 products for weights that are stored in fewer bits than f32; SR_PRODUCTS=f32 turns them off. */
static bool
use_bf16(const struct weight *w)
{
	const char *wish = getenv("SR_PRODUCTS");

	return w->type != TYPE_F32 && !(wish && strcmp(wish, "f32") == 0) && gemm_bf16_here();
}

/* Rows of bf16 products come in blocks of these sizes, the last one padded, so that few products have to be
 * compiled. */
enum { BLOCK = 256, LAST = 32 };

static void
mul_bf16(struct pool *p, const struct weight *w, const float *x, size_t m, float *y)
{
	uint16_t *half = mem_alloc(BLOCK * w->cols, sizeof *half);
	float *padded = NULL;

	for (size_t i = 0; i < m; i += BLOCK) {
		size_t n = m - i < BLOCK ? m - i : BLOCK, whole = (n + LAST - 1) / LAST * LAST;
		struct mul a = { w, x, half, whole, y + i * w->rows, NULL };

		kernels()->to_bf16(x + i * w->cols, half, n * w->cols);
		if (whole > n) {
			memset(half + n * w->cols, 0, (whole - n) * w->cols * sizeof *half);
			a.y = padded = mem_alloc(whole * w->rows, sizeof *padded);
		}
		run(p, &a, mul_panel);
		if (whole > n)
			memcpy(y + i * w->rows, padded, n * w->rows * sizeof *y);
	}
	free(padded);
	free(half);
}

void
weight_mul(struct pool *p, const struct weight *w, const float *x, size_t m, float *y)
{
	struct mul a = { w, x, NULL, m, y, NULL };

	if (m == 0)
		return;
	if (use_bf16(w))
		mul_bf16(p, w, x, m, y);
	else
		run(p, &a, mul_panel);
}

void
weight_mul_rows(struct pool *p, const struct weight *w, const float *x, size_t m, float *y)
{
	struct mul a = { w, x, NULL, m, y, NULL };

	run(p, &a, mul_rows);
}

const char *
weight_backend(void)
{
	return gemm_backend();
}
