#include "model/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/kernels.h"

enum {
	ROWS = 32,    /* tokens that a job takes */
	QUERIES = 8,  /* queries that attention takes at a time */
};

/* One chunk of a pass: where its tokens stand among all of the pass, and where its keys are. */
struct place {
	struct chunk *c;
	size_t first;       /* index of its first token in the pass */
	size_t past;        /* positions before it, a prefix's among them */
	size_t own;         /* without a cache: where its keys stand among all such */
};

struct forward {
	const struct model *m;
	struct pool *pool;
	float *angles[2];   /* [position][cos rope_dim/2, sin rope_dim/2]; 1: of local layers */
	size_t n_angles;
	struct tape scratch; /* of one layer, used again by every layer */
	float *norm, *proj, *act;
	size_t cap;
	struct kv own;      /* of the layer under way, for chunks without a cache */
	float **scores;     /* per thread: QUERIES x positions */
	size_t scores_cap;
	/* the pass under way */
	struct place *places;
	size_t n_places, places_cap, n; /* n: tokens in all */
	size_t blocks;      /* of ROWS tokens that the longest chunk has */
	struct acts *a;
	size_t layer;
	struct attention attention;
	bool steps;         /* every token as if it came alone */
};

static size_t
kv_width(const struct config *c)
{
	return c->n_head_kv * c->head_dim;
}

/* An array of struct acts: where its pointer is, and the floats of one token. */
struct kept {
	size_t offset, width;
};

enum { N_KEPT = 12 };

static void
kept_list(const struct config *c, struct kept list[N_KEPT])
{
	size_t heads = c->n_head * c->head_dim, kv = kv_width(c), raw = config_qk_norm(c);
	size_t post = config_post_norm(c) * c->n_embd, gate = config_gated(c) * c->n_ff;
	const struct kept all[N_KEPT] = {
		{ offsetof(struct acts, x), c->n_embd }, { offsetof(struct acts, mid), c->n_embd },
		{ offsetof(struct acts, q), heads }, { offsetof(struct acts, att), heads },
		{ offsetof(struct acts, k), kv }, { offsetof(struct acts, v), kv },
		{ offsetof(struct acts, gate), gate }, { offsetof(struct acts, up), c->n_ff },
		{ offsetof(struct acts, q_raw), raw * heads },
		{ offsetof(struct acts, k_raw), raw * kv },
		{ offsetof(struct acts, att_out), post }, { offsetof(struct acts, ffn_out), post },
	};

	memcpy(list, all, sizeof all);
}

/* Floats of one token on one layer of the tape. */
static size_t
acts_width(const struct config *c)
{
	struct kept list[N_KEPT];
	size_t sum = 0;

	kept_list(c, list);
	for (size_t i = 0; i < N_KEPT; i++)
		sum += list[i].width;
	return sum;
}

size_t
tape_bytes(const struct config *c, size_t max_tokens, bool inputs)
{
	size_t each = inputs ? c->n_embd : acts_width(c), all = inputs ? acts_width(c) : c->n_embd;

	return (c->n_layer * each + all) * max_tokens * sizeof(float);
}

/* Everything but the layer's input. */
static float *
acts_place(struct acts *a, const struct config *c, size_t n, float *p)
{
	struct kept list[N_KEPT];

	kept_list(c, list);
	for (size_t i = 1; i < N_KEPT; i++) {
		*(float **)(void *)((char *)a + list[i].offset) = list[i].width ? p : NULL;
		p += n * list[i].width;
	}
	return p;
}

int
tape_init(struct tape *t, const struct config *c, size_t max_tokens, bool inputs, struct err *e)
{
	float *p;

	*t = (struct tape){ .cap = max_tokens, .inputs = inputs };
	t->layers = mem_alloc(c->n_layer + 1, sizeof *t->layers);
	p = t->memory = mem_try(tape_bytes(c, max_tokens, inputs), 1);
	if (!p) {
		tape_release(t);
		return err_set(e, "not enough memory for the activations of %zu tokens",
			max_tokens);
	}
	for (size_t l = 0; l < c->n_layer; l++) {
		float *rest = acts_place(&t->layers[l], c, max_tokens, p);

		p = inputs ? p : rest;
	}
	if (inputs)
		p += (acts_width(c) - c->n_embd) * max_tokens;
	for (size_t l = 0; l <= c->n_layer; l++)
		t->layers[l].x = p + l * c->n_embd * max_tokens;
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
	free(f->angles[0]);
	free(f->angles[1]);
	tape_release(&f->scratch);
	free(f->norm);
	free(f->proj);
	free(f->act);
	free(f->places);
	kv_release(&f->own);
	free(f);
}

