#include "train/backward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"
#include "tensor/types.h"

enum {
	ROWS = 32,     /* tokens that a job of the element-wise loops takes */
	BLOCK = 256,   /* tokens that a job of a product takes; buffers are padded to a multiple */
	PANEL = 64,    /* weight rows that a job of a weight's gradient takes */
	QUERIES = 64,  /* queries that attention takes at a time */
	LOGITS = 512,  /* positions whose logits are held at a time */
};

struct backward {
	const struct model *view;
	struct model *grad;
	struct pool *pool;
	size_t cap;               /* tokens, a multiple of BLOCK */
	float *memory;
	float *dx, *norm, *dnorm; /* (cap, C) */
	float *dq, *datt;         /* (cap, n_head*hd) */
	float *dk, *dv;           /* (cap, n_head_kv*hd) */
	float *act, *dact;        /* (cap, F) */
	float *dgate, *dup;       /* (cap, F) */
	float *logits;            /* (LOGITS, V) */
	float *partial;           /* (cap / ROWS, C): norm gradients of each job */
	uint16_t *half_x, *half_dy; /* bf16 inputs of the product under way */
	float **scores;           /* per thread: two of QUERIES x longest chunk */
	size_t scores_cap;
};

static size_t
largest(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t
round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Floats per token, and in bf16 per token of either input. */
static size_t
width_f32(const struct config *c)
{
	return 3 * c->n_embd + 2 * c->n_head * c->head_dim + 2 * c->n_head_kv * c->head_dim +
		4 * c->n_ff;
}

static size_t
width_half(const struct config *c)
{
	return largest(largest(c->n_embd, c->n_ff), c->n_head * c->head_dim);
}

static size_t
half_count(const struct config *c, size_t cap)
{
	return largest(cap * width_half(c), LOGITS * largest(c->n_vocab, c->n_embd));
}

static size_t
memory_floats(const struct config *c, size_t cap)
{
	return cap * width_f32(c) + LOGITS * c->n_vocab + cap / ROWS * c->n_embd;
}

size_t
backward_bytes(const struct config *c, size_t max_tokens)
{
	size_t cap = round_up(max_tokens, BLOCK);

	return memory_floats(c, cap) * sizeof(float) + 2 * half_count(c, cap) * sizeof(uint16_t);
}

static bool
is_half(const struct backward *b)
{
	return b->view->embed.type == TYPE_BF16;
}

struct backward *
backward_new(const struct model *view, struct model *grad, struct pool *p, size_t max_tokens,
	struct err *e)
{
	const struct config *c = &view->c;
	struct backward *b = mem_alloc(1, sizeof *b);
	size_t heads = c->n_head * c->head_dim, kv = c->n_head_kv * c->head_dim;
	float *at;

	b->view = view;
	b->grad = grad;
	b->pool = p;
	b->cap = round_up(max_tokens, BLOCK);
	b->scores = mem_alloc(pool_size(p), sizeof *b->scores);
	b->memory = at = mem_try(memory_floats(c, b->cap), sizeof *at);
	if (is_half(b)) {
		b->half_x = mem_try(half_count(c, b->cap), sizeof *b->half_x);
		b->half_dy = mem_try(half_count(c, b->cap), sizeof *b->half_dy);
	}
	if (!at || (is_half(b) && (!b->half_x || !b->half_dy))) {
		backward_free(b);
		err_set(e, "not enough memory for the gradients of %zu tokens", max_tokens);
		return NULL;
	}
	float **parts[] = { &b->dx, &b->norm, &b->dnorm, &b->dq, &b->datt, &b->dk, &b->dv, &b->act,
		&b->dact, &b->dgate, &b->dup };
	size_t widths[] = { c->n_embd, c->n_embd, c->n_embd, heads, heads, kv, kv, c->n_ff, c->n_ff,
		c->n_ff, c->n_ff };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		*parts[i] = at;
		at += b->cap * widths[i];
	}
	b->logits = at;
	b->partial = at + LOGITS * c->n_vocab;
	return b;
}

