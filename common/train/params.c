#include "train/params.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/types.h"

enum { SLICE = 1 << 16 }; /* parameters that a job takes */

static void
bind(struct model *view, const struct config *c, float *w, const uint16_t *half)
{
	struct tensor_spec s;
	size_t at = 0;

	view->c = *c;
	view->layers = mem_alloc(c->n_layer, sizeof *view->layers);
	for (size_t i = 0; config_tensor(c, i, &s); i++) {
		struct slot slot = model_slot(view, s.name);

		if (slot.part[0].w && half)
			slot_bind(&slot, &s, TYPE_BF16, half + at);
		else
			slot_bind(&slot, &s, TYPE_F32, w + at);
		at += s.rows * s.cols;
	}
	if (c->tied)
		view->head = view->embed;
}

/* A part of a tensor in its place in `out`, the whole tensor in f32. */
static void
expand(const struct slot_part *p, size_t cols, float *out)
{
	if (p->v)
		memcpy(out + p->first, *p->v, p->rows * sizeof *out);
	for (size_t i = 0; p->w && i < p->rows; i++)
		weight_row(p->w, i, out + (p->first + i) * cols);
}

size_t
params_of_adapter(const struct adapter *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += a->parts[i].rank * (a->parts[i].t.rows + a->parts[i].t.cols);
	return n;
}

size_t
params_bytes(const struct config *c, const struct adapter *a, bool bf16)
{
	if (a)
		return params_of_adapter(a) * 4 * sizeof(float);
	return config_params(c) * (4 * sizeof(float) + (bf16 ? sizeof(uint16_t) : 0));
}

static void
init_model(struct params *p, const struct model *m)
{
	struct tensor_spec s;
	size_t at = 0;

	for (size_t i = 0; config_tensor(&p->c, i, &s); i++) {
		struct slot slot = model_slot((struct model *)m, s.name);

		for (size_t k = 0; k < slot.n; k++)
			expand(&slot.part[k], s.cols, p->w + at);
		at += s.rows * s.cols;
	}
	bind(&p->view, &p->c, p->w, p->half);
	p->view.rope_factors = m->rope_factors;
	bind(&p->grad, &p->c, p->g, NULL);
	params_refresh(p, NULL);
}

/* Hang a part's numbers, which begin at x, into the places of its tensor; how many there are. */
static size_t
hang(struct params *p, struct model *into, size_t i, const float *x, struct lora *out)
{
	const struct adapter_part *part = &p->adapter->parts[i];
	struct slot s = model_slot(into, part->t.name);

	for (size_t k = 0; k < s.n; k++) {
		out[k] = (struct lora){ .rank = part->rank, .a = x,
			.b = x + part->rank * (part->t.cols + s.part[k].first),
			.scale = p->adapter->alpha / (float)part->rank,
			.dropout = &p->dropout, .id = (uint32_t)i };
		s.part[k].w->lora = &out[k];
	}
	return s.n;
}

static void
init_adapter(struct params *p, const struct model *m)
{
	struct lora *l;
	float *w = p->w;

	p->view = *m;
	p->view.layers = mem_alloc(m->c.n_layer, sizeof *m->layers);
	memcpy(p->view.layers, m->layers, m->c.n_layer * sizeof *m->layers);
	p->grad.c = m->c;
	p->grad.layers = mem_alloc(m->c.n_layer, sizeof *m->layers);
	/* a fused tensor is in three places at most */
	l = p->loras = mem_alloc(6 * p->adapter->n, sizeof *l);
	for (size_t i = 0; i < p->adapter->n; i++) {
		const struct adapter_part *part = &p->adapter->parts[i];
		size_t n_a = part->rank * part->t.cols, n_b = part->rank * part->t.rows;

		memcpy(w, part->a, n_a * sizeof *w);
		memcpy(w + n_a, part->b, n_b * sizeof *w);
		l += hang(p, &p->view, i, w, l);
		l += hang(p, &p->grad, i, p->g + (w - p->w), l);
		w += n_a + n_b;
	}
}

int
params_init(struct params *p, const struct model *m, struct adapter *adapter, bool bf16,
	struct err *e)
{
	*p = (struct params){ .c = m->c, .from = m, .adapter = adapter,
		.n = adapter ? params_of_adapter(adapter) : config_params(&m->c) };
	p->w = mem_try(p->n, sizeof *p->w);
	p->g = mem_try(p->n, sizeof *p->g);
	p->m = mem_try(p->n, sizeof *p->m);
	p->v = mem_try(p->n, sizeof *p->v);
	if (bf16 && !adapter)
		p->half = mem_try(p->n, sizeof *p->half);
	if (!p->w || !p->g || !p->m || !p->v || (bf16 && !adapter && !p->half)) {
		params_release(p);
		return err_set(e, "not enough memory to train %zu parameters", p->n);
	}
	if (adapter)
		init_adapter(p, m);
	else
		init_model(p, m);
	return 0;
}

