/* The forward pass, for one or many sequences at once.
 *
 * A call takes chunks: each appends some tokens to one sequence's KV cache and asks for the hidden states (after the
 * last norm) of its last `n_out` tokens. Logits are a separate product, so that callers with many positions
 * can take them in pieces. Results of a chunk do not depend on the other chunks of the call. */
#ifndef MODEL_FORWARD_H
#define MODEL_FORWARD_H

#include "base/pool.h"
#include "model/model.h"

/* Keys (rotated) and values of one sequence: [layer][position][n_head_kv*head_dim] f32, grown as needed. */
struct kv {
	float *k, *v;
	size_t n;   /* positions filled */
	size_t cap; /* positions that fit */
};

void kv_release(struct kv *kv);
/* Forget the positions from n on. */
void kv_cut(struct kv *kv, size_t n);
/* dst becomes a copy of src's first n positions. */
int kv_copy(const struct model *m, struct kv *dst, const struct kv *src, size_t n, struct err *e);

struct chunk {
	struct kv *kv;
	const int *tokens;
	size_t n;
	size_t n_out;
};

/* Scratch space, reused between calls; one per thread of callers. */
struct forward;
struct forward *forward_new(const struct model *m, struct pool *p);
void forward_free(struct forward *f);

/* out: (sum of n_out, C), chunk after chunk. The pass picks weight_mul_rows when every chunk has one token, weight_mul
 * otherwise. Token ids out of range and lack of memory are errors; the KV caches are then as before. */
int forward_run(struct forward *f, struct chunk *chunks, size_t n_chunks, float *out, struct err *e);
/* logits (n, V) of n hidden states. `rows`: as for one-token passes (weight_mul_rows). */
void forward_logits(struct forward *f, const float *hidden, size_t n, float *logits, bool rows);

#endif
