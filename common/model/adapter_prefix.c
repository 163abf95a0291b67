/* Prefixes (Li and Liang 2021) as files and folders, and new ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/adapter_internal.h"
#include "model/forward.h"
#include "tensor/types.h"

#define TENSOR "prefix"
#define EMBEDDINGS "prompt_embeddings"

static int
check_length(const struct model *m, size_t n, struct err *e)
{
	if (n > 0 && n < m->c.n_ctx)
		return 0;
	return err_set(e, "%zu virtual tokens, where a model of %zu positions has room for 1 to "
		"%zu", n, m->c.n_ctx, m->c.n_ctx - 1);
}

static size_t
kv_width(const struct config *c)
{
	return c->n_head_kv * c->head_dim;
}

/* Numbers of a virtual token. */
static size_t
token_width(const struct config *c)
{
	return 2 * c->n_layer * kv_width(c);
}

/* The prefix of n virtual tokens that a file's tensor is, whose shape has been checked. */
static int
take(struct adapter *to, const struct model *m, const char *name, uint32_t type, size_t n,
	const void *data, size_t bytes, struct err *e)
{
	const struct type_info *t = type_info(type);
	size_t width = token_width(&m->c), all;
	void *aligned; /* as data in files need not be */
	float *x;

	if (!t || width % t->block != 0)
		return err_set(e, "tensor %s is stored as %s, which is not supported", name,
			type_label(type));
	if (check_length(m, n, e) < 0)
		return -1;
	if (!mem_mul(n, width, &all) || bytes != type_row_bytes(type, all))
		return err_set(e, "tensor %s has %zu bytes", name, bytes);
	x = mem_try(all, sizeof *x);
	aligned = mem_try(bytes, 1);
	if (!x || !aligned) {
		free(x);
		free(aligned);
		return err_set(e, "tensor %s: not enough memory for %zu numbers", name, all);
	}
	t->load(memcpy(aligned, data, bytes), x, all);
	free(aligned);
	to->prefix = (struct prefix){ n, x };
	for (size_t i = 0; i < all; i++)
		if (!isfinite(x[i]))
			return err_set(e, "tensor %s holds a value that is not finite", name);
	return 0;
}

int
prefix_read_gguf(struct adapter *to, const struct model *m, const struct gguf *g, struct err *e)
{
	const struct config *c = &m->c;
	const struct gguf_tensor *t = gguf_tensor(g, TENSOR);

	if (!t || gguf_n_tensors(g) != 1)
		return err_set(e, "a prefix has one tensor, called " TENSOR);
	if (t->dims[0] != kv_width(c) || t->dims[1] != 2 || t->dims[2] != c->n_layer)
		return err_set(e, "tensor %s is of %llu layers and %llu numbers in each, the model "
			"of %zu and %zu (another base model?)", t->name,
			(unsigned long long)t->dims[2], (unsigned long long)t->dims[0], c->n_layer,
			kv_width(c));
	return take(to, m, t->name, t->type, (size_t)t->dims[3], t->data, t->bytes, e);
}

void
prefix_put_gguf(const struct adapter *a, const struct model *m, struct gguf_out *o)
{
	uint64_t dims[4] = { kv_width(&m->c), 2, m->c.n_layer, a->prefix.n };

	gguf_put_str(o, "adapter.type", "prefix", 6);
	gguf_put_tensor(o, TENSOR, TYPE_F32, 4, dims, a->prefix.x);
}

/* Turn the keys into the order of a head's rows that the other side has, as its matrices are. */
static void
move_keys(const struct config *c, const struct hf_family *f, bool in, size_t n, float *x)
{
	struct hf_size size = { c->n_layer, c->n_embd, c->n_head, c->n_head_kv, c->head_dim,
		c->n_vocab, c->tied };
	size_t width = kv_width(c);
	float *moved = mem_alloc(width, sizeof *moved);
	struct prefix p = { n, x };
	struct buf name = { 0 };
	enum hf_change change;

	if (hf_other_name(f, "blk.0.attn_k.weight", true, &name, &change) &&
	    change == HF_ROTARY_K)
		for (size_t i = 0; i < n * c->n_layer; i++) {
			float *k = (float *)prefix_at(c, &p, i / c->n_layer, i % c->n_layer);

			hf_move_rows(change, &size, in, width, sizeof *k, k, moved);
			memcpy(k, moved, width * sizeof *k);
		}
	buf_release(&name);
	free(moved);
}

static int
check_count(const struct json *config, const char *key, size_t want, struct err *e)
{
	long long got;

	if (!json_int(json_get(config, key), &got))
		return err_set(e, "adapter_config.json: %s is missing or no number", key);
	if (got < 0 || (unsigned long long)got != want)
		return err_set(e, "adapter_config.json: %s is %lld, the model's %zu (another base "
			"model?)", key, got, want);
	return 0;
}

