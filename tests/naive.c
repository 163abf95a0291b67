#include "naive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/types.h"

void
naive_product(const real *x, const real *w, size_t m, size_t n, size_t k, real *y)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			real sum = 0;

			for (size_t l = 0; l < k; l++)
				sum += x[i * k + l] * w[j * k + l];
			y[i * n + j] = sum;
		}
}

void
naive_rmsnorm(const real *x, const real *w, size_t n, real eps, real *out)
{
	real squares = 0;

	for (size_t i = 0; i < n; i++)
		squares += x[i] * x[i];
	for (size_t i = 0; i < n; i++)
		out[i] = x[i] / sqrt(squares / (real)n + eps) * w[i];
}

void
naive_layernorm(const real *x, const real *w, const real *b, size_t n, real eps, real *out)
{
	real mean = 0, variance = 0;

	for (size_t i = 0; i < n; i++)
		mean += x[i] / (real)n;
	for (size_t i = 0; i < n; i++)
		variance += (x[i] - mean) * (x[i] - mean) / (real)n;
	for (size_t i = 0; i < n; i++)
		out[i] = (x[i] - mean) / sqrt(variance + eps) * w[i] + b[i];
}

void
naive_turn(real *a, real *b, real angle)
{
	real x = *a, y = *b;

	*a = x * cos(angle) - y * sin(angle);
	*b = x * sin(angle) + y * cos(angle);
}

/* The largest is taken away first: exp would overflow, and the result is the same. */
real
naive_logsumexp(const real *x, size_t n)
{
	real top = x[0], sum = 0;

	for (size_t i = 1; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (size_t i = 0; i < n; i++)
		sum += exp(x[i] - top);
	return top + log(sum);
}

void
naive_softmax(real *x, size_t n)
{
	real lse = naive_logsumexp(x, n);

	for (size_t i = 0; i < n; i++)
		x[i] = exp(x[i] - lse);
}

real
naive_cross_entropy(const real *logits, size_t n, size_t target)
{
	return naive_logsumexp(logits, n) - logits[target];
}

real
naive_activation(enum activation f, real x)
{
	const real pi = acos(-1);

	switch (f) {
	case ACT_SILU: return x / (1 + exp(-x));
	case ACT_GELU: return x * (1 + erf(x / sqrt(2))) / 2;
	case ACT_GELU_TANH:
		return x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))) / 2;
	default: abort();
	}
}

void
naive_attention(const struct attention *a, const real *q, const real *k, const real *v, size_t n,
	size_t hd, size_t q_stride, size_t kv_stride, real *out)
{
	real *p = mem_alloc(n, sizeof *p);

	for (size_t i = 0; i < n; i++) {
		size_t first = a->window > 0 && i >= a->window ? i - a->window + 1 : 0;

		for (size_t j = first; j <= i; j++) {
			real dot = 0;

			for (size_t d = 0; d < hd; d++)
				dot += q[i * q_stride + d] * k[j * kv_stride + d];
			p[j] = dot * a->scale;
			if (a->cap > 0)
				p[j] = a->cap * tanh(p[j] / a->cap);
		}
		naive_softmax(p + first, i + 1 - first);
		for (size_t d = 0; d < hd; d++) {
			real sum = 0;

			for (size_t j = first; j <= i; j++)
				sum += p[j] * v[j * kv_stride + d];
			out[i * q_stride + d] = sum;
		}
	}
	free(p);
}

size_t
naive_place(const struct config *c, const char *name)
{
	struct tensor_spec s;
	size_t at = 0;

	for (size_t i = 0; config_tensor(c, i, &s); i++) {
		if (strcmp(s.name, name) == 0)
			return at;
		at += s.rows * s.cols;
	}
	fprintf(stderr, "no tensor %s\n", name);
	abort();
}

enum { MOST_TENSORS = 256 };

/* A model under way, and the layer of it. */
struct pass {
	const struct config *c;
	const float *factors;
	const real *prefix;
	size_t layer, n, front; /* n: tokens; front: places before them */
	size_t n_tensors;
	struct {
		struct tensor_spec spec;
		const real *data;
	} tensors[MOST_TENSORS];
};

