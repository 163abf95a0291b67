/* sr-model bench */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/opt.h"
#include "model/adapter.h"
#include "model/forward.h"
#include "tensor/types.h"
#include "verbs.h"

static long prompt = 512, generate = 128, runs = 5, threads;

struct bench {
	const struct model *m;
	struct pool *pool;
	struct forward *f;
	struct kv kv;
	int *ids;
	float *hidden, *logits;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int
ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* What all products of a layer's weights, and then of the head, read and multiply. */
static void
count(const struct weight *w, double *bytes, double *numbers)
{
	if (!w->data)
		return;
	*bytes += (double)w->rows * (double)type_row_bytes(w->type, w->cols);
	*numbers += (double)w->rows * (double)w->cols;
}

static void
count_layers(const struct model *m, double *bytes, double *numbers)
{
	for (size_t l = 0; l < m->c.n_layer; l++) {
		const struct layer *y = &m->layers[l];
		const struct weight *all[] = { &y->q, &y->k, &y->v, &y->o, &y->gate, &y->up,
			&y->down };

		for (size_t i = 0; i < sizeof all / sizeof *all; i++)
			count(all[i], bytes, numbers);
	}
}

/* Numbers multiplied by attention for one token that sees `seen` positions. */
static double
attention(const struct config *c, double seen)
{
	return 2 * (double)(c->n_layer * c->n_head * c->head_dim) * seen;
}

/* Run tokens [from, from + n), the last one's logits with them. */
static void
run(struct bench *b, size_t from, size_t n, bool steps)
{
	struct chunk c = { &b->kv, b->ids + from, n, 1 };
	struct err e = { 0 };

	if ((steps ? forward_steps : forward_run)(b->f, &c, 1, b->hidden, &e) < 0)
		tool_die(&e);
	forward_logits(b->f, b->hidden, 1, b->logits, steps);
}

static void
row(const char *path, const char *what, long n, double *seconds, double bytes, double numbers)
{
	qsort(seconds, (size_t)runs, sizeof *seconds, ascending);
	printf("%s\t%s\t%ld\t%.4g\t%.4g\t%.4g\n", path, what, n,
		(double)n / seconds[runs / 2], bytes / 1e6, 2 * numbers / 1e9);
}

static void
bench(const char *path)
{
	struct bench b = { 0 };
	size_t total = (size_t)(prompt + generate);
	double *first = mem_alloc((size_t)runs, sizeof *first);
	double *then = mem_alloc((size_t)runs, sizeof *then);
	double bytes = 0, numbers = 0, seen = (double)prompt + (double)generate / 2, kv;
	struct config c;
	struct err e;

	b.m = model_open_with(path, &(struct opt_list){ 0 }, &e);
	if (!b.m)
		tool_die(&e);
	c = b.m->c;
	b.pool = pool_new((int)threads);
	b.f = forward_new(b.m, b.pool);
	b.ids = mem_alloc(total, sizeof *b.ids);
	b.hidden = mem_alloc(c.n_embd, sizeof *b.hidden);
	b.logits = mem_alloc(c.n_vocab, sizeof *b.logits);
	for (size_t i = 0; i < total; i++)
		b.ids[i] = (int)(i * 7919 % c.n_vocab);
	run(&b, 0, (size_t)prompt, false); /* reads the file */
	for (long r = 0; r < runs; r++) {
		double start = now();

		kv_cut(&b.kv, 0);
		run(&b, 0, (size_t)prompt, false);
		first[r] = now() - start;
		start = now();
		for (long i = 0; i < generate; i++)
			run(&b, (size_t)(prompt + i), 1, true);
		then[r] = now() - start;
	}
	count_layers(b.m, &bytes, &numbers);
	row(path, "prompt", prompt, first, bytes / (double)prompt,
		numbers + attention(&c, (double)prompt / 2));
	count(&b.m->head, &bytes, &numbers);
	kv = 2 * (double)(c.n_layer * c.n_head_kv * c.head_dim) * seen * sizeof(float);
	row(path, "generation", generate, then, bytes + kv, numbers + attention(&c, seen));
	kv_release(&b.kv);
	forward_free(b.f);
	pool_free(b.pool);
	model_free((struct model *)b.m);
	free(b.ids);
	free(b.hidden);
	free(b.logits);
	free(first);
	free(then);
}

void
verb_bench(int argc, char **argv)
{
	static const struct opt opts[] = {
		{ 'p', "prompt", OPT_INT, &prompt, "N", "tokens of the prompt (512)", 1, 1 << 20 },
		{ 'g', "generate", OPT_INT, &generate, "N", "tokens generated behind it (128)", 1,
			1 << 20 },
		{ 'r', "runs", OPT_INT, &runs, "N", "the median of N runs (5)", 1, 1000 },
		{ 't', "threads", OPT_INT, &threads, "N", "threads (default: as many as may run)",
			1, 1024 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "bench [OPTIONS] MODEL...",
		"Time a model: TSV with the tokens per second of a prompt and of generation\n"
		"behind it, and what a token of each reads (MB) and computes (GFLOP).",
		"sr-model bench model.gguf\n"
		"sr-model bench -p 128 -g 32 -t 1 base.gguf base-q8.gguf",
		opts
	};

	tool_init(&tool, &argc, &argv);
	if (argc == 0)
		tool_usage("bench takes model files");
	puts("model\ttest\ttokens\ttokens/s\tMB/token\tGFLOP/token");
	for (int i = 0; i < argc; i++)
		bench(argv[i]);
}
