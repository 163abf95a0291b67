#include "model/arch.h"

#include <stdio.h>
#include <string.h>

#include "model/model.h"
#include "tensor/types.h"

/* A side of a matrix, by what it spans. */
enum side { ONE, VOCAB, CTX, EMBD, HEAD, HEADS, HEADS_KV, QKV, FF, FF_TWICE };

/* Where a tensor, or a part of one that is fused, lies: an offset in struct model or layer. */
struct home {
	enum side rows;
	size_t offset;
};

/* All tensors of all architectures in the order of config_tensor. */
enum part {
	EMBED, PLACES,
	ATTN_NORM, ATTN_NORM_B, ATTN_QKV, ATTN_QKV_B, ATTN_Q, ATTN_Q_B, ATTN_K, ATTN_K_B, ATTN_V,
	ATTN_V_B, Q_NORM, K_NORM, ATTN_OUT, ATTN_OUT_B, POST_ATTN_NORM,
	FFN_NORM, FFN_NORM_B, GATE, GATE_B, GATE_UP, UP, UP_B, DOWN, DOWN_B, POST_FFN_NORM,
	OUT_NORM, OUT_NORM_B, OUT,
	N_PARTS, LAYER_FIRST = ATTN_NORM, LAYER_END = OUT_NORM,
};

#define IN_MODEL(field) offsetof(struct model, field)
#define IN_LAYER(field) offsetof(struct layer, field)

static const struct {
	const char *name;
	enum side rows, cols;
	struct home homes[3]; /* fewer end with one of ONE */
} parts[N_PARTS] = {
	[EMBED] = { "token_embd.weight", VOCAB, EMBD, { { VOCAB, IN_MODEL(embed) } } },
	[PLACES] = { "position_embd.weight", CTX, EMBD, { { CTX, IN_MODEL(places) } } },
	[ATTN_NORM] = { "attn_norm.weight", ONE, EMBD, { { EMBD, IN_LAYER(attn_norm) } } },
	[ATTN_NORM_B] = { "attn_norm.bias", ONE, EMBD, { { EMBD, IN_LAYER(attn_norm_bias) } } },
	[ATTN_QKV] = { "attn_qkv.weight", QKV, EMBD, { { HEADS, IN_LAYER(q) },
		{ HEADS_KV, IN_LAYER(k) }, { HEADS_KV, IN_LAYER(v) } } },
	[ATTN_QKV_B] = { "attn_qkv.bias", ONE, QKV, { { HEADS, IN_LAYER(q_bias) },
		{ HEADS_KV, IN_LAYER(k_bias) }, { HEADS_KV, IN_LAYER(v_bias) } } },
	[ATTN_Q] = { "attn_q.weight", HEADS, EMBD, { { HEADS, IN_LAYER(q) } } },
	[ATTN_Q_B] = { "attn_q.bias", ONE, HEADS, { { HEADS, IN_LAYER(q_bias) } } },
	[ATTN_K] = { "attn_k.weight", HEADS_KV, EMBD, { { HEADS_KV, IN_LAYER(k) } } },
	[ATTN_K_B] = { "attn_k.bias", ONE, HEADS_KV, { { HEADS_KV, IN_LAYER(k_bias) } } },
	[ATTN_V] = { "attn_v.weight", HEADS_KV, EMBD, { { HEADS_KV, IN_LAYER(v) } } },
	[ATTN_V_B] = { "attn_v.bias", ONE, HEADS_KV, { { HEADS_KV, IN_LAYER(v_bias) } } },
	[Q_NORM] = { "attn_q_norm.weight", ONE, HEAD, { { HEAD, IN_LAYER(q_norm) } } },
	[K_NORM] = { "attn_k_norm.weight", ONE, HEAD, { { HEAD, IN_LAYER(k_norm) } } },
	[ATTN_OUT] = { "attn_output.weight", EMBD, HEADS, { { EMBD, IN_LAYER(o) } } },
	[ATTN_OUT_B] = { "attn_output.bias", ONE, EMBD, { { EMBD, IN_LAYER(o_bias) } } },
	[POST_ATTN_NORM] = { "post_attention_norm.weight", ONE, EMBD,
		{ { EMBD, IN_LAYER(post_attn_norm) } } },
	[FFN_NORM] = { "ffn_norm.weight", ONE, EMBD, { { EMBD, IN_LAYER(ffn_norm) } } },
	[FFN_NORM_B] = { "ffn_norm.bias", ONE, EMBD, { { EMBD, IN_LAYER(ffn_norm_bias) } } },
	[GATE] = { "ffn_gate.weight", FF, EMBD, { { FF, IN_LAYER(gate) } } },
	[GATE_B] = { "ffn_gate.bias", ONE, FF, { { FF, IN_LAYER(gate_bias) } } },
	[GATE_UP] = { "ffn_up.weight", FF_TWICE, EMBD, { { FF, IN_LAYER(gate) },
		{ FF, IN_LAYER(up) } } },
	[UP] = { "ffn_up.weight", FF, EMBD, { { FF, IN_LAYER(up) } } },
	[UP_B] = { "ffn_up.bias", ONE, FF, { { FF, IN_LAYER(up_bias) } } },
	[DOWN] = { "ffn_down.weight", EMBD, FF, { { EMBD, IN_LAYER(down) } } },
	[DOWN_B] = { "ffn_down.bias", ONE, EMBD, { { EMBD, IN_LAYER(down_bias) } } },
	[POST_FFN_NORM] = { "post_ffw_norm.weight", ONE, EMBD,
		{ { EMBD, IN_LAYER(post_ffn_norm) } } },
	[OUT_NORM] = { "output_norm.weight", ONE, EMBD, { { EMBD, IN_MODEL(norm) } } },
	[OUT_NORM_B] = { "output_norm.bias", ONE, EMBD, { { EMBD, IN_MODEL(norm_bias) } } },
	[OUT] = { "output.weight", VOCAB, EMBD, { { VOCAB, IN_MODEL(head) } } },
};

