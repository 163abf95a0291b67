/* sr-tokenize: records to tokens and back, and vocabularies learned from text. man/sr-tokenize.1 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "model/find.h"
#include "model/model.h"
#include "model/source.h"
#include "stream/stream.h"
#include "text/bpe_train.h"
#include "text/template.h"

static struct {
	struct stream_opts stream;
	const char *model, *out, *pre, *eos_name;
	long train, max_words, max_tokens;
	bool decode, json, controls_too, only, bos, eos, special;
	struct opt_list controls;
} o = {
	.stream = { .main = "text" },
	.pre = "gpt-2",
	.max_words = 2000000,
};

static const struct opt opts[] = {
	{ 'm', "model", OPT_TEXT, &o.model, "MODEL",
		"GGUF file, folder or vocabulary file (default: SR_MODEL, else the installed one)",
		0, 0 },
	{ 'd', "decode", OPT_FLAG, &o.decode, NULL, "tokens back to text", 0, 0 },
	{ 0, "json", OPT_FLAG, &o.json, NULL, "with -d: records instead of raw text", 0, 0 },
	{ 0, "show-control", OPT_FLAG, &o.controls_too, NULL,
		"with -d: control tokens by their names", 0, 0 },
	{ 0, "max-tokens", OPT_INT, &o.max_tokens, "N",
		"split texts into pieces of N tokens; drop longer pairs (default 0: no limit)", 0,
		INT_MAX },
	{ 0, "bos", OPT_FLAG, &o.bos, NULL, "begin every text with the BOS token", 0, 0 },
	{ 0, "eos", OPT_FLAG, &o.eos, NULL,
		"end every text with the EOS token, as completions always do", 0, 0 },
	{ 0, "special", OPT_FLAG, &o.special, NULL,
		"names of special tokens in a text are those tokens", 0, 0 },
	{ 0, "only", OPT_FLAG, &o.only, NULL, "write id, tokens and loss_from, nothing else",
		0, 0 },
	{ 0, "train", OPT_INT, &o.train, "N", "learn a vocabulary of N tokens from the text", 257,
		1 << 24 },
	{ 'o', "output", OPT_TEXT, &o.out, "FILE", "with --train: the vocabulary, a GGUF file",
		0, 0 },
	{ 0, "control", OPT_LIST, &o.controls, "NAME",
		"with --train: a control token; may be repeated", 0, 0 },
	{ 0, "eos-name", OPT_TEXT, &o.eos_name, "NAME",
		"with --train: the control token that ends a sequence (default: the first)", 0, 0 },
	{ 0, "pre", OPT_PICK, &o.pre, "gpt-2|smollm|llama-bpe|qwen2",
		"with --train: how text is cut first (default gpt-2)", 0, 0 },
	{ 0, "max-words", OPT_INT, &o.max_words, "N",
		"with --train: distinct words kept (default 2000000)", 1000, INT_MAX },
	STREAM_OPTS(o.stream),
	OPT_END,
};

static const struct tool tool = {
	.name = "sr-tokenize",
	.synopsis = "[-m MODEL] [-d] [--max-tokens N] [--only] < records > records\n"
		"--train N -o FILE [--control NAME]... < text",
	.about = "Turn prompts and completions, or texts, into tokens with the place where\n"
		"training starts; turn tokens back into the exact bytes; learn a byte-level BPE vocabulary.",
	.examples = "sr-tokenize --train 8000 -o vocab.gguf --control '<|end|>' < corpus.txt\n"
		"sr-tokenize -m vocab.gguf -i lines --eos --only --max-tokens 256 < corpus.txt\n"
		"sr-prompt -i csv -f completion=benign < pairs.csv | sr-tokenize -m base.gguf\n"
		"sr-tokenize -m base.gguf -i lines < notes.txt | sr-tokenize -m base.gguf -d",
	.opts = opts,
};

static struct stream *
open_stdin(struct err *e)
{
	struct stream *s = stream_open(&o.stream, stdin, stdout, "stdin", e);

	if (!s)
		tool_die(e);
	return s;
}

/* With -k a bad record is counted, else it ends the program. */
static void
skip_or_die(size_t *skipped, const struct err *e)
{
	if (!o.stream.keep)
		tool_die(e);
	++*skipped;
}

