/* A model as the forward pass sees it: shapes, weights in the types they have on disk, and its
 * tokenizer. The GGUF file stays mapped; weights point into it. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/arch.h"
#include "model/gguf.h"
#include "tensor/weight.h"
#include "text/tokenizer.h"

struct config {
	const struct arch *arch;
	size_t n_layer;
	size_t n_embd;      /* width of the residual stream, C */
	size_t n_head, n_head_kv;
	size_t head_dim;    /* n_head * head_dim may differ from n_embd */
	size_t n_ff;        /* hidden width of the feed-forward part, F */
	size_t n_vocab;     /* V */
	size_t n_ctx;       /* positions trained on, but those of n_front */
	size_t rope_dim;    /* rotated dimensions of a head; 0 without RoPE */
	float rope_base;
	float norm_eps;
	bool tied;          /* the head is the embedding */
	/* From here on 0 is what most models have. */
	bool parallel;      /* both halves of a layer read its input (Wang and Komatsuzaki 2021) */
	uint32_t optional;  /* of the tensors that the architecture may have, those there */
	float attn_scale;   /* of queries; 0: 1 / sqrt(head_dim) */
	float attn_cap, logit_cap; /* x becomes cap tanh(x / cap) (Gemma 2); 0: it does not */
	size_t window;      /* positions that a query sees, its own included; 0: all */
	size_t window_period; /* the last of every so many layers sees all; 0: none does */
	float rope_base_local; /* RoPE's base in layers with a window; 0: rope_base */
	float rope_linear;  /* divides positions in layers that have rope_base; 0: it does not */
	float rope_scale;   /* cos and sin are multiplied by it (LongRoPE); 0: they are not */
	size_t n_ctx_long;  /* positions that RoPE's other factors would allow (LongRoPE) */
	size_t n_front;     /* positions that a prefix takes of every sequence */
};

/* Keys and values that stand before every sequence, as if tokens were there (prefix-tuning; Li and
 * Liang 2021). RoPE does not turn these keys; the sequence's own positions begin behind them. */
struct prefix {
	size_t n;       /* virtual tokens; 0: none */
	const float *x; /* (n, n_layer, 2, n_head_kv, head_dim): keys, then values */
};
/* A virtual token's keys in a layer (n_head_kv, head_dim), and behind them its values. */
const float *prefix_at(const struct config *c, const struct prefix *p, size_t token, size_t layer);

/* Without a bias or a norm its pointer is NULL, without a gate its data. What the file has fused is
 * split: q, k, v and gate, up may be views of rows of one tensor. */
struct layer {
	const float *attn_norm, *attn_norm_bias;   /* (C) */
	struct weight q, k, v;  /* (n_head*hd, C), (n_head_kv*hd, C) twice */
	const float *q_bias, *k_bias, *v_bias;
	const float *q_norm, *k_norm;              /* (hd), of each head before RoPE */
	struct weight o;        /* (C, n_head*hd) */
	const float *o_bias;
	const float *post_attn_norm;               /* (C), before attention is added */
	const float *ffn_norm, *ffn_norm_bias;     /* (C) */
	struct weight gate, up; /* (F, C) */
	const float *gate_bias, *up_bias;
	struct weight down;     /* (C, F) */
	const float *down_bias;
	const float *post_ffn_norm;                /* (C), before feed-forward is added */
};

struct model {
	struct config c;
	struct weight embed;    /* (V, C) */
	struct weight places;   /* (n_ctx, C), learned positions; without data: none */
	const float *norm, *norm_bias; /* (C), before the head */
	struct weight head;     /* (V, C); the embedding when tied */
	struct layer *layers;
	const float *rope_factors; /* (rope_dim/2), they divide RoPE's frequencies; or NULL */
	struct gguf *file;      /* metadata, and the weights' home */
	struct tokenizer *tok;
	char *path;
	char *label;            /* the path and those of its adapters, for records */
	float *norms;           /* vectors that were not stored as f32, expanded */
	struct adapter *adapters; /* what hangs in the weights (model/adapter.h) */
	struct prefix prefix;   /* of one of them; n is c.n_front */
	struct nf4 *nf4;        /* matrices in four bits (model/nf4.h); or NULL */
};

/* Open a GGUF file with its tokenizer. Shapes, types and hyperparameters are checked. */
struct model *model_open(const char *path, struct err *e);
void model_free(struct model *m);

/* Read and check the hyperparameters of a GGUF file; write them. */
int config_read(struct config *c, const struct gguf *g, struct err *e);
void config_write(const struct config *c, struct gguf_out *o);
/* Parameters, counted from shapes alone. */
size_t config_params(const struct config *c);

/* What feed-forward and the norms of a layer consist of. */
bool config_gated(const struct config *c);
bool config_qk_norm(const struct config *c);
bool config_post_norm(const struct config *c);

/* How the queries of a layer attend: softmax(cap(scale q·k)) over the last `window` positions. */
struct attention {
	float scale;
	float cap;     /* 0: none */
	size_t window; /* 0: all */
};
struct attention config_attention(const struct config *c, size_t layer);
size_t config_window(const struct config *c, size_t layer);
/* What embeddings are multiplied by. */
float config_embed_scale(const struct config *c);

/* Every tensor of the architecture by a table: walk i = 0.. until false. `name` is GGUF's
 * ("blk.3.attn_q.weight"); rows 1 stands for a vector. The head is left out when tied. */
struct tensor_spec {
	char name[64];
	size_t rows, cols;
};
bool config_tensor(const struct config *c, size_t i, struct tensor_spec *t);

/* Where a tensor lies in the model, whose `layers` are there: as a whole at one place, or split
 * along its rows (a vector along its elements) among several, as "blk.3.attn_qkv.weight" is among
 * q, k and v. A place is a matrix's weight or a vector's pointer. */
struct slot {
	size_t n; /* parts; 0: the architecture does not have that tensor */
	struct slot_part {
		struct weight *w;
		const float **v;
		size_t first, rows; /* of the tensor; in a vector, elements */
	} part[3];
};
struct slot model_slot(struct model *m, const char *name);
/* Let a tensor's places be views of data of that type; vectors are f32. */
void slot_bind(const struct slot *s, const struct tensor_spec *t, uint32_t type, const void *data);

/* Tensors that are no parameters (RoPE's factors), put as they are into a file to be written. */
void model_put_constants(const struct model *m, struct gguf_out *o);

/* The tokenizer of a GGUF file (models and vocabulary-only files), and its keys copied. */
struct tokenizer *tokenizer_from_gguf(const struct gguf *g, struct err *e);
void vocab_to_gguf(const struct vocab *v, struct gguf_out *o);
void vocab_copy(const struct gguf *from, struct gguf_out *o);

#endif
