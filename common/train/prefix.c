#include "train/prefix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"

enum { PANEL = 1024 }; /* outputs that a job takes */

struct prefix_places
prefix_mlp_places(const struct prefix_mlp *p)
{
	struct prefix_places at = { 0 };

	at.w1 = at.e + p->n * p->dim;
	at.b1 = at.w1 + p->width * p->dim;
	at.w2 = at.b1 + p->width;
	at.b2 = at.w2 + p->out * p->width;
	at.end = at.b2 + p->out;
	return at;
}

static struct prefix_mlp
shape(size_t n, size_t width, const struct config *c)
{
	size_t dim = c->n_head_kv * c->head_dim;

	return (struct prefix_mlp){ .n = n, .dim = dim, .width = width,
		.out = 2 * c->n_layer * dim };
}

size_t
prefix_mlp_count(const struct adapter *a, const struct config *c)
{
	struct prefix_mlp p = shape(a->prefix.n, a->mlp, c);

	return prefix_mlp_places(&p).end;
}

static void
draw(struct rng *r, float *x, size_t n, double bound)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)((2 * rng_uniform(r) - 1) * bound);
}

void
prefix_add_mlp(struct adapter *a, const struct config *c, size_t width, uint64_t seed)
{
	struct prefix_mlp p = shape(a->prefix.n, width, c);
	struct prefix_places at = prefix_mlp_places(&p);
	float *w = mem_alloc(at.end, sizeof *w);
	struct rng r;

	rng_seed(&r, seed);
	for (size_t i = at.e; i < at.w1; i++)
		w[i] = (float)rng_normal(&r);
	draw(&r, w + at.w1, at.w2 - at.w1, 1 / sqrt((double)p.dim));
	draw(&r, w + at.w2, at.b2 - at.w2, 1 / sqrt((double)p.width));
	for (size_t i = 0; i < p.n; i++)
		kernels()->axpy(p.out, 1 / (float)p.n, a->prefix.x + i * p.out, w + at.b2);
	a->mlp = width;
	a->mlp_weights = w;
}

int
prefix_mlp_init(struct prefix_mlp *p, const struct adapter *a, const struct config *c)
{
	*p = shape(a->prefix.n, a->mlp, c);
	p->x = mem_try(p->n * p->out, sizeof *p->x);
	p->gx = mem_try(p->n * p->out, sizeof *p->gx);
	p->hidden = mem_try(p->n * p->width, sizeof *p->hidden);
	p->dhidden = mem_try(p->n * p->width, sizeof *p->dhidden);
	if (p->x && p->gx && p->hidden && p->dhidden)
		return 0;
	prefix_mlp_release(p);
	return -1;
}

void
prefix_mlp_release(struct prefix_mlp *p)
{
	free(p->x);
	free(p->gx);
	free(p->hidden);
	free(p->dhidden);
	*p = (struct prefix_mlp){ 0 };
}

struct run {
	struct prefix_mlp *p;
	const float *w;
	float *g;
};

/* Some columns of x, or of w2's and b2's gradients. */
static void
run_panel(void *arg, size_t job, size_t thread)
{
	struct run *r = arg;
	struct prefix_mlp *p = r->p;
	struct prefix_places at = prefix_mlp_places(p);
	size_t from = job * PANEL, n = p->out - from < PANEL ? p->out - from : PANEL;
	const float *w2 = r->w + at.w2 + from * p->width, *b2 = r->w + at.b2 + from;

	(void)thread;
	gemm(false, true, p->n, n, p->width, p->hidden, p->width, w2, p->width, 0, p->x + from,
		p->out);
	for (size_t i = 0; i < p->n; i++)
		kernels()->axpy(n, 1, b2, p->x + i * p->out + from);
}

static void
back_panel(void *arg, size_t job, size_t thread)
{
	struct run *r = arg;
	struct prefix_mlp *p = r->p;
	struct prefix_places at = prefix_mlp_places(p);
	size_t from = job * PANEL, n = p->out - from < PANEL ? p->out - from : PANEL;

	(void)thread;
	gemm(true, false, n, p->width, p->n, p->gx + from, p->out, p->hidden, p->width, 1,
		r->g + at.w2 + from * p->width, p->width);
	for (size_t i = 0; i < p->n; i++)
		kernels()->axpy(n, 1, p->gx + i * p->out + from, r->g + at.b2 + from);
}

void
prefix_mlp_run(struct prefix_mlp *p, const float *w, struct pool *pool)
{
	struct run r = { p, w, NULL };
	struct prefix_places at = prefix_mlp_places(p);

	gemm(false, true, p->n, p->width, p->dim, w + at.e, p->dim, w + at.w1, p->dim, 0,
		p->hidden, p->width);
	for (size_t i = 0; i < p->n * p->width; i++)
		p->hidden[i] = tanhf(p->hidden[i] + w[at.b1 + i % p->width]);
	pool_run(pool, (p->out + PANEL - 1) / PANEL, run_panel, &r);
}

void
prefix_mlp_back(struct prefix_mlp *p, const float *w, float *g, struct pool *pool)
{
	struct run r = { p, w, g };
	struct prefix_places at = prefix_mlp_places(p);
	float *d = p->dhidden;

	pool_run(pool, (p->out + PANEL - 1) / PANEL, back_panel, &r);
	gemm(false, false, p->n, p->width, p->out, p->gx, p->out, w + at.w2, p->width, 0, d,
		p->width);
	for (size_t i = 0; i < p->n * p->width; i++) {
		d[i] *= 1 - p->hidden[i] * p->hidden[i];
		g[at.b1 + i % p->width] += d[i];
	}
	gemm(true, false, p->width, p->dim, p->n, d, p->width, w + at.e, p->dim, 1, g + at.w1,
		p->dim);
	gemm(false, false, p->n, p->dim, p->width, d, p->width, w + at.w1, p->dim, 1, g + at.e,
		p->dim);
	memset(p->gx, 0, p->n * p->out * sizeof *p->gx);
}