void
backward_free(struct backward *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < pool_size(b->pool); i++)
		free(b->scores[i]);
	free(b->scores);
	free(b->memory);
	free(b->half_x);
	free(b->half_dy);
	free(b);
}

/* x (n, width) in bf16, with zero rows behind it up to a multiple of BLOCK. */
struct halve {
	const float *x;
	uint16_t *out;
	size_t n, width;
};

static void
halve_rows(void *arg, size_t job, size_t thread)
{
	struct halve *h = arg;
	size_t at = job * ROWS, n = at >= h->n ? 0 : h->n - at < ROWS ? h->n - at : ROWS;

	(void)thread;
	kernels()->to_bf16(h->x + at * h->width, h->out + at * h->width, n * h->width);
	memset(h->out + (at + n) * h->width, 0, (ROWS - n) * h->width * sizeof *h->out);
}

static void
halve(struct backward *b, const float *x, size_t n, size_t width, uint16_t *out)
{
	struct halve h = { x, out, n, width };

	if (is_half(b))
		pool_run(b->pool, round_up(n, BLOCK) / ROWS, halve_rows, &h);
}

/* The two gradients of y = x · wᵀ: dx (n,K) = beta dx + dy (n,N) · w, and dw (N,K) += dyᵀ · x. */
struct product {
	struct backward *b;
	const struct weight *w;
	float *dw, *dx, beta;
	const float *x, *dy;
	size_t n, blocks;
};

static void
product_dx(const struct product *p, size_t block)
{
	const struct weight *w = p->w;
	size_t at = block * BLOCK, n = p->n - at < BLOCK ? p->n - at : BLOCK;

	if (is_half(p->b))
		gemm_bf16(false, false, round_up(n, ROWS), w->cols, w->rows,
			p->b->half_dy + at * w->rows, w->rows, w->data, w->cols, p->beta,
			p->dx + at * w->cols, w->cols);
	else
		gemm(false, false, n, w->cols, w->rows, p->dy + at * w->rows, w->rows, w->data,
			w->cols, p->beta, p->dx + at * w->cols, w->cols);
}

static void
product_dw(const struct product *p, size_t panel)
{
	const struct weight *w = p->w;
	size_t at = panel * PANEL, n = w->rows - at < PANEL ? w->rows - at : PANEL;

	if (is_half(p->b))
		gemm_bf16(true, false, n, w->cols, round_up(p->n, BLOCK), p->b->half_dy + at,
			w->rows, p->b->half_x, w->cols, 1, p->dw + at * w->cols, w->cols);
	else
		gemm(true, false, n, w->cols, p->n, p->dy + at, w->rows, p->x, w->cols, 1,
			p->dw + at * w->cols, w->cols);
}

static void
product_job(void *arg, size_t job, size_t thread)
{
	struct product *p = arg;

	(void)thread;
	if (job < p->blocks)
		product_dx(p, job);
	else
		product_dw(p, job - p->blocks);
}

/* x must have been halved into half_x already: it often serves several products. dx's rows behind
 * n, up to a multiple of ROWS, are scratch. */
static void
product_back(struct backward *b, const struct weight *w, const struct weight *dw, const float *x,
	const float *dy, size_t n, float *dx, float beta)
{
	struct product p = { b, w, (float *)dw->data, dx, beta, x, dy, n, (n + BLOCK - 1) / BLOCK };

	if (n == 0)
		return;
	halve(b, dy, n, w->rows, b->half_dy);
	pool_run(b->pool, p.blocks + (w->rows + PANEL - 1) / PANEL, product_job, &p);
}

/* The norm before a product, and its gradient. */
struct norms {
	struct backward *b;
	const float *x, *w, *dout;
	float *out, *dx;
	size_t n;
};

static void
norm_job(void *arg, size_t job, size_t thread)
{
	struct norms *s = arg;
	const struct config *c = &s->b->view->c;

	(void)thread;
	for (size_t i = job * ROWS; i < s->n && i < (job + 1) * ROWS; i++)
		kernels()->rmsnorm(s->x + i * c->n_embd, s->w, c->n_embd, c->norm_eps,
			s->out + i * c->n_embd);
}

