#include "model/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"

enum {
	ROWS = 32,    /* tokens that a job of the element-wise loops takes */
	QUERIES = 64, /* queries that attention takes at a time */
};

/* One chunk of a pass: where its tokens stand among all of the pass, and where its keys are. */
struct place {
	struct chunk *c;
	size_t first;       /* index of its first token in the pass */
	size_t past;        /* positions before it */
};

struct forward {
	const struct model *m;
	struct pool *pool;
	float *angles;      /* [position][cos rope_dim/2, sin rope_dim/2] */
	size_t n_angles;
	struct tape scratch; /* of one layer, used again by every layer */
	float *norm, *proj, *act;
	size_t cap;
	float **scores;     /* per thread: QUERIES x positions */
	size_t scores_cap;
	/* the pass under way */
	struct place *places;
	size_t n_places, places_cap, n; /* n: tokens in all */
	struct acts *a;
	size_t layer;
	const float *vector, *from;
	float *to;
};

static size_t
kv_width(const struct config *c)
{
	return c->n_head_kv * c->head_dim;
}

void
kv_release(struct kv *kv)
{
	free(kv->k);
	free(kv->v);
	*kv = (struct kv){ 0 };
}

void
kv_cut(struct kv *kv, size_t n)
{
	if (n < kv->n)
		kv->n = n;
}

/* Room for `need` positions; the filled ones move to their new places. */
static int
kv_grow(const struct config *c, struct kv *kv, size_t need, struct err *e)
{
	size_t width = kv_width(c), cap = kv->cap + kv->cap / 2, total;
	float *k, *v;

	if (need <= kv->cap)
		return 0;
	cap = cap > need ? cap : need;
	cap = (cap + 15) & ~(size_t)15;
	if (!mem_mul(c->n_layer * width, cap, &total))
		return err_set(e, "a KV cache of %zu positions is too large", cap);
	k = mem_try(total, sizeof *k);
	v = mem_try(total, sizeof *v);
	if (!k || !v) {
		free(k);
		free(v);
		return err_set(e, "not enough memory for a KV cache of %zu positions", cap);
	}
	for (size_t l = 0; l < c->n_layer && kv->n > 0; l++) {
		memcpy(k + l * cap * width, kv->k + l * kv->cap * width, kv->n * width * sizeof *k);
		memcpy(v + l * cap * width, kv->v + l * kv->cap * width, kv->n * width * sizeof *v);
	}
	free(kv->k);
	free(kv->v);
	*kv = (struct kv){ k, v, kv->n, cap };
	return 0;
}

int
kv_copy(const struct model *m, struct kv *dst, const struct kv *src, size_t n, struct err *e)
{
	size_t width = kv_width(&m->c);

	dst->n = 0;
	if (kv_grow(&m->c, dst, n, e) < 0)
		return -1;
	for (size_t l = 0; l < m->c.n_layer && n > 0; l++) {
		memcpy(dst->k + l * dst->cap * width, src->k + l * src->cap * width,
			n * width * sizeof *dst->k);
		memcpy(dst->v + l * dst->cap * width, src->v + l * src->cap * width,
			n * width * sizeof *dst->v);
	}
	dst->n = n;
	return 0;
}

/* Floats of one token on one layer of the tape. */
static size_t
acts_width(const struct config *c)
{
	return 2 * c->n_embd + 2 * c->n_head * c->head_dim + 2 * kv_width(c) + 2 * c->n_ff;
}

size_t
tape_bytes(const struct config *c, size_t max_tokens)
{
	return (c->n_layer * acts_width(c) + c->n_embd) * max_tokens * sizeof(float);
}

static float *
acts_place(struct acts *a, const struct config *c, size_t n, float *p)
{
	size_t heads = c->n_head * c->head_dim;

	a->x = p;
	a->mid = a->x + n * c->n_embd;
	a->q = a->mid + n * c->n_embd;
	a->att = a->q + n * heads;
	a->k = a->att + n * heads;
	a->v = a->k + n * kv_width(c);
	a->gate = a->v + n * kv_width(c);
	a->up = a->gate + n * c->n_ff;
	return a->up + n * c->n_ff;
}

int
tape_init(struct tape *t, const struct config *c, size_t max_tokens, struct err *e)
{
	float *p;

	*t = (struct tape){ .cap = max_tokens };
	t->layers = mem_alloc(c->n_layer + 1, sizeof *t->layers);
	p = t->memory = mem_try(tape_bytes(c, max_tokens), 1);
	if (!p) {
		tape_release(t);
		return err_set(e, "not enough memory for the activations of %zu tokens",
			max_tokens);
	}
	for (size_t l = 0; l < c->n_layer; l++)
		p = acts_place(&t->layers[l], c, max_tokens, p);
	t->layers[c->n_layer].x = p;
	return 0;
}