static void
list_tensors(struct pass *p, const real *w)
{
	struct tensor_spec s;

	for (size_t i = 0; config_tensor(p->c, i, &s); i++) {
		if (i == MOST_TENSORS)
			abort();
		p->tensors[i].spec = s;
		p->tensors[i].data = w;
		p->n_tensors++;
		w += s.rows * s.cols;
	}
}

/* A tensor by its full name, or by that within the layer ("attn_q.weight"); NULL when there is
 * none. */
static const real *
tensor(const struct pass *p, const char *name)
{
	for (size_t i = 0; i < p->n_tensors; i++)
		if (strcmp(p->tensors[i].spec.name, name) == 0)
			return p->tensors[i].data;
	return NULL;
}

static const real *
find(const struct pass *p, const char *name)
{
	char full[64];

	snprintf(full, sizeof full, "blk.%zu.%s", p->layer, name);
	return tensor(p, full);
}

/* The same, or what begins `skip` numbers into the tensor that it is fused in. */
static const real *
find_in(const struct pass *p, const char *name, const char *fused, size_t skip)
{
	const real *all = find(p, fused);

	return all ? all + skip : find(p, name);
}

/* y (n,N) = x (n,K) · wᵀ + b */
static void
linear(const struct pass *p, const real *x, const real *w, const real *b, size_t rows, size_t cols,
	real *y)
{
	naive_product(x, w, p->n, rows, cols, y);
	for (size_t i = 0; b && i < p->n * rows; i++)
		y[i] += b[i % rows];
}

/* Every `width` numbers of x (count, width) by the architecture's norm; out may be x. */
static void
normalize(const struct config *c, const real *x, const real *w, const real *b, size_t count,
	size_t width, real *out)
{
	for (size_t i = 0; i < count * width; i += width)
		if (c->arch->norm == NORM_LAYER)
			naive_layernorm(x + i, w, b, width, c->norm_eps, out + i);
		else
			naive_rmsnorm(x + i, w, width, c->norm_eps, out + i);
}

/* One head's query or key at a position. */
static void
rotate(const struct pass *p, bool local, size_t pos, real *x)
{
	const struct config *c = p->c;
	size_t half = c->rope_dim / 2;

	for (size_t i = 0; i < half; i++) {
		real base = local ? c->rope_base_local : c->rope_base;
		real angle = (real)pos * pow(base, -2.0 * (real)i / (real)c->rope_dim);
		real *a = c->arch->rope == ROPE_PAIRS ? x + 2 * i : x + i;
		real *b = c->arch->rope == ROPE_PAIRS ? x + 2 * i + 1 : x + i + half;

		if (!local && c->rope_linear > 0)
			angle /= c->rope_linear;
		if (p->factors)
			angle /= p->factors[i];
		naive_turn(a, b, angle);
		if (c->rope_scale > 0) {
			*a *= c->rope_scale;
			*b *= c->rope_scale;
		}
	}
}

