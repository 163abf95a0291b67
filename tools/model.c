/* sr-model: make, show and change model files. A verb has its own options. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "bias/safety.h"
#include "model/describe.h"
#include "model/gguf.h"
#include "model/init.h"
#include "model/llama2c.h"
#include "model/model.h"
#include "model/quantize.h"
#include "tensor/types.h"

/* The name of the verb is gone from argv, so that its operands begin at argv[0] after tool_init. */
typedef void verb_fn(int argc, char **argv);

static struct gguf *
open_file(const char *path)
{
	struct err e;
	struct gguf *g = gguf_open(path, &e);

	if (!g)
		tool_die(&e);
	return g;
}

static void
save(struct gguf_out *o, const char *path)
{
	struct err e;

	if (gguf_save(o, path, &e) < 0)
		tool_die(&e);
	gguf_out_free(o);
}

static void
need_output(const char *path)
{
	if (!path)
		tool_usage("-o FILE says where the model goes");
}

static void
verb_init(int argc, char **argv)
{
	static const char *vocab, *out;
	static long dim = 256, layers = 8, heads = 8, kv_heads = 0, ff = 768, ctx = 512, seed = 1;
	static double rope_base = 10000, eps = 1e-5;
	static bool untied;
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes", 0, 0 },
		{ 0, "vocab", OPT_TEXT, &vocab, "FILE", "a GGUF file with the vocabulary", 0, 0 },
		{ 0, "dim", OPT_INT, &dim, "N", "width of the residual stream (256)", 1, 1 << 20 },
		{ 0, "layers", OPT_INT, &layers, "N", "transformer blocks (8)", 1, 1024 },
		{ 0, "heads", OPT_INT, &heads, "N", "attention heads (8)", 1, 4096 },
		{ 0, "kv-heads", OPT_INT, &kv_heads, "N", "key-value heads (as many)", 1, 4096 },
		{ 0, "ff", OPT_INT, &ff, "N", "width of the feed-forward part (768)", 1, 1 << 20 },
		{ 0, "ctx", OPT_INT, &ctx, "N", "positions to be trained on (512)", 1, 1 << 24 },
		{ 0, "rope-base", OPT_REAL, &rope_base, "X", "RoPE's base (10000)", 1, 1e12 },
		{ 0, "eps", OPT_REAL, &eps, "X", "epsilon of RMSNorm (1e-5)", 1e-12, 1 },
		{ 0, "untied", OPT_FLAG, &untied, NULL, "a head apart from the embedding", 0, 0 },
		{ 's', "seed", OPT_INT, &seed, "N", "seed of the random weights (1)", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "init --vocab VOCAB.gguf [OPTIONS] -o OUT.gguf",
		"Make a model with random weights (F32) to begin training with.",
		"sr-tokenize --train 8000 -o vocab.gguf < corpus.txt\n"
		"sr-model init --vocab vocab.gguf --dim 256 --layers 8 -o base.gguf",
		opts
	};
	struct config c = { .arch = "llama" };
	struct gguf_out *o;
	struct gguf *from;
	float *weights;
	struct err e;

	tool_init(&tool, &argc, &argv);
	if (argc > 0)
		tool_usage("init takes no operand (%s)", argv[0]);
	if (!vocab)
		tool_usage("--vocab FILE says which vocabulary the model reads");
	need_output(out);
	if (dim % heads != 0 || dim / heads % 2 != 0)
		tool_usage("--dim %ld does not split into %ld heads of an even width", dim, heads);
	if (kv_heads == 0)
		kv_heads = heads;
	if (heads % kv_heads != 0)
		tool_usage("--heads %ld is not a multiple of --kv-heads %ld", heads, kv_heads);
	c.n_layer = (size_t)layers;
	c.n_embd = (size_t)dim;
	c.n_head = (size_t)heads;
	c.n_head_kv = (size_t)kv_heads;
	c.head_dim = c.rope_dim = (size_t)(dim / heads);
	c.n_ff = (size_t)ff;
	c.n_ctx = (size_t)ctx;
	c.rope_base = (float)rope_base;
	c.norm_eps = (float)eps;
	c.tied = !untied;
	from = open_file(vocab);
	if (!gguf_arr(from, "tokenizer.ggml.tokens", NULL, &c.n_vocab) || c.n_vocab == 0)
		tool_fail("%s: no vocabulary (key tokenizer.ggml.tokens)", vocab);
	o = gguf_out_new();
	if (init_model(&c, (uint64_t)seed, o, &weights, &e) < 0)
		tool_die(&e);
	vocab_copy(from, o);
	save(o, out);
	free(weights);
	gguf_free(from);
}