void
tape_release(struct tape *t)
{
	free(t->layers);
	free(t->memory);
	*t = (struct tape){ 0 };
}

struct forward *
forward_new(const struct model *m, struct pool *p)
{
	struct forward *f = mem_alloc(1, sizeof *f);

	f->m = m;
	f->pool = p;
	f->scores = mem_alloc(pool_size(p), sizeof *f->scores);
	return f;
}

void
forward_free(struct forward *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < pool_size(f->pool); i++)
		free(f->scores[i]);
	free(f->scores);
	free(f->angles);
	tape_release(&f->scratch);
	free(f->norm);
	free(f->proj);
	free(f->act);
	free(f->places);
	free(f);
}

static int
angles_grow(struct forward *f, size_t n, struct err *e)
{
	const struct config *c = &f->m->c;
	size_t half = c->rope_dim / 2, cap = n > f->n_angles * 2 ? n : f->n_angles * 2;
	float *t;

	if (n <= f->n_angles)
		return 0;
	t = mem_try(cap * (half ? half : 1), 2 * sizeof *t);
	if (!t)
		return err_set(e, "not enough memory for %zu positions", cap);
	for (size_t pos = 0; pos < cap; pos++)
		for (size_t i = 0; i < half; i++) {
			double freq =
				pow((double)c->rope_base, -2.0 * (double)i / (double)c->rope_dim);

			t[pos * 2 * half + i] = (float)cos((double)pos * freq);
			t[pos * 2 * half + half + i] = (float)sin((double)pos * freq);
		}
	free(f->angles);
	f->angles = t;
	f->n_angles = cap;
	return 0;
}

int
forward_angles(struct forward *f, size_t pos, const float **cosine, const float **sine,
	struct err *e)
{
	size_t half = f->m->c.rope_dim / 2;

	if (angles_grow(f, pos + 1, e) < 0)
		return -1;
	*cosine = f->angles + pos * 2 * half;
	*sine = *cosine + half;
	return 0;
}

/* Scratch for a pass of n tokens that attends to at most `positions`; `aliased` acts where there is
 * no tape. */
static int
reserve(struct forward *f, size_t n, size_t positions, bool aliased, struct err *e)
{
	const struct config *c = &f->m->c;

	if (angles_grow(f, positions, e) < 0)
		return -1;
	if (n > f->cap) {
		free(f->norm);
		free(f->proj);
		free(f->act);
		f->cap = 0;
		f->norm = mem_try(n * c->n_embd, sizeof *f->norm);
		f->proj = mem_try(n * c->n_embd, sizeof *f->proj);
		f->act = mem_try(n * c->n_ff, sizeof *f->act);
		if (!f->norm || !f->proj || !f->act)
			return err_set(e, "not enough memory for a pass of %zu tokens", n);
		f->cap = n;
	}
	if (aliased && n > f->scratch.cap) {
		struct config one = *c;

		one.n_layer = 1;
		tape_release(&f->scratch);
		if (tape_init(&f->scratch, &one, n, e) < 0)
			return -1;
	}
	if (positions > f->scores_cap) {
		f->scores_cap = 0;
		for (size_t i = 0; i < pool_size(f->pool); i++) {
			free(f->scores[i]);
			f->scores[i] = mem_try(QUERIES * positions, sizeof **f->scores);
			if (!f->scores[i])
				return err_set(e,
					"not enough memory for attention to %zu positions",
					positions);
		}
		f->scores_cap = positions;
	}
	return 0;
}

static void
norm_rows(void *arg, size_t job, size_t thread)
{
	struct forward *f = arg;
	size_t width = f->m->c.n_embd;

	(void)thread;
	for (size_t i = job * ROWS; i < f->n && i < (job + 1) * ROWS; i++)
		kernels()->rmsnorm(f->from + i * width, f->vector, width, f->m->c.norm_eps,
			f->to + i * width);
}

static void
normalize(struct forward *f, const float *x, const float *w, size_t n, float *out)
{
	size_t all = f->n;

	f->from = x;
	f->vector = w;
	f->to = out;
	f->n = n;
	pool_run(f->pool, (n + ROWS - 1) / ROWS, norm_rows, f);
	f->n = all;
}

/* to = from + proj */
static void
add_rows(void *arg, size_t job, size_t thread)
{
	struct forward *f = arg;
	size_t width = f->m->c.n_embd, end = (job + 1) * ROWS < f->n ? (job + 1) * ROWS : f->n;

	(void)thread;
	for (size_t i = job * ROWS * width; i < end * width; i++)
		f->to[i] = f->from[i] + f->proj[i];
}

