/* What is trained: f32 masters, their gradients and AdamW's moments, each in one allocation, and
 * views of them as models. Three kinds:
 *
 * A model's tensors, all or some, in the order of config_tensor. `view` is what the forward pass
 * runs on: its trained matrices are bf16 copies of the masters where the CPU has bf16 products, the
 * masters themselves elsewhere; trained norms are always the masters; all else is as it lies in its
 * file. `grad` has the gradients in the same places, and nothing elsewhere.
 *
 * An adapter (LoRA), a and b of each part one after the other. `view` is the model as it lies in
 * its file, in the types it has there (QLoRA, where it is quantized), with the masters hung into
 * its weights; `grad` has no weights, and the gradients are hung into their places.
 *
 * A prefix, likewise: its numbers or, with a network before it (train/prefix.h), the network's. */
#ifndef TRAIN_PARAMS_H
#define TRAIN_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"
#include "base/pool.h"
#include "model/adapter.h"
#include "tensor/kernels.h"
#include "train/prefix.h"

/* Masters that AdamW updates alike: a tensor, or all of an adapter. */
struct span {
	struct tensor_spec t;
	size_t at, n;
	bool decays; /* weight decay: on matrices, not on vectors */
};

struct params {
	struct config c;
	const struct model *from; /* what was copied; must outlive this */
	size_t n;            /* parameters */
	float *w, *g, *m, *v; /* (n) each */
	uint16_t *half;      /* (n), or NULL for f32 products */
	struct model view, grad;
	struct span *spans;  /* all masters */
	size_t n_spans;
	/* of an adapter */
	struct adapter *adapter; /* NULL: the model's own tensors are trained */
	struct lora *loras;      /* hung into view, then those into grad */
	struct lora_dropout dropout; /* of all of them; p is 0 at first */
	struct prefix_mlp mlp;   /* width 0: none */
};

/* Copy the model's weights, expanded to f32, or those of an adapter, which is neither attached nor
 * owned. Of the model's those whose names one of the patterns `only` matches (glob(7): "*attn_q*");
 * NULL or none: all. `bf16` asks for bf16 products. `p` must not be moved afterwards. */
int params_init(struct params *p, const struct model *m, struct adapter *adapter,
	const struct opt_list *only, bool bf16, struct err *e);
void params_release(struct params *p);
/* Every pattern must match a tensor: otherwise an error that names those that don't. */
int params_check(const struct config *c, const struct opt_list *only, struct err *e);
/* Parameters: of those of a model's tensors; of an adapter. */
size_t params_of_model(const struct config *c, const struct opt_list *only);
size_t params_of_adapter(const struct config *c, const struct adapter *a);
/* Bytes that params_init takes. */
size_t params_bytes(const struct config *c, const struct adapter *a, const struct opt_list *only,
	bool bf16);
/* The masters changed: bring what is made of them up to date, bf16 copies or a prefix. */
void params_refresh(struct params *p, struct pool *pool);
/* After the last backward pass: the gradients of what is made of masters become theirs. */
void params_collect(struct params *p, struct pool *pool);
/* Euclidean norm of all gradients. */
double params_grad_norm(const struct params *p, struct pool *pool);
/* One AdamW update, then params_refresh. */
void params_update(struct params *p, const struct adamw *a, struct pool *pool);
/* Put all of the model into a file to be written: the masters as F32 tensors, what was not trained
 * as it is. They must live until it is saved. */
void params_put(const struct params *p, struct gguf_out *o);
/* Put the masters into the adapter. */
void params_to_adapter(struct params *p);

#endif
