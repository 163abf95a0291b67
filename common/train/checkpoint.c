#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "model/gguf.h"
#include "tensor/types.h"

static const char *const names[] = { "train.weights", "train.moment1", "train.moment2",
	"train.best" };

static const char *const keys[] = { "train.step", "train.records", "train.hash", "train.tokens",
	"train.loss_bits", "train.best_bits", "train.best_step", "train.best_tokens", "train.bad",
	"train.mean_bits", "train.lowest_bits" };

enum { N_KEYS = sizeof keys / sizeof *keys };

static uint64_t
bits(double x)
{
	uint64_t u;

	memcpy(&u, &x, sizeof u);
	return u;
}

static double
real(uint64_t u)
{
	double x;

	memcpy(&x, &u, sizeof x);
	return x;
}

int
checkpoint_save(const char *path, const struct trainer *t, const struct progress_state *s,
	const char *options, struct err *e)
{
	struct gguf_out *o = gguf_out_new();
	const float *data[] = { t->p.w, t->p.m, t->p.v, s->best_weights };
	/* readers take signed numbers, so the hash loses a bit */
	const uint64_t values[N_KEYS] = { t->step, s->records, s->hash >> 1, s->tokens,
		bits(s->loss), bits(s->best), s->best_step, s->best_tokens, s->bad,
		bits(s->mean), bits(s->lowest) };
	uint64_t n = t->p.n;
	int status;

	gguf_put_str(o, "general.architecture", "sr-checkpoint", strlen("sr-checkpoint"));
	gguf_put_str(o, "train.options", options, strlen(options));
	for (size_t i = 0; i < N_KEYS; i++)
		gguf_put_u64(o, keys[i], values[i]);
	for (size_t i = 0; i < 4; i++)
		if (data[i])
			gguf_put_tensor(o, names[i], TYPE_F32, 1, &n, data[i]);
	status = gguf_save(o, path, e);
	gguf_out_free(o);
	return status;
}

/* Name the first of the options (words, parted by blanks) that is not the same. */
static int
check_options(const char *was, size_t len, const char *options, struct err *e)
{
	size_t n = strlen(options), at = 0, was_len, is_len;

	while (at < len && at < n && was[at] == options[at])
		at++;
	if (at == len && at == n)
		return 0;
	if ((at == len && options[at] == ' ') || (at == n && was[at] == ' '))
		at++; /* one has more words */
	else
		while (at > 0 && options[at - 1] != ' ')
			at--;
	for (was_len = 0; at + was_len < len && was[at + was_len] != ' ' && was_len < 200;)
		was_len++;
	is_len = at < n ? strcspn(options + at, " ") : 0;
	return err_set(e, "made with %.*s, not %.*s: resume with the same options",
		(int)(was_len ? was_len : 7), was_len ? was + at : "nothing",
		(int)(is_len ? is_len : 7), is_len ? options + at : "nothing");
}

static int
load(struct gguf *g, struct trainer *t, struct progress_state *s, const char *options,
	struct err *e)
{
	float *data[] = { t->p.w, t->p.m, t->p.v, s->best_weights };
	int64_t v[N_KEYS];
	const char *was;
	size_t len;

	was = gguf_str(g, "train.options", &len);
	if (!was)
		return err_set(e, "not a checkpoint of sr-train-step");
	if (check_options(was, len, options, e) < 0)
		return -1;
	for (size_t i = 0; i < N_KEYS; i++)
		if (!gguf_int(g, keys[i], &v[i]))
			return err_set(e, "%s is missing", keys[i]);
	for (size_t i = 0; i < 4; i++) {
		const struct gguf_tensor *x = gguf_tensor(g, names[i]);

		if (!data[i])
			continue;
		if (!x || x->type != TYPE_F32 || x->bytes != t->p.n * sizeof(float))
			return err_set(e, "%s does not fit this model", names[i]);
		memcpy(data[i], x->data, x->bytes);
	}
	t->step = (uint64_t)v[0];
	*s = (struct progress_state){ .records = (uint64_t)v[1], .hash = (uint64_t)v[2] << 1,
		.tokens = (uint64_t)v[3], .loss = real((uint64_t)v[4]),
		.mean = real((uint64_t)v[9]), .lowest = real((uint64_t)v[10]),
		.best = real((uint64_t)v[5]), .best_step = (uint64_t)v[6],
		.best_tokens = (uint64_t)v[7], .bad = (uint64_t)v[8],
		.best_weights = s->best_weights };
	params_refresh(&t->p, t->pool);
	return 0;
}

int
checkpoint_load(const char *path, struct trainer *t, struct progress_state *s, const char *options,
	struct err *e)
{
	struct gguf *g = gguf_open(path, e);
	int status;

	if (!g)
		return -1;
	status = load(g, t, s, options, e);
	gguf_free(g);
	return status < 0 ? err_prefix(e, "%s", path) : 0;
}