static void
add_product(struct forward *f, const float *x, float *out)
{
	f->from = x;
	f->to = out;
	pool_run(f->pool, (f->n + ROWS - 1) / ROWS, add_rows, f);
}

static void
swiglu_rows(void *arg, size_t job, size_t thread)
{
	struct forward *f = arg;
	size_t width = f->m->c.n_ff, at = job * ROWS, n = f->n - at < ROWS ? f->n - at : ROWS;

	(void)thread;
	kernels()->swiglu(f->a->gate + at * width, f->a->up + at * width, n * width,
		f->act + at * width);
}

/* Rotate a chunk's queries and keys and put its keys and values into the cache. */
static void
rope_chunk(void *arg, size_t job, size_t thread)
{
	struct forward *f = arg;
	const struct config *c = &f->m->c;
	const struct place *p = &f->places[job];
	struct kv *kv = p->c->kv;
	size_t half = c->rope_dim / 2, width = kv_width(c);

	(void)thread;
	for (size_t i = 0; i < p->c->n; i++) {
		const float *cosine = f->angles + (p->past + i) * 2 * half;
		float *q = f->a->q + (p->first + i) * c->n_head * c->head_dim;
		float *k = f->a->k + (p->first + i) * width;

		for (size_t h = 0; h < c->n_head; h++)
			kernels()->rope(q + h * c->head_dim, cosine, cosine + half, c->rope_dim, 1);
		for (size_t h = 0; h < c->n_head_kv; h++)
			kernels()->rope(k + h * c->head_dim, cosine, cosine + half, c->rope_dim, 1);
	}
	if (kv) {
		size_t at = (f->layer * kv->cap + p->past) * width, n = p->c->n * width;

		memcpy(kv->k + at, f->a->k + p->first * width, n * sizeof *kv->k);
		memcpy(kv->v + at, f->a->v + p->first * width, n * sizeof *kv->v);
	}
}

/* One head of one chunk: out = softmax(q · kᵀ / sqrt(hd)) · v over positions up to each query. */
static void
attend(void *arg, size_t job, size_t thread)
{
	struct forward *f = arg;
	const struct config *c = &f->m->c;
	const struct kernels *kern = kernels();
	const struct place *p = &f->places[job / c->n_head];
	const struct kv *kv = p->c->kv;
	size_t h = job % c->n_head, hd = c->head_dim, width = kv_width(c), stride = c->n_head * hd;
	size_t head = h / (c->n_head / c->n_head_kv) * hd;
	const float *k =
		(kv ? kv->k + f->layer * kv->cap * width : f->a->k + p->first * width) + head;
	const float *v =
		(kv ? kv->v + f->layer * kv->cap * width : f->a->v + p->first * width) + head;
	const float *q = f->a->q + p->first * stride + h * hd;
	float *out = f->a->att + p->first * stride + h * hd, *s = f->scores[thread];
	float scale = 1.0f / sqrtf((float)hd);

	if (p->c->n == 1) {
		size_t n = p->past + 1;

		for (size_t i = 0; i < n; i++)
			s[i] = kern->dot(q, k + i * width, hd) * scale;
		kern->softmax(s, n);
		memset(out, 0, hd * sizeof *out);
		for (size_t i = 0; i < n; i++)
			kern->axpy(hd, s[i], v + i * width, out);
		return;
	}
	for (size_t i = 0; i < p->c->n; i += QUERIES) {
		size_t m = p->c->n - i < QUERIES ? p->c->n - i : QUERIES, n = p->past + i + m;

		gemm(false, true, m, n, hd, q + i * stride, stride, k, width, 0, s, n);
		for (size_t r = 0; r < m; r++) {
			size_t seen = p->past + i + r + 1;
			float *row = s + r * n;

			for (size_t j = 0; j < seen; j++)
				row[j] *= scale;
			kern->softmax(row, seen);
			memset(row + seen, 0, (n - seen) * sizeof *row);
		}
		gemm(false, false, m, hd, n, s, n, v, width, 0, out + i * stride, stride);
	}
}

static int
check_chunks(struct forward *f, const struct chunk *chunks, size_t n, size_t *tokens,
	size_t *positions, struct err *e)
{
	*tokens = *positions = 0;
	for (size_t i = 0; i < n; i++) {
		const struct chunk *c = &chunks[i];
		size_t past = c->kv ? c->kv->n : 0;

		if (c->n_out > c->n)
			return err_set(e, "%zu outputs of %zu tokens", c->n_out, c->n);
		for (size_t j = 0; j < c->n; j++)
			if (c->tokens[j] < 0 || (size_t)c->tokens[j] >= f->m->c.n_vocab)
				return err_set(e, "token %d is outside the vocabulary of %zu",
					c->tokens[j], f->m->c.n_vocab);
		*tokens += c->n;
		if (past + c->n > *positions)
			*positions = past + c->n;
	}
	return 0;
}