static void
norm_back_job(void *arg, size_t job, size_t thread)
{
	struct norms *s = arg;
	const struct config *c = &s->b->view->c;
	size_t width = c->n_embd;
	float *dw = s->b->partial + job * width;

	(void)thread;
	memset(dw, 0, width * sizeof *dw);
	for (size_t i = job * ROWS; i < s->n && i < (job + 1) * ROWS; i++) {
		const float *x = s->x + i * width;
		float rstd = 1.0f / sqrtf(kernels()->dot(x, x, width) / (float)width + c->norm_eps);

		kernels()->rmsnorm_back(x, s->w, rstd, s->dout + i * width, width,
			s->dx + i * width, dw);
	}
}

static void
norm_again(struct backward *b, const float *x, const float *w, size_t n)
{
	struct norms s = { b, x, w, NULL, b->norm, NULL, n };

	pool_run(b->pool, (n + ROWS - 1) / ROWS, norm_job, &s);
	halve(b, b->norm, n, b->view->c.n_embd, b->half_x);
}

/* dx += and dw += */
static void
norm_back(struct backward *b, const float *x, const float *w, const float *dout, size_t n,
	float *dx, const float *dw)
{
	struct norms s = { b, x, w, dout, NULL, dx, n };
	size_t jobs = (n + ROWS - 1) / ROWS, width = b->view->c.n_embd;

	pool_run(b->pool, jobs, norm_back_job, &s);
	for (size_t i = 0; i < jobs; i++)
		kernels()->axpy(width, 1, b->partial + i * width, (float *)dw);
}

struct losses {
	struct backward *b;
	const int *targets;
	double *loss;
	float scale;
	bool grad;
	size_t n;
};

static void
loss_rows(void *arg, size_t job, size_t thread)
{
	struct losses *s = arg;
	size_t vocab = s->b->view->c.n_vocab;

	(void)thread;
	for (size_t i = job * ROWS; i < s->n && i < (job + 1) * ROWS; i++) {
		float *row = s->b->logits + i * vocab, lse = kernels()->logsumexp(row, vocab);

		s->loss[i] = (double)lse - (double)row[s->targets[i]];
		if (s->grad) {
			kernels()->softmax_scaled(row, vocab, lse, s->scale);
			row[s->targets[i]] -= s->scale;
		}
	}
}

void
backward_loss(struct backward *b, struct forward *f, const float *hidden, const int *targets,
	size_t n, float scale, double *loss, float *dhidden)
{
	size_t width = b->view->c.n_embd;
	float *dh = b->dnorm; /* padded, where dhidden need not be */

	for (size_t i = 0; i < n; i += LOGITS) {
		size_t m = n - i < LOGITS ? n - i : LOGITS;
		struct losses s = { b, targets + i, loss + i, scale, dhidden != NULL, m };

		forward_logits(f, hidden + i * width, m, b->logits, false);
		pool_run(b->pool, (m + ROWS - 1) / ROWS, loss_rows, &s);
		if (!dhidden)
			continue;
		halve(b, hidden + i * width, m, width, b->half_x);
		product_back(b, &b->view->head, &b->grad->head, hidden + i * width, b->logits, m,
			dh, 0);
		memcpy(dhidden + i * width, dh, m * width * sizeof *dh);
	}
}