/* out (n, C) = attention of x (n, C), which has gone through its norm */
static void
attention(const struct pass *p, const real *x, real *out)
{
	const struct config *c = p->c;
	size_t n = p->n, all = p->front + n, width = c->n_embd, hd = c->head_dim;
	size_t heads = c->n_head * hd, kv = c->n_head_kv * hd;
	/* of every place; queries of the prefix's are 0, and what they see is not looked at */
	real *qs = mem_alloc(all * heads, sizeof *qs), *atts = mem_alloc(all * heads, sizeof *atts);
	real *ks = mem_alloc(all * kv, sizeof *ks), *vs = mem_alloc(all * kv, sizeof *vs);
	real *q = qs + p->front * heads, *k = ks + p->front * kv, *v = vs + p->front * kv;
	real *att = atts + p->front * heads;
	bool last = c->window_period > 1 && p->layer % c->window_period == c->window_period - 1;
	size_t window = last ? 0 : c->window;
	bool local = window > 0 && c->rope_base_local > 0;
	struct attention how = { c->attn_scale > 0 ? c->attn_scale : 1 / sqrtf((float)hd),
		c->attn_cap, window };

	linear(p, x, find_in(p, "attn_q.weight", "attn_qkv.weight", 0),
		find_in(p, "attn_q.bias", "attn_qkv.bias", 0), heads, width, q);
	linear(p, x, find_in(p, "attn_k.weight", "attn_qkv.weight", heads * width),
		find_in(p, "attn_k.bias", "attn_qkv.bias", heads), kv, width, k);
	linear(p, x, find_in(p, "attn_v.weight", "attn_qkv.weight", (heads + kv) * width),
		find_in(p, "attn_v.bias", "attn_qkv.bias", heads + kv), kv, width, v);
	if (find(p, "attn_q_norm.weight")) {
		normalize(c, q, find(p, "attn_q_norm.weight"), NULL, n * c->n_head, hd, q);
		normalize(c, k, find(p, "attn_k_norm.weight"), NULL, n * c->n_head_kv, hd, k);
	}
	for (size_t i = 0; c->arch->rope != ROPE_NONE && i < n; i++) {
		for (size_t h = 0; h < c->n_head; h++)
			rotate(p, local, p->front + i, q + i * heads + h * hd);
		for (size_t h = 0; h < c->n_head_kv; h++)
			rotate(p, local, p->front + i, k + i * kv + h * hd);
	}
	for (size_t i = 0; i < p->front; i++) {
		const real *at = p->prefix + (i * c->n_layer + p->layer) * 2 * kv;

		memcpy(ks + i * kv, at, kv * sizeof *at);
		memcpy(vs + i * kv, at + kv, kv * sizeof *at);
	}
	for (size_t h = 0; h < c->n_head; h++) {
		size_t shared = h * c->n_head_kv / c->n_head; /* its group's keys and values */

		naive_attention(&how, qs + h * hd, ks + shared * hd, vs + shared * hd, all, hd,
			heads, kv, atts + h * hd);
	}
	linear(p, att, find(p, "attn_output.weight"), find(p, "attn_output.bias"), width, heads,
		out);
	free(qs);
	free(atts);
	free(ks);
	free(vs);
}

/* out (n, C) = feed-forward of x (n, C), which has gone through its norm */
static void
feed_forward(const struct pass *p, const real *x, real *out)
{
	const struct config *c = p->c;
	size_t width = c->n_embd, count = p->n * c->n_ff;
	real *gate = mem_alloc(count, sizeof *gate), *up = mem_alloc(count, sizeof *up);
	bool fused = c->arch == &archs[ARCH_PHI3]; /* gate and up are one tensor */
	const real *wup = find(p, "ffn_up.weight");
	const real *wgate = fused ? wup : find(p, "ffn_gate.weight");

	linear(p, x, fused ? wup + c->n_ff * width : wup, find(p, "ffn_up.bias"), c->n_ff, width,
		up);
	if (wgate) {
		linear(p, x, wgate, find(p, "ffn_gate.bias"), c->n_ff, width, gate);
		for (size_t i = 0; i < count; i++)
			up[i] *= naive_activation(c->arch->act, gate[i]);
	} else {
		for (size_t i = 0; i < count; i++)
			up[i] = naive_activation(c->arch->act, up[i]);
	}
	linear(p, up, find(p, "ffn_down.weight"), find(p, "ffn_down.bias"), width, c->n_ff, out);
	free(gate);
	free(up);
}

/* One layer, in place on the residual stream x (n, C): x += attention(norm(x)), then x +=
 * feed_forward(norm(x)); or both of the same x, where they stand in parallel. */
static void
layer_pass(const struct pass *p, real *x)
{
	const struct config *c = p->c;
	size_t width = c->n_embd, count = p->n * width;
	real *norm = mem_alloc(count, sizeof *norm), *add = mem_alloc(count, sizeof *add);
	real *was = mem_alloc(count, sizeof *was);

	memcpy(was, x, count * sizeof *x);
	normalize(c, x, find(p, "attn_norm.weight"), find(p, "attn_norm.bias"), p->n, width, norm);
	attention(p, norm, add);
	if (find(p, "post_attention_norm.weight"))
		normalize(c, add, find(p, "post_attention_norm.weight"), NULL, p->n, width, add);
	for (size_t i = 0; i < count; i++)
		x[i] += add[i];

	normalize(c, c->parallel ? was : x, find(p, "ffn_norm.weight"), find(p, "ffn_norm.bias"),
		p->n, width, norm);
	feed_forward(p, norm, add);
	if (find(p, "post_ffw_norm.weight"))
		normalize(c, add, find(p, "post_ffw_norm.weight"), NULL, p->n, width, add);
	for (size_t i = 0; i < count; i++)
		x[i] += add[i];
	free(norm);
	free(add);
	free(was);
}