void
params_to_adapter(const struct params *p)
{
	const float *w = p->w;

	for (size_t i = 0; i < p->adapter->n; i++) {
		struct adapter_part *part = &p->adapter->parts[i];
		size_t n_a = part->rank * part->t.cols, n_b = part->rank * part->t.rows;

		memcpy(part->a, w, n_a * sizeof *w);
		memcpy(part->b, w + n_a, n_b * sizeof *w);
		w += n_a + n_b;
	}
}

void
params_release(struct params *p)
{
	free(p->w);
	free(p->g);
	free(p->m);
	free(p->v);
	free(p->half);
	free(p->frozen);
	free(p->view.layers);
	free(p->grad.layers);
	free(p->loras);
	*p = (struct params){ 0 };
}

int
params_train_only(struct params *p, const char *const *patterns, size_t n, struct err *e)
{
	struct tensor_spec s;
	size_t count = 0;

	while (config_tensor(&p->c, count, &s))
		count++;
	p->frozen = mem_alloc(count, sizeof *p->frozen);
	memset(p->frozen, true, count * sizeof *p->frozen);
	for (size_t k = 0; k < n; k++) {
		bool any = false;

		for (size_t i = 0; config_tensor(&p->c, i, &s); i++)
			if (fnmatch(patterns[k], s.name, 0) == 0) {
				p->frozen[i] = false;
				any = true;
			}
		if (!any)
			return err_set(e, "no tensor matches '%s'; they have names like %s",
				patterns[k], "blk.0.attn_q.weight");
	}
	return 0;
}

void
params_drop_frozen(struct params *p)
{
	struct tensor_spec s;
	size_t at = 0;

	for (size_t i = 0; p->frozen && config_tensor(&p->c, i, &s); i++) {
		if (p->frozen[i])
			memset(p->g + at, 0, s.rows * s.cols * sizeof *p->g);
		at += s.rows * s.cols;
	}
}

static size_t
slice(const struct params *p, size_t job)
{
	return p->n - job * SLICE < SLICE ? p->n - job * SLICE : SLICE;
}

static void
refresh_slice(void *arg, size_t job, size_t thread)
{
	struct params *p = arg;

	(void)thread;
	kernels()->to_bf16(p->w + job * SLICE, p->half + job * SLICE, slice(p, job));
}

void
params_refresh(struct params *p, struct pool *pool)
{
	if (p->half)
		pool_run(pool, (p->n + SLICE - 1) / SLICE, refresh_slice, p);
}

struct squares {
	const struct params *p;
	double *sums;
};

static void
square_slice(void *arg, size_t job, size_t thread)
{
	struct squares *s = arg;

	(void)thread;
	s->sums[job] = kernels()->sum_squares(s->p->g + job * SLICE, slice(s->p, job));
}

double
params_grad_norm(const struct params *p, struct pool *pool)
{
	size_t jobs = (p->n + SLICE - 1) / SLICE;
	struct squares s = { p, mem_alloc(jobs, sizeof *s.sums) };
	double sum = 0;

	pool_run(pool, jobs, square_slice, &s);
	for (size_t i = 0; i < jobs; i++)
		sum += s.sums[i];
	free(s.sums);
	return sqrt(sum);
}

struct update {
	struct params *p;
	const struct adamw *a;
	size_t from, n; /* the tensor under way */
};

static void
update_slice(void *arg, size_t job, size_t thread)
{
	struct update *u = arg;
	size_t at = u->from + job * SLICE;
	size_t n = u->n - job * SLICE < SLICE ? u->n - job * SLICE : SLICE;

	(void)thread;
	kernels()->adamw(u->a, u->p->w + at, u->p->g + at, u->p->m + at, u->p->v + at, n);
}

void
params_update(struct params *p, const struct adamw *a, struct pool *pool)
{
	struct adamw vectors = *a;
	struct tensor_spec s;
	size_t at = 0;

	vectors.weight_decay = 0;
	if (p->adapter) {
		struct update all = { p, a, 0, p->n };

		pool_run(pool, (p->n + SLICE - 1) / SLICE, update_slice, &all);
		return;
	}
	for (size_t i = 0; config_tensor(&p->c, i, &s); i++) {
		struct update u = { p, s.rows == 1 ? &vectors : a, at, s.rows * s.cols };

		if (!p->frozen || !p->frozen[i])
			pool_run(pool, (u.n + SLICE - 1) / SLICE, update_slice, &u);
		at += u.n;
	}
	params_refresh(p, pool);
}

void
params_put(const struct params *p, struct gguf_out *o)
{
	struct tensor_spec s;
	size_t at = 0;

	for (size_t i = 0; config_tensor(&p->c, i, &s); i++) {
		uint64_t dims[2] = { s.cols, s.rows };

		gguf_put_tensor(o, s.name, TYPE_F32, s.rows == 1 ? 1 : 2, dims, p->w + at);
		at += s.rows * s.cols;
	}
	model_put_constants(p->from, o);
}
