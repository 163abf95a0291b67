#include "model/adapter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "model/adapter_internal.h"
#include "model/find.h"
#include "tensor/types.h"

/* Learned positions: neither llama.cpp nor PEFT's defaults have adapters of them. */
#define PLACES "position_embd.weight"

void
adapter_turn(const float *src, size_t rows, size_t cols, float *dst)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < cols; c++)
			dst[c * rows + r] = src[r * cols + c];
}

/* A side's numbers, (rows, cols); NULL with a message. */
static float *
numbers(const struct adapter_side *s, struct err *e)
{
	size_t n = s->rows * s->cols, bytes = type_row_bytes(s->type, n);
	float *x = mem_try(n, sizeof *x), *turned;
	void *aligned = mem_try(bytes, 1); /* as data in files need not be */

	if (!x || !aligned) {
		free(x);
		free(aligned);
		err_set(e, "tensor %s: not enough memory for %zu numbers", s->name, n);
		return NULL;
	}
	type_info(s->type)->load(memcpy(aligned, s->data, bytes), x, n);
	free(aligned);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i])) {
			err_set(e, "tensor %s holds a value that is not finite", s->name);
			free(x);
			return NULL;
		}
	if (!s->turned)
		return x;
	turned = mem_alloc(n, sizeof *turned);
	adapter_turn(x, s->cols, s->rows, turned);
	free(x);
	return turned;
}

static int
check_sides(const struct tensor_spec *t, const struct adapter_side *a,
	const struct adapter_side *b, struct err *e)
{
	const struct adapter_side *const sides[] = { a, b };

	for (int i = 0; i < 2; i++)
		if (!type_info(sides[i]->type) || !sides[i]->data)
			return err_set(e, "tensor %s is stored as %s, which is not supported",
				sides[i]->name, type_label(sides[i]->type));
	if (a->rows < 1)
		return err_set(e, "tensor %s is of rank 0", a->name);
	if (b->cols != a->rows)
		return err_set(e, "tensor %s is of rank %zu, %s of rank %zu", a->name, a->rows,
			b->name, b->cols);
	if (a->cols != t->cols)
		return err_set(e, "tensor %s takes %zu values, the model's %s %zu (another base "
			"model?)", a->name, a->cols, t->name, t->cols);
	if (b->rows != t->rows)
		return err_set(e, "tensor %s gives %zu values, the model's %s %zu (another base "
			"model?)", b->name, b->rows, t->name, t->rows);
	return 0;
}

/* The tensor of that name in the model. */
static bool
find_spec(const struct config *c, const char *name, struct tensor_spec *t)
{
	for (size_t i = 0; config_tensor(c, i, t); i++)
		if (strcmp(t->name, name) == 0)
			return true;
	return false;
}

struct adapter_part *
adapter_add(struct adapter *to, const struct model *m, const char *name,
	const struct adapter_side *a, const struct adapter_side *b, double alpha, struct err *e)
{
	struct adapter_part p = { .rank = a->rows };
	double factor;

	if (!find_spec(&m->c, name, &p.t) || p.t.rows == 1 || strcmp(name, PLACES) == 0) {
		err_set(e, "tensor %s changes %s, which is no matrix of the model that adapters "
			"can change (another base model?)", a->name, name);
		return NULL;
	}
	for (size_t i = 0; i < to->n; i++)
		if (strcmp(to->parts[i].t.name, name) == 0) {
			err_set(e, "tensor %s changes %s, which another one does too", a->name,
				name);
			return NULL;
		}
	if (check_sides(&p.t, a, b, e) < 0 || !(p.a = numbers(a, e)))
		return NULL;
	if (!(p.b = numbers(b, e))) {
		free(p.a);
		return NULL;
	}
	if (to->n == 0)
		to->alpha = (float)alpha;
	factor = (double)(float)alpha / (double)to->alpha;
	for (size_t i = 0; factor != 1 && i < p.t.rows * p.rank; i++)
		p.b[i] = (float)(factor * (double)p.b[i]);
	to->parts = mem_grow(to->parts, to->n + 1, sizeof *to->parts);
	to->parts[to->n] = p;
	return &to->parts[to->n++];
}

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