/* Whether a layer has RoPE's angles of its own (Gemma 3). */
static bool
is_local(const struct config *c, size_t layer)
{
	return c->rope_base_local > 0 && config_window(c, layer) > 0;
}

static void
fill_angles(const struct model *m, bool local, size_t n, float *t)
{
	const struct config *c = &m->c;
	size_t half = c->rope_dim / 2;
	double base = (double)(local ? c->rope_base_local : c->rope_base);
	double stretch = !local && c->rope_linear > 0 ? 1 / (double)c->rope_linear : 1;
	double scale = c->rope_scale > 0 ? (double)c->rope_scale : 1;

	for (size_t i = 0; i < half; i++) {
		double freq = pow(base, -2.0 * (double)i / (double)c->rope_dim) * stretch;

		if (m->rope_factors)
			freq /= (double)m->rope_factors[i];
		for (size_t pos = 0; pos < n; pos++) {
			t[pos * 2 * half + i] = (float)(cos((double)pos * freq) * scale);
			t[pos * 2 * half + half + i] = (float)(sin((double)pos * freq) * scale);
		}
	}
}

static int
angles_grow(struct forward *f, size_t n, struct err *e)
{
	const struct config *c = &f->m->c;
	size_t cap = n > f->n_angles * 2 ? n : f->n_angles * 2;

	if (n <= f->n_angles || c->rope_dim == 0)
		return 0;
	for (int local = 0; local < (c->rope_base_local > 0 ? 2 : 1); local++) {
		float *t = mem_try(cap * c->rope_dim, sizeof *t);

		if (!t)
			return err_set(e, "not enough memory for %zu positions", cap);
		fill_angles(f->m, local, cap, t);
		free(f->angles[local]);
		f->angles[local] = t;
	}
	f->n_angles = cap;
	return 0;
}

void
forward_turn(const struct forward *f, size_t layer, size_t pos, float *x, size_t n, float sign)
{
	const struct config *c = &f->m->c;
	const float *cosine, *sine;

	if (c->rope_dim == 0)
		return;
	cosine = f->angles[is_local(c, layer)] + pos * c->rope_dim;
	sine = cosine + c->rope_dim / 2;
	for (size_t h = 0; h < n; h++)
		(c->arch->rope == ROPE_PAIRS ? kernels()->rope : kernels()->rope_halves)(
			x + h * c->head_dim, cosine, sine, c->rope_dim, sign);
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
		if (tape_init(&f->scratch, &one, n, false, e) < 0)
			return -1;
	}
	positions = (positions + KV_PANEL - 1) / KV_PANEL * KV_PANEL;
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

/* An element-wise loop over rows: n of x and y (n, width) become n of out; w and b (width). */
struct rows_job {
	const float *x, *y, *w, *b;
	float *out, number;
	size_t n, width;
	enum activation act;
};

struct rows_run {
	void (*loop)(const struct rows_job *, size_t from, size_t to);
	const struct rows_job *job;
};

static void
rows_part(void *arg, size_t job, size_t thread)
{
	const struct rows_run *r = arg;
	size_t from = job * ROWS, left = r->job->n - from;

	(void)thread;
	r->loop(r->job, from, from + (left < ROWS ? left : ROWS));
}

/* Run a loop over n rows of that width, ROWS of them to a job. */
static void
run_rows(struct forward *f, void (*loop)(const struct rows_job *, size_t from, size_t to),
	struct rows_job job)
{
	struct rows_run r = { loop, &job };

	pool_run(f->pool, (job.n + ROWS - 1) / ROWS, rows_part, &r);
}

static void
norm_loop(const struct rows_job *j, size_t from, size_t to)
{
	size_t width = j->width;

	for (size_t i = from; i < to; i++)
		if (j->b)
			kernels()->layernorm(j->x + i * width, j->w, j->b, width, j->number,
				j->out + i * width);
		else
			kernels()->rmsnorm(j->x + i * width, j->w, width, j->number,
				j->out + i * width);
}

