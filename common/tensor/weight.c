#include "tensor/weight.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/blocks.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"
#include "tensor/lora.h"
#include "tensor/nf4.h"
#include "tensor/types.h"

/* Rows of w that a job takes: a function of the shape alone, so that results do not depend on
 * threads. */
static size_t
panel(size_t rows)
{
	return rows <= 512 ? 64 : 128;
}

/* The same where a row's bits depend on that row alone: four jobs a thread, so that they end
 * together. */
static size_t
short_panel(const struct pool *p, size_t rows)
{
	size_t some = (rows / (4 * pool_size(p)) + 15) / 16 * 16;

	return some < 16 ? 16 : some > 256 ? 256 : some;
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
	switch (w->type) {
	case TYPE_F16:
		kernels()->f16_load((const uint16_t *)row_at(w, i), scratch, n * w->cols);
		break;
	case TYPE_BF16:
		kernels()->bf16_load((const uint16_t *)row_at(w, i), scratch, n * w->cols);
		break;
	case TYPE_Q8_0:
		kernels()->q8_0_load(row_at(w, i), scratch, n * w->cols);
		break;
	case TYPE_NF4:
		nf4_load(w->data, i * w->cols, n * w->cols, scratch);
		break;
	default:
		type_info(w->type)->load(row_at(w, i), scratch, n * w->cols);
	}
	return scratch;
}

void
weight_row(const struct weight *w, size_t i, float *out)
{
	const float *row = rows_f32(w, i, 1, out);

	if (row != out)
		memcpy(out, row, w->cols * sizeof *out);
	lora_row(w->lora, i, w->cols, out);
}

/* Rows of x that a bf16 product takes; what is left over by LAST is padded to it, so that few
 * products have to be compiled. */
enum { BLOCK = 256, LAST = 32 };

/* Rows of x up to which halves are multiplied as they are read, not expanded first. */
enum { FEW = 3 };

struct mul {
	const struct weight *w;
	const float *x;
	uint16_t *half;  /* x in bf16 and zero rows behind it; NULL for f32 products */
	size_t m, panels;
	size_t span;     /* blocks of rows of a bf16 job, which expands its panel once for all */
	float *y;
	struct pool *pool;
};

/* A panel in f32, one in bf16, and a padded result. */
static float *
scratch_of(const struct mul *a, size_t thread)
{
	size_t step = panel(a->w->rows);

	return pool_scratch(a->pool, thread,
		(step * a->w->cols * 3 / 2 + LAST * a->w->rows) * sizeof(float));
}

static void
mul_panel(void *arg, size_t job, size_t thread)
{
	struct mul *a = arg;
	const struct weight *w = a->w;
	size_t step = panel(w->rows), i = job * step, n = w->rows - i < step ? w->rows - i : step;
	const float *rows = rows_f32(w, i, n, w->type == TYPE_F32 ? NULL : scratch_of(a, thread));

	gemm(false, true, a->m, n, w->cols, a->x, w->cols, rows, w->cols, 0, a->y + i, w->rows);
}

/* Rows [j, j + m) of x with one panel, at rows [i, i + n) of w. */
static void
mul_block_bf16(const struct mul *a, size_t j, size_t m, const uint16_t *rows, size_t i, size_t n,
	float *padded)
{
	size_t k = a->w->cols, ldy = a->w->rows, rest = m % LAST;
	const uint16_t *x = a->half + j * k;
	float *y = a->y + j * ldy + i;

	gemm_bf16(false, true, m - rest, n, k, x, k, rows, k, 0, y, ldy);
	if (rest == 0)
		return;
	/* the padded result lies as y does: oneDNN has other kernels for other strides */
	gemm_bf16(false, true, LAST, n, k, x + (m - rest) * k, k, rows, k, 0, padded, ldy);
	for (size_t r = 0; r < rest; r++)
		memcpy(y + (m - rest + r) * ldy, padded + r * ldy, n * sizeof *y);
}