struct adapter *
adapter_open(const char *path, const struct model *m, struct err *e)
{
	struct adapter *a = mem_alloc(1, sizeof *a);
	int rc = (is_folder(path) ? adapter_read_peft : adapter_read_gguf)(a, m, path, e);

	if (rc == 0 && a->n == 0 && a->prefix.n == 0)
		rc = err_set(e, "%s: an adapter without tensors", path);
	if (rc == 0)
		return a;
	adapter_free(a);
	return NULL;
}

void
adapter_free(struct adapter *a)
{
	struct adapter *next;

	for (; a; a = next) {
		next = a->next;
		for (size_t i = 0; i < a->n; i++) {
			free(a->parts[i].a);
			free(a->parts[i].b);
		}
		free(a->parts);
		free(a->loras);
		free((float *)a->prefix.x);
		free(a->mlp_weights);
		free(a);
	}
}

static struct lora
lora_of(const struct adapter *a, const struct adapter_part *p)
{
	return (struct lora){ .rank = p->rank, .a = p->a, .b = p->b,
		.scale = a->scale * a->alpha / (float)p->rank };
}

void
adapter_attach(struct adapter *a, struct model *m, float scale)
{
	struct lora *l;

	a->next = m->adapters;
	m->adapters = a;
	a->scale = scale;
	if (scale == 0)
		return;
	if (a->prefix.n > 0) {
		m->prefix = a->prefix;
		m->c.n_front = a->prefix.n;
		m->c.n_ctx -= a->prefix.n;
		return;
	}
	/* a fused tensor is in three places at most */
	l = a->loras = mem_alloc(3 * a->n, sizeof *l);
	for (size_t i = 0; i < a->n; i++) {
		const struct adapter_part *p = &a->parts[i];
		struct slot s = model_slot(m, p->t.name);

		for (size_t k = 0; k < s.n; k++, l++) {
			struct weight *w = s.part[k].w;

			*l = lora_of(a, p);
			l->b += s.part[k].first * p->rank;
			l->next = w->lora;
			w->lora = l;
		}
	}
}

struct lora *
adapter_lora(const struct model *m, const char *tensor)
{
	struct lora *chain = NULL;
	size_t n = 0;

	for (const struct adapter *a = m->adapters; a; a = a->next)
		for (size_t i = 0; a->scale != 0 && i < a->n; i++)
			if (strcmp(a->parts[i].t.name, tensor) == 0) {
				chain = mem_grow(chain, n + 1, sizeof *chain);
				chain[n++] = lora_of(a, &a->parts[i]);
			}
	for (size_t i = 1; i < n; i++)
		chain[i - 1].next = &chain[i];
	return chain;
}

/* FILE=SCALE: where FILE ends. */
static size_t
split_spec(const char *spec, float *scale)
{
	const char *sign = strrchr(spec, '=');
	char *end = NULL;
	double x = sign ? strtod(sign + 1, &end) : 0;

	*scale = 1;
	if (!sign || end == sign + 1 || *end || !isfinite((float)x))
		return strlen(spec);
	*scale = (float)x;
	return (size_t)(sign - spec);
}

static int
check_prefix(const struct adapter *a, const struct model *m, float scale, const char *path,
	struct err *e)
{
	if (a->prefix.n == 0 || scale == 0)
		return 0;
	if (scale != 1)
		return err_set(e, "%s: a prefix has no scale", path);
	if (m->prefix.n > 0)
		return err_set(e, "%s: another prefix is there already", path);
	return 0;
}

static int
add_adapter(struct model *m, const char *spec, struct err *e)
{
	float scale;
	char *path = mem_dup(spec, split_spec(spec, &scale));
	struct adapter *a = adapter_open(path, m, e);
	int rc = a ? check_prefix(a, m, scale, path, e) : -1;
	struct buf label = { 0 };

	free(path);
	if (rc < 0) {
		adapter_free(a);
		return -1;
	}
	adapter_attach(a, m, scale);
	buf_printf(&label, "%s + %s", m->label, spec);
	free(m->label);
	m->label = buf_str(&label);
	return 0;
}

struct model *
model_open_with(const char *model, const struct opt_list *adapters, struct err *e)
{
	char *path = model_find(model, e);
	struct model *m = path ? model_open(path, e) : NULL;

	free(path);
	for (size_t i = 0; m && i < adapters->n; i++)
		if (add_adapter(m, adapters->v[i], e) < 0) {
			model_free(m);
			m = NULL;
		}
	return m;
}