static void
say_skipped(const struct stream *s, size_t skipped)
{
	skipped += stream_skipped(s);
	if (skipped)
		tool_warn("%zu bad records skipped", skipped);
}

/* Learning. */

static void
learn_text(struct bpe_train *b, struct record *r, const char *role, bool *any)
{
	size_t len;
	const char *text = record_text(r, role, &len);

	if (text) {
		bpe_train_add(b, text, len);
		*any = true;
	}
}

static int
learn_prompt(struct bpe_train *b, struct record *r, bool *any, struct err *e)
{
	struct prompt p = { 0 };
	struct err why;
	size_t len;
	const char *json = record_json(r, "prompt", &len);

	if (!json)
		return 0;
	if (prompt_from_json(&p, json, len, &why))
		return record_err(r, e, "%s", why.msg);
	for (size_t i = 0; i < p.n; i++)
		if (!p.v[i].control)
			bpe_train_add(b, p.v[i].text, p.v[i].len);
	prompt_release(&p);
	*any = true;
	return 0;
}

static int
learn_record(struct bpe_train *b, struct record *r, struct err *e)
{
	bool any = false;

	if (record_is_summary(r))
		return 0;
	if (learn_prompt(b, r, &any, e))
		return -1;
	learn_text(b, r, "completion", &any);
	learn_text(b, r, "text", &any);
	return any || record_need(r, "text", NULL, e) ? 0 : -1;
}

static int
control_index(const char *name)
{
	for (size_t i = 0; i < o.controls.n; i++)
		if (!strcmp(o.controls.v[i], name))
			return (int)i;
	return -1;
}

static void
write_vocab(const struct vocab *v, struct err *e)
{
	struct gguf_out *out = gguf_out_new();

	gguf_put_str(out, "general.architecture", "llama", 5);
	vocab_to_gguf(v, out);
	if (gguf_save(out, o.out, e))
		tool_die(e);
	gguf_out_free(out);
}

static void
train(struct err *e)
{
	struct bpe_train *b = bpe_train_new(o.pre, (size_t)o.max_words, e);
	struct stream *s = open_stdin(e);
	struct vocab v;
	struct record *r;
	size_t skipped = 0;
	int status, eos = o.eos_name ? control_index(o.eos_name) : 0;

	if (!b)
		tool_die(e);
	while ((r = stream_read(s, &status, e))) {
		if (learn_record(b, r, e))
			skip_or_die(&skipped, e);
		record_free(r);
	}
	if (status)
		tool_die(e);
	say_skipped(s, skipped);
	if (bpe_train_run(b, (size_t)o.train, o.controls.v, o.controls.n, &v, e))
		tool_die(e);
	if (o.controls.n)
		v.eos = (int)(v.n - o.controls.n) + eos;
	if (v.n < (size_t)o.train)
		tool_warn("the text gave %zu tokens, not %ld", v.n, o.train);
	if (bpe_train_dropped(b))
		tool_warn("%llu occurrences of rare words were left out (--max-words)",
			(unsigned long long)bpe_train_dropped(b));
	write_vocab(&v, e);
	bpe_train_free(b);
	stream_free(s);
}

/* Decoding. */

/* Numbers, parted by the bytes of `between`. */
static int
parse_numbers(const char *s, size_t len, const char *between, struct ids *out)
{
	const char *end = s + len;

	while (s < end) {
		long n = 0;

		if (*s && strchr(between, *s)) {
			s++;
			continue;
		}
		if (*s < '0' || *s > '9')
			return -1;
		for (; s < end && *s >= '0' && *s <= '9'; s++)
			if ((n = n * 10 + (*s - '0')) > INT_MAX)
				return -1;
		ids_add(out, (int)n);
	}
	return 0;
}

static int
decode_record(const struct tokenizer *t, struct record *r, struct ids *ids, struct buf *text,
	struct err *e)
{
	size_t len;
	const char *v;
	int status;

