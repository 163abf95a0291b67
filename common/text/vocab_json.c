/* tokenizer.json, as Hugging Face's tokenizers write it. What a file asks for and is not done here
 * is refused by name: a tokenizer that is nearly right is wrong. */
#include <string.h>

#include "text/pretokenize.h"
#include "text/spm.h"
#include "text/strmap.h"
#include "text/vocab_room.h"

#define BLANK "\xe2\x96\x81" /* U+2581, SentencePiece's blank */

enum { MOST_PARTS = 16 };

/* What normalizers and pre-tokenizers say together. */
struct parts {
	bool byte_level, metaspace;
	bool blank;          /* " " becomes U+2581 */
	bool add_space, space_once;
	bool digits;
	bool own_pattern;    /* ByteLevel cuts by GPT-2's pattern itself */
	const char *patterns[MOST_PARTS];
	size_t n_patterns;
	unsigned normalize;
};

static bool
is(const struct json *j, const char *text)
{
	size_t len;
	const char *s = j ? json_text(j, &len) : NULL;

	return s && len == strlen(text) && memcmp(s, text, len) == 0;
}

static const char *
type_of(const struct json *j)
{
	const struct json *type = json_get(j, "type");
	size_t len;
	const char *s = type ? json_text(type, &len) : NULL;

	return s ? s : "?";
}

/* A flag; `otherwise` when it is not there. */
static bool
flag(const struct json *j, const char *key, bool otherwise)
{
	const struct json *v = json_get(j, key);
	bool on;

	return v && json_bool(v, &on) ? on : otherwise;
}

/* Each member of a Sequence, or the one there is. */
static int
each_part(const struct json *j, const char *list, struct parts *p,
	int (*one)(const struct json *, struct parts *, struct err *), struct err *e)
{
	const struct json *all;

	if (!j || !json_is_object(j))
		return 0;
	if (strcmp(type_of(j), "Sequence") != 0)
		return one(j, p, e);
	all = json_get(j, list);
	for (size_t i = 0; all && i < json_len(all); i++)
		if (each_part(json_at(all, i), list, p, one, e) < 0)
			return -1;
	return 0;
}

static int
normalizer(const struct json *j, struct parts *p, struct err *e)
{
	const struct json *pattern = json_get(j, "pattern");
	const char *type = type_of(j);

	if (strcmp(type, "NFC") == 0)
		p->normalize |= NORMALIZE_NFC;
	else if (strcmp(type, "NFKC") == 0)
		p->normalize |= NORMALIZE_NFKC;
	else if (strcmp(type, "Lowercase") == 0)
		p->normalize |= NORMALIZE_LOWER;
	else if (strcmp(type, "Prepend") == 0 && is(json_get(j, "prepend"), BLANK))
		p->add_space = true;
	else if (strcmp(type, "Replace") == 0 && pattern && is(json_get(pattern, "String"), " ") &&
		is(json_get(j, "content"), BLANK))
		p->blank = true;
	else
		return err_set(e, "normalizer %s is not supported", type);
	return 0;
}

static int
byte_level(const struct json *j, struct parts *p, struct err *e)
{
	if (flag(j, "add_prefix_space", false))
		return err_set(e, "pre-tokenizer ByteLevel with add_prefix_space is not supported");
	p->byte_level = true;
	p->own_pattern = flag(j, "use_regex", true);
	return 0;
}

static int
metaspace(const struct json *j, struct parts *p, struct err *e)
{
	const struct json *scheme = json_get(j, "prepend_scheme");

	(void)e;
	p->metaspace = p->blank = true;
	p->add_space = scheme ? !is(scheme, "never") : flag(j, "add_prefix_space", true);
	p->space_once = scheme && is(scheme, "first");
	return 0;
}

static int
split(const struct json *j, struct parts *p, struct err *e)
{
	const struct json *pattern = json_get(j, "pattern"), *regex;
	size_t len;

	if (pattern && is(json_get(pattern, "String"), " ") &&
		is(json_get(j, "behavior"), "MergedWithPrevious"))
		return 0; /* Gemma's: no piece goes on behind a blank, which is U+2581 by then */
	regex = pattern ? json_get(pattern, "Regex") : NULL;
	if (!regex || flag(j, "invert", false) || p->n_patterns == MOST_PARTS ||
		!(p->patterns[p->n_patterns] = json_text(regex, &len)))
		return err_set(e, "a Split pre-tokenizer that is not supported");
	p->n_patterns++;
	return 0;
}