/* The file's name without folders and ending, for general.name. */
static void
put_name(struct gguf_out *o, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');
	size_t len = dot && dot > name ? (size_t)(dot - name) : strlen(name);

	gguf_put_str(o, "general.name", name, len);
}

static void
verb_convert(int argc, char **argv)
{
	static const char *tokenizer, *out;
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes", 0, 0 },
		{ 0, "tokenizer", OPT_TEXT, &tokenizer, "FILE", "its tokenizer", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "convert MODEL.bin --tokenizer TOK.bin -o OUT.gguf",
		"Turn a llama2.c model (legacy f32, version 1, version 2 in int8; told apart by\n"
		"content) and its tokenizer into a GGUF file with F32 weights.",
		"sr-model convert stories15M.bin --tokenizer tokenizer.bin -o stories15M.gguf",
		opts
	};
	struct gguf_out *o;
	struct llama2c f;
	struct err e;

	tool_init(&tool, &argc, &argv);
	if (argc != 1)
		tool_usage("convert takes one model file");
	if (!tokenizer)
		tool_usage("--tokenizer FILE says which vocabulary the model reads");
	need_output(out);
	o = gguf_out_new();
	if (llama2c_open(&f, argv[0], &e) < 0 || llama2c_put(&f, o, &e) < 0 ||
	    llama2c_put_vocab(tokenizer, f.c.n_vocab, o, &e) < 0)
		tool_die(&e);
	put_name(o, argv[0]);
	save(o, out);
	llama2c_release(&f);
}

