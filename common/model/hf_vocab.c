/* tokenizer.json as the tokenizers library writes it, rebuilt from a GGUF vocabulary. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/hf_internal.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

#define KEY(name) "tokenizer.ggml." name

struct source {
	const struct gguf *g;
	size_t n;
};

static const char *
piece(const struct source *s, size_t id, size_t *len)
{
	return gguf_arr_str(s->g, KEY("tokens"), id, len);
}

static int
kind(const struct source *s, size_t id)
{
	int64_t k;

	return gguf_arr_int(s->g, KEY("token_type"), id, &k) ? (int)k : TOKEN_NORMAL;
}

static bool
is_flag(const struct gguf *g, const char *key, bool otherwise)
{
	gguf_bool(g, key, &otherwise);
	return otherwise;
}

/* Tokens without those at the end that have a row in the embedding and no name ("[PAD257]"). */
static size_t
count_named(const struct source *s)
{
	size_t n = s->n, len, want;
	const char *text;
	char pad[32];

	while (n > 0 && kind(s, n - 1) == TOKEN_UNUSED) {
		text = piece(s, n - 1, &len);
		want = (size_t)snprintf(pad, sizeof pad, "[PAD%zu]", n - 1);
		if (len != want || memcmp(text, pad, len) != 0)
			break;
		n--;
	}
	return n;
}

static void
put_piece(const struct source *s, size_t id, struct buf *b)
{
	size_t len;
	const char *text = piece(s, id, &len);

	json_put_text(b, text, len);
}

/* Tokens that are matched in the text before all else. */
static void
put_added(const struct source *s, struct buf *b)
{
	const char *sep = "\n";

	buf_puts(b, "  \"added_tokens\": [");
	for (size_t i = 0; i < s->n; i++) {
		int k = kind(s, i);

		if (k != TOKEN_CONTROL && k != TOKEN_USER && k != TOKEN_UNKNOWN)
			continue;
		buf_printf(b, "%s    {\"id\": %zu, \"content\": ", sep, i);
		put_piece(s, i, b);
		buf_printf(b, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
			"\"normalized\": false, \"special\": %s}",
			k == TOKEN_USER ? "false" : "true");
		sep = ",\n";
	}
	buf_puts(b, "\n  ],\n");
}

static void
put_vocab(const struct source *s, struct buf *b)
{
	buf_puts(b, "    \"vocab\": {");
	for (size_t i = 0; i < s->n; i++) {
		buf_puts(b, i ? ",\n      " : "\n      ");
		put_piece(s, i, b);
		buf_printf(b, ": %zu", i);
	}
	buf_puts(b, "\n    },\n");
}

static void
put_merge(const char *left, size_t left_len, const char *right, size_t right_len, const char **sep,
	struct buf *b)
{
	buf_printf(b, "%s      [", *sep);
	json_put_text(b, left, left_len);
	buf_puts(b, ", ");
	json_put_text(b, right, right_len);
	buf_putc(b, ']');
	*sep = ",\n";
}

/* "left right": the blank that parts them is not the first byte (a piece is not empty). */
static int
put_stored_merges(const struct source *s, struct buf *b, struct err *e)
{
	const char *sep = "\n", *text, *blank;
	size_t n = 0, len;

	gguf_arr(s->g, KEY("merges"), NULL, &n);
	for (size_t i = 0; i < n; i++) {
		text = gguf_arr_str(s->g, KEY("merges"), i, &len);
		blank = text && len > 2 ? memchr(text + 1, ' ', len - 2) : NULL;
		if (!blank)
			return err_set(e, "%s: element %zu is no merge", KEY("merges"), i);
		put_merge(text, (size_t)(blank - text), blank + 1,
			len - (size_t)(blank + 1 - text), &sep, b);
	}
	return 0;
}

/* SentencePiece has scores in place of merges: any two pieces whose join is a piece are one, and
 * the better the join's score the earlier. */
struct scored {
	size_t id;
	double score;
};

static int
scored_cmp(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct text {
	const char *s;
	size_t len;
};

static int
text_cmp(const void *a, const void *b)
{
	const struct text *x = a, *y = b;
	int cmp = memcmp(x->s, y->s, x->len < y->len ? x->len : y->len);

	return cmp ? cmp : x->len < y->len ? -1 : x->len > y->len;
}

static bool
is_piece(const struct text *sorted, size_t n, const char *s, size_t len)
{
	struct text t = { s, len };

	return bsearch(&t, sorted, n, sizeof t, text_cmp) != NULL;
}

static void
put_scored_merges(const struct source *s, struct buf *b)
{
	struct scored *by_score = mem_alloc(s->n, sizeof *by_score);
	struct text *by_text = mem_alloc(s->n, sizeof *by_text);
	const char *sep = "\n";
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (kind(s, i) != TOKEN_NORMAL)
			continue;
		by_score[n].id = i;
		gguf_arr_real(s->g, KEY("scores"), i, &by_score[n].score);
		by_text[n].s = piece(s, i, &by_text[n].len);
		n++;
	}
	if (n) {
		qsort(by_score, n, sizeof *by_score, scored_cmp);
		qsort(by_text, n, sizeof *by_text, text_cmp);
	}
	for (size_t i = 0; i < n; i++) {
		size_t len;
		const char *t = piece(s, by_score[i].id, &len);

		for (size_t k = 1; k < len; k++)
			if ((t[k] & 0xc0) != 0x80 && is_piece(by_text, n, t, k) &&
			    is_piece(by_text, n, t + k, len - k))
				put_merge(t, k, t + k, len - k, &sep, b);
	}
	free(by_score);
	free(by_text);
}

