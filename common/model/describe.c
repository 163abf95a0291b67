#include "model/describe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/forward.h"
#include "tensor/types.h"
#include "text/template.h"

#define CHAT_TEMPLATE "tokenizer.chat_template"

enum {
	FEW = 32,     /* arrays up to this length are shown */
	PROMPT = 512, /* tokens of a pass whose activations are counted */
};

/* Tensors of one kind ("attn_q") and one type. */
struct group {
	const char *name;
	size_t name_len;
	const struct gguf_tensor *first;
	size_t n, bytes;
	uint64_t params;
};

/* "blk.3.attn_q.weight" without the block and the ending; what has another ending keeps it. */
static const char *
kind_of(const char *name, size_t *len)
{
	static const char ending[] = ".weight";
	size_t n = strlen(ending);

	if (strncmp(name, "blk.", 4) == 0) {
		const char *p = name + 4 + strspn(name + 4, "0123456789");

		if (p > name + 4 && *p == '.')
			name = p + 1;
	}
	*len = strlen(name);
	if (*len > n && strcmp(name + *len - n, ending) == 0)
		*len -= n;
	return name;
}

static struct group *
find_group(struct group *v, size_t n, const struct gguf_tensor *t)
{
	size_t len;
	const char *name = kind_of(t->name, &len);

	for (size_t i = 0; i < n; i++)
		if (v[i].name_len == len && memcmp(v[i].name, name, len) == 0 &&
		    v[i].first->type == t->type)
			return &v[i];
	return NULL;
}

static struct group *
groups(const struct gguf *g, size_t *n)
{
	const struct gguf_tensor *t;
	struct group *v = NULL;

	*n = 0;
	for (size_t i = 0; (t = gguf_tensor_at(g, i)); i++) {
		struct group *found = find_group(v, *n, t);

		if (!found) {
			if ((*n & (*n - 1)) == 0)
				v = mem_grow(v, *n ? *n * 2 : 1, sizeof *v);
			found = &v[(*n)++];
			*found = (struct group){ .first = t };
			found->name = kind_of(t->name, &found->name_len);
		}
		found->n++;
		found->bytes += t->bytes;
		/* A type that nobody knows may claim any shape; a known one lies in the file. */
		if (t->bytes)
			found->params += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
	}
	return v;
}

/* What a file is. */
enum kind { MODEL, ADAPTER, VOCABULARY, JUDGE, OTHER };

static const struct {
	const char *name, *about;
} kinds[] = {
	[MODEL] = { "model", NULL },
	[ADAPTER] = { "adapter", "an adapter, to be used with its model (-a)" },
	[VOCABULARY] = { "vocabulary", "a vocabulary alone (sr-tokenize, sr-model init)" },
	[JUDGE] = { "judge", "the n-gram judge of sr-score-bias and sr-score-rewrite" },
	[OTHER] = { "other", NULL },
};

/* Bytes in memory. */
struct memory {
	size_t weights;     /* mapped from the file, shared by all programs that use it */
	size_t kv;          /* keys and values of a sequence of full length */
	size_t activations; /* about, of a prompt of PROMPT tokens */
	size_t train;       /* everything, to train all parameters */
};

struct facts {
	enum kind kind;
	struct config c;  /* of a MODEL */
	struct err why;   /* OTHER */
	struct group *groups;
	size_t n_groups, bytes;
	uint64_t params;
	uint64_t rank;    /* of an ADAPTER: the smaller side of its smallest matrix */
	uint64_t prefix;  /* of an ADAPTER that is a prefix: virtual tokens */
	size_t n_tokens;  /* 0: there is no vocabulary */
	struct memory memory;
};

static bool
is(const struct gguf *g, const char *key, const char *value)
{
	size_t len;
	const char *s = gguf_str(g, key, &len);

	return s && len == strlen(value) && memcmp(s, value, len) == 0;
}