static void
hidden_behind(const struct config *c, const float *factors, const real *w, const real *prefix,
	const int *ids, size_t n, real *hidden)
{
	struct pass p = { .c = c, .factors = factors, .prefix = prefix, .n = n,
		.front = c->n_front };
	const real *embed, *places;
	size_t width = c->n_embd;

	list_tensors(&p, w);
	embed = tensor(&p, "token_embd.weight");
	places = tensor(&p, "position_embd.weight");
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < width; j++) {
			real *x = &hidden[i * width + j];

			*x = embed[(size_t)ids[i] * width + j];
			if (c->arch->scaled_embedding)
				*x *= sqrt((real)width);
			if (places)
				*x += places[(p.front + i) * width + j];
		}
	for (; p.layer < c->n_layer; p.layer++)
		layer_pass(&p, hidden);
	normalize(c, hidden, tensor(&p, "output_norm.weight"), tensor(&p, "output_norm.bias"), n,
		width, hidden);
}

void
naive_hidden(const struct config *c, const float *factors, const real *w, const int *ids, size_t n,
	real *hidden)
{
	hidden_behind(c, factors, w, NULL, ids, n, hidden);
}

void
naive_logits(const struct config *c, const real *w, const real *hidden, size_t n, real *logits)
{
	const char *head = c->tied ? "token_embd.weight" : "output.weight";

	naive_product(hidden, w + naive_place(c, head), n, c->n_vocab, c->n_embd, logits);
	for (size_t i = 0; c->logit_cap > 0 && i < n * c->n_vocab; i++)
		logits[i] = c->logit_cap * tanh(logits[i] / c->logit_cap);
}

real
naive_loss_behind(const struct config *c, const float *factors, const real *w, const real *prefix,
	const int *ids, size_t n, size_t loss_from)
{
	size_t targets = n - loss_from;
	real *hidden = mem_alloc(n * c->n_embd, sizeof *hidden);
	real *logits = mem_alloc(targets * c->n_vocab, sizeof *logits), loss = 0;

	/* the last token is only a target, and the state before each target gives its logits */
	hidden_behind(c, factors, w, prefix, ids, n - 1, hidden);
	naive_logits(c, w, hidden + (loss_from - 1) * c->n_embd, targets, logits);
	for (size_t i = 0; i < targets; i++)
		loss += naive_cross_entropy(logits + i * c->n_vocab, c->n_vocab,
			(size_t)ids[loss_from + i]);
	free(hidden);
	free(logits);
	return loss;
}

real
naive_loss(const struct config *c, const float *factors, const real *w, const int *ids, size_t n,
	size_t loss_from)
{
	return naive_loss_behind(c, factors, w, NULL, ids, n, loss_from);
}

real
naive_slope(real (*f)(void *arg), void *arg, real *x)
{
	const real h = 1e-5, was = *x;
	real up, down;

	*x = was + h;
	up = f(arg);
	*x = was - h;
	down = f(arg);
	*x = was;
	return (up - down) / (2 * h);
}

void
random_floats(float *x, size_t n, float deviation, uint64_t seed)
{
	struct rng r;

	rng_seed(&r, seed);
	for (size_t i = 0; i < n; i++)
		x[i] = deviation * (float)rng_normal(&r);
}

real *
reals(const float *x, size_t n)
{
	real *out = mem_alloc(n, sizeof *out);

	for (size_t i = 0; i < n; i++)
		out[i] = (real)x[i];
	return out;
}

real
distance(const float *got, const real *want, size_t n)
{
	real worst = 0, largest = 0;

	for (size_t i = 0; i < n; i++) {
		real d = fabs((real)got[i] - want[i]);

		if (isnan(d))
			return d;
		worst = d > worst ? d : worst;
		largest = fabs(want[i]) > largest ? fabs(want[i]) : largest;
	}
	return largest > 0 ? worst / largest : worst;
}