#define BIT(part) ((uint32_t)1 << (part))
#define SPLIT_QKV (BIT(ATTN_Q) | BIT(ATTN_K) | BIT(ATTN_V))
#define SPLIT_QKV_B (BIT(ATTN_Q_B) | BIT(ATTN_K_B) | BIT(ATTN_V_B))
#define QK_NORM (BIT(Q_NORM) | BIT(K_NORM))
#define POST_NORM (BIT(POST_ATTN_NORM) | BIT(POST_FFN_NORM))
/* What all have; the head's place is with it: a tied model is one without `output`. */
#define COMMON (BIT(EMBED) | BIT(ATTN_NORM) | BIT(ATTN_OUT) | BIT(FFN_NORM) | BIT(DOWN) | \
	BIT(OUT_NORM) | BIT(OUT))
#define LLAMA (COMMON | SPLIT_QKV | BIT(GATE) | BIT(UP))
#define FFN_B (BIT(UP_B) | BIT(DOWN_B))
#define GPT2 (COMMON | BIT(ATTN_NORM_B) | BIT(ATTN_QKV) | BIT(ATTN_QKV_B) | BIT(ATTN_OUT_B) | \
	BIT(FFN_NORM_B) | BIT(UP) | FFN_B | BIT(OUT_NORM_B))

const struct arch archs[N_ARCHS] = {
	[ARCH_LLAMA] = { .name = "llama", .rope = ROPE_PAIRS, .has = LLAMA,
		.may = SPLIT_QKV_B | BIT(ATTN_OUT_B) | BIT(GATE_B) | FFN_B },
	[ARCH_QWEN2] = { .name = "qwen2", .rope = ROPE_HALVES, .has = LLAMA | SPLIT_QKV_B },
	[ARCH_QWEN3] = { .name = "qwen3", .rope = ROPE_HALVES, .has = LLAMA | QK_NORM },
	[ARCH_GPT2] = { .name = "gpt2", .norm = NORM_LAYER, .act = ACT_GELU_TANH,
		.has = GPT2 | BIT(PLACES) },
	[ARCH_GPTNEOX] = { .name = "gptneox", .norm = NORM_LAYER, .rope = ROPE_HALVES,
		.act = ACT_GELU, .has = GPT2, .parallel = true },
	[ARCH_GEMMA] = { .name = "gemma", .rope = ROPE_HALVES, .act = ACT_GELU_TANH, .has = LLAMA,
		.scaled_embedding = true },
	[ARCH_GEMMA2] = { .name = "gemma2", .rope = ROPE_HALVES, .act = ACT_GELU_TANH,
		.has = LLAMA | POST_NORM, .scaled_embedding = true, .attn_cap = 50,
		.logit_cap = 30, .window = 4096, .window_period = 2, .wide_layers = 46 },
	[ARCH_GEMMA3] = { .name = "gemma3", .rope = ROPE_HALVES, .act = ACT_GELU_TANH,
		.has = LLAMA | POST_NORM | QK_NORM, .scaled_embedding = true,
		.window_period = 6, .rope_base_local = 10000, .wide_layers = 62 },
	[ARCH_PHI3] = { .name = "phi3", .rope = ROPE_HALVES,
		.has = COMMON | BIT(ATTN_QKV) | BIT(GATE_UP) },
};

const struct arch *
arch_find(const char *name, size_t len)
{
	for (size_t i = 0; i < N_ARCHS; i++)
		if (strlen(archs[i].name) == len && memcmp(archs[i].name, name, len) == 0)
			return &archs[i];
	return NULL;
}

const char *
arch_names(char out[128])
{
	size_t at = 0;

	for (size_t i = 0; i < N_ARCHS; i++)
		at += (size_t)snprintf(out + at, 128 - at, "%s%s",
			i == 0 ? "" : i + 1 < N_ARCHS ? ", " : " and ", archs[i].name);
	return out;
}