static enum kind
kind_of_file(const struct gguf *g, struct facts *f)
{
	if (is(g, "general.type", "adapter"))
		return ADAPTER;
	if (is(g, "general.architecture", "sr-ngram"))
		return JUDGE;
	if (gguf_n_tensors(g) == 0 && f->n_tokens)
		return VOCABULARY;
	return config_read(&f->c, g, &f->why) == 0 ? MODEL : OTHER;
}

static struct memory
memory(const struct facts *f, train_bytes_fn *train_bytes)
{
	const struct config *c = &f->c;
	struct config one = *c;
	size_t width = c->n_head_kv * c->head_dim;

	one.n_layer = 1;
	return (struct memory){ .weights = f->bytes,
		.kv = 2 * sizeof(float) * c->n_layer * c->n_ctx * width,
		.activations = tape_bytes(&one, PROMPT, false) +
			sizeof(float) * (PROMPT * (2 * c->n_embd + c->n_ff) + c->n_vocab),
		.train = train_bytes(c) };
}

static struct facts
facts(const struct gguf *g, train_bytes_fn *train_bytes)
{
	struct facts f = { 0 };

	if (!gguf_arr(g, "tokenizer.ggml.tokens", NULL, &f.n_tokens))
		f.n_tokens = 0;
	f.kind = kind_of_file(g, &f);
	f.groups = groups(g, &f.n_groups);
	for (size_t i = 0; i < f.n_groups; i++) {
		f.bytes += f.groups[i].bytes;
		f.params += f.groups[i].params;
	}
	for (size_t i = 0; f.kind == ADAPTER && i < f.n_groups; i++)
		if (is(g, "adapter.type", "prefix"))
			f.prefix = f.groups[i].first->dims[f.groups[i].first->n_dims - 1];
	for (size_t i = 0; f.kind == ADAPTER && !f.prefix && i < f.n_groups; i++) {
		const uint64_t *d = f.groups[i].first->dims;
		uint64_t side = d[0] < d[1] ? d[0] : d[1];

		f.rank = f.rank == 0 || side < f.rank ? side : f.rank;
	}
	if (f.kind == MODEL)
		f.memory = memory(&f, train_bytes);
	return f;
}

static void
put_shape(const struct gguf_tensor *t, const char *between, struct buf *out)
{
	for (uint32_t d = 0; d < t->n_dims; d++)
		buf_printf(out, "%s%" PRIu64, d ? between : "", t->dims[d]);
}

static void
put_name(const char *name, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++)
		buf_putc(out, name[i] > 0x20 && name[i] < 0x7f ? name[i] : '?');
}

/* A scalar's JSON, strings in text mode too: no file shall write to the terminal as it likes. */
static void
put_scalar(const struct gguf *g, const char *key, struct buf *out)
{
	const char *s;
	int64_t i;
	double x;
	size_t len;
	bool b;

	if ((s = gguf_str(g, key, &len)))
		json_put_text(out, s, len);
	else if (gguf_bool(g, key, &b))
		buf_puts(out, b ? "true" : "false");
	else if (gguf_int(g, key, &i))
		buf_printf(out, "%" PRId64, i);
	else if (gguf_real(g, key, &x))
		json_put_real(out, x, 7);
	else
		buf_puts(out, "null");
}

static void
put_element(const struct gguf *g, const char *key, size_t i, struct buf *out)
{
	const char *s;
	int64_t v;
	double x;
	size_t len;

	if ((s = gguf_arr_str(g, key, i, &len)))
		json_put_text(out, s, len);
	else if (gguf_arr_int(g, key, i, &v))
		buf_printf(out, "%" PRId64, v);
	else if (gguf_arr_real(g, key, i, &x))
		json_put_real(out, x, 7);
	else
		buf_puts(out, "null");
}

