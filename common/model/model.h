/* A model as the forward pass sees it: shapes, weights in the types they have on disk, and its
 * tokenizer. The GGUF file stays mapped; weights point into it. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/gguf.h"
#include "tensor/weight.h"
#include "text/tokenizer.h"

struct config {
	char arch[32];      /* "llama" */
	size_t n_layer;
	size_t n_embd;      /* width of the residual stream, C */
	size_t n_head, n_head_kv;
	size_t head_dim;    /* n_head * head_dim may differ from n_embd */
	size_t n_ff;        /* hidden width of SwiGLU, F */
	size_t n_vocab;     /* V */
	size_t n_ctx;       /* positions trained on */
	size_t rope_dim;    /* rotated dimensions of a head, in neighbouring pairs (GGUF's order) */
	float rope_base;
	float norm_eps;
	bool tied;          /* the head is the embedding */
};

struct layer {
	const float *attn_norm; /* (C) */
	struct weight q, k, v;  /* (n_head*hd, C), (n_head_kv*hd, C) twice */
	struct weight o;        /* (C, n_head*hd) */
	const float *ffn_norm;  /* (C) */
	struct weight gate, up; /* (F, C) */
	struct weight down;     /* (C, F) */
};

struct model {
	struct config c;
	struct weight embed;    /* (V, C) */
	const float *norm;      /* (C), before the head */
	struct weight head;     /* (V, C); the embedding when tied */
	struct layer *layers;
	struct gguf *file;      /* metadata, and the weights' home */
	struct tokenizer *tok;
	char *path;
	float *norms;           /* norms that were not stored as f32, expanded */
};

/* Open a GGUF file with its tokenizer. Shapes, types and hyperparameters are checked. */
struct model *model_open(const char *path, struct err *e);
void model_free(struct model *m);

/* Read and check the hyperparameters of a GGUF file; write them. */
int config_read(struct config *c, const struct gguf *g, struct err *e);
void config_write(const struct config *c, struct gguf_out *o);
/* Parameters, counted from shapes alone. */
size_t config_params(const struct config *c);

/* Every tensor of the architecture by a table: walk i = 0.. until false. `name` is GGUF's
 * ("blk.3.attn_q.weight"); rows 1 stands for a vector. The head is left out when tied. */
struct tensor_spec {
	char name[64];
	size_t rows, cols;
};
bool config_tensor(const struct config *c, size_t i, struct tensor_spec *t);

/* The place of a tensor of that name in the model, whose `layers` are there: a matrix's weight or
 * a vector's pointer; both NULL for a name that the architecture does not have. */
struct slot {
	struct weight *w;
	const float **v;
};
struct slot model_slot(struct model *m, const char *name);

/* The tokenizer of a GGUF file (models and vocabulary-only files), and its keys copied. */
struct tokenizer *tokenizer_from_gguf(const struct gguf *g, struct err *e);
void vocab_to_gguf(const struct vocab *v, struct gguf_out *o);
void vocab_copy(const struct gguf *from, struct gguf_out *o);

#endif