/* out may be x */
static void
normalize(struct forward *f, const float *x, const float *w, const float *b, size_t n, size_t width,
	float *out)
{
	run_rows(f, norm_loop, (struct rows_job){ .x = x, .w = w, .b = b, .out = out, .n = n,
		.width = width, .number = f->m->c.norm_eps });
}

static void
add_loop(const struct rows_job *j, size_t from, size_t to)
{
	size_t at = from * j->width;

	kernels()->add((to - from) * j->width, j->x + at, j->y + at, j->out + at);
}

/* out = x + y, both (n, C) */
static void
add(struct forward *f, const float *x, const float *y, float *out)
{
	run_rows(f, add_loop, (struct rows_job){ .x = x, .y = y, .out = out, .n = f->n,
		.width = f->m->c.n_embd });
}

static void
bias_loop(const struct rows_job *j, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		kernels()->axpy(j->width, 1, j->w, j->out + i * j->width);
}

/* One product of several: y = x · wᵀ + b */
struct product {
	const struct weight *w;
	const float *b;
	float *y;
};

static void
products(struct forward *f, const float *x, const struct product *all, size_t n)
{
	const struct weight *w[3];
	float *y[3];

	for (size_t i = 0; i < n; i++) {
		w[i] = all[i].w;
		y[i] = all[i].y;
	}
	weight_mul_all(f->pool, w, y, n, x, f->n, f->steps);
	for (size_t i = 0; i < n; i++)
		if (all[i].b)
			run_rows(f, bias_loop, (struct rows_job){ .w = all[i].b, .out = y[i],
				.n = f->n, .width = w[i]->rows });
}

static void
activate_loop(const struct rows_job *j, size_t from, size_t to)
{
	size_t at = from * j->width, n = (to - from) * j->width;

	if (j->x)
		kernels()->activate[j->act](j->x + at, j->y + at, n, j->out + at);
	else
		kernels()->activate[j->act](j->y + at, NULL, n, j->out + at);
}

static void
cap_loop(const struct rows_job *j, size_t from, size_t to)
{
	kernels()->softcap(j->out + from * j->width, (to - from) * j->width, 1, j->number);
}

/* Where a chunk's keys and values are, which layer there, and its own first one's position. */
static struct kv *
cache_of(struct forward *f, const struct place *p, size_t *layer, size_t *first)
{
	*layer = p->c->kv ? f->layer : 0;
	*first = p->c->kv ? 0 : p->own;
	return p->c->kv ? p->c->kv : &f->own;
}

/* Some tokens of a chunk: job = place * blocks + block. False: it has no such. */
static bool
tokens_of(const struct forward *f, size_t job, const struct place **p, size_t *from, size_t *to)
{
	*p = &f->places[job / f->blocks];
	*from = job % f->blocks * ROWS;
	*to = (*p)->c->n < *from + ROWS ? (*p)->c->n : *from + ROWS;
	return *from < *to;
}

/* A layer of the model's prefix before the keys of a chunk that has no cache. */
static void
put_prefix(struct forward *f, struct kv *kv, size_t first)
{
	const struct config *c = &f->m->c;

	for (size_t t = 0; t < f->m->prefix.n; t++) {
		const float *k = prefix_at(c, &f->m->prefix, t, f->layer);

		kv_put(c, kv, 0, first + t, k, k + kv_width(c));
	}
}

/* Rotate queries and keys of some tokens and put their keys and values into the cache. */
static void
rope_tokens(void *arg, size_t job, size_t thread)
{
	struct forward *f = arg;
	const struct config *c = &f->m->c;
	const struct place *p;
	size_t width = kv_width(c), layer, first, from, to;
	struct kv *kv;

	(void)thread;
	if (!tokens_of(f, job, &p, &from, &to))
		return;
	kv = cache_of(f, p, &layer, &first);
	if (from == 0 && !p->c->kv)
		put_prefix(f, kv, first);
	for (size_t i = from; i < to; i++) {
		size_t pos = p->past + i, at = p->first + i;
		float *k = f->a->k + at * width;

		forward_turn(f, f->layer, pos, f->a->q + at * c->n_head * c->head_dim, c->n_head,
			1);
		forward_turn(f, f->layer, pos, k, c->n_head_kv, 1);
		kv_put(c, kv, layer, first + pos, k, f->a->v + at * width);
	}
}