static int
pre_tokenizer(const struct json *j, struct parts *p, struct err *e)
{
	const char *type = type_of(j);

	if (strcmp(type, "ByteLevel") == 0)
		return byte_level(j, p, e);
	if (strcmp(type, "Metaspace") == 0)
		return metaspace(j, p, e);
	if (strcmp(type, "Split") == 0)
		return split(j, p, e);
	if (strcmp(type, "Digits") == 0 && flag(j, "individual_digits", false)) {
		p->digits = true;
		return 0;
	}
	return err_set(e, "pre-tokenizer %s is not supported", type);
}

/* Which of text/pretokenize.h's the pre-tokenizers are. */
static int
name_pre(const struct parts *p, struct vocab *v, struct err *e)
{
	size_t lens[MOST_PARTS];
	int kind;

	for (size_t i = 0; i < p->n_patterns; i++)
		lens[i] = strlen(p->patterns[i]);
	if (p->n_patterns == 0 && p->own_pattern) {
		v->pre = p->digits ? "smollm" : "gpt-2";
		return 0;
	}
	kind = p->n_patterns > 0 && !p->digits && !p->own_pattern
		? pretok_of_patterns(p->patterns, lens, p->n_patterns)
		: -1;
	if (kind < 0)
		return err_set(e, "the pre-tokenizer's pattern is none of those supported: %.200s",
			p->n_patterns > 0 ? p->patterns[0] : "(no pattern)");
	v->pre = pretok_name((enum pretok)kind);
	return 0;
}

/* Text and length of a token that is given as "text" or {"content": "text"}. */
static const char *
token_text(const struct json *j, size_t *len)
{
	const struct json *content = j && json_is_object(j) ? json_get(j, "content") : j;

	return content ? json_text(content, len) : NULL;
}

/* The highest id and the number of entries of both lists. */
static int
count(const struct json *vocab, const struct json *added, size_t *n, size_t *entries, struct err *e)
{
	const struct json *value;
	const char *key;
	long long id, most = -1;
	void *it = NULL;

	*entries = 0;
	for (; json_is_object(vocab) && json_each(vocab, &it, &key, &value); ++*entries) {
		if (!json_int(value, &id) || id < 0)
			return err_set(e, "token \"%.64s\" has no id", key);
		most = id > most ? id : most;
	}
	if (json_is_array(vocab)) {
		*entries = json_len(vocab);
		most = (long long)*entries - 1;
	}
	for (size_t i = 0; added && i < json_len(added); i++, ++*entries) {
		const struct json *number = json_get(json_at(added, i), "id");

		if (!number || !json_int(number, &id) || id < 0)
			return err_set(e, "added token %zu has no id", i);
		most = id > most ? id : most;
	}
	if (most >= 1 << 24)
		return err_set(e, "token id %lld is too large", most);
	*n = (size_t)(most + 1);
	return 0;
}

static int
put_added(struct vocab_room *r, const struct json *added, struct err *e)
{
	r->strips = mem_alloc(r->n, 1);
	for (size_t i = 0; added && i < json_len(added); i++) {
		const struct json *a = json_at(added, i);
		size_t len;
		const char *s = token_text(a, &len);
		long long id;

		json_int(json_get(a, "id"), &id);
		if (!s || len == 0)
			return err_set(e, "added token %lld has no content", id);
		if (room_put(r, id, s, len,
			    flag(a, "special", false) ? TOKEN_CONTROL : TOKEN_USER, e) < 0)
			return -1;
		r->strips[id] = (unsigned char)((flag(a, "lstrip", false) ? STRIP_LEFT : 0) |
			(flag(a, "rstrip", false) ? STRIP_RIGHT : 0));
	}
	return 0;
}

