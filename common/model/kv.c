#include "model/kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static size_t
whole(size_t n)
{
	return (n + KV_PANEL - 1) / KV_PANEL * KV_PANEL;
}

size_t
kv_value_width(const struct config *c)
{
	return whole(c->head_dim);
}

float *
kv_keys(const struct config *c, const struct kv *kv, size_t layer, size_t head)
{
	return kv->k + (layer * c->n_head_kv + head) * kv->cap * c->head_dim;
}

float *
kv_values(const struct config *c, const struct kv *kv, size_t layer, size_t head)
{
	return kv->v + (layer * c->n_head_kv + head) * kv->cap * kv_value_width(c);
}

void
kv_put(const struct config *c, struct kv *kv, size_t layer, size_t pos, const float *k,
	const float *v)
{
	size_t hd = c->head_dim, width = kv_value_width(c);

	for (size_t h = 0; h < c->n_head_kv; h++) {
		float *panel = kv_keys(c, kv, layer, h) + pos / KV_PANEL * KV_PANEL * hd;
		float *values = kv_values(c, kv, layer, h) + pos * width;

		for (size_t d = 0; d < hd; d++)
			panel[d * KV_PANEL + pos % KV_PANEL] = k[h * hd + d];
		memcpy(values, v + h * hd, hd * sizeof *v);
		memset(values + hd, 0, (width - hd) * sizeof *v);
	}
}

void
kv_get(const struct config *c, const struct kv *kv, size_t layer, size_t pos, float *k, float *v)
{
	size_t hd = c->head_dim, width = kv_value_width(c);

	for (size_t h = 0; h < c->n_head_kv; h++) {
		const float *panel = kv_keys(c, kv, layer, h) + pos / KV_PANEL * KV_PANEL * hd;

		for (size_t d = 0; d < hd; d++)
			k[h * hd + d] = panel[d * KV_PANEL + pos % KV_PANEL];
		memcpy(v + h * hd, kv_values(c, kv, layer, h) + pos * width, hd * sizeof *v);
	}
}

const float *
prefix_at(const struct config *c, const struct prefix *p, size_t token, size_t layer)
{
	return p->x + (token * c->n_layer + layer) * 2 * c->n_head_kv * c->head_dim;
}

void
kv_begin(const struct model *m, struct kv *kv)
{
	const struct config *c = &m->c;

	for (size_t layer = 0; layer < c->n_layer; layer++)
		for (size_t t = 0; t < m->prefix.n; t++) {
			const float *k = prefix_at(c, &m->prefix, t, layer);

			kv_put(c, kv, layer, t, k, k + c->n_head_kv * c->head_dim);
		}
	kv->front = m->prefix.n;
}

void
kv_release(struct kv *kv)
{
	free(kv->k);
	free(kv->v);
	*kv = (struct kv){ 0 };
}

void
kv_cut(struct kv *kv, size_t n)
{
	if (n < kv->n)
		kv->n = n;
}

/* The first n positions of every head. */
static void
move(const struct config *c, struct kv *dst, const struct kv *src, size_t n)
{
	size_t keys = whole(n) * c->head_dim, values = n * kv_value_width(c);

	for (size_t l = 0; l < c->n_layer && n > 0; l++)
		for (size_t h = 0; h < c->n_head_kv; h++) {
			memcpy(kv_keys(c, dst, l, h), kv_keys(c, src, l, h), keys * sizeof *dst->k);
			memcpy(kv_values(c, dst, l, h), kv_values(c, src, l, h),
				values * sizeof *dst->v);
		}
}

int
kv_grow(const struct config *c, struct kv *kv, size_t need, struct err *e)
{
	size_t heads = c->n_layer * c->n_head_kv, cap = kv->cap + kv->cap / 2, keys, values;
	struct kv grown = { .front = kv->front, .n = kv->n };

	if (need <= kv->cap)
		return 0;
	cap = whole(cap > need ? cap : need);
	if (!mem_mul(heads * c->head_dim, cap, &keys) ||
		!mem_mul(heads * kv_value_width(c), cap, &values))
		return err_set(e, "a KV cache of %zu positions is too large", cap);
	grown.cap = cap;
	grown.k = mem_try(keys, sizeof *grown.k);
	grown.v = mem_try(values, sizeof *grown.v);
	if (!grown.k || !grown.v) {
		kv_release(&grown);
		return err_set(e, "not enough memory for a KV cache of %zu positions", cap);
	}
	move(c, &grown, kv, kv->front + kv->n);
	kv_release(kv);
	*kv = grown;
	return 0;
}

int
kv_copy(const struct model *m, struct kv *dst, const struct kv *src, size_t n, struct err *e)
{
	dst->front = dst->n = 0;
	if (kv_grow(&m->c, dst, src->front + n, e) < 0)
		return -1;
	move(&m->c, dst, src, src->front + n);
	dst->front = src->front;
	dst->n = n;
	return 0;
}