/* The first position that a query at `pos` sees. */
static size_t
sees_from(const struct attention *a, size_t pos)
{
	return a->window > 0 && pos + 1 > a->window ? pos + 1 - a->window : 0;
}

/* Scores of one query become weights. */
static void
weigh(const struct attention *a, float *s, size_t n)
{
	if (a->cap > 0)
		kernels()->softcap(s, n, a->scale, a->cap);
	kernels()->softmax(s, n, a->cap > 0 ? 1 : a->scale);
}

/* The keys and values of one head. */
struct seen {
	const float *keys, *values;
};

/* out = softmax(q · kᵀ * scale) · v over the positions that each of m <= QUERIES queries sees,
 * its own the last: the first's is `pos`, the next's `step` further on. A query's bits do not
 * depend on those beside it: where these see more than it does, its weights are 0. */
static void
attend_to(const struct forward *f, const struct seen *seen, const float *q, float *out, size_t ld,
	size_t m, size_t pos, size_t step, float *s)
{
	const struct attention *a = &f->attention;
	size_t hd = f->m->c.head_dim, width = kv_value_width(&f->m->c), lds = f->scores_cap;
	size_t from = sees_from(a, pos), panel = from / KV_PANEL * KV_PANEL;
	size_t end = pos + (m - 1) * step + 1;

	kernels()->scores(q, ld, m, seen->keys + panel * hd,
		(end - panel + KV_PANEL - 1) / KV_PANEL, hd, s, lds);
	for (size_t r = 0; r < m; r++) {
		size_t own = pos + r * step, begin = sees_from(a, own);
		float *row = s + r * lds;

		memset(row + from - panel, 0, (begin - from) * sizeof *row);
		weigh(a, row + begin - panel, own + 1 - begin);
		memset(row + own + 1 - panel, 0, (end - own - 1) * sizeof *row);
	}
	kernels()->mix(s + from - panel, lds, m, seen->values + from * width, width, end - from, hd,
		out, ld);
}

/* The queries of some tokens that share a head's keys and values: as many tokens of one head at a
 * time, or, where tokens are few, heads of one token. */
static void
attend(void *arg, size_t job, size_t thread)
{
	struct forward *f = arg;
	const struct config *c = &f->m->c;
	const struct place *p;
	size_t g = job % c->n_head_kv, group = c->n_head / c->n_head_kv, hd = c->head_dim;
	size_t stride = c->n_head * hd, layer, first, from, to;
	const struct kv *kv;
	struct seen seen;
	float *s = f->scores[thread];

	if (!tokens_of(f, job / c->n_head_kv, &p, &from, &to))
		return;
	kv = cache_of(f, p, &layer, &first);
	seen.keys = kv_keys(c, kv, layer, g) + first * hd;
	seen.values = kv_values(c, kv, layer, g) + first * kv_value_width(c);
	bool few = to - from < QUERIES;
	size_t rows = few ? to - from : group, columns = few ? group : to - from;

	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < columns; j += QUERIES) {
			size_t m = columns - j < QUERIES ? columns - j : QUERIES;
			size_t token = from + (few ? i : j), head = g * group + (few ? j : i);
			size_t at = (p->first + token) * stride + head * hd;

			attend_to(f, &seen, f->a->q + at, f->a->att + at, few ? hd : stride, m,
				p->past + token, few ? 0 : 1, s);
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
		if (f->m->places.data && past + c->n > f->m->c.n_ctx)
			return err_set(e, "position %zu, where the model has learned %zu",
				past + c->n, f->m->c.n_ctx);
		*tokens += c->n;
		past += f->m->prefix.n;
		if (past + c->n > *positions)
			*positions = past + c->n;
	}
	return 0;
}