void
describe_value(const struct gguf *g, const char *key, struct buf *out)
{
	static const char *const names[] = {
		[GGUF_U8] = "u8", [GGUF_I8] = "i8", [GGUF_U16] = "u16", [GGUF_I16] = "i16",
		[GGUF_U32] = "u32", [GGUF_I32] = "i32", [GGUF_F32] = "f32", [GGUF_BOOL] = "bool",
		[GGUF_STR] = "string", [GGUF_ARR] = "array", [GGUF_U64] = "u64", [GGUF_I64] = "i64",
		[GGUF_F64] = "f64",
	};
	enum gguf_type type;
	size_t n;

	if (!gguf_arr(g, key, &type, &n)) {
		put_scalar(g, key, out);
	} else if (n > FEW) {
		buf_printf(out, "{\"array\":\"%s\",\"n\":%zu}", names[type], n);
	} else {
		buf_putc(out, '[');
		for (size_t i = 0; i < n; i++) {
			if (i)
				buf_putc(out, ',');
			put_element(g, key, i, out);
		}
		buf_putc(out, ']');
	}
}

/* Three figures: 6.32 M. */
static void
put_about(uint64_t n, struct buf *out)
{
	if (n >= 1000000000)
		buf_printf(out, "%.3g G", (double)n / 1e9);
	else if (n >= 1000000)
		buf_printf(out, "%.3g M", (double)n / 1e6);
	else
		buf_printf(out, "%" PRIu64, n);
}

/* What the special tokens are called, and their keys. */
static const struct {
	const char *name, *key;
} specials[] = {
	{ "bos", "tokenizer.ggml.bos_token_id" },
	{ "eos", "tokenizer.ggml.eos_token_id" },
	{ "eot", "tokenizer.ggml.eot_token_id" },
	{ "unknown", "tokenizer.ggml.unknown_token_id" },
	{ "padding", "tokenizer.ggml.padding_token_id" },
};

enum { N_SPECIALS = sizeof specials / sizeof *specials };

/* The i-th special token's id and text. */
static bool
special(const struct gguf *g, size_t i, int64_t *id, const char **text, size_t *len)
{
	if (!gguf_int(g, specials[i].key, id) || *id < 0)
		return false;
	*text = gguf_arr_str(g, "tokenizer.ggml.tokens", (size_t)*id, len);
	return *text != NULL;
}