	ids->n = 0;
	buf_clear(text);
	if ((v = record_text(r, "tokens", &len))) {
		status = parse_numbers(v, len, " \t", ids);
	} else if ((v = record_json(r, "tokens", &len))) {
		/* valid JSON already: what is left is to tell numbers from other values */
		status = len < 2 || *v != '[' ? -1 : parse_numbers(v + 1, len - 2, " \t\r\n,", ids);
	} else {
		return record_err(r, e, "no field tokens");
	}
	if (status)
		return record_err(r, e, "tokens are no list of token numbers");
	for (size_t i = 0; i < ids->n; i++) {
		if ((size_t)ids->v[i] >= tokenizer_n(t))
			return record_err(r, e, "token %d is outside the vocabulary of %zu",
				ids->v[i], tokenizer_n(t));
		tokenizer_decode(
			t, ids->v[i], tokenizer_starts(t, ids->v, i), o.controls_too, text);
	}
	return 0;
}

static void
decode(const struct tokenizer *t, struct err *e)
{
	struct stream *s;
	struct ids ids = { 0 };
	struct buf text = { 0 };
	struct record *r;
	size_t skipped = 0;
	int status;

	o.stream.main = "tokens";
	s = open_stdin(e);
	while ((r = stream_read(s, &status, e))) {
		if (record_is_summary(r)) {
			if (o.json && stream_write(s, r, e))
				tool_die(e);
		} else if (decode_record(t, r, &ids, &text, e)) {
			skip_or_die(&skipped, e);
		} else if (o.json || o.stream.raw) {
			record_set_text(r, "text", text.data ? text.data : "", text.len);
			if (stream_write(s, r, e))
				tool_die(e);
		} else {
			buf_putc(&text, o.stream.nul ? '\0' : '\n');
			if (fwrite(text.data, 1, text.len, stdout) != text.len)
				exit(tool_finish());
			if (!stream_ready(s))
				fflush(stdout);
		}
		record_free(r);
	}
	if (status)
		tool_die(e);
	say_skipped(s, skipped);
	ids_release(&ids);
	buf_release(&text);
	stream_free(s);
}

/* Encoding. */

/* What is made of the records. */
struct encoder {
	const struct tokenizer *t;
	struct stream *s;
	struct ids ids;
	struct buf json;
	size_t dropped, skipped;
};

static void
put_ids(struct buf *b, const int *ids, size_t n)
{
	buf_putc(b, '[');
	for (size_t i = 0; i < n; i++) {
		char digits[12], *d = digits + sizeof digits;
		unsigned id = (unsigned)ids[i];

		do
			*--d = (char)('0' + id % 10);
		while (id /= 10);
		if (i)
			buf_putc(b, ',');
		buf_add(b, d, (size_t)(digits + sizeof digits - d));
	}
	buf_putc(b, ']');
}

static int
write_tokens(struct encoder *n, struct record *r, const int *ids, size_t n_ids, size_t loss_from,
	struct err *e)
{
	struct buf *b = &n->json;
	const char *id;
	size_t len;
	char from[24];
	int from_len = snprintf(from, sizeof from, "%zu", loss_from);

	buf_clear(b);
	if (!o.only || o.stream.raw) {
		put_ids(b, ids, n_ids);
		record_set_json(r, "tokens", b->data, b->len);
		record_set_json(r, "loss_from", from, (size_t)from_len);
		return stream_write(n->s, r, e);
	}
	buf_putc(b, '{');
	if ((id = record_json(r, "id", &len))) {
		buf_puts(b, "\"id\":");
		buf_add(b, id, len);
		buf_putc(b, ',');
	}
	buf_puts(b, "\"tokens\":");
	put_ids(b, ids, n_ids);
	buf_printf(b, ",\"loss_from\":%s}", from);
	return stream_write_json(n->s, b->data, b->len, e);
}