void
attention_back(size_t n, size_t hd, const float *q, const float *dout, float *dq, size_t q_stride,
	const float *k, const float *v, float *dk, float *dv, size_t kv_stride, float *s, float *ds)
{
	float scale = 1.0f / sqrtf((float)hd);

	for (size_t i = 0; i < n; i += QUERIES) {
		size_t m = n - i < QUERIES ? n - i : QUERIES, seen = i + m;

		gemm(false, true, m, seen, hd, q + i * q_stride, q_stride, k, kv_stride, 0, s,
			seen);
		gemm(false, true, m, seen, hd, dout + i * q_stride, q_stride, v, kv_stride, 0, ds,
			seen);
		for (size_t r = 0; r < m; r++) {
			float *p = s + r * seen, *d = ds + r * seen, mean;
			size_t own = i + r + 1;

			for (size_t j = 0; j < own; j++)
				p[j] *= scale;
			kernels()->softmax(p, own);
			memset(p + own, 0, (seen - own) * sizeof *p);
			mean = kernels()->dot(p, d, own);
			for (size_t j = 0; j < own; j++)
				d[j] = p[j] * (d[j] - mean) * scale;
			memset(d + own, 0, (seen - own) * sizeof *d);
		}
		gemm(false, false, m, hd, seen, ds, seen, k, kv_stride, 0, dq + i * q_stride,
			q_stride);
		gemm(true, false, seen, hd, m, ds, seen, q + i * q_stride, q_stride, 1, dk,
			kv_stride);
		gemm(true, false, seen, hd, m, s, seen, dout + i * q_stride, q_stride, 1, dv,
			kv_stride);
	}
}

/* The layer under way, for the jobs. */
struct layer_back {
	struct backward *b;
	struct forward *f;
	const struct acts *a;
	const struct chunk *chunks;
	const size_t *first; /* of each chunk, its first token's index */
	size_t n;
};

/* One group of query heads of one chunk, which share their keys and values. */
static void
attend_back(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	size_t chunk = job / c->n_head_kv, g = job % c->n_head_kv, hd = c->head_dim;
	size_t n = l->chunks[chunk].n;
	size_t group = c->n_head / c->n_head_kv, q_stride = c->n_head * hd;
	size_t kv_stride = c->n_head_kv * hd;
	size_t at = l->first[chunk] * kv_stride + g * hd;
	float *s = b->scores[thread], *ds = s + QUERIES * b->scores_cap;

	for (size_t i = 0; i < n; i++) {
		memset(b->dk + at + i * kv_stride, 0, hd * sizeof *b->dk);
		memset(b->dv + at + i * kv_stride, 0, hd * sizeof *b->dv);
	}
	for (size_t h = g * group; h < (g + 1) * group; h++) {
		size_t from = l->first[chunk] * q_stride + h * hd;

		attention_back(n, hd, l->a->q + from, b->datt + from, b->dq + from, q_stride,
			l->a->k + at, l->a->v + at, b->dk + at, b->dv + at, kv_stride, s, ds);
	}
}

/* Turn the gradients of queries and keys back by their positions' angles. */
static void
rope_back(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	const float *cosine, *sine;

	(void)thread;
	for (size_t i = 0; i < l->chunks[job].n; i++) {
		float *dq = b->dq + (l->first[job] + i) * c->n_head * c->head_dim;
		float *dk = b->dk + (l->first[job] + i) * c->n_head_kv * c->head_dim;

		forward_angles(l->f, i, &cosine, &sine, NULL); /* grown by the forward pass */
		for (size_t h = 0; h < c->n_head; h++)
			kernels()->rope(dq + h * c->head_dim, cosine, sine, c->rope_dim, -1);
		for (size_t h = 0; h < c->n_head_kv; h++)
			kernels()->rope(dk + h * c->head_dim, cosine, sine, c->rope_dim, -1);
	}
}

static void
swiglu_again(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	size_t width = l->b->view->c.n_ff, at = job * ROWS, n = l->n - at < ROWS ? l->n - at : ROWS;

	(void)thread;
	at *= width;
	n *= width;
	kernels()->swiglu(l->a->gate + at, l->a->up + at, n, l->b->act + at);
	memcpy(l->b->dgate + at, l->a->gate + at, n * sizeof *l->b->dgate);
	memcpy(l->b->dup + at, l->a->up + at, n * sizeof *l->b->dup);
}

static void
swiglu_turn(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	size_t width = l->b->view->c.n_ff, at = job * ROWS, n = l->n - at < ROWS ? l->n - at : ROWS;

	(void)thread;
	kernels()->swiglu_back(l->b->dgate + at * width, l->b->dup + at * width,
		l->b->dact + at * width, n * width);
}

