/* Adapters as GGUF LoRA files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/adapter_internal.h"
#include "tensor/types.h"

#define EMBEDDING "token_embd.weight"

static bool
says(const struct gguf *g, const char *key, const char *what)
{
	size_t len;
	const char *s = gguf_str(g, key, &len);

	return s && len == strlen(what) && memcmp(s, what, len) == 0;
}

static int
check_keys(const struct gguf *g, const struct model *m, double *alpha, struct err *e)
{
	size_t len;
	const char *arch = gguf_str(g, "general.architecture", &len);

	if (!says(g, "general.type", "adapter"))
		return err_set(e, "no adapter (general.type does not say so)");
	if (!says(g, "adapter.type", "lora") && !says(g, "adapter.type", "prefix"))
		return err_set(e, "neither a LoRA adapter nor a prefix (adapter.type), the kinds "
			"that are supported");
	if (gguf_has(g, "adapter.alora.invocation_tokens"))
		return err_set(e, "an activated LoRA (adapter.alora.invocation_tokens), which is "
			"not supported");
	if (!arch || strlen(m->c.arch->name) != len || memcmp(arch, m->c.arch->name, len) != 0)
		return err_set(e, "an adapter of architecture %.*s, the model is a %s",
			arch ? (int)(len < 32 ? len : 32) : 4, arch ? arch : "none",
			m->c.arch->name);
	if (says(g, "adapter.type", "prefix"))
		return 0;
	if (!gguf_real(g, "adapter.lora.alpha", alpha) || !isfinite((float)*alpha))
		return err_set(e, "key adapter.lora.alpha is missing or no finite number");
	return 0;
}

static struct adapter_side
side_of(const struct gguf_tensor *t)
{
	return (struct adapter_side){ t->name, t->type, (size_t)t->dims[1], (size_t)t->dims[0],
		t->data, false };
}

/* The length of NAME in "NAME.lora_a" or "NAME.lora_b"; 0 where it is neither. */
static size_t
stem(const char *name)
{
	size_t len = strlen(name);

	if (len <= 7 || (strcmp(name + len - 7, ".lora_a") != 0 &&
	    strcmp(name + len - 7, ".lora_b") != 0))
		return 0;
	return len - 7;
}

/* A tensor of the file; it is dealt with when it is a lora_a, or with its lora_a. */
static int
take_tensor(struct adapter *to, const struct model *m, const struct gguf *g,
	const struct gguf_tensor *t, double alpha, struct err *e)
{
	size_t len = stem(t->name);
	char *name = mem_str(t->name);
	const struct gguf_tensor *other;
	struct adapter_side a, b;
	int rc = -1;

	if (len > 0)
		name[len + 6] = name[len + 6] == 'a' ? 'b' : 'a';
	other = len > 0 ? gguf_tensor(g, name) : NULL;
	if (len == 0) {
		err_set(e, "tensor %s is neither lora_a nor lora_b, and LoRA alone is supported",
			t->name);
	} else if (!other) {
		err_set(e, "tensor %s is there, but not %s", t->name, name);
	} else if (t->dims[2] != 1 || t->dims[3] != 1) {
		err_set(e, "tensor %s has %u dimensions, not 2", t->name, t->n_dims);
	} else if (t->name[len + 6] == 'b') {
		rc = 0;
	} else {
		a = side_of(t);
		b = side_of(other);
		name[len] = '\0';
		if (strcmp(name, EMBEDDING) == 0) {
			/* looked up by rows: what is called a is our b */
			struct adapter_side rows = a;

			a = b;
			a.rows = b.cols;
			a.cols = b.rows;
			a.turned = true;
			b = rows;
		}
		if (adapter_add(to, m, name, &a, &b, alpha != 0 ? alpha : (double)a.rows, e))
			rc = 0;
	}
	free(name);
	return rc;
}

static int
take_tensors(struct adapter *to, const struct model *m, const struct gguf *g, struct err *e)
{
	double alpha = 0;
	int rc = check_keys(g, m, &alpha, e);

	if (rc == 0 && says(g, "adapter.type", "prefix"))
		return prefix_read_gguf(to, m, g, e);
	for (size_t i = 0; rc == 0 && i < gguf_n_tensors(g); i++)
		rc = take_tensor(to, m, g, gguf_tensor_at(g, i), alpha, e);
	return rc;
}

int
adapter_read_gguf(struct adapter *to, const struct model *m, const char *path, struct err *e)
{
	struct gguf *g = gguf_open(path, e);
	int rc;

	if (!g)
		return -1;
	rc = take_tensors(to, m, g, e);
	gguf_free(g);
	return rc < 0 ? err_prefix(e, "%s", path) : 0;
}

static void
put_side(struct gguf_out *o, const char *tensor, char which, size_t rows, size_t cols,
	const float *data)
{
	char name[80];

	snprintf(name, sizeof name, "%s.lora_%c", tensor, which);
	gguf_put_tensor(o, name, TYPE_F32, 2, (uint64_t[]){ cols, rows }, data);
}

int
adapter_save_gguf(const struct adapter *a, const struct model *m, const char *path, struct err *e)
{
	struct gguf_out *o = gguf_out_new();
	float *turned = NULL;
	int rc;

	gguf_put_str(o, "general.architecture", m->c.arch->name, strlen(m->c.arch->name));
	gguf_put_str(o, "general.type", "adapter", 7);
	if (a->prefix.n > 0) {
		prefix_put_gguf(a, m, o);
	} else {
		gguf_put_str(o, "adapter.type", "lora", 4);
		gguf_put_f32(o, "adapter.lora.alpha", a->alpha);
	}
	for (size_t i = 0; i < a->n; i++) {
		const struct adapter_part *p = &a->parts[i];

		if (strcmp(p->t.name, EMBEDDING) == 0) {
			turned = mem_alloc(p->rank * p->t.cols, sizeof *turned);
			adapter_turn(p->a, p->rank, p->t.cols, turned);
			put_side(o, p->t.name, 'a', p->t.rows, p->rank, p->b);
			put_side(o, p->t.name, 'b', p->t.cols, p->rank, turned);
		} else {
			put_side(o, p->t.name, 'a', p->rank, p->t.cols, p->a);
			put_side(o, p->t.name, 'b', p->t.rows, p->rank, p->b);
		}
	}
	rc = gguf_save(o, path, e);
	gguf_out_free(o);
	free(turned);
	return rc;
}