static void
put_unk(const struct source *s, struct buf *b)
{
	int64_t unk;

	buf_puts(b, "    \"unk_token\": ");
	if (gguf_int(s->g, KEY("unknown_token_id"), &unk) && unk >= 0 && (size_t)unk < s->n)
		put_piece(s, (size_t)unk, b);
	else
		buf_puts(b, "null");
	buf_puts(b, ",\n");
}

static void
put_normalizer(const struct gguf *g, struct buf *b)
{
	static const struct {
		int64_t bit;
		const char *name;
	} forms[] = { { NORMALIZE_NFC, "NFC" }, { NORMALIZE_NFKC, "NFKC" },
		{ NORMALIZE_LOWER, "Lowercase" } };
	const char *sep = "";
	int64_t bits;

	if (!gguf_int(g, "sr.tokenizer.normalize", &bits))
		bits = 0;
	buf_puts(b, bits ? "  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
			 : "  \"normalizer\": null,\n");
	for (size_t i = 0; bits && i < sizeof forms / sizeof *forms; i++)
		if (bits & forms[i].bit) {
			buf_printf(b, "%s{\"type\": \"%s\"}", sep, forms[i].name);
			sep = ", ";
		}
	if (bits)
		buf_puts(b, "]},\n");
}

/* Each expression as a step of its own; GPT-2's is that of the library's byte-level step. */
static int
put_pretokenizer(const struct gguf *g, bool *whole, struct buf *b, struct err *e)
{
	char *pre = gguf_str_dup(g, KEY("pre"));
	const char *name = pre ? pre : "gpt-2", *regex;
	int kind = pretok_named(name, strlen(name));

	*whole = pretok_whole_words(name, strlen(name));
	if (kind < 0)
		err_set(e, "pre-tokenizer %.40s has no form in tokenizer.json here", name);
	free(pre);
	if (kind < 0)
		return -1;
	put_normalizer(g, b);
	buf_puts(b, "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n");
	for (size_t i = 0; kind != PRETOK_GPT2 &&
			(regex = pretok_pattern((enum pretok)kind, i)); i++) {
		buf_puts(b, "    {\"type\": \"Split\", \"pattern\": {\"Regex\": ");
		json_put_text(b, regex, strlen(regex));
		buf_puts(b, "}, \"behavior\": \"Isolated\", \"invert\": false},\n");
	}
	buf_printf(b, "    {\"type\": \"ByteLevel\", \"add_prefix_space\": %s, "
		"\"trim_offsets\": true, \"use_regex\": %s}\n  ]},\n"
		"  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
		"\"trim_offsets\": true, \"use_regex\": true},\n",
		is_flag(g, KEY("add_space_prefix"), false) ? "true" : "false",
		kind == PRETOK_GPT2 ? "true" : "false");
	return 0;
}

/* BOS in front of every text, where the vocabulary wants it. */
static void
put_post_processor(const struct source *s, struct buf *b)
{
	int64_t bos;
	struct buf name = { 0 };

	buf_puts(b, "  \"post_processor\": ");
	if (!is_flag(s->g, KEY("add_bos_token"), false) ||
	    !gguf_int(s->g, KEY("bos_token_id"), &bos) || bos < 0 || (size_t)bos >= s->n) {
		buf_puts(b, "null,\n");
		return;
	}
	put_piece(s, (size_t)bos, &name);
	buf_printf(b, "{\"type\": \"TemplateProcessing\",\n"
		"    \"single\": [{\"SpecialToken\": {\"id\": %s, \"type_id\": 0}}, "
		"{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],\n"
		"    \"pair\": [{\"SpecialToken\": {\"id\": %s, \"type_id\": 0}}, "
		"{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, "
		"{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],\n"
		"    \"special_tokens\": {%s: {\"id\": %s, \"ids\": [%lld], \"tokens\": [%s]}}},\n",
		buf_str(&name), buf_str(&name), buf_str(&name), buf_str(&name), (long long)bos,
		buf_str(&name));
	buf_release(&name);
}