/* Returns 0, -1 when the record is bad; ends the program when it can't be written. */
static int
encode_pair(struct encoder *n, struct record *r, const char *json, size_t json_len, struct err *e)
{
	struct prompt p = { 0 };
	struct err why;
	size_t len, loss_from;
	const char *completion = record_text(r, "completion", &len);
	int status;

	if (!completion && record_json(r, "completion", NULL))
		return record_err(r, e, "the completion is no text");
	if (prompt_from_json(&p, json, json_len, &why))
		return record_err(r, e, "%s", why.msg);
	status = prompt_encode(&p, n->t, &n->ids, &why);
	prompt_release(&p);
	if (status)
		return record_err(r, e, "%s", why.msg);
	loss_from = n->ids.n;
	if (completion && tokenizer_eos(n->t) < 0)
		return record_err(
			r, e, "a completion has to end, and the vocabulary has no token for that");
	if (completion) {
		tokenizer_encode(
			n->t, completion, len, tokenizer_starts(n->t, n->ids.v, n->ids.n), &n->ids);
		ids_add(&n->ids, tokenizer_eos(n->t));
	}
	if (o.max_tokens && n->ids.n > (size_t)o.max_tokens)
		n->dropped++;
	else if (write_tokens(n, r, n->ids.v, n->ids.n, loss_from, e))
		tool_die(e);
	return 0;
}

static int
encode_text(struct encoder *n, struct record *r, struct err *e)
{
	size_t len, piece = o.max_tokens ? (size_t)o.max_tokens : SIZE_MAX, at = 0;
	const char *text = record_need(r, "text", &len, e);

	if (!text)
		return -1;
	if (o.bos)
		ids_add(&n->ids, tokenizer_bos(n->t));
	(o.special ? tokenizer_encode_special : tokenizer_encode)(n->t, text, len, true, &n->ids);
	if (o.eos)
		ids_add(&n->ids, tokenizer_eos(n->t));
	do {
		size_t m = n->ids.n - at < piece ? n->ids.n - at : piece;

		if (write_tokens(n, r, n->ids.v + at, m, 0, e))
			tool_die(e);
		at += m;
	} while (at < n->ids.n);
	return 0;
}

static void
encode(const struct tokenizer *t, struct err *e)
{
	struct encoder n = { .t = t };
	struct record *r;
	int status;

	if (o.bos && tokenizer_bos(t) < 0)
		tool_fail("--bos: the vocabulary has no token that begins a sequence");
	if (o.eos && tokenizer_eos(t) < 0)
		tool_fail("--eos: the vocabulary has no token that ends a sequence");
	n.s = open_stdin(e);
	while ((r = stream_read(n.s, &status, e))) {
		const char *prompt;
		size_t len;
		int bad = 0;

		n.ids.n = 0;
		if (record_is_summary(r)) {
			if (stream_write(n.s, r, e))
				tool_die(e);
		} else if ((prompt = record_json(r, "prompt", &len))) {
			bad = encode_pair(&n, r, prompt, len, e);
		} else {
			bad = encode_text(&n, r, e);
		}
		if (bad)
			skip_or_die(&n.skipped, e);
		record_free(r);
	}
	if (status)
		tool_die(e);
	say_skipped(n.s, n.skipped);
	if (n.dropped)
		tool_warn("%zu records dropped: longer than %ld tokens", n.dropped, o.max_tokens);
	ids_release(&n.ids);
	buf_release(&n.json);
	stream_free(n.s);
}

int
main(int argc, char **argv)
{
	struct err e;
	struct tokenizer *t;
	char *path;

	tool_init(&tool, &argc, &argv);
	if (argc)
		tool_usage("'%s' is one argument too many", *argv);
	if (!o.stream.format)
		o.stream.format = o.train ? "lines" : "jsonl";
	if (o.train) {
		if (!o.out || o.decode)
			tool_usage("--train takes -o FILE, and not -d");
		if (o.eos_name && control_index(o.eos_name) < 0)
			tool_usage("--eos-name %s is not among the --control tokens", o.eos_name);
		train(&e);
		return tool_finish();
	}
	if (o.out || o.controls.n || o.eos_name)
		tool_usage("-o, --control and --eos-name go with --train");
	path = model_find(o.model, &e);
	if (!path || !(t = source_tokenizer(path, &e)))
		tool_die(&e);
	if (o.decode)
		decode(t, &e);
	else
		encode(t, &e);
	free(path);
	tokenizer_free(t);
	return tool_finish();
}
