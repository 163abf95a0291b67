#include "train/params.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/types.h"

enum { SLICE = 1 << 16 }; /* parameters that a job takes */

static bool
is_trained(const struct opt_list *only, const char *tensor)
{
	for (size_t i = 0; only && i < only->n; i++)
		if (fnmatch(only->v[i], tensor, 0) == 0)
			return true;
	return !only || only->n == 0;
}

int
params_check(const struct config *c, const struct opt_list *only, struct err *e)
{
	struct buf none = { 0 };
	struct tensor_spec t;
	int status = 0;

	for (size_t k = 0; k < only->n; k++) {
		bool found = false;

		for (size_t i = 0; !found && config_tensor(c, i, &t); i++)
			found = fnmatch(only->v[k], t.name, 0) == 0;
		if (!found)
			buf_printf(&none, "%s'%s'", none.len ? ", " : "", only->v[k]);
	}
	if (none.len > 0)
		status = err_set(e, "no tensor of this %s matches %s (blk.0.attn_q.weight is how "
			"they are called; sr-model info lists them)", c->arch->name, buf_str(&none));
	buf_release(&none);
	return status;
}

/* Let the trained tensors of `view` be in w, matrices in `half` where that is. */
static void
bind(const struct params *p, struct model *view, float *w, const uint16_t *half)
{
	for (const struct span *s = p->spans; s < p->spans + p->n_spans; s++) {
		struct slot slot = model_slot(view, s->t.name);

		if (slot.part[0].w && half)
			slot_bind(&slot, &s->t, TYPE_BF16, half + s->at);
		else
			slot_bind(&slot, &s->t, TYPE_F32, w + s->at);
	}
	if (p->c.tied)
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
params_of_model(const struct config *c, const struct opt_list *only)
{
	struct tensor_spec t;
	size_t n = 0;

	for (size_t i = 0; config_tensor(c, i, &t); i++)
		n += is_trained(only, t.name) ? t.rows * t.cols : 0;
	return n;
}

static size_t
prefix_numbers(const struct config *c, const struct adapter *a)
{
	return a->prefix.n * 2 * c->n_layer * c->n_head_kv * c->head_dim;
}

size_t
params_of_adapter(const struct config *c, const struct adapter *a)
{
	size_t n = prefix_numbers(c, a);

	if (a->mlp > 0)
		return prefix_mlp_count(a, c);
	for (size_t i = 0; i < a->n; i++)
		n += a->parts[i].rank * (a->parts[i].t.rows + a->parts[i].t.cols);
	return n;
}

size_t
params_bytes(const struct config *c, const struct adapter *a, const struct opt_list *only,
	bool bf16)
{
	size_t made = a && a->mlp > 0 ? prefix_numbers(c, a) + a->prefix.n * a->mlp : 0;

	if (a) /* what the network makes, and its gradient */
		return (params_of_adapter(c, a) * 4 + 2 * made) * sizeof(float);
	return params_of_model(c, only) * (4 * sizeof(float) + (bf16 ? sizeof(uint16_t) : 0));
}

static void
add_span(struct params *p, struct span s)
{
	p->spans = mem_grow(p->spans, p->n_spans + 1, sizeof *p->spans);
	p->spans[p->n_spans++] = s;
}

/* A model like m, whose layers are its own. */
static struct model
like(const struct model *m)
{
	struct model view = *m;

	view.layers = mem_alloc(m->c.n_layer, sizeof *m->layers);
	memcpy(view.layers, m->layers, m->c.n_layer * sizeof *m->layers);
	return view;
}

static void
init_model(struct params *p, const struct model *m, const struct opt_list *only)
{
	struct tensor_spec t;
	size_t at = 0;

	for (size_t i = 0; config_tensor(&p->c, i, &t); i++) {
		struct slot slot = model_slot((struct model *)m, t.name);

		if (!is_trained(only, t.name))
			continue;
		for (size_t k = 0; k < slot.n; k++)
			expand(&slot.part[k], t.cols, p->w + at);
		add_span(p, (struct span){ t, at, t.rows * t.cols, t.rows > 1 });
		at += t.rows * t.cols;
	}
	bind(p, &p->view, p->w, p->half);
	bind(p, &p->grad, p->g, NULL);
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
init_adapter(struct params *p)
{
	struct lora *l;
	float *w = p->w;

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
	add_span(p, (struct span){ .n = p->n, .decays = true });
}

static void
add_prefix_spans(struct params *p)
{
	struct prefix_places at = prefix_mlp_places(&p->mlp);

	if (p->mlp.width == 0) {
		add_span(p, (struct span){ .n = p->n, .decays = true });
		return;
	}
	add_span(p, (struct span){ .n = at.b1, .decays = true });
	add_span(p, (struct span){ .at = at.b1, .n = at.w2 - at.b1 });
	add_span(p, (struct span){ .at = at.w2, .n = at.b2 - at.w2, .decays = true });
	add_span(p, (struct span){ .at = at.b2, .n = at.end - at.b2 });
}

/* Put the prefix before the sequences of the view, and its gradient in the same place. */
static int
init_prefix(struct params *p, struct err *e)
{
	const struct prefix *from = &p->adapter->prefix;
	float *x = p->w, *gx = p->g;

	if (p->adapter->mlp > 0) {
		if (prefix_mlp_init(&p->mlp, p->adapter, &p->c) < 0)
			return err_set(e, "not enough memory for a prefix of %zu tokens", from->n);
		x = p->mlp.x;
		gx = p->mlp.gx;
	}
	memcpy(p->w, p->mlp.width ? p->adapter->mlp_weights : from->x, p->n * sizeof *p->w);
	p->view.prefix = (struct prefix){ from->n, x };
	p->grad.prefix = (struct prefix){ from->n, gx };
	p->view.c.n_front = p->grad.c.n_front = from->n;
	p->view.c.n_ctx -= from->n;
	p->grad.c.n_ctx -= from->n;
	add_prefix_spans(p);
	params_refresh(p, NULL);
	return 0;
}

int
params_init(struct params *p, const struct model *m, struct adapter *adapter,
	const struct opt_list *only, bool bf16, struct err *e)
{
	*p = (struct params){ .c = m->c, .from = m, .adapter = adapter,
		.n = adapter ? params_of_adapter(&m->c, adapter) : params_of_model(&m->c, only) };
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
	p->view = like(m);
	p->grad.c = m->c;
	p->grad.layers = mem_alloc(m->c.n_layer, sizeof *m->layers);
	if (adapter && adapter->prefix.n > 0 && init_prefix(p, e) < 0) {
		params_release(p);
		return -1;
	}
	if (adapter && adapter->prefix.n == 0)
		init_adapter(p);
	if (!adapter)
		init_model(p, m, only);
	return 0;
}

void
params_to_adapter(struct params *p)
{
	const struct prefix *prefix = &p->adapter->prefix;
	const float *w = p->w;

	params_refresh(p, NULL);
	if (prefix->n > 0)
		memcpy((float *)prefix->x, p->view.prefix.x,
			prefix_numbers(&p->c, p->adapter) * sizeof *w);
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
	free(p->view.layers);
	free(p->grad.layers);
	free(p->loras);
	free(p->spans);
	prefix_mlp_release(&p->mlp);
	*p = (struct params){ 0 };
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
	if (p->mlp.width > 0)
		prefix_mlp_run(&p->mlp, p->w, pool);
}

void
params_collect(struct params *p, struct pool *pool)
{
	if (p->mlp.width > 0)
		prefix_mlp_back(&p->mlp, p->w, p->g, pool);
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
	const struct span *s;
};

static void
update_slice(void *arg, size_t job, size_t thread)
{
	struct update *u = arg;
	size_t at = u->s->at + job * SLICE;
	size_t n = u->s->n - job * SLICE < SLICE ? u->s->n - job * SLICE : SLICE;

	(void)thread;
	kernels()->adamw(u->a, u->p->w + at, u->p->g + at, u->p->m + at, u->p->v + at, n);
}

void
params_update(struct params *p, const struct adamw *a, struct pool *pool)
{
	struct adamw vectors = *a;

	vectors.weight_decay = 0;
	for (const struct span *s = p->spans; s < p->spans + p->n_spans; s++)
		pool_run(pool, (s->n + SLICE - 1) / SLICE, update_slice,
			&(struct update){ p, s->decays ? a : &vectors, s });
	params_refresh(p, pool);
}

void
params_put(const struct params *p, struct gguf_out *o)
{
	const struct span *s = p->spans, *end = s + p->n_spans;
	struct tensor_spec t;
	size_t i;

	for (i = 0; config_tensor(&p->c, i, &t); i++) {
		uint64_t dims[2] = { t.cols, t.rows };

		if (s < end && strcmp(s->t.name, t.name) == 0) {
			gguf_put_tensor(o, t.name, TYPE_F32, t.rows == 1 ? 1 : 2, dims,
				p->w + s->at);
			s++;
		} else {
			const struct gguf_tensor *was = gguf_tensor(p->from->file, t.name);

			gguf_put_tensor(o, t.name, was->type, was->n_dims, was->dims, was->data);
		}
	}
	if (i == p->n_spans) {
		gguf_put_drop(o, "general.file_type");
		gguf_put_u32(o, "general.file_type", 0);
	}
	model_put_constants(p->from, o);
}
