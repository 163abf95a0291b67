/* sr-model quantize */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/pool.h"
#include "model/quantize.h"
#include "tensor/types.h"
#include "verbs.h"

enum { MAX_TOLD = 16 };

/* What quantize tells of: every tensor if verbose, else the first of each kind that could not have
 * its type, and how many more. */
struct report {
	bool verbose;
	size_t before, after;
	struct { size_t row; uint32_t wanted; } told[MAX_TOLD];
	size_t n_told, more;
};

/* Whether a tensor of that kind was told of; it counts as told from now on. */
static bool
told(struct report *r, size_t row, uint32_t wanted)
{
	for (size_t i = 0; i < r->n_told; i++)
		if (r->told[i].row == row && r->told[i].wanted == wanted)
			return true;
	if (r->n_told == MAX_TOLD)
		return true;
	r->told[r->n_told].row = row;
	r->told[r->n_told++].wanted = wanted;
	return false;
}

static void
report_tensor(void *arg, const struct quantized *q)
{
	struct report *r = arg;

	r->before += q->from->bytes;
	r->after += q->bytes;
	if (q->type != q->wanted && told(r, (size_t)q->from->dims[0], (uint32_t)q->wanted))
		r->more++;
	else if (q->type != q->wanted)
		tool_warn("%s: rows of %zu values are no whole blocks of %s, stored as %s",
			q->from->name, (size_t)q->from->dims[0], type_label(q->wanted),
			type_label(q->type));
	if (r->verbose)
		fprintf(stderr, "%-28s %s -> %s  error %.3g of %.3g, at most %.3g\n", q->from->name,
			type_label(q->from->type), type_label(q->type), q->error, q->rms,
			q->max_error);
}

void
verb_quantize(int argc, char **argv)
{
	static const char *out, *type_name = "Q8_0";
	static bool verbose;
	static long threads;
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes", 0, 0 },
		{ 0, "type", OPT_TEXT, &type_name, "TYPE",
			"F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K, Q5_1, Q5_0, Q4_K_M, Q4_K, Q4_0 "
			"or IQ4_NL (Q8_0)", 0, 0 },
		{ 't', "threads", OPT_INT, &threads, "N",
			"threads (default: as many as may run)", 1, 1024 },
		{ 'v', "verbose", OPT_FLAG, &verbose, NULL, "tell every tensor's error", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "quantize [--type TYPE] [-v] IN.gguf -o OUT.gguf",
		"Store a model's matrices in another number format. Vectors stay F32, matrices that\n"
		"matter more get more bits, and where rows are no whole blocks of a type the next\n"
		"one is taken. Metadata is kept.",
		"sr-model quantize base.gguf -o base-q8.gguf\n"
		"sr-model quantize --type Q4_K_M -v base.gguf -o base-q4.gguf",
		opts
	};
	const struct format *format;
	struct report r = { 0 };
	struct gguf_out *o;
	struct pool *pool;
	struct gguf *from;
	struct err e;
	void *room;

	tool_init(&tool, &argc, &argv);
	if (argc != 1)
		tool_usage("quantize takes one model file");
	need_output(out);
	format = need_format(type_name);
	r.verbose = verbose;
	from = open_file(argv[0]);
	o = gguf_out_new();
	pool = pool_new((int)threads);
	if (quantize(from, format, pool, o, &room, report_tensor, &r, &e) < 0)
		tool_fail("%s: %s", argv[0], e.msg);
	if (gguf_save(o, out, &e) < 0)
		tool_fail("%s to %s: %s", argv[0], out, e.msg);
	gguf_out_free(o);
	if (r.more)
		tool_warn("%zu more likewise", r.more);
	if (verbose)
		fprintf(stderr, "%zu -> %zu bytes of tensors\n", r.before, r.after);
	pool_free(pool);
	free(room);
	gguf_free(from);
}
