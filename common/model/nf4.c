#include "model/nf4.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/nf4.h"
#include "tensor/types.h"

enum { MATRICES = 7, ROWS = 64 }; /* ROWS: that a job takes, whole blocks whatever their length */

static void
list(struct layer *l, struct weight *all[MATRICES])
{
	struct weight *const w[MATRICES] = { &l->q, &l->k, &l->v, &l->o, &l->gate, &l->up,
		&l->down };

	for (int i = 0; i < MATRICES; i++)
		all[i] = w[i];
}

struct quantizing {
	const struct weight *w;
	struct nf4 *q;
	struct pool *pool;
	bool *strange; /* per job: a value is not finite */
};

static void
quantize_rows(void *arg, size_t job, size_t thread)
{
	struct quantizing *a = arg;
	const struct weight *w = a->w;
	size_t at = job * ROWS, n = w->rows - at < ROWS ? w->rows - at : ROWS;
	float *x = pool_scratch(a->pool, thread, ROWS * w->cols * sizeof *x);

	for (size_t i = 0; i < n; i++)
		weight_row(w, at + i, x + i * w->cols);
	for (size_t i = 0; i < n * w->cols; i++)
		a->strange[job] |= !isfinite(x[i]);
	nf4_store(a->q, at * w->cols, x, n * w->cols);
}

static int
quantize(struct weight *w, struct nf4 *q, bool doubled, struct pool *p, struct err *e)
{
	size_t jobs = (w->rows + ROWS - 1) / ROWS;
	struct quantizing a = { w, q, p, mem_alloc(jobs, sizeof *a.strange) };
	bool strange = false;

	if (nf4_init(q, w->rows * w->cols) < 0) {
		free(a.strange);
		return err_set(e, "not enough memory for the model in NF4");
	}
	pool_run(p, jobs, quantize_rows, &a);
	for (size_t i = 0; i < jobs; i++)
		strange |= a.strange[i];
	free(a.strange);
	if (strange)
		return err_set(e, "a value is not finite");
	if (doubled && nf4_double(q) < 0)
		return err_set(e, "not enough memory for the model in NF4");
	*w = (struct weight){ TYPE_NF4, w->rows, w->cols, q, NULL };
	return 0;
}

int
model_nf4_plan(const struct model *m, bool doubled, size_t *bytes, size_t *in_file, struct err *e)
{
	struct weight *all[MATRICES];

	*bytes = *in_file = 0;
	for (size_t i = 0; i < m->c.n_layer * MATRICES; i++) {
		const struct weight *w;

		list(&m->layers[i / MATRICES], all);
		w = all[i % MATRICES];
		if (!w->data)
			continue;
		if (w->type != TYPE_F32 && w->type != TYPE_F16 && w->type != TYPE_BF16)
			return err_set(e, "%s: layer %zu is stored as %s already: it is trained "
				"beside as it is, without NF4", m->path, i / MATRICES,
				type_label(w->type));
		*bytes += nf4_bytes(w->rows * w->cols, doubled);
		*in_file += w->rows * type_row_bytes(w->type, w->cols);
	}
	return 0;
}

int
model_to_nf4(struct model *m, bool doubled, struct pool *p, struct err *e)
{
	struct weight *all[MATRICES];
	size_t bytes, in_file;

	if (model_nf4_plan(m, doubled, &bytes, &in_file, e) < 0)
		return -1;
	m->nf4 = mem_alloc(m->c.n_layer * MATRICES, sizeof *m->nf4);
	for (size_t i = 0; i < m->c.n_layer * MATRICES; i++) {
		list(&m->layers[i / MATRICES], all);
		if (all[i % MATRICES]->data &&
		    quantize(all[i % MATRICES], &m->nf4[i], doubled, p, e) < 0)
			return err_prefix(e, "%s: layer %zu", m->path, i / MATRICES);
	}
	return 0;
}

void
model_nf4_free(struct model *m)
{
	for (size_t i = 0; m->nf4 && i < m->c.n_layer * MATRICES; i++)
		nf4_release(&m->nf4[i]);
	free(m->nf4);
}
