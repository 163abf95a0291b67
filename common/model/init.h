/* A model to begin training with: random weights of a given shape.
 *
 * Matrices are normal with deviation 0.02, the two that write into the residual stream
 * (attn_output, ffn_down) with 0.02 / sqrt(2 * n_layer), so that its variance does not grow with
 * depth (GPT-2's recipe); norms are 1. The same seed gives the same bytes. */
#ifndef MODEL_INIT_H
#define MODEL_INIT_H

#include "model/model.h"

/* Put hyperparameters and F32 weights of shape `c` into `o`. *weights holds the tensors' data:
 * free() it after gguf_save. */
int init_model(
	const struct config *c, uint64_t seed, struct gguf_out *o, float **weights, struct err *e);

#endif