static void
layer_back(struct layer_back *l, const struct layer *w, const struct layer *dw, size_t n_chunks)
{
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	const struct acts *a = l->a;
	size_t n = l->n, jobs = (n + ROWS - 1) / ROWS;

	/* the feed-forward half; dx is the gradient of the layer's output and of `mid` beside it */
	pool_run(b->pool, jobs, swiglu_again, l);
	halve(b, b->act, n, c->n_ff, b->half_x);
	product_back(b, &w->down, &dw->down, b->act, b->dx, n, b->dact, 0);
	pool_run(b->pool, jobs, swiglu_turn, l);
	norm_again(b, a->mid, w->ffn_norm, n);
	product_back(b, &w->gate, &dw->gate, b->norm, b->dgate, n, b->dnorm, 0);
	product_back(b, &w->up, &dw->up, b->norm, b->dup, n, b->dnorm, 1);
	norm_back(b, a->mid, w->ffn_norm, b->dnorm, n, b->dx, dw->ffn_norm);

	/* the attention half */
	halve(b, a->att, n, c->n_head * c->head_dim, b->half_x);
	product_back(b, &w->o, &dw->o, a->att, b->dx, n, b->datt, 0);
	pool_run(b->pool, n_chunks * c->n_head_kv, attend_back, l);
	pool_run(b->pool, n_chunks, rope_back, l);
	norm_again(b, a->x, w->attn_norm, n);
	product_back(b, &w->q, &dw->q, b->norm, b->dq, n, b->dnorm, 0);
	product_back(b, &w->k, &dw->k, b->norm, b->dk, n, b->dnorm, 1);
	product_back(b, &w->v, &dw->v, b->norm, b->dv, n, b->dnorm, 1);
	norm_back(b, a->x, w->attn_norm, b->dnorm, n, b->dx, dw->attn_norm);
}

static int
scores_grow(struct backward *b, size_t longest, struct err *e)
{
	if (longest <= b->scores_cap)
		return 0;
	b->scores_cap = 0;
	for (size_t i = 0; i < pool_size(b->pool); i++) {
		free(b->scores[i]);
		b->scores[i] = mem_try(2 * QUERIES * longest, sizeof **b->scores);
		if (!b->scores[i])
			return err_set(e, "not enough memory for attention to %zu positions",
				longest);
	}
	b->scores_cap = longest;
	return 0;
}

int
backward_run(struct backward *b, struct forward *f, const struct chunk *chunks, size_t n_chunks,
	const struct tape *t, const float *dhidden, struct err *e)
{
	const struct config *c = &b->view->c;
	size_t *first = mem_alloc(n_chunks, sizeof *first), n = 0, width = c->n_embd, longest = 0;
	const float *last = t->layers[c->n_layer].x;
	float *dembed = (float *)b->grad->embed.data;

	for (size_t i = 0; i < n_chunks; i++) {
		first[i] = n;
		n += chunks[i].n;
		longest = largest(longest, chunks[i].n);
	}
	if (n > b->cap || scores_grow(b, longest, e) < 0) {
		free(first);
		return n > b->cap ? err_set(e, "%zu tokens in a pass for %zu", n, b->cap) : -1;
	}
	memset(b->dx, 0, n * width * sizeof *b->dx);
	for (size_t i = 0; i < n_chunks; i++) {
		size_t from = (first[i] + chunks[i].n - chunks[i].n_out) * width;

		norm_back(b, last + from, b->view->norm, dhidden, chunks[i].n_out, b->dx + from,
			b->grad->norm);
		dhidden += chunks[i].n_out * width;
	}
	for (size_t layer = c->n_layer; layer-- > 0;) {
		struct layer_back l = { b, f, &t->layers[layer], chunks, first, n };

		layer_back(&l, &b->view->layers[layer], &b->grad->layers[layer], n_chunks);
	}
	for (size_t i = 0; i < n_chunks; i++)
		for (size_t j = 0; j < chunks[i].n; j++)
			kernels()->axpy(width, 1, b->dx + (first[i] + j) * width,
				dembed + (size_t)chunks[i].tokens[j] * width);
	free(first);
	return 0;
}