/* U+2581 for blanks, one in front where the vocabulary wants it, and the way back. */
static void
put_spm_normalizer(const struct gguf *g, struct buf *b)
{
	bool front = is_flag(g, KEY("add_space_prefix"), true);

	buf_printf(b, "  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [%s"
		"{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, "
		"\"content\": \"\u2581\"}]},\n  \"pre_tokenizer\": null,\n",
		front ? "{\"type\": \"Prepend\", \"prepend\": \"\u2581\"}, " : "");
	buf_printf(b, "  \"decoder\": {\"type\": \"Sequence\", \"decoders\": ["
		"{\"type\": \"Replace\", \"pattern\": {\"String\": \"\u2581\"}, "
		"\"content\": \" \"}, "
		"{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}%s]},\n",
		front ? ", {\"type\": \"Strip\", \"content\": \" \", "
		"\"start\": 1, \"stop\": 0}" : "");
}

static int
put_bpe(const struct source *s, bool spm, struct buf *b, struct err *e)
{
	const char *fallback = spm ? "true" : "false";
	bool whole = false;

	if (spm)
		put_spm_normalizer(s->g, b);
	else if (put_pretokenizer(s->g, &whole, b, e) < 0)
		return -1;
	put_post_processor(s, b);
	buf_puts(b, "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n");
	put_unk(s, b);
	buf_printf(b, "    \"continuing_subword_prefix\": null,\n"
		"    \"end_of_word_suffix\": null,\n    \"fuse_unk\": %s,\n"
		"    \"byte_fallback\": %s,\n    \"ignore_merges\": %s,\n", fallback, fallback,
		whole ? "true" : "false");
	put_vocab(s, b);
	buf_puts(b, "    \"merges\": [");
	if (spm)
		put_scored_merges(s, b);
	else if (put_stored_merges(s, b, e) < 0)
		return -1;
	buf_puts(b, "\n    ]\n  }\n}\n");
	return 0;
}

/* SentencePiece's unigram model: pieces with their scores. */
static int
put_unigram(const struct source *s, struct buf *b, struct err *e)
{
	int64_t unk;
	double score;

	if (gguf_has(s->g, KEY("precompiled_charsmap")))
		return err_set(e, "a vocabulary with %s has no form in tokenizer.json here",
			KEY("precompiled_charsmap"));
	put_spm_normalizer(s->g, b);
	put_post_processor(s, b);
	buf_puts(b, "  \"model\": {\n    \"type\": \"Unigram\",\n");
	if (gguf_int(s->g, KEY("unknown_token_id"), &unk))
		buf_printf(b, "    \"unk_id\": %lld,\n", (long long)unk);
	buf_puts(b, "    \"byte_fallback\": true,\n    \"vocab\": [");
	for (size_t i = 0; i < s->n; i++) {
		buf_puts(b, i ? ",\n      [" : "\n      [");
		put_piece(s, i, b);
		buf_puts(b, ", ");
		json_put_real(b, gguf_arr_real(s->g, KEY("scores"), i, &score) ? score : 0, 9);
		buf_putc(b, ']');
	}
	buf_puts(b, "\n    ]\n  }\n}\n");
	return 0;
}

int
hf_tokenizer(const struct gguf *g, struct buf *out, struct err *e)
{
	struct source s = { g, 0 };
	char *model = gguf_str_dup(g, KEY("model"));
	bool spm = model && strcmp(model, "llama") == 0, bpe = model && strcmp(model, "gpt2") == 0;
	bool unigram = model && strcmp(model, "t5") == 0;
	enum gguf_type type;

	free(model);
	if (!spm && !bpe && !unigram)
		return err_set(e, "the file has no vocabulary that tokenizer.json can say (%s)",
			KEY("model"));
	if (!gguf_arr(g, KEY("tokens"), &type, &s.n) || type != GGUF_STR)
		return err_set(e, "%s is no array of strings", KEY("tokens"));
	s.n = count_named(&s);
	buf_puts(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n"
		"  \"padding\": null,\n");
	put_added(&s, out);
	return unigram ? put_unigram(&s, out, e) : put_bpe(&s, spm, out, e);
}

void
hf_tokenizer_config(const struct gguf *g, struct buf *out)
{
	static const struct {
		const char *gguf, *hf;
	} names[] = {
		{ KEY("bos_token_id"), "bos_token" }, { KEY("eos_token_id"), "eos_token" },
		{ KEY("unknown_token_id"), "unk_token" },
	};
	struct source s = { g, 0 };
	const char *template;
	size_t len;
	int64_t id;

	gguf_arr(g, KEY("tokens"), NULL, &s.n);
	buf_printf(out, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
		"  \"add_bos_token\": %s,\n  \"add_eos_token\": false,\n",
		is_flag(g, KEY("add_bos_token"), false) ? "true" : "false");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!gguf_int(g, names[i].gguf, &id) || id < 0 || (size_t)id >= s.n)
			continue;
		buf_printf(out, "  \"%s\": ", names[i].hf);
		put_piece(&s, (size_t)id, out);
		buf_puts(out, ",\n");
	}
	template = gguf_str(g, "tokenizer.chat_template", &len);
	if (template) {
		buf_puts(out, "  \"chat_template\": ");
		json_put_text(out, template, len);
		buf_puts(out, ",\n");
	}
	buf_puts(out, "  \"clean_up_tokenization_spaces\": false\n}\n");
}