void
bind_model(struct model *m, const struct config *c, const float *w)
{
	struct tensor_spec s;

	*m = (struct model){ .c = *c };
	m->layers = mem_alloc(c->n_layer, sizeof *m->layers);
	for (size_t i = 0; config_tensor(c, i, &s); i++) {
		struct slot slot = model_slot(m, s.name);

		slot_bind(&slot, &s, TYPE_F32, w);
		w += s.rows * s.cols;
	}
	if (c->tied)
		m->head = m->embed;
}

float *
random_weights(const struct config *c, uint64_t seed)
{
	float *w = mem_try(config_params(c), sizeof *w), *at = w;
	struct tensor_spec s;

	if (!w)
		mem_out();
	for (size_t i = 0; config_tensor(c, i, &s); i++) {
		random_floats(at, s.rows * s.cols, s.rows == 1 ? 0.2f : 1 / sqrtf((float)s.cols),
			seed + i);
		for (size_t j = 0; strstr(s.name, "norm.weight") && j < s.cols; j++)
			at[j] += 1;
		at += s.rows * s.cols;
	}
	return w;
}

static const float factors[] = { 1, 1.5f, 2.5f, 8 };

#define SHAPE(arch_id, layers) .arch = &archs[arch_id], .n_layer = (layers), .n_embd = 24, \
	.n_head = 4, .n_ff = 40, .n_vocab = 50, .n_ctx = 320, .head_dim = 8, .norm_eps = 1e-5f
#define ROPE .rope_dim = 8, .rope_base = 10000

const struct kind kinds[N_KINDS] = {
	{ "llama", { SHAPE(ARCH_LLAMA, 2), ROPE, .n_head_kv = 2 }, NULL },
	{ "llama with RoPE's factors", { SHAPE(ARCH_LLAMA, 2), ROPE, .n_head_kv = 1,
		.tied = true }, factors },
	{ "llama with a window and biases", { SHAPE(ARCH_LLAMA, 2), ROPE, .n_head_kv = 2,
		.window = 7, .optional = UINT32_MAX }, NULL },
	{ "llama with linear scaling", { SHAPE(ARCH_LLAMA, 1), ROPE, .n_head_kv = 4,
		.rope_linear = 4 }, NULL },
	{ "qwen2", { SHAPE(ARCH_QWEN2, 2), ROPE, .n_head_kv = 2, .tied = true }, NULL },
	{ "qwen3", { SHAPE(ARCH_QWEN3, 2), ROPE, .n_head_kv = 2 }, NULL },
	{ "gpt2", { SHAPE(ARCH_GPT2, 2), .n_head_kv = 4, .tied = true }, NULL },
	{ "gptneox", { SHAPE(ARCH_GPTNEOX, 2), .n_head_kv = 4, .rope_dim = 4, .rope_base = 10000,
		.parallel = true }, NULL },
	{ "gptneox, one half behind the other", { SHAPE(ARCH_GPTNEOX, 2), .n_head_kv = 4,
		.rope_dim = 2, .rope_base = 10000 }, NULL },
	{ "gemma", { SHAPE(ARCH_GEMMA, 2), ROPE, .n_head_kv = 1, .tied = true }, NULL },
	{ "gemma2", { SHAPE(ARCH_GEMMA2, 3), ROPE, .n_head_kv = 2, .tied = true, .window = 5,
		.window_period = 2, .attn_cap = 2, .logit_cap = 3, .attn_scale = 0.5f }, NULL },
	{ "gemma3", { SHAPE(ARCH_GEMMA3, 3), .rope_dim = 8, .rope_base = 1e6f, .n_head_kv = 2,
		.tied = true, .window = 70, .window_period = 3, .rope_base_local = 100,
		.rope_linear = 8 }, NULL },
	{ "phi3", { SHAPE(ARCH_PHI3, 2), ROPE, .n_head_kv = 2, .window = 33, .rope_scale = 1.2f,
		.n_ctx_long = 1000 }, factors },
	{ "phi3, a part of each head turned", { SHAPE(ARCH_PHI3, 1), .n_head_kv = 4,
		.rope_dim = 6, .rope_base = 1000, .tied = true }, NULL },
};