int
prefix_read_peft(struct adapter *to, const struct model *m, const struct hf_family *f,
	const struct json *config, const struct safetensors *s, struct err *e)
{
	const struct safetensor *t = safetensors_find(s, EMBEDDINGS);
	const struct config *c = &m->c;

	if (!t || s->n != 1)
		return err_set(e, "a prefix has one tensor, called " EMBEDDINGS);
	if (check_count(config, "num_layers", c->n_layer, e) < 0 ||
	    check_count(config, "num_attention_heads", c->n_head_kv, e) < 0 ||
	    check_count(config, "token_dim", kv_width(c), e) < 0)
		return -1;
	if (t->type < 0 || t->n_dims != 2 || t->dims[1] != token_width(c))
		return err_set(e, "tensor %s is no F32, F16 or BF16 of %zu columns", t->name,
			token_width(c));
	if (check_count(config, "num_virtual_tokens", (size_t)t->dims[0], e) < 0 ||
	    take(to, m, t->name, (uint32_t)t->type, (size_t)t->dims[0], t->data,
		    t->bytes, e) < 0)
		return -1;
	move_keys(c, f, true, to->prefix.n, (float *)to->prefix.x);
	return 0;
}

void
prefix_peft_config(const struct adapter *a, const struct model *m, struct buf *b)
{
	size_t len, width = kv_width(&m->c);
	const char *name = gguf_str(m->file, "general.name", &len);

	buf_puts(b, "{\n  \"peft_type\": \"PREFIX_TUNING\",\n  \"task_type\": \"CAUSAL_LM\",\n"
		"  \"base_model_name_or_path\": ");
	json_put_text(b, name ? name : "", name ? len : 0);
	buf_printf(b, ",\n  \"num_virtual_tokens\": %zu,\n  \"token_dim\": %zu,\n"
		"  \"num_transformer_submodules\": 1,\n  \"num_attention_heads\": %zu,\n"
		"  \"num_layers\": %zu,\n  \"encoder_hidden_size\": %zu,\n"
		"  \"prefix_projection\": false,\n  \"inference_mode\": true\n}\n",
		a->prefix.n, width, m->c.n_head_kv, m->c.n_layer, width);
}

/* What is written, and whose. */
struct writing {
	const struct adapter *a;
	const struct model *m;
	const struct hf_family *f;
};

static int
make(void *arg, size_t i, const struct safetensor *t, void *to, struct err *e)
{
	const struct writing *w = arg;

	(void)i;
	(void)t;
	(void)e;
	memcpy(to, w->a->prefix.x, w->a->prefix.n * token_width(&w->m->c) * sizeof(float));
	move_keys(&w->m->c, w->f, false, w->a->prefix.n, to);
	return 0;
}

int
prefix_write_peft(const struct adapter *a, const struct model *m, const struct hf_family *f,
	const char *path, struct err *e)
{
	struct writing w = { a, m, f };
	struct safetensor t = { .name = (char *)EMBEDDINGS, .type = TYPE_F32, .n_dims = 2,
		.dims = { a->prefix.n, token_width(&m->c) } };

	return safetensors_save(&t, 1, make, &w, path, e);
}

struct adapter *
adapter_make_prefix(const struct model *m, const int *ids, size_t n, int threads, struct err *e)
{
	const struct config *c = &m->c;
	size_t width = kv_width(c);
	float *x = NULL, *hidden;
	struct kv kv = { 0 };
	struct chunk chunk = { &kv, ids, n, 0 };
	struct prefix p;
	struct forward *f;
	struct adapter *a;
	struct pool *pool;
	int rc;

	if (check_length(m, n, e) < 0)
		return NULL;
	x = mem_try(n * token_width(c), sizeof *x);
	if (!x) {
		err_set(e, "not enough memory for a prefix of %zu virtual tokens", n);
		return NULL;
	}
	p = (struct prefix){ n, x };
	pool = pool_new(threads);
	f = forward_new(m, pool);
	hidden = mem_alloc(c->n_embd, sizeof *hidden);
	rc = forward_run(f, &chunk, 1, hidden, e);
	for (size_t i = 0; rc == 0 && i < n * c->n_layer; i++) {
		float *k = (float *)prefix_at(c, &p, i / c->n_layer, i % c->n_layer);

		kv_get(c, &kv, i % c->n_layer, i / c->n_layer, k, k + width);
	}
	kv_release(&kv);
	forward_free(f);
	pool_free(pool);
	free(hidden);
	if (rc < 0) {
		free(x);
		return NULL;
	}
	a = mem_alloc(1, sizeof *a);
	a->prefix = p;
	return a;
}