static void
mul_panel_bf16(void *arg, size_t job, size_t thread)
{
	struct mul *a = arg;
	const struct weight *w = a->w;
	size_t step = panel(w->rows), i = job % a->panels * step;
	size_t n = w->rows - i < step ? w->rows - i : step;
	size_t from = job / a->panels * a->span * BLOCK, to = from + a->span * BLOCK;
	float *scratch = scratch_of(a, thread), *padded = scratch + step * w->cols * 3 / 2;
	uint16_t *expanded = (uint16_t *)(scratch + step * w->cols);
	const uint16_t *rows = expanded;

	if (w->type == TYPE_BF16)
		rows = (const uint16_t *)row_at(w, i);
	else
		kernels()->to_bf16(rows_f32(w, i, n, scratch), expanded, n * w->cols);
	to = to < a->m ? to : a->m;
	for (size_t j = from; j < to; j += BLOCK)
		mul_block_bf16(a, j, to - j < BLOCK ? to - j : BLOCK, rows, i, n, padded);
}

static void
halve_rows(void *arg, size_t job, size_t thread)
{
	struct mul *a = arg;
	size_t k = a->w->cols, j = job * LAST, n = a->m - j < LAST ? a->m - j : LAST;

	(void)thread;
	kernels()->to_bf16(a->x + j * k, a->half + j * k, n * k);
	if (n < LAST)
		memset(a->half + (j + n) * k, 0, (LAST - n) * k * sizeof *a->half);
}

static void
mul_rows(void *arg, size_t job, size_t thread)
{
	struct mul *a = arg;
	const struct weight *w = a->w;
	bool as_is = w->type == TYPE_F32 || w->type == TYPE_F16 || w->type == TYPE_BF16;
	size_t step = short_panel(a->pool, w->rows), from = job * step;
	size_t to = from + step < w->rows ? from + step : w->rows;
	size_t k = w->cols, most = a->m > FEW ? 4 : as_is ? step : 16;
	float *scratch = scratch_of(a, thread);

	for (size_t i = from; i < to; i += most) {
		size_t n = to - i < most ? to - i : most;
		float *y = a->y + i;

		if (w->type == TYPE_F16 && a->m <= FEW)
			kernels()->dot_rows_f16((const uint16_t *)row_at(w, i), n, a->x, k, a->m, k,
				y, w->rows);
		else if (w->type == TYPE_BF16 && a->m <= FEW)
			kernels()->dot_rows_bf16((const uint16_t *)row_at(w, i), n, a->x, k, a->m,
				k, y, w->rows);
		else
			kernels()->dot_rows(rows_f32(w, i, n, scratch), n, a->x, k, a->m, k, y,
				w->rows);
	}
}

/* Products in integers: of several weights of one type with the same activations. */
struct mul_blocks {
	const struct block_kernels *b;
	const struct weight *const *w;
	float *const *y;
	const float *x;
	size_t m;
	bool steps;
	struct pool *pool;
	struct activations all;
};

static void
round_some(void *arg, size_t job, size_t thread)
{
	struct mul_blocks *a = arg;
	size_t i = job * LAST, n = a->m - i < LAST ? a->m - i : LAST;

	(void)thread;
	a->b->round((*a->w)->type, a->steps, a->x, i, n, (*a->w)->cols, &a->all);
}

static size_t
short_panels(const struct pool *p, const struct weight *w)
{
	size_t step = short_panel(p, w->rows);

	return (w->rows + step - 1) / step;
}

