/* sr-model merge */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/opt.h"
#include "model/adapter.h"
#include "model/forward.h"
#include "verbs.h"

/* What both sides read, unless a file says otherwise: plain prose, names and numbers. */
static const char probe_text[] =
	"The committee met on Monday to look at the plans for the old harbour. Two engineers and "
	"a teacher had written to say that the bridge, built in 1932, would need 14 new beams. "
	"\"We can start in May,\" said Mrs Okafor, \"if the money is there.\" Nobody disagreed, "
	"and the children who had come along were given cake.";

enum { PROBE_MOST = 256 }; /* tokens */

static struct ids
probe_ids(const struct model *m, const char *path)
{
	struct file_map map = { (const unsigned char *)probe_text, strlen(probe_text) };
	size_t most = m->c.n_ctx < PROBE_MOST ? m->c.n_ctx : PROBE_MOST;
	struct ids ids = { 0 };
	struct err e;

	if (path && file_map(&map, path, &e) < 0)
		tool_die(&e);
	if (tokenizer_bos(m->tok) >= 0)
		ids_add(&ids, tokenizer_bos(m->tok));
	tokenizer_encode(m->tok, (const char *)map.data, map.len, true, &ids);
	if (path)
		file_unmap(&map);
	if (ids.n == 0)
		tool_fail("%s has no tokens to compare logits on", path);
	if (ids.n > most)
		ids.n = most;
	return ids;
}

/* Logits (n, V) behind every token. */
static float *
logits_of(const struct model *m, struct pool *p, const struct ids *ids)
{
	struct chunk chunk = { NULL, ids->v, ids->n, ids->n };
	struct forward *f = forward_new(m, p);
	float *hidden = mem_alloc(ids->n * m->c.n_embd, sizeof *hidden);
	float *logits = mem_try(ids->n * m->c.n_vocab, sizeof *logits);
	struct err e;

	if (!logits)
		tool_fail("not enough memory for the logits of %zu tokens", ids->n);
	if (forward_run(f, &chunk, 1, hidden, &e) < 0)
		tool_die(&e);
	forward_logits(f, hidden, ids->n, logits, false);
	free(hidden);
	forward_free(f);
	return logits;
}

/* Tell how far the merged model, as it was written, is from model and adapters. */
static void
compare(const struct model *m, const char *merged_path, const char *probe, struct pool *p)
{
	struct ids ids = probe_ids(m, probe);
	float *want = logits_of(m, p, &ids), *got;
	size_t n = ids.n * m->c.n_vocab;
	double apart = 0, most = 0;
	struct err e;
	struct model *merged = model_open(merged_path, &e);

	if (!merged)
		tool_die(&e);
	got = logits_of(merged, p, &ids);
	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)got[i] - (double)want[i]);

		apart = isnan(d) || d > apart ? d : apart;
		most = fmax(most, fabs((double)want[i]));
	}
	tool_warn("largest logit difference from the unmerged model: %.3g (%zu tokens of probe "
		"text, logits up to %.3g)", apart, ids.n, most);
	free(want);
	free(got);
	ids_release(&ids);
	model_free(merged);
}

/* What is added to each tensor of the file. */
static struct lora **
additions(const struct model *m)
{
	struct lora **add = mem_alloc(gguf_n_tensors(m->file) + 1, sizeof *add);

	for (size_t i = 0; i < gguf_n_tensors(m->file); i++) {
		const char *name = gguf_tensor_at(m->file, i)->name;

		add[i] = adapter_lora(m, name);
		if (add[i] && m->c.tied && strcmp(name, "token_embd.weight") == 0)
			tool_fail("%s: an adapter changes %s, which is the head as well: "
				"merged, it would change that too", m->path, name);
	}
	return add;
}

void
verb_merge(int argc, char **argv)
{
	static const char *out, *type_name, *probe;
	static struct opt_list adapters;
	static long threads;
	static const struct opt opts[] = {
		ADAPTER_OPT(adapters),
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes", 0, 0 },
		{ 0, "type", OPT_TEXT, &type_name, "TYPE",
			"number format, as of quantize (default: every tensor's own)", 0, 0 },
		{ 0, "probe", OPT_TEXT, &probe, "FILE",
			"text on which logits are compared (default: a paragraph of ours)", 0, 0 },
		{ 't', "threads", OPT_INT, &threads, "N",
			"threads (default: as many as may run)", 1, 1024 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "merge MODEL -a ADAPTER[=SCALE]... -o OUT.gguf [--type TYPE]",
		"Add adapters to their model's weights, in f32, and store these as they were or in\n"
		"another number format. Metadata is kept. The largest difference of a logit from\n"
		"the unmerged model is told.",
		"sr-model merge base.gguf -a sr-lora.gguf -o sr.gguf\n"
		"sr-model merge base.gguf -a peft-folder=0.5 --type Q4_K_M -o sr-q4.gguf",
		opts
	};
	const struct format *format;
	struct lora **add;
	struct gguf_out *o;
	struct pool *pool;
	struct model *m;
	struct err e;
	void *room;

	tool_init(&tool, &argc, &argv);
	if (argc != 1)
		tool_usage("merge takes one model");
	if (adapters.n == 0)
		tool_usage("-a ADAPTER says what is merged");
	need_output(out);
	format = type_name ? need_format(type_name) : NULL;
	m = model_open_with(argv[0], &adapters, &e);
	if (!m)
		tool_die(&e);
	if (m->prefix.n > 0)
		tool_fail("%s: a prefix is no part of the weights: it stays a file (-a)", argv[0]);
	add = additions(m);
	o = gguf_out_new();
	pool = pool_new((int)threads);
	if (quantize_merged(m->file, format, (const struct lora *const *)add, pool, o, &room,
		&e) < 0)
		tool_fail("%s: %s", argv[0], e.msg);
	save(o, out);
	setenv("SR_PRODUCTS", "f32", 1); /* what merging changed, not what products round */
	compare(m, out, probe, pool);
	for (size_t i = 0; i < gguf_n_tensors(m->file); i++)
		free(add[i]);
	free(add);
	free(room);
	pool_free(pool);
	model_free(m);
	free(adapters.v);
}