static int
place_chunks(struct forward *f, struct chunk *chunks, size_t n, struct err *e)
{
	struct config one = f->m->c;
	size_t own = 0, front = f->m->prefix.n;

	if (n > f->places_cap) {
		f->places = mem_grow(f->places, n, sizeof *f->places);
		f->places_cap = n;
	}
	f->n_places = f->n = f->blocks = 0;
	for (size_t i = 0; i < n; i++) {
		struct kv *kv = chunks[i].kv;

		if (chunks[i].n == 0)
			continue;
		if (kv && kv_grow(&f->m->c, kv, front + kv->n + chunks[i].n, e) < 0)
			return -1;
		if (kv && kv->front != front)
			kv_begin(f->m, kv);
		f->places[f->n_places++] = (struct place){ &chunks[i], f->n,
			front + (kv ? kv->n : 0), own };
		f->n += chunks[i].n;
		if (!kv)
			own += (front + chunks[i].n + KV_PANEL - 1) / KV_PANEL * KV_PANEL;
		if ((chunks[i].n + ROWS - 1) / ROWS > f->blocks)
			f->blocks = (chunks[i].n + ROWS - 1) / ROWS;
	}
	one.n_layer = 1;
	return kv_grow(&one, &f->own, own, e);
}

/* From here on the pass is about its outputs alone: what nothing else needs is not computed. */
static void
keep_outputs(struct forward *f)
{
	const struct config *c = &f->m->c;
	size_t heads = c->n_head * c->head_dim, n = 0;

	for (size_t i = 0; i < f->n_places; i++) {
		const struct place *p = &f->places[i];
		size_t at = p->first + p->c->n - p->c->n_out;

		memmove(f->a->x + n * c->n_embd, f->a->x + at * c->n_embd,
			p->c->n_out * c->n_embd * sizeof *f->a->x);
		memmove(f->a->att + n * heads, f->a->att + at * heads,
			p->c->n_out * heads * sizeof *f->a->att);
		n += p->c->n_out;
	}
	f->n = n;
}

/* to = x + attention(norm(x)) · oᵀ; `last`: for the outputs only. */
static void
attention_run(struct forward *f, const struct layer *w, const float *x, float *to, bool last)
{
	const struct config *c = &f->m->c;
	struct acts *a = f->a;
	float *q = a->q_raw ? a->q_raw : a->q, *k = a->k_raw ? a->k_raw : a->k;
	float *out = a->att_out ? a->att_out : f->proj;

	normalize(f, x, w->attn_norm, w->attn_norm_bias, f->n, c->n_embd, f->norm);
	products(f, f->norm, (struct product[]){ { &w->q, w->q_bias, q }, { &w->k, w->k_bias, k },
		{ &w->v, w->v_bias, a->v } }, 3);
	if (w->q_norm) {
		normalize(f, q, w->q_norm, NULL, f->n * c->n_head, c->head_dim, a->q);
		normalize(f, k, w->k_norm, NULL, f->n * c->n_head_kv, c->head_dim, a->k);
	}
	pool_run(f->pool, f->n_places * f->blocks, rope_tokens, f);
	pool_run(f->pool, f->n_places * f->blocks * c->n_head_kv, attend, f);
	if (last)
		keep_outputs(f);
	products(f, a->att, &(struct product){ &w->o, w->o_bias, out }, 1);
	if (w->post_attn_norm)
		normalize(f, out, w->post_attn_norm, NULL, f->n, c->n_embd, f->proj);
	add(f, x, f->proj, to);
}

/* to = x + feed-forward(norm(from)) */
static void
ffn_run(struct forward *f, const struct layer *w, const float *from, const float *x, float *to)
{
	const struct config *c = &f->m->c;
	struct acts *a = f->a;
	float *out = a->ffn_out ? a->ffn_out : f->proj;

	normalize(f, from, w->ffn_norm, w->ffn_norm_bias, f->n, c->n_embd, f->norm);
	products(f, f->norm, (struct product[]){ { &w->up, w->up_bias, a->up },
		{ &w->gate, w->gate_bias, a->gate } }, a->gate ? 2 : 1);
	run_rows(f, activate_loop, (struct rows_job){ .x = a->gate, .y = a->up, .out = f->act,
		.n = f->n, .width = c->n_ff, .act = c->arch->act });
	products(f, f->act, &(struct product){ &w->down, w->down_bias, out }, 1);
	if (w->post_ffn_norm)
		normalize(f, out, w->post_ffn_norm, NULL, f->n, c->n_embd, f->proj);
	add(f, x, f->proj, to);
}