static int
place_chunks(struct forward *f, struct chunk *chunks, size_t n, struct err *e)
{
	if (n > f->places_cap) {
		f->places = mem_grow(f->places, n, sizeof *f->places);
		f->places_cap = n;
	}
	f->n_places = 0;
	f->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct kv *kv = chunks[i].kv;

		if (chunks[i].n == 0)
			continue;
		if (kv && kv_grow(&f->m->c, kv, kv->n + chunks[i].n, e) < 0)
			return -1;
		f->places[f->n_places++] = (struct place){ &chunks[i], f->n, kv ? kv->n : 0 };
		f->n += chunks[i].n;
	}
	return 0;
}

static void
layer_run(struct forward *f, const struct layer *w, float *next, bool rows)
{
	void (*mul)(struct pool *, const struct weight *, const float *, size_t, float *) =
		rows ? weight_mul_rows : weight_mul;
	struct acts *a = f->a;

	normalize(f, a->x, w->attn_norm, f->n, f->norm);
	mul(f->pool, &w->q, f->norm, f->n, a->q);
	mul(f->pool, &w->k, f->norm, f->n, a->k);
	mul(f->pool, &w->v, f->norm, f->n, a->v);
	pool_run(f->pool, f->n_places, rope_chunk, f);
	pool_run(f->pool, f->n_places * f->m->c.n_head, attend, f);
	mul(f->pool, &w->o, a->att, f->n, f->proj);
	add_product(f, a->x, a->mid);
	normalize(f, a->mid, w->ffn_norm, f->n, f->norm);
	mul(f->pool, &w->gate, f->norm, f->n, a->gate);
	mul(f->pool, &w->up, f->norm, f->n, a->up);
	pool_run(f->pool, (f->n + ROWS - 1) / ROWS, swiglu_rows, f);
	mul(f->pool, &w->down, f->act, f->n, f->proj);
	add_product(f, a->mid, next);
}

static int
run(struct forward *f, struct chunk *chunks, size_t n_chunks, struct tape *t, float *out,
	struct err *e)
{
	const struct model *m = f->m;
	size_t tokens, positions, width = m->c.n_embd;
	bool rows = true;
	float *last;

	if (check_chunks(f, chunks, n_chunks, &tokens, &positions, e) < 0 ||
		reserve(f, tokens, positions, t == NULL, e) < 0 ||
		place_chunks(f, chunks, n_chunks, e) < 0)
		return -1;
	for (size_t i = 0; i < f->n_places; i++) {
		struct place *p = &f->places[i];

		rows = rows && p->c->n == 1 && !t;
		for (size_t j = 0; j < p->c->n; j++)
			weight_row(&m->embed, (size_t)p->c->tokens[j],
				(t ? t->layers : f->scratch.layers)->x + (p->first + j) * width);
	}
	for (f->layer = 0; f->layer < m->c.n_layer; f->layer++) {
		f->a = t ? &t->layers[f->layer] : f->scratch.layers;
		layer_run(f, &m->layers[f->layer], t ? t->layers[f->layer + 1].x : f->a->x, rows);
	}
	last = t ? t->layers[m->c.n_layer].x : f->scratch.layers->x;
	for (size_t i = 0; i < f->n_places; i++) {
		const struct place *p = &f->places[i];

		normalize(f, last + (p->first + p->c->n - p->c->n_out) * width, m->norm,
			p->c->n_out, out);
		out += p->c->n_out * width;
		if (p->c->kv)
			p->c->kv->n += p->c->n;
	}
	return 0;
}

int
forward_run(struct forward *f, struct chunk *chunks, size_t n_chunks, float *out, struct err *e)
{
	return run(f, chunks, n_chunks, NULL, out, e);
}

int
forward_tape(struct forward *f, struct chunk *chunks, size_t n_chunks, struct tape *t, float *out,
	struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < n_chunks; i++) {
		if (chunks[i].kv)
			return err_set(e, "a pass on tape takes no KV cache");
		n += chunks[i].n;
	}
	if (n > t->cap)
		return err_set(e, "%zu tokens do not fit on a tape of %zu", n, t->cap);
	return run(f, chunks, n_chunks, t, out, e);
}

void
forward_logits(struct forward *f, const float *hidden, size_t n, float *logits, bool rows)
{
	(rows ? weight_mul_rows : weight_mul)(f->pool, &f->m->head, hidden, n, logits);
}