static void
verb_info(int argc, char **argv)
{
	static bool json;
	static const struct opt opts[] = {
		{ 0, "json", OPT_FLAG, &json, NULL, "a JSON object per file: all metadata", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "info [--json] FILE.gguf...",
		"Tell what a model file holds: shape, tensors, types, vocabulary, provenance.",
		"sr-model info base.gguf\n"
		"sr-model info --json base.gguf | jq .parameters",
		opts
	};
	struct buf b = { 0 };

	tool_init(&tool, &argc, &argv);
	if (argc == 0)
		tool_usage("info takes model files");
	for (int i = 0; i < argc; i++) {
		struct gguf *g = open_file(argv[i]);

		if (i > 0 && !json)
			buf_putc(&b, '\n');
		(json ? describe_json : describe_text)(g, argv[i], &b);
		fwrite(b.data, 1, b.len, stdout);
		buf_clear(&b);
		gguf_free(g);
	}
	buf_release(&b);
}

/* What quantize tells of: every tensor if verbose, else those that could not have the type. */
struct report {
	uint32_t type;
	bool verbose;
	size_t before, after;
};

static void
report_tensor(void *arg, const struct quantized *q)
{
	struct report *r = arg;

	r->before += q->from->bytes;
	r->after += q->bytes;
	if (q->type != r->type && q->from->n_dims > 1)
		tool_warn("%s: rows of %zu values are no whole blocks of %s, stored as %s",
			q->from->name, (size_t)q->from->dims[0], type_label(r->type),
			type_label(q->type));
	if (r->verbose)
		fprintf(stderr, "%-28s %s -> %s  error %.3g of %.3g, at most %.3g\n", q->from->name,
			type_label(q->from->type), type_label(q->type), q->error, q->rms,
			q->max_error);
}

static void
verb_quantize(int argc, char **argv)
{
	static const char *out, *type_name = "Q8_0";
	static bool verbose;
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes", 0, 0 },
		{ 0, "type", OPT_TEXT, &type_name, "TYPE", "F32, F16, BF16 or Q8_0 (Q8_0)", 0, 0 },
		{ 'v', "verbose", OPT_FLAG, &verbose, NULL, "tell every tensor's error", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "quantize [--type TYPE] [-v] IN.gguf -o OUT.gguf",
		"Store a model's matrices in another number format. Vectors stay F32; where rows\n"
		"are no whole blocks of Q8_0, F16 is taken. Metadata is kept.",
		"sr-model quantize base.gguf -o base-q8.gguf\n"
		"sr-model quantize --type BF16 -v base.gguf -o base-bf16.gguf",
		opts
	};
	struct report r = { 0 };
	struct gguf_out *o;
	struct gguf *from;
	struct err e;
	void *room;
	int type;

	tool_init(&tool, &argc, &argv);
	if (argc != 1)
		tool_usage("quantize takes one model file");
	need_output(out);
	type = type_named(type_name);
	if (type < 0)
		tool_usage("--type must be F32, F16, BF16 or Q8_0, not '%s'", type_name);
	r.type = (uint32_t)type;
	r.verbose = verbose;
	from = open_file(argv[0]);
	o = gguf_out_new();
	if (quantize(from, r.type, o, &room, report_tensor, &r, &e) < 0)
		tool_fail("%s: %s", argv[0], e.msg);
	save(o, out);
	if (verbose)
		fprintf(stderr, "%zu -> %zu bytes of tensors\n", r.before, r.after);
	free(room);
	gguf_free(from);
}

/* The type of a key's value: as documented for our own, as it stands in the file for others. */
static enum gguf_type
key_type(const struct gguf *g, const char *key)
{
	size_t len = strlen(key), bytes;
	enum gguf_type type;

	if (strcmp(key, SR_TEMPERATURE) == 0 || strcmp(key, SR_THRESHOLD) == 0)
		return GGUF_F32;
	if (strncmp(key, "sr.", 3) == 0 && len > 10 && strcmp(key + len - 7, ".values") == 0)
		return GGUF_ARR;
	return gguf_raw(g, key, &type, &bytes) ? type : GGUF_STR;
}

/* "unsafe|benign" */
static void
set_list(struct gguf_out *o, const char *key, const char *value)
{
	const char **v = NULL;
	size_t *len = NULL, n = 0;

	for (const char *p = value;; p++) {
		v = mem_grow(v, n + 1, sizeof *v);
		len = mem_grow(len, n + 1, sizeof *len);
		v[n] = p;
		len[n] = strcspn(p, "|");
		p += len[n++];
		if (!*p)
			break;
	}
	gguf_put_strs(o, key, v, len, n);
	free(v);
	free(len);
}

static double
number(const char *key, const char *value)
{
	char *end;
	double x = strtod(value, &end);

	if (end == value || *end || !isfinite(x))
		tool_usage("%s wants a number, not '%s'", key, value);
	return x;
}

static uint64_t
whole(const char *key, const char *value, uint64_t max)
{
	double x = number(key, value);

	if (x < 0 || x != floor(x) || x > (double)max || x > 0x1p53)
		tool_usage("%s wants a whole number, not '%s'", key, value);
	return (uint64_t)x;
}

static void
set_key(struct gguf_out *o, const struct gguf *g, const char *key, const char *value)
{
	enum gguf_type elem = GGUF_STR;

	switch (key_type(g, key)) {
	case GGUF_STR:
		gguf_put_str(o, key, value, strlen(value));
		break;
	case GGUF_F32:
		gguf_put_f32(o, key, (float)number(key, value));
		break;
	case GGUF_U32:
		gguf_put_u32(o, key, (uint32_t)whole(key, value, UINT32_MAX));
		break;
	case GGUF_U64:
		gguf_put_u64(o, key, whole(key, value, UINT64_MAX));
		break;
	case GGUF_BOOL:
		if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			tool_usage("%s wants true or false, not '%s'", key, value);
		gguf_put_bool(o, key, *value == 't');
		break;
	case GGUF_ARR:
		gguf_arr(g, key, &elem, NULL);
		if (elem == GGUF_STR) {
			set_list(o, key, value);
			break;
		}
		/* fall through */
	default:
		tool_fail("key %s has a type that can't be set", key);
	}
}

static void
verb_set(int argc, char **argv)
{
	static const char *out;
	static struct opt_list drop;
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes (IN, too)", 0, 0 },
		{ 0, "drop", OPT_LIST, &drop, "KEY", "leave a key out; may be repeated", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "set IN.gguf -o OUT.gguf [--drop KEY]... KEY=VALUE...",
		"Change metadata. sr.safety.temperature and sr.safety.threshold are numbers,\n"
		"sr.*.values lists parted by '|', keys that are there keep their type, all others\n"
		"are strings.",
		"sr-model set sr.gguf -o sr.gguf sr.safety.threshold=0.62 general.license=MIT",
		opts
	};
	struct gguf_out *o;
	struct gguf *g;

	tool_init(&tool, &argc, &argv);
	if (argc < 1 || argc + (int)drop.n < 2)
		tool_usage("set takes a model file and KEY=VALUE");
	need_output(out);
	for (int i = 1; i < argc; i++)
		if (!strchr(argv[i], '=') || argv[i][0] == '=')
			tool_usage("'%s' is no KEY=VALUE", argv[i]);
	g = open_file(argv[0]);
	o = gguf_out_new();
	gguf_put_copy_all(o, g);
	for (size_t i = 0; i < drop.n; i++) {
		if (!gguf_has(g, drop.v[i]))
			tool_fail("%s: no key %s to drop", argv[0], drop.v[i]);
		gguf_put_drop(o, drop.v[i]);
	}
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		*value++ = '\0';
		set_key(o, g, argv[i], value);
	}
	for (size_t i = 0; i < gguf_n_tensors(g); i++) {
		const struct gguf_tensor *t = gguf_tensor_at(g, i);

		if (!t->data)
			tool_fail("%s: tensor %s is stored as %s, which can't be copied", argv[0],
				t->name, type_label(t->type));
		gguf_put_tensor(o, t->name, t->type, t->n_dims, t->dims, t->data);
	}
	save(o, out);
	free(drop.v);
	gguf_free(g);
}

static const struct {
	const char *name;
	verb_fn *run;
} verbs[] = {
	{ "convert", verb_convert }, { "info", verb_info }, { "init", verb_init },
	{ "quantize", verb_quantize }, { "set", verb_set },
};

int
main(int argc, char **argv)
{
	static const struct opt opts[] = { OPT_END };
	static const struct tool tool = {
		"sr-model", "VERB [OPTIONS] ...",
		"Make, show and change model files (GGUF). sr-model VERB --help tells more.\n\n"
		"  info      what a file holds\n"
		"  init      a model with random weights, to begin training with\n"
		"  convert   a llama2.c model into GGUF\n"
		"  quantize  another number format: F32, F16, BF16, Q8_0\n"
		"  set       change metadata",
		"sr-model init --vocab vocab.gguf -o base.gguf\n"
		"sr-model info base.gguf\n"
		"sr-model quantize base.gguf -o base-q8.gguf",
		opts
	};

	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(argv[1], verbs[i].name) == 0) {
			verbs[i].run(argc - 1, argv + 1);
			return tool_finish();
		}
	tool_init(&tool, &argc, &argv);
	if (argc > 0)
		tool_usage("no verb is called '%s'", argv[0]);
	tool_usage("a verb is missing");
}