/* A token's embedding at a position. */
static void
embed(struct forward *f, int token, size_t pos, float *x)
{
	const struct model *m = f->m;
	float scale = config_embed_scale(&m->c);

	weight_row(&m->embed, (size_t)token, x);
	for (size_t i = 0; scale != 1 && i < m->c.n_embd; i++)
		x[i] *= scale;
	if (m->places.data) {
		weight_row(&m->places, pos, f->norm);
		kernels()->axpy(m->c.n_embd, 1, f->norm, x);
	}
}

static bool
all_finite(const float *x, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++)
		all &= isfinite(x[i]) != 0;
	return all;
}

/* `last`: for the outputs only. */
static void
layer_run(struct forward *f, size_t layer, struct acts *a, float *to, bool last)
{
	const struct layer *w = &f->m->layers[layer];

	f->layer = layer;
	f->a = a;
	f->attention = config_attention(&f->m->c, layer);
	attention_run(f, w, a->x, a->mid, last);
	ffn_run(f, w, f->m->c.parallel ? a->x : a->mid, a->mid, to);
}

static int
run(struct forward *f, struct chunk *chunks, size_t n_chunks, struct tape *t, bool steps,
	float *out, struct err *e)
{
	const struct model *m = f->m;
	size_t tokens, positions, width = m->c.n_embd, n_out = 0;

	if (check_chunks(f, chunks, n_chunks, &tokens, &positions, e) < 0 ||
		reserve(f, tokens, positions, t == NULL, e) < 0 ||
		place_chunks(f, chunks, n_chunks, e) < 0)
		return -1;
	f->steps = steps;
	for (size_t i = 0; i < f->n_places; i++) {
		struct place *p = &f->places[i];

		for (size_t j = 0; j < p->c->n; j++)
			embed(f, p->c->tokens[j], p->past + j,
				(t ? t->layers : f->scratch.layers)->x + (p->first + j) * width);
	}
	for (size_t l = 0; l < m->c.n_layer; l++)
		if (t)
			layer_run(f, l, &t->layers[l], t->layers[l + 1].x, false);
		else
			layer_run(f, l, f->scratch.layers, f->scratch.layers->x,
				l + 1 == m->c.n_layer);
	for (size_t i = 0; i < f->n_places; i++) {
		const struct place *p = &f->places[i];
		size_t at = p->first + p->c->n - p->c->n_out;
		const float *last = t ? t->layers[m->c.n_layer].x + at * width
				      : f->scratch.layers->x + n_out * width;

		normalize(f, last, m->norm, m->norm_bias, p->c->n_out, width, out + n_out * width);
		n_out += p->c->n_out;
	}
	/* Who trains knows better what to do about it. */
	if (!t && !all_finite(out, n_out * width))
		return err_set(e, "%s: computes values that are not finite; is it damaged?",
			m->path);
	for (size_t i = 0; i < f->n_places; i++)
		if (f->places[i].c->kv)
			f->places[i].c->kv->n += f->places[i].c->n;
	return 0;
}

int
forward_run(struct forward *f, struct chunk *chunks, size_t n_chunks, float *out, struct err *e)
{
	return run(f, chunks, n_chunks, NULL, false, out, e);
}

int
forward_steps(struct forward *f, struct chunk *chunks, size_t n_chunks, float *out,
	struct err *e)
{
	return run(f, chunks, n_chunks, NULL, true, out, e);
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
	return run(f, chunks, n_chunks, t, false, out, e);
}

void
forward_again(struct forward *f, size_t layer, const struct tape *t)
{
	layer_run(f, layer, &t->layers[layer], t->layers[layer + 1].x, false);
}

void
forward_logits(struct forward *f, const float *hidden, size_t n, float *logits, bool steps)
{
	const struct config *c = &f->m->c;

	(steps ? weight_mul_rows : weight_mul)(f->pool, &f->m->head, hidden, n, logits);
	if (c->logit_cap > 0)
		run_rows(f, cap_loop, (struct rows_job){ .out = logits, .n = n,
			.width = c->n_vocab, .number = c->logit_cap });
}
