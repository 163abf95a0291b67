#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/adapter.h"
#include "model/nf4.h"
#include "model/source.h"
#include "tensor/types.h"

static int
check_tensor(const struct gguf_tensor *t, const struct tensor_spec *s, struct err *e)
{
	if (!t)
		return err_set(e, "tensor %s is missing", s->name);
	if (t->dims[2] != 1 || t->dims[3] != 1)
		return err_set(e, "tensor %s has %u dimensions, not 2", t->name, t->n_dims);
	if (t->dims[0] != s->cols || t->dims[1] != s->rows)
		return err_set(e, "tensor %s is %llu x %llu, not %zu x %zu", t->name,
			(unsigned long long)t->dims[0], (unsigned long long)t->dims[1], s->cols,
			s->rows);
	if (!type_info(t->type))
		return err_set(e,
			"tensor %s is stored as %s (F32, F16, BF16 and Q8_0 are supported)",
			t->name, type_label(t->type));
	return 0;
}

/* Tensors that are no parameters: what RoPE's frequencies are divided by (Llama 3), or may be
 * divided by in a short or a long context (LongRoPE). */
enum { FREQS, FACTORS_SHORT, FACTORS_LONG, N_CONSTANTS };
static const char *const constants[N_CONSTANTS] = {
	"rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight",
};

static int
check_constant(const struct config *c, const struct gguf_tensor *t, struct err *e)
{
	const float *v = t->data;

	if (t->type != TYPE_F32 || t->dims[0] != c->rope_dim / 2 || t->dims[1] != 1 ||
	    t->dims[2] != 1 || t->dims[3] != 1)
		return err_set(e, "tensor %s is not %zu numbers in F32", t->name, c->rope_dim / 2);
	for (size_t i = 0; i < c->rope_dim / 2; i++)
		if (!isfinite(v[i]) || v[i] <= 0)
			return err_set(e, "tensor %s has a factor of %g", t->name, (double)v[i]);
	return 0;
}

static bool
is_known(const struct config *c, const char *name)
{
	struct tensor_spec s;

	for (size_t i = 0; c->rope_dim > 0 && i < N_CONSTANTS; i++)
		if (strcmp(constants[i], name) == 0)
			return true;
	for (size_t i = 0; config_tensor(c, i, &s); i++)
		if (strcmp(s.name, name) == 0)
			return true;
	return false;
}

/* Check all tensors before anything is built on them. One that the architecture does not have
 * (experts, say) would be left out silently, so it is refused. */
static int
check_tensors(const struct config *c, const struct gguf *g, size_t *n_small, struct err *e)
{
	const struct gguf_tensor *t;
	struct tensor_spec s;
	size_t n;

	*n_small = 0;
	for (n = 0; config_tensor(c, n, &s); n++) {
		t = gguf_tensor(g, s.name);
		if (check_tensor(t, &s, e) < 0)
			return -1;
		if (s.rows == 1 && t->type != TYPE_F32)
			*n_small += s.cols;
	}
	for (size_t i = 0; i < N_CONSTANTS && c->rope_dim > 0; i++) {
		t = gguf_tensor(g, constants[i]);
		if (t && check_constant(c, t, e) < 0)
			return -1;
		n += t != NULL;
	}
	if (gguf_n_tensors(g) == n)
		return 0;
	for (size_t i = 0; (t = gguf_tensor_at(g, i)) && is_known(c, t->name); i++)
		;
	return err_set(e, "tensor %s is not supported (no %s that is known here has it)", t->name,
		c->arch->name);
}

static int
take_tensors(struct model *m, struct err *e)
{
	const struct gguf_tensor *t;
	struct tensor_spec s;
	size_t n_small;
	float *room;

	if (check_tensors(&m->c, m->file, &n_small, e) < 0)
		return -1;
	m->layers = mem_alloc(m->c.n_layer, sizeof *m->layers);
	room = m->norms = mem_try(n_small, sizeof *m->norms);
	if (!m->norms)
		return err_set(e, "not enough memory for norms of %zu numbers", n_small);
	for (size_t i = 0; config_tensor(&m->c, i, &s); i++) {
		struct slot slot = model_slot(m, s.name);

		t = gguf_tensor(m->file, s.name);
		if (t->type == TYPE_F32 || slot.part[0].w) {
			slot_bind(&slot, &s, t->type, t->data);
		} else {
			type_info(t->type)->load(t->data, room, s.cols);
			slot_bind(&slot, &s, TYPE_F32, room);
			room += s.cols;
		}
	}
	if (m->c.tied)
		m->head = m->embed;
	/* a context beyond the first is not offered, so neither are the long factors */
	t = gguf_tensor(m->file, constants[FACTORS_SHORT]);
	if (!t)
		t = gguf_tensor(m->file, constants[FREQS]);
	m->rope_factors = t ? t->data : NULL;
	return 0;
}

void
model_put_constants(const struct model *m, struct gguf_out *o)
{
	for (size_t i = 0; m->file && i < N_CONSTANTS; i++) {
		const struct gguf_tensor *t = gguf_tensor(m->file, constants[i]);

		if (t)
			gguf_put_tensor(o, t->name, t->type, t->n_dims, t->dims, t->data);
	}
}

static int
take_tokenizer(struct model *m, struct err *e)
{
	m->tok = tokenizer_from_gguf(m->file, e);
	if (!m->tok)
		return -1;
	if (tokenizer_n(m->tok) != m->c.n_vocab)
		return err_set(e, "the tokenizer has %zu tokens, the embedding %zu",
			tokenizer_n(m->tok), m->c.n_vocab);
	return 0;
}

struct model *
model_open(const char *path, struct err *e)
{
	struct gguf *g = source_open(path, e);
	struct model *m;

	if (!g)
		return NULL;
	m = mem_alloc(1, sizeof *m);
	m->file = g;
	m->path = mem_str(path);
	m->label = mem_str(path);
	if (config_read(&m->c, g, e) < 0 || take_tensors(m, e) < 0 || take_tokenizer(m, e) < 0) {
		err_prefix(e, "%s", path);
		model_free(m);
		return NULL;
	}
	return m;
}

void
model_free(struct model *m)
{
	if (!m)
		return;
	adapter_free(m->adapters);
	model_nf4_free(m);
	tokenizer_free(m->tok);
	gguf_free(m->file);
	free(m->layers);
	free(m->norms);
	free(m->path);
	free(m->label);
	free(m);
}