/* Unigram's list: ["piece", score] by id. */
static int
put_unigrams(struct vocab_room *r, const struct json *vocab, struct err *e)
{
	r->scores = mem_alloc(r->n, sizeof *r->scores);
	for (size_t i = 0; i < json_len(vocab); i++) {
		const struct json *pair = json_at(vocab, i), *piece = json_at(pair, 0);
		const struct json *score = json_at(pair, 1);
		size_t len;
		double x;
		const char *s = piece ? json_text(piece, &len) : NULL;

		if (!s || !score || !json_double(score, &x))
			return err_set(e, "token %zu is no piece with a score", i);
		r->scores[i] = (float)x;
		if (room_put(r, (long long)i, s, len,
			    spm_byte(s, len) >= 0 ? TOKEN_BYTE : TOKEN_NORMAL, e) < 0)
			return -1;
	}
	return 0;
}

static int
put_pieces(struct vocab_room *r, const struct json *vocab, bool fallback, struct err *e)
{
	const struct json *value;
	const char *key;
	void *it = NULL;

	while (json_each(vocab, &it, &key, &value)) {
		size_t len = strlen(key);
		long long id;

		json_int(value, &id);
		if (room_put(r, id, key, len,
			    fallback && spm_byte(key, len) >= 0 ? TOKEN_BYTE : TOKEN_NORMAL, e) < 0)
			return -1;
	}
	return 0;
}

/* Merges are "left right" or ["left","right"]; the latter are put together in one string. */
static int
put_merges(struct vocab_room *r, const struct json *merges, struct err *e)
{
	size_t n = merges && json_is_array(merges) ? json_len(merges) : 0, total = 0, len, more;
	char *to;

	r->merges = mem_alloc(n, sizeof *r->merges);
	r->merge_lens = mem_alloc(n, sizeof *r->merge_lens);
	for (size_t i = 0; i < n; i++) {
		const struct json *m = json_at(merges, i);

		if (json_is_array(m) && json_len(m) == 2 && json_text(json_at(m, 0), &len) &&
			json_text(json_at(m, 1), &more))
			total += len + 1 + more;
		else if (!(r->merges[i] = json_text(m, &r->merge_lens[i])))
			return err_set(e, "merge %zu is not two pieces", i + 1);
	}
	to = r->strings = mem_alloc(total + 1, 1);
	for (size_t i = 0; i < n; i++) {
		const struct json *m = json_at(merges, i);
		const char *left, *right;

		if (r->merges[i])
			continue;
		left = json_text(json_at(m, 0), &len);
		right = json_text(json_at(m, 1), &more);
		r->merges[i] = to;
		memcpy(to, left, len);
		to[len] = ' ';
		memcpy(to + len + 1, right, more);
		r->merge_lens[i] = len + 1 + more;
		to += len + 1 + more;
	}
	r->n_merges = n;
	return 0;
}

/* SentencePiece's order of merges, as scores: a piece is the better the earlier it is made. */
static int
scores_of_merges(struct vocab_room *r, struct err *e)
{
	struct strmap ids = { 0 };
	struct buf joined = { 0 };
	int status = 0;
	bool fresh;

	r->scores = mem_alloc(r->n, sizeof *r->scores);
	for (size_t i = 0; i < r->n; i++) {
		if (!r->pieces[i])
			continue;
		strmap_put(&ids, r->pieces[i], r->lens[i], &fresh)->value = i;
		r->scores[i] = -(float)r->n_merges - 1;
	}
	for (size_t i = r->n_merges; i-- > 0 && status == 0;) {
		const char *m = r->merges[i];
		size_t len = r->merge_lens[i];
		const char *blank = len > 1 ? memchr(m + 1, ' ', len - 1) : NULL;
		const struct strmap_slot *slot;

		if (!blank) {
			status = err_set(e, "merge %zu is not two pieces parted by a blank", i + 1);
			break;
		}
		buf_clear(&joined);
		buf_add(&joined, m, (size_t)(blank - m));
		buf_add(&joined, blank + 1, len - (size_t)(blank - m) - 1);
		slot = strmap_get(&ids, joined.data, joined.len);
		if (slot)
			r->scores[slot->value] = -(float)i;
	}
	buf_release(&joined);
	strmap_release(&ids);
	r->n_merges = 0; /* they have served */
	return status;
}