static void
mul_panel_blocks(void *arg, size_t job, size_t thread)
{
	struct mul_blocks *a = arg;
	const struct weight *w;
	size_t of = 0, step, from, to, stride;
	float *y, *room = pool_scratch(a->pool, thread, BLOCKS_MOST * BLOCKS_ROWS * sizeof *room);

	for (; job >= short_panels(a->pool, a->w[of]); of++)
		job -= short_panels(a->pool, a->w[of]);
	w = a->w[of];
	y = a->y[of];
	step = short_panel(a->pool, w->rows);
	from = job * step;
	to = from + step < w->rows ? from + step : w->rows;
	stride = type_row_bytes(w->type, w->cols);
	for (size_t i = from; i < to; i += BLOCKS_ROWS)
		for (size_t j = 0; j < a->m; j += BLOCKS_MOST) {
			size_t n = to - i < BLOCKS_ROWS ? to - i : BLOCKS_ROWS;
			size_t m = a->m - j < BLOCKS_MOST ? a->m - j : BLOCKS_MOST;
			bool end = (w->rows - i - n) * stride < BLOCKS_BEHIND;

			a->b->mul(w->type, a->steps, (const char *)w->data + i * stride, n, end,
				i + n < w->rows && a->m <= LAST, w->cols, &a->all, j, m,
				y + j * w->rows + i, w->rows, room);
		}
}

static void
mul_blocks(struct pool *p, const struct weight *const *w, float *const *y, size_t n, const float *x,
	size_t m, bool steps)
{
	size_t k = (*w)->cols, jobs = 0;
	struct mul_blocks a = { blocks(), w, y, x, m, steps, p, { 0 } };
	char *room = pool_scratch(p, pool_size(p), m * (2 * k + k / 32 * 4 + k / 16 * 8));

	a.all.rows = m;
	a.all.scale = (float *)room;
	a.all.sum = a.all.scale + m * (k / 32);
	a.all.bias = (int32_t *)(a.all.sum + m * (k / 16));
	a.all.q = a.all.bias + m * (k / 16);
	pool_run(p, (m + LAST - 1) / LAST, round_some, &a);
	for (size_t i = 0; i < n; i++)
		jobs += short_panels(p, w[i]);
	pool_run(p, jobs, mul_panel_blocks, &a);
}

/* SR_PRODUCTS=f32 asks for exact products: weights expanded, activations as they are. */
static bool
use_f32(void)
{
	const char *wish = getenv("SR_PRODUCTS");

	return wish && strcmp(wish, "f32") == 0;
}

static bool
use_blocks(const struct weight *w, bool steps)
{
	return blocks() && blocks()->take(w->type, steps) && w->cols % 32 == 0 &&
		(steps || !gemm_bf16_amx()) && !use_f32();
}

/* bf16 products for weights that are stored in fewer bits than f32. */
static bool
use_bf16(const struct weight *w)
{
	return w->type != TYPE_F32 && !use_f32() && gemm_bf16_here();
}

static void
mul_many(struct pool *p, const struct weight *w, const float *x, size_t m, float *y)
{
	size_t step = panel(w->rows), blocks = (m + BLOCK - 1) / BLOCK;
	struct mul a = { w, x, NULL, m, (w->rows + step - 1) / step, 1, y, p };

	if (m == 0)
		return;
	if (!use_bf16(w)) {
		pool_run(p, a.panels, mul_panel, &a);
		return;
	}
	a.half = pool_scratch(p, pool_size(p),
		(m + LAST - 1) / LAST * LAST * w->cols * sizeof *a.half);
	pool_run(p, (m + LAST - 1) / LAST, halve_rows, &a);
	if (blocks * a.panels > 4 * pool_size(p))
		a.span = blocks * a.panels / (4 * pool_size(p));
	pool_run(p, (blocks + a.span - 1) / a.span * a.panels, mul_panel_bf16, &a);
}

static void
mul_few(struct pool *p, const struct weight *w, const float *x, size_t m, float *y)
{
	struct mul a = { w, x, NULL, m, 0, 1, y, p };

	pool_run(p, short_panels(p, w), mul_rows, &a);
}

