/* The forward pass of every architecture of model/arch.h, for one or many sequences at once:
 * RMSNorm or LayerNorm, rotary or learned positions, grouped-query attention with a window or
 * without, and a feed-forward part with a gate or without (Llama; Touvron et al. 2023; and its
 * relatives).
 *
 * A call takes chunks: each appends some tokens to one sequence's KV cache, or stands for itself
 * without one, and asks for the hidden states (after the last norm) of its last `n_out` tokens.
 * Logits are a separate product, so that callers with many positions can take them in pieces.
 * Results of a chunk do not depend on the other chunks of the call. */
#ifndef MODEL_FORWARD_H
#define MODEL_FORWARD_H

#include "base/pool.h"
#include "model/kv.h"
#include "model/model.h"

struct chunk {
	struct kv *kv;     /* NULL: a sequence of its own, from position 0, not kept */
	const int *tokens;
	size_t n;
	size_t n_out;
};

/* What one layer computed for M tokens laid end to end, all (M, width). The backward pass starts
 * from these. What an architecture does not have is NULL. */
struct acts {
	float *x;          /* (M, C) the layer's input; behind the last layer, the last norm's */
	float *q, *k, *v;  /* rotated queries and keys, values */
	float *q_raw, *k_raw; /* before their norms and RoPE */
	float *att;        /* (M, n_head*hd) attention's output, before the product with o */
	float *att_out;    /* (M, C) after it, before its norm */
	float *mid;        /* (M, C) x plus attention */
	float *gate, *up;  /* (M, F) before the activation */
	float *ffn_out;    /* (M, C) feed-forward's output before its norm */
};

struct tape {
	struct acts *layers; /* n_layer + 1 */
	float *memory;
	size_t cap;          /* tokens that fit */
	bool inputs;         /* each layer's input alone is kept; the rest is the last one's */
};

/* `inputs`: a fraction of the memory, for which layers are computed once more by forward_again
 * (gradient checkpointing; Chen et al. 2016). */
int tape_init(struct tape *t, const struct config *c, size_t max_tokens, bool inputs,
	struct err *e);
void tape_release(struct tape *t);
/* Bytes that tape_init takes. */
size_t tape_bytes(const struct config *c, size_t max_tokens, bool inputs);

/* Scratch space, reused between calls; one per thread of callers. */
struct forward;
struct forward *forward_new(const struct model *m, struct pool *p);
void forward_free(struct forward *f);

/* out: (sum of n_out, C), chunk after chunk. Token ids out of range, lack of memory and values that
 * are not finite (of a damaged model) are errors; the KV caches are then as before. */
int forward_run(struct forward *f, struct chunk *chunks, size_t n_chunks, float *out,
	struct err *e);
/* The same for tokens that are generated: each is computed as if it came alone, with the same bits
 * whether its chunk has one token or, drafted, several (weight_mul_rows). For few tokens. */
int forward_steps(struct forward *f, struct chunk *chunks, size_t n_chunks, float *out,
	struct err *e);
/* The same over chunks without caches, with every layer's activations kept on the tape. */
int forward_tape(struct forward *f, struct chunk *chunks, size_t n_chunks, struct tape *t,
	float *out, struct err *e);
/* What a layer of the last forward_tape computed, once more, on a tape that keeps inputs alone: the
 * same bits. */
void forward_again(struct forward *f, size_t layer, const struct tape *t);
/* logits (n, V) of n hidden states, capped where the model does so. `steps`: of forward_steps. */
void forward_logits(struct forward *f, const float *hidden, size_t n, float *logits, bool steps);

/* Queries or keys x of `n` heads at position pos turned by RoPE's angles there; sign -1: back by
 * the transposed map. Positions up to those of the last pass only. */
void forward_turn(const struct forward *f, size_t layer, size_t pos, float *x, size_t n,
	float sign);

#endif
