/* sr-model init */
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "model/describe.h"
#include "model/init.h"
#include "model/quantize.h"
#include "verbs.h"

enum { SMALL_VOCAB = 512 };

static const char *vocab, *like, *arch_name, *type_name = "F32", *out;
/* 0: not given. */
static long dim, layers, heads, kv_heads, head_dim, ff, ctx, window, seed = 1;
static double rope_base, eps;
static bool untied;

static void
take(size_t *to, long given)
{
	if (given)
		*to = (size_t)given;
}

/* What no published shape says: the small model's. */
static void
set_small(struct config *c)
{
	struct config small = { .arch = c->arch, .n_layer = 8, .n_embd = 256, .n_head = 8,
		.n_head_kv = 8, .head_dim = 32, .n_ff = 768, .n_ctx = 512, .rope_base = 10000,
		.norm_eps = c->norm_eps, .tied = c->tied, .parallel = c->parallel,
		.attn_cap = c->attn_cap, .logit_cap = c->logit_cap, .window = c->window,
		.window_period = c->window_period, .rope_base_local = c->rope_base_local };

	small.rope_dim = small.head_dim * c->rope_dim / c->head_dim;
	*c = small;
}

static void
set_heads(struct config *c)
{
	size_t width = head_dim ? (size_t)head_dim : c->n_embd / c->n_head;

	if (!head_dim && c->n_embd % c->n_head != 0)
		tool_usage("--dim %zu does not split into %zu heads of an even width", c->n_embd,
			c->n_head);
	if (width % 2 != 0)
		tool_usage("heads of %zu are not of an even width", width);
	if (!kv_heads)
		c->n_head_kv = c->n_head;
	/* The same share of a head turns, a pair at least. */
	if (c->rope_dim) {
		c->rope_dim = width * c->rope_dim / c->head_dim / 2 * 2;
		if (!c->rope_dim)
			c->rope_dim = 2;
	}
	c->head_dim = width;
}

/* The shape: of a published model, of an architecture's small one, of a small llama. */
static struct shape
wanted(void)
{
	const struct arch *a = arch_find(arch_name ? arch_name : "llama",
		strlen(arch_name ? arch_name : "llama"));
	const struct shape *found = like ? shape_named(like) : a ? shape_of(a) : NULL;
	struct buf names = { 0 };
	char archs_there[128];
	struct shape s;

	shape_names(&names);
	if (!found && like)
		tool_usage("--like must be one of %s, not '%s'", buf_str(&names), like);
	if (!found)
		tool_usage("--arch must be one of %s, not '%s'", arch_names(archs_there),
			arch_name);
	buf_release(&names);
	s = *found;
	if (!like) {
		set_small(&s.c);
		s.vocab.n = SMALL_VOCAB;
		s.stretch.factor = 0;
	}
	take(&s.c.n_layer, layers);
	take(&s.c.n_embd, dim);
	take(&s.c.n_head, heads);
	take(&s.c.n_head_kv, kv_heads);
	take(&s.c.n_ff, ff);
	take(&s.c.n_ctx, ctx);
	take(&s.c.window, window);
	if (dim || heads || head_dim)
		set_heads(&s.c);
	if (s.c.n_head % s.c.n_head_kv != 0)
		tool_usage("--heads %zu is not a multiple of --kv-heads %zu", s.c.n_head,
			s.c.n_head_kv);
	if (rope_base > 0)
		s.c.rope_base = (float)rope_base;
	if (eps > 0)
		s.c.norm_eps = (float)eps;
	s.c.tied &= !untied;
	return s;
}

/* Without a vocabulary nobody will train the model: it is made to be looked at. */
static void
put_vocab(struct init *i, const struct made_vocab *made, struct gguf_out *o)
{
	struct gguf *from;
	struct err e;

	i->alive = !vocab;
	if (!vocab) {
		i->c.n_vocab = made->n;
		init_vocab(made, o);
		return;
	}
	from = describe_open(vocab, &e);
	if (!from)
		tool_die(&e);
	if (!gguf_arr(from, "tokenizer.ggml.tokens", NULL, &i->c.n_vocab) || i->c.n_vocab == 0)
		tool_fail("%s: no vocabulary (key tokenizer.ggml.tokens)", vocab);
	vocab_copy(from, o);
	gguf_free(from);
}