void
weight_mul_all(struct pool *p, const struct weight *const *w, float *const *y, size_t n,
	const float *x, size_t m, bool steps)
{
	for (size_t i = 0, same; i < n && m > 0; i += same) {
		same = 1;
		if (use_blocks(w[i], steps)) {
			while (i + same < n && w[i + same]->type == w[i]->type)
				same++;
			mul_blocks(p, w + i, y + i, same, x, m, steps);
		} else {
			(steps ? mul_few : mul_many)(p, w[i], x, m, y[i]);
		}
	}
	for (size_t i = 0; i < n; i++)
		lora_mul(p, w[i]->lora, w[i]->rows, w[i]->cols, x, m, y[i], steps);
}

void
weight_mul(struct pool *p, const struct weight *w, const float *x, size_t m, float *y)
{
	weight_mul_all(p, &w, &y, 1, x, m, false);
}

void
weight_mul_rows(struct pool *p, const struct weight *w, const float *x, size_t m, float *y)
{
	weight_mul_all(p, &w, &y, 1, x, m, true);
}

/* Numbers of a panel that weight_back expands, rows of it that a job expands and rows of dx that a
 * job takes. */
enum { BACK_PANEL = 1 << 21, BACK_ROWS = 32, BACK_BLOCK = 256 };

struct back {
	const struct weight *w;
	const float *dy;
	const uint16_t *half_dy;
	size_t m;
	float beta, *dx;
	struct pool *pool;
	size_t from, rows;  /* the panel */
	const void *panel;
	void *room;
};

static void
back_expand(void *arg, size_t job, size_t thread)
{
	struct back *a = arg;
	size_t k = a->w->cols, at = job * BACK_ROWS;
	size_t n = a->rows - at < BACK_ROWS ? a->rows - at : BACK_ROWS;
	float *scratch = pool_scratch(a->pool, thread, BACK_ROWS * k * sizeof *scratch);
	const float *rows;

	if (a->half_dy) {
		rows = rows_f32(a->w, a->from + at, n, scratch);
		kernels()->to_bf16(rows, (uint16_t *)a->room + at * k, n * k);
	} else {
		rows_f32(a->w, a->from + at, n, (float *)a->room + at * k);
	}
}

static void
back_block(void *arg, size_t job, size_t thread)
{
	struct back *a = arg;
	size_t k = a->w->cols, n = a->w->rows, at = job * BACK_BLOCK;
	size_t m = a->m - at < BACK_BLOCK ? a->m - at : BACK_BLOCK;
	float *dx = a->dx + at * k;

	(void)thread;
	if (a->half_dy)
		gemm_bf16(false, false, (m + LAST - 1) / LAST * LAST, k, a->rows,
			a->half_dy + at * n + a->from, n, a->panel, k, a->beta, dx, k);
	else
		gemm(false, false, m, k, a->rows, a->dy + at * n + a->from, n, a->panel, k, a->beta,
			dx, k);
}

void
weight_back(struct pool *p, const struct weight *w, const float *dy, const uint16_t *half_dy,
	size_t m, float beta, float *dx)
{
	struct back a = { .w = w, .dy = dy, .half_dy = half_dy, .m = m, .beta = beta, .dx = dx,
		.pool = p };
	bool as_is = w->type == (half_dy ? TYPE_BF16 : TYPE_F32);
	size_t most = BACK_PANEL / w->cols / BACK_ROWS * BACK_ROWS;

	most = as_is ? w->rows : most ? most : BACK_ROWS;
	if (!as_is)
		a.room = pool_scratch(p, pool_size(p), most * w->cols *
			(half_dy ? sizeof(uint16_t) : sizeof(float)));
	for (; m > 0 && a.from < w->rows; a.from += a.rows, a.beta = 1) {
		a.rows = w->rows - a.from < most ? w->rows - a.from : most;
		a.panel = as_is ? w->data : a.room;
		if (!as_is)
			pool_run(p, (a.rows + BACK_ROWS - 1) / BACK_ROWS, back_expand, &a);
		pool_run(p, (m + BACK_BLOCK - 1) / BACK_BLOCK, back_block, &a);
	}
}

const char *
weight_backend(void)
{
	return gemm_backend();
}
