#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "model/gguf.h"
#include "tensor/types.h"

static const char *const names[] = { "train.weights", "train.moment1", "train.moment2" };

int
checkpoint_save(const char *path, const struct trainer *t, const struct progress_state *s, const char *options,
	struct err *e)
{
	struct gguf_out *o = gguf_out_new();
	const float *data[] = { t->p.w, t->p.m, t->p.v };
	uint64_t n = t->p.n, best;
	int status;

	memcpy(&best, &s->best, sizeof best);
	gguf_put_str(o, "general.architecture", "sr-checkpoint", strlen("sr-checkpoint"));
	gguf_put_str(o, "train.options", options, strlen(options));
	gguf_put_u64(o, "train.step", t->step);
	gguf_put_u64(o, "train.records", s->records);
	gguf_put_u64(o, "train.hash", s->hash >> 1); /* readers take signed numbers */
	gguf_put_u64(o, "train.best_bits", best);
	gguf_put_u64(o, "train.bad", s->bad);
	gguf_put_u64(o, "train.tokens", s->tokens);
	for (size_t i = 0; i < 3; i++)
		gguf_put_tensor(o, names[i], TYPE_F32, 1, &n, data[i]);
	status = gguf_save(o, path, e);
	gguf_out_free(o);
	return status;
}

static int
load(struct gguf *g, struct trainer *t, struct progress_state *s, const char *options, struct err *e)
{
	float *data[] = { t->p.w, t->p.m, t->p.v };
	const char *keys[] = { "train.step", "train.records", "train.hash", "train.best_bits", "train.bad",
		"train.tokens" };
	uint64_t values[6];
	const char *was;
	size_t len;

	was = gguf_str(g, "train.options", &len);
	if (!was)
		return err_set(e, "not a checkpoint of sr-train-step");
	if (len != strlen(options) || memcmp(was, options, len) != 0)
		return err_set(e, "made with other options (%.*s): resume with those", (int)(len < 300 ? len : 300),
			was);
	for (size_t i = 0; i < 6; i++) {
		int64_t v;

		if (!gguf_int(g, keys[i], &v))
			return err_set(e, "%s is missing", keys[i]);
		values[i] = (uint64_t)v;
	}
	for (size_t i = 0; i < 3; i++) {
		const struct gguf_tensor *x = gguf_tensor(g, names[i]);

		if (!x || x->type != TYPE_F32 || x->bytes != t->p.n * sizeof(float))
			return err_set(e, "%s does not fit this model", names[i]);
		memcpy(data[i], x->data, x->bytes);
	}
	t->step = values[0];
	*s = (struct progress_state){ values[1], values[2] << 1, 0, values[4], values[5] };
	memcpy(&s->best, &values[3], sizeof s->best);
	params_refresh(&t->p, t->pool);
	return 0;
}

int
checkpoint_load(const char *path, struct trainer *t, struct progress_state *s, const char *options, struct err *e)
{
	struct gguf *g = gguf_open(path, e);
	int status;

	if (!g)
		return -1;
	status = load(g, t, s, options, e);
	gguf_free(g);
	return status < 0 ? err_prefix(e, "%s", path) : 0;
}