void
verb_init(int argc, char **argv)
{
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes", 0, 0 },
		{ 0, "vocab", OPT_TEXT, &vocab, "FILE", "a file or folder with the vocabulary", 0,
			0 },
		{ 0, "like", OPT_TEXT, &like, "NAME", "the shape of a published model", 0, 0 },
		{ 0, "arch", OPT_TEXT, &arch_name, "NAME", "architecture (llama)", 0, 0 },
		{ 0, "type", OPT_TEXT, &type_name, "TYPE", "as for quantize (F32)", 0, 0 },
		{ 0, "dim", OPT_INT, &dim, "N", "width of the residual stream (256)", 1, 1 << 20 },
		{ 0, "layers", OPT_INT, &layers, "N", "transformer blocks (8)", 1, 1024 },
		{ 0, "heads", OPT_INT, &heads, "N", "attention heads (8)", 1, 4096 },
		{ 0, "kv-heads", OPT_INT, &kv_heads, "N", "key-value heads (as many)", 1, 4096 },
		{ 0, "head-dim", OPT_INT, &head_dim, "N", "width of a head (dim / heads)", 1,
			4096 },
		{ 0, "ff", OPT_INT, &ff, "N", "width of the feed-forward part (768)", 1, 1 << 20 },
		{ 0, "ctx", OPT_INT, &ctx, "N", "positions to be trained on (512)", 1, 1 << 24 },
		{ 0, "window", OPT_INT, &window, "N", "positions that a query sees (all)", 1,
			1 << 24 },
		{ 0, "rope-base", OPT_REAL, &rope_base, "X", "RoPE's base (10000)", 1, 1e12 },
		{ 0, "eps", OPT_REAL, &eps, "X", "epsilon of the norms (1e-5)", 1e-12, 1 },
		{ 0, "untied", OPT_FLAG, &untied, NULL, "a head apart from the embedding", 0, 0 },
		{ 's', "seed", OPT_INT, &seed, "N", "seed of the random weights (1)", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model",
		"init [--vocab VOCAB] [--like NAME | --arch NAME] [OPTIONS] -o OUT.gguf",
		"Make a model with random weights: with a vocabulary to begin training with,\n"
		"without one to test and to time with. --like takes the shape of smollm2-135m,\n"
		"tinyllama-1.1b, llama3.2-1b, llama2-7b, qwen2.5-0.5b, qwen3-0.6b, gpt2,\n"
		"pythia-70m, gemma-2b, gemma2-2b, gemma3-270m or phi3-mini.",
		"sr-tokenize --train 8000 -o vocab.gguf < corpus.txt\n"
		"sr-model init --vocab vocab.gguf --dim 256 --layers 8 -o base.gguf\n"
		"sr-model init --like smollm2-135m --type Q8_0 -o dummy.gguf",
		opts
	};
	const struct format *format;
	struct gguf_out *o;
	struct shape s;
	struct init i;
	void *room;
	struct err e;

	tool_init(&tool, &argc, &argv);
	if (argc > 0)
		tool_usage("init takes no operand (%s)", argv[0]);
	if (!vocab && !like && !arch_name)
		tool_usage("--vocab FILE says which vocabulary the model reads");
	if (like && arch_name)
		tool_usage("--like says the architecture already");
	need_output(out);
	format = need_format(type_name);
	s = wanted();
	i = (struct init){ .c = s.c, .stretch = s.stretch, .seed = (uint64_t)seed,
		.format = format, .pool = pool_new(0) };
	o = gguf_out_new();
	put_vocab(&i, &s.vocab, o);
	if (init_model(&i, o, &room, &e) < 0)
		tool_die(&e);
	if (like)
		gguf_put_str(o, "general.name", like, strlen(like));
	save(o, out);
	free(room);
	pool_free(i.pool);
}
