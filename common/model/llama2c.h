/* Models of karpathy's llama2.c: the legacy f32 file, its successors version 1 (f32) and version 2
 * (int8 in groups, expanded to f32 here), and the tokenizer file beside them. Source: export.py and
 * run.c of llama2.c.
 *
 * Their queries and keys are rotated in neighbouring pairs, which is GGUF's llama order too:
 * nothing is permuted. What files do not say is llama2.c's own: RoPE base 10000, epsilon 1e-5. */
#ifndef MODEL_LLAMA2C_H
#define MODEL_LLAMA2C_H

#include "base/err.h"
#include "base/file.h"
#include "model/model.h"

struct llama2c {
	struct config c;
	int version;       /* 0: legacy, 1, 2 */
	size_t group;      /* version 2: values that share a scale */
	struct file_map map;
	float *weights;    /* version 2, expanded; else the weights lie in the map */
};

/* Recognise the file by its content; its size must be, to the byte, what its header asks for. */
int llama2c_open(struct llama2c *f, const char *path, struct err *e);
void llama2c_release(struct llama2c *f);
/* Hyperparameters and F32 tensors into `o`; `f` must live until gguf_save. */
int llama2c_put(struct llama2c *f, struct gguf_out *o, struct err *e);
/* The tokenizer file, of exactly n_vocab pieces, as a "llama" vocabulary into `o`. */
int llama2c_put_vocab(const char *path, size_t n_vocab, struct gguf_out *o, struct err *e);

#endif