/* tokenizer.ggml.model in words; NULL when there are none. */
static const char *
tokenizer_words(const struct gguf *g)
{
	static const struct {
		const char *model, *words;
	} known[] = {
		{ "gpt2", "byte-level BPE" },
		{ "llama", "SentencePiece BPE" },
		{ "t5", "SentencePiece unigram" },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (is(g, "tokenizer.ggml.model", known[i].model))
			return known[i].words;
	return NULL;
}

static void
text_config(const struct config *c, struct buf *out)
{
	buf_printf(out, "architecture  %s: %zu layers of width %zu, feed-forward %zu\n",
		c->arch->name, c->n_layer, c->n_embd, c->n_ff);
	buf_printf(out, "attention     %zu heads of %zu, %zu for keys and values; ", c->n_head,
		c->head_dim, c->n_head_kv);
	if (c->rope_dim)
		buf_printf(out, "RoPE base %g over %zu", (double)c->rope_base, c->rope_dim);
	else
		buf_puts(out, "learned positions");
	if (c->window)
		buf_printf(out, "; window of %zu", c->window);
	if (c->window && c->window_period)
		buf_printf(out, " but in every %zuth layer", c->window_period);
	buf_printf(out, "\ncontext       %zu positions\n", c->n_ctx);
	buf_printf(out, "head          %s\n", c->tied ? "the embedding (tied)" : "its own");
}

static void
text_groups(const struct gguf *g, const struct facts *f, struct buf *out)
{
	size_t widest = 14;

	buf_puts(out, "parameters    ");
	put_about(f->params, out);
	buf_printf(out, " in %zu tensor%s, ", gguf_n_tensors(g), gguf_n_tensors(g) == 1 ? "" : "s");
	put_about(f->bytes, out);
	buf_puts(out, " bytes\n");
	for (size_t i = 0; i < f->n_groups; i++)
		widest = f->groups[i].name_len > widest ? f->groups[i].name_len : widest;
	for (const struct group *v = f->groups; v < f->groups + f->n_groups; v++) {
		buf_puts(out, "  ");
		put_name(v->name, v->name_len, out);
		for (size_t k = v->name_len; k < widest && k < 40; k++)
			buf_putc(out, ' ');
		buf_printf(out, " %3zu x %-5s ", v->n, type_label(v->first->type));
		put_shape(v->first, " x ", out);
		buf_putc(out, '\n');
	}
}

static void
text_vocabulary(const struct gguf *g, size_t n, struct buf *out)
{
	const char *words = tokenizer_words(g), *text;
	int64_t id;
	size_t len;

	buf_printf(out, "vocabulary    %zu tokens, ", n);
	if (words)
		buf_puts(out, words);
	else
		put_scalar(g, "tokenizer.ggml.model", out);
	if (gguf_has(g, "tokenizer.ggml.pre")) {
		buf_puts(out, ", pre-tokenizer ");
		put_scalar(g, "tokenizer.ggml.pre", out);
	}
	for (size_t i = 0; i < N_SPECIALS; i++)
		if (special(g, i, &id, &text, &len)) {
			buf_printf(out, ", %s %" PRId64 " ", specials[i].name, id);
			json_put_text(out, text, len);
		}
	buf_putc(out, '\n');
}

/* The name of the chat template, as recognised; NULL when there is none or it is not known. */
static const char *
template_name(const struct gguf *g)
{
	size_t len;
	const char *jinja = gguf_str(g, CHAT_TEMPLATE, &len);
	const struct template *t = jinja ? template_recognise(jinja, len) : NULL;

	return t ? t->name : NULL;
}

static void
text_template(const struct gguf *g, struct buf *out)
{
	const char *name = template_name(g);

	if (gguf_has(g, CHAT_TEMPLATE))
		buf_printf(out, "template      %s\n", name ? name : "of its own (not recognised)");
}

static void
text_memory(const struct memory *m, size_t n_ctx, struct buf *out)
{
	buf_puts(out, "memory        to run ");
	put_about(m->weights + m->kv + m->activations, out);
	buf_puts(out, " bytes: weights ");
	put_about(m->weights, out);
	buf_puts(out, " (mapped), keys and values ");
	put_about(m->kv, out);
	buf_printf(out, " at %zu positions, activations ", n_ctx);
	put_about(m->activations, out);
	buf_puts(out, "\n              to train all parameters ");
	put_about(m->train, out);
	buf_puts(out, "\n");
}

static void
text_adapter(const struct gguf *g, const struct facts *f, struct buf *out)
{
	const char *base = gguf_has(g, "general.architecture") ? "general.architecture" :
		"general.base_model.0.name";
	double alpha;

	buf_puts(out, "adapter       for ");
	put_scalar(g, base, out);
	if (f->prefix)
		buf_printf(out, ", a prefix of %" PRIu64 " virtual tokens", f->prefix);
	if (f->rank)
		buf_printf(out, ", rank %" PRIu64, f->rank);
	if (gguf_real(g, "adapter.lora.alpha", &alpha))
		buf_printf(out, ", alpha %g", alpha);
	buf_putc(out, '\n');
}

static bool
starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

void
describe_text(
	const struct gguf *g, const char *path, train_bytes_fn *train_bytes, struct buf *out)
{
	struct facts f = facts(g, train_bytes);
	const char *key;

	buf_printf(out, "file          %s\n", path);
	if (kinds[f.kind].about)
		buf_printf(out, "kind          %s\n", kinds[f.kind].about);
	if (f.kind == MODEL)
		text_config(&f.c, out);
	if (f.kind == OTHER)
		buf_printf(out, "not a model for these tools: %s\n", f.why.msg);
	if (f.kind == ADAPTER)
		text_adapter(g, &f, out);
	if (f.n_groups)
		text_groups(g, &f, out);
	if (f.n_tokens)
		text_vocabulary(g, f.n_tokens, out);
	text_template(g, out);
	if (f.kind == MODEL)
		text_memory(&f.memory, f.c.n_ctx, out);
	for (size_t i = 0; (key = gguf_key_at(g, i, NULL)); i++)
		if (starts(key, "general.") || starts(key, "sr.") || starts(key, "sr-ngram.")) {
			put_name(key, strlen(key), out);
			buf_puts(out, " = ");
			describe_value(g, key, out);
			buf_putc(out, '\n');
		}
	free(f.groups);
}

static void
json_config(const struct config *c, struct buf *out)
{
	buf_printf(out,
		",\"architecture\":\"%s\",\"layers\":%zu,\"width\":%zu,\"feed_forward\":%zu",
		c->arch->name, c->n_layer, c->n_embd, c->n_ff);
	buf_printf(out,
		",\"heads\":%zu,\"kv_heads\":%zu,\"head_width\":%zu,\"context\":%zu,\"tied\":%s",
		c->n_head, c->n_head_kv, c->head_dim, c->n_ctx, c->tied ? "true" : "false");
}

static void
json_groups(const struct gguf *g, const struct facts *f, struct buf *out)
{
	buf_printf(out, ",\"parameters\":%" PRIu64 ",\"tensors\":%zu,\"groups\":[", f->params,
		gguf_n_tensors(g));
	for (const struct group *v = f->groups; v < f->groups + f->n_groups; v++) {
		buf_puts(out, v > f->groups ? ",{\"name\":" : "{\"name\":");
		json_put_text(out, v->name, v->name_len);
		buf_printf(out, ",\"n\":%zu,\"type\":\"%s\",\"shape\":[", v->n,
			type_label(v->first->type));
		put_shape(v->first, ",", out);
		buf_printf(out, "],\"parameters\":%" PRIu64 ",\"bytes\":%zu}", v->params,
			v->bytes);
	}
	buf_putc(out, ']');
}

static void
json_vocabulary(const struct gguf *g, size_t n, struct buf *out)
{
	const char *text;
	int64_t id;
	size_t len;

	buf_printf(out, ",\"vocabulary\":%zu,\"special\":{", n);
	for (size_t i = 0, before = 0; i < N_SPECIALS; i++)
		if (special(g, i, &id, &text, &len)) {
			buf_printf(out, "%s\"%s\":{\"id\":%" PRId64 ",\"text\":",
				before++ ? "," : "", specials[i].name, id);
			json_put_text(out, text, len);
			buf_putc(out, '}');
		}
	buf_putc(out, '}');
}

void
describe_json(
	const struct gguf *g, const char *path, train_bytes_fn *train_bytes, struct buf *out)
{
	struct facts f = facts(g, train_bytes);
	const struct memory *m = &f.memory;
	const char *key;

	buf_puts(out, "{\"file\":");
	json_put_text(out, path, strlen(path));
	buf_printf(out, ",\"kind\":\"%s\"", kinds[f.kind].name);
	if (f.kind == MODEL)
		json_config(&f.c, out);
	if (f.kind == OTHER) {
		buf_puts(out, ",\"why\":");
		json_put_text(out, f.why.msg, strlen(f.why.msg));
	}
	json_groups(g, &f, out);
	if (f.n_tokens)
		json_vocabulary(g, f.n_tokens, out);
	if (template_name(g))
		buf_printf(out, ",\"template\":\"%s\"", template_name(g));
	if (f.kind == ADAPTER)
		buf_printf(out, ",\"rank\":%" PRIu64, f.rank);
	if (f.kind == MODEL)
		buf_printf(out,
			",\"memory\":{\"weights\":%zu,\"kv\":%zu,\"activations\":%zu,\"train\":%zu}",
			m->weights, m->kv, m->activations, m->train);
	buf_puts(out, ",\"metadata\":{");
	for (size_t i = 0; (key = gguf_key_at(g, i, NULL)); i++) {
		if (i)
			buf_putc(out, ',');
		json_put_text(out, key, strlen(key));
		buf_putc(out, ':');
		describe_value(g, key, out);
	}
	buf_puts(out, "}}\n");
	free(f.groups);
}
