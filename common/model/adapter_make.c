/* New adapters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/adapter.h"

/* PEFT's names for what GGUF calls otherwise. */
static const struct {
	const char *peft, *gguf;
} aliases[] = {
	{ "q_proj", "attn_q" },
	{ "k_proj", "attn_k" },
	{ "v_proj", "attn_v" },
	{ "o_proj", "attn_output" },
	{ "gate_proj", "ffn_gate" },
	{ "up_proj", "ffn_up" },
	{ "down_proj", "ffn_down" },
	{ "qkv_proj", "attn_qkv" },
	{ "gate_up_proj", "ffn_up" },
	{ "c_attn", "attn_qkv" },
	{ "c_fc", "ffn_up" },
	{ "c_proj", "attn_output" },
	{ "c_proj", "ffn_down" },
	{ "query_key_value", "attn_qkv" },
	{ "dense", "attn_output" },
	{ "dense_h_to_4h", "ffn_up" },
	{ "dense_4h_to_h", "ffn_down" },
};

/* "attn_q" of "blk.3.attn_q.weight"; empty for what is no matrix within a layer. */
static void
short_name(const struct tensor_spec *t, char out[static sizeof t->name])
{
	unsigned layer;
	char *dot;

	out[0] = '\0';
	if (t->rows == 1 || sscanf(t->name, "blk.%u.%63s", &layer, out) != 2)
		out[0] = '\0';
	else if ((dot = strchr(out, '.')))
		*dot = '\0';
}

static bool
is_called(const char *name, const char *target, size_t len)
{
	if (strlen(name) == len && memcmp(name, target, len) == 0)
		return true;
	for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
		if (strcmp(aliases[i].gguf, name) == 0 && strlen(aliases[i].peft) == len &&
			memcmp(aliases[i].peft, target, len) == 0)
			return true;
	return false;
}

static bool
is_target(const char *name, const char *targets)
{
	if (strcmp(targets, "all-linear") == 0)
		return *name != '\0';
	for (const char *at = targets; *name; at++) {
		size_t len = strcspn(at, ",");

		if (is_called(name, at, len))
			return true;
		at += len;
		if (!*at)
			break;
	}
	return false;
}

/* Each of the targets must name something. */
static int
check_targets(const struct config *c, const char *targets, struct err *e)
{
	struct tensor_spec t;
	char name[sizeof t.name];

	if (strcmp(targets, "all-linear") == 0)
		return 0;
	for (const char *at = targets;; at++) {
		size_t len = strcspn(at, ",");
		bool found = false;

		for (size_t i = 0; !found && config_tensor(c, i, &t); i++) {
			short_name(&t, name);
			found = *name && is_called(name, at, len);
		}
		if (!found)
			return err_set(e, "no matrix of a %s is called '%.*s' (attn_q or q_proj is "
				"how they are called; or all-linear)", c->arch->name, (int)len, at);
		at += len;
		if (!*at)
			return 0;
	}
}

static int
add_part(struct adapter *to, const struct tensor_spec *t, size_t rank, struct rng *r,
	struct err *e)
{
	struct adapter_part p = { *t, rank, mem_try(rank * t->cols, sizeof(float)),
		mem_try(rank * t->rows, sizeof(float)) };
	double bound = 1 / sqrt((double)t->cols);

	if (!p.a || !p.b) {
		free(p.a);
		free(p.b);
		return err_set(e, "not enough memory for an adapter of rank %zu", rank);
	}
	for (size_t i = 0; i < rank * t->cols; i++)
		p.a[i] = (float)((2 * rng_uniform(r) - 1) * bound);
	memset(p.b, 0, rank * t->rows * sizeof *p.b);
	to->parts = mem_grow(to->parts, to->n + 1, sizeof *to->parts);
	to->parts[to->n++] = p;
	return 0;
}

struct adapter *
adapter_make(const struct model *m, const char *targets, size_t rank, double alpha, bool rslora,
	uint64_t seed, struct err *e)
{
	struct adapter *a;
	struct tensor_spec t;
	char name[sizeof t.name];
	struct rng r;

	if (check_targets(&m->c, targets, e) < 0)
		return NULL;
	a = mem_alloc(1, sizeof *a);
	a->alpha = (float)(rslora ? alpha * sqrt((double)rank) : alpha);
	a->rslora = rslora;
	rng_seed(&r, seed);
	for (size_t i = 0; config_tensor(&m->c, i, &t); i++) {
		short_name(&t, name);
		if (is_target(name, targets) && add_part(a, &t, rank, &r, e) < 0) {
			adapter_free(a);
			return NULL;
		}
	}
	return a;
}