uint32_t
arch_optional(const struct arch *a, bool (*there)(void *arg, const char *name), void *arg)
{
	uint32_t found = 0;
	char name[64];

	for (size_t p = LAYER_FIRST; p < LAYER_END; p++) {
		snprintf(name, sizeof name, "blk.0.%s", parts[p].name);
		if (a->may & BIT(p) && there(arg, name))
			found |= BIT(p);
	}
	return found;
}

bool
config_gated(const struct config *c)
{
	return c->arch->has & (BIT(GATE) | BIT(GATE_UP));
}

bool
config_qk_norm(const struct config *c)
{
	return c->arch->has & QK_NORM;
}

bool
config_post_norm(const struct config *c)
{
	return c->arch->has & POST_NORM;
}

static size_t
length(const struct config *c, enum side s)
{
	size_t heads = c->n_head * c->head_dim, kv = c->n_head_kv * c->head_dim;

	switch (s) {
	case VOCAB: return c->n_vocab;
	case CTX: return c->n_front + c->n_ctx;
	case EMBD: return c->n_embd;
	case HEAD: return c->head_dim;
	case HEADS: return heads;
	case HEADS_KV: return kv;
	case QKV: return heads + 2 * kv;
	case FF: return c->n_ff;
	case FF_TWICE: return 2 * c->n_ff;
	case ONE: break;
	}
	return 1;
}

/* The tensors of a configuration, as bits. */
static uint32_t
parts_of(const struct config *c)
{
	uint32_t all = c->arch->has | (c->arch->may & c->optional);

	return c->tied ? all & ~BIT(OUT) : all;
}

/* The i-th bit that is set, from bit `from` on and before `end`; `end` when there is none. */
static size_t
nth(uint32_t bits, size_t from, size_t end, size_t i)
{
	size_t p;

	for (p = from; p < end; p++)
		if (bits >> p & 1 && i-- == 0)
			break;
	return p;
}

static size_t
count(uint32_t bits, size_t from, size_t end)
{
	size_t n = 0;

	for (size_t p = from; p < end; p++)
		n += bits >> p & 1;
	return n;
}

bool
config_tensor(const struct config *c, size_t i, struct tensor_spec *t)
{
	uint32_t bits = parts_of(c);
	size_t before = count(bits, 0, LAYER_FIRST), each = count(bits, LAYER_FIRST, LAYER_END);
	size_t layers_end = before + c->n_layer * each, p;

	if (i >= before && i < layers_end) {
		p = nth(bits, LAYER_FIRST, LAYER_END, (i - before) % each);
		snprintf(t->name, sizeof t->name, "blk.%zu.%s", (i - before) / each, parts[p].name);
	} else {
		p = i < before ? nth(bits, 0, LAYER_FIRST, i)
			: nth(bits, LAYER_END, N_PARTS, i - layers_end);
		if (p == N_PARTS)
			return false;
		snprintf(t->name, sizeof t->name, "%s", parts[p].name);
	}
	t->rows = length(c, parts[p].rows);
	t->cols = length(c, parts[p].cols);
	return true;
}

size_t
config_params(const struct config *c)
{
	struct tensor_spec t;
	size_t n = 0;

	for (size_t i = 0; config_tensor(c, i, &t); i++)
		n += t.rows * t.cols;
	return n;
}

struct slot
model_slot(struct model *m, const char *name)
{
	const struct config *c = &m->c;
	size_t layer = 0, at = 0, p;
	char *base = (char *)m;
	struct slot s = { 0 };
	bool layered;
	int n = 0;

	layered = sscanf(name, "blk.%zu.%n", &layer, &n) == 1 && n > 0;
	if (layered && layer >= c->n_layer)
		return s;
	if (layered)
		base = (char *)&m->layers[layer];
	for (p = 0; p < N_PARTS; p++)
		if (parts_of(c) >> p & 1 && layered == (p >= LAYER_FIRST && p < LAYER_END) &&
		    strcmp(parts[p].name, name + n) == 0)
			break;
	for (; p < N_PARTS && s.n < 3 && parts[p].homes[s.n].rows != ONE; s.n++) {
		const struct home *h = &parts[p].homes[s.n];
		struct slot_part *q = &s.part[s.n];

		*q = (struct slot_part){ .first = at, .rows = length(c, h->rows) };
		if (parts[p].rows == ONE)
			q->v = (void *)(base + h->offset);
		else
			q->w = (void *)(base + h->offset);
		at += q->rows;
	}
	return s;
}

void
slot_bind(const struct slot *s, const struct tensor_spec *t, uint32_t type, const void *data)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct slot_part *p = &s->part[i];

		if (p->w)
			*p->w = (struct weight){ type, p->rows, t->cols, (const char *)data +
				p->first * type_row_bytes(type, t->cols), NULL };
		else
			*p->v = (const float *)data + p->first;
	}
}
