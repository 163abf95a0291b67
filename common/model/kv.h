/* Keys and values of a sequence, as attention reads them. Keys stand in panels of 16 positions: a
 * panel holds one dimension of all 16 after the other, so that a query meets 16 keys at a time.
 * Values stand row by row, padded to whole vectors. Per layer and head, one behind the other. */
#ifndef MODEL_KV_H
#define MODEL_KV_H

#include "model/model.h"

enum { KV_PANEL = 16 };

struct kv {
	float *k;     /* (layers, n_head_kv, cap/16, head_dim, 16), rotated */
	float *v;     /* (layers, n_head_kv, cap, kv_value_width) */
	size_t front; /* positions that the model's prefix fills, before all others */
	size_t n;     /* positions filled behind them */
	size_t cap;   /* positions that fit; a multiple of 16 */
};

/* Room for `need` positions, those of the prefix among them; the filled ones are kept. */
int kv_grow(const struct config *c, struct kv *kv, size_t need, struct err *e);
void kv_release(struct kv *kv);
/* Put the model's prefix into an empty cache that has room for it. */
void kv_begin(const struct model *m, struct kv *kv);
/* Forget the positions from n on. */
void kv_cut(struct kv *kv, size_t n);
/* dst becomes a copy of src's prefix and first n positions. */
int kv_copy(const struct model *m, struct kv *dst, const struct kv *src, size_t n, struct err *e);

/* Floats from one position's values to the next's. */
size_t kv_value_width(const struct config *c);
/* The panels and the values of a head, from position 0 on. */
float *kv_keys(const struct config *c, const struct kv *kv, size_t layer, size_t head);
float *kv_values(const struct config *c, const struct kv *kv, size_t layer, size_t head);
/* Put a position's k and v (n_head_kv, head_dim) where they belong. */
void kv_put(const struct config *c, struct kv *kv, size_t layer, size_t pos, const float *k,
	const float *v);
/* The same the other way. */
void kv_get(const struct config *c, const struct kv *kv, size_t layer, size_t pos, float *k,
	float *v);

#endif
