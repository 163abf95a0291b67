#include "train/backward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"
#include "tensor/lora.h"
#include "tensor/types.h"

enum {
	ROWS = 32,     /* tokens that a job of the element-wise loops takes */
	BLOCK = 256,   /* tokens that a job of a product takes; buffers are padded to a multiple */
	COLUMNS = 64,  /* of a bias that a job sums */
	PANEL = 64,    /* weight rows that a job of a weight's gradient takes */
	QUERIES = 64,  /* queries that attention takes at a time */
	LOGITS = 512,  /* positions whose logits are held at a time */
};

struct backward {
	const struct model *view;
	struct model *grad;
	bool bf16;
	bool frozen;              /* no matrix is trained: no gradients but of vectors and of
	                           * what is hung into weights */
	struct pool *pool;
	size_t cap;               /* tokens, a multiple of BLOCK */
	float *memory;
	float *dx, *norm, *dnorm; /* (cap, C) */
	float *dout;              /* (cap, C): of a half's output before its norm; or NULL */
	float *dq, *datt;         /* (cap, n_head*hd) */
	float *dk, *dv;           /* (cap, n_head_kv*hd) */
	float *act, *dact;        /* (cap, F) */
	float *dgate, *dup;       /* (cap, F); without a gate dgate is NULL */
	float *logits;            /* (LOGITS, V) */
	float *partial;           /* (cap / ROWS, 2 widest norm): norm gradients of each job */
	uint16_t *half_x, *half_dy; /* bf16 inputs of the product under way */
	float **scores;           /* per thread: 2 QUERIES + 1 rows of the longest chunk and of a
	                           * prefix */
	size_t scores_cap;
	float *front;             /* (chunks, n_head_kv, 2, prefix, hd): a prefix's gradients */
	size_t front_cap;         /* chunks */
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

/* The arrays of one token. */
struct part {
	size_t offset, width;
};

enum { N_PARTS = 12 };

static void
parts_list(const struct config *c, struct part list[N_PARTS])
{
	size_t heads = c->n_head * c->head_dim, kv = c->n_head_kv * c->head_dim;
	const struct part all[N_PARTS] = {
		{ offsetof(struct backward, dx), c->n_embd },
		{ offsetof(struct backward, norm), c->n_embd },
		{ offsetof(struct backward, dnorm), c->n_embd },
		{ offsetof(struct backward, dout), config_post_norm(c) * c->n_embd },
		{ offsetof(struct backward, dq), heads },
		{ offsetof(struct backward, datt), heads },
		{ offsetof(struct backward, dk), kv },
		{ offsetof(struct backward, dv), kv },
		{ offsetof(struct backward, act), c->n_ff },
		{ offsetof(struct backward, dact), c->n_ff },
		{ offsetof(struct backward, dgate), config_gated(c) * c->n_ff },
		{ offsetof(struct backward, dup), c->n_ff },
	};

	memcpy(list, all, sizeof all);
}

/* Floats per token, and in bf16 per token of either input. */
static size_t
width_f32(const struct config *c)
{
	struct part list[N_PARTS];
	size_t sum = 0;

	parts_list(c, list);
	for (size_t i = 0; i < N_PARTS; i++)
		sum += list[i].width;
	return sum;
}

static size_t
width_norm(const struct config *c)
{
	return largest(c->n_embd, c->head_dim);
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
	return cap * width_f32(c) + LOGITS * c->n_vocab +
		cap / ROWS * 2 * width_norm(c);
}

size_t
backward_bytes(const struct config *c, size_t max_tokens)
{
	size_t cap = round_up(max_tokens, BLOCK);

	return memory_floats(c, cap) * sizeof(float) + 2 * half_count(c, cap) * sizeof(uint16_t);
}

static bool
is_frozen(const struct model *grad)
{
	bool any = grad->embed.data || grad->places.data || grad->head.data;

	for (const struct layer *l = grad->layers; l < grad->layers + grad->c.n_layer; l++)
		any |= l->q.data || l->k.data || l->v.data || l->o.data || l->gate.data ||
			l->up.data || l->down.data;
	return !any;
}

struct backward *
backward_new(const struct model *view, struct model *grad, bool bf16, struct pool *p,
	size_t max_tokens, struct err *e)
{
	const struct config *c = &view->c;
	struct backward *b = mem_alloc(1, sizeof *b);
	struct part list[N_PARTS];
	float *at;

	b->view = view;
	b->grad = grad;
	b->bf16 = bf16;
	b->frozen = is_frozen(grad);
	b->pool = p;
	b->cap = round_up(max_tokens, BLOCK);
	b->scores = mem_alloc(pool_size(p), sizeof *b->scores);
	b->memory = at = mem_try(memory_floats(c, b->cap), sizeof *at);
	if (bf16) {
		b->half_x = mem_try(b->frozen ? 1 : half_count(c, b->cap), sizeof *b->half_x);
		b->half_dy = mem_try(half_count(c, b->cap), sizeof *b->half_dy);
	}
	if (!at || (bf16 && (!b->half_x || !b->half_dy))) {
		backward_free(b);
		err_set(e, "not enough memory for the gradients of %zu tokens", max_tokens);
		return NULL;
	}
	parts_list(c, list);
	for (size_t i = 0; i < N_PARTS; i++) {
		*(float **)(void *)((char *)b + list[i].offset) = list[i].width ? at : NULL;
		at += b->cap * list[i].width;
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
	free(b->front);
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

	if (b->bf16)
		pool_run(b->pool, round_up(n, BLOCK) / ROWS, halve_rows, &h);
}

/* The input of products whose weights' gradients are wanted. */
static void
halve_input(struct backward *b, const float *x, size_t n, size_t width)
{
	if (!b->frozen)
		halve(b, x, n, width, b->half_x);
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

	if (p->b->bf16)
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

	if (p->b->bf16)
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

/* Of a frozen weight: dx, and what its adapters want. */
static void
frozen_back(struct backward *b, const struct weight *w, const struct weight *dw, const float *x,
	const float *dy, size_t n, float *dx, float beta)
{
	weight_back(b->pool, w, dy, b->bf16 ? b->half_dy : NULL, n, beta, dx);
	lora_back(b->pool, w->lora, dw->lora, w->rows, w->cols, x, dy, n, dx);
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
	if (!dw->data) {
		frozen_back(b, w, dw, x, dy, n, dx, beta);
		return;
	}
	pool_run(b->pool, p.blocks + (w->rows + PANEL - 1) / PANEL, product_job, &p);
}

/* db (N) += the sum of dy's rows (n,N): a job takes COLUMNS of them. */
struct bias {
	const float *dy;
	float *db;
	size_t n, width;
};

static void
bias_job(void *arg, size_t job, size_t thread)
{
	struct bias *s = arg;
	size_t at = job * COLUMNS, n = s->width - at < COLUMNS ? s->width - at : COLUMNS;

	(void)thread;
	for (size_t i = 0; i < s->n; i++)
		kernels()->axpy(n, 1, s->dy + i * s->width + at, s->db + at);
}

static void
bias_back(struct backward *b, const float *db, const float *dy, size_t n, size_t width)
{
	struct bias s = { dy, (float *)db, n, width };

	if (db)
		pool_run(b->pool, (width + COLUMNS - 1) / COLUMNS, bias_job, &s);
}

/* A norm of rows of that width, and its gradient. */
struct norms {
	struct backward *b;
	const float *x, *w, *bias, *dout;
	float *out, *dx;
	size_t n, each, width; /* tokens, and rows of each */
};

static void
norm_job(void *arg, size_t job, size_t thread)
{
	struct norms *s = arg;
	float eps = s->b->view->c.norm_eps;
	size_t width = s->width;

	(void)thread;
	for (size_t i = job * ROWS; i < s->n * s->each && i < (job + 1) * ROWS; i++)
		if (s->bias)
			kernels()->layernorm(s->x + i * width, s->w, s->bias, width, eps,
				s->out + i * width);
		else
			kernels()->rmsnorm(s->x + i * width, s->w, width, eps, s->out + i * width);
}

/* Gradients of the weights go to the job's own part of b->partial, of the bias behind them. */
static void
norm_back_job(void *arg, size_t job, size_t thread)
{
	struct norms *s = arg;
	size_t width = s->width, step = ROWS * s->each;
	float eps = s->b->view->c.norm_eps, *dw = s->b->partial + job * 2 * width;

	memset(dw, 0, 2 * width * sizeof *dw);
	for (size_t i = job * step; i < s->n * s->each && i < (job + 1) * step; i++) {
		const float *x = s->x + i * width, *dout = s->dout + i * width;
		float *dx = s->dx + i * width;

		if (dx == dout) {
			dout = memcpy(pool_scratch(s->b->pool, thread, width * sizeof *dx), dx,
				width * sizeof *dx);
			memset(dx, 0, width * sizeof *dx);
		}
		if (s->bias) {
			kernels()->layernorm_back(x, s->w, width, eps, dout, dx, dw, dw + width);
		} else {
			float squares = kernels()->dot(x, x, width);

			kernels()->rmsnorm_back(x, s->w, 1.0f / sqrtf(squares / (float)width + eps),
				dout, width, dx, dw);
		}
	}
}

/* b->norm = the norm of x, once more */
static void
norm_again(struct backward *b, const float *x, const float *w, const float *bias, size_t n)
{
	size_t width = b->view->c.n_embd;
	struct norms s = { .b = b, .x = x, .w = w, .bias = bias, .out = b->norm, .n = n,
		.each = 1, .width = width };

	pool_run(b->pool, (n + ROWS - 1) / ROWS, norm_job, &s);
	halve_input(b, b->norm, n, width);
}

/* dx += and dw, dbias +=; dx may be dout, which it then replaces. */
static void
norm_back(struct norms s, const float *dw, const float *dbias)
{
	size_t jobs = (s.n + ROWS - 1) / ROWS;

	pool_run(s.b->pool, jobs, norm_back_job, &s);
	for (size_t i = 0; i < jobs; i++) {
		float *partial = s.b->partial + i * 2 * s.width;

		if (dw)
			kernels()->axpy(s.width, 1, partial, (float *)dw);
		if (dbias)
			kernels()->axpy(s.width, 1, partial + s.width, (float *)dbias);
	}
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
	const struct config *c = &s->b->view->c;
	size_t vocab = c->n_vocab;

	for (size_t i = job * ROWS; i < s->n && i < (job + 1) * ROWS; i++) {
		float *row = s->b->logits + i * vocab;
		double lse = kernels()->logsumexp(row, vocab);
		float *capped = NULL;

		s->loss[i] = lse - (double)row[s->targets[i]];
		if (!s->grad)
			continue;
		if (c->logit_cap > 0)
			capped = memcpy(pool_scratch(s->b->pool, thread, vocab * sizeof *row), row,
				vocab * sizeof *row);
		kernels()->softmax_scaled(row, vocab, (float)lse, s->scale);
		row[s->targets[i]] -= s->scale;
		if (capped)
			kernels()->softcap_back(capped, row, vocab, c->logit_cap);
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
		halve_input(b, hidden + i * width, m, width);
		product_back(b, &b->view->head, &b->grad->head, hidden + i * width, b->logits, m,
			dh, 0);
		memcpy(dhidden + i * width, dh, m * width * sizeof *dh);
	}
}

/* A row of scores p (n) becomes the weights of the positions that its query sees, from `begin` to
 * `end`, and d, their gradient, the gradient of q·k. `capped` is scratch. */
static void
weights_back(const struct attention *a, float *p, float *d, size_t begin, size_t end, size_t n,
	float *capped)
{
	const struct kernels *kern = kernels();
	size_t own = end - begin;
	float mean;

	memset(p, 0, begin * sizeof *p);
	memset(d, 0, begin * sizeof *d);
	memset(p + end, 0, (n - end) * sizeof *p);
	memset(d + end, 0, (n - end) * sizeof *d);
	p += begin;
	d += begin;
	if (a->cap > 0) {
		kern->softcap(p, own, a->scale, a->cap);
		memcpy(capped, p, own * sizeof *p);
	}
	kern->softmax(p, own, a->cap > 0 ? 1 : a->scale);
	mean = kern->dot(p, d, own);
	for (size_t j = 0; j < own; j++)
		d[j] = p[j] * (d[j] - mean) * a->scale;
	if (a->cap > 0)
		kern->softcap_back(capped, d, own, a->cap);
}

void
attention_back(const struct attention *a, size_t past, size_t n, size_t hd, const float *q,
	const float *dout, float *dq, size_t q_stride, const float *k, const float *v, float *dk,
	float *dv, size_t kv_stride, float *s, float *ds)
{
	size_t all = past + n, window = a->window > 0 ? a->window : all;

	for (size_t i = 0; i < n; i += QUERIES) {
		size_t m = n - i < QUERIES ? n - i : QUERIES, end = past + i + 1;
		size_t from = end > window ? end - window : 0, seen = end - 1 + m - from;
		const float *ks = k + from * kv_stride, *vs = v + from * kv_stride;

		gemm(false, true, m, seen, hd, q + i * q_stride, q_stride, ks, kv_stride, 0, s,
			seen);
		gemm(false, true, m, seen, hd, dout + i * q_stride, q_stride, vs, kv_stride, 0, ds,
			seen);
		for (size_t r = 0; r < m; r++) {
			size_t own = end + r, begin = own > window + from ? own - window - from : 0;

			weights_back(a, s + r * seen, ds + r * seen, begin, own - from, seen,
				ds + QUERIES * all);
		}
		gemm(false, false, m, hd, seen, ds, seen, ks, kv_stride, 0, dq + i * q_stride,
			q_stride);
		gemm(true, false, seen, hd, m, ds, seen, q + i * q_stride, q_stride, 1,
			dk + from * kv_stride, kv_stride);
		gemm(true, false, seen, hd, m, s, seen, dout + i * q_stride, q_stride, 1,
			dv + from * kv_stride, kv_stride);
	}
}

/* The layer under way, for the jobs. */
struct layer_back {
	struct backward *b;
	struct forward *f;
	const struct acts *a;
	size_t layer;
	struct attention attention;
	const struct chunk *chunks;
	size_t n_chunks;
	const size_t *first; /* of each chunk, its first token's index */
	size_t n;
};

/* Keys, values and their gradients of a group of query heads, which share them. */
struct shared {
	float *k, *v, *dk, *dv;
	size_t stride;
};

/* Those of one chunk where they lie; behind a prefix as copies, one after the other. */
static struct shared
gather(const struct layer_back *l, size_t chunk, size_t g, size_t thread)
{
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	size_t hd = c->head_dim, width = c->n_head_kv * hd, n = l->chunks[chunk].n;
	size_t at = l->first[chunk] * width + g * hd, front = b->view->prefix.n, all = front + n;
	struct shared s = { l->a->k + at, l->a->v + at, b->dk + at, b->dv + at, width };

	if (front > 0) {
		float *room = pool_scratch(b->pool, thread, 4 * all * hd * sizeof *room);

		for (size_t i = 0; i < all; i++) {
			const float *k = i < front ?
				prefix_at(c, &b->view->prefix, i, l->layer) + g * hd :
				s.k + (i - front) * width;
			const float *v = i < front ? k + width : s.v + (i - front) * width;

			memcpy(room + i * hd, k, hd * sizeof *room);
			memcpy(room + (all + i) * hd, v, hd * sizeof *room);
		}
		s = (struct shared){ room, room + all * hd, room + 2 * all * hd,
			room + 3 * all * hd, hd };
	}
	for (size_t i = 0; i < all; i++) {
		memset(s.dk + i * s.stride, 0, hd * sizeof *s.dk);
		memset(s.dv + i * s.stride, 0, hd * sizeof *s.dv);
	}
	return s;
}

/* The gradients of copies where they belong, the prefix's beside those of other chunks. */
static void
scatter(const struct layer_back *l, size_t chunk, size_t g, const struct shared *s)
{
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	size_t hd = c->head_dim, width = c->n_head_kv * hd, n = l->chunks[chunk].n;
	size_t at = l->first[chunk] * width + g * hd, front = b->view->prefix.n;
	float *to = b->front + (chunk * c->n_head_kv + g) * 2 * front * hd;

	memcpy(to, s->dk, front * hd * sizeof *to);
	memcpy(to + front * hd, s->dv, front * hd * sizeof *to);
	for (size_t i = 0; i < n; i++) {
		memcpy(b->dk + at + i * width, s->dk + (front + i) * hd, hd * sizeof *s->dk);
		memcpy(b->dv + at + i * width, s->dv + (front + i) * hd, hd * sizeof *s->dv);
	}
}

/* One group of query heads of one chunk, which share their keys and values. */
static void
attend_back(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	size_t chunk = job / c->n_head_kv, g = job % c->n_head_kv, hd = c->head_dim;
	size_t group = c->n_head / c->n_head_kv, q_stride = c->n_head * hd;
	struct shared kv = gather(l, chunk, g, thread);
	float *s = b->scores[thread], *ds = s + QUERIES * b->scores_cap;

	for (size_t h = g * group; h < (g + 1) * group; h++) {
		size_t from = l->first[chunk] * q_stride + h * hd;

		attention_back(&l->attention, b->view->prefix.n, l->chunks[chunk].n, hd,
			l->a->q + from, b->datt + from, b->dq + from, q_stride, kv.k, kv.v, kv.dk,
			kv.dv, kv.stride, s, ds);
	}
	if (b->view->prefix.n > 0)
		scatter(l, chunk, g, &kv);
}

/* The gradients of a prefix in this layer, in the order of chunks. */
static void
front_back(void *arg, size_t g, size_t thread)
{
	struct layer_back *l = arg;
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	size_t hd = c->head_dim, front = b->view->prefix.n;

	(void)thread;
	for (size_t chunk = 0; chunk < l->n_chunks; chunk++) {
		const float *from = b->front + (chunk * c->n_head_kv + g) * 2 * front * hd;

		for (size_t t = 0; t < front; t++) {
			float *to = (float *)prefix_at(c, &b->grad->prefix, t, l->layer) + g * hd;

			kernels()->axpy(hd, 1, from + t * hd, to);
			kernels()->axpy(hd, 1, from + (front + t) * hd, to + c->n_head_kv * hd);
		}
	}
}

/* Turn the gradients of queries and keys back by their positions' angles. */
static void
rope_back(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	struct backward *b = l->b;
	const struct config *c = &b->view->c;

	(void)thread;
	for (size_t i = 0; i < l->chunks[job].n; i++) {
		size_t at = (l->first[job] + i) * c->head_dim, pos = c->n_front + i;

		forward_turn(l->f, l->layer, pos, b->dq + at * c->n_head, c->n_head, -1);
		forward_turn(l->f, l->layer, pos, b->dk + at * c->n_head_kv, c->n_head_kv, -1);
	}
}

/* The activation once more, and its inputs where their gradients will be. */
static void
activate_again(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	struct backward *b = l->b;
	const float *gate = l->a->gate, *up = l->a->up;
	size_t width = b->view->c.n_ff, at = job * ROWS, n = l->n - at < ROWS ? l->n - at : ROWS;
	enum activation act = b->view->c.arch->act;

	(void)thread;
	at *= width;
	n *= width;
	memcpy(b->dup + at, up + at, n * sizeof *b->dup);
	if (gate) {
		memcpy(b->dgate + at, gate + at, n * sizeof *b->dgate);
		kernels()->activate[act](gate + at, up + at, n, b->act + at);
	} else {
		kernels()->activate[act](up + at, NULL, n, b->act + at);
	}
}

static void
activate_turn(void *arg, size_t job, size_t thread)
{
	struct layer_back *l = arg;
	struct backward *b = l->b;
	size_t width = b->view->c.n_ff, at = job * ROWS, n = l->n - at < ROWS ? l->n - at : ROWS;
	enum activation act = b->view->c.arch->act;

	(void)thread;
	at *= width;
	n *= width;
	if (b->dgate)
		kernels()->activate_back[act](b->dgate + at, b->dup + at, b->dact + at, n);
	else
		kernels()->activate_back[act](b->dup + at, NULL, b->dact + at, n);
}

/* The gradient of what half a layer computed, `out`, before the norm w that it may go through on
 * its way to the residual stream. */
static const float *
post_norm_back(struct layer_back *l, const float *out, const float *w, const float *dw)
{
	struct backward *b = l->b;
	size_t width = b->view->c.n_embd;

	if (!w)
		return b->dx;
	memset(b->dout, 0, l->n * width * sizeof *b->dout);
	norm_back((struct norms){ .b = b, .x = out, .w = w, .dout = b->dx, .dx = b->dout, .n = l->n,
		.each = 1, .width = width }, dw, NULL);
	return b->dout;
}

/* From the layer's output to b->dnorm, the gradient of feed-forward's norm, which is of `from`. */
static void
ffn_back(struct layer_back *l, const struct layer *w, const struct layer *dw, const float *from)
{
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	size_t n = l->n, jobs = (n + ROWS - 1) / ROWS;
	const float *dout = post_norm_back(l, l->a->ffn_out, w->post_ffn_norm, dw->post_ffn_norm);

	pool_run(b->pool, jobs, activate_again, l);
	halve_input(b, b->act, n, c->n_ff);
	product_back(b, &w->down, &dw->down, b->act, dout, n, b->dact, 0);
	bias_back(b, dw->down_bias, dout, n, c->n_embd);
	pool_run(b->pool, jobs, activate_turn, l);
	norm_again(b, from, w->ffn_norm, w->ffn_norm_bias, n);
	if (b->dgate) {
		product_back(b, &w->gate, &dw->gate, b->norm, b->dgate, n, b->dnorm, 0);
		bias_back(b, dw->gate_bias, b->dgate, n, c->n_ff);
	}
	product_back(b, &w->up, &dw->up, b->norm, b->dup, n, b->dnorm, b->dgate ? 1 : 0);
	bias_back(b, dw->up_bias, b->dup, n, c->n_ff);
}

/* From what attention added to b->datt. */
static void
output_back(struct layer_back *l, const struct layer *w, const struct layer *dw)
{
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	const float *dout =
		post_norm_back(l, l->a->att_out, w->post_attn_norm, dw->post_attn_norm);

	halve_input(b, l->a->att, l->n, c->n_head * c->head_dim);
	product_back(b, &w->o, &dw->o, l->a->att, dout, l->n, b->datt, 0);
	bias_back(b, dw->o_bias, dout, l->n, c->n_embd);
}

/* From b->datt to b->dnorm, the gradient of attention's norm. */
static void
heads_back(struct layer_back *l, const struct layer *w, const struct layer *dw)
{
	struct backward *b = l->b;
	const struct config *c = &b->view->c;
	const struct acts *a = l->a;
	size_t n = l->n, hd = c->head_dim, kv = c->n_head_kv * hd;

	pool_run(b->pool, l->n_chunks * c->n_head_kv, attend_back, l);
	if (b->view->prefix.n > 0)
		pool_run(b->pool, c->n_head_kv, front_back, l);
	pool_run(b->pool, l->n_chunks, rope_back, l);
	if (w->q_norm) {
		norm_back((struct norms){ .b = b, .x = a->q_raw, .w = w->q_norm, .dout = b->dq,
			.dx = b->dq, .n = n, .each = c->n_head, .width = hd }, dw->q_norm, NULL);
		norm_back((struct norms){ .b = b, .x = a->k_raw, .w = w->k_norm, .dout = b->dk,
			.dx = b->dk, .n = n, .each = c->n_head_kv, .width = hd }, dw->k_norm, NULL);
	}
	norm_again(b, a->x, w->attn_norm, w->attn_norm_bias, n);
	product_back(b, &w->q, &dw->q, b->norm, b->dq, n, b->dnorm, 0);
	product_back(b, &w->k, &dw->k, b->norm, b->dk, n, b->dnorm, 1);
	product_back(b, &w->v, &dw->v, b->norm, b->dv, n, b->dnorm, 1);
	bias_back(b, dw->q_bias, b->dq, n, c->n_head * hd);
	bias_back(b, dw->k_bias, b->dk, n, kv);
	bias_back(b, dw->v_bias, b->dv, n, kv);
}

/* b->dx, the gradient of the layer's output, becomes that of its input. */
static void
layer_back(struct layer_back *l, const struct layer *w, const struct layer *dw)
{
	struct backward *b = l->b;
	const struct acts *a = l->a;
	bool parallel = b->view->c.parallel;
	const float *from = parallel ? a->x : a->mid;
	size_t width = b->view->c.n_embd;

	ffn_back(l, w, dw, from);
	if (parallel) /* what both halves added has the same gradient */
		output_back(l, w, dw);
	norm_back((struct norms){ .b = b, .x = from, .w = w->ffn_norm, .bias = w->ffn_norm_bias,
		.dout = b->dnorm, .dx = b->dx, .n = l->n, .each = 1, .width = width },
		dw->ffn_norm, dw->ffn_norm_bias);
	if (!parallel)
		output_back(l, w, dw);
	heads_back(l, w, dw);
	norm_back((struct norms){ .b = b, .x = a->x, .w = w->attn_norm, .bias = w->attn_norm_bias,
		.dout = b->dnorm, .dx = b->dx, .n = l->n, .each = 1, .width = width },
		dw->attn_norm, dw->attn_norm_bias);
}

/* b->dx, the gradient of the first layer's input, goes to the embeddings that are trained. */
static void
embed_back(struct backward *b, const struct chunk *c, size_t first)
{
	float *dembed = (float *)b->grad->embed.data, *dplaces = (float *)b->grad->places.data;
	size_t width = b->view->c.n_embd;
	float scale = config_embed_scale(&b->view->c);

	for (size_t i = 0; i < c->n; i++) {
		const float *dx = b->dx + (first + i) * width;

		if (dembed)
			kernels()->axpy(width, scale, dx, dembed + (size_t)c->tokens[i] * width);
		if (dplaces)
			kernels()->axpy(width, 1, dx, dplaces + i * width);
	}
}

static int
scores_grow(struct backward *b, size_t longest, struct err *e)
{
	if (longest <= b->scores_cap)
		return 0;
	b->scores_cap = 0;
	for (size_t i = 0; i < pool_size(b->pool); i++) {
		free(b->scores[i]);
		b->scores[i] = mem_try((2 * QUERIES + 1) * longest, sizeof **b->scores);
		if (!b->scores[i])
			return err_set(e, "not enough memory for attention to %zu positions",
				longest);
	}
	b->scores_cap = longest;
	return 0;
}

static int
front_grow(struct backward *b, size_t chunks, struct err *e)
{
	const struct config *c = &b->view->c;
	size_t each = c->n_head_kv * 2 * b->view->prefix.n * c->head_dim;

	if (each == 0 || chunks <= b->front_cap)
		return 0;
	free(b->front);
	b->front_cap = 0;
	b->front = mem_try(chunks, each * sizeof *b->front);
	if (!b->front)
		return err_set(e, "not enough memory for the prefix's gradients of %zu records",
			chunks);
	b->front_cap = chunks;
	return 0;
}

int
backward_run(struct backward *b, struct forward *f, const struct chunk *chunks, size_t n_chunks,
	const struct tape *t, const float *dhidden, struct err *e)
{
	const struct config *c = &b->view->c;
	size_t *first = mem_alloc(n_chunks, sizeof *first), n = 0, width = c->n_embd, longest = 0;
	const float *last = t->layers[c->n_layer].x;

	for (size_t i = 0; i < n_chunks; i++) {
		first[i] = n;
		n += chunks[i].n;
		longest = largest(longest, b->view->prefix.n + chunks[i].n);
	}
	if (n > b->cap || scores_grow(b, longest, e) < 0 || front_grow(b, n_chunks, e) < 0) {
		free(first);
		return n > b->cap ? err_set(e, "%zu tokens in a pass for %zu", n, b->cap) : -1;
	}
	memset(b->dx, 0, n * width * sizeof *b->dx);
	for (size_t i = 0; i < n_chunks; i++) {
		size_t from = (first[i] + chunks[i].n - chunks[i].n_out) * width;

		norm_back((struct norms){ .b = b, .x = last + from, .w = b->view->norm,
			.bias = b->view->norm_bias, .dout = dhidden, .dx = b->dx + from,
			.n = chunks[i].n_out, .each = 1, .width = width },
			b->grad->norm, b->grad->norm_bias);
		dhidden += chunks[i].n_out * width;
	}
	for (size_t layer = c->n_layer; layer-- > 0;) {
		struct layer_back l = { b, f, &t->layers[layer], layer,
			config_attention(c, layer), chunks, n_chunks, first, n };

		if (t->inputs)
			forward_again(f, layer, t);
		layer_back(&l, &b->view->layers[layer], &b->grad->layers[layer]);
	}
	for (size_t i = 0; !b->frozen && i < n_chunks; i++)
		embed_back(b, &chunks[i], first[i]);
	free(first);
	return 0;
}