/* Special tokens that the template around a text names: one in front is BOS. */
static void
read_template(const struct json *post, const struct vocab_room *r, struct vocab *v)
{
	const struct json *parts, *all = post ? json_get(post, "processors") : NULL;

	if (!post || !json_is_object(post))
		return;
	for (size_t i = 0; all && i < json_len(all); i++)
		read_template(json_at(all, i), r, v);
	parts = json_get(post, "single");
	if (strcmp(type_of(post), "TemplateProcessing") == 0 && parts && json_len(parts) > 0) {
		const struct json *first = json_get(json_at(parts, 0), "SpecialToken"), *id;
		size_t len;
		const char *s;

		if (first && (id = json_get(first, "id")) && (s = json_text(id, &len))) {
			v->bos = room_find(r, s, len);
			v->add_bos = v->bos >= 0;
		}
	}
}

static int
check_affixes(const struct json *model, struct err *e)
{
	static const char *const keys[] = { "continuing_subword_prefix", "end_of_word_suffix" };
	size_t len;

	for (size_t i = 0; i < 2; i++) {
		const struct json *j = json_get(model, keys[i]);

		if (j && json_text(j, &len) && len > 0)
			return err_set(
				e, "%s \"%s\" is not supported", keys[i], json_text(j, &len));
	}
	return 0;
}

static int
read_bpe(struct vocab_room *r, const struct json *model, const struct parts *p, struct vocab *v,
	struct err *e)
{
	bool fallback = flag(model, "byte_fallback", false);

	if (check_affixes(model, e) < 0 ||
		put_pieces(r, json_get(model, "vocab"), fallback, e) < 0 ||
		put_merges(r, json_get(model, "merges"), e) < 0)
		return -1;
	if (p->byte_level) {
		v->model = "gpt2";
		v->whole_words = flag(model, "ignore_merges", false);
		return name_pre(p, v, e);
	}
	if (!p->blank)
		return err_set(
			e, "a BPE vocabulary that is neither of bytes nor of SentencePiece's form");
	v->model = "llama";
	return scores_of_merges(r, e);
}

int
vocab_json_read(struct vocab_room *r, const char *path, struct vocab *v, struct err *e)
{
	const struct json *root = room_json(r, path, e), *model, *vocab, *added, *unk;
	struct parts p = { 0 };
	size_t n = 0, entries, len;
	const char *s;
	bool unigram;
	long long id;

	if (!root)
		return -1;
	model = json_get(root, "model");
	vocab = model ? json_get(model, "vocab") : NULL;
	added = json_get(root, "added_tokens");
	unigram = vocab && json_is_array(vocab);
	if (!vocab || (!unigram && !json_is_object(vocab)))
		return err_set(e, "%s: no model.vocab", path);
	if ((!unigram && json_get(model, "type") && strcmp(type_of(model), "BPE") != 0) ||
		(unigram && json_get(model, "type") && strcmp(type_of(model), "Unigram") != 0))
		return err_set(e, "%s: tokenizer type %s is not supported (BPE and Unigram are)",
			path, type_of(model));
	if (each_part(json_get(root, "normalizer"), "normalizers", &p, normalizer, e) < 0 ||
		each_part(json_get(root, "pre_tokenizer"), "pretokenizers", &p, pre_tokenizer,
			e) < 0 ||
		count(vocab, added, &n, &entries, e) < 0 || room_tokens(r, n, entries, e) < 0)
		return err_prefix(e, "%s", path);
	if (unigram ? put_unigrams(r, vocab, e) : read_bpe(r, model, &p, v, e))
		return err_prefix(e, "%s", path);
	if (unigram)
		v->model = "t5";
	v->add_space = p.add_space;
	v->space_once = p.space_once;
	v->normalize = p.normalize;
	unk = json_get(model, unigram ? "unk_id" : "unk_token");
	if (unk && json_int(unk, &id) && id >= 0 && (unsigned long long)id < r->n)
		v->unk = (int)id;
	else if (unk && (s = json_text(unk, &len)))
		v->unk = room_find(r, s, len);
	if (put_added(r, added, e) < 0)
		return err_prefix(e, "%s", path);
	read_template(json_get(root, "post_processor"), r, v);
	return 0;
}
