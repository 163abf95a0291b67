/* What is trained: f32 masters, their gradients and AdamW's moments, each in one allocation, and
 * views of them as models. Two kinds:
 *
 * All of a model, in the order of config_tensor. `view` is what the forward pass runs on: its
 * matrices are bf16 copies of the masters where the CPU has bf16 products, the masters themselves
 * elsewhere; norms are always the masters. `grad` has the gradients in the same places.
 *
 * An adapter (LoRA), a and b of each part one after the other. `view` is the model as it lies in
 * its file, in the types it has there (QLoRA, where it is quantized), with the masters hung into
 * its weights; `grad` has no weights, and the gradients are hung into their places. */
#ifndef TRAIN_PARAMS_H
#define TRAIN_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "model/adapter.h"
#include "tensor/kernels.h"

struct params {
	struct config c;
	const struct model *from; /* what was copied; must outlive this */
	size_t n;            /* parameters */
	float *w, *g, *m, *v; /* (n) each */
	uint16_t *half;      /* (n), or NULL for f32 products */
	bool *frozen;        /* of each tensor, in their order; NULL: none is */
	struct model view, grad;
	/* of an adapter */
	struct adapter *adapter; /* NULL: all of the model is trained */
	struct lora *loras;      /* hung into view, then those into grad */
	struct lora_dropout dropout; /* of all of them; p is 0 at first */
};

/* Copy the model's weights, expanded to f32, or those of an adapter, which is neither attached nor
 * owned. `bf16` asks for bf16 products. `p` must not be moved afterwards. */
int params_init(struct params *p, const struct model *m, struct adapter *adapter, bool bf16,
	struct err *e);
void params_release(struct params *p);
/* Of a whole model, train the tensors alone whose names match one of the patterns, as file names do
 * in a shell ("blk.*.attn_q.weight"). A pattern that matches none is an error. */
int params_train_only(struct params *p, const char *const *patterns, size_t n, struct err *e);
/* Forget the gradients of the others. */
void params_drop_frozen(struct params *p);
/* Parameters of an adapter. */
size_t params_of_adapter(const struct adapter *a);
/* Bytes that params_init takes for a model of that shape, or for its adapter. */
size_t params_bytes(const struct config *c, const struct adapter *a, bool bf16);
/* The masters changed: bring the bf16 copies up to date. */
void params_refresh(struct params *p, struct pool *pool);
/* Euclidean norm of all gradients. */
double params_grad_norm(const struct params *p, struct pool *pool);
/* One AdamW update, weight decay on matrices alone; then params_refresh. */
void params_update(struct params *p, const struct adamw *a, struct pool *pool);
/* Put the masters into a file to be written, as F32 tensors, and what of the model is no parameter.
 * They must live until it is saved. */
void params_put(const struct params *p, struct gguf_out *o);
/* Put the masters into the adapter. */
void params_to_adapter(const struct params *p);

#endif
