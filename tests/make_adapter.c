/* A random LoRA adapter of a model, as a GGUF file, to test with; or the prefix of tokens 3, 1, 4,
 * 1, 5, 9, 2, 6 ...
 *
 *	make_adapter [--rank R] [--seed N] [--embedding] MODEL OUT
 *	make_adapter --prefix N MODEL OUT
 *
 * LoRA changes every matrix but the learned positions and, without --embedding, the embedding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/rng.h"
#include "model/adapter.h"
#include "model/model.h"
#include "tensor/types.h"

static long rank = 4, seed = 1, prefix;
/* What the file is made from. */
static float **room;
static size_t n_room;

/* Numbers of deviation 0.5 / sqrt(K), so that what is added is neither lost nor drowns the rest. */
static void
put_side(struct gguf_out *o, const char *tensor, const char *side, size_t rows, size_t cols,
	struct rng *r)
{
	float *x = mem_alloc(rows * cols, sizeof *x);
	char name[96];

	room = mem_grow(room, n_room + 1, sizeof *room);
	room[n_room++] = x;
	for (size_t i = 0; i < rows * cols; i++)
		x[i] = (float)((rng_uniform(r) - 0.5) / sqrt((double)cols));
	snprintf(name, sizeof name, "%s.lora_%s", tensor, side);
	gguf_put_tensor(o, name, TYPE_F32, 2, (uint64_t[]){ cols, rows }, x);
}

static void
write_prefix(const struct model *m, const char *path)
{
	static const int ids[] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3 };
	struct err e;
	struct adapter *a = adapter_make_prefix(m, ids, (size_t)prefix, 1, &e);

	if (!a || adapter_save_gguf(a, m, path, &e) < 0)
		tool_die(&e);
	adapter_free(a);
}

int
main(int argc, char **argv)
{
	static bool embedding;
	static const struct opt opts[] = {
		{ 0, "rank", OPT_INT, &rank, "R", "4", 1, 1024 },
		{ 0, "seed", OPT_INT, &seed, "N", "1", 0, 0 },
		{ 0, "prefix", OPT_INT, &prefix, "N", "a prefix of N tokens", 1, 16 },
		{ 0, "embedding", OPT_FLAG, &embedding, NULL, "change the embedding, too", 0, 0 },
		OPT_END
	};
	static const struct tool tool = { "make_adapter", "[OPTIONS] MODEL OUT",
		"A random LoRA adapter.", "make_adapter model.gguf lora.gguf", opts };
	struct gguf_out *o = gguf_out_new();
	struct tensor_spec t;
	struct model *m;
	struct rng r;
	struct err e;

	tool_init(&tool, &argc, &argv);
	if (argc != 2)
		tool_usage("a model and a place are wanted");
	m = model_open(argv[0], &e);
	if (!m)
		tool_die(&e);
	if (prefix) {
		write_prefix(m, argv[1]);
		gguf_out_free(o);
		model_free(m);
		return tool_finish();
	}
	rng_seed(&r, (uint64_t)seed);
	gguf_put_str(o, "general.architecture", m->c.arch->name, strlen(m->c.arch->name));
	gguf_put_str(o, "general.type", "adapter", 7);
	gguf_put_str(o, "adapter.type", "lora", 4);
	gguf_put_f32(o, "adapter.lora.alpha", (float)(2 * rank));
	for (size_t i = 0; config_tensor(&m->c, i, &t); i++) {
		bool lookup = strcmp(t.name, "token_embd.weight") == 0;

		if (t.rows == 1 || strcmp(t.name, "position_embd.weight") == 0 ||
		    (lookup && !embedding))
			continue;
		/* of what is looked up, both are stored the other way */
		put_side(o, t.name, "a", lookup ? t.rows : (size_t)rank,
			lookup ? (size_t)rank : t.cols, &r);
		put_side(o, t.name, "b", lookup ? t.cols : t.rows, (size_t)rank, &r);
	}
	if (gguf_save(o, argv[1], &e) < 0)
		tool_die(&e);
	gguf_out_free(o);
	while (n_room > 0)
		free(room[--n_room]);
	free(room);
	model_free(m);
	return tool_finish();
}
